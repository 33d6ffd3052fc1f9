# SPDX-License-Identifier: Apache-2.0
"""Damage of every kind is planted in a data directory; both `mailkeep check --read-bodies` and the
second reader must name it. A data directory that does not open counts as named when the reason is
said.
"""
import os
import shutil
import struct
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]

lmdb = pytest.importorskip("lmdb", reason="python3-lmdb")

from engine_reader import Record  # noqa: E402
from imapwire import compress  # noqa: E402
from messages import generated  # noqa: E402
from oracle import read_apart  # noqa: E402
from servers import Mailkeep, mailkeep_binary, server_class  # noqa: E402

SETTINGS = {"segment_size": "1 MB", "compress_after": "0", "compact_interval": "50 ms",
            "checkpoint_interval": "20 ms"}
MESSAGES = 700


def dictionary_is_used(server):
    """Whether some body in the index of a running server needs a trained dictionary."""
    with lmdb.open(os.path.join(server.data, "mail", "index"), readonly=True) as env:
        with env.begin() as t:
            return any(p.dictionary > 1 for k, v in t.cursor() if bytes(k[:1]) == b"b"
                       for p in Record(bytes(v)).pieces)


def fill(server):
    """Packs, a dictionary, several segments, further keywords, restorable messages."""
    with server.login(1) as c:
        c.ok('CREATE "Work/Deep"')
        for words in ("CREATE", "SUBSCRIBE", "DELETE"):
            c.ok(f'{words} "Nowhere"')
        for i in range(0, MESSAGES, 50):
            parts = [generated(n, 3000, f"t{n}") for n in range(i, i + 50)]
            c.cmd(b'APPEND "INBOX"' + b" {}" * len(parts), *parts)
        for i in range(0, 80, 20):
            words = " ".join(f"word{n}" for n in range(i, i + 20))
            c.select("INBOX")
            c.ok(f"UID STORE {5 + i} +FLAGS ({words})")
        c.ok('UID COPY 1:60 "Work/Deep"')
        c.ok("UID STORE 650:660 +FLAGS (\\Deleted)")
        c.ok(f"UID EXPUNGE {compress(range(650, 661))}")
        c.logout()
    for _ in range(1200):  # until compaction has made what is to be damaged
        if dictionary_is_used(server):
            break
        time.sleep(0.05)
    else:
        pytest.fail("no body was compressed with a dictionary")
    with server.login(2) as c:  # and a segment that nobody has rewritten yet
        c.cmd('APPEND "INBOX" {}', generated(1, 900000, "large"))
        c.logout()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    if server_class() is not Mailkeep or not mailkeep_binary():
        pytest.skip("of Mailkeep")
    server = Mailkeep(folder=str(tmp_path_factory.mktemp("planted")), users=2, settings=SETTINGS)
    try:
        server.start()
        fill(server)
    finally:
        server.stop()
    server.settings.update(compact_interval="1 h", checkpoint_interval="60 s")
    server.write_conf()
    return server


class Copy:
    """A copy of the store to damage, and both opinions on it."""

    def __init__(self, server, folder):
        self.data, self.conf = os.path.join(folder, "data"), os.path.join(folder, "mailkeep.conf")
        shutil.copytree(server.data, self.data, ignore=lambda _, names: [
            n for n in names if n.endswith(".sock")])
        with open(server.conf_path) as f, open(self.conf, "w") as out:
            out.write(f.read().replace(server.data, self.data))
        self.journal = os.path.join(self.data, "mail", "journal")

    def files(self, ending):
        names = sorted(n for n in os.listdir(self.journal) if n.endswith(ending))
        return [os.path.join(self.journal, n) for n in names]

    def rows(self, table, change):
        """Calls change(transaction, [(key, value)]) for the rows of a table of the index."""
        with lmdb.open(os.path.join(self.data, "mail", "index"), map_size=1 << 30) as env:
            with env.begin(write=True) as t:
                change(t, [(bytes(k), bytes(v)) for k, v in t.cursor() if bytes(k[:1]) == table])

    def opinions(self):
        theirs = read_apart(self.data)[0]
        r = subprocess.run([mailkeep_binary(), "-c", self.conf, "check", "--read-bodies"],
                           capture_output=True, text=True, timeout=120)
        return theirs, r


def flip(path, at, mask=0x10):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ mask]))


def frames(path):
    """(type, offset, bytes of head, bytes of tail) of each frame of an undamaged file."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while data[at:at + 4] == b"MKF1":
        head, tail = struct.unpack_from("<II", data, at + 12)
        yield data[at + 4], at, head, tail
        at += (80 + head + tail + 7) // 8 * 8


def frame_byte(ending, kind, part):
    """Flips a byte of the first frame of a kind: of its header, its head or its tail."""
    def plant(c):
        for path in c.files(ending):
            for k, at, head, tail in frames(path):
                if k == kind and (part != "tail" or tail):
                    flip(path, at + {"header": 30, "head": 80, "tail": 80 + head + tail // 2}[part])
                    return
        pytest.fail(f"no frame of kind {kind} in *{ending}")
    return plant


def cut(ending, by, which=0):
    def plant(c):
        path = c.files(ending)[which]
        os.truncate(path, os.path.getsize(path) - by)
    return plant


def swap(ending):
    def plant(c):
        a, b = c.files(ending)[:2]
        os.rename(a, a + "x")
        os.rename(b, a)
        os.rename(a + "x", b)
    return plant


def removed(ending, which=0):
    return lambda c: os.unlink(c.files(ending)[which])


def stray(c):
    with open(os.path.join(c.journal, "notes.txt"), "w") as f:
        f.write("x")


def index(table, change):
    return lambda c: c.rows(table, change)


def each(what, match=lambda k: True):
    """A change of the first row that matches: value to value, None to remove it."""
    def change(t, rows):
        key, value = next((k, v) for k, v in rows if match(k))
        new = what(value)
        assert new != value
        t.delete(key) if new is None else t.put(key, new)
    return change


def number(at, size, by):
    def change(value):
        n = int.from_bytes(value[at:at + size], "little") + by
        return value[:at] + n.to_bytes(size, "little") + value[at + size:]
    return change


def named(name):
    return lambda k: k[1:] == name


def data(letter, account=1):
    return lambda k: k[1:9] == struct.pack(">Q", account) and k[9:10] == letter


def last(value):
    return value[:-1]


def swap_bodies(t, rows):
    (a, x), (b, y) = rows[0], rows[1]
    t.put(a, y)
    t.put(b, x)


def add(key, value):
    return lambda t, rows: t.put(key, value)


def uses(n):
    return lambda t, rows: t.put(b"u" + rows[0][0][1:], struct.pack("<I", n))


def gone(value):
    return None


def version(value):
    return bytes([value[0] ^ 0x40]) + value[1:]


DIRECTORY = b"d" + bytes(8)
FIRST = (1).to_bytes(8, "big")
ACCOUNT = b"d" + FIRST
REPORTS = b"d" + struct.pack(">Q", 0xFFFFFFFFFFFFFE00)


PLANTS = {
    "report nobody can read": index(b"d", add(REPORTS + b"R" + bytes(8), b"\1\7")),
    "row without a report": index(b"d", add(REPORTS + b"W" + bytes(12), b"\1\1\0\0\0")),
    "report known by nothing": index(b"d", add(
        REPORTS + b"R" + bytes(8), b"\1\1" + bytes(8) + b"\2\1\1A\4\3b.c")),
    "a hash that leads nowhere": index(b"d", add(REPORTS + b"X" + bytes(8), b"\1\5")),
    "what was seen, of another day": index(b"d", add(
        REPORTS + b"O\1\0\0\0\1b.c\0" + bytes(8), b"\1" + bytes(11))),
    "a device nobody can read": index(b"d", add(ACCOUNT + b"d\0\0\0\1", b"\1\1\1")),
    "a device blocked since never": index(b"d", add(
        ACCOUNT + b"d\0\0\0\1", b"\1\2\1\0\0\0\1p\x20" + bytes(32) + b"\0\0")),
    "a device whose id was never given": index(b"d", add(
        ACCOUNT + b"d\0\0\0\7", b"\1\1\1\0\0\0\1p\x20" + bytes(32) + b"\0\0")),
    "a second factor nobody can read": index(b"d", add(ACCOUNT + b"y", b"\1\2")),
    "a second factor on since never": index(b"d", add(
        ACCOUNT + b"y", b"\1\2\0\0\x14" + bytes(20) + bytes(4))),
    "a recovery code before its factor is on": index(b"d", add(
        ACCOUNT + b"y", b"\1\1\0\0\x14" + bytes(20) + b"\0\0\0\1\x20" + bytes(33))),
    "tokens nobody can read": index(b"d", add(ACCOUNT + b"o" + bytes(7) + b"\1", b"\1\1\0")),
    "tokens of a device that is not there": index(b"d", add(
        ACCOUNT + b"o" + bytes(7) + b"\1", b"\1\7\1\0\0\0\1a\0\0")),
    "an app that comes back to nowhere": index(b"d", add(
        DIRECTORY + b"Oapp", b"\1\1\0\1A\1\5xxxxx")),
    "a provisioning token nobody can read": index(b"d", add(
        DIRECTORY + b"Tokta", b"\1\1\0\0\1A\1\3b.c")),
    "a provisioning token of no domain": index(b"d", add(
        DIRECTORY + b"Tokta", b"\1\1\0\0\x20" + bytes(32) + b"\0")),
    "what a provider says, nobody can read": index(b"d", add(ACCOUNT + b"q", b"\1\2\0\0\0\0\0")),
    "a salt nobody can read": index(b"d", add(ACCOUNT + b"p", b"\1\4salt\x80\x20\0\0")),
    "a mark of what was handed over, nobody can read": index(b"d", add(
        ACCOUNT + b"h" + bytes(7) + b"\7" + bytes(3) + b"\1", b"\1\0\0")),
    "a key for URLs nobody can read": index(b"d", add(
        ACCOUNT + b"z" + bytes(11) + b"\1", b"\1\4abcd")),
    "a key for URLs of a mailbox that is not there": index(b"d", add(
        ACCOUNT + b"z" + bytes(11) + b"\x77", b"\1\x20" + bytes(32))),
    "who must have a second factor, nobody can read": index(b"d", add(
        DIRECTORY + b"F@example.org", b"\1\2\0")),
    "a second factor of a role that is not there": index(b"d", add(
        DIRECTORY + b"Fking", b"\1\1\0")),
    "a sign-in nobody can read": index(b"d", add(ACCOUNT + b"l" + bytes(8) + b"\1\0", b"\1\0")),
    # R06
    "a role nobody can read": index(b"d", add(DIRECTORY + b"enight", b"\1")),
    "roles nobody can read": index(b"d", add(DIRECTORY + b"B" + FIRST, b"\1\1\5owner")),
    "a role over no domain": index(b"d", add(
        DIRECTORY + b"B" + FIRST, b"\1\1\5owner\2\0\0")),
    "a role over a domain that is not here": index(b"d", add(
        DIRECTORY + b"B" + FIRST, b"\1\1\5owner\2\1\3b.c\0")),
    "a role that is not there": index(b"d", add(
        DIRECTORY + b"B" + FIRST, b"\1\1\5night\1\0\0")),
    "roles of nobody": index(b"d", add(
        DIRECTORY + b"B" + bytes(7) + b"\xff", b"\1\1\5owner\1\0\0")),
    "sent to nobody": index(b"d", add(REPORTS + b"S\1\0\0\0\1\0", b"\1\0\0\0")),
    "letter without a body": index(b"d", add(REPORTS + b"P" + bytes(8), b"\1\0\0\0\0\0\0")),
    **{f"{e} frame {k} {p}": frame_byte(e, k, p)
       for e, kinds in ((".seg", (1, 2, 3)), (".pack", (1, 2, 5))) for k in kinds
       for p in ("header", "head", "tail") if not (p != "tail" and k == 5 and p == "head")
       and not (k == 1 and p == "tail")},
    "segment cut by 4 KB": cut(".seg", 4096),
    "last segment cut by 4 KB": cut(".seg", 4096, -1),
    "pack cut by 4 KB": cut(".pack", 4096),
    "segment of no bytes": lambda c: os.truncate(c.files(".seg")[0], 0),
    "pack removed": removed(".pack"),
    "segment removed": removed(".seg"),
    "packs swapped": swap(".pack"),
    "foreign file": stray,
    "account's version up": index(b"a", each(number(0, 8, 1), lambda k: k[-1] == 1)),
    "account's version gone": index(b"a", each(gone, lambda k: k[-1] == 1)),
    "account's version short": index(b"a", each(last, lambda k: k[-1] == 1)),
    "body's record version": index(b"b", each(version)),
    "body's record short": index(b"b", each(last)),
    "body's record gone": index(b"b", each(gone)),
    "body's records swapped": index(b"b", swap_bodies),
    "body's hash": index(b"b", each(lambda v: v[:-1] + bytes([v[-1] ^ 1]))),
    "uses too many": index(b"b", uses(2)),
    "uses one": index(b"b", uses(1)),
    "uses of no body": index(b"u", add(b"u" + struct.pack(">Q", 1 << 40), struct.pack("<I", 2))),
    "live bytes": index(b"s", each(number(1, 8, 5))),
    "file's row gone": index(b"s", each(gone, lambda k: True)),
    "file's row short": index(b"s", each(last)),
    "file's kind": index(b"s", each(lambda v: bytes([3 - v[0]]) + v[1:])),
    "dictionary": index(b"z", each(lambda v: v[:100] + bytes([v[100] ^ 1]) + v[101:])),
    "dictionary gone": index(b"z", each(gone)),
    "unknown table": index(b"m", add(b"Q1", b"x")),
    "index format": index(b"m", each(number(0, 4, 1), named(b"format"))),
    "position far": index(b"m", each(number(8, 8, 4096), named(b"position"))),
    "position back": index(b"m", each(lambda v: v[:8] + bytes(8), named(b"position"))),
    "bodies counted": index(b"m", each(number(0, 8, 1), named(b"bodies"))),
    "body limit": index(b"m", each(lambda v: struct.pack("<Q", 3), named(b"body-limit"))),
    "epoch back": index(b"m", each(lambda v: struct.pack("<I", 0), named(b"epoch"))),
    "meta short": index(b"m", each(last, named(b"bodies"))),
    **{f"key {letter} {what}": index(b"d", each(change, data(letter.encode())))
       for letter in "Habnskumtxc"
       for what, change in (("gone", gone), ("version", version), ("cut", lambda v: v[:1]))
       if not (letter in "s" and what == "gone") and not (letter == "x" and what == "cut")},
    **{f"directory {letter} {what}": index(b"d", each(change, data(letter.encode(), 0)))
       for letter in "HDAI" for what, change in (("gone", gone), ("version", version))},
}


def test_nothing_is_planted(store, tmp_path):
    theirs, r = Copy(store, str(tmp_path)).opinions()
    assert theirs == [] and r.returncode == 0, (theirs, r.stdout, r.stderr)


@pytest.mark.parametrize("name", PLANTS)
def test_both_name_it(store, tmp_path, name):
    c = Copy(store, str(tmp_path))
    PLANTS[name](c)
    theirs, r = c.opinions()
    shutil.rmtree(str(tmp_path), ignore_errors=True)
    assert r.returncode in (1, 2, 3, 4, 5) and (r.stdout.strip() or r.stderr.strip()), \
        f"check does not see it: {r}\nthe second reader: {theirs[:3]}"
    # Without the directory's header the store does not open; otherwise it is the check that speaks.
    if name.startswith(("key ", "directory ")) and not name.startswith("directory H"):
        assert r.returncode == 1 and "Run: mailkeep check" not in r.stderr, r
    assert theirs, f"the second reader does not see it; check: {r.stdout[:600]}{r.stderr[:300]}"


def test_live_bytes_are_put_right(store, tmp_path):
    c = Copy(store, str(tmp_path))
    PLANTS["live bytes"](c)
    words = [mailkeep_binary(), "-c", c.conf, "check", "--repair"]
    r = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert r.returncode == 1 and "(repaired)" in r.stdout, r
    theirs, r = c.opinions()
    assert theirs == [] and r.returncode == 0, (theirs, r.stdout)
