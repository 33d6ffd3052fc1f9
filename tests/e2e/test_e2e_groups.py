# SPDX-License-Identifier: Apache-2.0
"""Groups in lists of rights: who is a member has them, who leaves has them no more, at once, in
every session; nobody inherits what a group of the same name once had."""
import smtplib

import pytest

from imapwire import Closed
from messages import generated
from servers import PASSWORD
from sharing import Pair


class Team(Pair):
    """And a group that the reader is a member of."""

    def __init__(self, server, account):
        super().__init__(server, account)
        self.name = f"team{self.reader_number}@example.org"
        self.join(self.reader_name)

    def join(self, *who):
        self.server.command("alias", "add", self.name, *who)

    def leave(self, *who):
        self.server.command("alias", "remove", self.name, *who)


@pytest.fixture
def team(shared_server, account):
    t = Team(shared_server, account)
    yield t
    t.close()


def listed(client):
    return [bytes(u.args[2]).decode() for u in client.ok('LIST "" "Other Users/*"').all(b"LIST")]


def rights(client, box):
    r = client.cmd(f'MYRIGHTS "{box}"')
    return bytes(r.all(b"MYRIGHTS")[0].args[1]).decode() if r.ok else bytes(r.code[0]).decode()


def acl(client, box):
    got = [bytes(x).decode() for x in client.ok(f"GETACL {box}").all(b"ACL")[0].args[1:]]
    return dict(zip(got[::2], got[1::2]))


def test_a_list_names_a_group(team):
    a, b = team.owner, team.reader
    a.ok("CREATE Plans")
    r = a.ok(f"LISTRIGHTS Plans {team.name}").all(b"LISTRIGHTS")[0]
    assert bytes(r.args[1]).decode() == team.name and bytes(r.args[2]) == b""
    a.ok(f"DELETEACL Plans {team.name}")  # in no list yet
    a.ok(f"SETACL Plans {team.name.upper()} lrw")
    a.ok(f"SETACL Plans {team.name} +s")
    a.ok(f"SETACL Plans -{team.name} w")
    assert acl(a, "Plans") == {team.owner_name: "lrswipkxteacd", team.name: "lrsw",
                               "-" + team.name: "w"}
    assert rights(b, f"{team.their}/Plans") == "lrs"
    assert f"{team.their}/Plans" in listed(b)
    a.ok(f"SETACL Plans {team.reader_name} t")  # what is given adds up
    assert rights(b, f"{team.their}/Plans") == "lrstd"
    a.ok(f"DELETEACL Plans {team.name}")
    assert rights(b, f"{team.their}/Plans") == "NONEXISTENT"
    log = team.server.command("log", team.owner_name).stdout
    assert f"{team.name} lrsw (before" in log, log
    assert a.cmd(f"SETACL Plans nobody-{team.name} lr").code[0] == b"CANNOT"
    assert a.cmd("SETACL Plans @example.org lr").code[0] == b"CANNOT"


def test_who_leaves_has_no_rights_any_more(team):
    a, b = team.owner, team.reader
    a.ok("CREATE Short")
    a.append("Short", generated(1))
    a.ok(f"SETACL Short {team.name} lrs")
    box = f"{team.their}/Short"
    b.select(box)
    b.ok("FETCH 1 (FLAGS)")
    team.join("somebody@away.example")
    b.ok("STORE 1 +FLAGS (\\Seen)")
    team.leave(team.reader_name)
    with pytest.raises(Closed):
        for _ in range(3):
            r = b.cmd("FETCH 1 (BODY.PEEK[])")
            assert not r.all(b"FETCH")
    with team.server.login(team.reader_number) as again:
        assert listed(again) == []
        assert again.cmd(f'SELECT "{box}"').code[0] == b"NONEXISTENT"


def test_idle_ends_when_one_leaves(team):
    a, b = team.owner, team.reader
    a.ok("CREATE Gone")
    a.ok(f"SETACL Gone {team.name} lr")
    inner = f"inner-{team.name}"
    team.server.command("alias", "add", inner, team.reader_name)
    team.join(inner)
    team.leave(team.reader_name)  # and still in it by way of the other
    b.select(f"{team.their}/Gone")
    tag = b.idle()
    a.append("Gone", generated(1))
    assert b.wait_untagged(b"EXISTS", 10).number == 1
    assert b.done(tag).ok
    b.idle()
    team.server.command("alias", "remove", inner)
    assert b.wait_untagged(b"BYE", 10)


def test_notify_tells_who_joins_and_who_leaves(team):
    a, b = team.owner, team.reader
    a.ok("CREATE Tell")
    a.ok("CREATE Known")
    a.ok(f"SETACL Known {team.reader_name} lr")
    a.ok(f"SETACL Tell {team.name} lr")
    team.join("somebody@away.example")  # with its last member a group is gone
    team.leave(team.reader_name)
    b.ok(f'NOTIFY SET (subtree "{team.their}" (MessageNew MessageExpunge MailboxName))')
    # Of an owner whom one knows already, and by no commit of theirs.
    team.join(team.reader_name)
    u = b.wait_untagged(b"LIST", 10)
    assert bytes(u.args[2]).decode() == f"{team.their}/Tell"
    a.append("Tell", generated(1))
    u = b.wait_untagged(b"STATUS", 10)
    assert bytes(u.args[0]).decode() == f"{team.their}/Tell"
    team.server.command("alias", "remove", team.name)
    u = b.wait_untagged(b"LIST", 10)
    assert bytes(u.args[2]).decode() == f"{team.their}/Tell" and b"\\NonExistent" in u.args[0]
    a.append("Tell", generated(2))
    a.append("Known", generated(3))
    u = b.wait_untagged(b"STATUS", 10)
    assert bytes(u.args[0]).decode() == f"{team.their}/Known"
    # And of one whom one did not.
    a.ok(f"DELETEACL Known {team.reader_name}")
    u = b.wait_untagged(b"LIST", 10)
    assert bytes(u.args[2]).decode() == f"{team.their}/Known"
    team.join(team.reader_name)
    a.ok(f"SETACL Tell {team.name} lr")
    u = b.wait_untagged(b"LIST", 10)
    assert bytes(u.args[2]).decode() == f"{team.their}/Tell"


def test_nobody_inherits_what_a_group_had(team):
    a, b = team.owner, team.reader
    a.ok("CREATE Old")
    a.ok(f"SETACL Old {team.name} lr")
    box = f"{team.their}/Old"
    assert rights(b, box) == "lr"
    team.leave()
    assert rights(b, box) == "NONEXISTENT" and listed(b) == []
    assert acl(a, "Old") == {team.owner_name: "lrswipkxteacd"}
    team.join(team.reader_name)  # a new one of the same name
    assert rights(b, box) == "NONEXISTENT" and listed(b) == []
    a.ok(f"SETACL Old {team.name} lrs")
    assert rights(b, box) == "lrs"
    assert team.server.command("mailbox", "shares", team.owner_name).stdout.count(team.name) == 1


def test_a_person_who_goes_leaves_the_group(team):
    a, server = team.owner, team.server
    gone = f"gone-{team.name}"
    server.command("account", "add", gone, "--password-stdin", data="long enough word 1\n")
    team.join(gone)
    a.ok("CREATE Held")
    a.ok(f"SETACL Held {team.name} lr")
    with server.connect() as c:
        c.ok(f'LOGIN {gone} "long enough word 1"')
        assert listed(c)[-1] == f"{team.their}/Held"
    server.command("account", "remove", gone, "--yes")
    server.command("account", "add", gone, "--password-stdin", data="long enough word 2\n")
    assert gone not in server.command("alias", "list").stdout
    with server.connect() as c:
        c.ok(f'LOGIN {gone} "long enough word 2"')
        assert listed(c) == []
        # With another address one stays a member.
        team.join(gone)
        assert f"{team.their}/Held" in listed(c)
    server.command("account", "rename", gone, f"new-{gone}")
    assert f"new-{gone}" in server.command("alias", "list").stdout
    with server.connect() as c:
        c.ok(f'LOGIN new-{gone} "long enough word 2"')
        assert f"{team.their}/Held" in listed(c)


def test_an_administrator_shares_with_a_group(team):
    server = team.server
    out = server.command("mailbox", "share", team.owner_name, "INBOX", team.name, "write").stdout
    assert f"shared with {team.name} (lrswited)" in out
    assert team.name in server.command("mailbox", "shares", team.owner_name).stdout
    assert rights(team.reader, f"{team.their}/INBOX") == "lrswited"
    server.command("mailbox", "share", team.owner_name, "INBOX", team.name, "none")
    assert rights(team.reader, f"{team.their}/INBOX") == "NONEXISTENT"
    never = f"never-{team.name}"
    server.command("alias", "add", never, team.reader_name)
    out = server.command("mailbox", "share", team.owner_name, "INBOX", never, "none").stdout
    assert f"not shared with {never}" in out


def submit(server, who, sender, to, password=PASSWORD):
    with smtplib.SMTP("127.0.0.1", server.submission_port, "laptop", timeout=60) as c:
        c.login(who, password)
        return c.sendmail(sender, [to], f"From: {sender}\r\nTo: {to}\r\nSubject: an answer\r\n\r\nx\r\n")


def test_a_teams_mailbox(team):
    """Delivered, read by two, filed by one and seen by the other; it sends; who leaves is out."""
    server, one, two = team.server, team.owner_name, team.reader_name
    team.join(one)
    box = f"sales-{team.name}"
    server.command("account", "add", box, "--no-password", "--quota", "100KB")
    said = server.command("account", "suspend", box, "--team").stdout
    assert "a team's" in said
    assert "arrives for a team" in server.command("account", "show", box).stdout
    server.command("mailbox", "share", box, "INBOX", team.name, "manage", "--below")
    server.command("mailbox", "share", box, "Archive", team.name, "manage")
    with smtplib.LMTP("127.0.0.1", server.lmtp_port, "mx.example.net", timeout=60) as c:
        for n in range(2):
            c.sendmail("customer@away.example", [box],
                       f"From: customer@away.example\r\nSubject: order {n}\r\n\r\nx\r\n")
    their = f"Other Users/{box}"
    a, b = team.owner, team.reader
    for client in (a, b):
        assert {f"{their}/INBOX", f"{their}/Archive"} <= set(listed(client))
        assert [u.number for u in client.select(f"{their}/INBOX").all(b"EXISTS")] == [2]
    a.ok("STORE 1 +FLAGS (\\Seen \\Answered)")
    b.ok("NOOP")
    assert {b"\\Seen", b"\\Answered"} <= set(b.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"])
    b.ok(f'CREATE "{their}/INBOX/Customers"')
    b.ok(f'MOVE 1 "{their}/INBOX/Customers"')
    a.ok("NOOP")
    assert a.select(f"{their}/INBOX/Customers").all(b"EXISTS")[0].number == 1
    # It counts as the team's, and is full when that is.
    shown = server.command("account", "show", box).stdout
    assert "Messages:   2" in shown and "of 100" in shown, shown
    big = b"Subject: big\r\n\r\n" + b"x" * 70000 + b"\r\n"
    b.append(f"{their}/Archive", big)
    assert b.cmd(f'APPEND "{their}/Archive" {{}}', big, sync=True).code[0] == b"OVERQUOTA"
    log = server.command("log", box).stdout
    assert one in log and two in log and "moved" in log, log
    # They send as it; others do not, nor as somebody who only shares a mailbox.
    for who in (one, two):
        assert submit(server, who, box, one) == {}
        assert submit(server, who, team.name, one) == {}
    server.command("mailbox", "share", one, "INBOX", two, "all")
    with pytest.raises(smtplib.SMTPException):
        submit(server, two, one, one)
    server.command("mailbox", "share", box, "INBOX", two, "read")
    team.leave(two)
    with pytest.raises(smtplib.SMTPException):
        submit(server, two, box, one)
    assert submit(server, one, box, two) == {}
    assert rights(b, f"{their}/INBOX") == "lrs" and f"{their}/Archive" not in listed(b)
    server.command("account", "resume", box)  # a person's again
    with pytest.raises(smtplib.SMTPException):
        submit(server, one, box, two)
    with server.connect() as c:
        assert c.cmd(f'LOGIN {box} ""').status == b"NO"


def test_store_is_sound_after_all(shared_server):
    assert shared_server.check() == []
