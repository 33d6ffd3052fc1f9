# SPDX-License-Identifier: Apache-2.0
"""What must be true after a crash: the model of what was acknowledged, and the checker.

The model knows three kinds of change: acknowledged (must hold), sent but not acknowledged (may be
there whole or not at all), never sent (must not be there). It is compared with an Observation,
which may come from IMAP or from a reader of the files; the checker is a pure function of the two
and is itself tested with planted faults (test_kill9_oracle.py).

An Item is one message in one mailbox. A State is None (not there) or (box, uid, flags); uid None
means "some UID we were not told yet".
"""
from dataclasses import dataclass, field


@dataclass(eq=False)
class Box:
    account: int
    name: str
    uidvalidity: int = 0
    alive: bool = True
    highest: int = 0  # largest MODSEQ the server told for this mailbox
    uidnext: int = 0  # one above the largest UID the server told
    expunged: set = field(default_factory=set)  # UIDs whose end was acknowledged
    note: str = None  # its annotation
    marks: dict = field(default_factory=dict)  # reader to {uid: has it \Seen for them}


@dataclass(eq=False)
class Item:
    token: str
    sha: str
    size: int
    state: tuple = None
    modseq: int = 0


@dataclass(eq=False)
class ItemOp:
    """A command on items, sent: rows of (item, before, after)."""
    what: str
    rows: list
    late: bool = False  # OK was said, when nobody could hear it any more


@dataclass(eq=False)
class BoxOp:
    what: str  # create, rename, delete
    box: Box
    name: str = ""
    late: bool = False


@dataclass(eq=False)
class NoteOp:
    """SETMETADATA, sent: the annotation is what it was, or this."""
    box: Box
    note: str
    late: bool = False


@dataclass(eq=False)
class MarkOp:
    """A reader's STORE of \\Seen, sent."""
    reader: int
    box: Box
    uids: list
    is_seen: bool
    late: bool = False


@dataclass
class SeenMessage:
    flags: frozenset
    modseq: int
    size: int
    token: str
    sha: str = None  # None: the body was not read this time


@dataclass
class SeenBox:
    uidvalidity: int
    uidnext: int
    highest: int
    messages: dict  # uid to SeenMessage, in the order of sequence numbers
    status: dict = field(default_factory=dict)
    vanished: set = None  # None: not asked
    note: str = None
    marks: dict = field(default_factory=dict)  # reader who was asked to the UIDs seen by them


class Model:
    def __init__(self, atomic=True):
        self.atomic = atomic
        self.boxes, self.items, self.pending = [], [], []
        self.late_said = self.late_absent = 0
        self.history = {}  # (account, name, uidvalidity, uid) to token, for ever

    def box(self, account, name):
        for b in self.boxes:
            if b.alive and b.account == account and b.name == name:
                return b
        return None

    def remember(self, box, uid, token):
        """Notes a UID; what it contradicts, or None."""
        key = (box.account, box.name, box.uidvalidity, uid)
        had = self.history.setdefault(key, token)
        box.uidnext = max(box.uidnext, uid + 1)
        return f"INV4 UID {uid} of {box.name} was {had}, now {token}" if had != token else None


def check(model, observed):
    """Compares; returns the violations, and settles in the model what was left open."""
    return Check(model, observed).run()


class Check:
    def __init__(self, model, observed):
        self.model, self.observed, self.bad = model, observed, []
        self.explained = {}  # (account, box name, uid) to item

    def fail(self, text):
        self.bad.append(text)

    def run(self):
        for op in self.model.pending:
            if isinstance(op, BoxOp):
                self.settle_box(op)
        self.check_boxes()
        for item in self.model.items:
            if item.state and item not in self.open_items():
                self.check_item(item)
        for op in self.model.pending:
            if isinstance(op, ItemOp):
                self.settle_op(op)
        for op in self.model.pending:
            if isinstance(op, NoteOp):
                self.settle_note(op)
            elif isinstance(op, MarkOp):
                self.settle_mark(op)
        self.model.pending = []
        self.check_unexplained()
        self.check_belongings()
        self.check_counters()
        return self.bad

    def open_items(self):
        if not hasattr(self, "_open"):
            self._open = {row[0] for op in self.model.pending if isinstance(op, ItemOp)
                          for row in op.rows}
        return self._open

    # ---- mailboxes ----
    def seen(self, box):
        return self.observed.get(box.account, {}).get(box.name)

    def settle_box(self, op):
        names = self.observed.get(op.box.account, {})
        if op.what == "create":
            op.box.alive = op.box.name in names
            if op.box.alive:
                op.box.uidvalidity = names[op.box.name].uidvalidity
                self.model.boxes.append(op.box)
        elif op.what == "delete":
            op.box.alive = op.box.name in names
        elif op.name in names and op.box.name not in names:
            self.renamed(op.box, op.name)
        elif op.name in names:
            self.fail(f"half done: RENAME left both {op.box.name} and {op.name}")
        if op.what == "delete" and not op.box.alive:
            forget(self.model, op.box)

    def renamed(self, box, name):
        rename(self.model, box, name)

    def check_boxes(self):
        known = {}
        for box in self.model.boxes:
            if not box.alive:
                continue
            known.setdefault(box.account, set()).add(box.name)
            seen = self.seen(box)
            if seen is None:
                self.fail(f"INV1 mailbox {box.name} of account {box.account} is gone")
            elif box.uidvalidity and seen.uidvalidity != box.uidvalidity:
                self.fail(f"INV4 UIDVALIDITY of {box.name}: {box.uidvalidity}, now "
                          f"{seen.uidvalidity}")
        for account, names in self.observed.items():
            for name in names:
                if name not in known.get(account, ()):
                    self.fail(f"INV3 mailbox {name} of account {account} was never made, or "
                              "its end was acknowledged")

    # ---- messages ----
    def at(self, state):
        seen = self.seen(state[0])
        return seen.messages.get(state[1]) if seen and state[1] is not None else None

    def claim(self, item, box, uid):
        self.explained[(box.account, box.name, uid)] = item
        wrong = self.model.remember(box, uid, item.token)
        if wrong:
            self.fail(wrong)

    def check_item(self, item):
        box, uid, flags = item.state
        message = self.at(item.state)
        if message is None:
            self.fail(f"INV1 lost: {item.token}, {box.name} UID {uid}")
            return
        self.claim(item, box, uid)
        self.compare(item, message)
        if message.flags != flags:
            self.fail(f"INV6 flags of {item.token}: {sorted(flags)} acknowledged, "
                      f"{sorted(message.flags)} found")

    def compare(self, item, message):
        if message.token != item.token:
            self.fail(f"INV3 {item.token} has become {message.token}")
        if message.size != item.size or message.sha not in (None, item.sha):
            self.fail(f"INV2 bytes of {item.token} differ ({item.size} sent, {message.size} found)")
        if message.modseq < item.modseq:
            self.fail(f"INV5 MODSEQ of {item.token} fell from {item.modseq} to {message.modseq}")

    def candidate(self, box, item, taken):
        seen = self.seen(box)
        for uid, message in (seen.messages.items() if seen else ()):
            key = (box.account, box.name, uid)
            if message.token == item.token and key not in self.explained and uid not in taken:
                return uid
        return None

    def settle_op(self, op):
        """Decides row by row whether the command happened; with atomic all rows must agree."""
        outcome, taken = [], set()
        for item, before, after in op.rows:
            outcome.append(self.settle_row(item, before, after, taken))
        done = {o[0] for o in outcome if o[0] != "either"}
        self.model.late_said += op.late
        self.model.late_absent += op.late and "before" in done
        if self.model.atomic and len(done) > 1:
            self.fail(f"half done: {op.what} of {[r[0].token for r in op.rows]}")
        for (item, before, after), (what, state) in zip(op.rows, outcome):
            if what == "neither":
                self.fail(f"INV1 lost or changed in a {op.what}: {item.token} was "
                          f"{describe(before)}, should stay or be {describe(after)}")
                item.state = None
                continue
            item.state = state
            if item.state:
                self.check_item(item)
            if before and (state is None or state[0] is not before[0]):
                before[0].expunged.add(before[1])

    def settle_row(self, item, before, after, taken):
        old = self.at(before) if before else None
        if before and after and before[0] is after[0]:
            if old and old.flags == after[2]:
                return ("either" if before[2] == after[2] else "after"), after
            return ("before", before) if old and old.flags == before[2] else ("neither", None)
        new = self.candidate(after[0], item, taken) if after else None
        if new is not None:
            taken.add(new)
        if old and new is not None:
            self.fail(f"INV1 doubled: {item.token} is in both {before[0].name} and "
                      f"{after[0].name}")
        if after is None:
            return ("before", before) if old else ("after", None)
        if new is not None:
            return "after", (after[0], new, after[2])
        if before is None or old:
            return "before", before
        return "neither", None

    def check_unexplained(self):
        for account, names in self.observed.items():
            for name, seen in names.items():
                for uid, message in seen.messages.items():
                    if (account, name, uid) not in self.explained:
                        self.fail(f"INV3 {message.token or 'a message'} in {name} UID {uid}: never "
                                  "sent, doubled, or its end was acknowledged")

    # ---- what is not a message's ----
    def settled(self, op, is_done):
        self.model.late_said += op.late
        self.model.late_absent += op.late and not is_done

    def settle_note(self, op):
        seen = self.seen(op.box) if op.box.alive else None
        if seen and seen.note == op.note:
            self.settled(op, True)
            op.box.note = op.note
        elif seen:
            self.settled(op, False)  # then it must be the one before: check_belongings

    def settle_mark(self, op):
        seen = self.seen(op.box) if op.box.alive else None
        if not seen or op.reader not in seen.marks:
            return
        marks = op.box.marks.setdefault(op.reader, {})
        here = [u for u in op.uids if u in seen.messages]
        now = {u: u in seen.marks[op.reader] for u in here}
        changed = [u for u in here if marks.get(u, False) != op.is_seen]
        is_done = bool(changed) and now[changed[0]] == op.is_seen
        self.settled(op, is_done or not changed)
        if is_done:  # whole, or check_belongings says what is missing
            marks.update((u, op.is_seen) for u in here)

    def check_belongings(self):
        for box in self.model.boxes:
            seen = self.seen(box) if box.alive else None
            if not seen:
                continue
            if seen.note != box.note:
                self.fail(f"INV9 annotation of {box.name}: {box.note} acknowledged, "
                          f"{seen.note} found")
            for reader, uids in seen.marks.items():
                want = {u for u, is_seen in box.marks.get(reader, {}).items()
                        if is_seen and u in seen.messages}
                if want != uids:
                    self.fail(f"INV9 seen by {reader} in {box.name}: not {sorted(want - uids)[:10]}, "
                              f"but {sorted(uids - want)[:10]}")

    # ---- numbers ----
    def check_counters(self):
        for box in self.model.boxes:
            seen = self.seen(box) if box.alive else None
            if not seen:
                continue
            uids = list(seen.messages)
            if uids != sorted(uids):
                self.fail(f"INV4 UIDs of {box.name} are not ascending")
            if uids and seen.uidnext <= max(uids):
                self.fail(f"INV4 UIDNEXT {seen.uidnext} of {box.name} is not above {max(uids)}")
            if seen.uidnext < box.uidnext:
                self.fail(f"INV4 UIDNEXT of {box.name} fell from {box.uidnext} to {seen.uidnext}")
            if seen.highest < box.highest:
                self.fail(f"INV5 HIGHESTMODSEQ of {box.name} fell from {box.highest} to "
                          f"{seen.highest}")
            top = max((m.modseq for m in seen.messages.values()), default=0)
            if top > seen.highest:
                self.fail(f"INV5 a MODSEQ {top} in {box.name} is above HIGHESTMODSEQ "
                          f"{seen.highest}")
            self.check_status(box, seen)
            if seen.vanished is not None and box.expunged - seen.vanished:
                self.fail(f"INV7 {box.name}: expunged but not VANISHED: "
                          f"{sorted(box.expunged - seen.vanished)[:10]}")
            box.uidnext, box.highest = max(box.uidnext, seen.uidnext), seen.highest
            box.expunged = set()

    def check_status(self, box, seen):
        recount = {"MESSAGES": len(seen.messages), "UIDNEXT": seen.uidnext,
                   "UIDVALIDITY": seen.uidvalidity, "SIZE": sum(
                       m.size for m in seen.messages.values()),
                   "UNSEEN": sum("\\seen" not in m.flags for m in seen.messages.values())}
        for name, value in seen.status.items():
            if name in recount and recount[name] != value:
                self.fail(f"INV8 STATUS {name} of {box.name}: {value}, counted {recount[name]}")


def rename(model, box, name):
    """The same mailbox under another name: its UIDs are now that name's past too."""
    for (account, old, validity, uid), token in list(model.history.items()):
        if account == box.account and old == box.name and validity == box.uidvalidity:
            model.history[(account, name, validity, uid)] = token
    box.name = name


def forget(model, box):
    """A mailbox's end was acknowledged: its messages go with it."""
    box.alive = False
    for item in model.items:
        if item.state and item.state[0] is box:
            item.state = None


def describe(state):
    return f"{state[0].name} UID {state[1]} {sorted(state[2])}" if state else "absent"
