# SPDX-License-Identifier: Apache-2.0
"""The commands of the walk (imap_walk.py): each is made up from what its session can see, and knows
what it does to the model and what its answer must be."""
from imapmodel import ALL, TO_CHANGE, may_set
from imapwire import compress, expand, quote

NAMES = ["INBOX", "A", "A/x", "A/x/deep", "B", "B/y", "Team", "Team/plans", "Old"]
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$K1", "$K2", "$K3"]
WIDE = FLAGS + ["\\Deleted", "$K4", "$K5"]
BOX_MAX = 40  # messages
GROUP = "team@test.example"
NUMBERS = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")  # these tell no EXPUNGE


class Wrong(AssertionError):
    pass


def want(true, *words):
    if not true:
        raise Wrong(" ".join(str(w) for w in words))


def flag_set(values):
    return frozenset(bytes(v).decode().lower() for v in values) - {"\\recent"}


class Entry:
    """A message as a client knows it: what it has not been told is None."""
    __slots__ = ("uid", "flags")

    def __init__(self, uid=None, flags=None):
        self.uid, self.flags = uid, flags


class Plan:
    """A command to come: its text, what it does to the model, and how its answer is checked."""

    def __init__(self, text, act, *literals, tells="all"):
        self.text, self.act, self.literals, self.tells = text, act, literals, tells
        words = text.split()
        self.name = words[1] if words[0] == "UID" else words[0]
        self.by_uid = words[0] == "UID"
        if self.name in NUMBERS and not self.by_uid:
            self.tells = "no gone"


def subject(m):
    return m.body.partition(b"Subject: ")[2].partition(b"\r\n")[0]


class Plans:
    """Part of Walk."""

    # ---- choosing ----
    def shown(self, s, where):
        owner, name = where
        return name if owner == s.user else f"Other Users/{owner}/{name}"

    def name_of(self, s, where):
        return quote(self.shown(s, where)).decode()

    def somewhere(self, s, own=0.6):
        owner = s.user if self.random.random() < own else self.random.choice(
            [u for u in self.world.accounts if u != s.user])
        names = list(self.world.accounts[owner].boxes)
        if self.random.random() < 0.1:
            names = NAMES
        return owner, self.random.choice(names)

    def known(self, s):
        """A mailbox that can be opened, if there is one."""
        for _ in range(6):
            where = self.somewhere(s, 0.4)
            if self.world.open(s.user, where, "r")[0]:
                return where
        return s.user, "INBOX"

    def chosen(self, s, most=5):
        """(set as text, UIDs) by number; and the same by UID."""
        n = len(s.view)
        if not n or self.random.random() < 0.02:
            return (f"{n + 1}", n + 1) if self.random.random() < 0.3 else ("1:*", "all")
        if self.random.random() < 0.15:
            a, b = sorted(self.random.choices(range(1, n + 1), k=2))
            return f"{b}:{a}", [e.uid for e in s.view[a - 1:b]]
        if self.random.random() < 0.1:
            return "*", "last"
        numbers = sorted(self.random.sample(range(1, n + 1), min(n, self.random.randint(1, most))))
        self.random.shuffle(shuffled := list(numbers))
        text = compress(numbers) if self.random.random() < 0.5 else ",".join(map(str, shuffled))
        return text, [s.view[i - 1].uid for i in numbers]

    def chosen_uids(self, s, most=5):
        if not s.view:
            return "1:*", "all"
        if self.random.random() < 0.1:
            a, b = sorted(self.random.choices(range(1, s.box.next + 3), k=2))
            return f"{a}:{b}", (a, b)
        if s.saved and self.random.random() < 0.3:
            return "$", "saved"
        uids = sorted(self.random.sample(list(self.uids(s)),
                                         min(len(s.view), self.random.randint(1, most))))
        text = compress(uids)
        if self.random.random() < 0.1:
            text += f",{s.box.next + 7}"
        return text, uids

    @staticmethod
    def uids(s):
        return [e.uid for e in s.view]

    def resolve(self, s, chosen):
        """UIDs of what was chosen, as the session's view is when the command runs; None: there is
        no message of that number."""
        known = self.uids(s)
        if isinstance(chosen, int):
            return known[chosen - 1:chosen] or None
        if chosen == "all":
            return known
        if chosen == "last":
            return known[-1:]
        if chosen == "saved":
            return [u for u in known if u in s.saved]
        if isinstance(chosen, tuple):
            return [u for u in known if chosen[0] <= u <= chosen[1]]
        return chosen

    def message(self):
        self.serial += 1
        n = self.serial
        size = self.random.randint(1, 40) * 20
        return (f"From: from{n % 7}@one.example\r\nSubject: s{n * 7919 % 100003:06}\r\n"
                f"Message-ID: <{n}@walk.example>\r\n\r\nbody {n}\r\n{'x' * size}\r\n").encode()

    def flags(self, pool, most=3):
        return self.random.sample(pool, self.random.randint(0, most))

    def messages_wanted(self, s):
        return any(len(b.messages) < BOX_MAX for b in s.account().boxes.values())

    # ---- plans: without a mailbox ----
    def simple(self, text, act):
        """A command answered by what act() gives."""
        def run():
            answer = act()
            return lambda reply: answer
        return Plan(text, run)

    def plan_noop(self, s):
        return self.simple(self.random.choice(["NOOP", "NOOP", "CHECK"]) if s.box else "NOOP",
                           lambda: ("OK", None))

    def plan_create(self, s):
        owner = self.somewhere(s, 0.7)[0]
        where = owner, self.random.choice(NAMES)
        return self.simple(f"CREATE {self.name_of(s, where)}",
                           lambda: self.world.create(s.user, where))

    def plan_delete(self, s):
        where = self.somewhere(s, 0.7)

        def act():
            box, _ = self.world.look(s.user, where)
            answer = self.world.delete(s.user, where)
            if answer[0] == "OK" and box is s.box:
                s.forget_box()
            return answer
        return self.simple(f"DELETE {self.name_of(s, where)}", act)

    def plan_rename(self, s):
        old = self.somewhere(s, 0.7)
        new = (old[0] if self.random.random() < 0.9 else s.user), self.random.choice(NAMES)
        return self.simple(f"RENAME {self.name_of(s, old)} {self.name_of(s, new)}",
                           lambda: self.world.rename(s.user, old, new))

    def plan_subscribe(self, s):
        where, wanted = self.somewhere(s, 0.5), self.random.random() < 0.5
        return self.simple(f"{'' if wanted else 'UN'}SUBSCRIBE {self.name_of(s, where)}",
                           lambda: self.world.subscribe(s.user, where, wanted,
                                                        self.shown(s, where)))

    def plan_acl(self, s):
        where = self.somewhere(s, 0.85)
        others = list(self.world.accounts)
        who = self.random.choice(others + ["anyone", GROUP])
        negative = self.random.random() < 0.15
        letters = frozenset(self.random.choice([
            "lrswipkxtea", "lrswipkxte", "lr", "lrs", "lrswite", "lrswit", "li", "r", "lrw", "lrte",
            "lrx", "lrk", "", "".join(self.random.sample("lrswipkxtea", 5))]))
        how = self.random.choice(["", "", "", "+", "-"])
        sign = "-" if negative else ""
        if self.random.random() < 0.25:
            text, how, letters = f"DELETEACL {self.name_of(s, where)} {sign}{who}", "", frozenset()
        else:
            words = how + "".join(sorted(letters))
            text = f'SETACL {self.name_of(s, where)} {sign}{who} "{words}"'
        return self.simple(text, lambda: self.world.set_acl(s.user, where, who, negative, how,
                                                            letters))

    def plan_switch(self, s):
        """Whether readers have a \\Seen of their own."""
        where, is_own = self.somewhere(s, 0.7), self.random.random() < 0.7
        return self.simple(f'SETMETADATA {self.name_of(s, where)} (/shared/vendor/mailkeep/seen '
                           f'"{"own" if is_own else "shared"}")',
                           lambda: self.world.switch(s.user, where, is_own))

    def plan_myrights(self, s):
        where = self.somewhere(s, 0.4)

        def act():
            box, rights = self.world.look(s.user, where)

            def check(reply):
                if not box:
                    return "NO", "NONEXISTENT"
                got = set(bytes(reply.all(b"MYRIGHTS")[0].args[1]).decode()) - set("cd")
                want(got == rights, "MYRIGHTS", got, rights)
                return "OK", None
            return check
        return Plan(f"MYRIGHTS {self.name_of(s, where)}", act)

    def plan_getacl(self, s):
        where = self.somewhere(s, 0.7)

        def act():
            box, refused = self.world.open(s.user, where, "a", level=True)
            acl = dict(box.acl) if box else {}

            def check(reply):
                if refused:
                    return refused
                words = [bytes(x).decode() for x in reply.all(b"ACL")[0].args[1:]]
                got = {k: set(v) - set("cd") for k, v in zip(words[::2], words[1::2])}
                due = {("-" if negative else "") + who: set(v)
                       for (who, negative), v in acl.items()}
                due[box.account.name] = set(ALL)
                want(got == due, "GETACL", got, due)
                return "OK", None
            return check
        return Plan(f"GETACL {self.name_of(s, where)}", act)

    def plan_list(self, s):
        subscribed = self.random.random() < 0.4
        text = f'LIST {"(SUBSCRIBED) " if subscribed else ""}"" *'

        def act():
            account, due = s.account(), set()
            if subscribed:
                due = {n for n, b in account.boxes.items() if b.subscribed} | account.orphans
            else:
                due = {n for n, b in account.boxes.items() if not b.is_level}
                for other in self.world.accounts.values():
                    due |= {f"Other Users/{other.name}/{n}" for n, b in other.boxes.items()
                            if other is not account and not b.is_level and
                            {"l", "r"} <= b.rights(s.user)}

            def check(reply):
                lines = reply.all(b"LIST")
                names = [bytes(u.args[2]).decode() for u in lines
                         if subscribed or b"\\Noselect" not in u.args[0]]
                want(len(names) == len(set(names)), "named twice", names)
                want(set(names) == due, text, sorted(names), sorted(due))
                everything = [bytes(u.args[2]).decode() for u in lines]
                for u in lines if not subscribed else []:
                    name = bytes(u.args[2]).decode()
                    below = any(n.startswith(name + "/") for n in everything)
                    want((b"\\HasChildren" in u.args[0]) == below, "children of", name, u.args)
                return "OK", None
            return check
        return Plan(text, act)

    def plan_status(self, s):
        where = self.somewhere(s, 0.5)

        def act():
            box, refused = self.world.open(s.user, where, "r")
            due = box and {
                b"MESSAGES": len(box.messages), b"UIDNEXT": box.next,
                b"UNSEEN": sum("\\seen" not in box.flags(m, s.user)
                               for m in box.messages.values()),
                b"DELETED": sum("\\deleted" in m.flags for m in box.messages.values()),
                b"SIZE": sum(m.size for m in box.messages.values())}

            def check(reply):
                if refused:
                    return refused
                words = reply.all(b"STATUS")[0].args[1]
                got = dict(zip(map(bytes, words[::2]), words[1::2]))
                for key, value in due.items():
                    want(got[key] == value, "STATUS", where, got, due)
                want(got[b"HIGHESTMODSEQ"] == box.highest, "STATUS HIGHESTMODSEQ", got)
                return "OK", None
            return check
        return Plan(f"STATUS {self.name_of(s, where)} (MESSAGES UIDNEXT UNSEEN DELETED SIZE "
                    "HIGHESTMODSEQ)", act)

    def plan_quota(self, s):
        def act():
            size, count = s.account().used()

            def check(reply):
                limits = s.account().messages_max
                for u in reply.all(b"QUOTA") if limits is not None else []:
                    words = u.args[1]
                    got = {bytes(words[i]): words[i + 1] for i in range(0, len(words), 3)}
                    want(got[b"MESSAGE"] == count, "quota", got, count)
                    want(got[b"STORAGE"] == (size + 1023) // 1024, "quota", got, size)
                want(limits is None or reply.all(b"QUOTA"), "no quota")
                return "OK", None
            return check
        return Plan("GETQUOTAROOT INBOX", act)

    def plan_append(self, s):
        where = self.known(s) if self.random.random() < 0.7 else self.somewhere(s, 0.5)
        items = [(self.flags(WIDE), self.message())
                 for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        text = f"APPEND {self.name_of(s, where)}"
        for flags, _ in items:
            text += (f" ({' '.join(flags)})" if flags else "") + " {}"

        def act():
            answer, made = self.world.append(
                s.user, where, [({f.lower() for f in flags}, b) for flags, b in items])
            box = self.world.look(s.user, where)[0]

            def check(reply):
                if answer[0] == "OK":
                    want(reply.code[1] == box.validity or box.validity is None, "APPENDUID")
                    want(expand(reply.code[2]) == [m.uid for m in made], "APPENDUID", reply.code)
                return answer
            return check
        return Plan(text, act, *[b for _, b in items])

    # ---- plans: selecting ----
    def plan_select(self, s):
        where = self.known(s) if self.random.random() < 0.9 else self.somewhere(s, 0.5)
        word = self.random.choice(["SELECT", "SELECT", "SELECT", "EXAMINE"])
        text, old = f"{word} {self.name_of(s, where)}", None
        asked, matched = None, ""
        box, _ = self.world.open(s.user, where, "r")
        if box and s.is_qresync and box.id == getattr(s.box, "id", None):
            s.remember()
        if box and box.id in s.memory and self.random.random() < 0.9:
            old = s.memory[box.id]
            known = [u for u, _ in old[2]]
            if known and self.random.random() < 0.4:
                asked = " " + compress(known)
                if self.random.random() < 0.6:
                    at = sorted(self.random.sample(range(len(known)),
                                                   min(len(known), self.random.randint(1, 6))))
                    matched = (f" ({','.join(str(i + 1) for i in at)} "
                               f"{','.join(str(known[i]) for i in at)})")
            text += f" (QRESYNC ({old[0]} {old[1]}{asked or ''}{matched}))"

        def act():
            s.remember()
            s.forget_box()
            box, refused = self.world.open(s.user, where, "r")

            def check(reply):
                if refused:
                    return refused
                s.box = box
                s.is_read_only = word == "EXAMINE" or not box.rights(s.user) & TO_CHANGE
                self.select_taken(s, reply, old if old and old[0] == box.validity else None,
                                  asked is not None)
                return "OK", "READ-ONLY" if s.is_read_only else "READ-WRITE"
            return check
        return Plan(text, act, tells="selects")

    def select_taken(self, s, reply, old, is_asked):
        """What a client has after SELECT: what it remembers, and what it is told."""
        exists = [u.number for u in reply.all(b"EXISTS")][0]
        codes = {}
        for u in reply.untagged:
            if u.code and len(u.code) > 1:
                codes.setdefault(bytes(u.code[0]).upper(), u.code[1])
        want(codes[b"UIDVALIDITY"] == s.box.validity, "UIDVALIDITY")
        want(exists == len(s.box.messages), "EXISTS", exists, len(s.box.messages))
        want(codes[b"UIDNEXT"] == s.box.next, "UIDNEXT")
        s.highest = codes[b"HIGHESTMODSEQ"]
        want(s.highest == s.box.highest, "HIGHESTMODSEQ", s.highest, s.box.highest)
        if old is None:
            s.view = [Entry() for _ in range(exists)]
            s.name_new()
            for u in reply.untagged:
                want(u.kind not in (b"VANISHED", b"FETCH"), "unasked", u)
            return
        view = {uid: flags for uid, flags in old[2]}
        for u in reply.all(b"VANISHED"):
            want(isinstance(u.args[0], list), "VANISHED without EARLIER")
            for uid in expand(u.args[1]):
                view.pop(uid, None)
                want(uid not in s.box.messages, "VANISHED, and is there:", uid)
        there = list(s.box.messages)
        for u in reply.all(b"FETCH"):
            a = u.attributes()
            want(a[b"UID"] == there[u.number - 1], "number", u.number, "is", there[u.number - 1])
            view[a[b"UID"]] = flag_set(a[b"FLAGS"])
        if is_asked:  # of others it is told by EXISTS alone
            for uid in there:
                view.setdefault(uid, None)
        s.view = [Entry(uid, flags) for uid, flags in sorted(view.items())]
        want([e.uid for e in s.view] == there, "after QRESYNC from", old[1], [e.uid for e in s.view],
             "truth", there)
        for e in s.view:
            want(e.flags is None or e.flags == s.flags(s.box.messages[e.uid]),
                 "after QRESYNC from", old[1], "UID", e.uid, e.flags,
                 s.flags(s.box.messages[e.uid]),
                 s.box.messages[e.uid].modseq)

    def plan_leave(self, s):
        word = self.random.choice(["CLOSE", "UNSELECT"])

        def act():
            s.remember()
            if word == "CLOSE" and not s.is_read_only and "e" in s.rights():
                self.world.expunge(s.box)
            s.forget_box()
            return lambda reply: ("OK", None)
        return Plan(word, act, tells="nothing")

    # ---- plans: with a mailbox ----
    def plan_learn(self, s):
        """What a client asks when it has a mailbox open: all flags."""
        return self.plan_fetch(s, "1:*", "all", "UID FLAGS")

    def plan_fetch(self, s, text=None, chosen=None, items=None):
        by_uid = text is None and self.random.random() < 0.5
        if text is None:
            text, chosen = self.chosen_uids(s) if by_uid else self.chosen(s)
        items = items or self.random.choice(
            ["FLAGS", "UID FLAGS", "UID MODSEQ", "UID BODY[]", "BODY[TEXT]", "UID FLAGS RFC822.SIZE",
             "UID BODY.PEEK[]"])
        since, gone = None, ""
        if self.random.random() < 0.15:
            since = self.random.randint(1, max(2, s.box.account.high))
            if by_uid and s.is_qresync:
                gone = " VANISHED"
        command = f"{'UID ' if by_uid else ''}FETCH {text} ({items})"
        command += f" (CHANGEDSINCE {since}{gone})" if since else ""

        def act():
            uids = self.resolve(s, chosen)
            if uids is None:
                return lambda reply: ("BAD", None)
            messages = [s.box.messages[u] for u in uids if u in s.box.messages]
            wanted = [m for m in messages if not since or m.modseq is None or m.modseq > since]
            if "BODY[" in items and not s.is_read_only and "s" in s.rights():
                for m in wanted:
                    s.box.set_flags(m, s.user, s.flags(m) | {"\\seen"})

            def check(reply):
                got = {s.view[u.number - 1].uid for u in reply.all(b"FETCH")
                       if u.number <= len(s.view)}
                if not any(u.kind in (b"EXPUNGE", b"VANISHED") for u in reply.untagged):
                    want({m.uid for m in wanted} <= got, command, "left out", got,
                         [m.uid for m in wanted])
                for u in reply.all(b"VANISHED"):
                    for uid in expand(u.args[-1]):
                        want(uid not in s.box.messages, "VANISHED, and is there:", uid)
                missing = len(messages) < len(uids)
                if missing and not by_uid:
                    return [("NO", "EXPUNGEISSUED")] + ([("OK", None)] if since else [])
                return "OK", None
            return check
        return Plan(command, act)

    def plan_store(self, s):
        by_uid = self.random.random() < 0.5
        text, chosen = self.chosen_uids(s) if by_uid else self.chosen(s)
        how = self.random.choice(["+", "+", "-", ""])
        flags = self.flags(WIDE)
        silent = self.random.random() < 0.4
        since = None
        if self.random.random() < 0.3:
            seqs = [m.modseq for m in s.box.messages.values() if m.modseq]
            since = self.random.choice(seqs + [s.box.highest, 0, s.highest]) if seqs else 0
        condition = f" (UNCHANGEDSINCE {since})" if since is not None else ""
        command = (f"{'UID ' if by_uid else ''}STORE {text}{condition} {how}FLAGS"
                   f"{'.SILENT' if silent else ''} ({' '.join(flags)})")

        def act():
            if s.is_read_only:
                return lambda reply: ("NO", "READ-ONLY")
            uids = self.resolve(s, chosen)
            if uids is None:
                return lambda reply: ("BAD", None)
            if since is not None and any(s.box.messages[u].modseq is None for u in uids
                                         if u in s.box.messages):
                self.observe(s.box)  # of a command before it in the same write
            answer, refused = self.world.store(s.user, s.box, uids, how,
                                               {f.lower() for f in flags}, since)

            def check(reply):
                return self.store_check(s, reply, answer, refused, uids, by_uid, silent)
            return check
        plan = Plan(command, act)
        plan.needs_modseq = since is not None
        return plan

    def store_check(self, s, reply, answer, refused, uids, by_uid, silent):
        if answer[0] != "OK":
            return answer
        present = [u for u in uids if u in s.box.messages and u not in refused]
        if silent:  # the client knows what it asked for
            for e in s.view:
                if e.uid in present:
                    e.flags = s.flags(s.box.messages[e.uid])
        if refused:
            numbers = {e.uid: n for n, e in enumerate(s.view, 1)}
            due = sorted(refused if by_uid else [numbers[u] for u in refused if u in numbers])
            shifted = any(u.kind in (b"EXPUNGE", b"VANISHED") for u in reply.untagged)
            want(reply.code and bytes(reply.code[0]) == b"MODIFIED", "no MODIFIED", reply.line)
            if by_uid or not shifted:
                want(expand(reply.code[1]) == due, "MODIFIED", reply.code, due)
            return "OK", "MODIFIED"
        if not silent and not any(u.kind in (b"EXPUNGE", b"VANISHED") for u in reply.untagged):
            got = {s.view[u.number - 1].uid for u in reply.all(b"FETCH")}
            want(set(present) <= got, "STORE says nothing of", set(present) - got)
        if not by_uid and len(present) < len(uids):
            return [("NO", "EXPUNGEISSUED")] + ([("OK", None)] if silent else [])
        return "OK", None

    def plan_expunge(self, s):
        by_uid = self.random.random() < 0.5
        text, chosen = self.chosen_uids(s, 12) if by_uid else ("", None)

        def act():
            if s.is_read_only:
                answer = "NO", "READ-ONLY"
            elif "e" not in s.rights():
                answer = "NO", "NOPERM"
            else:
                self.world.expunge(s.box, self.resolve(s, chosen))
                answer = "OK", None
            return lambda reply: answer
        return Plan(f"UID EXPUNGE {text}" if by_uid else "EXPUNGE", act)

    def plan_carry(self, s):
        move, by_uid = self.random.random() < 0.5, self.random.random() < 0.5
        text, chosen = self.chosen_uids(s) if by_uid else self.chosen(s)
        where = self.known(s) if self.random.random() < 0.8 else self.somewhere(s, 0.5)
        target, _ = self.world.look(s.user, where)
        if target and len(target.messages) > BOX_MAX and not move:
            return self.plan_noop(s)
        command = (f"{'UID ' if by_uid else ''}{'MOVE' if move else 'COPY'} {text} "
                   f"{self.name_of(s, where)}")

        def act():
            if move and s.is_read_only:
                return lambda reply: ("NO", "READ-ONLY")
            if move and not {"t", "e"} <= s.rights():
                return lambda reply: ("NO", "NOPERM")
            uids = self.resolve(s, chosen)
            if uids is None:
                return lambda reply: ("BAD", None)
            answer, pairs, to = self.world.carry(s.user, s.box, uids, where, move)

            def check(reply):
                if answer[0] == "OK" and pairs:
                    code = reply.codes()[b"COPYUID"]
                    want(code[0] == to.validity or to.validity is None, "COPYUID validity")
                    got = list(zip(expand(code[1]), expand(code[2])))
                    want(got == pairs, "COPYUID", got, pairs)
                elif answer[0] == "OK":
                    want(b"COPYUID" not in reply.codes(), "COPYUID of nothing")
                return answer
            return check
        return Plan(command, act)

    def plan_replace(self, s):
        by_uid = self.random.random() < 0.5
        if not s.view:
            return self.plan_noop(s)
        number = self.random.randint(1, len(s.view))
        uid = s.view[number - 1].uid
        where = self.known(s)
        flags, body = self.flags(WIDE), self.message()
        command = (f"{'UID ' if by_uid else ''}REPLACE {uid if by_uid else number} "
                   f"{self.name_of(s, where)} ({' '.join(flags)}) {{}}")

        def act():
            if s.is_read_only:
                return lambda reply: ("NO", "READ-ONLY")
            if not {"t", "e"} <= s.rights():
                return lambda reply: ("NO", "NOPERM")
            to, refused = self.world.open(s.user, where, "i", missing="TRYCREATE")
            if refused:
                return lambda reply: refused
            if to.account is not s.box.account:
                return lambda reply: ("NO", "CANNOT")
            old = s.box.messages.get(uid)
            if not old:
                return lambda reply: ("NO", None)
            if not to.account.has_room(len(body) - old.size, 0):
                return lambda reply: ("NO", "OVERQUOTA")
            rights = to.rights(s.user)
            made = to.add(s.user, {f.lower() for f in flags if may_set(f.lower(), rights)}, body)
            s.box.remove(uid)

            def check(reply):
                code = reply.codes()[b"APPENDUID"]
                want(code[1] == made.uid, "APPENDUID", code, made.uid)
                return "OK", None
            return check
        return Plan(command, act, body)

    # ---- SEARCH and SORT ----
    def key(self, s, depth=0):
        """(text, test of (number, message))."""
        r = self.random
        kind = r.choice(["ALL", "flag", "flag", "unflag", "keyword", "unkeyword", "uid", "seq",
                         "larger", "modseq", "subject", "not", "or", "and"])
        if kind in ("not", "or", "and") and depth < 2:
            a, fa = self.key(s, depth + 1)
            if kind == "not":
                return f"NOT {a}", lambda n, m: not fa(n, m)
            b, fb = self.key(s, depth + 1)
            if kind == "or":
                return f"OR {a} {b}", lambda n, m: fa(n, m) or fb(n, m)
            return f"({a} {b})", lambda n, m: fa(n, m) and fb(n, m)
        if kind in ("flag", "unflag"):
            word = r.choice(["SEEN", "FLAGGED", "DELETED", "ANSWERED", "DRAFT"])
            flag = "\\" + word.lower()
            if kind == "flag":
                return word, lambda n, m: flag in s.flags(m)
            return "UN" + word, lambda n, m: flag not in s.flags(m)
        if kind in ("keyword", "unkeyword"):
            word = r.choice(["$K1", "$k2", "$K3", "$never"])
            if kind == "keyword":
                return f"KEYWORD {word}", lambda n, m: word.lower() in m.flags
            return f"UNKEYWORD {word}", lambda n, m: word.lower() not in m.flags
        if kind == "uid" and s.view:
            uids = set(r.sample(self.uids(s), min(len(s.view), 8)))
            return f"UID {compress(uids)}", lambda n, m: m.uid in uids
        if kind == "seq" and s.view:
            a, b = sorted(r.choices(range(1, len(s.view) + 1), k=2))
            return f"{a}:{b}", lambda n, m: a <= n <= b
        if kind == "larger":
            size = r.randint(100, 900)
            return f"LARGER {size}", lambda n, m: m.size > size
        if kind == "modseq":
            least = r.randint(1, max(2, s.box.highest))
            return f"MODSEQ {least}", lambda n, m: m.modseq >= least
        if kind == "subject":
            digit = str(r.randint(0, 9)) * 2
            return f"SUBJECT {digit}", lambda n, m: digit.encode() in subject(m)
        return "ALL", lambda n, m: True

    def found(self, s, test):
        """What is there of the view: [(number, message)] that match."""
        messages = [(n, s.box.messages.get(e.uid)) for n, e in enumerate(s.view, 1)]
        return [(n, m) for n, m in messages if m and test(n, m)]

    def plan_search(self, s):
        by_uid, how = self.random.random() < 0.5, self.random.random()
        text, test = self.key(s)
        back = "RETURN (MIN MAX COUNT ALL) " if how < 0.3 else "RETURN (SAVE) " if how < 0.4 else ""
        command = f"{'UID ' if by_uid else ''}SEARCH {back}{text}"

        def act():
            found = self.found(s, test)
            due = [m.uid if by_uid else n for n, m in found]
            if "SAVE" in back:
                s.saved = {m.uid for _, m in found}

            def check(reply):
                want("SAVE" in back or sorted(reply.search()) == due, command, reply.search(), due)
                for u in reply.all(b"ESEARCH") if "MIN" in back else []:
                    words = [w for w in u.args if not isinstance(w, list)]
                    got = dict((bytes(k), v) for k, v in zip(words, words[1:])
                               if isinstance(k, bytes))
                    want(got[b"COUNT"] == len(due), command, u)
                    if due:
                        want((got[b"MIN"], got[b"MAX"]) == (due[0], due[-1]), command, u)
                return "OK", None
            return check
        return Plan(command, act)

    def plan_sort(self, s):
        by_uid = self.random.random() < 0.5
        text, test = self.key(s)
        order, key = self.random.choice([
            ("SUBJECT", lambda n, m: (subject(m), n)), ("SIZE", lambda n, m: (m.size, n)),
            ("REVERSE SIZE", lambda n, m: (-m.size, n)),
            ("SIZE SUBJECT", lambda n, m: (m.size, subject(m), n))])
        command = f"{'UID ' if by_uid else ''}SORT ({order}) UTF-8 {text}"

        def act():
            found = sorted(self.found(s, test), key=lambda pair: key(*pair))
            due = [m.uid if by_uid else n for n, m in found]

            def check(reply):
                got = [x for u in reply.all(b"SORT") for x in u.args if isinstance(x, int)]
                want(got == due, command, got, due)
                return "OK", None
            return check
        return Plan(command, act)
