# SPDX-License-Identifier: Apache-2.0
"""Domains, accounts, passwords, quota, status, check, log: as an administrator types them."""
import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from conftest import PASSWORD
from imapwire import Imap
from servers import alive


# ---- domains and accounts -----------------------------------------------------------------------

def test_domains(keeper):
    keeper.run("domain", "add", "Zoo.Example")
    keeper.run("domain", "add", "zoo.example", code=1)
    assert "there already" in keeper.error
    keeper.add("anna@zoo.example")
    assert keeper.json("domain", "list") == [{"domain": "example.org", "accounts": 0},
                                             {"domain": "zoo.example", "accounts": 1}]
    assert "zoo.example" in keeper.run("domain", "list")
    keeper.run("domain", "remove", "zoo.example", code=1)
    assert "still has accounts" in keeper.error
    keeper.run("account", "remove", "anna@zoo.example", "--yes")
    keeper.run("domain", "remove", "zoo.example")
    keeper.run("domain", "remove", "zoo.example", code=3)
    for bad in ("", "a b", "anna@example.org", "-x.org", "x" * 300):
        keeper.run("domain", "add", "--", bad, code=1)


def test_account_life(keeper):
    keeper.add("Anna@Example.ORG", "bob")  # the only domain there is
    a = keeper.one("account", "show", "anna@example.org")
    assert a["account"] == "anna@example.org" and a["state"] == "active" and a["has_password"]
    assert a["mailboxes"] == 6 and a["messages"] == 0 and a["bytes_max"] == 10 << 30
    assert [x["account"] for x in keeper.json("account", "list")] == ["anna@example.org",
                                                                     "bob@example.org"]
    assert [x["account"] for x in keeper.json("account", "list", "example.org")] == \
        ["anna@example.org", "bob@example.org"]
    assert "anna@example.org" in keeper.run("account", "list")
    keeper.run("account", "add", "anna", "--password-stdin", data=PASSWORD, code=1)
    assert "there already" in keeper.error
    keeper.run("account", "suspend", "anna")
    assert keeper.one("account", "show", "anna")["state"] == "suspended"
    keeper.run("account", "resume", "anna")
    assert keeper.one("account", "show", "anna")["state"] == "active"
    keeper.run("account", "rename", "anna", "anne@example.org")
    keeper.run("account", "rename", "anne", "bob@example.org", code=1)
    keeper.run("account", "show", "anna@example.org", code=3)
    assert 'Did you mean "anne@example.org"?' in keeper.error
    keeper.run("account", "remove", "anne", code=2, data="")
    assert "--yes" in keeper.error
    keeper.run("account", "remove", "anne", "--yes")
    assert [x["account"] for x in keeper.json("account", "list")] == ["bob@example.org"]
    assert keeper.run("check") .endswith("All is well.\n")


def test_unknown_domain_says_what_to_do(keeper):
    keeper.run("account", "add", "x@nowhere.example", "--password-stdin", data=PASSWORD, code=3)
    assert "mailkeep domain add nowhere.example" in keeper.error


def test_quota(keeper):
    keeper.run("account", "add", "anna", "--password-stdin", "--quota", "5MB", "--messages", "100",
               data=PASSWORD)
    a = keeper.one("account", "show", "anna")
    assert (a["bytes_max"], a["messages_max"]) == (5 << 20, 100)
    keeper.run("account", "quota", "anna", "none")
    a = keeper.one("account", "show", "anna")
    assert (a["bytes_max"], a["messages_max"]) == (None, 100)
    keeper.run("account", "quota", "anna", "--messages", "7")
    assert keeper.one("account", "show", "anna")["messages_max"] == 7
    for bad in ("0", "x", "5 XB", "-3", "99999999999999999999"):
        keeper.run("account", "quota", "anna", "--quota=" + bad, code=2)
    keeper.run("account", "quota", "anna", code=2)


# ---- passwords ----------------------------------------------------------------------------------

@pytest.mark.parametrize("bad", ["short", "anna@example.org", "", "aaaaaaaaaaaa", "a\0bcdefghijk",
                                 "x" * 2000])
def test_weak_passwords_are_refused(keeper, bad):
    keeper.run("account", "add", "anna@example.org", "--password-stdin", data=bad + "\n", code=1)
    assert keeper.json("account", "list") == []


def test_password_needs_a_way_in(keeper):
    keeper.run("account", "add", "anna@example.org", data="", code=2)
    assert "--password-stdin" in keeper.error
    keeper.run("account", "add", "anna@example.org", "--password", PASSWORD, code=2)
    keeper.run("account", "add", "anna@example.org", "--no-password")
    assert not keeper.one("account", "show", "anna")["has_password"]


def test_many_at_once(keeper):
    text = "# staff\nanna@example.org correct horse\nbob@example.org\t\tbattery staple\n\n" \
           "cid@nowhere.example long enough\n"
    assert "2 accounts added, 1 not." in keeper.run("account", "add", "--batch", "-", data=text,
                                                    code=1)
    assert len(keeper.json("account", "list")) == 2


def test_a_thousand(keeper, tmp_path):
    names = tmp_path / "names"
    names.write_text("".join(f"u{i}@example.org\n" for i in range(1, 1001)))
    keeper.run("account", "add", "--batch", names, "--password-stdin", data="pass\n", code=1)
    keeper.run("account", "add", "--batch", names, "--password-stdin", "--allow-weak-password",
               data="pass\n")
    assert len(keeper.json("account", "list")) == 1000
    if keeper.online:
        with Imap(keeper.server.port) as c:
            c.login("u1000@example.org", "pass")


def test_sign_in_follows_the_account(online):
    online.add("anna")

    def signs_in(password):
        with Imap(online.server.port) as c:
            try:
                c.login("anna@example.org", password)
                return True
            except Exception:
                return False

    assert signs_in(PASSWORD)
    online.run("account", "passwd", "anna", "--password-stdin", data="another good one\n")
    assert signs_in("another good one") and not signs_in(PASSWORD)
    online.run("account", "suspend", "anna")
    assert not signs_in("another good one")
    online.run("account", "resume", "anna")
    assert signs_in("another good one")
    online.run("account", "passwd", "anna", "--no-password")
    assert not signs_in("another good one")


def typed(command, answers, seconds=30):
    """Runs a command on a terminal of its own and types an answer at each prompt (": ")."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    seen, end, answers = b"", time.monotonic() + seconds, list(answers)
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if answers and seen.rstrip(b" ").endswith(b":"):
                os.write(fd, answers.pop(0).encode() + b"\n")
                seen += b"|"
    if time.monotonic() >= end:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), seen.decode()


def test_password_is_asked_twice_and_not_shown(keeper):
    add = keeper.command("account", "add", "anna@example.org")
    code, text = typed(add, [PASSWORD, PASSWORD + "x"])
    assert code == 1 and "not the same" in text and PASSWORD not in text
    code, text = typed(add, [PASSWORD, PASSWORD])
    assert code == 0 and PASSWORD not in text and "added" in text
    code, text = typed(keeper.command("account", "passwd", "ann@example.org"), [])
    assert code == 3 and "Password for" not in text, "no password for an account that is not there"


def test_removal_asks_for_the_address(keeper):
    keeper.add("anna@example.org")
    remove = keeper.command("account", "remove", "anna@example.org")
    code, text = typed(remove, ["yes"])
    assert code == 1 and "nothing was removed" in text
    code, text = typed(remove, ["anna@example.org"])
    assert code == 0
    assert keeper.json("account", "list") == []


# ---- status, check, log -------------------------------------------------------------------------

def test_status(keeper):
    keeper.add("anna")
    s = keeper.one("status")
    assert s["running"] is keeper.online and s["accounts"] == 1 and s["domains"] == 1
    assert s["engine"]["state"] == "ok"
    text = keeper.run("status")
    assert ("running for" in text) == keeper.online


def test_check(keeper):
    keeper.add("anna")
    t = keeper.one("check", "--read-bodies")
    assert t["differences"] == 0 and t["mailboxes"] == 6
    assert keeper.one("check", "anna", "--repair")["differences"] == 0
    keeper.run("check", "nobody", code=2)
    keeper.run("check", "--nonsense", code=2)


def test_check_that_cannot_run(offline, tmp_path):
    data = offline.server.data
    os.rename(data, data + ".away")
    with open(data, "w"):
        pass
    offline.run("check", code=2)


def test_log(keeper):
    keeper.add("anna")
    words = [r["what"] for r in keeper.json("log", "anna")]
    assert "created the mailbox INBOX" in words
    text = keeper.run("log", "anna")
    assert "The administrator created the mailbox INBOX" in text
    assert len(keeper.json("log", "anna", "--last", "1")) == 1
    assert keeper.json("log", "anna", "--since", "2h") == keeper.json("log", "anna")
    assert keeper.json("log", "anna", "--since", "2100-01-01") == []
    keeper.run("log", "anna", "--since", "whenever", code=2)
    keeper.run("log", "nobody", code=3)


def test_log_tells_what_a_client_did(online):
    online.add("anna")
    with Imap(online.server.port) as c:
        c.login("anna@example.org", PASSWORD)
        c.ok('ID ("name" "Thunderbird")')
        c.append("INBOX", b"A: b\r\n\r\nx\r\n")
        c.ok("SELECT INBOX")
        c.ok(r"STORE 1 +FLAGS (\Seen)")
        c.ok(r"STORE 1 +FLAGS (\Flagged $Label1)")
        c.ok("MOVE 1 Archive")
    what = [r["what"] for r in online.json("log", "anna")]
    assert "saved 1 message in INBOX" in what
    assert "marked 1 message as read in INBOX" in what
    assert "marked 1 message in INBOX: flagged, $Label1" in what
    assert "moved 1 message from INBOX to Archive" in what
    assert what.count("moved 1 message from INBOX to Archive") == 1


def test_log_follows(online):
    online.add("anna")
    p = subprocess.Popen(online.command("--json", "log", "anna", "--follow", "--last", "0"),
                         stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        online.run("account", "quota", "anna", "1GB")
        assert json.loads(p.stdout.readline())["kind"] == "quota"
    finally:
        p.send_signal(signal.SIGTERM)  # SIGINT may be ignored where tests run
        p.wait(10)
        p.stdout.close()
    assert online.one("status")["running"]


# ---- the frame ----------------------------------------------------------------------------------

def test_usage(offline):
    offline.run("account", "show", code=2)
    assert "usage: mailkeep account show" in offline.error
    offline.run("account", "show", "a", "b", code=2)
    offline.run("account", "show", "--nonsense", "a", code=2)
    assert "--nonsense" in offline.error
    offline.run("acount", "list", code=2)
    offline.run("help", "import")
    offline.run("help")


def test_server_that_does_not_answer(online):
    """The socket is gone, the lock is held: say so, change nothing."""
    os.unlink(os.path.join(online.server.data, "control.sock"))
    online.run("account", "list", code=4)
    assert "in use by process" in online.error


def test_a_server_that_is_starting(online):
    """It takes connections before keep listens to commands: a command waits for that, and so does one
    that is given while keep is started anew."""
    for _ in range(3):
        for pid in online.server.kill("keep"):
            while alive(pid):  # until then its socket may take a command that nobody answers
                time.sleep(0.001)
        assert online.json("domain", "list")
    os.unlink(os.path.join(online.server.data, "control.sock"))
    asked = subprocess.Popen(online.command("--json", "domain", "list"), stdout=subprocess.PIPE)
    time.sleep(0.3)
    online.server.stop()
    online.online = False
    assert json.loads(asked.communicate(timeout=60)[0])["domain"]  # without the server, then


def test_two_offline_commands(offline):
    """One works, the other waits for it; who has waited too long says so. Nothing breaks."""
    offline.add("anna")
    many = [subprocess.Popen(offline.command("account", "quota", "anna", f"{i}MB"),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for i in range(1, 9)]
    codes = [p.wait(60) for p in many]
    assert set(codes) <= {0, 4} and 0 in codes
    offline.run("check")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_leaves_no_file_of_its_own(offline, tmp_path):
    """Run as root, everything in the data directory belongs to its owner."""
    data = offline.server.data
    subprocess.run(["chown", "-R", "nobody", data], check=True)
    for folder in (offline.folder, os.path.dirname(offline.folder)):
        os.chmod(folder, 0o755)
    parent = os.path.dirname(os.path.dirname(offline.folder))
    while parent != "/" and os.stat(parent).st_mode & 0o001 == 0:
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
        parent = os.path.dirname(parent)
    offline.add("anna")
    uid = os.stat(data).st_uid
    for folder, _, names in os.walk(data):
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_uid == uid, name


# ---- hashes brought from elsewhere --------------------------------------------------------------

# Of "correct horse", by doveadm pw and by Python's hashlib.
FOREIGN = {
    "bcrypt": "{BLF-CRYPT}$2y$05$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/q",
    "crypt": "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
    "ldap": "{SSHA}X1sweNNnvEqc3tSCrgtLz2MpGNwE7t9I",
    "pbkdf2": "{PBKDF2-SHA256}10000$pU3KGCUwux1tEyze1iN7Lg$"
              "C8fU5UwjZ5Bo9dY0Q.cRwLkZpF3/yPgYUVsKyYvaxo0",
    "argon2": "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$4BL3zLipeZyTX81099H0Sg$"
              "Bu2b5CDaayMXHcnKrfaJckBEmK/TxSHhojZhAcvjFAc",
}


def test_hashes_from_another_server(keeper, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{name} {text}\n" for name, text in FOREIGN.items()))
    assert f"{len(FOREIGN)} accounts added, 0 not." in \
        keeper.run("account", "add", "--batch", lines, "--hashes")
    keeper.run("account", "passwd", "ldap", "--password-hash-stdin", data=FOREIGN["ldap"])
    for bad, why in (("{PLAIN}correct horse", "the password itself"),
                     ("$6$rounds=999999999$saltstring$" + "x" * 86, "Its cost is so high"),
                     ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "without salt"),
                     ("$1$VtTLVPFv$poNbCG6QpdCQ/RfZLYdew0", "minutes"),
                     ("something", "no hash of a kind this server knows")):
        keeper.run("account", "passwd", "ldap", "--password-hash-stdin", data=bad, code=1)
        assert why in keeper.error
    assert "All is well." in keeper.run("check")
    if not keeper.online:
        return
    for name in FOREIGN:
        for _ in range(2):  # by its old hash, and by its new one
            for wrong in ("correct hors", "", "correct horse ", FOREIGN[name]):
                with Imap(keeper.server.port) as c, pytest.raises(Exception):
                    c.login(name + "@example.org", wrong)
            with Imap(keeper.server.port) as c:
                c.login(name + "@example.org", "correct horse")
        assert keeper.run("log", name).count("its hash made anew") == 1


def test_a_new_cost_reaches_old_passwords(online):
    online.add("anna")
    with open(online.server.conf_path, encoding="ascii") as f:
        text = f.read()
    with open(online.server.conf_path, "w", encoding="ascii") as f:
        f.write(text.replace("argon2_passes = 1", "argon2_passes = 2"))
    os.kill(online.server.process.pid, signal.SIGHUP)
    until = time.monotonic() + 30
    while not signs_in_and_says(online, "its hash made anew"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert online.run("log", "anna").count("its hash made anew") == 1


def signs_in_and_says(keeper, text):
    with Imap(keeper.server.port) as c:
        c.login("anna@example.org", PASSWORD)
        c.ok("NOOP")
    return text in keeper.run("log", "anna")


@pytest.mark.parametrize("password, why", [
    ("Passw0rd2026!", "tried first"), ("anna-2026", "the address"), ("qwertzuiop", "in a row"),
    ("abcabcabc", "repeated"), ("19560704", "digits only"), ("kitten", "fewer than 8")])
def test_weak_passwords_are_refused_with_the_reason(keeper, password, why):
    keeper.run("account", "add", "anna", "--password-stdin", data=password, code=1)
    assert why in keeper.error
    keeper.run("account", "add", "anna", "--password-stdin", "--allow-weak-password", data=password)
