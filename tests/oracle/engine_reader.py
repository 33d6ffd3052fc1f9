# SPDX-License-Identifier: Apache-2.0
"""The local engine's files, read as docs/format/index.md and journal.md say; nothing is written.

Engine(folder) holds the accounts' maps and the bodies as a start after a crash would find them: the
index, and the journal replayed over it. What is wrong goes into `problems`.
"""
import os
import re
import struct
from collections import defaultdict
from dataclasses import dataclass

import lmdb

from fields import Bad, Fields
from hashes import decompress, xxh3

HEADER = struct.Struct("<IBBHIIIIQQQQQQQ")
MAGIC = 0x31464B4D
SEGMENT, BODY, COMMIT, SEAL, SUMMARIES = 1, 2, 3, 4, 5
BLOCK = 65536
# Rows whose sizes are fixed: bytes of the number in the key, of the value (0: any number).
ROWS = {b"a": (8, 8), b"b": (8, 0), b"s": (8, 17), b"u": (8, 4), b"z": (4, 0)}
NAME = re.compile(r"([0-9a-f]{16})\.(seg|pack)")


@dataclass
class Frame:
    type: int
    epoch: int
    segment: int
    offset: int
    mark: tuple
    head: bytes
    tail: bytes
    end: int


@dataclass
class Piece:
    segment: int
    offset: int
    stored: int
    size: int
    dictionary: int
    hashes: list


class Record:
    """Where a body and its summary are."""

    def __init__(self, data):
        f = Fields(data).version()
        self.size, self.summary, self.summary_at, self.summary_hash = f.v(), f.v(), None, None
        if self.summary:
            self.summary_at, self.summary_hash = (f.v(), f.v()), f.u64()
        self.pieces = []
        for _ in range(f.v()):
            p = Piece(f.v(), f.v(), f.v(), f.v(), f.v(), [])
            count = 1 if p.dictionary else -(-p.stored // BLOCK)
            p.hashes = [f.u64() for _ in range(count)]
            self.pieces.append(p)
        if sum(p.size for p in self.pieces) != self.size:
            raise Bad("pieces do not add up to the body")

    def places(self):
        if self.summary:
            yield self.summary_at[0], self.summary
        for p in self.pieces:
            yield p.segment, p.stored


class Engine:
    def __init__(self, folder):
        self.folder, self.problems = folder, []
        self.accounts = defaultdict(dict)  # account: key: value
        self.versions = {}
        self.bodies, self.uses = {}, {}  # body: record bytes; use count
        self.rows, self.dictionaries, self.meta = {}, {}, {}
        self.frames = self.replayed = 0
        self.read_files()
        self.read_index()
        self.check_index()
        self.replay()
        self.check_files()

    def wrong(self, text):
        self.problems.append(text)

    # ---- files ----
    def read_files(self):
        self.files = {}
        journal = os.path.join(self.folder, "journal")
        for name in sorted(os.listdir(journal)):
            m = NAME.fullmatch(name)
            if m:
                with open(os.path.join(journal, name), "rb") as f:
                    self.files[int(m[1], 16)] = (m[2], f.read())
            elif not re.fullmatch(r"[0-9a-f]{16}\.new", name):
                self.wrong(f"journal/{name} is no known name")

    def frame(self, segment, offset):
        """The good frame at this place, or None."""
        data = self.files[segment][1]
        if offset % 8 or offset + HEADER.size > len(data):
            return None
        (magic, kind, version, zero, epoch, head_n, tail_n, zero2, at_segment, at_offset,
         mark_segment, mark_offset, head_hash, tail_hash, own) = HEADER.unpack_from(data, offset)
        end = offset + HEADER.size + head_n + tail_n
        if (magic != MAGIC or version != 1 or zero or zero2 or (at_segment, at_offset) !=
                (segment, offset) or end > len(data) or not SEGMENT <= kind <= SUMMARIES or
                own != xxh3(data[offset:offset + 72])):
            return None
        head = data[offset + HEADER.size:end - tail_n]
        tail = data[end - tail_n:end]
        filled = end + -end % 8
        if (head_hash != xxh3(head) or tail_hash != xxh3(tail) or any(data[end:filled])):
            return None
        return Frame(kind, epoch, segment, offset, (mark_segment, mark_offset), head, tail, filled)

    def walk(self, segment, offset=0):
        while True:
            f = self.frame(segment, offset)
            if f is None:
                return
            yield f
            offset = f.end

    def search(self, segment, offset):
        """Good frames anywhere from here on."""
        data, magic = self.files[segment][1], struct.pack("<I", MAGIC)
        at = data.find(magic, offset)
        while at >= 0:
            f = self.frame(segment, at)
            if f:
                yield f
            at = data.find(magic, f.end if f else at + 4)

    # ---- the index ----
    def read_index(self):
        path = os.path.join(self.folder, "index")
        if not os.path.exists(os.path.join(path, "data.mdb")):
            self.wrong("index/data.mdb is missing")
            return
        with lmdb.open(path, readonly=True, lock=False, max_dbs=0) as env:
            with env.begin() as t:
                for key, value in t.cursor():
                    self.row(bytes(key), bytes(value))
        for name, size in (("format", 4), ("epoch", 4), ("position", 16), ("position-epoch", 4),
                           ("bodies", 16), ("body-limit", 8), ("segment-limit", 8)):
            if len(self.meta.setdefault(name, bytes(size))) != size:
                raise Bad(f"index row {name} has {len(self.meta[name])} bytes")
        if self.number("format") > 1:
            raise Bad("the index is of a newer format")

    def number(self, name):
        return int.from_bytes(self.meta[name], "little")

    def row(self, key, value):
        kind, rest = key[:1], key[1:]
        numbers, size = ROWS.get(kind, (len(rest), len(value)))
        if len(rest) != numbers or (size and len(value) != size):
            self.wrong(f"index row {key[:60]!r} has a value of {len(value)} bytes")
        elif kind == b"a":
            self.versions[number(rest)] = int.from_bytes(value, "little")
        elif kind == b"b":
            self.bodies[number(rest)] = value
        elif kind == b"d":
            self.accounts[number(rest[:8])][rest[8:]] = value
        elif kind == b"m":
            self.meta[rest.decode()] = value
        elif kind == b"s":
            self.rows[number(rest)] = (value[0], *struct.unpack("<QQ", value[1:]))
        elif kind == b"u":
            self.uses[number(rest)] = int.from_bytes(value, "little")
        elif kind == b"z":
            if int.from_bytes(value[:8], "little") != xxh3(value[8:]):
                self.wrong(f"dictionary {number(rest)} has another hash")
            self.dictionaries[number(rest)] = value[8:]
        else:
            self.wrong(f"index row of unknown kind {kind!r}")

    def check_index(self):
        """What the index says of itself, before the journal is replayed over it."""
        live, total = defaultdict(int), 0
        for body, data in list(self.bodies.items()):
            try:
                r = Record(data)
            except Bad as e:
                self.wrong(f"body {body}: record: {e}")
                del self.bodies[body]
                continue
            total += r.size
            for segment, n in r.places():
                live[segment] += n
            if self.uses.get(body, 2) < 2:
                self.wrong(f"body {body}: a use count of {self.uses[body]} is written down")
        for body in self.uses.keys() - self.bodies.keys():
            self.wrong(f"body {body} has a use count and no record")
        said = struct.unpack("<QQ", self.meta["bodies"])
        if said != (len(self.bodies), total):
            self.wrong(f"index counts {said} bodies and bytes, there are {len(self.bodies), total}")
        for segment in live.keys() | self.rows.keys():
            row = self.rows.get(segment, (1, 0, 0))
            if row[1] != live[segment]:
                self.wrong(f"file {segment:016x}: {row[1]} live bytes are written down, "
                           f"{live[segment]} are live")
            if live[segment] and segment not in self.files:
                self.wrong(f"file {segment:016x} is missing, with {live[segment]} live bytes")
            elif segment in self.files and row[0] != {"seg": 1, "pack": 2}[self.files[segment][0]]:
                self.wrong(f"file {segment:016x} is of another kind than its row says")

    # ---- the journal ----
    def replay(self):
        segment, offset = struct.unpack("<QQ", self.meta["position"])
        self.start = segment, offset
        epoch, newest = self.number("position-epoch"), self.number("epoch")
        if epoch > newest:
            self.wrong(f"the journal goes on in epoch {epoch}, the index knows {newest}")
        self.chain = [segment]
        while segment:
            if self.files.get(segment, ("", b""))[0] != "seg":
                self.wrong(f"journal segment {segment:016x} is missing, replay needs it")
                break
            following = 0
            for f in self.walk(segment, offset):
                if not epoch <= f.epoch <= newest:
                    break
                epoch, offset = f.epoch, f.end
                self.replayed += 1
                if f.type == COMMIT:
                    self.commit(f)
                if f.type == SEAL:
                    following = number(f.head[::-1])
                    break
            if not following:
                break
            if following <= segment:
                self.wrong(f"segment {segment:016x} is followed by {following:016x}")
                break
            segment, offset = following, 0
            self.chain.append(segment)
        self.end = segment, offset
        for later in sorted(s for s, f in self.files.items() if s >= segment and f[0] == "seg"):
            for f in self.search(later, offset if later == segment else 0):
                if f.mark > self.end:
                    self.wrong(f"damage at {segment:016x}:{offset}: {f.segment:016x}:{f.offset} "
                               "says it was durable")
                    return

    def commit(self, frame):
        f = Fields(frame.head)
        account, version = f.u64(), f.u64()
        if version != self.versions.get(account, 0) + 1:
            self.wrong(f"account {account:x}: commit {version} follows "
                       f"{self.versions.get(account, 0)}")
        self.versions[account] = version
        for _ in range(f.v()):
            self.use(f.v(), f.z(), f.str())
        f, keys = Fields(frame.tail), self.accounts[account]
        last = None
        while f.left:
            kind, key = f.u8(), f.str()
            if last is not None and key <= last:
                self.wrong(f"account {account:x}: commit {version} is not in key order")
            last = key
            if kind == 1:
                keys[key] = f.str()
            elif kind == 2:
                keys.pop(key, None)
            else:
                raise Bad(f"operation {kind} in a commit")

    def use(self, body, change, record):
        before = self.uses.get(body, 1) if body in self.bodies else 0
        after = before + change
        if after < 0 or (before == 0 and after and not record):
            self.wrong(f"body {body}: {before} uses and a change of {change}")
            return
        self.uses.pop(body, None)
        if after == 0:
            self.bodies.pop(body, None)
            return
        if before == 0:
            self.bodies[body] = record
        if after > 1:
            self.uses[body] = after

    def uses_of(self, body):
        return self.uses.get(body, 1) if body in self.bodies else 0

    def check_files(self):
        """Every frame that was durable is good: packs to their end, segments to their SEAL."""
        for segment, (kind, data) in sorted(self.files.items()):
            if kind == "pack" and segment not in self.rows:
                continue  # an unfinished compaction
            if kind == "seg" and segment > self.end[0]:
                continue  # made ahead of need
            last, first, end = None, None, 0
            for f in self.walk(segment):
                if kind == "seg" and segment == self.end[0] and f.offset >= self.end[1]:
                    break
                first, last, end = first or f, f, f.end
                self.frames += 1
                if f.epoch > self.number("epoch"):
                    self.wrong(f"file {segment:016x}: the frame at {f.offset} is of epoch "
                               f"{f.epoch}, the index knows {self.number('epoch')}")
                if f.type == SEAL:
                    break
            if first is None or first.type != SEGMENT:
                self.wrong(f"file {segment:016x} has no good first frame")
            elif struct.unpack_from("<Q", first.head, 8)[0] != len(data) or first.head[0] != (
                    1 if kind == "seg" else 2):
                self.wrong(f"file {segment:016x} is not what its first frame says")
            elif kind == "seg" and segment == self.end[0]:
                if end < self.end[1]:
                    self.wrong(f"file {segment:016x}: no good frame at {end}")
            elif kind == "seg" and last.type != SEAL or kind == "pack" and end != len(data):
                self.wrong(f"file {segment:016x}: no good frame at {end}")
        self.check_limits()

    def check_limits(self):
        limit = self.number("body-limit")
        for body in self.bodies:
            if body >= limit:
                self.wrong(f"body {body} is not below the limit {limit}")

    # ---- bodies ----
    def bytes_at(self, segment, offset, n):
        if segment not in self.files:
            raise Bad(f"file {segment:016x} is missing")
        data = self.files[segment][1][offset:offset + n]
        if len(data) != n:
            raise Bad(f"file {segment:016x} ends before {offset} + {n}")
        return data

    def body(self, body):
        """(bytes, summary), checked."""
        r, out = Record(self.bodies[body]), []
        for p in r.pieces:
            data = self.bytes_at(p.segment, p.offset, p.stored)
            blocks = [data] if p.dictionary else [
                data[i:i + BLOCK] for i in range(0, len(data), BLOCK)]
            if [xxh3(b) for b in blocks] != p.hashes:
                raise Bad(f"wrong checksum in file {p.segment:016x} at {p.offset}")
            if p.dictionary:
                words = b"" if p.dictionary == 1 else self.dictionaries.get(p.dictionary)
                if words is None:
                    raise Bad(f"dictionary {p.dictionary} is missing")
                data = decompress(data, p.size, words)
                if data is None:
                    raise Bad(f"cannot be decompressed, in file {p.segment:016x} at {p.offset}")
            elif p.size != p.stored:
                raise Bad("not compressed, but of another size")
            out.append(data)
        summary = b""
        if r.summary:
            summary = self.bytes_at(*r.summary_at, r.summary)
            if xxh3(summary) != r.summary_hash:
                raise Bad(f"wrong checksum of the summary in file {r.summary_at[0]:016x}")
        return b"".join(out), summary


def number(data):
    return int.from_bytes(data, "big")
