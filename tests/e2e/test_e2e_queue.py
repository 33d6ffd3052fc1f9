# SPDX-License-Identifier: Apache-2.0
"""The queue of a running server where it has much to do, or what stops who works on it."""
import json
import smtplib

import pytest
from mailsink import MailSink
from servers import PASSWORD
from test_e2e_mail import inbox, only_mailkeep, sink, submit, until  # noqa: F401 - fixtures

MANY = 1200
EXPIRIES_AN_HOUR = 1000


@pytest.fixture
def dead():
    """A server nobody reaches, until again()."""
    s = MailSink()
    s.close()
    yield s
    try:
        s.close()
    except OSError:
        pass


def status(server):
    return json.loads(server.command("--json", "status").stdout)["queue"]


def count(server, i):
    with server.login(i) as c:
        return c.ok("STATUS INBOX (MESSAGES)").all(b"STATUS")[0].args[1][1]


def test_q06_very_many_expire_at_once(make_server, sink, dead):  # noqa: F811
    """Mail to a domain that cannot be reached has waited too long, all of it together: so many senders are
    told within the hour and no more, other mail leaves meanwhile, and of what is left nothing is lost."""
    server = make_server(users=2, settings={
        "server_name": "mail.example.org", "relay_host": "127.0.0.1", "relay_host_port": sink.port,
        "relay_host_tls": "opportunistic", "retry_first": "1 s", "retry_max": "1 s",
        "queue_expire": "5 s", "submission_recipients_per_hour": 100000})
    server.command("route", "add", "dead.example", "--host", "127.0.0.1", "--port", str(dead.port),
                   "--tls", "opportunistic")
    with smtplib.SMTP("127.0.0.1", server.submission_port, timeout=60) as c:
        c.login(server.user(1), PASSWORD)
        for i in range(MANY):
            c.sendmail(server.user(1), [f"a{i}@dead.example"], f"Subject: {i}\r\n\r\nx\r\n")
    until(lambda: count(server, 1) > 0)
    submit(server, 2, ["b@live.example"], "Subject: in between\r\n\r\nx\r\n")
    until(lambda: sink.got)
    until(lambda: status(server)["recipients"] == MANY - EXPIRIES_AN_HOUR)
    assert count(server, 1) == EXPIRIES_AN_HOUR
    assert status(server)["expiry_paused"]
    assert "VERY MUCH HAS WAITED TOO LONG" in server.command("status").stdout
    assert server.log_tail(5000).count("recipients has waited too long") == 1
    dead.again()
    until(lambda: status(server)["recipients"] == 0)
    assert count(server, 1) == EXPIRIES_AN_HOUR
    assert len({to for _, to, _ in dead.got}) == len(dead.got) == MANY - EXPIRIES_AN_HOUR
    assert not server.check()
