# SPDX-License-Identifier: Apache-2.0
"""The sign-in history: who signed in, how, from where, what failed; counted once, kept over a stop."""
import json
import os
import smtplib
import time

import pytest
from servers import PASSWORD

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

LOOPBACK = "127.0.0.0/24"


@pytest.fixture
def server(make_server):
    return make_server(users=2, settings={"auth_failures_max": 100, "login_failure_delay": "0"})


def said(server, *words):
    return server.command(*words).stdout


def rows(server, user=1, *more):
    out = said(server, "--json", "account", "signins", server.user(user), *more)
    return [json.loads(line) for line in out.splitlines()]


def wait_rows(server, wanted, user=1):
    """The history is written behind: until it is what is wanted, or it is clear that it will not be."""
    for _ in range(300):
        got = rows(server, user)
        if wanted(got):
            return got
        time.sleep(0.1)
    raise AssertionError(got)


def total(got, what="count"):
    return sum(r[what] for r in got)


def test_who_signed_in(server):
    with server.connect() as c:
        c.ok('ID ("vendor" "x" "NAME" "Mail \\"App\\"" "version" "1")')
        c.ok(f"LOGIN {server.user(1)} {json.dumps(PASSWORD)}")
    first = wait_rows(server, lambda got: got)
    assert [(r["service"], r["network"], r["client"], r["count"], r["failures"], r["device"])
            for r in first] == [("imap", LOOPBACK, 'Mail "App"', 1, 0, 0)]
    with server.login(1), server.login(1):
        pass
    with smtplib.SMTP("127.0.0.1", server.submission_port, "laptop", timeout=30) as s:
        s.ehlo()
        s.login(server.user(1), PASSWORD)
    got = wait_rows(server, lambda got: total(got) == 4)
    assert {(r["service"], r["client"], r["count"]) for r in got} == {
        ("imap", 'Mail "App"', 1), ("imap", "", 2), ("submission", "", 1)}
    assert rows(server, 2) == []
    text = said(server, "account", "signins", server.user(1))
    assert f'signed in by IMAP from {LOOPBACK} with Mail "App"\n' in text
    assert f"signed in 2 times by IMAP from {LOOPBACK}\n" in text
    assert f"signed in to send mail from {LOOPBACK}\n" in text
    assert said(server, "account", "signins", server.user(2)) == \
        "Nobody has signed in lately, or tried to.\n"
    assert rows(server, 1, "--since", "2040-01-01") == []
    # Nothing of the mail changes with it, and the log of changes tells of nothing.
    with server.login(1) as c:
        before = c.ok("STATUS INBOX (HIGHESTMODSEQ)").text
    wait_rows(server, lambda got: total(got) == 5)
    with server.login(1) as c:
        assert c.ok("STATUS INBOX (HIGHESTMODSEQ)").text == before
    assert "sign-in" not in said(server, "log", server.user(1))


def test_failures_are_counted(server):
    for i in range(3):
        with server.connect() as c:
            assert c.cmd(f"LOGIN {server.user(1)} {json.dumps('wrong %d' % i)}").status == b"NO"
            c.cmd(f"LOGIN {server.user(3)} x")  # nobody: noted nowhere
    got = wait_rows(server, lambda got: total(got, "failures") == 3)
    assert [(r["service"], r["network"], r["client"], r["count"]) for r in got] == [
        ("imap", LOOPBACK, "", 0)]
    assert "failed 3 times by IMAP" in said(server, "account", "signins", server.user(1))


def test_nothing_is_lost_at_a_stop(server):
    for _ in range(5):
        with server.login(1):
            pass
    server.stop()
    assert total(rows(server)) == 5
    server.start()
    with server.login(1):
        pass
    wait_rows(server, lambda got: total(got) == 6)
    server.stop()
    assert said(server, "check").endswith("All is well.\n")
