# SPDX-License-Identifier: Apache-2.0
"""After a crash the second reader (tests/oracle/) reads the data directory too, without any code of
the server, and must find it whole and find what IMAP shows.
"""
import os
import signal
import sys
from contextlib import contextmanager

ORACLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle")
SYSTEM_FLAGS = ("\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft")
BODIES_EVERY = 10  # rounds: to read each body of a store that only grows takes its time


def missing():
    """Why there can be no second reading here, or None."""
    try:
        import lmdb  # noqa: F401
    except ImportError:
        return "the second reader needs python3-lmdb"
    return None


def read(data, bodies):
    """(problems, counts, listing) of a data directory that nobody writes to now."""
    if ORACLE not in sys.path:
        sys.path.insert(0, ORACLE)
    from oracle import read_apart
    return read_apart(data, bodies)


@contextmanager
def held(server):
    """Keep stands still meanwhile: what it may have written so far is what a crash would leave."""
    pids = server.role("keep")
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            wait_stopped(pid)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_stopped(pid):
    """Every thread, also one that is in the middle of a write or a sync."""
    def states():
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                yield f.read().rpartition(")")[2].split()[0]
    while not all(s in "TtZX" for s in states()):
        pass


def message(row):
    bits, keywords, modseq, size, sha = row
    flags = {name for i, name in enumerate(SYSTEM_FLAGS) if bits >> i & 1}
    return frozenset(flags | {k.lower() for k in keywords}), modseq, size, sha


def differences(listing, seen, address):
    """What IMAP showed (kill9_observe) against what the second reader has; `address` names an
    account by its number."""
    out = []
    for account, boxes in seen.items():
        read_boxes = {n: b for n, b in listing.get(address(account), {}).items() if b["selectable"]}
        for name in sorted(boxes.keys() ^ read_boxes.keys()):
            out.append(f"mailbox {name} of account {account} is only "
                       f"{'in the files' if name in read_boxes else 'shown by IMAP'}")
        for name in boxes.keys() & read_boxes.keys():
            out += box_differences(f"{name} of account {account}", boxes[name], read_boxes[name])
    return [f"second reader: {line}" for line in out]


def box_differences(where, seen, stored):
    for what, shown, there in (("UIDVALIDITY", seen.uidvalidity, stored["uidvalidity"]),
                               ("UIDNEXT", seen.uidnext, stored["uidnext"]),
                               ("HIGHESTMODSEQ", seen.highest, stored["highest"]),
                               ("UIDs", list(seen.messages), list(stored["messages"]))):
        if shown != there:
            yield f"{what} of {where}: IMAP shows {shown}, the files have {there}"
    for uid in seen.messages.keys() & stored["messages"].keys():
        m, (flags, modseq, size, sha) = seen.messages[uid], message(stored["messages"][uid])
        if (m.flags, m.modseq, m.size) != (flags, modseq, size):
            yield (f"{where} UID {uid}: IMAP shows {sorted(m.flags), m.modseq, m.size}, the files "
                   f"have {sorted(flags), modseq, size}")
        if None not in (m.sha, sha) and m.sha != sha:
            yield f"{where} UID {uid}: other bytes than IMAP's"
