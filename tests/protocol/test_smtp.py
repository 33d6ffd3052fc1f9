# SPDX-License-Identifier: Apache-2.0
"""SMTP, submission and LMTP through the whole server: from a client's bytes to the mailbox."""
import re
import smtplib
import socket
import subprocess
import time

import pytest

from imapwire import client_context
from servers import PASSWORD
from talk import Smtp, plain

MESSAGE = b"From: a@x.example\r\nSubject: one\r\n\r\n..dot\r\nend\r\n.\r\n"
SENDER = "a@x.example"


@pytest.fixture
def mail(shared_server):
    if shared_server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    return shared_server


def inbox(server, number, want):
    """The messages of INBOX once there are `want`; delivery is done when it was acknowledged."""
    with server.login(number) as c:
        exists = c.select("INBOX").all(b"EXISTS")[-1].number
        assert exists == want
        if not want:
            return []
        got = c.ok("FETCH 1:* (BODY.PEEK[])").all(b"FETCH")
        return [m.attributes()[b"BODY[]"] for m in got]


def hello(port, **more):
    c = Smtp(port, **more)
    assert c.greeting.startswith(b"220 "), c.greeting
    assert c.cmd("EHLO client.example").startswith(b"250-")
    return c


def deliver(server, number, message=MESSAGE):
    with hello(server.smtp_port) as c:
        assert all(r.startswith(b"250 ") for r in c.envelope(SENDER, server.user(number)))
        return c.data(message)


# ---- port 25 ------------------------------------------------------------------------------------

def test_a_message_arrives(mail, account):
    assert deliver(mail, account).startswith(b"250 2.")
    got, = inbox(mail, account, 1)
    assert got.endswith(b"From: a@x.example\r\nSubject: one\r\n\r\n.dot\r\nend\r\n")
    assert re.search(rb"Received: from client.example \(\[127.0.0.1\]\)\r\n\tby \S+ with ESMTP\r\n",
                     got)


def test_bdat_and_many_recipients(mail, account):
    with hello(mail.smtp_port) as c:
        replies = c.envelope(SENDER, mail.user(account), "nobody@example.org")
        assert replies[1].startswith(b"250 ") and replies[2].startswith(b"550 5.1.1 ")
        c.send(b"BDAT 19\r\nFrom: a@x.example\r\nBDAT 6 LAST\r\n\r\nhi\r\n")
        assert c.reply().startswith(b"250 2.") and c.reply().startswith(b"250 2.")
    got, = inbox(mail, account, 1)
    assert got.endswith(b"From: a@x.example\r\n\r\nhi\r\n")


def test_s17_unknown_users_are_refused_in_session(mail):
    with hello(mail.smtp_port) as c:
        replies = c.envelope("forged@x.example", "nobody@example.org")
        assert replies[1].startswith(b"550 5.1.1 ")
        assert c.cmd("DATA").startswith(b"554 ")


@pytest.mark.parametrize("recipient", [
    "a@other.example", "a%other.example@example.org", "other.example!a@example.org",
    '"a@other.example"@example.org', "@example.org:a@other.example", "a@[127.0.0.1]",
    "a@[IPv6:::1]", "a@other.example@example.org", '"a@other.example"', "root", "a@localhost",
])
@pytest.mark.parametrize("sender", ["", "u1@example.org", "a@[127.0.0.1]"])
def test_s16_no_relay_for_strangers(mail, recipient, sender):
    with hello(mail.smtp_port) as c:
        assert c.envelope(sender, recipient)[1].startswith(b"5")
        assert c.cmd("DATA").startswith((b"503 ", b"554 "))


@pytest.mark.parametrize("end", [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n",
    b"\r\n.\r\r\n", b"\r\r\n.\r\r\n"], ids=repr)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_s01_smuggling(mail, account, end, split):
    evil = (b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<" + mail.user(account).encode() +
            b">\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n.\r\nQUIT\r\n")
    with hello(mail.smtp_port) as c:
        c.envelope(SENDER, mail.user(account))
        assert c.cmd("DATA").startswith(b"354")
        c.send(b"Subject: good\r\n\r\nfirst" + end)
        if split:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            c.send(evil)
        except OSError:
            pass  # closed already
        answer = c.rest()
    assert answer.startswith(b"550 5.6.0 ") and answer.count(b"\r\n") == 1
    inbox(mail, account, 0)


def test_s05_nothing_is_inherited(mail, account):
    with hello(mail.smtp_port) as c:
        c.envelope(SENDER, mail.user(account))
        assert c.cmd("RSET").startswith(b"250 ")
        assert c.cmd("DATA").startswith(b"503 ")
        c.envelope(SENDER, mail.user(account))
        assert c.data(b"Received: x\r\n" * 51 + b"\r\nx\r\n.\r\n").startswith(b"554 5.4.6 ")
        assert c.cmd(f"RCPT TO:<{mail.user(account)}>").startswith(b"503 ")
        assert c.cmd("DATA").startswith(b"503 ")
    inbox(mail, account, 0)


def test_s06_bad_chunks(mail, account):
    for size in ("18446744073709551616", "-1", "99999999999"):
        with hello(mail.smtp_port) as c:
            c.envelope(SENDER, mail.user(account))
            c.send(f"BDAT {size}\r\nx")
            assert re.match(rb"(501 5\.5\.4|552 5\.3\.4) ", c.rest())
    inbox(mail, account, 0)


# E10
def test_s07_the_end_of_tls_within_a_chunk(mail, account):
    c = hello(mail.smtp_port)
    c.starttls()
    assert c.cmd("EHLO client.example").startswith(b"250-")
    c.envelope(SENDER, mail.user(account))
    c.send(b"BDAT 10 LAST\r\nabc")
    try:
        raw = c.sock.unwrap()  # close_notify, both ways
        raw.sendall(b"x")
        assert raw.recv(65536) == b""
        raw.close()
    except OSError:
        pass  # gone already
    inbox(mail, account, 0)


def test_s08_a_command_without_end(mail):
    with hello(mail.smtp_port) as c:
        try:
            c.send(b"MAIL FROM:<" + b"x" * 5_000_000)
        except OSError:
            pass
        assert c.rest().startswith(b"500 5.5.6 ") or c.buf == b""


def test_s12_too_large(make_server):
    server = make_server(settings={"message_max": "64 KB"})
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    with hello(server.smtp_port) as c:
        assert c.cmd(f"MAIL FROM:<{SENDER}> SIZE=70000").startswith(b"552 5.3.4 ")
        c.envelope(SENDER, server.user(1))
        answer = c.data(b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 6000 + b".\r\n")
        assert answer.startswith(b"552 5.3.4 ")
        c.envelope(SENDER, server.user(1))
        assert c.data(MESSAGE).startswith(b"250 ")
    assert len(inbox(server, 1, 1)) == 1


def test_t01_t03_starttls(mail, account):
    with Smtp(mail.smtp_port) as c:
        c.send("STARTTLS\r\nEHLO x.example\r\n")
        assert c.rest() in (b"220 2.0.0 Begin TLS now\r\n", b"")
    c = hello(mail.smtp_port)
    c.envelope(SENDER, mail.user(account))
    c.starttls()
    assert c.cmd(f"RCPT TO:<{mail.user(account)}>").startswith(b"503 ")
    assert c.cmd("STARTTLS").startswith(b"502 ")
    offers = c.cmd("EHLO client.example")
    assert b"REQUIRETLS" in offers and b"STARTTLS" not in offers
    c.envelope(SENDER, mail.user(account))
    assert c.data(MESSAGE).startswith(b"250 ")
    got, = inbox(mail, account, 1)
    assert b" with ESMTPS\r\n\t(TLSv1.3 " in got
    c.sock.close()


# E13
def test_t10_a_browser_is_sent_away(mail):
    with Smtp(mail.smtp_port) as c:
        c.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x.example\r\n")
        assert c.rest() == b"554 5.5.1 This is a mail server\r\n"


def test_swaks(mail, account):
    r = subprocess.run(["swaks", "--server", f"127.0.0.1:{mail.smtp_port}", "--tls", "--from", SENDER,
                        "--to", mail.user(account), "--h-Subject", "by swaks"],
                       capture_output=True, text=True, timeout=60, check=False)
    assert r.returncode == 0, r.stdout
    got, = inbox(mail, account, 1)
    assert b"Subject: by swaks\r\n" in got


# ---- submission ---------------------------------------------------------------------------------

def test_a_login_holds_while_the_client_pauses(mail, account):
    """keep's ticket for a login is good for 30 s; the login itself is not over then."""
    with hello(mail.submissions_port, tls=True) as c:
        assert c.login(mail.user(account), PASSWORD).startswith(b"235 ")
        time.sleep(33)
        assert all(r.startswith(b"250 ")
                   for r in c.envelope(mail.user(account), mail.user(account)))
        sent = f"From: {mail.user(account)}\r\n\r\nlate\r\n.\r\n".encode()
        assert c.data(sent).startswith(b"250 ")
    assert len(inbox(mail, account, 1)) == 1


def test_submission_by_smtplib(mail, account):
    me, context = mail.user(account), client_context()
    context.check_hostname = False
    with smtplib.SMTP("127.0.0.1", mail.submission_port, timeout=20) as c:
        assert c.docmd("EHLO", "c.example")[0] == 250
        assert c.docmd("MAIL", f"FROM:<{me}>")[0] == 530
        c.starttls(context=context)
        c.login(me, PASSWORD)
        c.sendmail(me, [me], b"From: %s\r\nSubject: by STARTTLS\r\n\r\nx\r\n" % me.encode())
    with smtplib.SMTP_SSL("127.0.0.1", mail.submissions_port, context=context, timeout=20) as c:
        c.login(me, PASSWORD)
        c.sendmail(me, [me], b"From: %s\r\nSubject: by TLS\r\n\r\nx\r\n" % me.encode())
    one, two = inbox(mail, account, 2)
    assert b"Subject: by STARTTLS\r\n" in one and b"Subject: by TLS\r\n" in two
    assert b" with ESMTPSA\r\n" in one and b" with ESMTPSA\r\n" in two
    for got in one, two:  # where the sender was, and on what device, is nobody's business
        assert b"\r\nReceived: by " in got and b"127.0.0.1" not in got


# E07
def test_t04_no_passwords_in_the_clear(make_server):
    server = make_server(clear=False)
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    for port in (server.smtp_port, server.submission_port, server.lmtp_port):
        with Smtp(port) as c:
            greeting = "LHLO" if port == server.lmtp_port else "EHLO"
            assert b"AUTH" not in c.cmd(f"{greeting} c.example")
            assert c.login(server.user(1), PASSWORD).startswith(b"502 ")
    with open(server.log_path, "rb") as f:
        assert plain(server.user(1), PASSWORD).encode() not in f.read()


def test_auth_is_not_for_strangers(mail):
    with Smtp(mail.smtp_port, tls=False) as c:
        c.cmd("EHLO c.example")
        c.starttls()
        assert b"AUTH" not in c.cmd("EHLO c.example")
        assert c.login(mail.user(1), PASSWORD).startswith(b"502 ")


def test_a_wrong_password(mail, account):
    with hello(mail.submissions_port, tls=True) as c:
        assert c.login(mail.user(account), "wrong").startswith(b"535 5.7.8 ")
        assert c.cmd(f"MAIL FROM:<{mail.user(account)}>").startswith(b"530 ")
        assert c.login(mail.user(account), PASSWORD).startswith(b"235 ")
        assert c.cmd(f"MAIL FROM:<{mail.user(account)}>").startswith(b"250 ")


# A10a, A10b, A10c, A10d, A10g: all of them in more spellings: unit/keep/test_inbound_submission.c.
def test_a10_nobody_sends_as_somebody_else(mail, account):
    me, other = mail.user(account), mail.user(account + 1)
    headers = {
        f"From: {me}": b"250", f"From: {me}\r\nSender: {me}\r\nResent-From: {me}": b"250",
        f"From: {other}": b"550 5.7.1", f"From: {me}, {other}": b"550 5.7.1", f"From: a@x.example, {me}": b"550 5.7.1",
        f"From: {me}\r\nSender: {other}": b"550 5.7.1", f"From: {me}\r\nResent-From: {other}": b"550 5.7.1",
        f"From: us: {me}, {other};": b"550 5.7.1", f"Resent-Sender: a@x.example\r\nFrom: {me}": b"550 5.7.1",
        f"From: {me}\r\nFrom: {other}": b"554 5.6.0"}
    with hello(mail.submissions_port, tls=True) as c:
        assert c.login(me, PASSWORD).startswith(b"235 ")
        for sender in (other, "a@x.example", "nobody@example.org", f"{me},{other}", "postmaster@example.org"):
            assert c.cmd(f"MAIL FROM:<{sender}>").startswith((b"550 5.7.1 ", b"501 ", b"553 ")), sender
        for header, want in headers.items():
            assert all(r.startswith(b"250 ") for r in c.envelope(me, me))
            said = c.data(f"{header}\r\nSubject: x\r\n\r\nx\r\n.\r\n".encode())
            assert said.startswith(want), (header, said)
    assert len(inbox(mail, account, 2)) == 2


# ---- LMTP ---------------------------------------------------------------------------------------

def test_lmtp(mail, account):
    with Smtp(mail.lmtp_port) as c:
        assert c.cmd("EHLO c.example").startswith(b"500 ")
        assert c.cmd("LHLO c.example").startswith(b"250-")
        replies = c.envelope(SENDER, mail.user(account), "nobody@example.org", mail.user(account))
        assert [r[:3] for r in replies] == [b"250", b"250", b"550", b"250"]
        assert c.data(MESSAGE).startswith(b"250 ")
        assert c.reply().startswith(b"250 ")
        assert c.cmd("QUIT").startswith(b"221 ")
    got = inbox(mail, account, 1)  # twice named, kept once
    assert b" with LMTP\r\n" in got[0]


def test_lmtp_is_not_for_everybody(make_server):
    server = make_server(settings={"lmtp_networks": "192.0.2.0/24"})
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    with Smtp(server.lmtp_port) as c:
        assert c.greeting.startswith(b"554 5.7.1 ")


def test_lmtp_on_a_socket(make_server):
    server = make_server(start=False)
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    path = server.folder + "/lmtp"
    server.settings["lmtp_socket"] = f'"{path}"'
    server.start()
    with smtplib.LMTP(path) as c:
        c.sendmail(SENDER, [server.user(1)], b"From: a@x.example\r\nSubject: by a socket\r\n\r\nx\r\n")
    assert b"Subject: by a socket\r\n" in inbox(server, 1, 1)[0]
    server.kill("all")
    server.start()  # over the socket that was left behind
    with smtplib.LMTP(path) as c:
        assert c.noop()[0] == 250


# ---- fronts -------------------------------------------------------------------------------------

def test_s16_a_front_speaks_for_others(make_server):
    server = make_server(settings={"xclient_networks": "127.0.0.1",
                                   "smtp_messages_per_minute": "1"})
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    with Smtp(server.smtp_port) as c:
        assert b"XCLIENT" in c.cmd("EHLO front.example")
        assert c.cmd("XCLIENT ADDR=198.51.100.7 PORT=77 LOGIN=u1").startswith(b"220 ")
        assert b"XCLIENT" not in c.cmd("EHLO client.example")
        assert c.envelope(SENDER, "a@other.example")[1].startswith(b"5")
        assert c.cmd("RSET").startswith(b"250 ")
        # A stranger's messages are counted.
        assert c.cmd(f"MAIL FROM:<{SENDER}>").startswith(b"451 4.7.1 ")
    with Smtp(server.smtp_port) as c:
        c.cmd("EHLO front.example")
        c.cmd("XCLIENT ADDR=IPV6:2001:db8::7")
        c.cmd("EHLO client.example")
        c.envelope(SENDER, server.user(1))
        assert c.data(MESSAGE).startswith(b"250 ")
    got, = inbox(server, 1, 1)
    assert b"Received: from client.example ([IPv6:2001:db8::7])\r\n" in got


def test_s16_nobody_else_speaks_for_others(mail):
    with hello(mail.smtp_port) as c:
        assert c.cmd("XCLIENT ADDR=198.51.100.7").startswith(b"502 ")
    with Smtp(mail.smtp_port) as c:
        assert c.cmd("PROXY TCP4 192.0.2.1 192.0.2.2 1 2").startswith(b"500 ")
