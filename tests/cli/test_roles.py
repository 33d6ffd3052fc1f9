# SPDX-License-Identifier: Apache-2.0
"""Administrators' roles, with and without a server, and what each of them may do (--as)."""


def log_of(keeper, *words):
    return [(e["who"], e["what"]) for e in keeper.json("log", *words)]


def test_roles(keeper):
    no_factor = ("It is good for nothing before the account has a second factor:\n"
                 "    mailkeep account totp add hilde@example.org\n")
    keeper.run("domain", "add", "example.net")
    keeper.add("anna@example.org", "hilde@example.org", "nora@example.net")
    assert [r["role"] for r in keeper.json("role", "list")] == [
        "owner", "domain-admin", "help-desk", "auditor"]
    assert "resets passwords and blocks devices\n    see, passwords\n" in keeper.run("role", "list")
    assert keeper.run("role", "show").startswith("Nobody has a role.")
    keeper.run("role", "grant", "hilde@example.org", "help-desk", code=2)
    assert "--all-domains" in keeper.error
    assert keeper.run("role", "grant", "hilde@example.org", "help-desk", "--domain", "Example.org") == \
        "hilde@example.org has the role help-desk over example.org.\n" + no_factor
    assert keeper.run("role", "grant", "hilde@example.org", "help-desk", "--domain", "example.net",
                      "--domain=example.org") == \
        "hilde@example.org has the role help-desk over example.org, example.net.\n" + no_factor
    keeper.run("role", "grant", "hilde@example.org", "help-desk", "--domain", "example.net", code=1)
    assert "already" in keeper.error
    keeper.run("role", "grant", "hilde@example.org", "king", "--all-domains", code=3)
    assert "mailkeep role list" in keeper.error
    keeper.run("role", "grant", "hilda@example.org", "owner", "--all-domains", code=3)
    assert 'Did you mean "hilde@example.org"' in keeper.error
    keeper.run("role", "grant", "anna@example.org", "owner", "--domain", "example.com", code=3)
    assert "no such domain" in keeper.error
    shown = keeper.one("role", "show", "hilde@example.org")
    assert (shown["role"], shown["domains"], shown["rights"]) == (
        "help-desk", ["example.org", "example.net"], ["see", "passwords"])
    assert "Roles:      help-desk over example.org, example.net\n" in keeper.run(
        "account", "show", "hilde@example.org")
    assert keeper.run("role", "revoke", "hilde@example.org", "help-desk", "--domain",
                      "example.net") == "hilde@example.org has the role help-desk over example.org.\n"
    assert ("The administrator", "changed the account: the role help-desk over example.net taken away") \
        in log_of(keeper, "hilde@example.org")
    assert keeper.run("role", "revoke", "hilde@example.org", "help-desk") == \
        "hilde@example.org does not have the role help-desk any more.\n"
    keeper.run("role", "revoke", "hilde@example.org", "help-desk", code=3)
    assert ("The administrator", "changed the account: hilde@example.org: the role help-desk taken away") \
        in log_of(keeper, "--server")
    assert keeper.run("check").endswith("All is well.\n")


def test_what_somebody_could_do(keeper):
    keeper.run("domain", "add", "example.net")
    keeper.add("anna@example.org", "hilde@example.org", "olga@example.org", "nora@example.net")
    keeper.run("--as", "hilde@example.org", "account", "list", code=1)
    assert "is no administrator" in keeper.error
    keeper.run("role", "grant", "hilde@example.org", "help-desk", "--domain", "example.org")
    keeper.run("role", "grant", "olga@example.org", "owner", "--all-domains")
    as_hilde = ("--as", "hilde@example.org")
    told = [line.split() for line in keeper.run("role", "can", "hilde@example.org").splitlines()]
    assert ["account", "passwd", "example.org"] in told
    assert keeper.run("role", "can", "anna@example.org") == "Nothing: this account has no role.\n"
    assert [a["account"] for a in keeper.json(*as_hilde, "account", "list")] == [
        "anna@example.org", "hilde@example.org", "olga@example.org"]
    assert [d["domain"] for d in keeper.json(*as_hilde, "domain", "list")] == ["example.org"]
    keeper.run(*as_hilde, "account", "passwd", "anna@example.org", "--password-stdin",
               data="another staple battery\n")
    assert log_of(keeper, "anna@example.org", "--last", "1") == [
        ("The administrator (root as hilde@example.org)", "changed the account: password set")]
    for words, part in (
            (("account", "passwd", "olga@example.org", "--no-password"), "is an administrator with"),
            (("account", "show", "nora@example.net"), "the right see over example.net"),
            (("account", "suspend", "anna@example.org"), "the right accounts over example.org"),
            (("log", "anna@example.org"), "the right history over example.org"),
            (("role", "grant", "hilde@example.org", "owner", "--all-domains"), "the right roles"),
            (("export", "anna@example.org", "x"), "the right read-mail over example.org"),
            (("domain", "add", "example.com"), "the right server over all domains")):
        keeper.run(*as_hilde, *words, code=1)
        assert "may not do this" in keeper.error and part in keeper.error, (words, keeper.error)
    keeper.run("--as", "nobody@example.org", "account", "list", code=3)
    keeper.run("--as", "\udcff@example.org", "domain", "list", code=2)


def test_r04_reading_others_mail(keeper, tmp_path):
    keeper.add("anna@example.org", "olga@example.org")
    keeper.run("role", "grant", "olga@example.org", "owner", "--all-domains")
    as_olga = ("--as", "olga@example.org")
    keeper.run(*as_olga, "export", "anna@example.org", tmp_path / "a", code=1)
    assert "for a reason, which its owner will see" in keeper.error
    keeper.run(*as_olga, "export", "anna@example.org", tmp_path / "b", "--reason",
               "asked by the works council")
    assert log_of(keeper, "anna@example.org", "--last", "1") == [
        ("The administrator (root as olga@example.org)",
         "changed the account: its mail is read (export), because: asked by the works council")]
    keeper.run("export", "anna@example.org", tmp_path / "c")
    assert log_of(keeper, "anna@example.org", "--last", "1") == [
        ("The administrator", "changed the account: its mail is read (export)")]


def test_roles_of_ones_own(keeper):
    keeper.add("quentin@example.org")
    keeper.run("role", "add", "night-shift", "see", "quue", code=1)
    assert 'no right "quue"' in keeper.error and "read-mail" in keeper.error
    keeper.run("role", "add", "Night", "see", code=1)
    assert "lower case" in keeper.error
    keeper.run("role", "add", "night-shift", "see", "queue", "--words", "the queue at night")
    assert "night-shift: the queue at night\n    see, queue\n" in keeper.run("role", "list")
    keeper.run("role", "add", "night-shift", "see", code=1)
    keeper.run("role", "grant", "quentin@example.org", "night-shift", "--all-domains")
    keeper.run("role", "remove", "night-shift", code=1)
    assert "Somebody has the role" in keeper.error
    keeper.run("--as", "quentin@example.org", "queue", "pause", "example.com")
    keeper.run("--as", "quentin@example.org", "reload", code=1 if keeper.online else 4)
    assert not keeper.online or "the right server" in keeper.error
    keeper.run("account", "remove", "quentin@example.org", "--yes")
    keeper.run("role", "remove", "night-shift")
    keeper.run("role", "remove", "night-shift", code=3)
    keeper.run("role", "remove", "owner", code=1)
    assert "built in" in keeper.error


def test_when_somebody_leaves(keeper):
    keeper.add("anna@example.org", "berta@example.org", "dora@example.org")
    keeper.run("role", "grant", "dora@example.org", "domain-admin", "--domain", "example.org")
    for when in ("x", "2020-01-01", "yesterday", "0d"):
        keeper.run("account", "suspend", "anna@example.org", "--remove-after", when, code=2)
        assert "a date that is to come" in keeper.error
    assert "new mail is refused" in keeper.run("account", "suspend", "anna@example.org")
    assert "New mail:   is refused\n" in keeper.run("account", "show", "anna@example.org")
    assert "still arrives" in keeper.run(
        "--as", "dora@example.org", "account", "suspend", "anna@example.org", "--mail-to",
        "berta@example.org", "--remove-after", "30d")
    shown = keeper.one("account", "show", "anna@example.org")
    assert shown["takes_mail"] and shown["forward"] == ["berta@example.org"] and shown["forward_keeps_copy"]
    assert "; mail still arrives; removed on " + shown["remove_at"][:10] in log_of(
        keeper, "anna@example.org", "--last", "1")[0][1]
    keeper.run("account", "resume", "anna@example.org")
    shown = keeper.one("account", "show", "anna@example.org")
    assert shown["state"] == "active" and "remove_at" not in shown and "takes_mail" not in shown
    assert keeper.run("check").endswith("All is well.\n")
