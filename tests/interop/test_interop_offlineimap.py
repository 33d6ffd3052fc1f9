# SPDX-License-Identifier: Apache-2.0
"""offlineimap3: real messages up, down into an empty Maildir, then changes on both sides.

Over IMAPS only: the STARTTLS of its library (imaplib2 3.05) fails with any server that wants
TLS 1.2.
"""
import email
import email.policy
import os

import pytest

import maildir
from clients import need, run
from messages import corpus
from servers import PASSWORD

COUNT = int(os.environ.get("INTEROP_MESSAGES", "300" if os.environ.get("MK_QUICK") else "400"))
FOLDERS = ("INBOX", "Lists", "Lists/Announce", "Archive")
FLAGS = ("", "S", "S", "RS", "FS", "F")

CONF = """
[general]
accounts = test
metadata = {home}/meta
maxsyncaccounts = 1
ui = basic
[Account test]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = {home}/mail
sep = /
[Repository remote]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
starttls = no
ssl_version = tls1_2
sslcacertfile = {cert}
auth_mechanisms = {mechanism}
maxconnections = 3
"""


class Device:
    def __init__(self, server, home, name, mechanism):
        self.home = home / name
        self.root = self.home / "mail"
        self.root.mkdir(parents=True)
        (self.home / "conf").write_text(CONF.format(
            home=self.home, port=server.tls_port, user=server.user(1),
            password=PASSWORD, cert=server.cert, mechanism=mechanism))

    def sync(self):
        out = run(["offlineimap", "-o", "-c", self.home / "conf"], self.home, timeout=600)
        assert b"ERROR" not in out, out[-3000:].decode(errors="replace")

    def content(self):
        return {f: c for f, c in maildir.content(self.root).items() if c}


def on_server(server):
    with server.login(1, "tls", timeout=600) as c:
        return {f: c for f, c in maildir.server_content(c).items() if c}


def change(device, step, offset):
    for folder in maildir.folders(device.root):
        for i, path in enumerate(maildir.files_by_content(device.root, folder)):
            if i % step != offset:
                continue
            what = i // step % 3
            if what == 0:
                maildir.set_flags(path, set(maildir.flags_of(path)) ^ {"F"} | {"S"})
            elif what == 1 and folder != "Archive":
                maildir.move(device.root, path, "Archive")
            else:
                os.unlink(path)


@pytest.mark.parametrize("mechanism,count", [("PLAIN", COUNT), ("LOGIN", 40)])
def test_up_down_and_changes_on_both_sides(server, tmp_path, mechanism, count):
    need("offlineimap")
    a = Device(server, tmp_path, "a", mechanism)
    b = Device(server, tmp_path, "b", mechanism)
    for i, m in enumerate(usable(count)):
        maildir.add(a.root, FOLDERS[i % 10 if i % 10 < 4 else 0], m, FLAGS[i % 6])
    wanted = a.content()
    a.sync()
    maildir.assert_same(a.content(), wanted)
    maildir.assert_same(on_server(server), wanted)
    b.sync()
    maildir.assert_same(b.content(), wanted)
    change(a, 11, 3)
    change(b, 11, 5)
    for device in (a, b, a):
        device.sync()
    held = on_server(server)
    maildir.assert_same(a.content(), held)
    maildir.assert_same(b.content(), held)
    assert sum(sum(c.values()) for c in held.values()) < count


# What offlineimap itself does to a message on its way up: messages it would rewrite prove nothing.
POLICY = email.policy.default.clone(cte_type="8bit", utf8=True, refold_source="none",
                                    linesep="\r\n")


def usable(limit):
    """Distinct messages that offlineimap carries as they are; it looks them up by content after an
    upload, so twins would confuse it."""
    out = {}
    for m in corpus(limit + limit // 5):
        try:
            read = email.message_from_bytes(m, policy=POLICY)
            read.get("message-id"), read.get("date")
            if read.as_bytes(policy=POLICY) == m:
                out[m] = None
        except Exception:  # noqa: B902 - Python's reader trips over some; so would offlineimap
            pass
    return list(out)[:limit]
