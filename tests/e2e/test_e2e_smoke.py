# SPDX-License-Identifier: Apache-2.0
"""The thinnest path, greeting to EXPUNGE; in the clear, over TLS, with STARTTLS."""
import pytest

from messages import generated


@pytest.mark.parametrize("mode", ["clear", "tls", "starttls"])
def test_login_to_fetch(shared_server, account, mode):
    with shared_server.login(account, mode) as c:
        m = generated(1, token="smoke")
        assert b"APPENDUID" in c.append("INBOX", m, "\\Seen").codes()
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 1
        a = c.ok("FETCH 1 (UID FLAGS RFC822.SIZE BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == m
        assert a[b"RFC822.SIZE"] == len(m)
        assert b"\\Seen" in a[b"FLAGS"]
        c.ok("STORE 1 +FLAGS (\\Deleted)")
        assert c.ok("EXPUNGE").all(b"EXPUNGE")[0].number == 1
        c.logout()
