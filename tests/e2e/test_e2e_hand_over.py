# SPDX-License-Identifier: Apache-2.0
"""L55. Somebody leaves, and another person gets their mail: `mailkeep account hand-over`."""
import imaplib
import json
import os
import smtplib
import subprocess
import time

import pytest

from servers import mailkeep_binary

WHY = "she left on Friday"


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")


def message(i, size=10):
    return f"Subject: {i}\r\nMessage-ID: <{i}@test>\r\n\r\n{'x' * size}\r\n".encode()


def imap(server, i):
    c = imaplib.IMAP4("127.0.0.1", server.port)
    c.login(server.user(i), server.password)
    return c


def subjects(c, mailbox):
    status, _ = c.select(f'"{mailbox}"', readonly=True)
    assert status == "OK", mailbox
    _, found = c.search(None, "ALL")
    numbers = found[0].split()
    if not numbers:
        return []
    _, lines = c.fetch(b",".join(numbers).decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return sorted(x[1].split(b":")[1].strip().decode() for x in lines if isinstance(x, tuple))


def stored(server, mailbox, user):
    out = server.command("mailbox", "list", server.user(user), "--json").stdout
    found = [json.loads(line) for line in out.splitlines()]
    return next((x["messages"] for x in found if x["mailbox"] == mailbox), 0)


def hand_over(server, *more, check=True):
    return server.command("account", "hand-over", server.user(1), server.user(2), "--reason", WHY,
                          *more, check=check)


def fill(server):
    with imap(server, 1) as c:
        c.create("Projects/Garden")
        c.append("INBOX", r"(\Seen \Flagged urgent)", '"01-Feb-2021 10:00:00 +0100"', message(1))
        c.append("INBOX", None, None, message(2))
        c.append("Projects/Garden", r"(\Answered)", None, message(3))


def test_all_of_it_goes(make_server):
    server = make_server(users=3)
    fill(server)
    with imap(server, 1) as live:
        said = hand_over(server).stdout
        assert "3 messages" in said and "1 open session was ended" in said, said
        with pytest.raises(imaplib.IMAP4.abort):
            for _ in range(100):
                live.noop()
    tree = f"Handed over/{server.user(1)}"
    with imap(server, 2) as c:
        assert subjects(c, f"{tree}/INBOX") == ["1", "2"]
        assert subjects(c, f"{tree}/Projects/Garden") == ["3"]
        c.select(f'"{tree}/INBOX"', readonly=True)
        _, data = c.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])")
        head = data[0][0].decode()
        assert "\\Seen" in head and "\\Flagged" in head and "urgent" in head, head
        assert "1-Feb-2021 10:00:00 +0100" in head
        assert data[0][1] == message(1)
        assert c.list(pattern=f'"{tree}/Drafts"')[1] == [None]  # what is empty is left out
        assert any(b"Projects/Garden" in x for x in c.lsub()[1])
    with pytest.raises(imaplib.IMAP4.error):
        imap(server, 1)
    # It stays in the account it comes from, until that is removed.
    assert stored(server, "INBOX", 1) == 2
    for user, words in ((1, f"its mail is handed over to {server.user(2)}, because: {WHY}"),
                        (2, f"the mail of {server.user(1)} is handed over to it, because: {WHY}"),
                        (2, f"handed over from {server.user(1)}")):
        assert words in server.command("log", server.user(user)).stdout
    assert "0 messages" in hand_over(server).stdout
    server.command("account", "remove", server.user(1), "--yes")
    with imap(server, 2) as c:
        assert subjects(c, f"{tree}/INBOX") == ["1", "2"]
        _, data = c.fetch("1", "(BODY.PEEK[])")
        assert data[0][1] == message(1)
    server.command("check", "--read-bodies")


def test_new_mail_goes_to_the_person(make_server):
    server = make_server(users=3)
    fill(server)
    server.command("alias", "add", "sales@example.org", server.user(1), server.user(3))
    server.command("alias", "add", "info@example.org", server.user(1), server.user(2))
    server.command("alias", "add", "other@example.org", server.user(3))
    said = hand_over(server, "--addresses").stdout
    assert "sales@example.org" in said and "info@example.org" in said and "other" not in said
    for to in server.user(1), "sales@example.org", "info@example.org":
        with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=30) as s:
            s.sendmail("a@example.net", [to], f"From: a@example.net\r\nSubject: for {to}\r\n\r\n")
    end = time.monotonic() + 30
    want = sorted(f"for {to}" for to in (server.user(1), "sales@example.org", "info@example.org"))
    while True:
        with imap(server, 2) as c:
            got = subjects(c, "INBOX")
        if got == want:
            break
        assert time.monotonic() < end, got
    with imap(server, 3) as c:
        assert subjects(c, "INBOX") == ["for sales@example.org"]


def test_what_does_not_fit_is_refused_before_anything_happens(make_server):
    server = make_server(users=3)
    fill(server)
    server.command("account", "quota", server.user(2), "--messages", "2")
    r = hand_over(server, "--addresses", check=False)
    assert r.returncode and "has no room for it" in r.stderr and "Nothing was done" in r.stderr
    with imap(server, 1) as c:  # not even suspended
        assert subjects(c, "INBOX") == ["1", "2"]
    with imap(server, 2) as c:
        assert c.list(pattern='"Handed over*"')[1] == [None]
    assert "handed over" not in server.command("log", server.user(2)).stdout
    said = hand_over(server, "--dry-run", check=False)
    assert said.returncode
    server.command("account", "quota", server.user(2), "--messages", "3")
    said = hand_over(server, "--dry-run").stdout
    assert "3 messages" in said and "Nothing was done" in said
    with imap(server, 1) as c:
        assert subjects(c, "INBOX") == ["1", "2"]
    assert "3 messages" in hand_over(server).stdout


def test_what_cannot_be(make_server):
    server = make_server(users=3)
    fill(server)
    rows = [
        ([server.user(1), server.user(1), "--reason", "x"], "same account"),
        ([server.user(1), "nobody@example.org", "--reason", "x"], "no account"),
        ([server.user(1), server.user(2)], "--reason"),
        ([server.user(1), server.user(2), "--reason", " "], "for a reason"),
        ([server.user(1), server.user(2), "--reason", "x" * 201], "for a reason"),
    ]
    for words, problem in rows:
        r = server.command("account", "hand-over", *words, check=False)
        assert r.returncode and problem in r.stderr, (words, r.stderr)
    server.command("account", "forward", server.user(2), server.user(1))
    r = hand_over(server, "--addresses", check=False)
    assert r.returncode and "is forwarded to" in r.stderr
    server.command("account", "suspend", server.user(3))
    r = server.command("account", "hand-over", server.user(1), server.user(3), "--reason", "x",
                       check=False)
    assert r.returncode and "is suspended" in r.stderr
    with imap(server, 1) as c:
        assert subjects(c, "INBOX") == ["1", "2"]


def test_who_may(make_server):
    server = make_server(users=3)
    fill(server)
    server.command("role", "add", "leavers", "accounts", "read-mail")
    server.command("role", "grant", server.user(3), "leavers", "--domain", "example.org")
    server.command("domain", "add", "example.net")
    server.command("account", "add", "nora@example.net", "--no-password")

    def ask(to, *more):
        return server.command("--as", server.user(3), "account", "hand-over", server.user(1), to,
                              "--reason", WHY, *more, check=False)

    r = ask("nora@example.net")
    assert r.returncode and "over that domain, too" in r.stderr
    r = ask(server.user(2), "--addresses")
    assert r.returncode and "right addresses" in r.stderr, r.stderr
    assert ask(server.user(2)).returncode == 0
    # Written down before a byte of it goes.
    assert "its mail is read (account hand-over)" in server.command("log", server.user(1)).stdout


def test_killed_again_and_again(make_server):
    """The command line does it itself when no server is there; it is killed at one write after the
    other (tests/crash/nth_call.c), and begins again each time."""
    tracer = os.path.join(os.environ.get("MAILKEEP_BUILD", "build"), "tests", "crash", "nth_call")
    if not os.path.exists(tracer):
        pytest.skip("nth_call is not built")
    server = make_server(users=3)
    with imap(server, 1) as c:
        for i in range(16):
            c.append("INBOX", None, None, message(i, 2000))
        for _ in range(6):  # many placements, quickly
            c.select("INBOX")
            c.copy("1:*", "INBOX")
    server.stop()
    total, box = 16 << 6, f"Handed over/{server.user(1)}/INBOX"
    assert stored(server, "INBOX", 1) == total
    seen = set()
    for n in range(1, 200):
        r = subprocess.run(
            [tracer, server.data, str(n), "kill", f"{server.folder}/report", mailkeep_binary(),
             "-c", server.conf_path, "account", "hand-over", server.user(1), server.user(2),
             "--reason", WHY], capture_output=True, text=True, timeout=120,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # not while it is traced
        if r.returncode == 77:
            pytest.skip("tracing is not allowed here")
        seen.add(stored(server, box, 2))
        if r.returncode == 0:
            break
        assert r.returncode == 137, r
    else:
        raise AssertionError("it never came to its end")
    assert stored(server, box, 2) == total, sorted(seen)
    assert len(seen) > 2, seen  # it was killed in the middle, too
    assert "0 messages" in hand_over(server).stdout
    assert stored(server, box, 2) == total
    server.command("check", "--read-bodies")
