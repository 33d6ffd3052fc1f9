# SPDX-License-Identifier: Apache-2.0
"""NOTIFY (RFC 5465) with what others share, with many mailboxes, and with slow clients."""
import time

import pytest

from messages import generated
from sharing import Pair


@pytest.fixture
def two(shared_server, account):
    p = Pair(shared_server, account)
    yield p
    p.close()


def line(client, kind, seconds=10):
    """The next untagged response: (name, everything)."""
    u = client.wait_untagged(kind, seconds)
    return bytes(u.args[2 if kind == b"LIST" else 0]).decode(), b"".join(u.raw)


def quiet(client, seconds=0.3):
    """Nothing is told: the answer to a NOOP comes alone."""
    time.sleep(seconds)
    return client.ok("NOOP").untagged == []


def test_what_others_share_is_told(two):
    a, b = two.owner, two.reader
    for box in ("Team", "Team/Plans", "Private"):
        a.ok(f'CREATE "{box}"')
    two.share("Team", "lr")
    two.share("Team/Plans", "lr")
    r = b.ok(f'NOTIFY SET STATUS (subtree "{two.their}" (MessageNew MessageExpunge FlagChange '
             'MailboxName))')
    assert [bytes(u.args[0]).decode() for u in r.all(b"STATUS")] == [
        f"{two.their}/Team", f"{two.their}/Team/Plans"]
    assert r.all(b"LIST") == []
    a.append("Team/Plans", generated(1))
    name, raw = line(b, b"STATUS")
    assert name == f"{two.their}/Team/Plans" and b"MESSAGES 1" in raw
    # What is not shared is told of in no way.
    a.append("Private", generated(2))
    a.ok('CREATE "Private/Below"')
    a.ok('DELETE "Private/Below"')
    assert quiet(b)
    # What is made below is shared, too; a tree is renamed with one line.
    a.ok('CREATE "Team/Plans/Now"')
    assert line(b, b"LIST")[0] == f"{two.their}/Team/Plans/Now"
    a.ok('RENAME "Team/Plans" "Team/Ideas"')
    name, raw = line(b, b"LIST")
    assert name == f"{two.their}/Team/Ideas" and f"{two.their}/Team/Plans".encode() in raw
    assert b"OLDNAME" in raw
    a.ok('DELETE "Team/Ideas/Now"')
    name, raw = line(b, b"LIST")
    assert name == f"{two.their}/Team/Ideas/Now" and b"\\NonExistent" in raw
    assert quiet(b)


def test_rights_given_and_taken_away(two):
    a, b = two.owner, two.reader
    a.ok("CREATE Hidden")
    b.ok(f'NOTIFY SET (subtree "Other Users" (MessageNew MessageExpunge MailboxName))')
    a.append("Hidden", generated(1))
    assert quiet(b)
    two.share("Hidden", "lr")  # nobody was watched before
    name, raw = line(b, b"LIST")
    assert name == f"{two.their}/Hidden" and b"NoAccess" not in raw and b"NonExist" not in raw
    a.append("Hidden", generated(2))
    assert line(b, b"STATUS")[0] == f"{two.their}/Hidden"
    two.share("Hidden", "l")
    name, raw = line(b, b"LIST")
    assert name == f"{two.their}/Hidden" and b"\\NoAccess" in raw
    a.append("Hidden", generated(3))
    assert quiet(b)
    two.share("Hidden", "lr")
    assert b"NoAccess" not in line(b, b"LIST")[1]
    a.ok(f"DELETEACL Hidden {two.reader_name}")
    name, raw = line(b, b"LIST")
    assert name == f"{two.their}/Hidden" and b"\\NonExistent" in raw
    a.append("Hidden", generated(4))
    a.ok("RENAME Hidden Gone")
    a.ok("DELETE Gone")
    assert quiet(b)


def test_no_right_answers_as_no_mailbox(two):
    a, b = two.owner, two.reader
    a.ok("CREATE Secret")

    def asked(name):
        r = b.cmd(f'NOTIFY SET STATUS (mailboxes "{name}" (MessageNew MessageExpunge MailboxName))')
        return r.status, r.code, [u.raw for u in r.untagged]

    assert asked(f"{two.their}/Nowhere") == asked(f"{two.their}/Secret")
    a.append("Secret", generated(1))
    assert quiet(b)
    two.share("Secret", "l")
    line(b, b"LIST")
    status, _, lines = asked(f"{two.their}/Secret")
    assert status == b"OK" and len(lines) == 1 and b"\\NoAccess" in lines[0][0]


def test_subscribed_to_what_others_share(two):
    a, b = two.owner, two.reader
    a.ok("CREATE News")
    two.share("News", "lr")
    b.ok("NOTIFY SET (subscribed (MessageNew MessageExpunge SubscriptionChange))")
    a.append("News", generated(1))
    assert quiet(b)
    with two.server.login(two.reader_number) as second:
        second.ok(f'SUBSCRIBE "{two.their}/News"')
        name, raw = line(b, b"LIST")
        assert name == f"{two.their}/News" and b"\\Subscribed" in raw
        assert b"NonExistent" not in raw
        a.append("News", generated(2))
        assert line(b, b"STATUS")[0] == f"{two.their}/News"
        second.ok(f'UNSUBSCRIBE "{two.their}/News"')
        name, raw = line(b, b"LIST")
        assert name == f"{two.their}/News" and b"\\Subscribed" not in raw
    a.append("News", generated(3))
    assert quiet(b)


def test_metadata_of_what_others_share(two):
    a, b = two.owner, two.reader
    for box in ("Team", "Private"):
        a.ok(f"CREATE {box}")
    two.share("Team", "lrw")
    b.ok(f'NOTIFY SET (subtree "{two.their}" (MailboxMetadataChange))')
    a.ok('SETMETADATA Team (/shared/comment "Ask before you delete")')
    u = b.wait_untagged(b"METADATA", 10)
    assert bytes(u.args[0]).decode() == f"{two.their}/Team" and b"/shared/comment" in u.raw[0]
    assert b"Ask" not in b"".join(u.raw)  # that it changed; what it says is asked for
    a.ok('SETMETADATA Team (/private/comment "nobody else\'s business")')
    a.ok('SETMETADATA Private (/shared/comment "not shared")')
    a.ok('SETMETADATA "" (/private/comment "nor this")')
    assert quiet(b)
    with two.server.login(two.reader_number) as second:
        second.ok(f'SETMETADATA "{two.their}/Team" (/private/comment "my own on it")')
        u = b.wait_untagged(b"METADATA", 10)
        assert bytes(u.args[0]).decode() == f"{two.their}/Team" and b"/private" in u.raw[0]
    two.share("Team", "l")
    b.ok("NOOP")
    a.ok('SETMETADATA Team (/shared/comment "who may not read it is not told")')
    assert quiet(b)


def test_many_mailboxes_on_one_connection(two):
    """One commit is one line, whichever of the mailboxes it was in; slow clients lose nothing."""
    writer, reader = two.server.login(two.reader_number), two.reader
    names = [f"Box/{i:03}" for i in range(300)]
    for name in names:
        writer.ok(f'CREATE "{name}"')
    r = reader.ok("NOTIFY SET STATUS (subtree Box (MessageNew MessageExpunge FlagChange))")
    assert [bytes(u.args[0]).decode() for u in r.all(b"STATUS")] == ["Box"] + names
    for name in (names[7], names[299], names[150]):
        writer.append(name, generated(1))
        assert line(reader, b"STATUS")[0] == name
    # Nobody reads for a while; in the end the last line of each mailbox is true.
    for i in range(600):
        writer.append(names[i % 3], b"Subject: x\r\n\r\n")
    last = {}
    for u in reader.ok("NOOP").all(b"STATUS"):
        last[bytes(u.args[0]).decode()] = u.args[1]
    deadline = time.monotonic() + 10
    while len(last) < 3 and time.monotonic() < deadline:
        for u in reader.ok("NOOP").all(b"STATUS"):
            last[bytes(u.args[0]).decode()] = u.args[1]
    assert {k: v[v.index(b"MESSAGES") + 1] for k, v in last.items()} == {
        n: 200 for n in names[:3]}
    writer.sock.close()
