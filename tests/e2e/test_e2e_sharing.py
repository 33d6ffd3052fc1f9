# SPDX-License-Identifier: Apache-2.0
"""Mailboxes shared with others (RFC 4314): what is seen, what each right lets somebody do, and that
without a right everything answers as if there was no such mailbox."""
import json

import pytest

from imapwire import Closed, Imap
from messages import generated
from sharing import Pair

LETTERS = "lrswipkxtea"


@pytest.fixture
def pair(shared_server, account):
    p = Pair(shared_server, account)
    yield p
    p.close()


def names(reply, kind=b"LIST"):
    return [bytes(u.args[2]).decode() for u in reply.all(kind)]


def test_what_is_shared_is_found(pair):
    a, b = pair.owner, pair.reader
    a.ok('CREATE "Team/Plans"')
    a.append("Team/Plans", generated(1))
    assert names(b.ok('LIST "" "Other Users/*"')) == []
    assert not any(n.startswith("Other Users") for n in names(b.ok('LIST "" *')))
    pair.share("Team/Plans", "lr")
    their = f"{pair.their}/Team/Plans"
    assert their in names(b.ok('LIST "" *'))
    # Walking down: each level is there, and none can be selected.
    assert "Other Users" in names(b.ok('LIST "" %'))
    assert names(b.ok('LIST "" "Other Users/%"')) == [pair.their]
    line = b.ok(f'LIST "" "{pair.their}/%"').all(b"LIST")[0]
    assert bytes(line.args[2]).decode() == f"{pair.their}/Team"
    assert {b"\\Noselect", b"\\HasChildren"} <= set(line.args[0])
    assert b.cmd(f'SELECT "{pair.their}/Team"').status == b"NO"
    r = b.select(their)
    assert [u.number for u in r.all(b"EXISTS")] == [1] and r.code[0] == b"READ-ONLY"
    status = b.ok(f'STATUS "{their}" (MESSAGES UNSEEN MAILBOXID)').all(b"STATUS")[0]
    assert bytes(status.args[0]).decode() == their and status.args[1][1] == 1
    r = b.ok(f'LIST "" "Other Users/*" RETURN (MYRIGHTS STATUS (MESSAGES))')
    assert [(bytes(u.args[0]).decode(), u.args[1]) for u in r.all(b"MYRIGHTS")] == [(their, b"lr")]
    assert len(r.all(b"STATUS")) == 1
    assert b'"Other Users/"' in b"".join(
        u.raw[0] for u in b.ok("NAMESPACE").all(b"NAMESPACE"))


def test_both_see_what_either_does(pair):
    a, b = pair.owner, pair.reader
    a.ok('CREATE Common')
    pair.share("Common", "lrswite")
    box = f"{pair.their}/Common"
    b.select(box)
    a.select("Common")
    tag = a.idle()
    b.append(box, generated(7), "\\Flagged")
    assert a.wait_untagged(b"EXISTS", 10).number == 1
    b.ok("NOOP")
    b.ok("STORE 1 +FLAGS (\\Seen $Work)")
    line = a.wait_untagged(b"FETCH", 10)
    while b"$Work" not in line.attributes()[b"FLAGS"]:
        line = a.wait_untagged(b"FETCH", 10)
    assert a.done(tag).ok
    tag = b.idle()
    a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    assert b.wait_untagged(b"EXPUNGE", 10).number == 1
    assert b.done(tag).ok
    log = pair.server.command("log", pair.owner_name).stdout
    assert pair.reader_name in log, log
    assert "changed who may use" in log and f"{pair.reader_name} lrswite" in log


def test_copy_and_move_between_accounts(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Box")
    for i in range(4):
        a.append("Box", generated(i), "\\Seen $Mine" if i % 2 else "\\Flagged")
    pair.share("Box", "lrswite")
    box = f"{pair.their}/Box"
    b.select(box)
    theirs = b.ok("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[] EMAILID)").fetches()
    r = b.ok("COPY 1:3 INBOX")
    assert r.code[0] == b"COPYUID" and r.code[2] == b"1:3"
    r = b.ok("MOVE 4 INBOX")
    assert [u.number for u in r.all(b"EXPUNGE")] == [4]
    b.select("INBOX")
    mine = b.ok("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[] EMAILID)").fetches()
    assert [m[b"BODY[]"] for m in mine.values()] == [m[b"BODY[]"] for m in theirs.values()]
    for x, y in zip(mine.values(), theirs.values()):
        assert {f.lower() for f in x[b"FLAGS"]} - {b"\\recent"} == \
            {f.lower() for f in y[b"FLAGS"]} - {b"\\recent"}
        assert x[b"EMAILID"] != y[b"EMAILID"]
    # And back, into a mailbox where only inserting is allowed: flags stay behind.
    a.ok("CREATE Drop")
    pair.share("Drop", "li")
    b.ok(f'COPY 1:4 "{pair.their}/Drop"')
    a.select("Drop")
    assert all(set(f[b"FLAGS"]) <= {b"\\Recent"}
               for f in a.ok("FETCH 1:* (FLAGS)").fetches().values())


@pytest.mark.parametrize("verb", ["COPY", "MOVE", "UID COPY", "UID MOVE"])
def test_flags_within_anothers_account_take_rights_too(pair, verb):
    """RFC 4314 section 4: s, t and w at the target say which flags go along."""
    a, b = pair.owner, pair.reader
    a.ok("CREATE From")
    pair.share("From", "lrte")
    every = {b"\\seen", b"\\deleted", b"\\flagged", b"\\answered", b"\\draft", b"$mine"}
    for n, (letters, goes) in enumerate((
            ("i", set()), ("is", {b"\\seen"}), ("it", {b"\\deleted"}),
            ("iw", every - {b"\\seen", b"\\deleted"}), ("istw", every))):
        a.append("From", generated(n), "\\Seen \\Deleted \\Flagged \\Answered \\Draft $Mine")
        a.ok(f"CREATE To{n}")
        pair.share(f"To{n}", letters)
        b.select(f"{pair.their}/From")
        b.ok(f'{verb} * "{pair.their}/To{n}"')
        a.select(f"To{n}")
        got = {f.lower() for f in a.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]}
        assert got - {b"\\recent"} == goes, letters
        unseen = a.ok(f"STATUS To{n} (UNSEEN)").all(b"STATUS")[0].args[1][1]
        assert unseen == (b"\\seen" not in goes)
    a.select("From")  # its owner takes all along
    a.append("From", generated(9), "\\Seen $Mine")
    a.ok(f"{verb} * To0")
    a.select("To0")
    assert {b"\\seen", b"$mine"} <= {f.lower() for f in
                                     a.ok("FETCH * (FLAGS)").fetches()[2][b"FLAGS"]}


def test_rights_taken_away_count_at_once(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Short")
    a.append("Short", generated(1))
    pair.share("Short", "lrs")
    box = f"{pair.their}/Short"
    b.select(box)
    b.ok("FETCH 1 (FLAGS)")
    a.ok(f"SETACL Short {pair.reader_name} -s")
    assert b.cmd("STORE 1 +FLAGS (\\Seen)").status == b"NO"
    a.ok(f"DELETEACL Short {pair.reader_name}")
    with pytest.raises(Closed):
        for _ in range(3):
            r = b.cmd("FETCH 1 (BODY.PEEK[])")
            assert not r.all(b"FETCH")


def test_idle_ends_with_the_right_to_read(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Gone")
    pair.share("Gone", "lr")
    b.select(f"{pair.their}/Gone")
    b.idle()
    a.ok(f"DELETEACL Gone {pair.reader_name}")
    assert b.wait_untagged(b"BYE", 10)


def test_acl_commands(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Acl")
    r = a.ok("GETACL Acl").all(b"ACL")[0]
    assert [bytes(x).decode() for x in r.args] == ["Acl", pair.owner_name, "lrswipkxteacd"]
    a.ok(f"SETACL Acl {pair.reader_name} lrc")
    a.ok(f"SETACL Acl {pair.reader_name} +d")
    a.ok(f"SETACL Acl -{pair.reader_name} k")
    a.ok("SETACL Acl anyone lp")
    r = a.ok("GETACL Acl").all(b"ACL")[0]
    got = [bytes(x).decode() for x in r.args[1:]]
    assert dict(zip(got[::2], got[1::2])) == {
        pair.owner_name: "lrswipkxteacd", pair.reader_name: "lrkxtecd",
        "-" + pair.reader_name: "kc", "anyone": "lp"}
    r = b.ok(f'MYRIGHTS "{pair.their}/Acl"').all(b"MYRIGHTS")[0]
    assert bytes(r.args[1]) == b"lrpxtecd"
    assert bytes(a.ok("MYRIGHTS Acl").all(b"MYRIGHTS")[0].args[1]) == b"lrswipkxteacd"
    r = a.ok(f"LISTRIGHTS Acl {pair.reader_name}").all(b"LISTRIGHTS")[0]
    assert bytes(r.args[2]) == b"" and b"".join(bytes(x) for x in r.args[3:]) == b"lrswipkxteacd"
    r = a.ok(f"LISTRIGHTS Acl {pair.owner_name}").all(b"LISTRIGHTS")[0]
    assert bytes(r.args[2]) == b"lrswipkxteacd" and not r.args[3:]
    assert a.cmd(f"SETACL Acl {pair.owner_name} l").code[0] == b"CANNOT"
    assert a.cmd("SETACL Acl nobody@example.org l").code[0] == b"CANNOT"
    assert a.cmd(f"SETACL Acl {pair.reader_name} lz").status == b"BAD"
    assert a.cmd(f"SETACL Nowhere {pair.reader_name} l").code[0] == b"NONEXISTENT"
    # Who may administer may share on; what is taken away stays taken.
    a.ok(f"SETACL Acl {pair.reader_name} la")
    b.ok(f'SETACL "{pair.their}/Acl" anyone lr')
    assert "anyone lr" in pair.server.command("log", pair.owner_name).stdout


def test_what_is_made_below_is_shared_too(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Top")
    pair.share("Top", "lrkx")
    b.ok(f'CREATE "{pair.their}/Top/by others/deep"')
    assert "Top/by others/deep" in names(a.ok('LIST "" *'))
    assert f"{pair.their}/Top/by others/deep" in names(b.ok('LIST "" *'))
    b.ok(f'RENAME "{pair.their}/Top/by others" "{pair.their}/Top/renamed"')
    assert "Top/renamed/deep" in names(a.ok('LIST "" *'))
    assert b.cmd(f'RENAME "{pair.their}/Top/renamed" Stolen').code[0] == b"CANNOT"
    b.ok(f'DELETE "{pair.their}/Top/renamed/deep"')
    assert b.cmd(f'CREATE "{pair.their}/Elsewhere"').code[0] == b"NONEXISTENT"
    assert b.cmd('CREATE "Other Users/mine"').code[0] == b"CANNOT"
    assert b.cmd('CREATE "Other Users"').code[0] == b"CANNOT"


def test_subscribed_to_what_others_share(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE News")
    box = f"{pair.their}/News"
    assert b.cmd(f'SUBSCRIBE "{box}"').code[0] == b"NONEXISTENT"
    pair.share("News", "lr")
    b.ok(f'SUBSCRIBE "{box}"')
    assert box in names(b.ok('LSUB "" *'), b"LSUB")
    r = b.ok('LIST (SUBSCRIBED) "" "Other Users/*"').all(b"LIST")
    assert [bytes(u.args[2]).decode() for u in r] == [box]
    assert b"\\NonExistent" not in r[0].args[0]
    # The owner's own subscriptions have nothing to do with it.
    assert "News" not in names(a.ok('LIST (SUBSCRIBED) "" *'))
    a.ok(f"DELETEACL News {pair.reader_name}")
    r = b.ok('LIST (SUBSCRIBED) "" "Other Users/*"').all(b"LIST")
    assert b"\\NonExistent" in r[0].args[0]
    b.ok(f'UNSUBSCRIBE "{box}"')
    assert not b.ok('LIST (SUBSCRIBED) "" "Other Users/*"').all(b"LIST")


def test_metadata_is_each_ones_own_or_all_ones(pair):
    a, b, box = pair.owner, pair.reader, f"{pair.their}/Meta"

    def seen(client, name):
        r = client.ok(f'GETMETADATA "{name}" (/private/comment /shared/comment)')
        return [bytes(x) if x is not None else None for x in r.all(b"METADATA")[0].args[1][1::2]]
    a.ok("CREATE Meta")
    a.ok('SETMETADATA Meta (/private/comment "the owner\'s" /shared/comment "to all")')
    # l alone does not do, nor s without l; p with l does.
    for rights, status in (("l", b"NO"), ("rs", b"NO"), ("lp", b"OK"), ("li", b"OK"), ("ls", b"OK")):
        a.ok(f"SETACL Meta {pair.reader_name} {rights}")
        assert b.cmd(f'GETMETADATA "{box}" /shared/comment').status == status, rights
    assert seen(b, box) == [None, b"to all"]
    # To read is not to change what all see; nothing of such a command is done.
    r = b.cmd(f'SETMETADATA "{box}" (/private/comment "mine" /shared/comment "spoilt")')
    assert r.code[0] == b"NOPERM" and seen(b, box) == [None, b"to all"]
    b.ok(f'SETMETADATA "{box}" (/private/comment "mine")')
    a.ok(f"SETACL Meta {pair.reader_name} lrw")
    b.ok(f'SETMETADATA "{box}" (/shared/comment "by the reader" /private/other "x")')
    assert seen(b, box) == [b"mine", b"by the reader"]
    assert seen(a, "Meta") == [b"the owner's", b"by the reader"]
    assert not a.ok("GETMETADATA (DEPTH infinity) Meta /private/other").all(b"METADATA")
    r = b.ok(f'LIST "" "{pair.their}/%" RETURN (METADATA (/private/comment /shared/comment))')
    listed = {bytes(u.args[0]).decode(): [bytes(x) for x in u.args[1][1::2]]
              for u in r.all(b"METADATA")}
    assert listed == {box: [b"mine", b"by the reader"]}
    # Both halves or none: what all see is full, so one's own stays what it was.
    a.ok("SETMETADATA Meta (%s)" % " ".join(f'/shared/n{i} "x"' for i in range(50)))
    a.ok("SETMETADATA Meta (%s)" % " ".join(f'/shared/m{i} "x"' for i in range(48)))
    r = b.cmd(f'SETMETADATA "{box}" (/private/comment "new" /private/fresh "x" /shared/last "x")')
    assert r.code[:2] == [b"METADATA", b"TOOMANY"], r.code
    assert seen(b, box)[0] == b"mine"
    assert not b.ok(f'GETMETADATA (DEPTH infinity) "{box}" /private/fresh').all(b"METADATA")
    # Renamed it stays what it was; without the right there is nothing to see, not even one's own.
    a.ok("RENAME Meta Other")
    assert seen(b, f"{pair.their}/Other") == [b"mine", b"by the reader"]
    a.ok(f'SETACL Other {pair.reader_name} ""')
    got = b.cmd(f'GETMETADATA "{pair.their}/Other" /private/comment')
    assert got.code[0] == b"NONEXISTENT"
    a.ok(f"SETACL Other {pair.reader_name} lr")
    a.ok("DELETE Other")
    a.ok("CREATE Other")
    a.ok(f"SETACL Other {pair.reader_name} lr")
    assert seen(b, f"{pair.their}/Other") == [None, None]
    # The history says who, in the account where it is.
    log = pair.server.command("log", pair.owner_name).stdout
    assert f"{pair.reader_name} (" in log and "changed the metadata /shared/comment" in log, log
    assert "/private/other" not in log
    log = pair.server.command("log", pair.reader_name).stdout
    assert "changed the metadata /private/comment kept on somebody else's mailbox" in log, log


# ---- every command, every right ----

# command: the rights it takes in the shared mailbox {box}, and how it is asked. "selected": after
# SELECT, which itself takes r.
COMMANDS = {
    "SELECT": ("r", 'SELECT "{box}"'),
    "EXAMINE": ("r", 'EXAMINE "{box}"'),
    "STATUS": ("r", 'STATUS "{box}" (MESSAGES)'),
    "APPEND": ("i", None),
    "COPY to": ("i", 'COPY 1 "{box}"'),
    "MOVE to": ("i", 'MOVE 1 "{box}"'),
    "CREATE": ("k", 'CREATE "{box}/new"'),
    "DELETE": ("x", 'DELETE "{box}"'),
    "RENAME": ("xk", 'RENAME "{box}/sub" "{box}/other"'),
    "SUBSCRIBE": ("l", 'SUBSCRIBE "{box}"'),
    "GETACL": ("a", 'GETACL "{box}"'),
    "SETACL": ("a", 'SETACL "{box}" anyone ""'),
    "DELETEACL": ("a", 'DELETEACL "{box}" anyone'),
    "LISTRIGHTS": ("a", 'LISTRIGHTS "{box}" anyone'),
    "GETMETADATA private": ("lr", 'GETMETADATA "{box}" /private/comment'),
    "GETMETADATA shared": ("lr", 'GETMETADATA "{box}" (/private/a /shared/comment)'),
    "SETMETADATA private": ("lr", 'SETMETADATA "{box}" (/private/comment "mine")'),
    "SETMETADATA shared": ("lw", 'SETMETADATA "{box}" (/private/a "x" /shared/comment "ours")'),
    "GETQUOTAROOT": ("r", 'GETQUOTAROOT "{box}"'),
    "FETCH": ("r", "FETCH 1 (BODY.PEEK[])"),
    "SEARCH": ("r", "SEARCH ALL"),
    "STORE seen": ("rs", "STORE 1 +FLAGS (\\Seen)"),
    "STORE flag": ("rw", "STORE 1 +FLAGS (\\Flagged)"),
    "STORE keyword": ("rw", "STORE 1 +FLAGS ($Label)"),
    "STORE deleted": ("rt", "STORE 1 +FLAGS (\\Deleted)"),
    "EXPUNGE": ("re", "EXPUNGE"),
    "REPLACE": ("rtei", None),
    "COPY from": ("r", "COPY 1 Drafts"),
    "MOVE from": ("rte", "MOVE 1 Drafts"),
}
SELECTED = {"FETCH", "SEARCH", "EXPUNGE", "REPLACE", "COPY from", "MOVE from"} | {
    c for c in COMMANDS if c.startswith("STORE")}
KNOWN = set("lrikxa")  # each lets somebody know that the mailbox is there


def ask(reader, command, box):
    """(status, code, text without names) of the command there."""
    text = COMMANDS[command][1]
    if command in SELECTED:
        r = reader.cmd(f'SELECT "{box}"')
        if not r.ok:
            return r.status, r.code, bytes(r.text)
    elif command in ("COPY to", "MOVE to"):
        reader.select("INBOX")
    if command == "APPEND":
        r = reader.cmd(f'APPEND "{box}" {{}}', generated(3), sync=True)
    elif command == "REPLACE":
        r = reader.cmd(f'REPLACE 1 "{box}" {{}}', generated(3), sync=True)
    else:
        r = reader.cmd(text.format(box=box))
    return r.status, r.code, bytes(r.text)


@pytest.mark.parametrize("by", ["person", "group"])
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_takes_its_rights(pair, command, by):
    a, b = pair.owner, pair.reader
    needs = set(COMMANDS[command][0])
    for i in range(2):
        b.append("INBOX", generated(i))
    sets = [""] + list(LETTERS) + ["".join(sorted(needs)), "".join(sorted(needs | {"l"})),
                                   "".join(set(LETTERS) - {sorted(needs)[0]}), LETTERS]
    who = pair.reader_name
    if by == "group":  # by way of another one
        team, all_of = (f"{w}-{who}" for w in ("team", "all"))
        pair.server.command("alias", "add", team, who, "far@away.example")
        pair.server.command("alias", "add", all_of, "nobody@away.example", team)
        who = all_of
    for n, rights in enumerate(sets):
        box = f"Box{n}"
        a.ok(f"CREATE {box}/sub")
        for i in range(2):
            a.append(box, generated(i))
        for x in (box, f"{box}/sub"):
            a.ok(f'SETACL {x} {who} "{rights}"')
        if command == "MOVE to":
            b.append("INBOX", generated(n))
        got = ask(b, command, f"{pair.their}/{box}")
        allowed = needs <= set(rights)
        known = set(rights) & KNOWN
        where = f"{command} with {rights!r}: {got}"
        if allowed:
            assert got[0] == b"OK", where
        elif not known:
            nowhere = ask(b, command, f"{pair.their}/Nowhere{n}")
            nobody = ask(b, command, f"Other Users/nobody{n}@example.org/Box")
            assert got == nowhere == nobody, f"{where} {nowhere} {nobody}"
        else:
            assert got[0] == b"NO", where
        b.select("INBOX")
    # The same rights by way of anyone, and taken away from one.
    a.ok("CREATE Any/sub")
    a.append("Any", generated(1))
    for x in ("Any", "Any/sub"):
        a.ok(f"SETACL {x} anyone {LETTERS}")
    if command not in ("DELETE", "RENAME", "MOVE from"):
        assert ask(b, command, f"{pair.their}/Any")[0] == b"OK"
        b.select("INBOX")
    for x in ("Any", "Any/sub"):
        a.ok(f"SETACL {x} -{who} {LETTERS}")
    assert ask(b, command, f"{pair.their}/Any") == ask(b, command, f"{pair.their}/Never")
    if by == "group":  # who leaves has nothing
        b.select("INBOX")
        pair.server.command("alias", "remove", team, pair.reader_name)
        assert ask(b, command, f"{pair.their}/Box{len(sets) - 1}") == \
            ask(b, command, f"{pair.their}/Never")


def test_a_search_of_many_mailboxes_finds_what_may_be_read(pair):
    """ESEARCH (RFC 7377 section 2.2): "r" for what is named, "lr" for what is found; what may not
    be read, or known, is passed over as if it was not there."""
    a, b = pair.owner, pair.reader
    a.ok("CREATE Tree/sub")
    b.append("INBOX", generated(1))
    for box in "Tree", "Tree/sub":
        a.append(box, generated(1))
    top = f"{pair.their}/Tree"

    def found(source):
        reply = b.ok(f"ESEARCH IN ({source}) ALL")
        assert bytes(reply.text) == b"ESEARCH completed"
        out = []
        for line in reply.all(b"ESEARCH"):
            correlators = dict(zip(*[iter(line.args[0])] * 2))
            assert correlators[b"TAG"] == reply.line.tag and correlators[b"UIDVALIDITY"] > 0
            out.append(bytes(correlators[b"MAILBOX"]).decode())
        return out

    for rights in [""] + list(LETTERS) + ["lr", LETTERS]:
        for box in "Tree", "Tree/sub":
            a.ok(f'SETACL {box} {pair.reader_name} "{rights}"')
        reads, finds = "r" in rights, "r" in rights and "l" in rights
        assert found(f'mailboxes ("{top}" "{top}/sub" "{top}/never")') == (
            [top, f"{top}/sub"] if reads else []), rights
        tree = ([top] if reads else []) + ([f"{top}/sub"] if finds else [])
        assert found(f'subtree "{top}"') == tree, rights
        assert found(f'subtree-one "{top}"') == tree, rights
        # Named as well as found: it is named.
        assert found(f'subtree "{top}" mailboxes "{top}/sub"') == (
            [top, f"{top}/sub"] if reads else []), rights
        if finds:
            b.ok(f'SUBSCRIBE "{top}"')
    assert set(found("subscribed")) - {"INBOX"} == {top}
    a.ok(f'SETACL Tree {pair.reader_name} "r"')  # not to be found any more
    assert set(found("subscribed")) <= {"INBOX"}
    assert found("personal") == ["INBOX"]
    a.ok(f'SETACL Tree -{pair.reader_name} "r"')
    assert found(f'personal subtree "{top}" mailboxes "Other Users/nobody@example.org/X"') == [
        "INBOX", f"{top}/sub"]
    # The selected mailbox, while it may be read.
    a.ok(f'SETACL Tree {pair.reader_name} "lr"')
    a.ok(f'SETACL Tree -{pair.reader_name} ""')
    b.select(top)
    assert found(f'selected mailboxes "{top}"') == [top]
    b.select("INBOX")
    b.ok(f'UNSUBSCRIBE "{top}"')


def test_flags_are_those_one_may_set(pair):
    a, b = pair.owner, pair.reader
    a.ok("CREATE Flags")
    a.append("Flags", generated(1), "\\Flagged \\Deleted $Old")
    pair.share("Flags", "lrs")
    r = b.select(f"{pair.their}/Flags")
    assert [bytes(x) for x in r.codes()[b"PERMANENTFLAGS"][0]] == [b"\\Seen"]
    assert r.code[0] == b"READ-WRITE"
    b.ok("STORE 1 FLAGS (\\Seen \\Answered $New)")
    flags = set(b.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]) - {b"\\Recent"}
    assert flags == {b"\\Seen", b"\\Flagged", b"\\Deleted", b"$Old"}
    # Looking at a message marks it as seen only with s.
    a.ok("SELECT Flags")
    a.ok("STORE 1 -FLAGS (\\Seen)")
    pair.share("Flags", "lr")
    b.select(f"{pair.their}/Flags")
    b.ok("FETCH 1 (BODY[])")
    assert b"\\Seen" not in b.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]
    pair.share("Flags", "lrw")  # not for reading only, and still not to be marked as seen
    assert b.select(f"{pair.their}/Flags").code[0] == b"READ-WRITE"
    b.ok("FETCH 1 (BODY[])")
    assert b"\\Seen" not in b.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]
    # What is appended has the flags that one may set, and no others.
    pair.share("Flags", "lrsi")
    b.append(f"{pair.their}/Flags", generated(2), "\\Seen \\Flagged \\Deleted $Mine")
    a.ok("NOOP")
    assert set(a.ok("FETCH 2 (FLAGS)").fetches()[2][b"FLAGS"]) - {b"\\Recent"} == {b"\\Seen"}
    a.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    a.ok("UID EXPUNGE 2")
    # CLOSE takes nothing out without e.
    pair.share("Flags", "lrt")
    b.select(f"{pair.their}/Flags")
    b.ok("CLOSE")
    assert a.ok("STATUS Flags (MESSAGES)").all(b"STATUS")[0].args[1][1] == 1


def test_read_only_device_changes_nothing_of_others(pair):
    a = pair.owner
    a.ok("CREATE Ro")
    a.append("Ro", generated(1))
    pair.share("Ro", LETTERS)
    secret = pair.server.command("account", "device", "add", pair.reader_name, "viewer", "--for",
                                 "imap", "--read-only", "--json")
    password = json.loads(secret.stdout)["password"]
    c = Imap(pair.server.port)
    c.login(pair.reader_name, password)
    assert c.select(f"{pair.their}/Ro").code[0] == b"READ-ONLY"
    for command in ("STORE 1 +FLAGS (\\Seen)", f'SETACL "{pair.their}/Ro" anyone lr',
                    f'CREATE "{pair.their}/Ro/x"', f'DELETE "{pair.their}/Ro"'):
        assert c.cmd(command).status == b"NO"
    c.sock.close()


def test_an_administrator_sets_up_a_shared_mailbox(shared_server, account):
    """A group's mailbox: nobody signs in as it, and everybody of the team sees the same."""
    server, n = shared_server, 2 * account
    team = f"sales{n}@example.org"
    server.command("account", "add", team, "--no-password")
    with server.login(n) as one, server.login(n + 1) as two:
        out = server.command("mailbox", "share", team, "INBOX", server.user(n), "write").stdout
        assert f"shared with {server.user(n)} (lrswited)" in out
        server.command("mailbox", "share", team, "Archive", server.user(n), "all", "--below")
        server.command("mailbox", "share", team, "INBOX", server.user(n + 1), "read")
        listed = server.command("mailbox", "shares", team).stdout
        assert "write (lrswited)" in listed and "read (lrs)" in listed and "all (lrs" in listed
        box = f"Other Users/{team}/INBOX"
        one.append(box, generated(1))
        assert two.select(box).all(b"EXISTS")[0].number == 1
        server.command("mailbox", "share", team, "INBOX", server.user(n + 1), "none")
        with pytest.raises(Closed):
            two.ok("NOOP")
            two.ok("NOOP")
    for words, said in ((["Nowhere", server.user(n), "read"], "Nowhere"),
                        (["INBOX", "nobody@example.org", "read"], "nobody"),
                        (["INBOX", team, "read"], "owner"),
                        (["INBOX", server.user(n), "everything"], "read, write, manage")):
        r = server.command("mailbox", "share", team, *words, check=False)
        assert r.returncode and said in r.stderr, r.stderr
    log = server.command("log", team).stdout
    assert (f"changed who may use the mailbox INBOX: {server.user(n + 1)} no rights "
            f"(before: {server.user(n + 1)} lrs)") in log, log


def test_store_is_sound_after_all(shared_server):
    assert shared_server.check() == []
