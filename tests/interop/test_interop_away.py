# SPDX-License-Identifier: Apache-2.0
"""A client that was away for as many changes as AWAY_CHANGES says (by hand 100,000): one SELECT with
QRESYNC, and it knows all; one UID FETCH with CHANGEDSINCE and VANISHED as well."""
import os
import random

from imapwire import compress, expand
from messages import generated

CHANGES = int(os.environ.get("AWAY_CHANGES", "1000"))


def flags(values):
    return frozenset(bytes(v).lower() for v in values) - {b"\\recent"}


def everything(c):
    return {uid: flags(a[b"FLAGS"])
            for uid, a in c.ok("UID FETCH 1:* (UID FLAGS)").fetches().items()}


def change(c, rng, count):
    """`count` commands that change something, each a commit of its own."""
    n, serial, words = c.select("INBOX").all(b"EXISTS")[-1].number, 10 ** 6, 0
    for _ in range(count):
        what, at = rng.randrange(10), rng.randint(1, n)
        if what < 2:
            serial += 1
            c.append("INBOX", generated(serial, 60, f"a{serial}"), rng.choice(["", "\\Seen"]))
            n += 1
        elif what < 8 or n < 100:
            words += 1
            word = rng.choice(["\\Flagged", "\\Answered", f"$w{words % 40}"])
            c.ok(f"STORE {at} {rng.choice('++-')}FLAGS.SILENT ({word})")
        elif what == 8:
            c.ok(f"STORE {at} +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
            n -= 1
        else:
            c.ok(f"MOVE {at} INBOX")


def test_one_command_tells_all(shared_server, account):
    rng = random.Random(CHANGES)
    with shared_server.login(account, timeout=300) as c, \
            shared_server.login(account, timeout=300) as away:
        for i in range(300):
            c.append("INBOX", generated(i, 60, f"b{i}"))
        away.ok("ENABLE QRESYNC")
        said = away.select("INBOX").codes()
        validity, highest = said[b"UIDVALIDITY"][0], said[b"HIGHESTMODSEQ"][0]
        known = everything(away)
        away.ok("UNSELECT")
        change(c, rng, CHANGES)
        truth = everything(c)
        # SELECT: what it knew, by UID and with numbers that still hold; and without any of it.
        uids = sorted(known)
        for asked in ("", f" {compress(uids)}", f" {compress(uids)} (1,50,200 {uids[0]},{uids[49]},"
                                                f"{uids[199]})"):
            r = away.cmd(f"SELECT INBOX (QRESYNC ({validity} {highest}{asked}))")
            assert r.ok
            mine = dict(known)
            for u in r.all(b"VANISHED"):
                for uid in expand(u.args[1]):
                    mine.pop(uid, None)
                    assert uid not in truth
            for uid, a in r.fetches().items():
                mine[uid] = flags(a[b"FLAGS"])
            if asked:  # it asked about these only
                assert mine == {u: f for u, f in truth.items() if u in known}
            else:
                assert mine == truth
        # The same with the mailbox open.
        r = away.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {highest} VANISHED)")
        mine = dict(known)
        for u in r.all(b"VANISHED"):
            for uid in expand(u.args[1]):
                mine.pop(uid, None)
        for uid, a in r.fetches().items():
            mine[uid] = flags(a[b"FLAGS"])
        assert mine == truth
