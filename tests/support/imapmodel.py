# SPDX-License-Identifier: Apache-2.0
"""What a mail server must hold, in plain Python: accounts, mailboxes, messages, rights, quota.

Each operation is what the RFCs and docs/protocol/imap.md say a command does, and gives the answer
that is due as (status, code); it knows nothing of how the server does it. MODSEQs are not foreseen
but learned: a change makes a message's unknown, and what is heard first must be higher than all
that its account had shown before.
"""
ALL = frozenset("lrswipkxtea")
KNOWN = frozenset("lrikxa")  # each lets somebody know of a mailbox
TO_CHANGE = frozenset("swite")
SYSTEM = {"\\seen": "s", "\\deleted": "t", "\\answered": "w", "\\flagged": "w", "\\draft": "w"}


def may_set(flag, rights):
    return SYSTEM.get(flag, "w") in rights


class Message:
    """`flags` are the owner's. Where readers have a \\Seen of their own, `readers` has those who
    changed theirs, and `start` is that of all others."""
    __slots__ = ("uid", "flags", "modseq", "floor", "body", "size", "email", "start", "readers")

    def __init__(self, uid, flags, body, floor):
        self.uid, self.flags, self.body, self.size = uid, frozenset(flags), body, len(body)
        self.modseq, self.floor, self.email = None, floor, None
        self.start, self.readers = False, {}

    def restart(self):
        """A \\Seen of each reader's own begins with what is \\Seen, and is everybody's at its end."""
        self.start, self.readers = "\\seen" in self.flags, {}


class Box:
    count = 0

    def __init__(self, account, name, acl=()):
        Box.count += 1
        self.id, self.account, self.name = Box.count, account, name
        self.messages, self.next, self.validity, self.highest = {}, 1, None, 0
        self.acl = dict(acl)  # (who, negative) -> letters
        self.is_level = self.subscribed = self.gone = self.is_own = False
        self.changed = True  # since it was looked at

    def rights(self, user):
        if user == self.account.name:
            return ALL
        given, taken = set(), set()
        for (who, negative), letters in self.acl.items():
            if who in (user, "anyone") or user in self.account.groups.get(who, ()):
                (taken if negative else given).update(letters)
        return frozenset(given - taken)

    def touch(self, message):
        message.modseq, message.floor = None, self.account.high
        self.changed = True

    def has_own(self, user):
        """Has somebody a \\Seen of their own here?"""
        return self.is_own and user != self.account.name

    def flags(self, m, user):
        """A message's flags as somebody sees them."""
        if not self.has_own(user):
            return m.flags
        seen = {"\\seen"} if m.readers.get(user, m.start) else set()
        return (m.flags - {"\\seen"}) | seen

    def set_flags(self, m, user, flags):
        if flags == self.flags(m, user):
            return
        if self.has_own(user):
            m.readers[user] = "\\seen" in flags
            flags = (flags - {"\\seen"}) | (m.flags & {"\\seen"})
        m.flags = frozenset(flags)
        self.touch(m)

    def switch(self, is_own):
        """Readers have a \\Seen of their own from now on, or no more."""
        if is_own == self.is_own:
            return
        self.is_own = is_own
        for m in self.messages.values():
            m.restart()
            if not is_own:
                self.touch(m)

    def add(self, user, flags, body):
        """What somebody brings with \\Seen they alone have seen."""
        m = Message(self.next, (), body, self.account.high)
        self.messages[self.next] = m
        self.next += 1
        self.changed = True
        self.set_flags(m, user, frozenset(flags))
        return m

    def remove(self, uid):
        self.changed = True
        del self.messages[uid]


class Account:
    def __init__(self, name, bytes_max=None, messages_max=None):
        self.name, self.bytes_max, self.messages_max = name, bytes_max, messages_max
        self.boxes, self.orphans, self.high, self.groups = {}, set(), 0, {}
        self.boxes["INBOX"] = Box(self, "INBOX")
        self.boxes["INBOX"].subscribed = True

    def used(self):
        placed = [m for b in self.boxes.values() for m in b.messages.values()]
        return sum(m.size for m in placed), len(placed)

    def has_room(self, size, count):
        if self.messages_max is None:
            return True
        held, number = self.used()
        return held + size <= self.bytes_max and number + count <= self.messages_max

    def children(self, name):
        return [b for n, b in self.boxes.items() if n.startswith(name + "/")]

    def above(self, name):
        """The nearest mailbox above a name."""
        while "/" in name:
            name = name.rpartition("/")[0]
            if name in self.boxes:
                return self.boxes[name]
        return None

    def make(self, name):
        near = self.above(name)
        acl = dict(near.acl) if near else {}
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            level = "/".join(parts[:i])
            old = self.boxes.get(level)
            if old and not (level == name and old.is_level):
                continue
            box = self.boxes[level] = Box(self, level, acl)
            box.subscribed = level in self.orphans or bool(old and old.subscribed)
            box.is_own = bool(near and near.is_own)
            self.orphans.discard(level)
        return self.boxes[name]


OK = ("OK", None)


def no(code):
    return ("NO", code)


class World:
    def __init__(self, accounts):
        self.accounts = {a.name: a for a in accounts}
        self.groups = {}  # address: who is in it
        for a in accounts:
            a.groups = self.groups

    def look(self, user, where):
        """(box or None, rights) of (owner, name) as the user may know it."""
        owner, name = where
        box = self.accounts[owner].boxes.get(name)
        rights = box.rights(user) if box else (ALL if owner == user else frozenset())
        return (box, rights) if box and rights & KNOWN else (None, frozenset())

    def open(self, user, where, needs, level=False, missing="NONEXISTENT"):
        """(box, answer): the answer is None when the user may."""
        box, rights = self.look(user, where)
        if not box or (box.is_level and not level):
            return None, no(missing)
        return (box, None) if set(needs) <= rights else (None, no("NOPERM"))

    def new_place(self, user, where):
        owner, name = where
        if owner == user:
            return None
        above = self.accounts[owner].above(name)
        rights = above.rights(user) if above else frozenset()
        return None if "k" in rights else no("NOPERM" if rights & KNOWN else "NONEXISTENT")

    # ---- mailboxes ----
    def create(self, user, where):
        refused = self.new_place(user, where)
        if refused:
            return refused
        account, name = self.accounts[where[0]], where[1]
        if name in account.boxes and not account.boxes[name].is_level:
            return no("ALREADYEXISTS")
        account.make(name)
        return OK

    def delete(self, user, where):
        box, refused = self.open(user, where, "x", level=True)
        if refused:
            return refused
        if box.name == "INBOX":
            return no("CANNOT")
        account, below = box.account, box.account.children(box.name)
        if below and box.is_level:
            return no("HASCHILDREN")
        box.gone = True
        del account.boxes[box.name]
        if below:
            level = account.boxes[box.name] = Box(account, box.name)
            level.is_level, level.subscribed = True, box.subscribed
        elif box.subscribed:
            account.orphans.add(box.name)
        box.messages = {}
        return OK

    def rename(self, user, old, new):
        box, refused = self.open(user, old, "x", level=True)
        refused = refused or self.new_place(user, new)
        if refused:
            return refused
        if old[0] != new[0]:
            return no("CANNOT")
        account, name, to = box.account, old[1], new[1]
        if to in account.boxes:
            return no("ALREADYEXISTS")
        if name == "INBOX":
            there = account.make(to)
            there.is_own |= box.is_own  # its annotations are on both
            for m in list(box.messages.values()):
                self.place(user, m, box, there)
                box.remove(m.uid)
            return OK
        if to.startswith(name + "/"):
            return no("CANNOT")
        parent = to.rpartition("/")[0]
        if parent and parent not in account.boxes:
            account.make(parent)
        for b in [box] + account.children(name):
            del account.boxes[b.name]
            b.name = to + b.name[len(name):]
            account.boxes[b.name] = b
            if b.name in account.orphans:
                account.orphans.discard(b.name)
                b.subscribed = True
        return OK

    def subscribe(self, user, where, wanted, shown):
        account = self.accounts[user]
        box, rights = self.look(user, where)
        if where[0] == user and box:
            box.subscribed = wanted
        elif where[0] != user and wanted and box and "l" in rights:
            account.orphans.add(shown)
        elif wanted:
            return no("NONEXISTENT")
        else:
            account.orphans.discard(shown)
        return OK

    def set_acl(self, user, where, who, negative, how, letters):
        box, refused = self.open(user, where, "a")
        if refused:
            return refused
        if who == box.account.name:
            return no("CANNOT")
        now = set(box.acl.get((who, negative), ()))
        now = now | letters if how == "+" else now - letters if how == "-" else set(letters)
        if now:
            box.acl[who, negative] = frozenset(now)
        else:
            box.acl.pop((who, negative), None)
        return OK

    def switch(self, user, where, is_own):
        """An entry of everybody's takes l and w, this one a, too (RFC 5464 section 3.3)."""
        box, refused = self.open(user, where, "lwa", level=True)
        if not refused:
            box.switch(is_own)
        return refused or OK

    # ---- messages ----
    @staticmethod
    def place(user, m, box, to, rights=ALL):
        """A message from `box` comes to `to`: with the \\Seen of who carries it, and within an
        account with the owner's and its EMAILID."""
        within = box.account is to.account
        flags = {f for f in box.flags(m, user) if may_set(f, rights)}
        if within and to.has_own(user):
            there = to.add(to.account.name, {f for f in m.flags if may_set(f, rights)}, m.body)
            there.readers[user] = "\\seen" in flags
        else:
            there = to.add(user, flags, m.body)
        there.email = m.email if within else None
        return there

    def append(self, user, where, items):
        """(answer, new messages); items are (flags, body)."""
        box, refused = self.open(user, where, "i", missing="TRYCREATE")
        if refused:
            return refused, []
        if not box.account.has_room(sum(len(b) for _, b in items), len(items)):
            return no("OVERQUOTA"), []
        rights = box.rights(user)
        return OK, [box.add(user, {f for f in flags if may_set(f, rights)}, body)
                    for flags, body in items]

    def carry(self, user, box, uids, where, move):
        """COPY and MOVE: (answer, [(from uid, to uid)], target)."""
        to, refused = self.open(user, where, "i", missing="TRYCREATE")
        if refused:
            return refused, [], None
        messages = [box.messages[u] for u in sorted(uids) if u in box.messages]
        across = to.account is not box.account
        if (across or not move) and messages and not to.account.has_room(
                sum(m.size for m in messages), len(messages)):
            return no("OVERQUOTA"), [], None
        rights, pairs = to.rights(user), []
        for m in messages:
            there = self.place(user, m, box, to, rights)
            pairs.append((m.uid, there.uid))
            if move:
                box.remove(m.uid)
        return OK, pairs, to

    def store(self, user, box, uids, how, flags, since):
        """(answer, uids whose change was refused); None instead when no right is there."""
        rights = box.rights(user)
        allowed = {f for f in flags if may_set(f, rights)}
        some = bool(rights & set("stw")) if how == "" else bool(allowed) or not flags
        if uids and not some:
            return no("NOPERM"), []
        refused = []
        for uid in sorted(uids):
            m = box.messages.get(uid)
            if not m:
                continue
            if since is not None and m.modseq > since:
                refused.append(uid)
                continue
            now = box.flags(m, user)
            kept = {f for f in now if not may_set(f, rights)}
            box.set_flags(m, user, now | allowed if how == "+" else now - allowed if how == "-"
                          else frozenset(allowed | kept))
        return OK, refused

    def expunge(self, box, uids=None):
        out = [u for u, m in box.messages.items()
               if "\\deleted" in m.flags and (uids is None or u in uids)]
        for u in out:
            box.remove(u)
        return out
