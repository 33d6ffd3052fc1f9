# SPDX-License-Identifier: Apache-2.0
"""curl's IMAP: list, append, search, fetch whole and in part, store, copy, move, expunge."""
import pytest

from clients import need, run
from messages import generated
from servers import PASSWORD


class Curl:
    def __init__(self, server, number, home, tls):
        self.home = home
        self.base = f"imaps://localhost:{server.tls_port}/" if tls else \
            f"imap://localhost:{server.port}/"
        self.words = ["curl", "-sS", "--cacert", server.cert, "-u",
                      f"{server.user(number)}:{PASSWORD}", *(() if tls else ("--ssl-reqd",))]

    def __call__(self, path="", *options, okay=(0,), data=None):
        return run([*self.words, *options, self.base + path], self.home, okay=okay, data=data)


@pytest.mark.parametrize("tls", [True, False], ids=["imaps", "starttls"])
def test_ordinary_day(shared_server, account, tmp_path, tls):
    need("curl")
    curl = Curl(shared_server, account, tmp_path, tls)
    assert b"INBOX" in curl()
    curl("", "-X", "CREATE Work")
    messages = [generated(i, 700, f"curl{i}") for i in range(4)]
    for i, m in enumerate(messages):
        (tmp_path / f"m{i}").write_bytes(m)
        curl("INBOX", "-T", tmp_path / f"m{i}")
    assert curl("INBOX?SUBJECT%20subject2").split() == [b"*", b"SEARCH", b"3"]
    for i, m in enumerate(messages):
        assert curl(f"INBOX;MAILINDEX={i + 1}") == m
    head = curl("INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)")
    assert head.startswith(b"Subject: subject1 ") and head.endswith(b"\r\n\r\n")
    assert b"\\Flagged" in curl("INBOX", "-X", "STORE 1 +FLAGS (\\Flagged)")
    curl("INBOX", "-X", "UID COPY 1 Work")
    curl("INBOX", "-X", "UID MOVE 2 Work")
    curl("INBOX", "-X", "STORE 1 +FLAGS (\\Deleted)")
    assert b"* 1 EXPUNGE" in curl("INBOX", "-X", "EXPUNGE")
    assert b"MESSAGES 2" in curl("", "-X", "STATUS INBOX (MESSAGES)")
    assert b"MESSAGES 2" in curl("", "-X", "STATUS Work (MESSAGES)")
    assert curl("Work;MAILINDEX=2") == messages[1]


def test_wrong_password_is_told(shared_server, account, tmp_path):
    need("curl")
    if shared_server.peer == "dovecot":
        pytest.skip("the static password database of the peer delays")
    curl = Curl(shared_server, account, tmp_path, True)
    curl.words[5] = f"{shared_server.user(account)}:not-it"
    assert b"denied" in curl("INBOX", okay=(67,)).lower()


def test_certificate_is_checked(shared_server, account, tmp_path):
    need("curl")
    curl = Curl(shared_server, account, tmp_path, True)
    curl.words[2:4] = []
    assert b"certificate" in curl("INBOX", okay=(60,)).lower()
