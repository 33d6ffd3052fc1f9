# SPDX-License-Identifier: Apache-2.0
"""Those who watch the walk (imap_walk.py) by NOTIFY (RFC 5465): a connection for each account that
runs no command unless it heard of a mailbox that is new to it. After each command of the walk they
must have been told what is true now of every mailbox that their user can read, and of no other."""
import time

from imap_walk_plans import Wrong, want
from imapwire import Imap, quote

ITEMS = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ"
EVENTS = "(MessageNew MessageExpunge FlagChange MailboxName)"


class Watcher:
    def __init__(self, port, user, patience):
        self.user, self.patience = user, patience
        self.known = {}  # name: its STATUS, as a client keeps it; None: has still to be asked for
        self.c = Imap(port, timeout=patience)
        self.c.login(user, "pass")
        self.c.ok("ENABLE CONDSTORE")
        reply = self.c.ok(f'NOTIFY SET STATUS (personal {EVENTS}) (subtree "Other Users" {EVENTS})')
        self.take(reply.untagged)

    def take(self, lines):
        for line in lines:
            want(line.kind != b"BYE" and not (
                line.code and bytes(line.code[0]) == b"NOTIFICATIONOVERFLOW"), "a watcher is told", line)
            if line.kind == b"STATUS":
                name, words = bytes(line.args[0]).decode(), line.args[1]
                told = dict(zip((bytes(w).decode() for w in words[::2]), words[1::2]))
                want("UIDVALIDITY" in told, "no UIDVALIDITY", line)
                if self.known.get(name) is not None or "UNSEEN" in told and "MESSAGES" in told:
                    self.known[name] = {**(self.known.get(name) or {}),
                                        **{k: v for k, v in told.items() if k in ITEMS.split()}}
            elif line.kind == b"LIST":
                self.take_name(line)

    def take_name(self, line):
        flags, name = {bytes(f).lower() for f in line.args[0]}, bytes(line.args[2]).decode()
        extended = line.args[3] if len(line.args) > 3 else []
        old = next((bytes(extended[i + 1][0]).decode() for i in range(0, len(extended), 2)
                    if bytes(extended[i]).upper() == b"OLDNAME"), None)
        if old is not None and old.rpartition("/")[2] != "INBOX":  # another INBOX is where it was
            # RFC 5465 section 5.4: nothing is told of what lies below.
            for known in [n for n in self.known if f"{n}/".startswith(f"{old}/")]:
                self.known[name + known[len(old):]] = self.known.pop(known)
        if flags & {b"\\nonexistent", b"\\noselect", b"\\noaccess"}:
            self.known.pop(name, None)
        else:
            self.known.setdefault(name)

    def ask(self):
        """Of a mailbox that is new to it a client asks itself."""
        while None in self.known.values():
            name = next(n for n, told in self.known.items() if told is None)
            reply = self.c.cmd(b"STATUS " + quote(name) + b" (" + ITEMS.encode() + b")")
            if reply.ok:
                self.known[name] = {}
            self.take(reply.untagged)
            if not reply.ok and self.known.get(name, 0) is None:
                del self.known[name]  # it is gone already

    def due(self, world):
        out = {}
        for account in world.accounts.values():
            for name, box in account.boxes.items():
                own = account.name == self.user
                if box.is_level or not (own or {"l", "r"} <= box.rights(self.user)):
                    continue
                out[name if own else f"Other Users/{account.name}/{name}"] = {
                    "MESSAGES": len(box.messages), "UIDNEXT": box.next,
                    "UIDVALIDITY": box.validity,
                    "UNSEEN": sum("\\seen" not in box.flags(m, self.user)
                                  for m in box.messages.values()),
                    "HIGHESTMODSEQ": box.highest}
        return out

    def settle(self, world):
        """Waits until what it was told is the truth."""
        end, due = time.monotonic() + self.patience, self.due(world)
        self.ask()
        while self.known != due:
            try:
                if time.monotonic() > end:
                    raise TimeoutError
                self.take([self.c.line()])
            except TimeoutError:
                names = [n for n in {*self.known, *due} if self.known.get(n) != due.get(n)]
                raise Wrong(f"NOTIFY did not tell {self.user}", {
                    n: ("told", self.known.get(n), "is", due.get(n)) for n in names}) from None
            self.ask()
