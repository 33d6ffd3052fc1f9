# SPDX-License-Identifier: Apache-2.0
"""The broken messages of tests/data/mime through real clients, each in a folder of its own.

What a client itself leaves out or rewrites is named below, message by message; everything else must
come through byte for byte, and what is named must really be so. PEER=dovecot gives the same, but
for fetchmail with two messages: see PEER_SKIPS.
"""
import glob
import os
import re

import pytest

import maildir
import test_interop_fetchmail as by_fetchmail
import test_interop_getmail as by_getmail
import test_interop_mbsync as by_mbsync
import test_interop_offlineimap as by_offlineimap
from clients import need
from imapwire import Refused

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "mime")
NAMES = sorted(os.path.basename(p)[:-4] for p in glob.glob(os.path.join(DATA, "*.eml")))

# mbsync: "incomplete header; skipping": it wants the empty line into which it puts its X-TUID.
MBSYNC_SKIPS = {"empty", "no-empty-line", "only-body", "only-header"}
# offlineimap reads and writes each message with Python's email, which mends it.
OFFLINEIMAP_REWRITES = {"empty", "header-junk", "long-references", "mbox-line", "missing-end",
                        "no-empty-line", "only-body", "only-header", "prefix-boundaries",
                        "same-boundary"}
# fetchmail refuses a header with a line that is no field, takes the mbox line off, and writes an
# end of line and an empty line where they lack; a message without header gets one.
FETCHMAIL_SKIPS = {"header-junk"}
FETCHMAIL_REWRITES = {"mbox-line", "missing-end", "no-empty-line", "only-body", "only-header",
                      "quoted-printable"}
# Mailkeep's BODY[HEADER] ends before the first line that is no field, Dovecot's goes on to the end.
PEER_SKIPS = {"no-empty-line", "only-body"}
# getmail reads and writes with Python's email, too, but folds and ends lines in its own way.
GETMAIL_REWRITES = {"addresses", "filenames", "header-junk", "long-references", "mbox-line",
                    "missing-end", "no-empty-line", "only-body", "only-header",
                    "prefix-boundaries", "same-boundary"}

ADDED = re.compile(rb"\A(?:(?:Return-Path: [^\n]*|Received: [^\n]*(?:\n[ \t][^\n]*)*)\n)+")
MARKS = re.compile(rb"^(?:X-TUID: [^\n]{12}|X-getmail-retrieved-from-mailbox: [^\n]*)\n",
                   re.MULTILINE)


def raw(name):
    with open(os.path.join(DATA, name + ".eml"), "rb") as f:
        return f.read()


def kept(name):
    """As a Maildir holds it; the server writes 0x80 for NUL, which IMAP cannot carry."""
    return raw(name).replace(b"\r\n", b"\n").replace(b"\0", b"\x80")


def plain(message):
    """Without what a client says of itself in the header."""
    return MARKS.sub(b"", ADDED.sub(b"", message.replace(b"\r\n", b"\n")), count=1)


def on_server(server):
    out = {}
    with server.login(1, "tls") as c:
        for name in NAMES:
            try:
                there = c.ok(b'EXAMINE "%s"' % name.encode()).all(b"EXISTS")[-1].number
            except Refused:
                continue
            assert there <= 1, name
            if there:
                out[name] = c.ok("FETCH 1 (BODY.PEEK[])").fetches()[1][b"BODY[]"]
    return out


def in_maildir(root):
    out = {}
    for name in NAMES:
        paths = maildir.files(root, name) if os.path.isdir(os.path.join(root, name)) else []
        assert len(paths) <= 1, name
        for path in paths:
            with open(path, "rb") as f:
                out[name] = f.read()
    return out


def check(got, skips=frozenset(), rewrites=frozenset()):
    assert set(NAMES) - set(got) == set(skips)
    assert {n for n, m in got.items() if plain(m) != kept(n)} == set(rewrites)


def fill_maildir(root):
    for name in NAMES:
        path = maildir.add(root, name, b"", "S")
        with open(path, "wb") as f:
            f.write(raw(name).replace(b"\r\n", b"\n"))


@pytest.fixture
def filled(server):
    with server.login(1, "tls") as c:
        for name in NAMES:
            c.ok(b'CREATE "%s"' % name.encode())
            if name == "empty":
                with pytest.raises(Refused):
                    c.append(name, raw(name))
            else:
                c.append(name, raw(name))
    check(on_server(server), {"empty"})
    return server


def test_there_are_some():
    everything = MBSYNC_SKIPS | OFFLINEIMAP_REWRITES | FETCHMAIL_REWRITES | GETMAIL_REWRITES
    assert len(NAMES) >= 24 and everything < set(NAMES)


def test_mbsync(server, tmp_path):
    need("mbsync")
    a = by_mbsync.Device(server, tmp_path, "a", 1, "IMAPS")
    b = by_mbsync.Device(server, tmp_path, "b", 1, "IMAPS")
    fill_maildir(a.root)
    assert a.sync().count(b"incomplete header; skipping") == len(MBSYNC_SKIPS)
    check(on_server(server), MBSYNC_SKIPS)
    b.sync()
    check(in_maildir(b.root), MBSYNC_SKIPS)


def test_offlineimap(server, tmp_path):
    need("offlineimap")
    a = by_offlineimap.Device(server, tmp_path, "a", "PLAIN")
    b = by_offlineimap.Device(server, tmp_path, "b", "PLAIN")
    fill_maildir(a.root)
    a.sync()
    check(on_server(server), rewrites=OFFLINEIMAP_REWRITES)
    b.sync()
    check(in_maildir(b.root), rewrites=OFFLINEIMAP_REWRITES)


def delivered(home):
    names = os.listdir(home / "in")
    assert len(names) <= 1
    return (home / "in" / names[0]).read_bytes() if names else None


def test_fetchmail(filled, tmp_path):
    need("fetchmail")
    got = {}
    for name in NAMES:
        home = tmp_path / name
        home.mkdir()
        by_fetchmail.configure(filled, 1, home, True, f'fetchall keep no rewrite folder "{name}"')
        by_fetchmail.fetch(home, okay=(1,) if name == "empty" else (0,))  # 1: no mail
        if delivered(home) is not None:
            got[name] = delivered(home)
    lost = PEER_SKIPS if filled.peer == "dovecot" else set()
    check(got, {"empty"} | FETCHMAIL_SKIPS | lost, FETCHMAIL_REWRITES - lost)


def test_getmail(filled, tmp_path):
    need("getmail")
    got = {}
    for name in NAMES:
        home = tmp_path / name
        home.mkdir()
        by_getmail.configure(filled, 1, home, True, "read_all = true\ndelete = false\n",
                             f'("{name}",)')
        by_getmail.fetch(home)
        if delivered(home) is not None:
            got[name] = delivered(home)
    check(got, {"empty"}, GETMAIL_REWRITES)
