#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the server, or fails one of its calls, at the n-th system call that changes a file of its data,
under load, and proves that nothing acknowledged is lost (D02).

  nth_rounds.py [--rounds 200] [--what kill,EIO,ENOSPC,short] [--clients 4] [--seed N] [--all]

Half of the calls are those of the start. --all takes every n of the start, one after the other,
instead of some by chance. Exit 1 at the first violation, with the data kept.
"""
import argparse
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]

from kill9_load import Client  # noqa: E402
from kill9_rounds import SETTINGS, Rounds  # noqa: E402
from servers import log, mailkeep_binary, server_class  # noqa: E402

CANNOT_TRACE = 77
LOAD_SECONDS = 0.8  # then the rest of the round goes without a fault


def tracer():
    build = os.environ.get("MAILKEEP_BUILD") or os.path.dirname(mailkeep_binary())
    return os.path.join(build, "tests", "crash", "nth_call")


def missing(folder):
    """Why there can be no rounds here, or None."""
    if not os.path.exists(tracer()):
        return "nth_call is not built"
    r = subprocess.run([tracer(), folder, "0", "count", os.path.join(folder, "report"), "true"],
                       capture_output=True, text=True)
    return r.stderr.strip() or "no tracing" if r.returncode == CANNOT_TRACE else None


class Nth:
    def __init__(self, server, clients=4, seed=0):
        self.server, self.rng = server, random.Random(seed)
        self.report = os.path.join(server.folder, "nth")
        self.rounds = Rounds(server, clients, seed)
        self.rounds.prepare()
        self.hits = {}

    def traced(self, at, fault):
        self.server.wrap_command = [tracer(), self.server.data, at, fault, self.report]

    def said(self):
        try:
            with open(self.report) as f:
                return f.read()
        except OSError:
            return ""

    def count(self, load):
        """How many calls there are from the start on."""
        self.server.stop()
        self.traced("0", "count")
        self.server.start()
        clients = self.load() if load else []
        wrong = self.rounds.end(clients)
        assert not wrong, wrong
        self.server.stop()
        self.server.wrap_command = None
        n = int(self.said().rsplit("count ", 1)[1])
        self.server.start()
        return n

    def load(self, expect_end=False):
        Client.expect_end = expect_end
        return self.rounds.load(LOAD_SECONDS)

    def round(self, n, fault):
        """One fault; what is wrong after it."""
        self.server.stop()
        if os.path.exists(self.report):
            os.unlink(self.report)
        lasting = fault != "short" and self.rng.random() < 0.5
        self.traced(f"{n}+" if lasting else str(n), fault)
        clients, up = [], True
        before = self.rounds.books.acked
        try:
            self.server.start()
        except RuntimeError as e:
            up = False
            if fault == "short" and "/index/" not in self.said():
                return [f"did not start with half a write: {e}"]
        if up:
            clients = self.load(expect_end=fault != "short")
        hit = self.said().split("\n")[0] or "nothing"
        wrong = self.still_reads(hit) if up and fault != "kill" else []
        ended = self.rounds.end(clients) if fault == "short" else []
        if "/index/" not in hit:  # LMDB takes half a write for a disk that fails
            wrong += ended
        self.server.kill("all")
        self.rounds.read_files()
        self.server.wrap_command = None
        self.server.start()
        self.rounds.wait_service()
        if fault != "short":
            wrong += self.rounds.end(clients)
        wrong += self.rounds.verify()
        name = hit.split(" ")[0]
        self.hits[fault, name] = self.hits.get((fault, name), 0) + 1
        log(f"call {n}{'+' if lasting else ''} {fault}: {hit.replace(self.server.data, '')}, "
            f"{self.rounds.books.acked - before} commands acknowledged, {len(wrong)} violations")
        return wrong

    def faults(self):
        """Faults that met a call, in all rounds so far."""
        return sum(n for (_, call), n in self.hits.items() if call != "nothing")

    def still_reads(self, hit):
        """After a write that failed what is stored can be read, unless the server said that it cannot
        start like that."""
        if hit == "nothing":
            return []
        if "could not start: giving up" in self.server.log_tail():
            return []
        try:
            with self.server.login(1) as c:
                c.ok("EXAMINE shared")
                c.ok("UID FETCH 1:* (FLAGS)")
        except Exception as e:  # noqa: B902 - whatever it is, nobody can read
            return [f"after {hit}: nothing can be read: {type(e).__name__} {e}\n"
                    + self.server.log_tail()]
        return []


def run(server, rounds, kinds, clients=4, seed=0, every=False, hits=0):
    """With hits: up to four times the rounds until so many faults came. A busy machine makes fewer
    calls in a round than were counted before, and the n-th may not be among them."""
    nth = Nth(server, clients, seed)
    start, whole = nth.count(False), nth.count(True)
    log(f"{start} calls from start to stop, {whole} with load")
    for i in range(len(kinds) * start if every else 4 * rounds):
        if not every and i >= rounds and nth.faults() >= hits:
            break
        n = 1 + i // len(kinds) if every else \
            nth.rng.randint(1, start) if i // len(kinds) % 2 else nth.rng.randint(start // 2, whole)
        wrong = nth.round(n, kinds[i % len(kinds)])
        if wrong:
            return nth, wrong
    return nth, nth.rounds.verify(bodies=1.0)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--what", default="kill,EIO,ENOSPC,short")
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--all", action="store_true")
    a = p.parse_args()
    server = server_class()(users=20, settings=SETTINGS)
    why = server_class().missing() or missing(server.folder)
    if why:
        server.close()
        sys.exit(f"skipped: {why}")
    log(f"seed {a.seed}, data in {server.folder}")
    try:
        server.start()
        nth, wrong = run(server, a.rounds, a.what.split(","), a.clients, a.seed, a.all)
        for line in wrong[:40]:
            log("VIOLATION", line)
        log(", ".join(f"{k[0]} at {k[1]}: {n}" for k, n in sorted(nth.hits.items())))
        log(f"{nth.faults()} faults, {nth.rounds.books.acked} commands acknowledged, "
            f"{len(wrong)} violations")
        server.own_folder = not wrong
    finally:
        server.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
