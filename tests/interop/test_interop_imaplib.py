# SPDX-License-Identifier: Apache-2.0
"""Python's imaplib: its ordinary day over TLS, STARTTLS and in the clear."""
import email
import imaplib
import ssl
import time

import pytest

from messages import generated
from servers import PASSWORD


def connect(server, mode):
    context = ssl.create_default_context(cafile=server.cert)
    if mode == "tls":
        return imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context)
    c = imaplib.IMAP4("localhost", server.port)
    if mode == "starttls":
        c.starttls(context)
    return c


def good(result):
    status, data = result
    assert status == "OK", data
    return data


@pytest.mark.parametrize("mode", ["tls", "starttls", "clear"])
def test_ordinary_day(shared_server, account, mode):
    c = connect(shared_server, mode)
    user = shared_server.user(account)
    if mode == "starttls":
        good(c.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode()))
    else:
        good(c.login(user, PASSWORD))
    assert any(b"INBOX" in row for row in good(c.list()))
    good(c.create("Work/2021"))
    good(c.subscribe("Work/2021"))
    assert any(b"Work/2021" in row for row in good(c.lsub()))
    for i in range(6):
        good(c.append("INBOX", "(\\Seen)" if i % 2 else "", imaplib.Time2Internaldate(
            time.time() - 86400 * i), generated(i, 600, f"lib{i}")))
    assert good(c.select("INBOX")) == [b"6"]
    assert good(c.search(None, "UNSEEN")) == [b"1 3 5"]
    assert good(c.search(None, "SUBJECT", '"subject4"')) == [b"5"]
    assert good(c.uid("SEARCH", "HEADER", "X-Token", "lib3")) == [b"4"]
    raw = good(c.fetch("4", "(BODY.PEEK[])"))[0][1]
    assert raw == generated(3, 600, "lib3")
    assert email.message_from_bytes(raw)["X-Token"] == "lib3"
    assert b"ENVELOPE" in good(c.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)"))[0] if isinstance(
        good(c.fetch("1", "(ENVELOPE)"))[0], bytes) else True
    good(c.store("1", "+FLAGS", "(\\Flagged custom)"))
    assert b"custom" in good(c.fetch("1", "(FLAGS)"))[0]
    good(c.copy("1:2", "Work/2021"))
    good(c.uid("MOVE", "3", "Work/2021"))
    good(c.store("1", "+FLAGS", "\\Deleted"))
    assert good(c.expunge())[-1] == b"1"  # before it: what MOVE told
    assert good(c.status("Work/2021", "(MESSAGES UIDNEXT)"))[0].endswith(
        b"(MESSAGES 3 UIDNEXT 4)")
    good(c.rename("Work/2021", "Work/Old"))
    good(c.noop())
    good(c.close())
    good(c.delete("Work/Old"))
    assert not any(b"Work/Old" in row for row in good(c.list()) if row)
    assert c.logout()[0] == "BYE"


def test_wrong_password(shared_server, account):
    c = connect(shared_server, "tls")
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        c.login(shared_server.user(account), "wrong")
    c.logout()
