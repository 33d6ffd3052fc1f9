# SPDX-License-Identifier: Apache-2.0
"""Accounts from a list of comma-separated values: made once, changed where they differ, never half."""
import imaplib

import pytest

LIST = '''address,name,password,quota,aliases,device,suspended
anna@example.org,Anna Müller,correct horse battery,1GB,info@example.org sales@example.org,phone,
bob@example.org,"Bob ""the cat""",staple garden window,,,,no
carol@example.org,,,none,,tablet,yes
'''


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


def signs_in(keeper, name, password):
    c = imaplib.IMAP4("127.0.0.1", keeper.server.port, timeout=20)
    try:
        return c.login(name, password)[0] == "OK"
    except imaplib.IMAP4.error:
        return False


def changes(keeper, account):
    return keeper.one("account", "show", account)["changes"]


def test_a_list_is_made_so_and_again_changes_nothing(keeper, tmp_path):
    path = write(tmp_path, LIST)
    *rows, total = keeper.json("account", "import", path)
    assert total == {"added": 3, "changed": 0, "unchanged": 0, "failed": 0}
    assert [(r["line"], r["account"]) for r in rows] == [
        (2, "anna@example.org"), (3, "bob@example.org"), (4, "carol@example.org")]
    assert rows[0]["did"] == ["added", "name set", "alias info@example.org",
                              "alias sales@example.org", "device phone"]
    assert rows[0]["device"] == "phone" and len(rows[0]["password"]) == 29
    assert "password" not in rows[1]
    anna = keeper.one("account", "show", "anna@example.org")
    assert anna["name"] == "Anna Müller" and anna["bytes_max"] == 1 << 30
    assert keeper.one("account", "show", "bob@example.org")["name"] == 'Bob "the cat"'
    carol = keeper.one("account", "show", "carol@example.org")
    assert carol["state"] == "suspended" and not carol["has_password"]
    assert {a["alias"]: a["targets"] for a in keeper.json("alias", "list") if "alias" in a} == {
        "info@example.org": ["anna@example.org"], "sales@example.org": ["anna@example.org"]}
    before = [changes(keeper, a) for a in ("anna@example.org", "carol@example.org")]
    *rows, total = keeper.json("account", "import", path, "--passwords")
    assert total == {"added": 0, "changed": 0, "unchanged": 3, "failed": 0}
    assert all(r["did"] == [] and "password" not in r for r in rows)
    assert [changes(keeper, a) for a in ("anna@example.org", "carol@example.org")] == before
    if keeper.online:
        assert signs_in(keeper, "anna@example.org", "correct horse battery")


def test_only_what_differs_is_changed(keeper, tmp_path):
    keeper.run("account", "import", write(tmp_path, LIST))
    path = write(tmp_path, "address;password;quota;suspended\r\n"
                           "anna@example.org;another word entirely;2GB;\r\n"
                           "carol@example.org;;;no\r\n")
    *rows, total = keeper.json("account", "import", path)
    assert total["changed"] == 2
    assert [r["did"] for r in rows] == [["quota set"], ["active again"]]
    assert keeper.one("account", "show", "anna@example.org")["bytes_max"] == 2 << 30
    # Passwords of those who are here are theirs, unless it is said.
    if keeper.online:
        assert not signs_in(keeper, "anna@example.org", "another word entirely")
    *rows, total = keeper.json("account", "import", path, "--passwords")
    assert [r["did"] for r in rows] == [["password set"], []]
    if keeper.online:
        assert signs_in(keeper, "anna@example.org", "another word entirely")
        assert not signs_in(keeper, "anna@example.org", "correct horse battery")


def test_a_trial_does_nothing(keeper, tmp_path):
    *rows, total = keeper.json("account", "import", write(tmp_path, LIST), "--dry-run")
    assert total == {"added": 3, "changed": 0, "unchanged": 0, "failed": 0}
    assert rows[0]["did"][0] == "added" and "password" not in rows[0]
    assert not keeper.json("account", "list")[:-1]
    assert "a trial" in keeper.run("account", "import", write(tmp_path, LIST), "--dry-run")


BAD = [
    ("not an address", "cannot be an address"),
    ("x@elsewhere.example", "There is no domain"),
    ("x@example.org,password", "refused"),
    ("x@example.org,,lots", "a quota is a number above 0"),
    ("x@example.org,,0", "a quota is a number above 0"),
    ("x@example.org,,,x@example.org", "is the account itself"),
    ("x@example.org,,,taken@example.org", "There is an account"),
    ("x@example.org,,,fine@example.org wrong@elsewhere.example", "There is no domain"),
    ("x@example.org,,,,maybe", "suspended is yes or no"),
    ("x@example.org,,,,,", "more fields than the first line"),
    (",correct horse battery", "the address is missing"),
    ('x@example.org,"correct horse" battery', "between a closing quote"),
    ('x@example.org,correct "horse" battery', "in the middle of a field"),
    ('x@example.org,"correct horse battery', "never closed"),
]


@pytest.mark.parametrize("line,why", BAD, ids=[b[1] for b in BAD])
def test_a_line_that_cannot_be_is_named_and_the_others_are_made(offline, tmp_path, line, why):
    offline.add("taken@example.org")
    line += "," * (4 - line.count(",")) if line.count(",") < 4 and '"' not in line else ""
    path = write(tmp_path, "address,password,quota,aliases,suspended\n"
                           "a@example.org,,,,\n" + line + "\nb@example.org,,,,\n")
    out = offline.json("account", "import", path, code=1)
    bad = [r for r in out if "error" in r]
    assert len(bad) == 1 and bad[0]["line"] == 3 and why in bad[0]["error"]
    assert out[-1] == {"added": 2, "changed": 0, "unchanged": 0, "failed": 1}
    names = {a["account"] for a in offline.json("account", "list") if "account" in a}
    assert names == {"a@example.org", "b@example.org", "taken@example.org"}
    assert not [a for a in offline.json("alias", "list") if a.get("alias") == "fine@example.org"]


@pytest.mark.parametrize("text,why", [
    ("", "the list is empty"),
    ("name,password\nx,y\n", "is missing"),
    ("address,adress\nx,y\n", "is none of those that there are"),
    ("address,name,Address\nx,y,z\n", "is there twice"),
    ('"address\nx\n', "never closed"),
])
def test_a_first_line_that_cannot_be(offline, tmp_path, text, why):
    offline.run("account", "import", write(tmp_path, text), code=1)
    assert why in offline.error and "line 1" in offline.error


def test_what_a_spreadsheet_of_another_country_saves(offline, tmp_path):
    path = write(tmp_path, "\ufeffaddress;name\r\nanna@example.org;\"Müller; Anna\"\r\n\r\n")
    offline.run("account", "import", path)
    assert offline.one("account", "show", "anna@example.org")["name"] == "Müller; Anna"
    path = write(tmp_path, "address,name\nbob@example.org,Jürgen\n", "latin-1")
    offline.run("account", "import", path, code=1)
    assert "UTF-8" in offline.error


def test_hashes_and_a_name(offline, tmp_path):
    hashed = "$6$abcdefgh$bp46WUxDu2cphMRE0PvVJlqas2imuSq186YS793XKfmqn9XUEL17HECskUTZInaNigNndLL" \
             "Yc7A6yWBmFEFn3/"  # openssl passwd -6
    path = write(tmp_path, f"address,password_hash\nanna@example.org,{hashed}\nbob@example.org,x\n")
    out = offline.json("account", "import", path, code=1)
    assert out[-1]["added"] == 1 and "cannot be taken" in out[1]["error"]
    assert offline.one("account", "show", "anna@example.org")["has_password"]
    offline.run("account", "name", "anna@example.org", "Anna B.")
    assert offline.one("account", "show", "anna@example.org")["name"] == "Anna B."
    assert "name: Anna B." in offline.run("log", "anna@example.org")
    offline.run("account", "name", "anna@example.org", "--none")
    assert "name" not in offline.one("account", "show", "anna@example.org")
    offline.run("account", "name", "anna@example.org", "two\nlines", code=1)


def test_who_may_is_asked_for_each(online, tmp_path):
    online.run("domain", "add", "example.net")
    online.add("boss@example.org")
    online.run("role", "grant", "boss@example.org", "domain-admin", "--domain", "example.org")
    path = write(tmp_path, "address,aliases\nx@example.org,\ny@example.net,\n"
                           "z@example.org,z@example.net\n")
    out = online.json("--as", "boss@example.org", "account", "import", path, code=1)
    assert "error" not in out[0]
    assert all("may not" in r["error"] for r in out[1:3])
    assert out[-1]["added"] == 1
