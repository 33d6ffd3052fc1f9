# SPDX-License-Identifier: Apache-2.0
"""Writing clients for the crash rounds: each changes mail of its own and keeps the oracle's books.

A client has one command under way at a time and enters what was acknowledged before it starts the
next, so at the crash every change is known as acknowledged, sent, or never sent.
"""
import hashlib
import random
import re
import threading
import time

import imapwire
from imapwire import Closed, compress, expand
from kill9_oracle import Box, BoxOp, Item, ItemOp, NoteOp, forget, rename
from messages import generated
from servers import PASSWORD

FLAGS = ("\\seen", "\\flagged", "\\answered", "\\draft", "$forwarded", "work", "later")
NOTE = "/shared/comment"
SIZES = (300, 800, 1500, 1500, 3000, 6000, 6000, 30000)


class Books:
    """The model with the lock its clients share, and the log of acknowledged facts."""

    def __init__(self, model, log_path=None):
        self.model, self.lock, self.wrong = model, threading.Lock(), []
        self.acked = 0
        self.log = open(log_path, "a", buffering=1) if log_path else None

    def fact(self, text):
        self.acked += 1
        self.note(text)

    def note(self, text):
        if self.log:
            self.log.write(f"{time.monotonic():.6f} {text}\n")


class Worker(threading.Thread):
    """One connection with one command under way at a time; `work` is what it does with it."""

    expect_end = False  # set when the server is about to be killed
    cut = threading.Event()  # set when the power is about to go

    def __init__(self, books, server, name, round_number, seed):
        super().__init__(daemon=True)
        self.books, self.model, self.server = books, books.model, server
        self.label, self.round, self.rng = name, round_number, random.Random(seed)
        self.stop = threading.Event()
        self.fault, self.under_way, self.imap = None, None, None

    def run(self):
        try:
            self.work()
        except (Closed, ConnectionError, imapwire.Refused) as e:
            # Refused: by a gate whose keep has just died, say
            self.fault = None if self.expect_end else f"{type(e).__name__}: {e}"
        except Exception as e:  # noqa: B902 - who has ended must not pass for a quiet one
            self.fault = f"{type(e).__name__}: {e}"
        finally:
            if self.under_way:
                with self.books.lock:
                    self.model.pending.append(self.under_way)
            if self.imap:
                self.imap.close()

    def heard(self):
        """What comes after the power went, nobody has heard: it was never acknowledged. A server
        without power says nothing; ours lives on for a moment, and a sync that was under way when
        its file system was shut down may have told it a success that is none (docs/testing.md)."""
        if self.cut.is_set():
            raise Closed("after the power cut")

    def send(self, op, command, *literals):
        """One command; what it would change is open until the answer is here."""
        self.under_way = op
        reply = self.imap.cmd(command, *literals, sync=False)
        op.late = self.cut.is_set() and reply.ok
        self.heard()
        if not reply.ok:
            # In the moment of a power cut NO means "not known": the write may have reached the
            # disk before its sync failed. At any other time it means "not done".
            self.under_way = op if self.expect_end else None
            raise imapwire.Refused(reply, command if isinstance(command, bytes)
                                   else command.encode())
        return reply

    def acknowledged(self, text):
        self.books.fact(f"{self.round} {self.label} {text}")
        self.under_way = None


class Client(Worker):
    def __init__(self, books, server, number, account, round_number, seed):
        super().__init__(books, server, f"w{number}", round_number, seed)
        self.number, self.account = number, account
        self.count, self.current = 0, None
        me = re.compile(rf"r\d+\.w{number}\.")
        self.mine = [i for i in self.model.items if i.state and me.match(i.token)]

    def work(self):
        # A clear connection lives on in keep when the gate dies; one over TLS does not.
        tls = self.number % 4 == 3 and self.server.peer != "testd"
        self.imap = self.server.connect("tls" if tls else "clear", timeout=15.0)
        self.imap.login(self.server.user(self.account), PASSWORD)
        self.imap.ok("ENABLE QRESYNC")
        self.choose_box(self.box(f"w{self.number}"))
        while not self.stop.is_set():
            self.step()

    def box(self, name):
        with self.books.lock:
            return self.model.box(self.account, name)

    def choose_box(self, box):
        reply = self.imap.select(box.name)
        self.heard()
        codes = reply.codes()
        self.current = box
        with self.books.lock:
            if codes[b"UIDVALIDITY"][0] != box.uidvalidity:
                self.books.wrong.append(f"INV4 UIDVALIDITY of {box.name} changed while serving")
            box.highest = max(box.highest, codes.get(b"HIGHESTMODSEQ", [0])[0])

    # ---- what it does ----
    def step(self):
        kinds = ((self.do_append, 38), (self.do_multiappend, 4), (self.do_store, 24),
                 (self.do_move, 10), (self.do_copy, 6), (self.do_expunge, 12),
                 (self.do_scratch, 3), (self.do_switch, 3), (self.do_note, 3))
        x = self.rng.randrange(sum(w for _, w in kinds))
        for do, weight in kinds:
            if x < weight:
                do()
                return
            x -= weight

    def some_flags(self):
        return frozenset(self.rng.sample(FLAGS, self.rng.choice((0, 0, 1, 2))))

    def new_item(self):
        self.count += 1
        token = f"r{self.round}.w{self.number}.{self.count}"
        size = 900000 if self.rng.random() < 0.004 else self.rng.choice(SIZES)
        body = generated(self.count + self.number * 10007, size, token)
        return Item(token, hashlib.sha256(body).hexdigest(), len(body)), body

    def target(self):
        own = f"w{self.number}", f"w{self.number}-b"
        return self.box(self.rng.choice(own + ("shared", "INBOX", own[0])))

    def placed(self, item, box, uid, flags):
        with self.books.lock:
            item.state = (box, uid, flags)
            wrong = self.model.remember(box, uid, item.token)
            if wrong:
                self.books.wrong.append(wrong)
            if item not in self.model.items:
                self.model.items.append(item)

    def open_item(self, item):
        """A message that may come to be: the checker must know it even if no answer comes."""
        with self.books.lock:
            self.model.items.append(item)
        self.mine.append(item)

    def do_append(self):
        self.append_items(1)

    def do_multiappend(self):
        self.append_items(self.rng.randrange(2, 5) if b"MULTIAPPEND" in
                          self.imap.capabilities() else 1)

    def append_items(self, n):
        box, rows, bodies = self.target(), [], []
        command = b"APPEND " + imapwire.quote(box.name)
        for _ in range(n):
            item, body = self.new_item()
            flags = self.some_flags()
            self.open_item(item)
            rows.append((item, None, (box, None, flags)))
            bodies.append(body)
            command += b" (" + " ".join(flags).encode() + b") {}"
        reply = self.send(ItemOp("APPEND", rows), command, *bodies)
        validity, uids = reply.codes()[b"APPENDUID"]
        uids = expand(uids)
        assert validity == box.uidvalidity and len(uids) == n, reply.line
        for (item, _, after), uid in zip(rows, uids):
            self.placed(item, box, uid, after[2])
        self.acknowledged(f"APPEND {box.name} {uids} {[r[0].sha for r in rows]}")

    def pick(self, most):
        here = [i for i in self.mine if i.state and i.state[0] is self.current]
        return self.rng.sample(here, min(len(here), self.rng.randrange(1, most + 1)))

    def do_store(self):
        items = self.pick(5)
        if not items:
            return self.do_append()
        self.store(items, self.rng.choice(("+", "-", "")), self.some_flags() or {"\\seen"})

    def store(self, items, sign, flags):
        rows, box = [], self.current
        for i in items:
            old = i.state[2]
            new = old | flags if sign == "+" else old - flags if sign == "-" else flags
            rows.append((i, i.state, (box, i.state[1], frozenset(new))))
        uids = compress(i.state[1] for i in items)
        reply = self.send(ItemOp("STORE", rows),
                          f"UID STORE {uids} {sign}FLAGS ({' '.join(sorted(flags))})")
        fetched = reply.fetches()
        with self.books.lock:
            for item, _, after in rows:
                item.state = after
                self.told(item, fetched.get(after[1]), after[2])
        self.acknowledged(f"STORE {box.name} {uids} {sign}{sorted(flags)}")

    def told(self, item, attributes, flags):
        """What the answer said of our message must be what we asked for."""
        if attributes is None:
            return
        modseq = (attributes.get(b"MODSEQ") or [0])[0]
        if modseq < item.modseq:
            self.books.wrong.append(f"INV5 MODSEQ of {item.token} fell while serving")
        item.modseq = modseq
        self.current.highest = max(self.current.highest, modseq)
        if b"FLAGS" in attributes and flags_of(attributes) != flags:
            self.books.wrong.append(f"INV6 STORE of {item.token} answered "
                                    f"{attributes[b'FLAGS']} for {sorted(flags)}")

    def do_move(self):
        self.transfer("MOVE")

    def do_copy(self):
        self.transfer("COPY")

    def transfer(self, what):
        items, to = self.pick(4), self.target()
        if not items or to is self.current:
            return self.do_append()
        items.sort(key=lambda i: i.state[1])
        here, rows = self.current, []
        if what == "MOVE":
            rows = [(i, i.state, (to, None, i.state[2])) for i in items]
        else:
            for i in items:
                twin = Item(i.token, i.sha, i.size)
                self.open_item(twin)
                rows.append((twin, None, (to, None, i.state[2])))
        uids = compress(i.state[1] for i in items)
        reply = self.send(ItemOp(what, rows), f'UID {what} {uids} "{to.name}"')
        validity, source, placed = reply.codes()[b"COPYUID"]
        pairs = dict(zip(expand(source), expand(placed)))
        assert validity == to.uidvalidity and len(pairs) == len(items), reply.line
        for source_item, (item, before, after) in zip(items, rows):
            old_uid = before[1] if before else source_item.state[1]
            self.placed(item, to, pairs[old_uid], after[2])
            if before:
                item.modseq = 0
                self.gone(here, old_uid)
        self.acknowledged(f"{what} {here.name} {uids} -> {to.name} {placed}")

    def gone(self, box, uid):
        with self.books.lock:
            box.expunged.add(uid)

    def do_expunge(self):
        items = self.pick(4)
        if not items:
            return self.do_append()
        self.store(items, "+", {"\\deleted"})
        rows, box = [(i, i.state, None) for i in items], self.current
        uids = compress(i.state[1] for i in items)
        reply = self.send(ItemOp("EXPUNGE", rows), f"UID EXPUNGE {uids}")
        for item, before, _ in rows:
            self.gone(box, before[1])
            with self.books.lock:
                item.state = None
        highest = reply.codes().get(b"HIGHESTMODSEQ")
        if highest:
            with self.books.lock:
                box.highest = max(box.highest, highest[0])
        self.acknowledged(f"EXPUNGE {box.name} {uids}")

    def do_switch(self):
        own = f"w{self.number}", f"w{self.number}-b", "shared"
        self.choose_box(self.box(self.rng.choice(own)))

    def do_scratch(self):
        """A mailbox of its own: made, filled, renamed, deleted, and made anew by the same name."""
        names = [f"s{self.number}-{k}" for k in range(3)]
        have = [b for b in map(self.box, names) if b]
        free = [n for n in names if n not in {b.name for b in have}]
        if free and (not have or self.rng.random() < 0.5):
            self.create(self.rng.choice(free))
        elif free and self.rng.random() < 0.5:
            self.rename(self.rng.choice(have), self.rng.choice(free))
        else:
            self.delete(self.rng.choice(have))

    def create(self, name):
        box = Box(self.account, name)
        self.send(BoxOp("create", box), f'CREATE "{name}"')
        make_known(self.imap, self.books, box, self.heard)
        self.acknowledged(f"CREATE {name} {box.uidvalidity}")
        item, body = self.new_item()
        self.open_item(item)
        reply = self.send(ItemOp("APPEND", [(item, None, (box, None, frozenset()))]),
                          f'APPEND "{name}" {{}}', body)
        self.placed(item, box, reply.codes()[b"APPENDUID"][1], frozenset())
        self.acknowledged(f"APPEND {name}")

    def rename(self, box, name):
        self.send(BoxOp("rename", box, name), f'RENAME "{box.name}" "{name}"')
        with self.books.lock:
            rename(self.model, box, name)
        self.acknowledged(f"RENAME to {name}")

    def delete(self, box):
        self.send(BoxOp("delete", box), f'DELETE "{box.name}"')
        with self.books.lock:
            forget(self.model, box)
        self.acknowledged(f"DELETE {box.name}")


    def do_note(self):
        """An annotation of a mailbox of its own; now and then it is taken away."""
        if b"METADATA" not in self.imap.capabilities():
            return
        box = self.box(f"w{self.number}" + self.rng.choice(("", "-b")))
        self.count += 1
        note = None if self.rng.random() < 0.2 else f"r{self.round}.n{self.count}"
        value = f'"{note}"' if note else "NIL"
        self.send(NoteOp(box, note), f'SETMETADATA "{box.name}" ({NOTE} {value})')
        with self.books.lock:
            box.note = note
        self.acknowledged(f"NOTE {box.name} {note}")


def flags_of(attributes):
    """FLAGS as the oracle writes them: lower case, without \\Recent."""
    flags = frozenset(f.decode().lower() for f in attributes[b"FLAGS"])
    return flags - {"\\recent"}


def make_known(imap, books, box, heard=lambda: None):
    """Reads a new mailbox's UIDVALIDITY and enters the mailbox into the model."""
    reply = imap.ok(f'STATUS "{box.name}" (UIDVALIDITY UIDNEXT HIGHESTMODSEQ)')
    heard()
    pairs = reply.all(b"STATUS")[0].args[1]
    told = {bytes(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs), 2)}
    box.uidvalidity = told[b"UIDVALIDITY"]
    with books.lock:
        for uid in range(1, told[b"UIDNEXT"]):
            books.wrong.append(f"INV3 new mailbox {box.name} already gave UID {uid}")
        past = [k for k in books.model.history if k[:3] == (box.account, box.name,
                                                            box.uidvalidity)]
        if past:
            books.wrong.append(f"INV4 {box.name} was made anew with its old UIDVALIDITY")
        box.uidnext, box.highest = told[b"UIDNEXT"], told.get(b"HIGHESTMODSEQ", 0)
        books.model.boxes.append(box)
