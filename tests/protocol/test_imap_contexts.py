# SPDX-License-Identifier: Apache-2.0
"""Results kept up to date (RFC 5267): a random walk of changes by two sessions. Each result is held
as a client would hold it, only by ADDTO, REMOVEFROM, EXPUNGE and EXISTS taken word by word, and
compared with a plain model of the mailbox after every step."""
import os
import random

import pytest
import threads
from imapwire import Imap, compress, expand
from test_imap_scripts import TESTD, LocalServer
from threads import date_text, mailbox

SEED = int(os.environ.get("MK_CONTEXT_SEED", "0")) or random.randrange(1 << 30)
ROUNDS = int(os.environ.get("MK_CONTEXT_ROUNDS", "10"))
STEPS = int(os.environ.get("MK_CONTEXT_STEPS", "60"))
FLAGS = ["\\Flagged", "\\Seen", "\\Answered", "blue", "green"]
# A search program and what it means.
PROGRAMS = [
    ("ALL", lambda m, f: True),
    ("FLAGGED", lambda m, f: "\\Flagged" in f),
    ("UNSEEN KEYWORD blue", lambda m, f: "\\Seen" not in f and "blue" in f),
    ("OR FLAGGED NOT KEYWORD green", lambda m, f: "\\Flagged" in f or "green" not in f),
    ("UNDELETED", lambda m, f: "\\Deleted" not in f),
    ("SMALLER 400 UNANSWERED", lambda m, f: len(m.raw) < 400 and "\\Answered" not in f),
    ("BODY e NOT SEEN", lambda m, f: b"e" in body(m) and "\\Seen" not in f),
]
ORDERS = [["DATE"], ["REVERSE", "DATE"], ["SUBJECT"], ["REVERSE", "FROM", "SIZE"],
          ["SUBJECT", "REVERSE", "ARRIVAL"], ["REVERSE", "SUBJECT", "DATE"], ["SIZE"], ["TO", "CC"]]


def body(m):
    return (m.raw.partition(b"\r\n\r\n")[2]).lower()


class Result:
    """What the client believes a search gives, and what it ought to give."""

    def __init__(self, tag, uid, order, program, initial):
        self.tag, self.uid, self.order, self.program = tag, uid, order, program
        self.list = initial

    def take(self, kind, pairs):
        for position, text in zip(pairs[::2], pairs[1::2]):
            items = expand(text)
            if position == 0:
                assert not self.order, "a SORT has positions"
                for x in items:
                    assert (x in self.list) == (kind == b"REMOVEFROM"), (self.tag, kind, x)
                    if kind == b"ADDTO":
                        self.list.append(x)
                    else:
                        self.list.remove(x)
                self.list.sort()
            elif kind == b"ADDTO":
                assert 1 <= position <= len(self.list) + 1 and not set(items) & set(self.list)
                self.list[position - 1:position - 1] = items
            else:
                assert self.list[position - 1:position - 1 + len(items)] == items
                del self.list[position - 1:position - 1 + len(items)]


class Walk:
    def __init__(self, port, rng, qresync):
        self.rng, self.user = rng, f"context{rng.randrange(1 << 40)}"
        self.one, self.two = Imap(port), Imap(port)
        for c in self.one, self.two:
            c.login(self.user, "pass")
        self.messages, self.flags, self.next = {}, {}, 1
        self.results, self.view, self.qresync = {}, [], qresync
        self.append(self.one, rng.choice([0, 1, 5, 40]))
        if qresync:
            self.one.ok("ENABLE QRESYNC")
        self.one.select("INBOX")
        self.two.select("INBOX")
        self.view = sorted(self.messages)

    # ---- what happens ----
    def append(self, client, n):
        for raw, arrival in mailbox(self.rng, n):
            client.ok(f'APPEND INBOX "{date_text(arrival)}" {{}}', raw)
            self.messages[self.next] = threads.Message(self.next, raw, arrival)
            self.messages[self.next].raw = raw
            self.flags[self.next] = set()
            self.next += 1

    def store(self, client):
        known = [u for u in self.messages if u in self.view or client is self.two]
        uids = self.rng.sample(known, min(len(known), self.rng.choice([1, 1, 2, 5, 30])))
        if not uids:
            return None
        flag = self.rng.choice(FLAGS + ["\\Deleted"])
        add, silent = self.rng.random() < 0.6, self.rng.choice(["", ".SILENT"])
        for u in uids:
            (self.flags[u].add if add else self.flags[u].discard)(flag)
        return client.ok(f"UID STORE {compress(uids)} {'+' if add else '-'}FLAGS{silent} ({flag})")

    def expunge(self, client):
        for u in [u for u in self.messages if "\\Deleted" in self.flags[u]]:
            del self.messages[u], self.flags[u]
        return client.ok("EXPUNGE")

    # ---- what the first session is told ----
    def told(self, reply):
        for line in reply.untagged:
            if line.kind == b"EXISTS":
                self.view += [u for u in sorted(self.messages) if u not in self.view][
                    :line.number - len(self.view)]
                assert len(self.view) == line.number
            elif line.kind == b"EXPUNGE":
                self.gone(self.view[line.number - 1], line.number)
            elif line.kind == b"VANISHED":
                for u in expand(line.args[0]):
                    self.gone(u, self.view.index(u) + 1)
            elif line.kind == b"ESEARCH":
                self.esearch(line)
            assert not line.code or line.code[0] != b"NOUPDATE"

    def gone(self, uid, number):
        del self.view[number - 1]
        for r in self.results.values():
            if r.uid:
                assert uid not in r.list, "REMOVEFROM comes before"
            else:
                assert number not in r.list, "REMOVEFROM comes before"
                r.list = [x - (x > number) for x in r.list]

    def esearch(self, line):
        tag = bytes(line.args[0][1])
        r = self.results.get(tag)
        if not r:
            return
        words = line.args[1:]
        assert (words[:1] == [b"UID"]) == r.uid
        words = words[1:] if r.uid else words
        for word, value in zip(words[::2], words[1::2]):
            assert word in (b"ADDTO", b"REMOVEFROM")
            r.take(bytes(word), value)

    # ---- results ----
    def wanted(self, r):
        text, holds = r.program
        having = [m for u, m in sorted(self.messages.items()) if holds(m, self.flags[u])]
        uids = threads.sort(having, r.order) if r.order else [m.uid for m in having]
        return uids if r.uid else [self.view.index(u) + 1 for u in uids]

    def begin(self):
        program, uid = self.rng.choice(PROGRAMS), self.rng.random() < 0.5
        order = self.rng.choice(ORDERS + [None] * 6)
        returns = self.rng.choice(["UPDATE ALL", "UPDATE CONTEXT ALL COUNT", "ALL UPDATE MIN MAX",
                                   "UPDATE (UID BODY.PEEK[] FLAGS) ALL"])
        command = f"SORT RETURN ({returns}) ({' '.join(order)}) UTF-8" if order else \
            f"SEARCH RETURN ({returns})"
        reply = self.one.ok(("UID " if uid else "") + f"{command} {program[0]}")
        if any(u.code and u.code[0] == b"NOUPDATE" for u in reply.untagged):
            assert len(self.results) >= 16
            return
        mine = [u for u in reply.untagged if u.kind == b"ESEARCH" and u.args[0][1] ==
                reply.line.tag][0]
        named = {bytes(k): v for k, v in zip(mine.args, mine.args[1:]) if isinstance(k, bytes)}
        r = Result(bytes(reply.line.tag), uid, order, program,
                   expand(named[b"ALL"]) if b"ALL" in named else [])
        # What is told at this command's end is for those that were there before, and for this one.
        first, rest = reply.untagged.index(mine), reply.untagged
        reply.untagged = rest[:first]
        self.told(reply)
        self.results[r.tag] = r
        reply.untagged = rest[first + 1:]
        self.told(reply)

    def cancel(self):
        tags = self.rng.sample(sorted(self.results), min(len(self.results), 2))
        reply = self.one.ok("CANCELUPDATE " + " ".join(f'"{t.decode()}"' for t in tags))
        for t in tags:
            del self.results[t]
        self.told(reply)

    def step(self):
        what = self.rng.choice(["one", "two", "two", "append", "expunge", "mine", "begin", "cancel"])
        if what == "one" and (reply := self.store(self.one)):
            self.told(reply)
        elif what == "two":
            self.store(self.two)
        elif what == "append":
            self.append(self.two, self.rng.choice([1, 1, 3]))
        elif what == "expunge":
            self.expunge(self.two)
        elif what == "mine":
            self.told(self.expunge(self.one))
        elif what == "begin" or (what == "cancel" and not self.results):
            self.begin()
        elif what == "cancel":
            self.cancel()
        if self.rng.random() < 0.3:
            self.told(self.one.cmd("FETCH 1:* FLAGS"))  # no EXPUNGE may come with this one
        if self.rng.random() < 0.7:
            self.told(self.one.ok("NOOP"))
            self.check()

    def check(self):
        assert self.view == sorted(self.messages)
        for r in self.results.values():
            assert r.list == self.wanted(r), (r.tag, r.uid, r.order, r.program[0])


@pytest.fixture(scope="module")
def port():
    if not TESTD.exists():
        pytest.skip("imap-testd is not built")
    server = LocalServer()
    yield server.port
    server.close()


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_random_walk(port, turn):
    print("seed", SEED + turn)
    walk = Walk(port, random.Random(SEED + turn), turn % 3 == 2)
    for _ in range(STEPS):
        walk.step()
    walk.told(walk.one.ok("NOOP"))
    walk.check()
    walk.one.close()
    walk.two.close()


def test_there_is_a_limit(port):
    """Sixteen results of a session; what one has given up another gets."""
    client = Imap(port)
    client.login("limit", "pass")
    client.select("INBOX")

    def is_refused(command):
        return any(u.code and u.code[0] == b"NOUPDATE" for u in client.ok(command).untagged)

    tags = []
    for i in range(16):
        assert not is_refused("SEARCH RETURN (UPDATE COUNT) FLAGGED"), i
        tags.append(f"t{client.count}")
    assert is_refused("SEARCH RETURN (UPDATE COUNT) FLAGGED")
    assert is_refused("SORT RETURN (UPDATE COUNT) (DATE) UTF-8 FLAGGED")
    client.ok(f'CANCELUPDATE "{tags[3]}" "{tags[7]}"')
    assert not is_refused("SORT RETURN (UPDATE COUNT) (DATE) UTF-8 FLAGGED")
    assert not is_refused("SEARCH RETURN (UPDATE COUNT) FLAGGED")
    assert is_refused("SEARCH RETURN (UPDATE COUNT) FLAGGED")
    client.ok("UNSELECT")
    client.select("INBOX")
    assert not is_refused("SEARCH RETURN (UPDATE COUNT) FLAGGED")
    client.close()


def test_what_comes_is_fetched_first(port):
    """Large messages for two results, read slowly: whole, each before its ADDTO, and no other line
    inside; one that goes meanwhile is told of as gone (RFC 5465 section 7)."""
    one, two = Imap(port), Imap(port)
    for c in one, two:
        c.login("items", "pass")
        c.select("INBOX")
    one.ok("UID SEARCH RETURN (COUNT UPDATE (UID BODY[])) FLAGGED")
    flagged = f"t{one.count}".encode()
    one.ok("SORT RETURN (COUNT UPDATE (UID BODY.PEEK[TEXT])) (REVERSE SIZE) UTF-8 ALL")
    ordered = f"t{one.count}".encode()
    sent = {}
    for uid in range(1, 5):
        sent[uid] = b"Subject: %d\r\n\r\n" % uid + (b"%07d\r\n" % uid) * (100_000 * uid)
        two.append("INBOX", sent[uid], "\\Flagged" if uid % 2 else "")
    two.ok("UID STORE 3 +FLAGS.SILENT (\\Deleted)")
    reply = one.ok("NOOP")
    kinds, seen = [], {flagged: [], ordered: []}
    fetched = {flagged: set(), ordered: set()}
    for u in reply.untagged:
        kinds.append(bytes(u.kind))
        if u.kind == b"FETCH" and (a := u.attributes()).keys() & {b"BODY[]", b"BODY[TEXT]"}:
            uid, whole = a[b"UID"], b"BODY[]" in a
            assert bytes(a[b"BODY[]"]) == sent[uid] if whole else \
                sent[uid].endswith(bytes(a[b"BODY[TEXT]"]))
            fetched[flagged if whole else ordered].add(uid)
            assert b"\\Seen" not in a.get(b"FLAGS", [])
        elif u.kind == b"ESEARCH":
            tag = bytes(u.args[0][1])
            pairs = u.args[-1]
            for numbers in pairs[1::2]:
                for uid in expand(numbers):
                    assert uid in fetched[tag], (tag, uid)
                    seen[tag].append(uid)
    assert kinds[0] == b"EXISTS" and seen[flagged] == [1, 3] and sorted(seen[ordered]) == [1, 2, 3, 4]
    two.ok("EXPUNGE")
    one.ok("NOOP")
    # In IDLE; and the session goes on where a client leaves in the middle of it.
    tag = one.idle()
    two.append("INBOX", sent[4], "\\Flagged")
    while one.wait_untagged(b"ESEARCH", 10).args[0][1] != ordered:
        pass
    assert one.done(tag).ok
    two.append("INBOX", sent[4], "\\Flagged")
    one.idle()
    one.raw_line()
    one.close()
    assert two.ok("FETCH 1 (FLAGS)").fetches()
    two.close()


def test_many_at_once(port):
    """Thousands of messages change, come and go in one telling: several steps, one right result."""
    rng = random.Random(SEED)
    one, two = Imap(port), Imap(port)
    for c in one, two:
        c.login("many", "pass")
    raw = b"Subject: %d\r\n\r\nx\r\n"
    for _ in range(10):
        parts = "".join(f" {{{len(raw % (i % 7))}+}}\r\n" + (raw % (i % 7)).decode()
                        for i in range(600))
        one.ok("APPEND INBOX" + parts)
    one.select("INBOX")
    two.select("INBOX")
    results = {}
    for command in "UID SEARCH RETURN (UPDATE COUNT) FLAGGED", \
            "UID SORT RETURN (UPDATE COUNT) (SUBJECT REVERSE ARRIVAL) UTF-8 FLAGGED", \
            "SEARCH RETURN (UPDATE COUNT) UNFLAGGED":
        reply = one.ok(command)
        order = ["SUBJECT"] if "SORT" in command else None
        results[bytes(reply.line.tag)] = (command, Result(
            reply.line.tag, command.startswith("UID"), order, None,
            [] if "UNF" not in command else list(range(1, 6001))))

    def follow():
        for line in one.ok("NOOP").untagged:
            if line.kind == b"ESEARCH":
                r = results[bytes(line.args[0][1])][1]
                r.take(bytes(line.args[-2]), line.args[-1])
            elif line.kind == b"EXPUNGE":
                for _, r in results.values():
                    if not r.uid:
                        assert line.number not in r.list
                        r.list = [x - (x > line.number) for x in r.list]
        for command, r in results.values():
            fresh = command.replace("UPDATE COUNT", "ALL").replace("RETURN (ALL) ", "")
            got = [x for u in one.ok(fresh).untagged if u.kind in (b"SEARCH", b"SORT")
                   for x in u.args]
            assert r.list == got, command

    some = compress(rng.sample(range(1, 6001), 3000))
    for command in (f"UID STORE {some} +FLAGS.SILENT (\\Flagged)", "UID STORE 1:* +FLAGS.SILENT (\\Flagged)",
                    f"UID STORE {some} -FLAGS.SILENT (\\Flagged)", f"UID STORE {some} +FLAGS.SILENT (\\Deleted)",
                    "UID STORE 1:* +FLAGS.SILENT (\\Flagged)", "EXPUNGE"):
        two.ok(command)
        follow()
    one.close()
    two.close()
