# SPDX-License-Identifier: Apache-2.0
"""An account's keys and values, as docs/format/store.md says."""
import re
import struct
from dataclasses import dataclass, field

from fields import Bad, Fields

CHUNK_HEAD = struct.Struct("<BBHIQ")
RECORD = struct.Struct("<IQQIQ6s6sI")
CHUNK_MOST = 48
OVERFLOW = 2048
SEEN, DELETED, NO_SELECT = 1, 8, 2

HEADER = ("bytes", "messages", "bytes_allowed", "messages_allowed", "next_mailbox", "next_message",
          "uidvalidity", "log_since", "mailboxes", "restorable", "restorable_bytes", "next_account",
          "accounts", "next_device", "metadata", "metadata_bytes")
MAILBOX = ("uidvalidity", "uidnext", "highest", "left", "messages", "unseen", "deleted", "bytes",
           "special", "state", "last_chunk", "created")


@dataclass
class Placement:
    uid: int
    flags: int
    date: int
    keywords: frozenset  # numbers
    size: int
    body: int
    message: int
    modseq: int
    chunk: int


@dataclass
class Mailbox:
    id: int
    values: dict
    name: bytes
    keywords: list = field(default_factory=list)
    placements: list = field(default_factory=list)  # in the order of their keys

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class Message:
    id: int
    body: int
    thread: int
    size: int
    placements: int
    hashes: list
    expunged: int = None  # restorable since
    subject: bytes = None  # of its sort keys, like the rest of them
    people: list = field(default_factory=list)
    references: list = field(default_factory=list)


@dataclass
class Change:
    """A record of a change log entry."""
    modseq: int
    kind: int
    mailbox: int
    other: int
    value: int
    uids: list
    before: bytes
    after: bytes
    flags_before: bytes
    messages: list


class Account:
    def __init__(self, number, keys, wrong):
        self.number, self.keys, self.wrong = number, keys, wrong
        self.header, self.mailboxes, self.messages = None, {}, {}
        self.names, self.subscribed, self.keywords = {}, set(), {}
        self.threads, self.restorable, self.log = {}, {}, {}
        self.chunks, self.devices, self.shared, self.url_keys, self.metadata = [], {}, {}, [], {}
        self.seen = {}  # mailbox, who, block of 4,096 UIDs: since, UIDs
        for key in sorted(keys):
            self.part(key, keys[key])
        self.join()

    def part(self, key, value):
        read = getattr(self, "read_" + chr(key[0]) if key[:1].isalpha() else "", None)
        try:
            if read is None:
                raise Bad("a key of unknown kind")
            fields = Fields(value)
            read(key[1:], fields if key[:1] == b"c" else fields.version())
        except (Bad, struct.error, UnicodeDecodeError) as e:
            self.wrong(f"{key[:60]!r}: {e}")

    # ---- one method for each letter ----
    def read_H(self, _, f):
        values = []
        while f.left and len(values) < len(HEADER):
            values.append(f.v())
        if len(values) < HEADER.index("next_account"):
            raise Bad("the header is too short")
        self.header = dict(zip(HEADER, values))

    def read_b(self, key, f):
        values = {name: f.v() for name in MAILBOX}
        number = fixed(key, 4)
        self.mailboxes[number] = Mailbox(number, values, f.str())
        # 0: one \Seen for all; else readers have their own, since that MODSEQ.
        self.mailboxes[number].values["seen_since"] = f.v() if f.left else 0

    def read_n(self, key, f):
        self.names[key] = f.u32()

    def read_s(self, _, f):
        self.subscribed.add(f.str())

    def read_k(self, key, f):
        self.keywords[fixed(key, 4)] = [f.str() for _ in range(f.v())]

    def read_m(self, key, f):
        body, thread, size, _, placements = f.v(), f.v(), f.v(), f.z(), f.v()
        m = Message(fixed(key, 8), body, thread, size, placements,
                    [f.u64() for _ in range(f.v())])
        if placements == 0:
            m.expunged = f.z()
            f.v(), f.str(), f.v(), f.z(), f.z()
            for _ in range(f.v()):
                f.str()
        if f.left:
            self.read_sort_keys(m, Fields(f.str()).version())
        self.messages[m.id] = m

    def read_sort_keys(self, m, f):
        flags = f.u8()
        m.subject, m.people = f.str(), [f.str() for _ in range(5)]
        if flags & 1:
            f.u64()
        m.references = [f.u64() for _ in range(f.v())]
        if f.left:
            raise Bad(f"message {m.id}: bytes after its sort keys")

    def read_t(self, key, f):
        self.threads[fixed(key, 8)] = f.v(), f.v()

    def read_x(self, key, _):
        self.restorable[fixed(key[8:], 8)] = fixed(key[:8], 8) - (1 << 63)

    def read_y(self, key, f):
        state, _, on_since, secret = f.v(), f.z(), f.z(), f.str()
        f.v(), f.v(), f.z()
        codes = [(f.str(), f.z()) for _ in range(f.v())]
        if (key or state not in (1, 2) or (state == 2) != (on_since != 0) or len(secret) != 20 or
                len(codes) > (10 if state == 2 else 0) or
                any(len(digest) != 32 or used < 0 for digest, used in codes)):
            raise Bad("a second factor that makes no sense")

    def read_o(self, key, f):
        family, device, generation = fixed(key, 8), f.v(), f.v()
        f.z(), f.z(), f.z()
        client, refresh = f.str(), f.str()
        access = [(f.z(), f.str()) for _ in range(f.v())]
        if (not 0 < family < 1 << 48 or not 0 < generation < 1 << 31 or
                not re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", client) or len(refresh) not in (0, 32) or
                len(access) > (2 if refresh else 0) or any(len(d) != 32 for _, d in access)):
            raise Bad(f"tokens {family} make no sense")
        if device not in self.devices.values():  # keys come in order: d before o
            raise Bad(f"tokens of device {device}, which is not there")

    def read_d(self, key, f):
        number = fixed(key, 4)
        state, scope, _, _, blocked = f.v(), f.v(), f.z(), f.z(), f.z()
        name, secret, scram = f.str(), f.str(), f.str()
        if (state not in (1, 2) or scope & ~319 or not name or len(secret) != 32 or
                len(scram) not in (0, 64) or bool(blocked) != (state == 2)):
            raise Bad(f"device {number} makes no sense")
        if not 0 < number < (self.header or {}).get("next_device", 1):
            raise Bad(f"device {number} was never given out")
        if name in self.devices:
            raise Bad(f"two devices have the name {name!r}")
        for _ in range(f.v()):
            f.str()
        self.devices[name] = number

    def read_g(self, key, f):
        number, seen = fixed(key, 4), set()
        for _ in range(f.v()):
            kind = f.v()
            who = kind, f.v() if kind != 2 else 0
            given, taken = f.v(), f.v()
            if kind not in (1, 2, 3) or (who[1] == 0) != (kind == 2) or who in seen or who == (1, self.number) or not given | taken:
                raise Bad(f"rights of mailbox {number} for {who}")
            if max(given, taken) >= 1 << 11:
                raise Bad(f"rights of mailbox {number} that there are not")
            seen.add(who)
        if not seen:
            raise Bad(f"an empty list of rights of mailbox {number}")
        self.shared[number] = seen

    def read_v(self, key, f):
        owner, mailbox, name = fixed(key[:8], 8), fixed(key[8:12], 4), key[12:]
        modseq, written, value = f.v(), f.str(), f.str()
        if (not re.fullmatch(rb"/(private|shared)(/[^\x00-\x1f/*%\x7f-\xff]+)+", name) or
                name != written.lower() or len(name) > 240 or not modseq or
                (owner and name.startswith(b"/shared"))):
            raise Bad(f"metadata {name!r} makes no sense")
        self.metadata[owner, mailbox, name] = value

    def read_S(self, key, f):
        mailbox, who, block = fixed(key[:4], 4), fixed(key[4:12], 8), fixed(key[12:], 4)
        since, first, bits = f.v(), f.v(), f.str()
        if (not since or who == self.number or block >= 1 << 20 or first + len(bits) > 512 or
                (bits and not (bits[0] and bits[-1]))):
            raise Bad(f"what {who:x} has seen of mailbox {mailbox} makes no sense")
        at = block * 4096 + first * 8
        self.seen[mailbox, who, block] = since, {
            at + i for i in range(len(bits) * 8) if bits[i // 8] >> i % 8 & 1}

    def read_C(self, key, f):
        names = [f.str() for _ in range(f.v())]
        if key or not 0 < len(names) <= 64 or not all(0 < len(n) <= 64 for n in names):
            raise Bad("what IMAP goes without makes no sense")

    def read_p(self, key, f):
        salt, rounds, keys = f.str(), f.v(), f.str()
        if len(salt) != 16 or not 4096 <= rounds <= 1000000 or len(keys) not in (0, 64):
            raise Bad("the salt for SCRAM makes no sense")
        f.v()

    def read_q(self, key, f):
        flags, _ = f.v(), f.z()
        texts = [f.str() for _ in range(3)]
        aliases = [f.str() for _ in range(f.v())]
        if key or flags > 1 or max(map(len, texts)) > 255 or not all(b"@" in a for a in aliases):
            raise Bad("no identity provider can have said that")
        [t.decode() for t in texts]

    def read_c(self, key, f):
        self.log.setdefault(fixed(key[:8], 8), {})[fixed(key[8:], 2)] = f

    def read_u(self, key, f):
        mailbox, first = fixed(key[:4], 4), fixed(key[4:], 4)
        _, count, overflow, last, highest = CHUNK_HEAD.unpack_from(f.data)
        at = CHUNK_HEAD.size
        rest = Fields(f.data, at + RECORD.size * count)
        if rest.left < overflow or not 0 < count <= CHUNK_MOST:
            raise Bad(f"a chunk of {count} records and {len(f.data)} bytes")
        more = further_keywords(rest, rest.at + overflow)
        out = []
        for i in range(count):
            uid, bits, low, size, body, message, modseq, _ = RECORD.unpack_from(
                f.data, at + i * RECORD.size)
            flags = bits & 0xFFF
            if bool(flags & OVERFLOW) != (i in more):
                raise Bad(f"UID {uid}: the bit for further keywords is wrong")
            date = bits >> 24
            out.append(Placement(
                uid, flags & ~OVERFLOW, date - (1 << 40 if date >> 39 else 0),
                frozenset(b for b in range(64) if low >> b & 1) | more.get(i, frozenset()), size,
                body, int.from_bytes(message, "little"), int.from_bytes(modseq, "little"), first))
        uids = [p.uid for p in out]
        if uids != sorted(set(uids)) or first > uids[0] or last != uids[-1]:
            raise Bad(f"UIDs {uids[0]} to {uids[-1]} do not fit the chunk's key and head")
        if highest != max(p.modseq for p in out):
            raise Bad(f"the chunk's highest MODSEQ is {highest}")
        self.chunks.append((mailbox, first, out))

    def read_a(self, _, f):
        if f.v() not in (1, 2):
            raise Bad("unknown state")
        f.z(), f.str(), f.str()
        if f.left and (f.v() not in (0, 1, 3) or f.z() < 0):
            raise Bad("how the account is suspended")

    def read_f(self, _, f):
        f.v()
        for _ in range(f.v()):
            f.str()

    def read_i(self, _, f):
        f.z(), f.str()

    def read_j(self, _, f):
        f.str()

    def read_h(self, key, f):
        account, mailbox, uid, target = fixed(key[:8], 8), fixed(key[8:], 4), f.v(), f.v()
        if not account or not mailbox or not 0 < uid < 1 << 32 or target >= 1 << 32:
            raise Bad(f"the mark of what account {account:x} has handed over makes no sense")

    def read_z(self, key, f):
        owner, mailbox, secret = fixed(key[:8], 8), fixed(key[8:], 4), f.str()
        if not mailbox or len(secret) != 32 or f.left:
            raise Bad("no key for URLs")
        if not owner:
            self.url_keys.append(mailbox)

    def read_w(self, key, f):
        fixed(key, 8), f.z()

    def read_r(self, key, f):
        fixed(key, 10)
        part, name, has, value = f.v(), f.str(), f.v(), f.str()
        if part not in (1, 2, 3) or has > 1 or (part == 1) != bool(name) or (value and not has):
            raise Bad("no row of what the rules were")
        if has and value[0] != 1:
            raise Bad("what the rules were has an unknown version")

    def read_l(self, key, f):
        day, service = fixed(key[:4], 4), fixed(key[8:9], 1)
        network, end, client = key[9:].partition(b"\0")
        first, last, count, failures, modseq = f.z(), f.z(), f.v(), f.v(), f.v()
        if not end or len(network) > 48 or len(client) > 64 or not 1 <= service <= 6:
            raise Bad("no key of a sign-in")
        client.decode()
        if not first <= last or first // 86400 != day or last // 86400 != day:
            raise Bad(f"a sign-in of day {day} from {first} to {last}")
        if not count + failures or not modseq:
            raise Bad("a sign-in that never was")

    # Account 0 only; read by Directory.
    def directory_only(self, *_):
        if self.number:
            raise Bad("a key of the directory")

    read_V = read_D = read_A = read_I = read_R = read_E = read_Z = read_G = read_P = read_Y = read_B = read_e = read_F = read_O = read_T = read_M = read_N = read_K = directory_only

    # ---- together ----
    def join(self):
        for number, words in self.keywords.items():
            if number in self.mailboxes:
                self.mailboxes[number].keywords = words
            else:
                self.wrong(f"keywords of mailbox {number}, which is not there")
        for number in self.shared:
            if number not in self.mailboxes:
                self.wrong(f"rights of mailbox {number}, which is not there")
        for number in self.url_keys:
            if number not in self.mailboxes:
                self.wrong(f"a key for URLs of mailbox {number}, which is not there")
        for owner, mailbox, name in self.metadata:
            if mailbox and not owner and mailbox not in self.mailboxes:
                self.wrong(f"metadata {name!r} of mailbox {mailbox}, which is not there")
        for mailbox, first, placements in self.chunks:
            if mailbox not in self.mailboxes:
                self.wrong(f"placements of mailbox {mailbox}, which is not there")
                continue
            have = self.mailboxes[mailbox].placements
            if have and have[-1].uid >= first:
                self.wrong(f"mailbox {mailbox}: chunk {first} begins below UID {have[-1].uid}")
            have += placements

    def seen_by(self, box, reader):
        """UIDs with \\Seen as an account sees them with whom the mailbox is shared."""
        if not box.seen_since or reader == self.number:
            return {p.uid for p in box.placements if p.flags & SEEN}
        out = set()
        for block in {p.uid >> 12 for p in box.placements}:
            for who in (reader, (1 << 64) - 1):
                since, uids = self.seen.get((box.id, who, block), (0, set()))
                if since == box.seen_since:
                    out |= uids
                    break
        return out & {p.uid for p in box.placements}

    def changes(self, modseq):
        """The records of one entry, in order."""
        out = []
        parts = self.log[modseq]
        for part in range(len(parts)):
            if part not in parts:
                raise Bad(f"entry {modseq} lacks part {part}")
            f = parts[part]
            layout = f.u8()
            if layout not in (1, 2):
                raise Bad(f"entry {modseq}: layout version {layout}")
            said = f.v()
            if said != (0 if part else len(parts)):
                raise Bad(f"entry {modseq}, part {part}: says {said} parts of {len(parts)}")
            f.z(), f.v(), f.str(), f.str()
            if layout == 2 and not 0 < f.v() < (self.header or {}).get("next_device", 1):
                raise Bad(f"entry {modseq}: a device that never was")
            while f.left:
                out.append(change(modseq, f))
        return out


def change(modseq, f):
    kind, mailbox, other, value, uids, last = f.v(), f.v(), f.v(), f.v(), [], 0
    for _ in range(f.v()):
        first = last + f.v()
        last = first + f.v()
        uids += range(first, last + 1)
    before, after, flags, packed = f.str(), f.str(), f.str(), Fields(f.str())
    messages, last = [], 0
    while packed.left:
        first = last + packed.z()
        count = packed.v()
        messages += range(first, first + count)
        last = first + count - 1
    return Change(modseq, kind, mailbox, other, value, uids, before, after, flags, messages)


def flag_runs(data):
    """(flags, keywords) for each UID of a change, in order."""
    f, out = Fields(data), []
    while f.left:
        count = f.v()
        out += [one_flags(f)] * count
    return out


def one_flags(f):
    flags, low = f.v(), f.v()
    return flags, frozenset(b for b in range(64) if low >> b & 1) | {
        f.v() for _ in range(f.v())}


def further_keywords(f, end):
    out = {}
    while f.at < end:
        index, count = f.u8(), f.u8()
        numbers = struct.unpack(f"<{count}H", f.take(2 * count))
        if list(numbers) != sorted(set(numbers)) or count == 0 or numbers[0] < 64:
            raise Bad(f"further keywords {numbers}")
        out[index] = frozenset(numbers)
    return out


def fixed(key, n):
    if len(key) != n:
        raise Bad(f"a key part of {len(key)} bytes, not {n}")
    return int.from_bytes(key, "big")
