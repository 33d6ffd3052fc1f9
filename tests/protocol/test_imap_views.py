# SPDX-License-Identifier: Apache-2.0
"""Many sessions change one mailbox at once; each keeps the view its answers describe.

A view is what a client must believe: a list of messages by sequence number, with UID and flags as
told. Every answer is checked against it while the storm goes on, and in the end every view must be
what a fresh SELECT shows: nothing missed, nothing told twice, no number ever off.
"""
import os
import random
import threading

import pytest
from imapwire import Imap, expand
from test_imap_scripts import TESTD, LocalServer

SECONDS = float(os.environ.get("MK_VIEW_SECONDS", "4"))
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "K1", "K2", "K3"]


class Message:
    def __init__(self):
        self.uid = self.flags = None


def flag_set(values):
    return {bytes(v).decode().lower() for v in values} - {"\\recent"}


class View:
    """A client with its view. `mode`: 'plain', 'condstore', 'qresync' or 'rev2'."""

    def __init__(self, port, user, mode, seed):
        self.random, self.mode = random.Random(seed), mode
        self.c = Imap(port)
        self.c.login(user, "pass")
        if mode != "plain":
            self.c.ok("ENABLE " + {"condstore": "CONDSTORE", "qresync": "QRESYNC",
                                   "rev2": "IMAP4rev2"}[mode])
        self.messages = []
        self.refresh(self.c.select("INBOX"))

    def refresh(self, reply):
        self.messages = []
        self.take(reply, None)
        reply = self.c.ok("UID FETCH 1:* (FLAGS)")
        self.take(reply, None)

    # ---- what is told ----
    def take(self, reply, command):
        for line in reply.untagged:
            self.take_line(line, command)

    def take_line(self, line, command):
        if line.kind == b"EXISTS":
            assert line.number >= len(self.messages), "EXISTS went down"
            self.messages += [Message() for _ in range(line.number - len(self.messages))]
        elif line.kind == b"EXPUNGE":
            assert command not in ("FETCH", "STORE", "SEARCH"), f"EXPUNGE during {command}"
            assert 1 <= line.number <= len(self.messages)
            del self.messages[line.number - 1]
        elif line.kind == b"VANISHED":
            assert self.mode == "qresync"
            assert command not in ("FETCH", "STORE", "SEARCH"), f"VANISHED during {command}"
            for uid in expand(line.args[0]):
                del self.messages[self.place_of(uid)]
        elif line.kind == b"FETCH":
            self.take_fetch(line)

    def place_of(self, uid):
        """Where a UID is; of messages it only heard the number of, one that can be it."""
        low = 0
        for i, m in enumerate(self.messages):
            if m.uid == uid:
                return i
            if m.uid and m.uid < uid:
                low = i + 1
        assert self.messages[low].uid is None, f"VANISHED {uid}, which was never there"
        return low

    def take_fetch(self, line):
        assert 1 <= line.number <= len(self.messages), f"FETCH {line.number}"
        m, a = self.messages[line.number - 1], line.attributes()
        if b"UID" in a:
            assert m.uid in (None, a[b"UID"]), f"{line.number} is UID {m.uid}, not {a[b'UID']}"
            m.uid = a[b"UID"]
        if b"FLAGS" in a:
            m.flags = flag_set(a[b"FLAGS"])

    # ---- what is done ----
    def some(self):
        """A sequence set of messages whose UID is known, as (numbers, messages)."""
        known = [i for i, m in enumerate(self.messages, 1) if m.uid]
        numbers = sorted(self.random.sample(known, min(len(known), self.random.randint(1, 5))))
        return numbers, [self.messages[i - 1] for i in numbers]

    def step(self):
        numbers, messages = self.some()
        names = ["append", "noop", "learn"] + (
            ["store", "store", "store", "silent", "fetch", "expunge", "search", "copy", "move",
             "pipeline"] if numbers else [])
        getattr(self, self.random.choice(names))(numbers, messages)

    def run(self, name, command):
        reply = self.c.cmd(command)
        assert reply.status in (b"OK", b"NO"), f"{command}: {reply.line}"
        self.take(reply, name)
        return reply

    def append(self, _numbers, _messages):
        if len(self.messages) < 60:
            flags = " ".join(self.random.sample(FLAGS, 2))
            self.take(self.c.append("INBOX", b"Subject: x\r\n\r\ny\r\n", flags), "APPEND")

    def noop(self, _numbers, _messages):
        self.run("NOOP", "NOOP")

    def learn(self, _numbers, _messages):
        """UIDs of the new ones. Numbers in front of a "*" may tell no EXPUNGE."""
        self.run("FETCH", "FETCH 1:* (UID FLAGS)")

    def store(self, numbers, messages):
        sign = self.random.choice(["+", "-", ""])
        flags = self.random.sample(FLAGS + ["\\Deleted"], self.random.randint(1, 3))
        self.run("STORE", f"STORE {','.join(map(str, numbers))} {sign}FLAGS ({' '.join(flags)})")

    def silent(self, numbers, messages):
        flag = self.random.choice(FLAGS)
        reply = self.c.cmd(f"STORE {','.join(map(str, numbers))} +FLAGS.SILENT ({flag})")
        if reply.ok:
            for m in messages:
                if m.flags is not None:
                    m.flags.add(flag.lower())
        else:
            for m in messages:
                m.flags = None
        self.take(reply, "STORE")

    def fetch(self, numbers, messages):
        self.run("FETCH", f"FETCH {','.join(map(str, numbers))} (UID FLAGS BODY[TEXT])")

    def expunge(self, numbers, messages):
        uids = ",".join(str(m.uid) for m in messages)
        self.run("UID STORE", f"UID STORE {uids} +FLAGS (\\Deleted)")
        self.run("EXPUNGE", self.random.choice(["EXPUNGE", f"UID EXPUNGE {uids}"]))

    def search(self, numbers, messages):
        reply = self.run("SEARCH", "SEARCH ALL")
        assert all(1 <= n <= len(self.messages) for n in reply.search())

    def copy(self, numbers, messages):
        if len(self.messages) < 60:
            self.run("UID COPY", f"UID COPY {messages[0].uid} INBOX")

    def move(self, numbers, messages):
        self.run("MOVE", f"MOVE {numbers[0]} Other")

    def pipeline(self, numbers, messages):
        """Commands with numbers, sent before the answers have come: nothing may shift."""
        wanted = ",".join(map(str, numbers))
        tags = [("FETCH", self.c.start(f"FETCH {wanted} (UID FLAGS)")),
                ("STORE", self.c.start(f"STORE {wanted} +FLAGS (K3)")),
                ("SEARCH", self.c.start(f"SEARCH {wanted}")),
                ("NOOP", self.c.start("NOOP"))]
        uids = [m.uid for m in messages]
        for name, tag in tags:
            if name == "NOOP":
                assert [self.messages[n - 1].uid for n in numbers] == uids
            reply = self.c.finish(tag)
            assert reply.status in (b"OK", b"NO"), f"{name}: {reply.line}"
            self.take(reply, name)


def storm(view, until, failures):
    try:
        while not until.is_set():
            view.step()
    except Exception as e:  # noqa: B902 - whatever it is, the test shows it
        failures.append(f"{view.mode}: {type(e).__name__}: {e}")
        until.set()


@pytest.mark.skipif(not TESTD.exists(), reason="imap-testd is not built")
def test_every_view_ends_true():
    server = LocalServer()
    try:
        first = Imap(server.port)
        first.login("views", "pass")
        first.ok("CREATE Other")
        views = [View(server.port, "views", mode, seed) for seed, mode in
                 enumerate(["plain", "plain", "condstore", "qresync", "qresync", "rev2"])]
        until, failures = threading.Event(), []
        threads = [threading.Thread(target=storm, args=(v, until, failures)) for v in views]
        for t in threads:
            t.start()
        until.wait(SECONDS)
        until.set()
        for t in threads:
            t.join()
        assert not failures, failures
        for v in views:
            v.run("NOOP", "NOOP")
            v.run("NOOP", "NOOP")
        fresh = View(server.port, "views", "plain", 99)
        for v in views:
            told = [(m.uid, m.flags) for m in v.messages]
            truth = [(m.uid, m.flags) for m in fresh.messages]
            assert len(told) == len(truth), f"{v.mode}: {len(told)} messages, there are {len(truth)}"
            for (uid, flags), (true_uid, true_flags) in zip(told, truth):
                assert uid in (None, true_uid), f"{v.mode}: {uid} is {true_uid}"
                assert flags is None or flags == true_flags, f"{v.mode}: UID {true_uid}"
    finally:
        server.close()
