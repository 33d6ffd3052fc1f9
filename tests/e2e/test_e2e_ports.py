# SPDX-License-Identifier: Apache-2.0
"""What holds on every port: TLS from the first byte and after STARTTLS, for mail that comes in, for
users who send, fetch, read and keep scripts. Names begin with the case's id (docs/testing.md)."""
import os
import re
import socket
import struct
import subprocess
import time

import pytest

from hostile import bounded, still_served
from servers import server_class

# name: (attribute of the server, what openssl calls the protocol; empty: TLS from the first byte)
DOORS = {"imaps": ("tls_port", ""), "imap": ("port", "imap"), "pop3s": ("pop3s_port", ""),
         "pop3": ("pop3_port", "pop3"), "submissions": ("submissions_port", ""),
         "submission": ("submission_port", "smtp"), "smtp": ("smtp_port", "smtp"),
         "sieve": ("sieve_port", "sieve")}
SOON = 30  # seconds of patience


@pytest.fixture(scope="module")
def server():
    if os.environ.get("PEER"):
        pytest.skip("of Mailkeep")
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)
    s = server_class()(users=3, settings={"smtp_greet_delay": "0 s",
                                          "login_connections_per_address": "1000",
                                          "smtp_connections_per_address": "1000"})
    try:
        s.start()
        yield s
    finally:
        s.close()


def s_client(server, door, *options, data=b"", name="localhost"):
    port, starttls = DOORS[door]
    words = ["openssl", "s_client", "-connect", f"localhost:{getattr(server, port)}", "-CAfile",
             server.cert, *(["-servername", name] if name else []),
             *(["-starttls", starttls] if starttls else []), *options]
    r = subprocess.run(words, input=data, capture_output=True, timeout=60, check=False)
    return (r.stdout + r.stderr).decode(errors="replace")


def shook_hands(out):
    return "Cipher is (NONE)" not in out and "Cipher is " in out and \
        "Verify return code: 0 (ok)" in out


every_door = pytest.mark.parametrize("door", DOORS)


# ---- T07: what a scanner asks -------------------------------------------------------------------

@every_door
def test_t07_versions_and_ciphers(server, door):
    for version, works in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False), ("-tls1", False)):
        out = s_client(server, door, version, "-cipher", "ALL:@SECLEVEL=0")
        assert shook_hands(out) == works, (version, out[-800:])
    for weak in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                 "NULL", "aNULL", "DHE"):  # no forward secrecy, CBC, no certificate, old groups
        out = s_client(server, door, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0")
        assert not shook_hands(out), weak
    for good in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        assert shook_hands(s_client(server, door, "-tls1_2", "-cipher", good)), good


# ---- T06: what goes on within a connection ------------------------------------------------------

@every_door
def test_t06_no_compression_no_early_data_no_renegotiation(server, door):
    out = s_client(server, door, "-tls1_2")
    assert "Compression: NONE" in out and "Secure Renegotiation IS supported" in out
    out = s_client(server, door, "-tls1_2", "-legacy_renegotiation", data=b"R\nx\n")
    # Nobody answers it with a handshake: with an alert, the end, or what was to be said anyway.
    assert ":error:" in out.partition("RENEGOTIATING")[2], out[-800:]
    out = s_client(server, door, "-tls1_3", "-ign_eof", data=b"QUIT\r\nx LOGOUT\r\nLOGOUT\r\n")
    assert not re.search(r"Max Early Data: [1-9]", out), out[-800:]
    still_served(server, 1)


@every_door
def test_t06_a_flood_of_key_updates(server, door):
    """s_client sends one, and wants one back, for each K it reads by itself; the server either goes
    on or ends it."""
    port, starttls = DOORS[door]
    words = ["openssl", "s_client", "-connect", f"localhost:{getattr(server, port)}", "-tls1_3",
             *(["-starttls", starttls] if starttls else [])]
    with bounded(server, megabytes=16), subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            bufsize=0) as p:
        time.sleep(0.3)  # it drops what it reads before the handshake is over
        try:
            for _ in range(400):
                p.stdin.write(b"K\n")
                time.sleep(0.001)
            p.stdin.close()
            is_ended = False
        except BrokenPipeError:
            is_ended = True
        out = p.stdout.read()
    updates = out.count(b"KEYUPDATE")
    assert updates > 100 or (is_ended and updates > 10), out[-500:]
    still_served(server, 1)


# ---- T05: broken handshakes ---------------------------------------------------------------------

def opened(server, door):
    """A socket at the moment where TLS has to begin."""
    port, starttls = DOORS[door]
    s = socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=SOON)
    asks = {"imap": [b"a STARTTLS\r\n"], "pop3": [b"STLS\r\n"], "sieve": [b"STARTTLS\r\n"],
            "smtp": [b"EHLO client.example\r\n", b"STARTTLS\r\n"], "": []}[starttls]
    if starttls:
        answer(s, starttls)
    for command in asks:
        s.sendall(command)
        answer(s, starttls)
    return s


def answer(s, kind):
    """Reads until the server has said all it says at this point."""
    ends = {"imap": rb"(?m)^(a|\*) OK [^\r\n]*\r\n\Z", "pop3": rb"\+OK[^\r\n]*\r\n\Z",
            "sieve": rb"(?m)^OK[^\r\n]*\r\n\Z", "smtp": rb"(?m)^\d\d\d [^\r\n]*\r\n\Z"}[kind]
    got = b""
    while not re.search(ends, got):
        more = s.recv(4096)
        assert more, got
        got += more
    return got


def ends(s):
    """What still comes; the server must end the connection."""
    got = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return got
            got += more
    except ConnectionError:
        return got


def client_hello(extension):
    """A TLS 1.2 hello whose server_name extension has these bytes."""
    sni = struct.pack(">HH", 0, len(extension)) + extension
    body = b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\4\xc0\x2b\xc0\x2f" + b"\1\0" + \
        struct.pack(">H", len(sni)) + sni
    handshake = b"\1" + struct.pack(">I", len(body))[1:] + body
    records = [handshake[i:i + 16000] for i in range(0, len(handshake), 16000)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(r)) + r for r in records)


def server_name(name):
    return struct.pack(">HBH", len(name) + 3, 0, len(name)) + name


HELLOS = {
    "garbage": b"\xff" * 3000, "sslv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\0" * 37,
    "clear": b"a LOGIN u1 secret\r\nEHLO x\r\nAUTH PLAIN AHUxAHNlY3JldA==\r\n",
    "cut": client_hello(server_name(b"localhost"))[:40],
    "large name": client_hello(server_name(b"a" * 60000)),
    "name with NUL": client_hello(server_name(b"localhost\0.example")),
    "name of a path": client_hello(server_name(b"../../etc/passwd")),
    "name with backslash": client_hello(server_name(b"a\\b")),
    "name cut": client_hello(server_name(b"localhost")[:-3]),
}


# E09
@every_door
@pytest.mark.parametrize("hello", HELLOS)
def test_t05_broken_handshakes(server, door, hello):
    with opened(server, door) as s:
        try:
            s.sendall(HELLOS[hello])
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = ends(s)
    assert b"OK" not in got and b"250" not in got and b"235" not in got, got[:200]


@every_door
def test_t05_many_half_handshakes(server, door):
    hello = client_hello(server_name(b"localhost"))
    with bounded(server, megabytes=48):
        half = []
        for _ in range(150):
            s = opened(server, door)
            s.sendall(hello[:30])
            half.append(s)
        still_served(server, 1)
        assert shook_hands(s_client(server, door))
        for s in half:
            s.close()
    still_served(server, 1)


# ---- T09: tickets -------------------------------------------------------------------------------

def is_reused(server, door, session, *options):
    out = s_client(server, door, *options, "-sess_in", session)
    assert shook_hands(out) or "Verification: OK" in out or "Reused" in out, out[-800:]
    return "Reused," in out


QUITS = {"imaps": b"x LOGOUT\r\n", "pop3s": b"QUIT\r\n", "submissions": b"QUIT\r\n"}


# E12
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_t09_tickets_are_for_one_service(server, tmp_path, version):
    """A ticket of one service is no good at another, nor after a restart."""
    for one in QUITS:
        session = tmp_path / f"session-{one}"
        s_client(server, one, version, "-sess_out", session, "-ign_eof", data=QUITS[one])
        if not session.exists():
            continue  # no tickets at all is fine, too
        for other in QUITS:
            if other != one:
                assert not is_reused(server, other, session, version), (one, other)
    old = [tmp_path / f"session-{one}" for one in QUITS]
    server.restart()
    for one, session in zip(QUITS, old):
        if session.exists():
            assert not is_reused(server, one, session, version), one


# ---- S14: who never reads -----------------------------------------------------------------------

CHATTER = {"port": b"a CAPABILITY\r\n", "pop3_port": b"CAPA\r\n", "smtp_port": b"EHLO client.example\r\n",
           "submission_port": b"EHLO client.example\r\n", "sieve_port": b"CAPABILITY\r\n",
           "lmtp_port": b"LHLO client.example\r\n"}


@pytest.mark.parametrize("port", CHATTER)
def test_s14_who_never_reads(server, port):
    """Ten clients ask and ask and never read: little is held for them, and others are served."""
    stuck = []
    with bounded(server, megabytes=24):
        for _ in range(10):
            s = socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=SOON)
            s.settimeout(0.2)
            stuck.append(s)
            sent = 0
            try:
                while sent < 8_000_000:
                    sent += s.send(CHATTER[port] * 500)
            except OSError:
                pass
            assert sent < 8_000_000, "the server takes commands whose answers nobody reads"
        still_served(server, 1)
    for s in stuck:
        s.close()
    end = time.monotonic() + SOON
    while True:
        try:
            still_served(server, 2)
            break
        except OSError:
            assert time.monotonic() < end
