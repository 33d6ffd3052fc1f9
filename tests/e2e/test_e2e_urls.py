# SPDX-License-Identifier: Apache-2.0
"""URLs that are good for others (URLAUTH, RFC 4467), and messages made of parts of others
(CATENATE, RFC 4469): who may use which, and that what one may not know of is not there."""
import json
import re
import time

import pytest

from imapwire import Imap, quote
from messages import generated

TEXT = b"Subject: plans\r\n\r\nWe meet at noon.\r\n"


class People:
    """Anna has mail; bert is somebody else; both are of one domain."""

    def __init__(self, server, n):
        self.server = server
        self.anna_name, self.bert_name = server.user(n), server.user(n + 1)
        self.anna, self.bert = server.login(n), server.login(n + 1)

    def url(self, rest="INBOX/;UID=1", access="authuser", user=None, host="mail.example.org"):
        user = (user or self.anna_name).replace("@", "%40")
        return f"imap://{user}@{host}/{rest};URLAUTH={access}"

    def make(self, *args, who=None, **more):
        return generate(who or self.anna, self.url(*args, **more))


def generate(c, url):
    r = c.ok(b"GENURLAUTH " + quote(url) + b" INTERNAL").all(b"GENURLAUTH")
    assert len(r) == 1 and len(r[0].args) == 1
    return bytes(r[0].args[0]).decode()


def fetch(c, *urls):
    r = c.ok(b"URLFETCH " + b" ".join(quote(u) for u in urls)).all(b"URLFETCH")
    assert [bytes(u.args[0]).decode() for u in r] == list(urls)
    return [u.args[1] for u in r] if len(urls) > 1 else r[0].args[1]


@pytest.fixture
def people(shared_server, account):
    p = People(shared_server, 2 * account)
    p.anna.append("INBOX", TEXT)
    yield p
    for c in (p.anna, p.bert):
        c.sock.close()


def test_announced(people):
    have = people.anna.capabilities()
    assert {b"URLAUTH", b"CATENATE", b"URL-PARTIAL"} <= have


def test_a_url_is_good_for_whom_it_says(people):
    a, b = people.anna, people.bert
    url = people.make()
    assert re.fullmatch(re.escape(people.url()) + r":INTERNAL:01[0-9a-f]{64}", url)
    assert fetch(a, url) == fetch(b, url) == TEXT
    assert fetch(b, people.make(access="anonymous")) == TEXT
    only = people.make(access="user+" + people.bert_name.replace("@", "%40"))
    assert fetch(b, only) == TEXT and fetch(a, only) is None
    upper = people.make(access="USER+" + people.bert_name.upper().replace("@", "%40"))
    assert fetch(b, upper) == TEXT and fetch(a, upper) is None
    # Nobody here submits for others.
    assert fetch(b, people.make(access="submit+bert")) is None
    # A token is of the bytes as they stand.
    assert fetch(b, url.replace("imap://", "IMAP://")) is None
    assert fetch(b, url.replace("INBOX", "inbox")) is None
    assert fetch(b, url.replace("%40", "@")) is None
    assert fetch(b, url.upper().replace("IMAP://", "imap://")) is None
    # The digits of the token are digits in either case.
    head, token = url.rsplit(":", 1)
    assert fetch(b, f"{head}:{token.upper()}") == TEXT
    # The same URL anew is the same text: there is one key.
    assert people.make() == url


def test_parts_and_ranges(people):
    a, b = people.anna, people.bert
    for rest, want in (("INBOX/;UID=1/;SECTION=TEXT", b"We meet at noon.\r\n"),
                       ("INBOX/;UID=1/;SECTION=HEADER", b"Subject: plans\r\n\r\n"),
                       ("INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)", b"Subject: plans\r\n\r\n"),
                       ("INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=3.4", b"meet"),
                       ("INBOX/;UID=1/;PARTIAL=27", TEXT[27:]),
                       ("INBOX/;UID=1/;PARTIAL=500", b"")):
        assert fetch(b, people.make(rest)) == want, rest
    validity = int(a.select("INBOX").codes()[b"UIDVALIDITY"][0])
    assert fetch(b, people.make(f"INBOX;UIDVALIDITY={validity}/;UID=1")) == TEXT
    # A part that is not there, a message that is not there.
    assert fetch(b, people.make("INBOX/;UID=1/;SECTION=7")) is None
    assert fetch(b, people.make("INBOX/;UID=99")) is None
    assert not a.select("INBOX").all(b"FETCH")
    assert b"\\Seen" not in a.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]


def test_a_large_part_comes_in_pieces(people):
    big = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 200_000 + b"\r\n"
    people.anna.append("INBOX", big)
    url = people.make("INBOX/;UID=2")
    got = fetch(people.bert, url, people.make(), url)
    assert got == [big, TEXT, big]


def test_many_in_one_command(people):
    good, bad = people.make(), people.url() + ":INTERNAL:01" + "0" * 64
    assert fetch(people.bert, bad, good, "imap://", good, "nonsense") == [
        None, TEXT, None, TEXT, None]
    with_all = b" ".join(quote(people.url(f"INBOX/;UID={i}")) + b" INTERNAL" for i in range(1, 101))
    r = people.anna.ok(b"GENURLAUTH " + with_all).all(b"GENURLAUTH")
    assert len(r[0].args) == 100
    r = people.anna.cmd(b"GENURLAUTH " + with_all + b" " + with_all)
    assert r.status == b"NO" and r.code[0] == b"LIMIT"


def test_expired(people):
    def at(seconds, how="%Y-%m-%dT%H:%M:%SZ"):
        return time.strftime(how, time.gmtime(time.time() + seconds))

    def made(when):
        return people.make(f"INBOX/;UID=1;EXPIRE={when}")

    assert fetch(people.bert, made(at(3600))) == TEXT
    assert fetch(people.bert, made(at(3600 + 7200, "%Y-%m-%dT%H:%M:%S.25+02:00"))) == TEXT
    assert fetch(people.bert, made(at(-3600))) is None
    assert fetch(people.bert, made(at(3600, "%Y-%m-%dT%H:%M:%S+02:00"))) is None
    soon = made(at(2))
    assert fetch(people.bert, soon) == TEXT
    time.sleep(3.1)
    assert fetch(people.bert, soon) is None


def test_keys_are_renewed_and_dropped(people):
    a, b = people.anna, people.bert
    a.ok("CREATE Team")
    a.append("Team", TEXT)
    inbox, team = people.make(), people.make("Team/;UID=1")
    r = a.ok("RESETKEY INBOX")
    assert [bytes(x) for x in r.code] == [b"URLMECH", b"INTERNAL"]
    assert fetch(b, inbox, team) == [None, TEXT]
    inbox = people.make()
    assert fetch(b, inbox) == TEXT
    a.ok("RESETKEY Team INTERNAL")
    assert fetch(b, inbox, team) == [TEXT, None]
    team = people.make("Team/;UID=1")
    a.ok("RESETKEY")
    assert fetch(b, inbox, team) == [None, None]
    a.ok("RESETKEY")
    assert a.cmd("RESETKEY INBOX XSAMPLE").status == b"BAD"
    assert a.cmd("RESETKEY Nowhere").code[0] == b"NONEXISTENT"
    # A mailbox of the same name later is another: its key went with the first.
    team = people.make("Team/;UID=1")
    a.ok("DELETE Team")
    a.ok("CREATE Team")
    a.append("Team", TEXT)
    assert fetch(b, team) is None
    people.make("Team/;UID=1")
    assert fetch(b, team) is None
    log = people.server.command("log", people.anna_name).stdout
    assert "key for URLs made: INBOX" in log and "all keys for URLs dropped" in log, log


def test_what_is_no_such_url(people):
    a = people.anna
    for url in ("imap://h/INBOX/;UID=1;URLAUTH=authuser", people.url().replace(";URLAUTH=authuser", ""),
                people.url("INBOX"), people.url("INBOX/;UID=0"), people.url(access="everybody"),
                people.url() + ":INTERNAL:01" + "0" * 64, "/INBOX/;UID=1;URLAUTH=authuser",
                people.url("Nowhere/;UID=1"), people.url(user=people.bert_name),
                people.url(user="nobody@example.org"), "http://x/", ""):
        r = a.cmd(b"GENURLAUTH " + quote(url) + b" INTERNAL")
        assert r.status == b"BAD" and not r.all(b"GENURLAUTH"), url
    assert a.cmd(b"GENURLAUTH " + quote(people.url()) + b" XSAMPLE").status == b"BAD"
    assert a.cmd("GENURLAUTH").status == b"BAD"
    assert a.cmd("URLFETCH").status == b"BAD"


def test_what_a_url_gives_is_what_its_maker_may_read_now(people):
    """Bert makes a URL of what anna shares with him; it lives as long as his right to read."""
    a, b = people.anna, people.bert
    other = people.server.login(3)
    a.ok("CREATE Plans")
    a.append("Plans", TEXT)
    rest = f"Other%20Users/{people.anna_name.replace('@', '%40')}/Plans/;UID=1"

    def try_make():
        return b.cmd(b"GENURLAUTH " + quote(people.url(rest, user=people.bert_name)) + b" INTERNAL")

    nowhere = b.cmd(b"GENURLAUTH " + quote(people.url(rest.replace("Plans", "Never"),
                                                      user=people.bert_name)) + b" INTERNAL")
    for rights in ("", "l", "i", "swte", "p", "a"):
        a.ok(f'SETACL Plans {people.bert_name} "{rights}"')
        r = try_make()
        assert (r.status, r.code, r.text) == (nowhere.status, nowhere.code, nowhere.text), rights
    a.ok(f"SETACL Plans {people.bert_name} r")
    url = people.make(rest, user=people.bert_name, who=b)
    assert fetch(b, url) == fetch(other, url) == fetch(a, url) == TEXT
    a.ok(f"DELETEACL Plans {people.bert_name}")
    assert fetch(b, url) is None and fetch(a, url) is None
    a.ok(f"SETACL Plans {people.bert_name} r")
    assert fetch(other, url) == TEXT
    # Whose key it is: bert's, whatever anna does with hers.
    a.ok("RESETKEY")
    assert fetch(other, url) == TEXT
    b.ok(f'RESETKEY "Other Users/{people.anna_name}/Plans"')
    assert fetch(other, url) is None
    other.sock.close()


def test_the_maker_is_suspended(people):
    url = people.make()
    assert fetch(people.bert, url) == TEXT
    people.server.command("account", "suspend", people.anna_name)
    assert fetch(people.bert, url) is None
    people.server.command("account", "resume", people.anna_name)
    assert fetch(people.bert, url) == TEXT


def test_read_only_makes_nothing(people):
    made = people.make()
    secret = people.server.command("account", "device", "add", people.anna_name, "viewer", "--for",
                                   "imap", "--read-only", "--json")
    c = Imap(people.server.port)
    c.login(people.anna_name, json.loads(secret.stdout)["password"])
    for command in (b"GENURLAUTH " + quote(people.url()) + b" INTERNAL", b"RESETKEY INBOX",
                    b"RESETKEY"):
        assert c.cmd(command).code[0] == b"NOPERM"
    assert fetch(c, made) == TEXT
    c.sock.close()


def test_parts_of_what_others_share(people):
    """CATENATE from a mailbox that one may not read is as from one that is not there."""
    a, b = people.anna, people.bert
    a.ok("CREATE Plans")
    a.append("Plans", TEXT)
    box = f"/Other%20Users/{people.anna_name.replace('@', '%40')}/"

    def ask(name):
        r = b.cmd(b"APPEND Drafts CATENATE (URL " + quote(box + name + "/;UID=1/;SECTION=TEXT") +
                  b")")
        return r.status, r.code[0], bytes(r.text), r.code[-1] if r.ok else r.code[1].decode()

    for rights in ("", "l", "lswite", "a", "k"):
        a.ok(f'SETACL Plans {people.bert_name} "{rights}"')
        got, never = ask("Plans"), ask("Never")
        assert got[:3] == never[:3] == (b"NO", b"BADURL", got[2]), rights
        assert got[3] == box + "Plans/;UID=1/;SECTION=TEXT"
    a.ok(f"SETACL Plans {people.bert_name} r")
    assert ask("Plans")[:2] == (b"OK", b"APPENDUID")
    b.select("Drafts")
    assert b.ok("FETCH 1 (BODY.PEEK[])").fetches()[1][b"BODY[]"] == b"We meet at noon.\r\n"


def test_a_large_message_of_parts(people):
    """Three times 8 MB and text between: nothing of it is held."""
    a = people.anna
    part = b"Subject: big\r\n\r\n" + b"The quick brown fox.\r\n" * 380_000
    a.append("INBOX", part)
    people.server.memory_reset()
    before = people.server.memory_largest()
    r = a.ok("APPEND INBOX CATENATE (URL /INBOX/;UID=2 TEXT {} URL /INBOX/;UID=2 "
             "URL /INBOX/;UID=2/;SECTION=TEXT)", b"between", sync=True)
    assert r.code[0] == b"APPENDUID"
    assert people.server.memory_largest() - before < 24 << 20
    a.select("INBOX")
    size = a.ok("FETCH 3 (RFC822.SIZE)").fetches()[3][b"RFC822.SIZE"]
    assert size == 3 * len(part) + len(b"between") - len(b"Subject: big\r\n\r\n")
    # Over and over, in one command: that has an end.
    many = " ".join(["CATENATE (URL /INBOX/;UID=3)"] * 12)
    r = a.cmd(f"APPEND INBOX {many}")
    assert r.status == b"NO" and r.code[0] == b"LIMIT"
    assert a.ok("STATUS INBOX (MESSAGES)").all(b"STATUS")[0].args[1][1] == 3


def test_store_is_sound_after_all(shared_server):
    assert shared_server.check() == []
