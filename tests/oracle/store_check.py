# SPDX-License-Identifier: Apache-2.0
"""What must be true of an account, counted again from its placements and its change log."""
from collections import Counter, defaultdict
from hashlib import sha256

from fields import Bad, Fields
from store_reader import DELETED, NO_SELECT, SEEN, flag_runs, one_flags

ARRIVED, FLAGS, COPIED, MOVED_HERE, MOVED_AWAY, EXPUNGED, RESTORED = range(1, 8)
CREATED, MAILBOX_GONE, RENAMED, REPAIRED, SEEN_BY_ONE = 8, 9, 10, 16, 23


def check_account(a, version, engine, body_uses):
    """Adds its body uses to `body_uses`; differences go to a.wrong."""
    if a.header is None:
        a.wrong("there is no header")
        return
    if a.number and b"a" not in a.keys:
        a.wrong("there is no record of its state and secrets")
    check_mailboxes(a, version)
    check_messages(a, engine, body_uses)
    check_header(a)
    check_seen(a)
    check_threads(a)
    check_log(a, version)


def same(a, what, said, counted):
    if said != counted:
        a.wrong(f"{what}: {said} is written down, {counted} is counted")


def check_mailboxes(a, version):
    names = {}
    for b in a.mailboxes.values():
        where = f"mailbox {b.id} {b.name.decode(errors='replace')!r}"
        names[name_key(b.name)] = b.id
        p = b.placements
        same(a, f"{where} messages", b.messages, len(p))
        same(a, f"{where} unseen", b.unseen, sum(not x.flags & SEEN for x in p))
        same(a, f"{where} deleted", b.deleted, sum(bool(x.flags & DELETED) for x in p))
        same(a, f"{where} bytes", b.bytes, sum(x.size for x in p))
        if b.last_chunk:
            same(a, f"{where} last chunk", b.last_chunk, p[-1].chunk if p else 0)
        uids = [x.uid for x in p]
        if uids != sorted(set(uids)):
            a.wrong(f"{where}: UIDs do not rise")
        if uids and uids[-1] >= b.uidnext:
            a.wrong(f"{where}: UID {uids[-1]} is not below UIDNEXT {b.uidnext}")
        for x in p:
            if not 0 < x.modseq <= b.highest:
                a.wrong(f"{where}: UID {x.uid} has MODSEQ {x.modseq}, highest is {b.highest}")
            if x.keywords and max(x.keywords) >= len(b.keywords):
                a.wrong(f"{where}: UID {x.uid} has a keyword without a name")
        if not max(b.left, b.created) <= b.highest <= version:
            a.wrong(f"{where}: highest MODSEQ {b.highest}, left {b.left}, created {b.created}, "
                    f"account {version}")
        if not 0 < b.uidvalidity <= a.header["uidvalidity"] or b.id >= a.header["next_mailbox"]:
            a.wrong(f"{where}: UIDVALIDITY or id was never given out")
        if b.state & NO_SELECT and p:
            a.wrong(f"{where}: has messages and cannot be selected")
        if len(set(b.keywords)) != len(b.keywords):
            a.wrong(f"{where}: a keyword stands there twice")
    if a.names != names:
        a.wrong(f"names lead to {sorted(a.names.values())}, mailboxes are {sorted(names.values())}")
    check_tree(a)


def check_tree(a):
    names = {b.name for b in a.mailboxes.values()}
    if len(names) != len(a.mailboxes):
        a.wrong("two mailboxes have one name")
    for name in names:
        if b"/" in name and name.rpartition(b"/")[0] not in names:
            a.wrong(f"mailbox {name!r} has no parent")
    for name in names & a.subscribed:
        a.wrong(f"{name!r} is subscribed as if it had no mailbox")


def name_key(name):
    return name if len(name) <= 255 else b"\xff" + sha256(name).digest()


def check_messages(a, engine, body_uses):
    placed = Counter()
    for b in a.mailboxes.values():
        for p in b.placements:
            placed[p.message] += 1
            m = a.messages.get(p.message)
            if m is None:
                a.wrong(f"mailbox {b.id} UID {p.uid}: message {p.message} is not there")
            elif (m.body, m.size) != (p.body, p.size):
                a.wrong(f"mailbox {b.id} UID {p.uid}: body and size {p.body, p.size}, message "
                        f"{m.id} has {m.body, m.size}")
    for m in a.messages.values():
        body_uses[m.body].append((a.number, m.id, m.size))
        same(a, f"message {m.id} placements", m.placements, placed[m.id])
        if m.id >= a.header["next_message"] or m.thread >= a.header["next_message"]:
            a.wrong(f"message {m.id}, thread {m.thread}: the id was never given out")
        if m.subject is None or len(m.references) > 100:
            a.wrong(f"message {m.id} has no sort keys, or too many references")
        for text in [m.subject or b"", *m.people]:
            text.decode()
        if a.restorable.get(m.id) != m.expunged:
            a.wrong(f"message {m.id}: restorable since {m.expunged}, listed under "
                    f"{a.restorable.get(m.id)}")
    for message in a.restorable.keys() - a.messages.keys():
        a.wrong(f"restorable message {message} is not there")


def check_seen(a):
    for b in a.mailboxes.values():
        entry = a.metadata.get((0, b.id, b"/shared/vendor/mailkeep/seen"))
        if (entry == b"own") != bool(b.seen_since):
            a.wrong(f"mailbox {b.id}: its entry says {entry!r}, \\Seen is each reader's own since "
                    f"{b.seen_since}")
        if not b.seen_since:
            continue
        there, uids = set(), {p.uid for p in b.placements}
        for (mailbox, who, block), (since, seen) in a.seen.items():
            if mailbox != b.id or since != b.seen_since:
                continue
            if who == 0:
                there |= seen
                if not seen:
                    a.wrong(f"mailbox {b.id}: nothing is there from UID {block * 4096} on")
            elif seen and max(seen) >= b.uidnext:
                a.wrong(f"mailbox {b.id}: {who:x} has seen UID {max(seen)}, which is to come")
        if there != uids:
            a.wrong(f"mailbox {b.id}: readers count {sorted(there ^ uids)[:5]} wrongly as there")


def check_header(a):
    h, boxes = a.header, a.mailboxes.values()
    lost = [m for m in a.messages.values() if m.placements == 0]
    same(a, "header mailboxes", h["mailboxes"], len(a.mailboxes))
    same(a, "header bytes", h["bytes"], sum(p.size for b in boxes for p in b.placements))
    same(a, "header messages", h["messages"], sum(len(b.placements) for b in boxes))
    same(a, "header restorable messages", h["restorable"], len(lost))
    same(a, "header metadata", h.get("metadata", 0), len(a.metadata))
    same(a, "header metadata bytes", h.get("metadata_bytes", 0),
         sum(64 + len(name) + len(value) for (_, _, name), value in a.metadata.items()))
    same(a, "header restorable bytes", h["restorable_bytes"], sum(m.size for m in lost))


def check_threads(a):
    uses, threads = Counter(), {}
    for m in a.messages.values():
        uses.update(set(m.hashes))
        if len(set(m.hashes)) != len(m.hashes):
            a.wrong(f"message {m.id} lists a thread key twice")
        for key in m.hashes:
            if threads.setdefault(key, m.thread) != m.thread:
                a.wrong(f"thread key {key:016x} leads to threads {threads[key]} and {m.thread}")
    for key in uses.keys() | a.threads.keys():
        thread, count = a.threads.get(key, (threads.get(key), 0))
        same(a, f"thread key {key:016x} uses", count, uses[key])
        same(a, f"thread key {key:016x} thread", thread, threads.get(key, thread))


# ---- the change log -----------------------------------------------------------------------------


class Fold:
    """The placements that the log's entries make, one after another."""

    def __init__(self):
        self.boxes = defaultdict(dict)  # mailbox: uid: [message, modseq, (flags, keywords) or None]
        self.given = defaultdict(int)  # highest UID ever
        self.names, self.touched, self.left = {}, {}, {}
        self.repaired = False

    def apply(self, c):
        box = self.boxes[c.mailbox]
        if c.mailbox:
            self.touched[c.mailbox] = c.modseq
        if c.kind in (ARRIVED, COPIED, MOVED_HERE, RESTORED):
            self.placed(box, c)
        elif c.kind == FLAGS:
            self.flags(box, c)
        elif c.kind == SEEN_BY_ONE:
            for uid in c.uids:
                box[uid][1] = c.modseq
        elif c.kind in (MOVED_AWAY, EXPUNGED):
            self.gone(box, c)
        elif c.kind in (CREATED, RENAMED):
            self.names[c.mailbox] = c.after
        elif c.kind == MAILBOX_GONE:
            self.names.pop(c.mailbox, None)
        elif c.kind == REPAIRED:
            self.repaired = True

    def placed(self, box, c):
        if len(c.uids) != len(c.messages):
            raise Bad(f"entry {c.modseq}: {len(c.uids)} UIDs, {len(c.messages)} messages")
        for uid, message in zip(c.uids, c.messages):
            if uid <= self.given[c.mailbox]:
                raise Bad(f"entry {c.modseq}: mailbox {c.mailbox} gives UID {uid} again")
            self.given[c.mailbox] = uid
            box[uid] = [message, c.modseq, None]

    def had(self, box, c):
        flags = flag_runs(c.flags_before)
        if len(flags) != len(c.uids):
            raise Bad(f"entry {c.modseq}: {len(flags)} flags before for {len(c.uids)} UIDs")
        for uid, (bits, words) in zip(c.uids, flags):
            if uid not in box:
                raise Bad(f"entry {c.modseq}: mailbox {c.mailbox} has no UID {uid}")
            known = box[uid][2]
            if known is not None and known != (bits, words):
                raise Bad(f"entry {c.modseq}: mailbox {c.mailbox} UID {uid} had {known}, not "
                          f"{bits, words}")
            yield uid, bits, words

    def flags(self, box, c):
        f = Fields(c.after)
        how = f.v()
        bits, words = one_flags(f)
        for uid, old_bits, old_words in list(self.had(box, c)):
            new = {0: (bits, words), 1: (old_bits | bits, old_words | words),
                   2: (old_bits & ~bits, old_words - words)}[how]
            box[uid][1:] = [c.modseq, new]

    def gone(self, box, c):
        for (uid, _, _), message in zip(list(self.had(box, c)), c.messages, strict=True):
            if box[uid][0] != message:
                raise Bad(f"entry {c.modseq}: mailbox {c.mailbox} UID {uid} was message "
                          f"{box[uid][0]}, not {message}")
            del box[uid]
        self.left[c.mailbox] = c.modseq


def check_log(a, version):
    since, entries = a.header["log_since"], sorted(a.log)
    if entries != list(range(since + 1, version + 1)):
        missing = sorted(set(range(since + 1, version + 1)) - set(entries))
        a.wrong(f"the log is known since {since}, the account is at {version}: missing "
                f"{missing[:5]}, {len(entries)} there")
    fold = Fold()
    try:
        for modseq in entries:
            for c in a.changes(modseq):
                if since == 0:
                    fold.apply(c)
    except (Bad, KeyError, ValueError) as e:
        a.wrong(f"the log: {e}")
        return
    if since == 0 and not fold.repaired:
        compare(a, fold)


def compare(a, fold):
    """What the whole log makes is what is there."""
    for number in fold.names.keys() | a.mailboxes.keys():
        b = a.mailboxes.get(number)
        if b is None or fold.names.get(number) != b.name:
            a.wrong(f"mailbox {number}: the log knows {fold.names.get(number)}, there is "
                    f"{b and b.name}")
            continue
        want, have = fold.boxes[number], {p.uid: p for p in b.placements}
        for uid in sorted(want.keys() ^ have.keys())[:5]:
            a.wrong(f"mailbox {number}: UID {uid} is only in "
                    f"{'the log' if uid in want else 'the mailbox'}")
        for uid in want.keys() & have.keys():
            message, modseq, flags = want[uid]
            p = have[uid]
            if (message, modseq) != (p.message, p.modseq) or flags not in (
                    None, (p.flags, p.keywords)):
                a.wrong(f"mailbox {number} UID {uid}: the log makes {want[uid]}, there is "
                        f"{p.message, p.modseq, p.flags, sorted(p.keywords)}")
        if b.uidnext <= fold.given[number]:
            a.wrong(f"mailbox {number}: UIDNEXT {b.uidnext}, UID {fold.given[number]} was given")
        same(a, f"mailbox {number} MODSEQ of what left", b.left, fold.left.get(number, 0))
