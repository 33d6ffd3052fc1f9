# SPDX-License-Identifier: Apache-2.0
"""Mail in and out of a running server: from strangers, from users, to other servers, back as
notices; processes that die or stop meanwhile."""
import os
import smtplib
import time

import pytest
from mailsink import MailSink
from servers import PASSWORD


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER"):
        pytest.skip("of Mailkeep")


def until(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.01)


@pytest.fixture
def sink():
    s = MailSink()
    yield s
    try:
        s.close()
    except OSError:
        pass


@pytest.fixture
def server(make_server, sink):
    server = make_server(users=4, settings={
        "server_name": "mail.example.org", "relay_host": "127.0.0.1",
        "relay_host_port": sink.port, "relay_host_tls": "opportunistic", "retry_first": "1 s",
        "retry_max": "1 s", "smtp_greet_delay": "0 s"})
    # A process that is killed before it was ready once is taken for one that cannot start.
    until(lambda: "serves (process" in server.log_tail(500))
    return server


def stranger(server):
    return smtplib.SMTP("127.0.0.1", server.smtp_port, local_hostname="client.example.net",
                        timeout=60)


def submit(server, i, to, text, **options):
    with smtplib.SMTP("127.0.0.1", server.submission_port, local_hostname="laptop.example.net",
                      timeout=60) as c:
        c.login(server.user(i), PASSWORD)
        return c.sendmail(server.user(i), to, text, **options)


def inbox(server, i):
    """All messages there, as bytes."""
    with server.login(i) as c:
        c.select("INBOX")
        found = c.ok("UID FETCH 1:* (UID BODY.PEEK[])").fetches() # of an empty one: none
        return [found[uid][b"BODY[]"] for uid in sorted(found)]


# ---- in -----------------------------------------------------------------------------------------

def test_a_stranger_writes_to_two(server):
    with stranger(server) as c:
        c.sendmail("me@example.net", [server.user(1), server.user(2)],
                   "From: me@example.net\r\nSubject: hello\r\n\r\nhello\r\n")
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            c.sendmail("me@example.net", ["x@elsewhere.example", "nobody@example.org"], "\r\n")
    codes = {a: (code, text.split()[0]) for a, (code, text) in refused.value.recipients.items()}
    assert codes == {"x@elsewhere.example": (550, b"5.7.1"), "nobody@example.org": (550, b"5.1.1")}
    assert len(inbox(server, 1)) == len(inbox(server, 2)) == 1
    assert not server.check()


def test_a_large_message_comes_whole(server):
    text = "From: me@example.net\r\nSubject: large\r\n\r\n" + "".join(
        f"line {i} of it, and what else there is\r\n" for i in range(200_000))
    with stranger(server) as c:
        c.sendmail("me@example.net", [server.user(1)], text)
    assert inbox(server, 1)[0].endswith(text.encode())
    assert os.listdir(os.path.join(server.data, "tmp")) == []


# ---- out ----------------------------------------------------------------------------------------

def test_a_user_writes_to_other_servers(server, sink):
    submit(server, 1, ["a@elsewhere.example", "later@elsewhere.example", server.user(2)],
           f"From: {server.user(1)}\r\nBcc: secret@elsewhere.example\r\nSubject: out\r\n\r\nhello\r\n")
    until(lambda: len(sink.got) == 2)
    for sender, _, message in sink.got:
        assert sender == server.user(1)
        assert b"Bcc" not in message and b"\nDate: " in message and b"\nMessage-ID: " in message
        assert message.endswith(b"\r\nSubject: out\r\n\r\nhello\r\n")
    assert {to for _, to, _ in sink.got} == {"a@elsewhere.example", "later@elsewhere.example"}
    assert len(inbox(server, 2)) == 1


def test_what_is_refused_elsewhere_is_told(server, sink):
    submit(server, 1, ["bad@elsewhere.example"], "Subject: out\r\n\r\nhello\r\n")
    until(lambda: len(inbox(server, 1)) == 1)
    notice = inbox(server, 1)[0]
    assert b"bad@elsewhere.example" in notice and b"No such user" in notice
    assert b"message/delivery-status" in notice and b"Return-Path: <>" in notice
    assert sink.got == []


def test_routes_of_domains_and_senders(server, sink):
    other = MailSink()
    way = ("route", "add", "--host", "127.0.0.1", "--port", str(other.port), "--tls", "opportunistic")
    server.command(*way, "elsewhere.example")
    server.command(*way, "--from", server.user(2))
    server.command("route", "add", "forbidden.example", "--refuse", "nobody writes there")
    submit(server, 1, ["a@elsewhere.example", "b@other.example"], "Subject: one\r\n\r\nhello\r\n")
    submit(server, 2, ["c@other.example"], "Subject: two\r\n\r\nhello\r\n")
    submit(server, 3, ["d@forbidden.example"], "Subject: three\r\n\r\nhello\r\n")
    until(lambda: len(other.got) == 2 and sink.got and inbox(server, 3))
    assert {to for _, to, _ in other.got} == {"a@elsewhere.example", "c@other.example"}
    assert [to for _, to, _ in sink.got] == ["b@other.example"]
    assert b"nobody writes there" in inbox(server, 3)[0]
    other.close()


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n",
                                 b"\r\n.\r\r\n", b"\r\n.\r\n"], ids=repr)
@pytest.mark.parametrize("way", ["submission", "lmtp"])
def test_s03_one_message_stays_one(server, sink, way, end):
    """By BDAT the end of a message is no line, so what looks like one reaches every hop behind: it is
    refused, or it comes out as one message, here and at the other server."""
    evil = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<evil@elsewhere.example>\r\nDATA\r\nSubject: evil\r\n\r\nx"
    text = b"From: " + server.user(1).encode() + b"\r\nSubject: good\r\n\r\nfirst" + end + evil + b"\r\n.\r\nlast\r\n"
    kind, port = {"submission": (smtplib.SMTP, server.submission_port),
                  "lmtp": (smtplib.LMTP, server.lmtp_port)}[way]
    to = [server.user(2)] + (["a@elsewhere.example"] if way == "submission" else [])
    with kind("127.0.0.1", port, local_hostname="laptop.example.net") as c:
        c.sock.settimeout(60)
        c.ehlo()
        if way == "submission":
            c.login(server.user(1), PASSWORD)
        c.mail(server.user(1) if way == "submission" else "me@example.net")
        assert all(c.rcpt(a)[0] == 250 for a in to)
        c.send(b"BDAT %d LAST\r\n" % len(text) + text)
        taken = c.getreply()[0] == 250
        if taken:
            assert c.docmd("NOOP")[0] == 250  # nothing of it is taken for a command
        else:
            assert c.sock.recv(1000) == b""  # the connection has ended with the one refusal
    assert taken == (end == b"\r\n.\r\n")
    if taken:
        until(lambda: inbox(server, 2) and (way == "lmtp" or sink.got))
        assert inbox(server, 2)[0].endswith(text[text.index(b"Subject: good"):])
    assert len(inbox(server, 2)) == taken
    assert [(f, t) for f, t, _ in sink.got] == \
        [(server.user(1), "a@elsewhere.example")] * (taken and way == "submission")


def test_what_waits_outlives_all(server, sink):
    sink.close()
    submit(server, 1, ["a@elsewhere.example"], "Subject: out\r\n\r\nhello\r\n")
    server.kill("all")
    server.start()
    sink.again()
    until(lambda: sink.got)
    assert [to for _, to, _ in sink.got] == ["a@elsewhere.example"]


def test_a_new_courier_is_given_the_mail(server, sink):
    old = server.kill("courier")
    submit(server, 1, ["a@elsewhere.example"], "Subject: out\r\n\r\nhello\r\n")
    until(lambda: sink.got)
    assert [p for p in server.role("courier") if p not in old]


def test_a_new_keep_takes_mail(server):
    with stranger(server) as c:
        c.ehlo()
        c.mail("me@example.net")
        c.rcpt(server.user(1))
        server.kill("keep")
        try:
            code = c.data(b"From: me@example.net\r\n\r\nx\r\n")[0]
        except smtplib.SMTPDataError as e:
            code = e.smtp_code
        assert code in (421, 451)
    until(lambda: server.role("keep"))
    def sent():
        try:
            with stranger(server) as c:
                return c.sendmail("me@example.net", [server.user(1)],
                                  "From: me@example.net\r\nSubject: y\r\n\r\n") == {}
        except (smtplib.SMTPException, OSError):
            return False
    until(sent)
    assert len(inbox(server, 1)) == 1


def test_senders_must_be_ones_own(server):
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        with smtplib.SMTP("127.0.0.1", server.submission_port, timeout=60) as c:
            c.login(server.user(1), PASSWORD)
            c.sendmail(server.user(2), [server.user(3)], "Subject: x\r\n\r\n")
    assert refused.value.smtp_code == 550
    with pytest.raises(smtplib.SMTPDataError) as refused:
        submit(server, 1, [server.user(3)], "From: ceo@bank.example\r\n\r\nx\r\n")
    assert refused.value.smtp_code == 550
    assert len(inbox(server, 3)) == 0


def test_a_suspended_user_sends_no_more(server):
    with smtplib.SMTP("127.0.0.1", server.submission_port, timeout=60) as c:
        c.login(server.user(1), PASSWORD)
        c.sendmail(server.user(1), [server.user(2)], "Subject: x\r\n\r\n")
        server.control("account suspend", account=server.user(1))
        with pytest.raises((smtplib.SMTPException, OSError)):
            c.sendmail(server.user(1), [server.user(2)], "Subject: y\r\n\r\n")
    assert len(inbox(server, 2)) == 1


def test_an_orderly_stop_with_mail_in_flight(server, sink):
    for i in range(20):
        submit(server, 1, [f"a{i}@elsewhere.example"], "Subject: out\r\n\r\nhello\r\n")
    server.restart()
    until(lambda: len({to for _, to, _ in sink.got}) == 20)
    assert len(sink.got) == 20
