# SPDX-License-Identifier: Apache-2.0
"""A random walk of IMAP commands by eight sessions on three accounts, held against a model.

One session acts at a time; others may be in IDLE. After each command its answer is compared with
what the model (support/imapmodel.py) says is due; the session's view with the model's mailbox:
numbers, UIDs, flags, MODSEQs; the mailboxes it touched with what an observer finds there; and the
views of those in IDLE. Sessions with QRESYNC come back to mailboxes with what they remember, and
must end up with the truth; so must those who only watch, by NOTIFY (imap_walk_watch.py). A seed gives
the same walk each time:

    tests/protocol/test_imap_walk.py --commands 100000 --seed 7
"""
import random
import time

from imap_walk_plans import GROUP, NUMBERS, Entry, Plans, Wrong, flag_set, want
from imap_walk_watch import Watcher
from imapmodel import Account, World
from imapwire import Closed, Imap, expand, quote

DOMAIN = "test.example"
MODES = ["plain", "condstore", "qresync", "qresync", "rev2", "qresync", "plain", "rev2 qresync"]
USERS = ["ann", "ann", "ann", "bert", "bert", "bert", "cleo", "cleo"]
PATIENCE = 20.0


class Session:
    def __init__(self, walk, number):
        self.walk, self.number = walk, number
        self.user = f"{USERS[number]}@{DOMAIN}"
        self.mode = MODES[number]
        self.memory = {}  # mailbox: what a client with QRESYNC remembers of it
        self.c = None
        self.start()

    def start(self):
        self.c = Imap(self.walk.port, timeout=PATIENCE)
        self.c.login(self.user, "pass")
        for word in self.mode.split():
            if word != "plain":
                self.c.ok("ENABLE " + {"rev2": "IMAP4rev2"}.get(word, word.upper()))
        self.is_qresync, self.is_rev2 = "qresync" in self.mode, "rev2" in self.mode
        self.box, self.view, self.is_read_only, self.idle_tag = None, [], False, None
        self.saved, self.highest = set(), 0

    def account(self):
        return self.walk.world.accounts[self.user]

    def rights(self):
        return self.box.rights(self.user)

    def flags(self, m):
        """Those of a message of its mailbox as its user sees them."""
        return self.box.flags(m, self.user)

    def is_dead(self):
        """The server ends it at its next command."""
        return self.box is not None and (self.box.gone or "r" not in self.rights())

    def forget_box(self):
        self.box, self.view, self.saved = None, [], set()

    def remember(self):
        if self.box and self.is_qresync and self.view is not None and not self.box.gone:
            self.memory[self.box.id] = (self.box.validity, self.highest,
                                        [(e.uid, e.flags) for e in self.view])

    # ---- what is told ----
    def take(self, lines, is_tagged=True):
        """Applies untagged answers to the view; the walk's model is already in the new state."""
        highest, told = None, 0
        for line in lines:
            if line.code and bytes(line.code[0]).upper() == b"HIGHESTMODSEQ":
                highest = line.code[1]
            if line.kind == b"EXISTS":
                want(line.number >= len(self.view), "EXISTS went down", line)
                self.view += [Entry() for _ in range(line.number - len(self.view))]
            elif line.kind == b"EXPUNGE":
                want(not self.is_qresync, "EXPUNGE with QRESYNC")
                want(1 <= line.number <= len(self.view), "EXPUNGE of nothing", line)
                del self.view[line.number - 1]
            elif line.kind == b"VANISHED":
                self.take_vanished(line)
            elif line.kind == b"FETCH":
                told = max(told, self.take_fetch(line))
        # RFC 7162 section 6: how a client keeps its HIGHESTMODSEQ.
        if is_tagged:
            self.highest = highest if highest is not None else max(self.highest, told)

    def take_vanished(self, line):
        want(self.is_qresync, "VANISHED without QRESYNC")
        earlier = isinstance(line.args[0], list)
        gone = set(expand(line.args[-1]))
        kept = [e for e in self.view if e.uid not in gone]
        left = len(gone) - (len(self.view) - len(kept))
        if not earlier:
            # Of those it heard only the number of, UIDs are given from the end on.
            for _ in range(left):
                late = [i for i, e in enumerate(kept) if e.uid is None]
                want(late, "VANISHED of what was never there", line)
                del kept[late[0]]
        self.view = kept

    def take_fetch(self, line):
        want(1 <= line.number <= len(self.view), "FETCH of nothing", line)
        e, a = self.view[line.number - 1], line.attributes()
        if b"UID" in a:
            want(e.uid in (None, a[b"UID"]), "UID changed", line, e.uid)
            e.uid = a[b"UID"]
        if b"FLAGS" in a:
            e.flags = flag_set(a[b"FLAGS"])
        return a[b"MODSEQ"][0] if b"MODSEQ" in a else 0

    # ---- view and truth ----
    def name_new(self):
        """Gives the messages it heard only the number of their UIDs: those that came last."""
        blank = [e for e in self.view if e.uid is None]
        if not blank:
            return
        known = max([e.uid for e in self.view if e.uid] or [0])
        fresh = [u for u in self.box.messages if u > known]
        want(len(fresh) >= len(blank), "EXISTS beyond what is there", fresh, len(blank))
        want(all(e.uid is None for e in self.view[-len(blank):]), "new messages are the last")
        for e, uid in zip(blank, fresh):
            e.uid = uid

    def compare(self, tells):
        """all: view and truth are the same. no gone: what left may still be in it."""
        self.name_new()
        uids, there = [e.uid for e in self.view], list(self.box.messages)
        want(uids == sorted(uids), "numbers out of order", uids)
        if tells == "all":
            want(uids == there, "view", uids, "truth", there)
        else:
            last = max(uids or [0])
            want(set(u for u in there if u <= last) <= set(uids), "lost", uids, there)
        for e in self.view:
            m = self.box.messages.get(e.uid)
            if m and tells == "all" and e.flags is not None:
                want(e.flags == self.flags(m), "flags of UID", e.uid, e.flags, "are",
                     self.flags(m))

    def check_fetched(self, lines):
        """Whatever was told of a message is what it is now."""
        for line in lines:
            if line.kind != b"FETCH":
                continue
            e, a = self.view_at(line), line.attributes()
            m = self.box.messages.get(e.uid) if e else None
            if not m:
                continue
            if b"FLAGS" in a:
                want(flag_set(a[b"FLAGS"]) == self.flags(m), "told", line, "it is", self.flags(m))
            if b"MODSEQ" in a:
                self.walk.learn(self.box, m, a[b"MODSEQ"][0])
            if b"RFC822.SIZE" in a:
                want(a[b"RFC822.SIZE"] == m.size, "size", line)
            for item in (b"BODY[]", b"BODY[TEXT]"):
                if item in a:
                    body = m.body if item == b"BODY[]" else m.body.partition(b"\r\n\r\n")[2]
                    want(a[item] == body, "body of UID", e.uid)

    def view_at(self, line):
        uid = line.attributes().get(b"UID")
        if uid:
            return Entry(uid)
        return self.view[line.number - 1] if line.number <= len(self.view) else None


class Walk(Plans):
    def __init__(self, port, seed, quota=None):
        self.port, self.random, self.seed = port, random.Random(seed), seed
        limit = {"cleo": (60_000, 70)}
        self.world = World([Account(f"{u}@{DOMAIN}", *limit.get(u, (None, None)))
                            for u in ("ann", "bert", "cleo")])
        for user, (size, count) in limit.items():
            self.tell(f"XQUOTA {user} {size} {count}")
        self.group(*self.world.accounts)
        self.serial, self.done, self.story = 0, 0, []
        self.sessions = [Session(self, i) for i in range(len(USERS))]
        self.observers = {}
        for user in ("ann", "bert", "cleo"):
            c = self.observers[f"{user}@{DOMAIN}"] = Imap(port, timeout=PATIENCE)
            c.login(f"{user}@{DOMAIN}", "pass")
            c.ok("ENABLE CONDSTORE")
        self.counts = {}
        for account in self.world.accounts.values():
            for box in account.boxes.values():
                self.observe(box)
        self.watchers = [Watcher(port, user, PATIENCE) for user in self.world.accounts]

    def tell(self, command):
        """What an administrator does."""
        c = Imap(self.port, timeout=PATIENCE)
        c.ok(command)
        c.close()

    def group(self, *members):
        self.world.groups[GROUP] = set(members)
        self.tell(f"XGROUP {GROUP} {' '.join(members)}")

    def close(self):
        for c in [p.c for p in self.sessions + self.watchers] + list(self.observers.values()):
            c.close()

    # ---- the truth, looked at ----
    def learn(self, box, m, modseq):
        if m.modseq is None:
            want(modseq > m.floor, "MODSEQ", modseq, "of UID", m.uid, "is not above", m.floor)
            m.modseq = modseq
        want(m.modseq == modseq, "MODSEQ of UID", m.uid, "was", m.modseq, "is", modseq)

    def observe(self, box, one_commit=False):
        """Looks into a mailbox as its owner and compares all of it with the model."""
        c = self.observers[box.account.name]
        r = c.ok(b"EXAMINE " + quote(box.name))
        said = r.codes()
        validity, highest = said[b"UIDVALIDITY"][0], said[b"HIGHESTMODSEQ"][0]
        want(box.validity in (None, validity), "UIDVALIDITY", box.name, box.validity, validity)
        want(said[b"UIDNEXT"][0] == box.next, "UIDNEXT", box.name, said[b"UIDNEXT"], box.next)
        exists = [u.number for u in r.all(b"EXISTS")][0]
        want(exists == len(box.messages), "EXISTS", exists, "of", len(box.messages))
        there = c.ok("UID FETCH 1:* (FLAGS MODSEQ RFC822.SIZE EMAILID)").fetches()
        want(list(there) == list(box.messages), box.name, "UIDs", list(there), list(box.messages))
        fresh = set()
        for uid, a in there.items():
            m = box.messages[uid]
            want(flag_set(a[b"FLAGS"]) == m.flags, "UID", uid, a, "flags", m.flags)
            want(a[b"RFC822.SIZE"] == m.size, "UID", uid, "size", a, m.size)
            email = bytes(a[b"EMAILID"][0])
            want(m.email in (None, email), "EMAILID of UID", uid, m.email, email)
            m.email = email
            if m.modseq is None:
                fresh.add(a[b"MODSEQ"][0])
            self.learn(box, m, a[b"MODSEQ"][0])
            want(m.modseq <= highest, "MODSEQ above HIGHESTMODSEQ")
        want(not one_commit or len(fresh) <= 1, "one commit has several MODSEQs", fresh)
        if box.changed:
            want(highest > box.highest, "HIGHESTMODSEQ stands still", box.name, highest)
        else:
            want(highest == box.highest, "HIGHESTMODSEQ moves by itself", box.name)
        box.validity, box.highest, box.changed = validity, highest, False
        box.account.high = max(box.account.high, highest)

    def observe_changed(self, one_commit):
        for account in self.world.accounts.values():
            changed = [b for b in account.boxes.values() if not b.is_level and
                       (b.changed or b.validity is None)]
            for box in changed:
                self.observe(box, one_commit)
            if self.random.random() < 0.02 and not changed:
                self.observe(self.random.choice([b for b in account.boxes.values()
                                                 if not b.is_level]))

    # ---- one command ----
    def note(self, s, text):
        self.story.append(f"{self.done:6} {s.number} {s.user.partition('@')[0]} {s.mode}: {text}")
        del self.story[:-60]

    def run(self, s, plans):
        """One plan, or several in one write."""
        tags, out = [], b""
        for p in plans:
            s.c.count += 1
            tag = b"w%d" % s.c.count
            tags.append(tag)
            text = p.text if isinstance(p.text, bytes) else p.text.encode()
            parts = text.split(b"{}")
            out += tag + b" " + parts[0]
            for literal, part in zip(p.literals, parts[1:]):
                out += b"{%d+}\r\n" % len(literal) + literal + part
            out += b"\r\n"
            self.note(s, p.text + (f" [{len(p.literals)} literals]" if p.literals else ""))
        s.c.send(out)
        for i, (p, tag) in enumerate(zip(plans, tags)):
            self.done += 1
            self.counts[p.name] = self.counts.get(p.name, 0) + 1
            check = p.act()
            if p.tells == "all" and s.is_dead():  # it took away its own right to read
                self.observe_changed(False)
                self.await_bye(s)
                break
            reply = s.c.finish(tag)
            self.note(s, f"   -> {reply.status.decode()} {reply.code or ''}")
            last = i + 1 == len(plans)
            if last:
                self.observe_changed(len(plans) == 1 and p.name not in ("FETCH",))
            self.finish(s, p, reply, check, plans[i + 1] if not last else None)
        self.settle()

    def finish(self, s, p, reply, check, following):
        lines = reply.untagged + [reply.line]
        tells = p.tells
        if following and tells == "all" and not following.by_uid and (
                following.name in NUMBERS + ("COPY", "MOVE", "REPLACE")):
            tells = "no gone"
        for line in reply.untagged:
            if line.kind in (b"EXPUNGE", b"VANISHED") and not (
                    line.kind == b"VANISHED" and isinstance(line.args[0], list)):
                want(tells not in ("no gone",), f"{line.kind} during {p.text}")
        self.check_items(s, p, reply)
        if s.box and p.tells != "selects":
            s.take(lines)
            s.name_new()
        answer = check(reply)
        got = (reply.status.decode(), bytes(reply.code[0]).decode() if reply.code else None)
        answers = answer if isinstance(answer, list) else [answer]
        want(any(got[0] == status and (code is None or got[1] == code)
                 for status, code in answers), p.text, "answered", got, reply.text, "not", answers)
        if s.box and p.tells != "nothing":
            s.check_fetched(reply.untagged)
            # Between commands the server is free to wait with all but its own.
            s.compare("all" if tells in ("all", "selects") and not following else "no gone")

    @staticmethod
    def check_items(s, p, reply):
        """RFC 7162 section 3.2.4: what nobody asked for has UID and MODSEQ."""
        if "condstore" not in s.mode and "qresync" not in s.mode:
            return
        for line in reply.all(b"FETCH"):
            a = line.attributes()
            if p.name != "FETCH" or (b"FLAGS" in a and "FLAGS" not in p.text):
                want(b"UID" in a and b"MODSEQ" in a, "no UID or MODSEQ", p.text, line)

    # ---- those in IDLE, and those who watch ----
    def settle(self):
        for s in self.sessions:
            if s.idle_tag is None or s.box is None:
                continue
            if s.is_dead():
                self.await_bye(s)
            else:
                self.await_truth(s)
        for watcher in self.watchers:
            watcher.settle(self.world)

    def await_bye(self, s):
        try:
            while s.c.line().kind != b"BYE":
                pass
            while True:
                s.c.line()
        except Closed:
            pass
        self.restart(s)

    def differs(self, s):
        if len(s.view) != len(s.box.messages):
            return True
        return any(e.uid not in (None, uid) or (e.flags is not None and
                                                e.flags != s.flags(s.box.messages[uid]))
                   for e, uid in zip(s.view, s.box.messages))

    def await_truth(self, s):
        end = time.monotonic() + PATIENCE
        while self.differs(s):
            want(time.monotonic() < end, "IDLE did not tell", [e.uid for e in s.view],
                 list(s.box.messages))
            try:
                line = s.c.line()
            except TimeoutError:
                raise Wrong("IDLE did not tell", [(e.uid, e.flags) for e in s.view],
                            [(u, s.flags(m)) for u, m in s.box.messages.items()]) from None
            s.take([line], is_tagged=False)
        s.name_new()

    # ---- ends and beginnings ----
    def restart(self, s):
        s.remember()
        s.c.close()
        s.start()

    def farewell(self, s):
        """The selected mailbox is gone, or one may not read it any more."""
        self.note(s, "NOOP, and the mailbox is gone")
        gone_to_other = self.random.random() < 0.3 and s.box.account.name == s.user
        if gone_to_other:
            self.run(s, [self.plan_select(s)])
            return
        try:
            tag = s.c.start("NOOP")
            while True:
                line = s.c.line()
                want(line.tag != tag, "a session goes on in a mailbox that is gone", line)
        except Closed:
            pass
        self.restart(s)

    # ---- the walk ----
    SELECTED = (["store"] * 16 + ["fetch"] * 8 + ["learn"] * 3 + ["expunge"] * 5 + ["carry"] * 10 +
                ["replace"] * 3 + ["search"] * 6 + ["sort"] * 3 + ["noop"] * 5)
    ANYWHERE = (["append"] * 9 + ["select"] * 6 + ["create"] * 3 + ["delete"] + ["rename"] * 2 +
                ["subscribe"] * 2 + ["acl"] * 7 + ["myrights"] * 2 + ["getacl"] + ["list"] * 2 +
                ["status"] * 3 + ["quota"] + ["switch"] * 3)

    def step(self):
        s = self.random.choice(self.sessions)
        if self.random.random() < 0.004:
            self.regroup()
        if s.idle_tag is not None:
            self.end_idle(s)
            return
        if s.is_dead():
            self.farewell(s)
            return
        chance = self.random.random()
        if s.box and chance < 0.03:
            self.begin_idle(s)
        elif s.box and chance < 0.05:
            self.run(s, [self.plan_leave(s)])
        elif chance < 0.06:
            self.note(s, "leaves without a word")
            self.restart(s)
        elif s.box and chance < 0.16:
            self.pipeline(s)
        else:
            names = self.ANYWHERE + (self.SELECTED if s.box else ["select"] * 15)
            self.run(s, [getattr(self, f"plan_{self.random.choice(names)}")(s)])

    def regroup(self):
        """Somebody joins the group or leaves it; it is never empty, for then it is another one."""
        members = self.random.sample(sorted(self.world.accounts), self.random.randint(1, 3))
        self.story.append(f"{self.done:6} the group is {members}")
        self.group(*members)
        self.settle()

    def pipeline(self, s):
        """Several commands in one write. Numbers are those of the view now, which hold until a
        command may tell of an expunge."""
        plans = []
        for _ in range(self.random.randint(2, 5)):
            name = self.random.choice(["store", "fetch", "search", "noop", "carry", "expunge",
                                       "sort", "append"])
            p = getattr(self, f"plan_{name}")(s)
            plans.append(p)
            if p.name in ("EXPUNGE", "MOVE"):
                break
        plans = [p for p in plans if not (p.name == "SEARCH" and "MODSEQ" in p.text)
                 and not getattr(p, "needs_modseq", False) and "CHANGEDSINCE" not in p.text
                 and "MODSEQ" not in p.text.partition("FETCH")[0]
                 and not ("MODSEQ" in p.text and p.name == "SORT") and "SAVE" not in p.text
                 and "$ " not in p.text]
        # What is told between must not shift a number that a later command was made with.
        for i, p in enumerate(plans[:-1]):
            later = plans[i + 1]
            if p.tells == "all" and later.name not in NUMBERS + ("COPY", "MOVE"):
                plans = plans[:i + 2] if later.by_uid or later.name == "APPEND" else plans[:i + 1]
                break
            if p.tells == "all" and later.by_uid:
                plans = plans[:i + 2]
                break
        if plans:
            self.run(s, plans)

    def begin_idle(self, s):
        self.done += 1
        self.note(s, "IDLE")
        s.idle_tag = s.c.start("IDLE")
        line = s.c.line()
        want(line.tag == b"+", "IDLE", line)
        self.await_truth(s)

    def end_idle(self, s):
        self.note(s, "DONE")
        s.c.send(b"DONE\r\n")
        reply = s.c.finish(s.idle_tag)
        s.idle_tag = None
        want(reply.ok, "DONE", reply.line)
        s.take(reply.untagged + [reply.line])  # some of it may be older than the last change
        s.compare("all")

    def go(self, commands):
        try:
            while self.done < commands:
                self.step()
            for s in self.sessions:
                if s.idle_tag is not None:
                    self.end_idle(s)
            for account in self.world.accounts.values():
                for box in account.boxes.values():
                    if not box.is_level:
                        self.observe(box)
        except (Wrong, Closed, TimeoutError, KeyError, IndexError, ValueError, TypeError) as e:
            story = "\n".join(self.story[-40:])
            raise AssertionError(f"seed {self.seed}, command {self.done}: {type(e).__name__}: {e}\n"
                                 f"{story}") from e
