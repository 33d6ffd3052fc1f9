# SPDX-License-Identifier: Apache-2.0
"""Filter scripts: storing them, trying them on a file, running them on stored mail."""
import json

MESSAGE = ("From: Shop <news@shop.example>\r\nTo: anna@example.org\r\nSubject: Great offers\r\n"
           "Message-ID: <1@shop.example>\r\n\r\nBuy now.\r\n")
SCRIPT = """require ["fileinto", "imap4flags", "mailbox"];
if header :contains "subject" "offers" {
    fileinto :create :flags "later" "Shops/News";
} elsif address :is "from" "boss@example.net" {
    addflag "\\\\Flagged";
}
"""


def files(tmp_path, script=SCRIPT, message=MESSAGE):
    (tmp_path / "rules.sieve").write_text(script)
    (tmp_path / "mail.eml").write_bytes(message.encode())
    return tmp_path / "rules.sieve", tmp_path / "mail.eml"


def test_a_script_is_stored_shown_activated_removed(keeper, tmp_path):
    keeper.add("anna")
    script, _ = files(tmp_path)
    assert keeper.run("sieve", "list", "anna") == ""
    assert keeper.run("sieve", "put", "anna", "main", script) == \
        'The script "main" of anna@example.org is stored.\n'
    keeper.run("sieve", "show", "anna", code=3)
    assert "No script of anna@example.org is active." in keeper.error
    keeper.run("sieve", "activate", "anna", "other", code=3)
    assert keeper.run("sieve", "activate", "anna", "main") == \
        'The script "main" of anna@example.org is active now.\n'
    assert keeper.run("sieve", "show", "anna") == SCRIPT
    assert keeper.one("sieve", "show", "anna", "main") == {
        "account": "anna@example.org", "script": "main", "active": True, "text": SCRIPT}
    listed = keeper.one("sieve", "list", "anna")
    assert (listed["script"], listed["active"], listed["bytes"]) == ("main", True, len(SCRIPT))
    keeper.run("sieve", "remove", "anna", "main", code=1)
    assert "--none" in keeper.error
    keeper.run("sieve", "activate", "anna", "--none")
    keeper.run("sieve", "remove", "anna", "main")
    assert keeper.run("sieve", "list", "anna") == ""
    assert "script active: main" in keeper.run("log", "anna")


def test_a_script_with_a_mistake_is_not_stored(keeper, tmp_path):
    keeper.add("anna")
    script, _ = files(tmp_path, 'keep;\nfileinto "x";\n')
    keeper.run("sieve", "put", "anna", "main", script, code=1)
    assert "line 2" in keeper.error and "not stored" in keeper.error
    keeper.run("sieve", "put", "anna", "a/b", files(tmp_path)[0], code=1)
    assert 'no "/"' in keeper.error
    keeper.run("sieve", "put", "nobody", "main", script, code=3)
    assert keeper.run("sieve", "list", "anna") == ""


def test_scripts_for_everybody(keeper, tmp_path):
    keeper.add("anna")
    script, _ = files(tmp_path)
    keeper.run("sieve", "put", "--global", "shops", script)
    assert [s["script"] for s in keeper.json("sieve", "list", "--global")] == ["shops"]
    assert keeper.run("sieve", "show", "--global", "shops") == SCRIPT
    assert keeper.run("sieve", "list", "anna") == ""
    keeper.run("sieve", "remove", "--global", "shops")
    assert keeper.run("check").endswith("All is well.\n")


def test_rules_on_stored_mail(keeper, tmp_path):
    keeper.add("anna")
    script, _ = files(tmp_path)
    box = tmp_path / "box"
    box.mkdir()
    (box / "1.eml").write_bytes(MESSAGE.encode())
    (box / "2.eml").write_bytes(b"From: boss@example.net\r\nSubject: Now\r\n\r\nx\r\n")
    (box / "3.eml").write_bytes(b"From: me@example.net\r\nSubject: Hi\r\n\r\nx\r\n")
    keeper.run("import", "anna", box, "--mailbox", "INBOX")
    keeper.run("sieve", "put", "anna", "main", script, "--activate")
    before = keeper.counts("anna")
    out = keeper.run("sieve", "run", "anna", "INBOX")
    assert 'stored in the mailbox "Shops/News"' in out and "marked later" in out
    assert "kept in INBOX, marked \\Flagged" in out
    assert "Nothing was changed (3 messages looked at)" in out
    assert keeper.counts("anna") == before == {"INBOX": 3}
    assert "1 of 3 messages were moved or copied." in \
        keeper.run("sieve", "run", "anna", "INBOX", "--apply")
    assert keeper.counts("anna") == {"INBOX": 2, "Shops/News": 1}
    rest = keeper.json("sieve", "run", "anna", "INBOX", "--script", "main")
    assert [[a["action"] for a in m["actions"]] for m in rest[:-1]] == [["keep"], ["keep"]]
    keeper.run("sieve", "run", "anna", "Nowhere", code=3)
    keeper.run("sieve", "run", "anna", "INBOX", "--script", "none", code=3)
    assert keeper.run("check").endswith("All is well.\n")


def test_a_trial_explains_each_step(keeper, tmp_path):
    script, mail = files(tmp_path)
    out = keeper.run("sieve", "test", script, mail)
    assert 'line 2: the test "header" is true\n' in out
    assert out.endswith('The message is:\n  stored in the mailbox "Shops/News", which is made if '
                        'it is missing, marked later (line 3)\n')
    brief = keeper.run("sieve", "test", script, mail, "--brief")
    assert brief.startswith("The message is:\n")
    steps = [json.loads(line) for line in keeper.run("--json", "sieve", "test", script,
                                                     mail).splitlines()]
    assert {"step": "test", "line": 2, "text": 'the test "header" is true', "result": True} in steps
    assert steps[-1]["action"] == "fileinto" and steps[-1]["line"] == 3


def test_a_trial_of_a_script_with_a_mistake(keeper, tmp_path):
    script, mail = files(tmp_path, 'keep;\nfileinto "x";\n')
    keeper.run("sieve", "test", script, mail, code=1)
    assert f"{script}:2:1: " in keeper.error and "nothing was run" in keeper.error
    script, mail = files(tmp_path, 'require "ihave";\nerror "stop here";\n')
    out = keeper.run("sieve", "test", script, mail, code=1)
    assert "kept in INBOX" in out and "stopped at line 2: stop here" in keeper.error
    keeper.run("sieve", "test", tmp_path / "missing", mail, code=1)
    keeper.run("sieve", "test", script, code=2)


def test_a_trial_includes_what_is_beside_it(keeper, tmp_path):
    (tmp_path / "more.sieve").write_text('require "fileinto"; fileinto "More";')
    script, mail = files(tmp_path, 'require ["include", "mailbox", "envelope"];\n'
                         'if allof(mailboxexists "A", not mailboxexists "B",\n'
                         '  envelope "from" "x@y.example") { include "more"; }\n')
    assert 'stored in the mailbox "More"' in keeper.run(
        "sieve", "test", script, mail, "--no-mailbox", "B", "--from", "x@y.example")
    assert "kept in INBOX" in keeper.run("sieve", "test", script, mail, "--brief")
