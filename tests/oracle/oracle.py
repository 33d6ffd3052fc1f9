#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a data directory without any code of the server, and counts everything again.

  oracle.py [--no-bodies] [--json] DIR

DIR is the data directory or the `mail` folder in it; no server may be writing. Prints OK and
counts, or a line for each difference (exit 1). docs/format/ is all it knows.
"""
import argparse
import hashlib
import json
import multiprocessing
import os
import re
import sys
from collections import defaultdict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from alert_check import ALERT, check_alerts  # noqa: E402
from engine_reader import Engine  # noqa: E402
from fields import Bad, Fields  # noqa: E402
from group_check import check_groups  # noqa: E402
from queue_check import QUEUE, check_queue  # noqa: E402
from report_check import check_reports  # noqa: E402
from role_check import check_clients, check_roles, check_scim_tokens  # noqa: E402
from store_check import check_account  # noqa: E402
from store_reader import NO_SELECT, Account, fixed  # noqa: E402
from trail_check import TRAIL, check_trail  # noqa: E402

SUMMARY_HEAD = 68
SHARES = 0xFFFFFFFFFFFFFC00


class Store:
    """Everything in a data directory; `problems` are the differences."""

    def __init__(self, folder, bodies=True):
        if os.path.isdir(os.path.join(folder, "mail", "journal")):
            folder = os.path.join(folder, "mail")
        self.engine = Engine(folder)
        self.problems = self.engine.problems
        self.accounts, self.addresses, self.hashes = {}, {}, {}
        self.traced = 0  # mails in the trail
        self.alerts = 0
        self.shares = set()  # keys of who finds what is shared with them
        self.body_uses = defaultdict(list)  # body: (account, message, size) of each use
        for number, keys in sorted(self.engine.accounts.items()):
            if keys:
                self.read(number, keys)
        self.check_directory()
        self.check_shares()
        self.check_bodies(bodies)

    def wrong(self, number, text):
        self.problems.append(f"account {number:x}: {text}")

    def read(self, number, keys):
        version = self.engine.versions.get(number, 0)
        if QUEUE <= number < QUEUE + 8:
            check_queue(number - QUEUE, keys, lambda text: self.wrong(number, text),
                        self.body_uses)
            return
        if number == TRAIL:
            others = {k: v for k, v in keys.items() if b"A" <= k[:1] <= b"Z"}
            check_reports(others, lambda text: self.wrong(number, text))
            self.traced = check_trail({k: v for k, v in keys.items() if k not in others},
                                      lambda text: self.wrong(number, text))
            return
        if number == ALERT:
            self.alerts = check_alerts(keys, lambda text: self.wrong(number, text))
            return
        if number == SHARES:
            self.shares = set(keys)
            return
        a = Account(number, keys, lambda text: self.wrong(number, text))
        self.accounts[number] = a
        if number == 0 or a.header or number not in self.unfinished():
            check_account(a, version, self.engine, self.body_uses)

    def unfinished(self):
        """Accounts that are being made or removed: anything may be missing of them."""
        return {fixed(k[1:], 8) for k in self.engine.accounts[0] if k[:1] == b"P"}

    def check_shares(self):
        """Whoever has rights finds the account they are in; more rows do no harm."""
        for name, number in self.addresses.items():
            for kind, reader in set().union(*self.accounts[number].shared.values(), set()
                                            ) if number in self.accounts else ():
                start = {1: b"u" + reader.to_bytes(8, "big"), 3: b"g" + reader.to_bytes(8, "big"),
                         2: b"d" + name.rpartition("@")[2].encode() + b"\0"}[kind]
                if start + number.to_bytes(8, "big") not in self.shares:
                    self.wrong(number, f"{start!r} does not find what is shared with them")
        for key in self.shares:
            if not re.fullmatch(rb"(?s)[ug].{16}|d[^\0]{1,253}\0.{8}|w", key):
                self.wrong(SHARES, f"no key of who shares with whom: {key!r}")

    def check_directory(self):
        keys, states = self.engine.accounts[0], {}
        for key, value in keys.items():
            if key[:1] == b"I":
                f = Fields(value).version()
                states[fixed(key[1:], 8)] = f.v()
                f.v()
                self.addresses[f.str().decode()] = fixed(key[1:], 8)
        pending = self.unfinished()
        for key, value in keys.items():
            if key[:1] == b"A":
                number = Fields(value).version().u64()
                if self.addresses.get(key[1:].decode()) != number:
                    self.wrong(0, f"address {key[1:]!r} leads to account {number:x}")
        for number, state in states.items():
            if (state != 1) != (number in pending):
                self.wrong(0, f"account {number:x} has state {state}")
            if state == 1 and number not in self.accounts:
                self.wrong(0, f"account {number:x} has no keys")
        for number in self.accounts.keys() - states.keys() - {0}:
            self.wrong(number, "is in no directory")
        header = self.accounts[0].header if 0 in self.accounts else None
        if header:
            ready = sum(s == 1 for s in states.values())
            if header.get("accounts") != ready and not pending:
                self.wrong(0, f"{header.get('accounts')} accounts are written down, {ready} there")
            if states and max(states) >= header.get("next_account", 0):
                self.wrong(0, f"account {max(states):x} was never given out")
        self.check_domains()
        check_groups(keys, lambda text: self.wrong(0, text))
        check_clients(keys, lambda text: self.wrong(0, text))
        check_scim_tokens(keys, lambda text: self.wrong(0, text))
        check_roles(keys, {n for n, s in states.items() if s == 1},
                    lambda text: self.wrong(0, text))

    def check_domains(self):
        counts = defaultdict(int)
        for key in self.engine.accounts[0]:
            if key[:1] == b"A":
                counts[key.rpartition(b"@")[2]] += 1
        for key, value in self.engine.accounts[0].items():
            if key[:1] == b"D":
                f = Fields(value).version()
                f.z()
                said = f.v()
                if said != counts.pop(key[1:], 0):
                    self.wrong(0, f"domain {key[1:]!r}: {said} accounts are written down")
        for domain in counts:
            self.wrong(0, f"domain {domain!r} has accounts and is not there")

    def check_bodies(self, read):
        e = self.engine
        for body, uses in self.body_uses.items():
            if e.uses_of(body) != len(uses):
                e.wrong(f"body {body}: {e.uses_of(body)} uses are written down, {len(uses)} are "
                        f"counted: {uses[:3]}")
        for body in list(e.bodies):
            if body not in self.body_uses:
                e.wrong(f"body {body} is used by nobody")
            if read:
                self.check_body(body)

    def check_body(self, body):
        e, users = self.engine, self.body_uses.get(body, [])
        try:
            data, summary = e.body(body)
        except Bad as problem:
            e.wrong(f"body {body} of {users[:3]}: {problem}")
            return
        self.hashes[body] = hashlib.sha256(data).hexdigest(), len(data)
        for user in users:
            if user[2] != len(data):
                e.wrong(f"body {body} has {len(data)} bytes, {user} says otherwise")
        if summary and (summary[:1] != b"M" or len(summary) < SUMMARY_HEAD or
                        int.from_bytes(summary[4:8], "little") != len(summary) or
                        int.from_bytes(summary[8:16], "little") != len(data)):
            e.wrong(f"body {body}: the summary is of another message")

    def counts(self):
        real = [a for n, a in self.accounts.items() if n]
        return {
            "accounts": len(real),
            "mailboxes": sum(len(a.mailboxes) for a in real),
            "placements": sum(len(b.placements) for a in real for b in a.mailboxes.values()),
            "messages": sum(len(a.messages) for a in real),
            "restorable": sum(len(a.restorable) for a in real),
            "log entries": sum(len(a.log) for a in self.accounts.values()),
            "bodies": len(self.engine.bodies),
            "files": len(self.engine.files),
            "packs": sum(f[0] == "pack" for f in self.engine.files.values()),
            "frames": self.engine.frames,
            "replayed": self.engine.replayed,
        }


def read_store(folder, bodies=True):
    """(problems, counts, listing) of a data directory. The listing is what IMAP should show:
    address: mailbox: {uidvalidity, uidnext, highest, selectable,
    messages: uid: [flags, keywords, modseq, size, sha]}."""
    s = Store(folder, bodies)
    listing = {}
    for address, number in s.addresses.items():
        a = s.accounts.get(number)
        listing[address] = {} if a is None else {
            b.name.decode(): {
                "uidvalidity": b.uidvalidity, "uidnext": b.uidnext, "highest": b.highest,
                "selectable": not b.state & NO_SELECT,
                "messages": {p.uid: [p.flags, [b.keywords[k].decode() for k in sorted(p.keywords)
                                               if k < len(b.keywords)],
                                     p.modseq, p.size, s.hashes.get(p.body, (None,))[0]]
                             for p in b.placements}}
            for b in a.mailboxes.values()}
    return s.problems, s.counts(), listing


def child(pipe, folder, bodies):
    try:
        pipe.send(read_store(folder, bodies))
    except Exception as e:  # noqa: B902 - whatever stops the reader is a finding
        pipe.send(([f"cannot be read: {type(e).__name__}: {e}"], {}, {}))


def read_apart(folder, bodies=True):
    """read_store in a process of its own: LMDB may crash on an index that is damaged."""
    ours, theirs = multiprocessing.Pipe(False)
    p = multiprocessing.get_context("fork").Process(target=child, args=(theirs, folder, bodies))
    p.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        p.join()
        found = [f"the index cannot be read: the reader died ({p.exitcode})"], {}, {}
    p.join()
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--no-bodies", action="store_true", help="do not read the bodies")
    p.add_argument("--json", action="store_true", help="what there is, for programs")
    p.add_argument("folder", metavar="DIR")
    a = p.parse_args()
    problems, counts, listing = read_apart(a.folder, not a.no_bodies)
    if a.json:
        print(json.dumps({"problems": problems, "counts": counts, "listing": listing}))
        return 1 if problems else 0
    for line in problems:
        print(line)
    figures = ", ".join(f"{n} {what}" for what, n in counts.items())
    print(f"{len(problems)} differences" if problems else "OK", figures, sep=": ")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
