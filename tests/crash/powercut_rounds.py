#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rounds of load, power cut, remount, restart and proof (see kill9_rounds.py for the proof).

  powercut_rounds.py [--rounds 200] [--clients 16] [--seed N] [--keep-images]

After a violation the data, the server's log and the times (on CLOCK_MONOTONIC) of every
acknowledgement and of the cut are kept, with --keep-images also the disk as the cut left it.
"""
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]

import powercut_disk  # noqa: E402
from kill9_rounds import SETTINGS, Rounds, summary  # noqa: E402
from servers import log, server_class  # noqa: E402


def cut_round(r, disk):
    before = r.books.acked
    clients = r.load(r.rng.uniform(0.2, 1.6))
    for c in clients:
        c.expect_end = True
    r.cut.set()
    r.books.note(f"round {r.number}: the power is cut")
    disk.cut()
    r.books.note(f"round {r.number}: it is off")
    time.sleep(r.rng.choice((0.0, 0.0, 0.05, 0.3)))
    r.server.kill("all")
    faults = [f for f in r.end(clients) if "Refused" not in f]
    disk.unmount()
    if r.images:
        disk.copy(r.images)
    disk.mount()
    r.read_files()
    begun = time.monotonic()
    r.server.start()
    r.wait_service()
    took = time.monotonic() - begun
    r.restarts.append(took)
    wrong = faults + r.verify()
    log(f"round {r.number}: power cut, {r.books.acked - before} commands acknowledged, back in "
        f"{took * 1000:.0f} ms, {len(wrong)} violations ({r.read})")
    return wrong


def run(server, disk, rounds, clients, seed, log_path=None, images=None):
    r = Rounds(server, clients, seed, log_path)
    r.images = images
    r.prepare()
    for _ in range(rounds):
        wrong = cut_round(r, disk)
        if wrong:
            return r, wrong
    return r, r.verify(bodies=1.0)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--keep-images", action="store_true")
    a = p.parse_args()
    why = powercut_disk.missing() or server_class().missing()
    if why:
        sys.exit(f"skipped: {why}")
    disk = powercut_disk.Disk(8192)
    server = server_class()(data=os.path.join(disk.path, "data"), users=20,
                            settings=SETTINGS)
    log(f"seed {a.seed}, log in {server.folder}")
    try:
        server.start()
        r, wrong = run(server, disk, a.rounds, a.clients, a.seed,
                       os.path.join(server.folder, "acknowledged"),
                       os.path.join(server.folder, "image") if a.keep_images else None)
        for line in wrong[:40]:
            log("VIOLATION", line)
        log(summary(r, wrong))
        server.own_folder = not wrong
        if wrong:
            disk.copy(os.path.join(server.folder, "image-now"))
            log(f"kept in {server.folder}")
    finally:
        server.close()
        disk.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
