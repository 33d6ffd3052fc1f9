# SPDX-License-Identifier: Apache-2.0
"""When something runs out: disk, descriptors, a client's patience; what must go on meanwhile."""
import os
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from hostile import bounded, still_served, usable
from imapwire import Closed, Imap
from messages import generated
from servers import alive, title


# ---- disk full ----------------------------------------------------------------------------------

@pytest.fixture
def small_disk():
    """A tmpfs of 96 MB, with a ballast file that can be taken away."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root (mount)")
    path = tempfile.mkdtemp(prefix="mailtest-small-")
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", path],
                       capture_output=True, text=True)
    if r.returncode:
        os.rmdir(path)
        pytest.skip(f"cannot mount a tmpfs: {r.stderr.strip()}")
    with open(os.path.join(path, "ballast"), "wb") as f:
        f.write(b"b" * (24 << 20))
    yield path
    subprocess.run(["umount", "-l", path], check=False)
    os.rmdir(path)


def fill_up(c, limit=400):
    """APPENDs until the server refuses: what was acknowledged, and the refusal."""
    acknowledged = []
    for i in range(limit):
        m = generated(i, 400000, f"fill{i}")
        r = c.cmd("APPEND INBOX {}", m, sync=False)
        if not r.ok:
            return acknowledged, r
        acknowledged.append(m)
    raise AssertionError("the disk never filled")


def test_disk_full_during_append(make_server, small_disk):
    options = {} if os.environ.get("PEER") == "dovecot" else {"settings": {
        "segment_size": "4 MB", "database_size_max": "32 MB", "memory_table_max": "8 MB"}}
    server = make_server(data=os.path.join(small_disk, "data"), users=2, **options)
    with server.login() as c:
        acknowledged, refusal = fill_up(c)
        assert refusal.status == b"NO", refusal.line
        assert len(acknowledged) > 20
        usable(c)
        # Reading goes on, and so does a newcomer's.
        assert c.select("INBOX").all(b"EXISTS")[-1].number == len(acknowledged)
        a = c.ok("FETCH 3 (BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == acknowledged[2]
        assert not c.cmd("APPEND INBOX {}", generated(1, 4000000), sync=False).ok
    with server.login() as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == len(acknowledged)
    # Room again: writing goes on without a restart, and nothing acknowledged is missing.
    os.unlink(os.path.join(small_disk, "ballast"))
    end = time.monotonic() + 60
    with server.login() as c:
        while not c.cmd("APPEND INBOX {}", acknowledged[0], sync=False).ok:
            assert time.monotonic() < end, "still refuses with room on the disk"
            time.sleep(0.2)
    server.restart()
    with server.login() as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number >= len(acknowledged) + 1
        for i in (0, len(acknowledged) // 2, len(acknowledged) - 1):
            a = c.ok(f"FETCH {i + 1} (BODY.PEEK[])").all(b"FETCH")[0].attributes()
            assert a[b"BODY[]"] == acknowledged[i]
    assert not server.check()


# ---- descriptors --------------------------------------------------------------------------------

def test_no_descriptors_left(make_server):
    """64 descriptors a process, 300 clients: those inside go on, nothing spins, and when the crowd
    has left the next is served."""
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("the peer refuses to start with so few")
    server = make_server(wrap=["/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh"], users=3)
    with server.login(1) as c:
        crowd = []
        for _ in range(300):
            s = socket.socket()
            s.settimeout(0.2)
            crowd.append(s)
            try:
                s.connect(("127.0.0.1", server.port))
            except OSError:
                pass
        time.sleep(0.3)
        before, begun = server.cpu_seconds(), time.monotonic()
        for i in range(10):
            c.append("INBOX", generated(i))
            usable(c)
            time.sleep(0.1)
        busy = (server.cpu_seconds() - before) / (time.monotonic() - begun)
        assert busy < 0.5, f"{busy:.2f} cores spent on clients that cannot be taken"
        for s in crowd:
            s.close()
        end = time.monotonic() + 60
        while True:
            try:
                still_served(server, 2)
                break
            except (OSError, Closed, AttributeError):
                assert time.monotonic() < end, server.log_tail()
                time.sleep(0.2)
        usable(c)
    assert len(server.pids()) >= 3


def test_descriptors_and_processes_come_back(make_server):
    """After a crowd has come and gone nothing is left over."""
    server = make_server(users=3)
    still_served(server, 1)
    time.sleep(0.5)
    before = server.descriptors()
    for mode in ("clear", "tls", "starttls"):
        crowd = [server.connect(mode) for _ in range(30)]
        for c in crowd[:10]:
            c.login(server.user(2), server.password)
        for c in crowd:
            c.close()
    end = time.monotonic() + 60
    while server.descriptors() > before + 6:
        assert time.monotonic() < end, f"{before} descriptors before, {server.descriptors()} now"
        time.sleep(0.1)


# ---- slow and silent clients --------------------------------------------------------------------

def load_large(server, account, count=16, size=4_000_000):
    with server.login(account) as c:
        for i in range(count):
            c.append("INBOX", generated(i, size))


def test_reader_that_never_reads(make_server):
    """A gigabyte is asked for and never read: bounded memory, and everybody else is served."""
    server = make_server(users=5)
    load_large(server, 1)
    stuck = [server.login(1) for _ in range(4)]
    with bounded(server, megabytes=48):
        for c in stuck:
            c.select("INBOX")
            c.send(b"".join(b"f%d FETCH 1:* (BODY.PEEK[])\r\n" % i for i in range(5)))
        time.sleep(1.5)
        for _ in range(20):
            still_served(server, 2)
        # The same account too: what is stuck must not hold a lock.
        still_served(server, 1)
    # Who reads after all gets it whole.
    c = stuck[0]
    for i in range(16):
        a = c.line().attributes()
        assert a[b"BODY[]"] == generated(i, 4_000_000)
    for c in stuck:
        c.close()
    still_served(server, 3)


def test_slow_reader_over_tls(make_server):
    server = make_server(users=5)
    load_large(server, 1, count=4)
    with server.login(1, "tls", timeout=60) as c, bounded(server, megabytes=48):
        c.select("INBOX")
        c.send(b"x FETCH 1:* (BODY.PEEK[])\r\n")
        time.sleep(1)
        still_served(server, 2)
        for i in range(4):
            assert c.line().attributes()[b"BODY[]"] == generated(i, 4_000_000)
        assert c.finish(b"x").ok


def test_silent_clients_are_closed_and_block_nobody(make_server):
    options = {} if os.environ.get("PEER") == "dovecot" else {
        "settings": {"login_timeout": "2 s", "tls_timeout": "2 s",
                     "login_connections_per_address": "500"}}
    server = make_server(users=3, **options)
    silent = [server.connect() for _ in range(100)]
    half = []
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", server.tls_port), timeout=10)
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        half.append(s)
    still_served(server, 1)
    if not options:
        pytest.skip("the peer's limit is three minutes")
    for c in silent:
        with pytest.raises(Closed):
            while True:
                c.line()
    for s in half:
        try:
            while s.recv(1000):
                pass
        except ConnectionError:
            pass
    still_served(server, 2)


def test_one_byte_at_a_time(server):
    with server.connect() as c:
        for b in b"t1 LOGIN " + server.user(1).encode() + b" " + server.password.encode() + b"\r\n":
            c.send(bytes([b]))
        assert c.finish(b"t1").ok
        for b in b"t2 APPEND INBOX {21+}\r\nSubject: slow\r\n\r\nslow\r\n":
            c.send(bytes([b]))
        assert c.finish(b"t2").ok
        c.select("INBOX")
        a = c.ok("FETCH 1 (BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == b"Subject: slow\r\n\r\nslow"


# ---- certificates -------------------------------------------------------------------------------

def try_start(server):
    try:
        server.start()
        return True
    except RuntimeError:
        return False


@pytest.mark.parametrize("how", ["missing", "garbage", "other key"])
def test_t08_certificate_that_cannot_be_used(make_server, how):
    """A clear line that names the file; no half-working server."""
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")
    server = make_server(start=False)
    os.unlink(server.cert) if how != "other key" else None
    if how == "garbage":
        with open(server.cert, "w") as f:
            f.write("this is no certificate\n")
    elif how == "other key":
        from servers import self_signed
        _, server.key = self_signed(server.folder, tag="other")
    server.wait_ready = lambda seconds=5.0: type(server).wait_ready(server, seconds)
    assert not try_start(server)
    named = server.key if how == "other key" else server.cert
    log = server.log_tail()
    assert os.path.basename(named) in log or os.path.basename(server.cert) in log, log


def test_t08_reload_keeps_what_works(make_server):
    """SIGHUP without a usable certificate: the old one stays, and nobody is cut off."""
    server = make_server()
    with server.login(1, "tls") as a, server.login(2) as b:
        os.rename(server.cert, server.cert + ".away")
        server.reload()
        time.sleep(1)
        if server.peer == "mailkeep":
            still_served(server, 3)
            with server.login(3, "tls") as c:
                usable(c)
            assert os.path.basename(server.cert) in server.log_tail()
        os.rename(server.cert + ".away", server.cert)
        usable(a)
        usable(b)


# ---- processes ----------------------------------------------------------------------------------

def test_a_killed_process_comes_back(make_server):
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")
    server = make_server()
    for role in ("gate", "keep", "gate"):
        old = server.role(role)
        assert old, [title(p) for p in server.pids()]
        server.kill(role)
        end = time.monotonic() + 60
        while True:
            try:
                still_served(server, 1)
                break
            except Exception:  # noqa: B902 - whatever: not yet
                assert time.monotonic() < end, server.log_tail()
                time.sleep(0.02)
        assert not any(alive(p) for p in old)


def test_start_at_once_after_the_supervisor_was_killed(make_server):
    """What it leaves behind ends by itself; the new one waits for that, and serves."""
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")
    server = make_server()
    still_served(server, 1)
    orphans = server.pids()[1:]
    os.kill(server.pid(), signal.SIGKILL)
    server.reap()
    server.start()
    still_served(server, 1)
    assert not any(alive(p) for p in orphans)
    assert not server.check()


def test_orderly_stop_loses_nothing(make_server):
    server = make_server()
    with server.login(1) as c:
        c.select("INBOX")
        tag = c.idle()
        with server.login(1) as other:
            for i in range(20):
                other.append("INBOX", generated(i))
        server.stop()
        said = []
        with pytest.raises(Closed):
            while True:
                said.append(c.line().kind)
        assert tag and (b"BYE" in said or server.peer != "mailkeep")
    server.start()
    with server.login(1) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 20


def test_second_server_on_the_same_data_is_refused(make_server):
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")
    server = make_server()
    other = make_server(start=False, data=server.data)
    other.wait_ready = lambda seconds=4.0: type(other).wait_ready(other, seconds)
    assert not try_start(other)
    still_served(server, 1)


def test_thousand_connections(make_server):
    """All greeted and served; memory for each stays small."""
    many = {"connections_per_user_address": "2000", "connections_per_user": "2000",
            "login_connections_per_address": "2000"}
    server = make_server(settings=many if os.environ.get("PEER") != "dovecot" else None)
    if server.peer == "dovecot":
        pytest.skip("a process each: too much for a test")
    still_served(server, 1)
    with bounded(server, megabytes=60):
        crowd = []
        for i in range(1000):
            c = Imap(server.port)
            c.login(server.user(1 + i % 10), server.password)
            c.select("INBOX")
            c.idle()
            crowd.append(c)
        still_served(server, 11)
    for c in crowd:
        c.close()
