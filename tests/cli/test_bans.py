# SPDX-License-Identifier: Apache-2.0
"""Who is locked out for guessing, and who not any more (L03)."""
import imaplib
import smtplib
import socket

import pytest

from conftest import PASSWORD, make


@pytest.fixture
def strict(tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, True, auth_failures_max="2", auth_network_failures_max="5",
             auth_trusted_networks="192.0.2.0/24", login_failure_delay="0", auth_cache_time="0")
    k.run("domain", "add", "example.org")
    k.add("anna@example.org", "berta@example.org")
    yield k
    k.close()


def sign_in(keeper, name, password, source="127.0.0.1"):
    """What the server says: OK, or the code."""
    with From(source, keeper.server.port) as c:
        try:
            c.login(name, password)
            return "OK"
        except imaplib.IMAP4.error as e:
            return str(e).split("[", 1)[1].split("]", 1)[0]


class From(imaplib.IMAP4):
    def __init__(self, source, port):
        self.source = source
        super().__init__("127.0.0.1", port, timeout=20)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, (self.source, 0))


def test_bans_are_told_and_lifted(strict):
    assert strict.run("ban", "list") == "Nobody is locked out.\n"
    assert sign_in(strict, "berta@example.org", PASSWORD, "127.0.7.1") == "OK"
    for password in ("wrong one", "wrong two"):
        assert sign_in(strict, "anna@example.org", password, "127.0.7.1") == "AUTHENTICATIONFAILED"
    assert sign_in(strict, "anna@example.org", PASSWORD, "127.0.7.2") == "LIMIT"
    assert sign_in(strict, "anna@example.org", PASSWORD, "127.0.8.1") == "OK"
    ban = strict.one("ban", "list")
    assert (ban["kind"], ban["name"], ban["network"], ban["failures"], ban["times"]) == (
        "account", "anna@example.org", "127.0.7.0/24", 2, 1)
    assert ban["since"] < ban["until"]
    text = strict.run("ban", "list")
    assert text.startswith("anna@example.org from 127.0.7.0/24: locked out until ")
    assert "2 different wrong passwords\n" in text
    for name in ("x@example.org", "y@example.org", "z@example.org"):  # the third to fifth of the network
        assert sign_in(strict, name, "winter", "127.0.7.1") == "AUTHENTICATIONFAILED"
    assert sign_in(strict, "anybody@example.org", "winter", "127.0.7.1") == "LIMIT"
    assert sign_in(strict, "berta@example.org", PASSWORD, "127.0.7.1") == "OK"  # known there
    assert {b["kind"] for b in strict.json("ban", "list")} == {"account", "network"}
    assert strict.run("ban", "lift", "berta@example.org").startswith("There was no such ban.")
    assert strict.run("ban", "lift", "anna@example.org", "--network", "127.0.7.9") == "1 ban lifted.\n"
    assert strict.run("ban", "lift", "--network", "127.0.7.0/24") == "1 ban lifted.\n"
    assert sign_in(strict, "anna@example.org", PASSWORD, "127.0.7.2") == "OK"
    strict.run("ban", "lift", code=2)
    strict.run("ban", "lift", "anna@example.org", "--all", code=2)
    strict.run("ban", "lift", "--network", "somewhere", code=1)
    assert "192.0.2.0/24" in strict.error
    assert strict.one("ban", "lift", "--all")["lifted"] == 0


def test_the_same_count_by_every_protocol(strict):
    assert sign_in(strict, "anna@example.org", "wrong one", "127.0.9.1") == "AUTHENTICATIONFAILED"
    with smtplib.SMTP("127.0.0.1", strict.server.submission_port, timeout=20,
                      source_address=("127.0.9.2", 0)) as c:
        c.ehlo("x")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            c.login("anna@example.org", "wrong two")
    assert sign_in(strict, "anna@example.org", PASSWORD, "127.0.9.3") == "LIMIT"


def test_loopback_is_never_locked_out_by_default(online):
    online.add("anna@example.org")
    online.run("config", "check")
    for i in range(12):
        assert sign_in(online, "anna@example.org", f"wrong {i}") in ("AUTHENTICATIONFAILED",)
    assert sign_in(online, "anna@example.org", PASSWORD) == "OK"


def test_without_a_server_there_are_no_bans(tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, False)
    k.run("domain", "add", "example.org")
    k.run("ban", "list", code=4)
    assert "No server runs here" in k.error
