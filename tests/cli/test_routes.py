# SPDX-License-Identifier: Apache-2.0
"""Where mail goes: aliases, groups, catch-alls, other names of domains, forwarding."""


def test_an_alias_and_a_group(keeper):
    keeper.add("anna", "bob")
    assert keeper.run("alias", "add", "Team", "anna", "bob@example.org", "x@example.net", "anna") == \
        "team@example.org stands for anna@example.org, bob@example.org, x@example.net.\n"
    assert keeper.one("alias", "add", "team", "y@example.net") == {
        "alias": "team@example.org",
        "targets": ["anna@example.org", "bob@example.org", "x@example.net", "y@example.net"]}
    keeper.run("alias", "add", "info", "team")
    assert [(a["alias"], a["catch_all"]) for a in keeper.json("alias", "list")] == \
        [("info@example.org", False), ("team@example.org", False)]
    assert keeper.json("alias", "list", "example.org") == keeper.json("alias", "list")
    assert "info@example.org -> team@example.org" in keeper.run("alias", "list")
    keeper.run("alias", "remove", "team", "x@example.net", "bob")
    assert keeper.json("alias", "list")[1]["targets"] == ["anna@example.org", "y@example.net"]
    keeper.run("alias", "remove", "team", "bob", code=3)
    assert "does not stand for" in keeper.error
    assert keeper.run("alias", "remove", "team") == "team@example.org removed.\n"
    keeper.run("alias", "remove", "team", code=3)
    assert "There is no alias" in keeper.error
    log = keeper.run("log", "--server")
    assert "The administrator changed where mail goes: info@example.org -> team@example.org" in log
    assert "removed; it was" in log
    assert keeper.run("check").endswith("All is well.\n")


def test_what_is_refused_and_why(keeper):
    keeper.add("anna")
    keeper.run("alias", "add", "anna", "x@example.net", code=1)
    assert "mailkeep account forward anna@example.org" in keeper.error
    keeper.run("alias", "add", "a@example.com", "anna@example.org", code=3)
    assert "mailkeep domain add example.com" in keeper.error
    keeper.run("alias", "add", "team", "ana@example.org", code=3)
    assert 'Did you mean "anna@example.org"?' in keeper.error
    keeper.run("alias", "add", "team", "no address", code=1)
    keeper.run("alias", "add", "team", code=2)
    keeper.run("account", "add", "team", "--password-stdin", data="correct horse battery")
    keeper.run("domain", "remove", "example.org", code=1)
    assert "still has accounts" in keeper.error


def test_loops_are_named(keeper):
    keeper.add("anna", "bob")
    keeper.run("alias", "add", "a", "anna")
    keeper.run("alias", "add", "b", "a")
    keeper.run("alias", "add", "c", "b")
    keeper.run("alias", "add", "a", "c+x@example.org", code=1)
    assert ("a@example.org -> c+x@example.org -> b@example.org -> a@example.org" in keeper.error), \
        keeper.error
    keeper.run("alias", "add", "self", "self@example.org", code=3)
    keeper.run("account", "forward", "anna", "c", code=1)
    assert "anna@example.org -> c@example.org -> b@example.org -> a@example.org -> " \
        "anna@example.org" in keeper.error
    keeper.run("account", "forward", "anna", "c", "--keep")
    keeper.run("account", "forward", "bob", "anna")
    keeper.run("account", "forward", "anna", "bob", code=1)


def test_forwarding(keeper):
    keeper.add("anna")
    assert keeper.run("account", "forward", "anna") == "Mail for anna@example.org stays there.\n"
    assert keeper.run("account", "forward", "anna", "anna@example.net", "--keep") == \
        "Mail for anna@example.org goes to anna@example.net; the account keeps a copy.\n"
    assert keeper.one("account", "forward", "anna") == {
        "account": "anna@example.org", "targets": ["anna@example.net"], "keeps_copy": True}
    show = keeper.one("account", "show", "anna")
    assert (show["forward"], show["forward_keeps_copy"]) == (["anna@example.net"], True)
    assert "anna@example.net" in keeper.run("account", "show", "anna")
    keeper.run("account", "forward", "anna", "anna@example.net")
    assert not keeper.one("account", "forward", "anna")["keeps_copy"]
    keeper.run("account", "forward", "anna", "--off")
    assert keeper.one("account", "forward", "anna")["targets"] == []
    assert "forward" not in keeper.one("account", "show", "anna")
    keeper.run("account", "forward", "anna", *[f"x{i}@example.net" for i in range(21)], code=2)
    keeper.run("account", "forward", "anna", "--keep", code=2)
    keeper.run("account", "forward", "nobody", code=3)
    assert "changed the rules" in keeper.run("log", "anna")


def test_catch_all(keeper):
    keeper.add("anna")
    assert keeper.run("domain", "catch-all", "example.org") == \
        "@example.org (all that nobody has) is refused.\n"
    keeper.run("domain", "catch-all", "example.org", "--none", code=3)
    assert keeper.run("domain", "catch-all", "example.org", "anna") == \
        "@example.org (all that nobody has) goes to anna@example.org.\n"
    assert keeper.json("alias", "list")[0]["catch_all"]
    keeper.run("domain", "catch-all", "example.org", "nobody@example.org", code=1)
    assert "back to where it came from" in keeper.error
    keeper.run("domain", "catch-all", "example.com", "anna", code=3)
    keeper.run("domain", "catch-all", "example.org", "--none")
    assert keeper.json("alias", "list") == []


def test_other_names_of_a_domain(keeper):
    keeper.add("anna")
    assert keeper.run("domain", "alias", "add", "Example.COM", "example.org") == \
        "Domain example.com is another name of example.org.\n"
    assert keeper.json("domain", "alias", "list") == [{"domain": "example.com",
                                                       "target": "example.org"}]
    keeper.run("domain", "add", "example.com", code=1)
    keeper.run("domain", "alias", "add", "example.org", "example.org", code=1)
    assert "domain of its own" in keeper.error
    keeper.run("domain", "alias", "add", "a.example", "b.example", code=3)
    keeper.run("alias", "add", "team", "anna@example.com")
    keeper.run("alias", "add", "team", "ana@example.com", code=3)
    keeper.run("domain", "alias", "remove", "example.com")
    keeper.run("domain", "alias", "remove", "example.com", code=3)
    keeper.run("domain", "alias", code=2)
    assert "domain alias add NAME DOMAIN" in keeper.error
