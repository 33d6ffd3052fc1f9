# SPDX-License-Identifier: Apache-2.0
"""Readers of others' mailboxes for the crash rounds: each account's "shared" is read by the next
account, whose \\Seen there is its own (decision 16). A reader marks what it sees while the owner's
clients append, move and expunge, and keeps the oracle's books as they do."""
from imapwire import compress
from kill9_load import Worker
from kill9_oracle import MarkOp

OTHERS = "Other Users/"
BOX = "shared"


def shared_name(server, account):
    return f"{OTHERS}{server.user(account)}/{BOX}"


def share(c, server, reader):
    """By the owner: the mailbox for this reader, with a \\Seen of their own."""
    c.ok(f'SETMETADATA "{BOX}" (/shared/vendor/mailkeep/seen "own")')
    c.ok(f'SETACL "{BOX}" {server.user(reader)} lrs')


class Reader(Worker):
    def __init__(self, books, server, owner, reader, round_number, seed):
        super().__init__(books, server, f"reader {reader}", round_number, seed)
        self.reader, self.name = reader, shared_name(server, owner)
        with books.lock:
            self.box = books.model.box(owner, BOX)

    def work(self):
        self.imap = self.server.login(self.reader, timeout=15.0)
        self.imap.select(self.name)
        while not self.stop.wait(0.02):
            self.mark()

    def mark(self):
        there = self.imap.ok("UID SEARCH ALL").search()
        self.heard()
        uids = self.rng.sample(there, min(len(there), self.rng.randrange(1, 6)))
        if not uids:
            return
        is_seen = self.rng.random() < 0.7
        sign = "+" if is_seen else "-"
        self.send(MarkOp(self.reader, self.box, uids, is_seen),
                  f"UID STORE {compress(uids)} {sign}FLAGS.SILENT (\\Seen)")
        with self.books.lock:
            self.box.marks.setdefault(self.reader, {}).update((u, is_seen) for u in uids)
        self.acknowledged(f"of {self.box.account} {sign}{uids}")


def observe_marks(server, seen, readers):
    """Adds to an observation what each reader has seen there; `readers` is owner to reader."""
    for owner, reader in readers.items():
        with server.login(reader, timeout=60.0) as c:
            c.ok(f'EXAMINE "{shared_name(server, owner)}"')
            seen[owner][BOX].marks[reader] = set(c.ok("UID SEARCH SEEN").search())
            c.logout()
