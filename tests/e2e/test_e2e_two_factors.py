# SPDX-License-Identifier: Apache-2.0
"""A second factor on a server that runs: the main password opens no mail protocol any more, app
passwords do, and whoever had the right password is told why."""
import base64
import imaplib
import os
import poplib
import smtplib
import socket

import pytest
from servers import PASSWORD
from totp import code_at, step_now

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")


@pytest.fixture
def server(make_server):
    return make_server(users=2, settings={"auth_failures_max": 100, "login_failure_delay": "0"})


def turn_on(server, user):
    secret = server.control("account totp add", account=user)["secret"]
    return server.control("account totp confirm", account=user,
                          code=code_at(secret, step_now()))


def by_imap(server, user, password):
    with imaplib.IMAP4("127.0.0.1", server.port, timeout=20) as c:
        try:
            c.login(user, password)
            return "OK"
        except imaplib.IMAP4.error as e:
            return str(e)


def by_pop3(server, user, password):
    c = poplib.POP3("127.0.0.1", server.pop3_port, timeout=20)
    try:
        c.user(user)
        c.pass_(password)
        return "OK"
    except poplib.error_proto as e:
        return str(e)
    finally:
        c.close()


def by_submission(server, user, password):
    with smtplib.SMTP("127.0.0.1", server.submission_port, "laptop", timeout=20) as s:
        try:
            s.login(user, password)
            return "OK"
        except smtplib.SMTPAuthenticationError as e:
            return str(e)


def by_sieve(server, user, password):
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    with socket.create_connection(("127.0.0.1", server.sieve_port), timeout=20) as s:
        f = s.makefile("rb")
        while not f.readline().startswith(b"OK"):
            pass
        s.sendall(f'AUTHENTICATE "PLAIN" "{token}"\r\n'.encode())
        return f.readline().decode().strip()


WAYS = {"imap": by_imap, "pop3": by_pop3, "submission": by_submission, "managesieve": by_sieve}


@pytest.mark.parametrize("way", WAYS)
def test_l12_the_main_password_opens_no_mail(server, way):
    user, sign_in = server.user(1), WAYS[way]
    phone = server.control("account device add", account=user, device="phone")["password"]
    assert sign_in(server, user, PASSWORD).startswith("OK")
    turn_on(server, user)
    assert "use an app password" in sign_in(server, user, PASSWORD)  # also one remembered a moment ago
    assert "app password" not in sign_in(server, user, "wrong password")
    assert sign_in(server, user, phone).startswith("OK")
    assert sign_in(server, server.user(2), PASSWORD).startswith("OK")  # nobody else's business
    server.control("account totp remove", account=user)
    assert sign_in(server, user, PASSWORD).startswith("OK")


def test_l12_sessions_of_the_password_end(server):
    user = server.user(1)
    phone = server.control("account device add", account=user, device="phone")["password"]
    with server.login(1) as own, server.login(2) as other, server.connect() as device:
        device.ok(f'LOGIN {user} "{phone}"')
        assert turn_on(server, user)["sessions_ended"] == 1
        assert b"second factor" in own.wait_untagged(b"BYE").text
        device.ok("NOOP")
        other.ok("NOOP")


def test_l12_a_secret_that_waits_for_its_code_asks_nothing(server):
    user = server.user(1)
    server.control("account totp add", account=user)
    assert by_imap(server, user, PASSWORD) == "OK"


def test_l12_it_counts_after_a_restart(server):
    user = server.user(1)
    turn_on(server, user)
    server.restart()
    assert "use an app password" in by_imap(server, user, PASSWORD)
    assert server.control("account totp show", account=user)["state"] == "on"


def idling(server, user, password):
    c = server.connect()
    c.ok(f'LOGIN {user} "{password}"')
    c.ok("SELECT INBOX")
    return c, c.idle()


def test_l65_who_has_none_is_out_when_it_is_required(server):
    user, other = server.user(1), server.user(2)
    keys = [server.control("account device add", account=u, device="phone")["password"]
            for u in (user, other)]
    turn_on(server, other)
    (own, _), (phone, _) = idling(server, user, PASSWORD), idling(server, user, keys[0])
    ready, tag = idling(server, other, keys[1])
    with own, phone, ready:
        said = server.control("domain second-factor", domain="example.org", required=True)
        assert said["sessions_ended"] == 2
        for c in (own, phone):
            assert b"must have a second factor" in c.wait_untagged(b"BYE").text
        ready.done(tag)
        ready.ok("NOOP")
        for way in WAYS.values():
            assert "second factor" in way(server, user, keys[0])
        # With the second factor gone the one who was ready is out, too.
        assert server.control("account totp remove", account=other)["sessions_ended"] == 1
        assert b"must have a second factor" in ready.wait_untagged(b"BYE").text
    server.control("domain second-factor", domain="example.org", required=False)
    assert by_imap(server, user, keys[0]) == "OK"


def test_l65_a_role_that_requires_one(server):
    user = server.user(1)
    server.control("role second-factor", role="auditor", required=True)
    c, _ = idling(server, user, PASSWORD)
    with c, server.login(2) as other:
        given = server.control("role grant", account=user, role="auditor")
        assert (given["sessions_ended"], given["second_factor"]) == (1, False)
        assert b"must have a second factor" in c.wait_untagged(b"BYE").text
        other.ok("NOOP")
    server.control("role revoke", account=user, role="auditor")
    server.control("role second-factor", role="auditor", required=False)
    server.control("role grant", account=user, role="auditor")
    with server.login(1) as c:
        said = server.control("role second-factor", role="auditor", required=True)
        assert said["sessions_ended"] == 1
        assert b"must have a second factor" in c.wait_untagged(b"BYE").text
    assert "second factor" in by_submission(server, user, PASSWORD)


def test_l65_a_domain_that_requires_one(server):
    user = server.user(1)
    server.control("domain add", domain="strict.example")
    server.control("domain second-factor", domain="strict.example", required=True)
    with server.login(1) as c:
        server.control("account rename", account=user, to="u1@strict.example")
        assert b"must have a second factor" in c.wait_untagged(b"BYE").text
    server.control("account rename", account="u1@strict.example", to=user)
    assert by_imap(server, user, PASSWORD) == "OK"
