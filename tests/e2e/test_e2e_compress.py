# SPDX-License-Identifier: Apache-2.0
"""COMPRESS=DEFLATE (RFC 4978) in the clear, over TLS and with STARTTLS: what is said and heard,
literals, IDLE, pipelines, what is no DEFLATE, much out of little, and what an idle one costs."""
import time
import zlib

import pytest

from imapwire import Closed, Imap
from messages import generated

MODES = ["clear", "tls", "starttls"]


def compressed(server, n, mode="clear"):
    c = server.login(n, mode)
    assert b"COMPRESS=DEFLATE" in c.capabilities()
    c.compress()
    return c


@pytest.mark.parametrize("mode", MODES)
def test_a_session_goes_on_compressed(shared_server, account, mode):
    with compressed(shared_server, account, mode) as c:
        assert b"COMPRESS=DEFLATE" not in c.capabilities()
        big = generated(3, token="big") + b"x" * 70000 + b"\r\n"
        for m in (generated(1, token="a"), generated(2, token="b"), big):
            c.append("INBOX", m)
        c.append("INBOX", generated(4, token="sync"), sync=True)
        c.select("INBOX")
        got = c.ok("FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])").fetches()
        assert [len(a[b"BODY[]"]) for a in got.values()][2] == len(big)
        assert got[3][b"BODY[]"] == big
        assert c.raw_in < len(big) / 2
        tag = c.idle()
        with shared_server.login(account) as other:
            other.append("INBOX", generated(5))
        assert c.wait_untagged(b"EXISTS").number == 5
        assert c.done(tag).ok
        c.logout()


def test_compressed_once_only(shared_server, account):
    with shared_server.login(account) as c:
        assert c.cmd("COMPRESS LZ4").status == b"BAD"
        assert c.cmd("COMPRESS").status == b"BAD"
        c.compress()
        r = c.cmd("COMPRESS deflate")
        assert r.status == b"NO" and r.code[0] == b"COMPRESSIONACTIVE"
        c.ok("NOOP")


def test_what_follows_the_ok_at_once(shared_server, account):
    """Many commands in one packet, each flushed, and cut at every byte."""
    with compressed(shared_server, account) as c:
        text = b"".join(b"p%d NOOP\r\n" % i for i in range(200))
        c.send(text)
        for i in range(200):
            assert c.line().tag == b"p%d" % i
        packed = c.deflate.compress(b"q1 NOOP\r\nq2 APPEND INBOX {5+}\r\nabcde\r\nq3 NOOP\r\n")
        packed += c.deflate.flush(zlib.Z_SYNC_FLUSH)
        for i in range(len(packed)):
            c.send_raw(packed[i:i + 1])
        assert [c.line().kind for _ in range(3)] == [b"OK"] * 3


def test_flushed_in_every_way(shared_server, account):
    with compressed(shared_server, account) as c:
        for how in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH):
            c.send_raw(c.deflate.compress(b"a NOOP\r\n") + c.deflate.flush(how))
            assert c.line().kind == b"OK"
        # An end of the stream is the end of what this client says.
        c.send_raw(c.deflate.compress(b"a LOGOUT\r\n") + c.deflate.flush(zlib.Z_FINISH))
        assert [c.line().kind for _ in range(2)] == [b"BYE", b"OK"]


@pytest.mark.parametrize("mode", ["clear", "tls"])
def test_plain_text_behind_compress_ends_it(shared_server, account, mode):
    """A client may not go on before it has seen the OK; what it then said is no DEFLATE."""
    with shared_server.login(account, mode) as c:
        c.send_raw(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
        assert c.line().kind == b"OK"
        with pytest.raises(Closed):
            while True:
                c.fill()
    with shared_server.login(account) as c:
        c.ok("NOOP")


def test_a_command_behind_compress_is_not_answered_twice(shared_server, account):
    """Compressed in the packet of COMPRESS itself: borne, as it can be read."""
    z = zlib.compressobj(6, wbits=-15)
    with shared_server.login(account) as c:
        c.send_raw(b"a COMPRESS DEFLATE\r\n" + z.compress(b"b NOOP\r\n") +
                   z.flush(zlib.Z_SYNC_FLUSH))
        assert c.line().tag == b"a"
        c.inflate = zlib.decompressobj(wbits=-15)
        c.buf = c.inflate.decompress(c.buf)
        assert c.line().tag == b"b"


def test_much_out_of_little_meets_the_limits(shared_server, account):
    with compressed(shared_server, account) as c:
        z = c.deflate
        c.send_raw(z.compress(b"a NOOP " + b" " * 50_000_000) + z.flush(zlib.Z_SYNC_FLUSH))
        assert c.line().kind == b"BYE"
    with compressed(shared_server, account) as c:
        z = c.deflate
        head = b"a APPEND INBOX {60000000}\r\n"
        c.send_raw(z.compress(head) + z.flush(zlib.Z_SYNC_FLUSH))
        r = c.line()
        assert r.kind == b"NO" and r.code[0] == b"TOOBIG"
        c.ok("NOOP")
    # Blocks that say nothing, for a while: others are served, and so is this one after.
    with compressed(shared_server, account) as c, shared_server.login(account) as other:
        for _ in range(20):
            c.send_raw(b"\0\0\0\xff\xff" * 20000)
            other.ok("NOOP")
        c.ok("NOOP")


def test_two_messages_tell_nothing_of_each_other(shared_server, account):
    """The length of an answer does not depend on what a message has in common with another."""
    secret = b"Subject: code\r\n\r\nThe code is 83-11-57-20-46-99-02, do not tell.\r\n"
    guesses = [secret.replace(b"83-11-57-20-46-99-02", g)
               for g in (b"83-11-57-20-46-99-02", b"11-22-33-44-55-66-77")]
    lengths = []
    for i, guess in enumerate(guesses):
        with shared_server.login(account) as c:
            c.ok(f"CREATE Box{i}")
            c.append(f"Box{i}", guess)
            c.append(f"Box{i}", secret)
            c.append(f"Box{i}", guess)
            c.compress()
            c.select(f"Box{i}")
            for items in ("BODY.PEEK[]", "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])", "PREVIEW"):
                c.ok(f"FETCH 2 {items}")
                before = c.raw_in
                c.ok(f"FETCH 2 {items}")
                alone = c.raw_in - before
                before = c.raw_in
                c.ok(f"FETCH 1:2 {items}")
                both = c.raw_in - before
                before = c.raw_in
                c.ok(f"FETCH 1 {items}")
                lengths.append((i, items, both - alone - (c.raw_in - before)))
    half = len(lengths) // 2
    assert [x[2] for x in lengths[:half]] == [x[2] for x in lengths[half:]]


def resident_kb(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * 4


def test_many_idle_sessions_stay_small(make_server):
    """No compressor and no decompressor waits with an idle session: a compressor alone would be
    256 KB, a decompressor 40."""
    server = make_server(settings={
        "connections_per_user_address": "300", "connections_per_user": "300"})
    clients = [server.login(1) for _ in range(200)]
    for c in clients:
        c.select("INBOX")
    before = resident_kb(server.role("keep")[0])
    for c in clients:
        c.compress()
    tags = [c.idle() for c in clients]
    time.sleep(0.5)
    grown = resident_kb(server.role("keep")[0]) - before
    for c, tag in zip(clients, tags):
        assert c.done(tag).ok
        c.sock.close()
    # Some 600 KB. Each of keep's threads that wakes for the first time has 60 of its own.
    assert grown < 200 * 20, f"{grown} KB"


def test_it_can_be_turned_off(make_server):
    server = make_server(settings={"imap_compress": "no"})
    with server.login(1) as c:
        assert b"COMPRESS=DEFLATE" not in c.capabilities()
        assert c.cmd("COMPRESS DEFLATE").status == b"BAD"
        c.ok("NOOP")
