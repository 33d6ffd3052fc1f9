# SPDX-License-Identifier: Apache-2.0
"""A copy of what is sent, in the mailbox for it, whether or not the mail program puts one there too."""
import os
import smtplib
import threading

import pytest
from servers import PASSWORD

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")


@pytest.fixture
def server(make_server):
    return make_server(users=2, settings={
        "server_name": "mail.example.org", "submission_copy_in_sent": "yes",
        "submission_recipients_per_hour": 100_000})


def text(server, n, subject="hello", more="Bcc: hidden@elsewhere.example\r\n"):
    return (f"From: {server.user(1)}\r\nTo: {server.user(2)}\r\nMessage-ID: <{n}@program.example>\r\n"
            f"Subject: {subject}\r\n{more}\r\nhello\r\n")


def submit(server, message, to=None):
    with smtplib.SMTP("127.0.0.1", server.submission_port, "laptop", timeout=30) as c:
        c.ehlo()
        c.login(server.user(1), PASSWORD)
        return c.sendmail(server.user(1), to or [server.user(2)], message)


def append(server, message, box="Sent"):
    with server.login(1) as c:
        return c.append(box, message.encode(), "\\Seen")


def sent(server, box="Sent"):
    """(UID, flags, text) of what is there."""
    with server.login(1) as c:
        c.select(box)
        found = c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])").fetches()
    return [(a[b"UID"], a[b"FLAGS"], bytes(a[b"BODY[]"])) for a in found.values()]


def test_a_copy_is_filed(server):
    submit(server, text(server, 1))
    (_, flags, message), = sent(server)
    assert b"\\Seen" in flags and message.startswith(b"Received: ")
    assert message.endswith(text(server, 1).encode())  # Bcc is for the sender's eyes
    with server.login(2) as c:
        c.select("INBOX")
        got, = c.ok("FETCH 1 BODY.PEEK[]").fetches().values()
        assert b"hidden@" not in bytes(got[b"BODY[]"])
    submit(server, text(server, 1))  # once more by a client that did not hear
    assert len(sent(server)) == 1
    submit(server, text(server, 2, more=""))
    assert len(sent(server)) == 2
    # What a program sends without Message-ID gets one, and is filed with it.
    submit(server, f"From: {server.user(1)}\r\n\r\nx\r\n")
    assert b"\r\nMessage-ID: <" in sent(server)[2][2]
    assert "a copy of what was sent, filed by the server" in server.command("log", server.user(1)).stdout
    assert not server.check()


def test_the_program_puts_its_own_there_afterwards(server):
    for n in range(1, 30):
        submit(server, text(server, n))
        append(server, text(server, n, more=""))
        assert len(sent(server)) == n
    assert all(not m.startswith(b"Received:") for _, _, m in sent(server))
    append(server, text(server, 7, more=""))  # by another program; that is its business
    assert len(sent(server)) == 30
    with server.login(1) as c:  # somebody who looks hears of it
        c.select("Sent")
        submit(server, text(server, 100))
        append(server, text(server, 100))
        c.ok("NOOP")
        assert c.ok("STATUS Sent (MESSAGES)")
    assert len(sent(server)) == 31
    assert not server.check()


def test_the_program_puts_its_own_there_first(server):
    append(server, text(server, 1))
    submit(server, text(server, 1))
    (_, _, message), = sent(server)
    assert not message.startswith(b"Received:")


def test_both_at_once(server):
    for n in range(40):
        a = threading.Thread(target=append, args=(server, text(server, n)))
        b = threading.Thread(target=submit, args=(server, text(server, n)))
        for t in (a, b) if n % 2 else (b, a):
            t.start()
        a.join(30), b.join(30)
    found = sent(server)
    assert len(found) == 40
    assert all(not m.startswith(b"Received:") for _, _, m in found)
    assert not server.check()


def test_nothing_else_gives_way(server):
    """Not what arrived, nor what has another Message-ID, nor in another mailbox."""
    submit(server, text(server, 1))
    with server.login(1) as c:
        c.ok("CREATE Other")
    append(server, text(server, 1), "Other")
    append(server, text(server, 2))
    forged = "Received: by somebody\r\n" + text(server, 3)
    append(server, forged)  # the user's own: the server has filed nothing of that name
    append(server, text(server, 3))
    assert len(sent(server)) == 4 and len(sent(server, "Other")) == 1


def test_a_mailbox_of_another_name(server):
    with server.login(1) as c:
        listed = c.ok('LIST "" "*"').all(b"LIST")
        assert any(b"\\Sent" in u.args[0] for u in listed)
        c.ok('RENAME Sent "Gesendet"')
    submit(server, text(server, 1))
    assert len(sent(server, "Gesendet")) == 1
    append(server, text(server, 1), "Gesendet")
    (_, _, message), = sent(server, "Gesendet")
    assert not message.startswith(b"Received:")


def test_what_looks_like_the_servers_copy_stays(server):
    """Only what the server has filed goes, however alike another is."""
    append(server, "Received: from x by y\r\n" + text(server, 1), "INBOX")
    submit(server, text(server, 1))
    with server.login(1) as c:  # what came back to the sender itself, put where it belongs
        c.select("INBOX")
        c.ok("UID MOVE 1:* Sent")
    assert len(sent(server)) == 2
    append(server, text(server, 1))
    found = sent(server)
    assert len(found) == 2
    assert sum(m.startswith(b"Received: from x by y") for _, _, m in found) == 1
    assert sum(m == text(server, 1).encode() for _, _, m in found) == 1


def test_flags_go_over(server):
    submit(server, text(server, 1))
    with server.login(1) as c:
        c.select("Sent")
        c.ok("STORE 1 +FLAGS (\\Flagged work)")
    append(server, text(server, 1))
    (_, flags, _), = sent(server)
    assert b"\\Flagged" in flags and b"work" in flags


def test_a_full_account_still_sends(server):
    server.command("account", "quota", server.user(1), "--messages", "1")
    append(server, text(server, 50), "INBOX")
    submit(server, text(server, 1))
    assert sent(server) == []
    assert "a copy of it cannot be filed: the mailbox is full" in server.log_tail()
    assert "a sent message was not filed: the mailbox is full" in \
        server.command("log", server.user(1)).stdout
    with server.login(2) as c:
        c.select("INBOX")
        assert len(c.ok("FETCH 1:* (UID)").fetches()) == 1


def test_only_what_is_taken_and_submitted(server):
    with pytest.raises(smtplib.SMTPException):
        submit(server, text(server, 1), ["nobody@example.org"])
    with smtplib.SMTP("127.0.0.1", server.smtp_port, "mx.example.net", timeout=30) as c:
        c.sendmail("me@example.net", [server.user(1)], text(server, 2))
    assert sent(server) == []


def test_not_unless_it_is_wanted(make_server):
    server = make_server(users=2, settings={"server_name": "mail.example.org"})
    submit(server, text(server, 1))
    assert sent(server) == []
