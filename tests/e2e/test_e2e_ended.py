# SPDX-License-Identifier: Apache-2.0
"""Suspending or removing an account, or changing its password, ends the sessions it has."""
import os

import pytest
from imapwire import Closed, Refused


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")


def suspend(server):
    return server.control("account suspend", account=server.user(1))


def remove(server):
    return server.control("account remove", account=server.user(1))


def passwd(server):
    return server.control("account passwd", account=server.user(1), password="another-gate-78")


def is_gone(client):
    with pytest.raises(Closed):
        client.line()
    return True


@pytest.mark.parametrize("how, code", [(suspend, b"CONTACTADMIN"), (remove, b"CONTACTADMIN"),
                                       (passwd, b"EXPIRED")])
# A05b, A05c
def test_every_session_is_told_and_ended(server, how, code):
    clear, tls, idle = server.login(1), server.login(1, "tls"), server.login(1, "tls")
    idle.ok("SELECT INBOX")
    idle.idle()
    with server.login(2) as other:
        assert how(server)["sessions_ended"] == 3
        # All are over by now: what they have to say has been sent.
        for client in (clear, tls, idle):
            bye = client.wait_untagged(b"BYE")
            assert code in bye.code, bye
            assert is_gone(client)
        other.ok("NOOP")
    with pytest.raises(Refused):
        server.login(1)


def test_the_new_password_signs_in_and_stays(server):
    passwd(server)
    server.password = "another-gate-78"
    with server.login(1) as client:
        assert server.control("account suspend", account=server.user(2))["sessions_ended"] == 0
        client.ok("NOOP")


def test_a_session_in_the_middle_of_something_is_ended_too(server):
    """One that does not read its answers, and one whose message is half sent."""
    with server.login(1) as filler:
        filler.append("INBOX", b"Subject: large\r\n\r\n" + b"x" * 6_000_000)
    deaf, half = server.login(1), server.login(1)
    deaf.ok("SELECT INBOX")
    # Its answer is larger than any buffer on the way, and nobody reads it.
    deaf.start("FETCH 1 BODY[]")
    half.send(b"a APPEND INBOX {1000}\r\n")
    half.raw_line()
    half.send(b"Subject: half")
    assert suspend(server)["sessions_ended"] == 2
    for client in (deaf, half):
        with pytest.raises(Closed):
            while True:
                client.fill()
                client.buf = b""
    assert server.control("status")["sessions"] == 0
