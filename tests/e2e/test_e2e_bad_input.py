# SPDX-License-Identifier: Apache-2.0
"""Bad input against a running server: a clear answer, bounded memory and time, the session or at
least the next client served."""
import pytest

from hostile import REFUSED, ask, bounded, linear, outcome, push, still_served, usable
from imapwire import Closed, quote
from messages import generated

HUGE = ["4294967296", "4294967295", "2147483648", "99999999999999999999", "18446744073709551616"]


# ---- literals -----------------------------------------------------------------------------------

@pytest.mark.parametrize("size", HUGE)
def test_huge_literal_announced(shared_server, account, size):
    with shared_server.login(account) as c, bounded(shared_server):
        assert ask(c, b"APPEND INBOX {%s}" % size.encode()) in REFUSED
        usable(c)
    still_served(shared_server, account)


@pytest.mark.parametrize("size", HUGE)
def test_huge_literal_that_does_not_wait(shared_server, account, size):
    """LITERAL+: the bytes would follow at once, so the server can only end the connection, or
    throw away what it announced it will not keep."""
    with shared_server.login(account) as c, bounded(shared_server):
        c.count += 1
        push(c, b"t%d APPEND INBOX {%s+}\r\n" % (c.count, size.encode()) + b"x" * 100000)
        try:
            assert outcome(c, seconds=3) in REFUSED
        except TimeoutError:
            if shared_server.peer == "mailkeep":
                raise
    still_served(shared_server, account)


@pytest.mark.parametrize("size", [b"-1", b"", b"+", b"1x", b"0x10", b" 5", b"5 ", b"1+2", b"++"])
def test_malformed_literal(shared_server, account, size):
    with shared_server.login(account) as c, bounded(shared_server):
        assert ask(c, b"APPEND INBOX {%s}" % size, seconds=3) in REFUSED + (b"closed",)
    still_served(shared_server, account)


def test_large_literal_in_an_ordinary_command(shared_server, account):
    with shared_server.login(account) as c, bounded(shared_server):
        assert ask(c, b"SELECT {10000000}") in REFUSED
    still_served(shared_server, account)


@pytest.mark.parametrize("command", [b"LOGIN {5000}", b"LOGIN {4294967296}", b"LOGIN u {70000}",
                                     b"ID ({5000}", b"AUTHENTICATE {5000}", b"NOOP {5000}"])
def test_literal_before_login(shared_server, command):
    with shared_server.connect() as c, bounded(shared_server, megabytes=4):
        got = ask(c, command)
        # A peer may take 5,000 bytes; ours says what it takes: 4 KB.
        assert got in REFUSED or (shared_server.peer != "mailkeep" and got == b"+")
    still_served(shared_server, 150)


def test_literal_before_login_that_does_not_wait(shared_server):
    with shared_server.connect() as c, bounded(shared_server, megabytes=4):
        c.count += 1
        push(c, b"t1 LOGIN {5000+}\r\n" + b"u" * 5000 + b" pass\r\n")
        assert outcome(c) in REFUSED
    still_served(shared_server, 150)


def test_many_clients_announcing_literals_before_login(shared_server):
    """Announcing costs nothing: 40 clients, 4 KB each, all waiting."""
    with bounded(shared_server, megabytes=8):
        clients = [shared_server.connect() for _ in range(40)]
        for c in clients:
            c.count += 1
            push(c, b"t1 LOGIN {4000}\r\n")
        for c in clients:
            assert outcome(c) == b"+"
        still_served(shared_server, 150)
        for c in clients:
            c.close()


# ---- grammar ------------------------------------------------------------------------------------

@pytest.mark.parametrize("depth", [150, 10000, 60000, 100000])
@pytest.mark.parametrize("head", [b"SEARCH ", b"FETCH 1 ", b"STORE 1 FLAGS ", b"ID ", b"LIST "])
def test_nested_parentheses(shared_server, account, depth, head):
    with shared_server.login(account) as c:
        c.select("INBOX")
        with bounded(shared_server):
            # Over the limit for a line the server may close while we still send, and its BYE is
            # lost on the way.
            got = ask(c, head + b"(" * depth)
            assert got in REFUSED + ((b"closed",) if depth > 60000 else ())
            # Complete ones too: SEARCH takes them up to its depth.
            if got not in (b"BYE", b"closed"):
                got = ask(c, b"SEARCH " + b"(" * depth + b"ALL" + b")" * depth)
                assert got in REFUSED + (b"closed",) or shared_server.peer != "mailkeep"
    still_served(shared_server, account)


@pytest.mark.parametrize("keys", [b"NOT " * 20000, b"OR " * 16000, b"OR NOT " * 9000])
def test_nested_search_keys(shared_server, account, keys):
    with shared_server.login(account) as c:
        c.select("INBOX")
        with bounded(shared_server):
            assert ask(c, b"SEARCH " + keys + b"ALL") in REFUSED + (
                () if shared_server.peer == "mailkeep" else (b"OK",))
    still_served(shared_server, account)


def test_nested_parentheses_before_login(shared_server):
    with shared_server.connect() as c, bounded(shared_server, megabytes=4):
        assert ask(c, b"ID " + b"(" * 7000) in REFUSED
    with shared_server.connect() as c, bounded(shared_server, megabytes=4):
        assert ask(c, b"LOGIN " + b"(" * 100000) in REFUSED
    still_served(shared_server, 150)


@pytest.mark.parametrize("line", [b'LOGIN "u\x00" "x"', b'LOGIN u\x00 x', b'LOGIN "u',
                                  b'LOGIN "u\\x" y', b"LOGIN \xff\xfe x", b"\x00", b"",
                                  b"LOGIN", b"LOGIN a b c d"])
def test_broken_commands_before_login(shared_server, line):
    with shared_server.connect() as c, bounded(shared_server, megabytes=4):
        c.count += 1
        push(c, b"t1 " + line + b"\r\n")
        assert outcome(c) in REFUSED
    still_served(shared_server, 150)


@pytest.mark.parametrize("line", [b'SELECT "IN\x00BOX"', b'SELECT IN\x00BOX', b'CREATE "a\x00b"',
                                  b'SEARCH SUBJECT "a\x00b"', b'STATUS "x\x00" (MESSAGES)'])
def test_nul_is_refused(shared_server, account, line):
    with shared_server.login(account) as c:
        c.select("INBOX")
        assert ask(c, line) in (b"BAD", b"NO")
        usable(c)


@pytest.mark.parametrize("name", [b"a\0b", b"\0"])
def test_nul_in_a_literal_is_refused(shared_server, account, name):
    with shared_server.login(account) as c:
        assert not c.cmd(b"CREATE {}", name, sync=False).ok
        usable(c)
        assert len(c.ok('LIST "" "*"').all(b"LIST")) >= 1


def test_line_without_end(shared_server, account):
    """A megabyte without a line end is over every limit."""
    for c in (shared_server.connect(), shared_server.login(account)):
        with c, bounded(shared_server, megabytes=8):
            push(c, b"x" * 1000000, seconds=5)
            assert outcome(c, b"x") in REFUSED + (b"closed",)
    still_served(shared_server, account)


def test_ten_broken_commands_end_the_session(shared_server, account):
    with shared_server.login(account) as c:
        got = []
        for _ in range(30):
            got.append(ask(c, b"NOSUCH (("))
            if got[-1] not in (b"BAD", b"NO"):
                break
        assert got[-1] == b"BYE", got
        assert 9 <= len(got) <= 25
    still_served(shared_server, account)


def test_http_on_the_imap_port(shared_server):
    with shared_server.connect() as c:
        push(c, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a LOGIN u p\r\n\r\n" * 5)
        seen = b""
        try:
            while True:
                seen += c.raw_line() + b"\n"
        except (Closed, TimeoutError):
            pass
        assert b" OK " not in seen
    still_served(shared_server, 150)


# ---- lists and sets -----------------------------------------------------------------------------

def test_list_with_200_wildcards(shared_server, account):
    with shared_server.login(account) as c:
        for i in range(40):
            c.ok(f'CREATE "{"a" * 60}{i}/{"b" * 60}/{"a" * 60}"')
        everything = len(c.ok('LIST "" "*"').all(b"LIST"))
        linear(shared_server, lambda n: c.ok('LIST "" "%sx"' % ("*a" * n)), 12, 192)
        with bounded(shared_server):
            r = c.ok('LIST "" "%s"' % ("%*" * 200))
            assert len(r.all(b"LIST")) == everything
            assert not c.ok('LIST "" "%sx"' % ("*a" * 200)).all(b"LIST")
            assert not c.ok('LIST "" "%sx"' % ("%b*a" * 100)).all(b"LIST")


@pytest.mark.parametrize("command", [b"FETCH %s FLAGS", b"UID FETCH %s FLAGS",
                                     b"STORE %s +FLAGS.SILENT (\\Seen)", b"SEARCH %s"])
def test_sequence_sets(shared_server, account, command):
    with shared_server.login(account) as c:
        for i in range(3):
            c.append("INBOX", generated(i))
        c.select("INBOX")
        for s in (b"1:4294967295", b"4294967295:*", b"*:4294967295", b"*:1", b"*",
                  b",".join([b"1:4294967295"] * 4000), b",".join([b"1"] * 30000),
                  b",".join(b"%d" % i for i in range(1, 9000))):
            with bounded(shared_server):
                got = ask(c, command % s)
                assert got in (b"OK", b"NO", b"BAD"), (got, s[:40])
        usable(c)
        for s in (b"0", b"0:1", b"-1", b"1:", b":1", b"1,,2", b",1", b"1,", b"4294967296",
                  b"99999999999999999999", b"1:*:2", b"a"):
            assert ask(c, command % s) in (b"BAD", b"NO"), s
            if c.count % 5 == 0:
                c.close()
                c.__init__(shared_server.port)
                c.login(shared_server.user(account), shared_server.password)
                c.select("INBOX")


def test_sequence_set_of_ten_million(shared_server, account):
    """60 MB of a command: far over the limit for a line, so it must not be kept."""
    with shared_server.login(account) as c:
        c.select("INBOX")
        with bounded(shared_server, megabytes=16):
            push(c, b"x FETCH 1" + b",12345" * 10_000_000 + b" FLAGS\r\n", seconds=20)
            assert outcome(c, b"x") in REFUSED + (b"closed",)
    still_served(shared_server, account)


# ---- names --------------------------------------------------------------------------------------

BAD_NAMES = (b"/", b"//", b"/a", b"a//b", b"..", b"../x", b"../../../../tmp/x", b"a/../b", b".",
             b"a/./b", b"a\x01b", b"a\x7fb", b"a\rb", b"a\nb", b"\xff\xfe", b"caf\xc3", b"&AAA-",
             b"&2AA-", b"&AC8-", b"&AGE-", b"&", b"a&b", b"&AOk", b"&!-", b"x" * 2000, b"",
             b"a/" * 200 + b"a", b"%", b"*", b"a%b", b"\xed\xa0\x80", b"INBOX/" + b"y" * 1100)


@pytest.mark.parametrize("utf8", [False, True], ids=["utf7", "utf8"])
def test_mailbox_names(shared_server, account, utf8):
    """Refused, or taken exactly as sent; never a path, never a broken LIST."""
    with shared_server.login(account) as c:
        if utf8:
            if b"UTF8=ACCEPT" not in c.capabilities():
                pytest.skip("no UTF8=ACCEPT")
            c.ok("ENABLE UTF8=ACCEPT")
        for name in BAD_NAMES:
            for command in (b"CREATE {}", b"RENAME INBOX {}", b"SUBSCRIBE {}", b"SELECT {}"):
                r = c.cmd(command, name, sync=False)
                if r.ok and shared_server.peer == "mailkeep":
                    listed = [quoted_name(u) for u in c.ok('LIST "" "*"').all(b"LIST")]
                    assert name.rstrip(b"/") in listed or command[:3] in (b"SUB", b"SEL"), name
            assert c.cmd("NOOP").ok, name
        r = c.ok('LIST "" "*"')
        for u in r.all(b"LIST"):
            flags = {bytes(f).lower() for f in u.args[0]}
            if not flags & {b"\\noselect", b"\\nonexistent"}:
                assert c.cmd(b"EXAMINE {}", quoted_name(u), sync=False).ok
    still_served(shared_server, account)


def quoted_name(line):
    name = line.args[2]
    return name if isinstance(name, bytes) else b"%d" % name


def test_names_that_are_fine_come_back(shared_server, account):
    names = [b"Tr&AOg-s", b"&-", b"a&-b", b"&U,BTFw-", b"with space", b'quo"te', b"back\\slash",
             b"x" * 200, b"(paren)", b"{brace}", b"a.b", b"~", b"inboxes"]
    with shared_server.login(account) as c:
        for name in names:
            assert c.cmd(b"CREATE " + quote(name)).ok, name
        listed = {quoted_name(u) for u in c.ok('LIST "" "*"').all(b"LIST")}
        assert set(names) <= listed
        for name in names:
            c.append(name, generated(1))
            assert c.select(name).all(b"EXISTS")[-1].number == 1
        c.ok("CLOSE")
        for name in names:
            assert c.cmd(b"DELETE " + quote(name)).ok, name


# ---- messages -----------------------------------------------------------------------------------

def deep_mime(depth):
    head = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i)
                    for i in range(depth))
    tail = b"".join(b"--b%d--\r\n" % i for i in reversed(range(depth)))
    return b"Subject: deep\r\nMIME-Version: 1.0\r\n" + head + b"\r\nleaf\r\n" + tail


def deep_messages(depth):
    return b"Subject: deep\r\nMIME-Version: 1.0\r\n" + \
        b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: inner\r\n\r\nleaf\r\n"


def wide_mime(parts):
    return (b"Subject: wide\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
            b"\r\n" + b"--b\r\n\r\nx\r\n" * parts + b"--b--\r\n")


ITEMS = "(UID FLAGS ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE INTERNALDATE)"


def stores_and_reads(server, account, message, megabytes=96):
    with server.login(account) as c:
        with bounded(server, megabytes=megabytes):
            c.append("INBOX", message)
            number = c.select("INBOX").all(b"EXISTS")[-1].number
            a = c.ok(f"FETCH {number} {ITEMS}").all(b"FETCH")[0].attributes()
            assert a[b"RFC822.SIZE"] == len(message)
        a = c.ok(f"FETCH {number} (BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == message
        for section in ("1", "1.1.1.1", ".".join(["1"] * 150), "9999", "1.2.3.HEADER", "2.MIME"):
            assert c.cmd(f"FETCH {number} (BODY.PEEK[{section}])").status != b"BYE"
        assert c.ok('SEARCH BODY "leafless" SUBJECT "nothing"').search() == []
        usable(c)
    still_served(server, account)


def grows_with_its_input(server, account, make, large):
    """make(n), stored and listed, costs about n, for `large` and a sixteenth of it."""
    def work(n):
        with server.login(account) as c:
            c.append("INBOX", make(n))
            c.select("INBOX")
            c.ok(f"FETCH * {ITEMS}")

    linear(server, work, large // 16, large)


@pytest.mark.parametrize("make", [deep_mime, deep_messages, wide_mime])
def test_mime_tree_ten_thousand(shared_server, account, make):
    stores_and_reads(shared_server, account, make(10000))
    grows_with_its_input(shared_server, account, make, 64000)


def many_addresses(n):
    rows = b",\r\n ".join(b'"Person %d" <p%d@example.org>' % (i, i) for i in range(n))
    return b"From: a@example.org\r\nTo: " + rows + b"\r\nSubject: many\r\n\r\nhello\r\n"


def test_hundred_thousand_addresses(shared_server, account):
    stores_and_reads(shared_server, account, many_addresses(100000))
    grows_with_its_input(shared_server, account, many_addresses, 100000)


HOSTILE_HEADERS = {
    "comments": (200000, lambda n: b"To: " + b"(" * n),
    "closed comments": (100000, lambda n: b"To: " + b"(a" * n + b")" * n + b" x@y"),
    "backslashed comment": (200000, lambda n: b"To: x@y (" + b"\\)" * n + b"\\"),
    "unclosed quote": (500000, lambda n: b'To: "' + b"a" * n),
    "groups": (100000, lambda n: b"To: " + b"g:" * n + b"a@b" + b";" * n),
    "angle": (200000, lambda n: b"To: " + b"<" * n + b"a@b" + b">" * n),
    "many fields": (100000, lambda n: b"\r\n".join([b"To: a@b"] * n)),
    "received": (100000, lambda n: b"\r\n".join([b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 Z"]
                                              * n)),
    "continuations": (200000, lambda n: b"Subject: a" + b"\r\n b" * n),
    "references": (100000, lambda n: b"References: " + b"<a@b> " * n),
    "encoded words": (50000, lambda n: b"Subject: " + b"=?utf-8?q?x?= " * n),
    "split encoded words": (50000, lambda n: b"Subject: " + b"=?utf-8?b?4g==?= =?utf-8?q?=0D=0Ax?= "
                            * n),
    "parameters": (30000, lambda n: b"Content-Type: text/plain; " + b"".join(
        b"n*%d*=a; " % i for i in range(n))),
    "same parameter": (30000, lambda n: b"Content-Type: text/plain" + b"; name*0*=x''%0D" * n),
    "one long line": (3000000, lambda n: b"Subject: " + b"x" * n),
    "boundary": (500000, lambda n: b"Content-Type: multipart/mixed; boundary=" + b"b" * n),
}


@pytest.mark.parametrize("name", HOSTILE_HEADERS)
def test_hostile_headers(shared_server, account, name):
    large, make = HOSTILE_HEADERS[name]

    def message(n):
        return make(n) + b"\r\n\r\nbody\r\n"

    stores_and_reads(shared_server, account, message(large))
    grows_with_its_input(shared_server, account, message, large)


STRANGE_MESSAGES = {
    "nul and eight bit": b"Subject: a\xff\xfe\x80b\r\nTo: \xc3@\xa9 <\xe9@x>\r\n\r\nx\r\n",
    "bare cr": b"Subject: a\rb\rc\r\n\r\nx\r\n",
    "bare lf": b"Subject: a\nTo: b@c\n\nx\n",
    "no header": b"\r\nx\r\n",
    "no body": b"Subject: a",
    "one byte": b"x",
    "only a colon": b":\r\n\r\nx",
    "space before the colon": b"From : a@b\r\nSubject : s\r\n\r\nx",
    "line without a colon": b"Subject: a\r\nnonsense\r\nTo: b@c\r\n\r\nx",
    "two of each": b"From: a@b\r\nFrom: c@d\r\nContent-Type: text/html\r\n"
                   b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\nx",
    "quotes to escape": b'Subject: a "b" \\ c\r\nFrom: "\\"q\\\\" <"a b"@c>\r\n\r\nx',
    "broken encodings": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                        b"Content-Transfer-Encoding: base64\r\n\r\n=A=!x\r\n--b\r\nContent-Type: "
                        b"text/plain; charset=nowhere\r\nContent-Transfer-Encoding: "
                        b"quoted-printable\r\n\r\n=\r\n=4=XX=\r\n--b\r\n\r\n\xf0\x9f\x98",
    "empty boundary": b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n----\r\n',
    "boundary within a boundary": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
                                  b"Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\nx\r\n"
                                  b"--a\r\n\r\ny\r\n--ab--\r\n--a--\r\n",
}


@pytest.mark.parametrize("name", STRANGE_MESSAGES)
def test_strange_messages(shared_server, account, name):
    stores_and_reads(shared_server, account, STRANGE_MESSAGES[name], megabytes=16)


def near_boundaries(n):
    """A boundary, and n lines that are almost it."""
    return b'Content-Type: multipart/mixed; boundary="b' + b"x" * 59 + b'y"\r\n\r\n' + \
        (b"--b" + b"x" * 60 + b"\r\n") * n


def test_broken_boundaries_are_linear(shared_server, account):
    stores_and_reads(shared_server, account, near_boundaries(200000))
    grows_with_its_input(shared_server, account, near_boundaries, 200000)


def test_message_of_forty_megabytes_streams(shared_server, account):
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 655360 + b"\r\n"
    with shared_server.login(account) as c:
        with bounded(shared_server, megabytes=24):
            c.append("INBOX", message)
            c.append("INBOX", message, sync=True)
            c.select("INBOX")
            tag = c.start("FETCH 1 (BODY.PEEK[])")
            a = c.finish(tag).all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == message
    still_served(shared_server, account)


def test_message_over_the_limit_is_refused(shared_server, account):
    if shared_server.peer != "mailkeep":
        pytest.skip("the peer has no limit")
    with shared_server.login(account) as c, bounded(shared_server):
        assert ask(c, b"APPEND INBOX {52428801}") == b"NO"
        usable(c)
        assert any(x.startswith(b"APPENDLIMIT") for x in c.capabilities())


def test_connection_lost_in_the_middle_of_append(shared_server, account):
    c = shared_server.login(account)
    push(c, b"x APPEND INBOX {1000000+}\r\n" + b"a" * 500000)
    c.close()
    with shared_server.login(account) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 0


def test_multiappend_is_all_or_nothing(shared_server, account):
    with shared_server.login(account) as c:
        if b"MULTIAPPEND" not in c.capabilities():
            pytest.skip("no MULTIAPPEND")
        assert ask(c, b"APPEND INBOX {5+}\r\nabcde (\\Bad\x01) {5+}\r\nabcde") in REFUSED + (b"+",)
    with shared_server.login(account) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 0


@pytest.mark.parametrize("count,answer", [(1000, b"OK"), (1001, b"NO"), (9000, b"NO"),
                                          (200000, b"NO")])
def test_multiappend_of_very_many(shared_server, account, count, answer):
    """A thousand at most; whatever comes after them is thrown away, and nothing is kept."""
    with shared_server.login(account) as c:
        if shared_server.peer != "mailkeep" or b"MULTIAPPEND" not in c.capabilities():
            pytest.skip("a limit of Mailkeep")
        with bounded(shared_server, megabytes=48):
            assert ask(c, b"APPEND INBOX" + b" {1+}\r\nx" * count) == answer
            usable(c)
    with shared_server.login(account) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == (count if answer == b"OK" else 0)


@pytest.mark.parametrize("flags", [b"(" + b" ".join(b"k%060d" % i for i in range(60)) + b")",
                                   b"(" * 60000, b"\"" + b"x" * 60000],
                         ids=["keywords", "parentheses", "string"])
def test_multiappend_with_much_between(shared_server, account, flags):
    """The text between the messages of one APPEND is bounded as a whole, whatever it is."""
    with shared_server.login(account) as c:
        if shared_server.peer != "mailkeep" or b"MULTIAPPEND" not in c.capabilities():
            pytest.skip("a limit of Mailkeep")
        with bounded(shared_server, megabytes=24):
            many = 60_000_000 // len(flags)
            got = ask(c, b"APPEND INBOX {1+}\r\nx" + (b" " + flags + b" {1+}\r\nx") * many)
            assert got in (b"NO", b"BAD")
            usable(c)
    still_served(shared_server, account)


def test_nul_in_a_message(shared_server, account):
    """Mail with a NUL exists and must be able to move in: BINARY gives it back as it was, BODY[]
    has 0x80 in its place, and everything stays in step."""
    message = b"Subject: nul\x00\r\n\r\na\x00b\r\n\x00"
    with shared_server.login(account) as c:
        c.append("INBOX", message)
        c.select("INBOX")
        a = c.ok(f"FETCH 1 {ITEMS}").all(b"FETCH")[0].attributes()
        assert a[b"RFC822.SIZE"] == len(message)
        a = c.ok("FETCH 1 (BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == message.replace(b"\0", b"\x80")
        a = c.ok("FETCH 1 (BINARY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BINARY[]"] == message
    still_served(shared_server, account)


def test_ten_thousand_sections_and_odd_partials(shared_server, account):
    with shared_server.login(account) as c:
        c.append("INBOX", generated(1))
        c.select("INBOX")
        for section in ("<4294967295.4294967295>", "<0.4294967295>", "<4294967295.1>"):
            assert c.cmd(f"FETCH 1 BODY.PEEK[]{section}").status in (b"OK", b"BAD", b"NO")
        a = c.ok("FETCH 1 BODY.PEEK[]<4294967295.10>").all(b"FETCH")[0].attributes()
        assert not a[b"BODY[]<4294967295>"]
        with bounded(shared_server):
            names = " ".join(f"X{i}" for i in range(9000))
            assert c.cmd(f"FETCH 1 BODY.PEEK[HEADER.FIELDS ({names})]").status in (b"OK", b"NO")
            parts = " ".join(f"BODY.PEEK[{i}]" for i in range(1, 4000))
            assert c.cmd(f"FETCH 1 ({parts})").status in (b"OK", b"NO")
        for bad in ("BODY[]<-1.5>", "BODY[]<0.0>", "BODY[]<99999999999999999999.1>", "BODY[0]", "BODY[1.]",
                    "BODY[1.0]", "BODY[MIME]", "BODY[4294967296]", "BODY[HEADER.FIELDS ()]"):
            assert c.cmd(f"FETCH 1 {bad}").status == b"BAD", bad
            if c.count % 9 == 0:
                usable(c)
        usable(c)
