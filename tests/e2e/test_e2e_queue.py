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


class Poison(MailSink):
    """Whoever gives it mail for "poison" is ended: as if the message itself had done it."""

    def __init__(self):
        self.end, self.ended = None, 0
        super().__init__()

    def rcpt(self, sender, address):
        if address.startswith("poison"):
            self.ended += 1
            self.end()
        return super().rcpt(sender, address)


def listed(server):
    lines = server.command("--json", "queue", "list").stdout.splitlines()
    return [json.loads(line) for line in lines if "poison" in line]


def test_q05_a_message_that_ends_the_courier_each_time(make_server):
    """After three times it is set aside, a person sees which it is and why, and the rest leaves; released, it
    is tried again."""
    poison = Poison()
    server = make_server(users=2, settings={
        "server_name": "mail.example.org", "relay_host": "127.0.0.1", "relay_host_port": poison.port,
        "relay_host_tls": "opportunistic", "retry_first": "1 s", "retry_max": "1 s",
        "restarts_per_minute": 50})
    until(lambda: "serves (process" in server.log_tail(500))
    poison.end = lambda: server.kill("courier")
    submit(server, 1, ["poison@elsewhere.example"], "Subject: poison\r\n\r\nx\r\n")
    until(lambda: poison.ended == 1)
    submit(server, 2, ["a@other.example"], "Subject: other\r\n\r\nx\r\n")
    until(lambda: any(r.get("state") == "held" for m in listed(server) for r in m.get("recipients", [m])))
    assert poison.ended == 3
    told = server.command("queue", "list").stdout
    assert "poison@elsewhere.example" in told and "set aside" in told
    assert "is set aside: the process that worked on it ended 3 times" in server.log_tail(500)
    submit(server, 2, ["b@elsewhere.example"], "Subject: same domain\r\n\r\nx\r\n")
    until(lambda: {to for _, to, _ in poison.got} == {"a@other.example", "b@elsewhere.example"})
    assert poison.ended == 3
    poison.end = lambda: None  # mended
    server.command("queue", "release", "--all")
    until(lambda: status(server)["recipients"] == 0)
    assert sorted(to for _, to, _ in poison.got) == [
        "a@other.example", "b@elsewhere.example", "poison@elsewhere.example"]
    assert not server.check()
    poison.close()
