# SPDX-License-Identifier: Apache-2.0
"""A \\Seen of each reader's own in a shared mailbox: who sees what, in every way in which flags are
shown and told, for an owner and two readers with several sessions each."""
import os
import subprocess
import sys

import pytest

from messages import generated

ORACLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle",
                      "oracle.py")

ENTRY = "/shared/vendor/mailkeep/seen"
ALL = "lrswipkxte"


class Team:
    """An owner with a mailbox Team of five messages (1 and 2 seen), shared with two readers."""

    def __init__(self, server, n, rights=ALL, own=True):
        self.server, self.sessions = server, []
        self.numbers = n, n + 1, n + 2
        self.names = [server.user(i) for i in self.numbers]
        self.owner, self.anna, self.bert = (self.login(i) for i in range(3))
        self.box = f"Other Users/{self.names[0]}/Team"
        self.owner.ok("CREATE Team")
        for name in self.names[1:]:
            self.owner.ok(f'SETACL Team {name} {rights}')
        for i in range(5):
            self.owner.append("Team", generated(i), "\\Seen" if i < 2 else "")
        if own:
            self.turn("own")

    def login(self, who):
        self.sessions.append(self.server.login(self.numbers[who]))
        return self.sessions[-1]

    def turn(self, value, box="Team"):
        self.owner.ok(f'SETMETADATA {box} ({ENTRY} "{value}")')


@pytest.fixture
def team(shared_server, account):
    t = Team(shared_server, 3 * account)
    yield t
    for c in t.sessions:
        c.sock.close()


def seen(c, box=None):
    """UIDs with \\Seen: what FETCH, SEARCH and STATUS say of them has to agree."""
    if box:
        c.ok(f'EXAMINE "{box}"')
    fetched = {f[b"UID"]: b"\\Seen" in f[b"FLAGS"]
               for f in c.ok("UID FETCH 1:* (UID FLAGS)").fetches().values()}
    out = sorted(uid for uid, is_seen in fetched.items() if is_seen)
    assert found(c, "SEEN") == out
    assert found(c, "UNSEEN") == sorted(fetched.keys() - out)
    if box:
        status = c.ok(f'STATUS "{box}" (UNSEEN MESSAGES)').all(b"STATUS")[0].args[1]
        values = dict(zip(status[::2], status[1::2]))
        assert values[b"UNSEEN"] == len(fetched) - len(out)
        assert values[b"MESSAGES"] == len(fetched)
    return out


def found(c, keys):
    line = c.ok(f"UID SEARCH {keys}").all(b"SEARCH")
    return sorted(int(n) for n in line[0].args) if line else []


def flags_told(c, wanted, seconds=10):
    """Waits for a FETCH of that UID; its flags."""
    while True:
        line = c.wait_untagged(b"FETCH", seconds)
        if line.attributes().get(b"UID", line.number) == wanted:
            return line.attributes()[b"FLAGS"]


def test_without_the_entry_there_is_one(shared_server, account):
    t = Team(shared_server, 3 * account, own=False)
    t.anna.select(t.box)
    t.anna.ok("STORE 3 +FLAGS (\\Seen)")
    assert seen(t.owner, "Team") == seen(t.bert, t.box) == [1, 2, 3]
    # And when it is switched on they go on from there.
    t.turn("own")
    assert seen(t.anna, t.box) == seen(t.bert, t.box) == [1, 2, 3]


def test_each_has_their_own(team):
    team.anna.select(team.box)
    team.anna.ok("STORE 3:4 +FLAGS (\\Seen \\Flagged)")
    team.bert.select(team.box)
    team.bert.ok("STORE 1 -FLAGS (\\Seen)")
    team.owner.select("Team")
    team.owner.ok("STORE 5 +FLAGS (\\Seen)")
    assert seen(team.anna, team.box) == [1, 2, 3, 4]
    assert seen(team.bert, team.box) == [2]
    assert seen(team.owner, "Team") == [1, 2, 5]
    assert found(team.bert, "FLAGGED") == [3, 4]
    # FLAGS replaces one's own, and the other flags of all.
    team.anna.select(team.box)
    team.anna.ok("STORE 1:3 FLAGS (\\Answered)")
    assert seen(team.anna, team.box) == [4]
    assert seen(team.owner, "Team") == [1, 2, 5]
    assert found(team.owner, "ANSWERED") == [1, 2, 3]
    assert found(team.owner, "FLAGGED") == [4]
    # The first unseen one is one's own, too (RFC 3501).
    for c, box, first in ((team.anna, team.box, 1), (team.bert, team.box, 1),
                          (team.owner, "Team", 3)):
        codes = [u.args[1] for u in c.ok(f'SELECT "{box}"').all(b"OK") if u.args and
                 bytes(u.args[0]).upper().startswith(b"[UNSEEN")]
        raw = b"".join(r for u in c.ok(f'SELECT "{box}"').untagged for r in u.raw)
        assert b"[UNSEEN %d]" % first in raw, (codes, raw)


def test_the_first_unseen_one_is_ones_own(team):
    team.owner.select("Team")
    team.owner.ok("STORE 1:* +FLAGS (\\Seen)")
    assert code(team.anna.ok(f'SELECT "{team.box}"'), b"UNSEEN") == 3
    team.anna.ok("STORE 1:* +FLAGS (\\Seen)")
    team.owner.ok("STORE 4 -FLAGS (\\Seen)")
    r = team.anna.ok(f'SELECT "{team.box}"')
    assert b"[UNSEEN" not in b"".join(b"".join(u.raw) for u in r.untagged)
    assert code(team.owner.ok("SELECT Team"), b"UNSEEN") == 4


def test_reading_marks_for_oneself(team):
    team.anna.select(team.box)
    assert b"\\Seen" in team.anna.ok("FETCH 3 (BODY[] FLAGS)").fetches()[3][b"FLAGS"]
    assert seen(team.anna, team.box) == [1, 2, 3]
    assert seen(team.bert, team.box) == seen(team.owner, "Team") == [1, 2]
    team.anna.ok(f'EXAMINE "{team.box}"')
    team.anna.ok("FETCH 4 BODY[]")
    assert seen(team.anna, team.box) == [1, 2, 3]


def test_without_the_right_s(team):
    team.owner.ok(f"SETACL Team {team.names[1]} -s")
    team.anna.select(team.box)
    assert team.anna.cmd("STORE 3 +FLAGS (\\Seen)").status == b"NO"
    team.anna.ok("STORE 3 FLAGS (\\Seen \\Flagged)")
    team.anna.ok("FETCH 3 BODY[]")
    assert seen(team.anna, team.box) == [1, 2]
    assert found(team.anna, "FLAGGED") == [3]


def test_other_sessions_are_told(team):
    other, bert, owner = team.login(1), team.bert, team.owner
    team.anna.ok(f'SELECT "{team.box}" (CONDSTORE)')
    for c, box in ((other, team.box), (bert, team.box), (owner, "Team")):
        c.ok(f'SELECT "{box}" (CONDSTORE)')
    tags = [c.idle() for c in (other, bert, owner)]
    team.anna.ok("UID STORE 4 +FLAGS (\\Seen)")
    assert b"\\Seen" in flags_told(other, 4)
    assert b"\\Seen" not in flags_told(bert, 4)  # told of nothing new, which does no harm
    assert b"\\Seen" not in flags_told(owner, 4)
    for c, tag in zip((other, bert, owner), tags):
        assert c.done(tag).ok
    # Our own is not told to us again.
    assert not team.anna.ok("NOOP").all(b"FETCH")
    # In both directions, and while others change something between.
    bert.ok("UID STORE 5 +FLAGS (\\Seen)")
    other.ok("UID STORE 4 -FLAGS (\\Seen)")
    told = {f[b"UID"]: f[b"FLAGS"] for f in team.anna.ok("NOOP").fetches().values()}
    assert b"\\Seen" not in told[4]
    team.anna.ok("UID STORE 3 +FLAGS (\\Seen)")
    other.ok("UID STORE 2 -FLAGS (\\Seen)")
    told = {}
    for words in ("UID STORE 4 +FLAGS (\\Seen)", "NOOP"):
        told |= {f[b"UID"]: f[b"FLAGS"] for f in team.anna.ok(words).fetches().values()}
    assert b"\\Seen" not in told[2]
    assert seen(team.anna) == [1, 3, 4]


def code(reply, name):
    for u in reply.untagged:
        raw = b"".join(u.raw)
        if b"[" + name + b" " in raw:
            return int(raw.split(b"[" + name + b" ")[1].split(b"]")[0])
    raise AssertionError(name)


@pytest.mark.parametrize("who", (1, 2))
def test_a_client_that_was_away_hears_of_it(team, who):
    away = team.login(1)
    away.ok("ENABLE QRESYNC")
    r = away.ok(f'SELECT "{team.box}"')
    validity, modseq = code(r, b"UIDVALIDITY"), code(r, b"HIGHESTMODSEQ")
    away.ok("UNSELECT")
    c = team.sessions[who]
    c.select(team.box)
    c.ok("UID STORE 3 +FLAGS (\\Seen)")
    team.owner.select("Team")
    team.owner.ok("STORE 2 +FLAGS (\\Deleted)")
    team.owner.ok("EXPUNGE")
    r = away.ok(f'SELECT "{team.box}" (QRESYNC ({validity} {modseq}))')
    assert b"VANISHED (EARLIER) 2" in b"".join(b"".join(u.raw) for u in r.untagged)
    told = {f[b"UID"]: b"\\Seen" in f[b"FLAGS"] for f in r.fetches().values()}
    assert told == {3: who == 1}
    changed = away.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})").fetches()
    assert {f[b"UID"]: b"\\Seen" in f[b"FLAGS"] for f in changed.values()} == {3: who == 1}
    r = away.ok(f"UID STORE 3 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Seen)")
    assert r.code[:2] == [b"MODIFIED", b"3"] or b"MODIFIED" in r.code[0], r.code


def test_notify_and_contexts(team):
    a, other = team.anna, team.login(1)
    other.select(team.box)
    r = a.ok(f'NOTIFY SET (mailboxes "{team.box}" '
             "(MessageNew MessageExpunge FlagChange))")
    assert r.ok
    other.ok("UID STORE 3:4 +FLAGS (\\Seen)")
    line = a.wait_untagged(b"STATUS", 10)
    values = dict(zip(line.args[1][::2], line.args[1][1::2]))
    assert values[b"UNSEEN"] == 1
    # Results that are kept up to date.
    b = team.bert
    b.select(team.box)
    b.ok("UID SEARCH RETURN (UPDATE ALL) UNSEEN")
    other.ok("UID STORE 5 +FLAGS (\\Seen)")
    raw = b"".join(b"".join(u.raw) for u in b.ok("NOOP").untagged)
    assert b"REMOVEFROM" not in raw and b"ADDTO" not in raw
    second = team.login(2)
    second.select(team.box)
    second.ok("UID STORE 5 +FLAGS (\\Seen)")
    raw = b"".join(b"".join(u.raw) for u in b.ok("NOOP").untagged)
    assert b"REMOVEFROM" in raw


def test_new_messages_with_items_come_with_ones_own(team):
    """What UPDATE with items tells of a message, and NOTIFY of one that is new."""
    a = team.anna
    a.select(team.box)
    a.ok("NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
    other = team.login(1)
    other.append(team.box, generated(21), "\\Seen")
    assert b"\\Seen" in flags_told(a, 6)
    team.bert.append(team.box, generated(22), "\\Seen")
    assert b"\\Seen" not in flags_told(a, 7)


def test_list_status_and_many_mailboxes(team):
    team.anna.select(team.box)
    team.anna.ok("STORE 3 +FLAGS (\\Seen)")
    for c, unseen in ((team.anna, 2), (team.bert, 3)):
        r = c.ok('LIST "" "Other Users/*" RETURN (STATUS (UNSEEN))')
        line = [u for u in r.all(b"STATUS") if bytes(u.args[0]).decode() == team.box]
        assert line[0].args[1] == [b"UNSEEN", unseen]
    r = team.anna.ok(f'ESEARCH IN (mailboxes "{team.box}") UNSEEN')
    assert b"ALL 4:5" in b"".join(b"".join(u.raw) for u in r.untagged)
    r = team.anna.ok("UID SORT (REVERSE ARRIVAL) UTF-8 UNSEEN")
    assert sorted(int(n) for n in r.all(b"SORT")[0].args) == [4, 5]


def test_copies_and_moves(team):
    a, b = team.anna, team.bert
    a.select(team.box)
    a.ok("STORE 3 +FLAGS (\\Seen)")
    a.ok("STORE 1 -FLAGS (\\Seen)")
    # Into one's own account: as one sees it.
    a.ok("COPY 1:3 INBOX")
    assert seen(a, "INBOX") == [2, 3]
    # And from there: seen by who brings it.
    a.select("INBOX")
    a.ok(f'MOVE 2:3 "{team.box}"')
    assert seen(a, team.box) == [2, 3, 6, 7]
    assert seen(b, team.box) == seen(team.owner, "Team") == [1, 2]
    # Within the other account, into a mailbox made below.
    a.ok(f'CREATE "{team.box}/Old"')
    a.select(team.box)
    a.ok(f'MOVE 1:3 "{team.box}/Old"')
    assert seen(a, f"{team.box}/Old") == [2, 3]
    assert seen(b, f"{team.box}/Old") == []
    assert seen(team.owner, "Team/Old") == [1, 2]
    a.append(team.box, generated(9), "\\Seen")
    a.append(team.box, generated(10))
    assert seen(a, team.box) == [6, 7, 8]
    assert seen(b, team.box) == []


def test_messages_that_go_and_quota(team):
    quota = "".join(str(u.raw) for u in team.owner.ok("GETQUOTAROOT INBOX").untagged)
    team.anna.select(team.box)
    team.anna.ok("STORE 3:5 +FLAGS (\\Seen)")
    assert quota == "".join(str(u.raw) for u in team.owner.ok("GETQUOTAROOT INBOX").untagged)
    team.anna.ok("STORE 2:4 +FLAGS (\\Deleted)")
    team.anna.ok("EXPUNGE")
    assert seen(team.anna, team.box) == [1, 5]
    assert seen(team.bert, team.box) == [1]
    team.owner.ok("RENAME Team Crew")
    crew = team.box.replace("/Team", "/Crew")
    assert seen(team.anna, crew) == [1, 5]
    team.anna.ok("UNSELECT")
    team.owner.ok("DELETE Crew")
    assert team.anna.cmd(f'SELECT "{crew}"').status == b"NO"


def test_switched_off(team):
    other = team.login(2)
    team.anna.select(team.box)
    team.anna.ok("STORE 3:5 +FLAGS (\\Seen)")
    team.bert.select(team.box)
    team.bert.ok("STORE 1 -FLAGS (\\Seen)")
    other.ok(f'SELECT "{team.box}" (CONDSTORE)')
    tag = other.idle()
    team.turn("shared")
    for uid in range(1, 6):
        assert (b"\\Seen" in flags_told(other, uid)) == (uid < 3)
    assert other.done(tag).ok
    assert seen(team.anna, team.box) == seen(team.bert, team.box) == [1, 2]
    team.bert.select(team.box)
    team.bert.ok("STORE 4 +FLAGS (\\Seen)")
    assert seen(team.owner, "Team") == [1, 2, 4]


def test_who_may_switch(team):
    for c in (team.owner, team.anna):
        box = "Team" if c is team.owner else team.box
        line = c.ok(f'GETMETADATA "{box}" {ENTRY}').all(b"METADATA")[0]
        assert [bytes(x) for x in line.args[1]] == [ENTRY.encode(), b"own"]
    r = team.anna.cmd(f'SETMETADATA "{team.box}" ({ENTRY} "shared")')
    assert r.status == b"NO" and r.code[0] == b"NOPERM"
    team.anna.ok(f'SETMETADATA "{team.box}" (/shared/comment "x")')
    r = team.anna.cmd(f'SETMETADATA "{team.box}" (/shared/comment "y" {ENTRY.upper()} NIL)')
    assert r.status == b"NO" and r.code[0] == b"NOPERM"
    team.owner.ok(f"SETACL Team {team.names[1]} +a")
    team.anna.ok(f'SETMETADATA "{team.box}" ({ENTRY} NIL)')
    assert seen(team.bert, team.box) == [1, 2]
    for value in ('"mine"', '""', '"OWN"'):
        r = team.owner.cmd(f"SETMETADATA Team ({ENTRY} {value})")
        assert r.status == b"NO" and r.code[0] == b"CANNOT", r
    # On somebody's account, and of the server, it is any entry.
    team.owner.ok('SETMETADATA "" (/private/vendor/mailkeep/seen "x")')
    # Who may not know of the mailbox hears what they hear of none.
    team.bert.ok("UNSELECT")
    team.owner.ok(f"DELETEACL Team {team.names[2]}")
    nobody = team.bert.cmd(f'SETMETADATA "{team.box}x" ({ENTRY} "own")')
    r = team.bert.cmd(f'SETMETADATA "{team.box}" ({ENTRY} "own")')
    assert (r.status, r.code, r.text) == (nobody.status, nobody.code, nobody.text)


def test_an_administrator_switches_it(shared_server, account):
    t = Team(shared_server, 3 * account, own=False)
    server, owner = shared_server, t.names[0]
    t.owner.ok("CREATE Team/Below")
    out = server.command("mailbox", "seen", owner, "Team", "own").stdout
    assert "In 1 mailbox everybody has a \\Seen of their own." in out
    assert server.command("mailbox", "list", owner, "--json").stdout.count('"own"') == 1
    t.anna.select(t.box)
    t.anna.ok("STORE 3 +FLAGS (\\Seen)")
    assert seen(t.anna, t.box) == [1, 2, 3]
    assert seen(t.bert, t.box) == [1, 2]
    out = server.command("mailbox", "seen", owner, "Team", "own", "--below").stdout
    assert "In 2 mailboxes" in out
    assert server.command("mailbox", "list", owner, "--json").stdout.count('"own"') == 2
    out = server.command("mailbox", "seen", owner, "Team", "shared", "--below").stdout
    assert "In 2 mailboxes one \\Seen is everybody's." in out
    assert seen(t.anna, t.box) == [1, 2]
    for words, said in ((("Team", "mine"), "own or shared"), (("Nowhere", "own"), "Nowhere")):
        r = server.command("mailbox", "seen", owner, *words, check=False)
        assert r.returncode and said in r.stderr, r.stderr
    log = server.command("log", owner).stdout
    assert "changed the metadata /shared/vendor/mailkeep/seen of the mailbox Team" in log, log
    for c in t.sessions:
        c.sock.close()


def test_history_says_it(team):
    team.anna.select(team.box)
    team.anna.ok("STORE 3:4 +FLAGS (\\Seen)")
    team.anna.ok("STORE 3 -FLAGS (\\Seen)")
    team.turn("shared")
    log = team.server.command("log", team.names[0]).stdout
    assert f"{team.names[1]} " in log
    assert "marked 2 messages in Team as read for themselves" in log, log
    assert "marked 1 message in Team as unread for themselves" in log, log
    assert "gave one \\Seen for all to 5 messages in Team" in log, log


def test_undo_leaves_what_readers_have_seen(team):
    team.anna.select(team.box)
    team.anna.ok("STORE 3 +FLAGS (\\Seen)")
    team.anna.ok("STORE 1 FLAGS (\\Flagged)")  # not the owner's \Seen
    assert seen(team.owner, "Team") == [1, 2]


def test_store_is_sound_after_all(shared_server):
    assert shared_server.check() == []
    shared_server.stop()
    r = subprocess.run([sys.executable, ORACLE, os.path.join(shared_server.data, "mail")],
                       capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, r.stdout + r.stderr
