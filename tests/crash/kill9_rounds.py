#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rounds of load, kill -9, restart and proof: nothing acknowledged may be lost.

  kill9_rounds.py [--rounds 200] [--clients 16] [--what keep,gate,all] [--seed N] [--keep-data]

PEER=dovecot runs the same against Dovecot. Exit 1 at the first violation, with the data kept.
"""
import argparse
import os
import random
import sys
import threading
import time
from contextlib import nullcontext

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]

from imapwire import Closed, Desync, Imap, Refused  # noqa: E402
from kill9_load import Books, Client, make_known  # noqa: E402
from kill9_observe import observe  # noqa: E402
from kill9_oracle import Box, Model, check  # noqa: E402
from kill9_reader import Reader, observe_marks, share  # noqa: E402
import second_reader  # noqa: E402
from servers import PASSWORD, log, server_class  # noqa: E402

CLIENTS_PER_ACCOUNT = 4
# The supervisor gives up on a process that dies all the time, which here is what we want of it.
# Small segments and a busy compaction, so that kills also hit changes of segment, rewriting and
# compression.
SETTINGS = {"restarts_per_minute": "1000", "segment_size": "1 MB", "compress_after": "0",
            "compact_interval": "200 ms",
            "child_timeout": "1 h"}  # keep stands still while the second reader reads


class Rounds:
    """A server under load with the books of what it acknowledged."""

    def __init__(self, server, clients=16, seed=0, log_path=None):
        self.server, self.clients = server, clients
        self.rng = random.Random(seed)
        self.model = Model(atomic=server.atomic)
        self.books = Books(self.model, log_path)
        self.accounts = range(1, (clients - 1) // CLIENTS_PER_ACCOUNT + 2)
        self.known, self.number, self.restarts = set(), 0, []
        self.cut = threading.Event()
        self.second = server.peer == "mailkeep" and not second_reader.missing()

        self.readers = {}  # owner to who reads their "shared"
        if server.peer == "mailkeep" and len(self.accounts) > 1:
            self.readers = {a: a % len(self.accounts) + 1 for a in self.accounts}

    def account_of(self, client):
        return 1 + client // CLIENTS_PER_ACCOUNT

    def prepare(self):
        """The mailboxes the clients work in; what the server made by itself is taken as it is."""
        for account in self.accounts:
            with self.server.login(account) as c:
                mine = [n for k in range(self.clients) if self.account_of(k) == account
                        for n in (f"w{k}", f"w{k}-b")]
                have = {u.args[2].decode() for u in c.ok('LIST "" "*"').all(b"LIST")}
                for name in mine + ["shared"]:
                    c.ok(f'CREATE "{name}"')
                for name in mine + ["shared"] + sorted(have):
                    make_known(c, self.books, Box(account, name))
                c.logout()
        for owner, reader in self.readers.items():
            with self.server.login(owner) as c:
                share(c, self.server, reader)
                c.logout()

    def load(self, seconds):
        """Starts the clients and lets them work; returns them still working."""
        self.number += 1
        self.cut.clear()
        out = [Client(self.books, self.server, k, self.account_of(k), self.number,
                      self.rng.getrandbits(60)) for k in range(self.clients)]
        out += [Reader(self.books, self.server, owner, reader, self.number,
                       self.rng.getrandbits(60)) for owner, reader in self.readers.items()]
        for c in out:
            c.cut = self.cut
            c.start()
        time.sleep(seconds)
        return out

    def end(self, clients):
        for c in clients:
            c.stop.set()
        for c in clients:
            c.join(25)
        return [f"client {c.label}: {c.fault}" for c in clients if c.fault] + [
            f"client {c.label} hangs" for c in clients if c.is_alive()]

    def verify(self, bodies=0.03):
        """Reads all back and compares; the violations."""
        wrong, self.books.wrong = self.books.wrong, []
        try:
            seen = observe(self.server, self.accounts, self.known, bodies, self.rng)
            observe_marks(self.server, seen, self.readers)
        except (Refused, Desync, Closed, TimeoutError) as e:
            return wrong + [f"INV1 what is stored cannot be read: {type(e).__name__} {e}"]
        wrong += check(self.model, seen)
        return wrong + (self.server.check() or []) + self.compare(seen)

    def read_files(self, alive=False):
        """The second reader's turn; the server must be dead, or is held still meanwhile."""
        if self.second:
            with second_reader.held(self.server) if alive else nullcontext():
                self.files = second_reader.read(self.server.data,
                                                self.number % second_reader.BODIES_EVERY == 0)

    files, read = None, "no second reader"

    def compare(self, seen):
        """What the second reader found after the crash, or finds now, against what IMAP shows."""
        if not self.second:
            return []
        if not self.files:
            self.read_files(alive=True)
        (problems, counts, listing), self.files = self.files, None
        self.read = ", ".join(f"{counts.get(k)} {k}" for k in ("placements", "packs", "replayed"))
        return [f"second reader: {p}" for p in problems] + second_reader.differences(
            listing, seen, self.server.user)

    def wait_service(self, seconds=30.0):
        """Until a client can log in and select again: the time it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            try:
                with Imap(self.server.port, timeout=5.0) as c:
                    c.login(self.server.user(1), PASSWORD)
                    c.select("INBOX")
                    return time.monotonic() - begun
            except Exception:  # noqa: B902 - whatever it is, it is not serving yet
                time.sleep(0.005)
        raise RuntimeError(f"no service {seconds} s after the kill:\n{self.server.log_tail()}")

    def kill_round(self, what):
        before = self.books.acked
        clients = self.load(self.rng.uniform(0.2, 1.6))
        for c in clients:
            c.expect_end = True
        assert self.server.kill(what), f"nothing to kill: {what}"
        if what == "all":
            self.read_files()
        begun = time.monotonic()
        if what == "all":
            self.server.start()
        self.wait_service()
        took = time.monotonic() - begun
        self.restarts.append(took)
        faults = self.end(clients)
        if what == "gate":
            time.sleep(0.5)  # keep may still be at a command whose client has gone
        wrong = faults + self.verify()
        log(f"round {self.number}: killed {what}, {self.books.acked - before} commands "
            f"acknowledged, back in {took * 1000:.0f} ms, {len(wrong)} violations ({self.read})")
        return wrong


def run(server, rounds, clients, kinds, seed, log_path=None):
    r = Rounds(server, clients, seed, log_path)
    r.prepare()
    for n in range(rounds):
        wrong = r.kill_round(kinds[n % len(kinds)])
        if wrong:
            return r, wrong
    return r, r.verify(bodies=1.0)


def summary(r, wrong):
    times = sorted(r.restarts)
    share = [times[min(len(times) - 1, int(len(times) * p))] * 1000 for p in (0.5, 0.9, 0.99, 1)]
    late = (f", of {r.model.late_said} said after the power went {r.model.late_absent} are not there"
            if r.model.late_said else "")
    return (f"{r.number} rounds, {r.books.acked} commands acknowledged, restart median "
            f"{share[0]:.0f} ms, 90% {share[1]:.0f} ms, 99% {share[2]:.0f} ms, longest "
            f"{share[3]:.0f} ms, {len(wrong)} violations{late}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--what", default="keep,gate,all")
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--keep-data", action="store_true")
    a = p.parse_args()
    missing = server_class().missing()
    if missing:
        sys.exit(f"skipped: {missing}")
    server = server_class()(users=20, settings=SETTINGS)
    log(f"seed {a.seed}, data in {server.folder}")
    server.start()
    try:
        r, wrong = run(server, a.rounds, a.clients, a.what.split(","), a.seed,
                       os.path.join(server.folder, "acknowledged"))
        for line in wrong[:40]:
            log("VIOLATION", line)
        log(summary(r, wrong))
        server.own_folder = not (wrong or a.keep_data)
    finally:
        server.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
