# SPDX-License-Identifier: Apache-2.0
"""Readers of others' mailboxes for the crash rounds: each account's "shared" is read by the next
account, whose \\Seen there is its own (decision 16). A reader marks what it sees while the owner's
clients append, move and expunge, and keeps the oracle's books as they do."""
import random
import threading

import imapwire
from imapwire import Closed, compress
from kill9_oracle import MarkOp

OTHERS = "Other Users/"
BOX = "shared"


def shared_name(server, account):
    return f"{OTHERS}{server.user(account)}/{BOX}"


def share(c, server, reader):
    """By the owner: the mailbox for this reader, with a \\Seen of their own."""
    c.ok(f'SETMETADATA "{BOX}" (/shared/vendor/mailkeep/seen "own")')
    c.ok(f'SETACL "{BOX}" {server.user(reader)} lrs')


class Reader(threading.Thread):
    def __init__(self, books, server, owner, reader, round_number, seed):
        super().__init__(daemon=True)
        self.books, self.server, self.reader, self.round = books, server, reader, round_number
        self.number = f"reader {reader}"
        with books.lock:
            self.box = books.model.box(owner, BOX)
        self.name = shared_name(server, owner)
        self.rng = random.Random(seed)
        self.stop, self.cut = threading.Event(), threading.Event()
        self.fault, self.under_way, self.expect_end = None, None, False

    def run(self):
        try:
            with self.server.login(self.reader, timeout=15.0) as c:
                c.select(self.name)
                while not self.stop.wait(0.02):
                    self.mark(c)
        except (Closed, ConnectionError, imapwire.Refused) as e:
            self.fault = None if self.expect_end else f"{type(e).__name__}: {e}"
        except Exception as e:  # noqa: B902 - a reader that has ended must not pass for a quiet one
            self.fault = f"{type(e).__name__}: {e}"
        finally:
            if self.under_way:
                with self.books.lock:
                    self.books.model.pending.append(self.under_way)

    def mark(self, c):
        there = c.ok("UID SEARCH ALL").search()
        if self.cut.is_set():
            raise Closed("after the power cut")
        uids = self.rng.sample(there, min(len(there), self.rng.randrange(1, 6)))
        if not uids:
            return
        op = self.under_way = MarkOp(self.reader, self.box, uids, self.rng.random() < 0.7)
        reply = c.cmd(f"UID STORE {compress(uids)} {'+' if op.is_seen else '-'}FLAGS.SILENT (\\Seen)")
        op.late = self.cut.is_set() and reply.ok
        if self.cut.is_set():
            raise Closed("after the power cut")
        if not reply.ok:
            self.under_way = op if self.expect_end else None
            raise imapwire.Refused(reply, b"UID STORE")
        with self.books.lock:
            self.box.marks.setdefault(self.reader, {}).update((u, op.is_seen) for u in uids)
        self.books.fact(f"{self.round} reader {self.reader} of {self.box.account} "
                        f"{'+' if op.is_seen else '-'}{uids}")
        self.under_way = None


def observe_marks(server, seen, readers):
    """Adds to an observation what each reader has seen there; `readers` is owner to reader."""
    for owner, reader in readers.items():
        with server.login(reader, timeout=60.0) as c:
            c.ok(f'EXAMINE "{shared_name(server, owner)}"')
            seen[owner][BOX].marks[reader] = set(c.ok("UID SEARCH SEEN").search())
            c.logout()
