# SPDX-License-Identifier: Apache-2.0
"""TLS as a stranger meets it: versions, ALPN, injection around STARTTLS, certificates by reload."""
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from hostile import outcome, push, still_served, usable
from imapwire import Closed, client_context
from servers import self_signed, server_class


def s_client(server, *options, data=b"", starttls=False):
    port = server.port if starttls else server.tls_port
    extra = ["-starttls", "imap"] if starttls else []
    r = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile",
                        server.cert, "-servername", "localhost", *extra, *options],
                       input=data, capture_output=True, timeout=20)
    return (r.stdout + r.stderr).decode(errors="replace")


def shook_hands(out):
    """s_client verifies "ok" even when there was no certificate to verify."""
    return "Cipher is (NONE)" not in out and "Cipher is " in out and \
        "Verify return code: 0 (ok)" in out


@pytest.mark.parametrize("starttls", [False, True], ids=["imaps", "starttls"])
@pytest.mark.parametrize("version,works", [("-tls1_3", True), ("-tls1_2", True),
                                           ("-tls1_1", False), ("-tls1", False)])
def test_versions(shared_server, version, works, starttls):
    out = s_client(shared_server, version, "-cipher", "ALL:@SECLEVEL=0", starttls=starttls)
    assert shook_hands(out) == works, out[-1500:]


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA",
                                    "NULL", "aNULL", "3DES", "RC4", "EXPORT"])
def test_weak_ciphers_are_refused(shared_server, cipher):
    if shared_server.peer == "dovecot":
        pytest.skip("the peer's default takes some of them")
    out = s_client(shared_server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert not shook_hands(out)


# E13
@pytest.mark.parametrize("starttls", [False, True], ids=["imaps", "starttls"])
def test_alpn(shared_server, starttls):
    if shared_server.peer == "dovecot":
        pytest.skip("the peer ignores ALPN")
    assert "ALPN protocol: imap" in s_client(shared_server, "-alpn", "imap", starttls=starttls)
    out = s_client(shared_server, "-alpn", "h2,http/1.1", starttls=starttls)
    assert not shook_hands(out), out[-800:]
    assert shook_hands(s_client(shared_server, starttls=starttls))


def test_no_renegotiation_and_no_compression(shared_server):
    out = s_client(shared_server, "-tls1_2", data=b"R\na NOOP\n")
    assert "Compression: NONE" in out
    still_served(shared_server, 150)


# E07
def test_login_in_the_clear_is_refused_by_default(make_server):
    server = make_server(clear=False)
    with server.connect() as c:
        if server.peer == "mailkeep":
            assert b"LOGINDISABLED" in c.capabilities()
            assert not any(x.startswith(b"AUTH=") for x in c.capabilities())
            r = c.cmd(f"LOGIN {server.user(1)} {server.password}")
            assert not r.ok and b"PRIVACYREQUIRED" in r.codes()
            assert not c.cmd("AUTHENTICATE PLAIN").ok
            assert server.password not in server.log_tail(1000)
        c.ok("STARTTLS")
        c.wrap()
        c.capability = None
        assert b"LOGINDISABLED" not in c.capabilities() and b"STARTTLS" not in c.capabilities()
        assert b"AUTH=PLAIN" in c.capabilities()
        assert c.login(server.user(1), server.password).ok


INJECTIONS = (b"a STARTTLS\r\nb NOOP\r\n", b"a STARTTLS\r\nb LOGIN u p\r\n", b"a STARTTLS\nb NOOP\n",
              b"a starttls\r\nb NOOP\r\n", b"a STARTTLS \r\nb NOOP\r\n",
              b"a STARTTLS x\r\nb NOOP\r\n", b"a STARTTLS\r\n\r\nb NOOP\r\n",
              b"a STARTTLS {3+}\r\nabc\r\nb NOOP\r\n", b"a STARTTLS\r\n" + b"b NOOP\r\n" * 500)


# E01, E02
@pytest.mark.parametrize("bytes_sent", INJECTIONS, ids=range(len(INJECTIONS)))
@pytest.mark.parametrize("pause", [0, 0.03], ids=["together", "later"])
def test_nothing_said_in_the_clear_is_done_inside(shared_server, bytes_sent, pause):
    """Bytes after STARTTLS never run once TLS is up: the connection ends, or they are answered in
    the clear and TLS never begins."""
    with shared_server.connect() as c:
        head, sep, tail = bytes_sent.partition(b"\n")
        if pause:
            c.send(head + sep)
            time.sleep(pause)
            push(c, tail)
        else:
            c.send(bytes_sent)
        c.sock.settimeout(3)
        before = c.buf
        try:
            while b"\n" not in before:
                before += c.sock.recv(4096)
        except OSError:
            pass
        inside = b""
        try:
            c.buf = b""
            c.wrap()
            c.sock.settimeout(1)
            inside = c.sock.recv(4096)
        except (OSError, ssl.SSLError):
            pass
        assert b"b OK" not in inside and b"b NO" not in inside and b"b BAD" not in inside
    still_served(shared_server, 150)


# E04
def test_no_state_survives_starttls(shared_server):
    with shared_server.connect() as c:
        c.cmd('ID ("name" "x")')
        c.cmd("ENABLE CONDSTORE")
        c.ok("STARTTLS")
        c.wrap()
        assert not c.cmd("SELECT INBOX").ok
        assert not c.cmd("STARTTLS").ok
        r = c.login(shared_server.user(149), shared_server.password)
        assert r.ok
        assert not c.cmd("STARTTLS").ok
        usable(c)


def test_failed_handshake_is_the_end(shared_server):
    with shared_server.connect() as c:
        c.ok("STARTTLS")
        push(c, b"b NOOP\r\nc LOGIN u p\r\n" * 40)
        got = b""
        c.sock.settimeout(5)
        try:
            while True:
                more = c.sock.recv(4096)
                if not more:
                    break
                got += more
        except ConnectionError:
            pass
        assert b"NOOP" not in got and b" OK" not in got
    still_served(shared_server, 150)


def test_clear_bytes_after_close_notify(shared_server, account):
    raw = socket.create_connection(("localhost", shared_server.tls_port), timeout=5)
    t = client_context().wrap_socket(raw, server_hostname="localhost")
    t.recv(1000)
    try:
        plain = t.unwrap()
    except (OSError, ssl.SSLError):
        plain = None
    if plain is not None:
        try:
            plain.sendall(b"a CAPABILITY\r\n")
            assert b"CAPABILITY" not in plain.recv(1000)
        except OSError:
            pass
        plain.close()
    still_served(shared_server, account)


@pytest.mark.parametrize("hello", [b"\x80\x2e\x01\x00\x02", b"\x16\x03\x01\xff\xff" + b"\0" * 65535,
                                   b"GET / HTTP/1.1\r\n\r\n", b"a LOGIN u p\r\n", b"\0" * 10000,
                                   b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"])
def test_garbage_on_the_tls_port(shared_server, hello):
    s = socket.create_connection(("localhost", shared_server.tls_port), timeout=15)
    got = b""
    try:
        s.sendall(hello)
        s.shutdown(socket.SHUT_WR)
        while True:
            more = s.recv(4096)
            if not more:
                break
            got += more
    except OSError:
        pass
    s.close()
    assert b"OK" not in got
    still_served(shared_server, 150)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 250, "x\\y", "unknown.example"])
def test_strange_server_names(shared_server, name):
    context = client_context()
    raw = socket.create_connection(("localhost", shared_server.tls_port), timeout=5)
    try:
        with context.wrap_socket(raw, server_hostname=name) as t:
            assert t.recv(1000).startswith(b"* OK")
    except (ssl.SSLError, ValueError, OSError, UnicodeError):
        pass
    raw.close()
    still_served(shared_server, 150)


def subject(server):
    context = client_context()
    raw = socket.create_connection(("localhost", server.tls_port), timeout=5)
    with context.wrap_socket(raw, server_hostname="localhost") as t:
        return ssl.DER_cert_to_PEM_cert(t.getpeercert(True))


def test_t08_new_certificate_by_reload_drops_nobody(make_server):
    server = make_server()
    first = subject(server)
    cert, key = self_signed(server.folder, tag="fresh")
    with server.login(1, "tls") as a, server.login(1, "starttls") as b, server.login(2) as c:
        b.select("INBOX")
        tag = b.idle()
        shutil.copy(key, server.key)
        shutil.copy(cert, server.cert)
        server.reload()
        end = time.monotonic() + 5
        while subject(server) == first:
            assert time.monotonic() < end, "the old certificate is still served"
            time.sleep(0.05)
        a.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
        assert b.wait_untagged(b"EXISTS", 3).number == 1
        assert b.done(tag).ok
        usable(c)


def test_wrong_password_over_tls(make_server):
    if server_class().peer == "dovecot":
        pytest.skip("the peer delays by its own rule")
    server = make_server(users=1, settings={"login_failure_delay": "1 s"})
    with server.connect("tls") as c:
        for i in range(3):
            begun = time.monotonic()
            r = None
            try:
                r = c.cmd(f"LOGIN {server.user(1)} wrong{i}")
            except Closed:
                pass
            if r:
                assert r.status == b"NO" and b"AUTHENTICATIONFAILED" in r.codes()
                assert time.monotonic() - begun > 0.8
        with pytest.raises(Closed):
            c.cmd("NOOP")
            c.cmd("NOOP")
    assert "wrong0" not in server.log_tail(1000)
    still_served(server, 1)
