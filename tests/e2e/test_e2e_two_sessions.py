# SPDX-License-Identifier: Apache-2.0
"""Two sessions on one mailbox: each sees what the other does, at the moments the RFC allows."""
import time

import pytest

from imapwire import Closed
from messages import generated


@pytest.fixture
def pair(shared_server, account):
    mode = "clear" if shared_server.peer == "testd" else "tls"
    with shared_server.login(account) as a, shared_server.login(account, mode) as b:
        for i in range(5):
            a.append("INBOX", generated(i))
        a.select("INBOX")
        b.select("INBOX")
        yield a, b


def test_idle_tells_new_mail_flags_and_expunge(pair):
    a, b = pair
    tag = b.idle()
    a.append("INBOX", generated(9))
    assert b.wait_untagged(b"EXISTS", 3).number == 6
    a.ok("STORE 2 +FLAGS (\\Flagged)")
    line = b.wait_untagged(b"FETCH", 3)
    while line.number != 2:  # the new message's flags may be told too
        line = b.wait_untagged(b"FETCH", 3)
    assert b"\\Flagged" in line.attributes()[b"FLAGS"]
    a.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    assert b.wait_untagged(b"EXPUNGE", 3).number == 3
    assert b.done(tag).ok


def test_noop_tells(pair):
    a, b = pair
    a.append("INBOX", generated(9))
    a.ok("STORE 1 +FLAGS (\\Answered)")
    end = time.monotonic() + 3
    seen = []
    while len(seen) < 2 and time.monotonic() < end:
        r = b.ok("NOOP")
        seen += [u.kind for u in r.untagged if u.kind in (b"EXISTS", b"FETCH")]
    assert sorted(set(seen)) == [b"EXISTS", b"FETCH"]


def test_numbers_do_not_move_under_a_command(pair):
    """While B uses sequence numbers no EXPUNGE may come; B hits what B saw."""
    a, b = pair
    uids = list(b.ok("FETCH 1:* (UID)").fetches())
    a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    r = b.cmd("FETCH 2 (UID FLAGS)")
    assert not r.all(b"EXPUNGE")
    if r.ok and r.all(b"FETCH"):
        assert uids[1] in r.fetches()
    r = b.cmd("STORE 2:5 +FLAGS (\\Flagged)")
    assert not r.all(b"EXPUNGE")
    r = b.cmd("SEARCH ALL")
    assert not r.all(b"EXPUNGE")
    assert b.ok("NOOP").all(b"EXPUNGE")[0].number == 1
    flags = {u: x[b"FLAGS"] for u, x in b.ok("UID FETCH 1:* (UID FLAGS)").fetches().items()}
    assert all(b"\\Flagged" in flags[u] for u in uids[1:])


def test_move_between_sessions(pair):
    a, b = pair
    a.ok('CREATE "Other"')
    r = a.ok('MOVE 2:3 "Other"')
    assert [u.number for u in r.all(b"EXPUNGE")] in ([2, 2], [3, 2])
    numbers = [u.number for u in b.ok("NOOP").all(b"EXPUNGE")]
    assert numbers in ([2, 2], [3, 2])
    assert b.select("Other").all(b"EXISTS")[-1].number == 2


def test_sixteen_sessions_change_different_flags(shared_server, account):
    """No update is lost: the end is the union of what was acknowledged."""
    sessions = [shared_server.login(account) for _ in range(12)]
    sessions[0].append("INBOX", generated(1))
    for s in sessions:
        s.select("INBOX")
    tags = [s.start(f"STORE 1 +FLAGS (key{i})") for i, s in enumerate(sessions)]
    for s, tag in zip(sessions, tags):
        assert s.finish(tag).ok
    flags = sessions[0].ok("FETCH 1 (UID FLAGS)").all(b"FETCH")[-1].attributes()[b"FLAGS"]
    assert {f"key{i}".encode() for i in range(12)} <= {bytes(f) for f in flags}
    for s in sessions:
        s.close()


def test_unchangedsince_has_one_winner(pair):
    a, b = pair
    for s in (a, b):
        s.ok("ENABLE CONDSTORE")
    modseq = a.ok("FETCH 1 (UID MODSEQ)").all(b"FETCH")[0].attributes()[b"MODSEQ"][0]
    for i in range(10):
        ta = a.start(f"STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (a{i})")
        tb = b.start(f"STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (b{i})")
        ra, rb = a.finish(ta), b.finish(tb)
        assert [b"MODIFIED" in r.codes() for r in (ra, rb)].count(True) == 1
        a.ok("NOOP")
        new = a.ok("FETCH 1 (UID MODSEQ)").all(b"FETCH")[-1].attributes()[b"MODSEQ"][0]
        assert new > modseq
        modseq = new


def test_deleted_mailbox_under_a_session(pair):
    a, b = pair
    a.ok('CREATE "Gone"')
    b.select("Gone")
    a.ok('DELETE "Gone"')
    try:
        b.cmd("NOOP")
        r = b.cmd("FETCH 1 (FLAGS)")
        assert r.status in (b"NO", b"BAD", b"OK")
        assert b.select("INBOX").all(b"EXISTS")
    except Closed:
        pass  # the RFC also lets a server end the session


def test_two_hundred_subscribed_folders(shared_server, account):
    """Listed with their counts in one go, each once; and one STATUS each as older programs do."""
    names = [f"Lists/{i:03}" for i in range(200)]
    with shared_server.login(account) as c:
        for i, name in enumerate(names):
            c.ok(f'CREATE "{name}"')
            c.ok(f'SUBSCRIBE "{name}"')
            if i % 50 == 0:
                c.append(name, generated(i))
        lsub = [bytes(u.args[2]).decode() for u in c.ok('LSUB "" "Lists/*"').all(b"LSUB")]
        assert lsub == names
        if b"LIST-STATUS" in c.capabilities():
            r = c.ok('LIST (SUBSCRIBED) "" "Lists/*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))')
            assert [bytes(u.args[2]).decode() for u in r.all(b"LIST")] == names
            counts = {bytes(u.args[0]).decode(): u.args[1] for u in r.all(b"STATUS")}
            assert set(counts) == set(names)
        tags = [c.start(f'STATUS "{name}" (MESSAGES)') for name in names]
        got = [c.finish(tag).all(b"STATUS")[0].args[1][1] for tag in tags]
        assert got == [int(i % 50 == 0) for i in range(200)]
