# SPDX-License-Identifier: Apache-2.0
"""mbsync: thousands of real messages up, down into an empty Maildir, byte for byte; then changes
on both sides until both Maildirs and the server agree. INTEROP_MESSAGES says how many."""
import os

import pytest

import maildir
from clients import need, run
from messages import corpus
from servers import PASSWORD

COUNT = int(os.environ.get("INTEROP_MESSAGES", "300" if os.environ.get("MK_QUICK") else "6046"))
FOLDERS = ("INBOX", "Lists", "Lists/Announce", "Archive", "Tr&AOg-s chic")  # mbsync leaves UTF-7 alone
FLAGS = ("", "S", "S", "RS", "FS", "F")

CONF = """
IMAPAccount server
Host localhost
Port {port}
User {user}
Pass {password}
SSLType {ssl}
CertificateFile {cert}
AuthMechs {mechanism}
Timeout 120

IMAPStore remote
Account server

MaildirStore local
Path {root}/
Inbox {root}/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState {state}/
Sync All
"""


class Device:
    """A Maildir that mbsync keeps in step with the server."""

    def __init__(self, server, home, name, number, ssl, mechanism="*"):
        self.home = home / name
        self.root, self.state = self.home / "mail", self.home / "state"
        for d in (self.root, self.state):
            d.mkdir(parents=True)
        (self.home / "conf").write_text(CONF.format(
            port=server.tls_port if ssl == "IMAPS" else server.port, user=server.user(number),
            password=PASSWORD, ssl=ssl, cert=server.cert, root=self.root, state=self.state,
            mechanism=mechanism))

    def sync(self):
        return run(["mbsync", "-c", self.home / "conf", "-a"], self.home, timeout=600)

    def content(self):
        return {f: c for f, c in maildir.content(self.root).items() if c}


def fill(device, messages):
    for i, m in enumerate(messages):
        maildir.add(device.root, FOLDERS[i % 10 if i % 10 < 5 else 0], m, FLAGS[i % 6])


def on_server(server, number):
    with server.login(number, "tls", timeout=120) as c:
        found = maildir.server_content(c)
    return {f: c for f, c in found.items() if c}


def change(device, step, offset):
    """Every `step`th message is flagged, moved or deleted, beginning with number `offset`."""
    moved = deleted = flagged = 0
    for folder in maildir.folders(device.root):
        for i, path in enumerate(maildir.files_by_content(device.root, folder)):
            if i % step != offset:
                continue
            what = i // step % 3
            if what == 0:
                old = maildir.flags_of(path)
                maildir.set_flags(path, set(old) ^ {"F"} | {"S"})
                flagged += 1
            elif what == 1 and folder != "Archive":
                maildir.move(device.root, path, "Archive")
                moved += 1
            elif what == 2:
                os.unlink(path)
                deleted += 1
    assert moved and deleted and flagged


def agree(server, number, *devices):
    held = on_server(server, number)
    for d in devices:
        maildir.assert_same(d.content(), held)


@pytest.mark.parametrize("ssl,count", [("IMAPS", COUNT), ("STARTTLS", min(COUNT, 300))])
def test_up_down_and_changes_on_both_sides(server, tmp_path, ssl, count):
    need("mbsync")
    a = Device(server, tmp_path, "a", 1, ssl)
    b = Device(server, tmp_path, "b", 1, ssl)
    fill(a, corpus(count))
    wanted = a.content()
    assert sum(sum(c.values()) for c in wanted.values()) == count
    a.sync()
    maildir.assert_same(a.content(), wanted)
    b.sync()
    maildir.assert_same(b.content(), wanted)
    maildir.assert_same(on_server(server, 1), wanted)
    change(a, 40 if count > 1000 else 7, 3)
    change(b, 40 if count > 1000 else 7, 5)
    for device in (a, b, a, b):
        device.sync()
    agree(server, 1, a, b)
    before = a.content()
    assert sum(sum(c.values()) for c in before.values()) < count
    a.sync()
    b.sync()
    maildir.assert_same(a.content(), before)
    maildir.assert_same(b.content(), before)


def test_change_made_by_another_client_arrives(server, tmp_path):
    need("mbsync")
    a = Device(server, tmp_path, "a", 2, "IMAPS")
    fill(a, corpus(60))
    a.sync()
    with server.login(2, "tls") as c:
        c.select("INBOX")
        c.ok("STORE 1:5 +FLAGS (\\Flagged \\Answered)")
        c.ok('CREATE "Fresh"')
        c.ok('MOVE 6:9 "Fresh"')
        c.ok("STORE 1 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        c.ok('RENAME "Lists/Announce" "Lists/News"')
    a.sync()
    held, here = on_server(server, 2), a.content()
    here.pop("Lists/Announce")  # mbsync deletes no folder that holds mail
    maildir.assert_same(here, held)
    assert {"Fresh", "Lists/News"} <= set(here)
