# SPDX-License-Identifier: Apache-2.0
"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS by every protocol, with clients that are not ours (L06)."""
import hashlib
import shutil
import ssl
import subprocess
import time

import pytest

from imapwire import client_context
from saslwire import PROTOCOLS, Exchange, Scram, b64, sign_in
from servers import PASSWORD, mailkeep_binary

SCRAM, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"


def start(make_server, **settings):
    s = make_server(users=6, settings={"auth_scram": "devices", "login_failure_delay": "0",
                                       "login_failures_max": "100", **settings})
    if s.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    return s


def mailkeep(server, *words, data=None):
    r = subprocess.run([mailkeep_binary(), "-c", server.conf_path, *words], input=data,
                       capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


def device(server, user, name="phone", *options):
    out = mailkeep(server, "account", "device", "add", user, name, *options)
    return next(line.strip() for line in out.splitlines() if line.startswith("    "))


class Bound:
    """TLS by pyOpenSSL, which can export keys, with the face of a socket."""

    def __init__(self, sock):
        module = pytest.importorskip("OpenSSL.SSL")
        sock.settimeout(None)
        self.module = module
        self.tls = module.Connection(module.Context(module.TLS_CLIENT_METHOD), sock)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.sendall, self.close = self.tls.sendall, self.tls.close

    def recv(self, n):
        try:
            return self.tls.recv(n)
        except self.module.Error:
            return b""

    def exporter(self):
        return self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32)


def starttls(sock):
    return client_context().wrap_socket(sock)


def end_point(x):
    return hashlib.sha256(x.talk.sock.getpeercert(True)).digest()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_app_passwords_by_scram(make_server, protocol):
    s = start(make_server)
    user = s.user(1)
    password = device(s, user)
    with Exchange(s, protocol) as x:
        assert x.offers() == ["PLAIN", SCRAM]  # in the clear there is nothing to be bound to
        assert sign_in(x, Scram(user, "another")) == "no"
        assert sign_in(x, Scram(user, PASSWORD)) == "no"  # an account's own: not with "devices"
        assert x.begin(SCRAM) == "more" and x.challenge == b""
        assert x.go_on("*") == "no"
        assert x.begin(PLUS, b64(Scram(user, password, "p=tls-exporter,,").first)) == "no"
        assert sign_in(x, Scram(user, password)) == "yes"
    end = time.monotonic() + 30
    while "phone" not in (told := mailkeep(s, "account", "signins", user)):
        assert time.monotonic() < end, told
        time.sleep(0.1)


# A06c
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plus_is_bound_to_the_connection(make_server, protocol):
    s = start(make_server)
    user = s.user(1)
    password = device(s, user)

    def plus(header, binding, tls=starttls, mechanism=PLUS):
        with Exchange(s, protocol, tls=tls) as x:
            assert x.offers() == ["PLAIN", SCRAM, PLUS]
            return sign_in(x, Scram(user, password, header, binding(x)), mechanism)

    assert plus("p=tls-server-end-point,,", end_point) == "yes"
    assert plus("p=tls-server-end-point,,", lambda x: bytes(32)) == "no"
    assert plus("p=tls-exporter,,", lambda x: x.talk.sock.exporter(), Bound) == "yes"
    assert plus("p=tls-exporter,,", lambda x: bytes(32)) == "no"
    assert plus("p=tls-unique,,", lambda x: bytes(32)) == "no"
    assert plus("n,,", lambda x: b"") == "no"
    # L06: whoever hides -PLUS from a client that could do it is found out.
    assert plus("y,,", lambda x: b"", mechanism=SCRAM) == "no"
    assert plus("n,,", lambda x: b"", mechanism=SCRAM) == "yes"


def test_a_device_is_kept_to_what_it_may(make_server):
    s = start(make_server)
    user = s.user(1)
    only_imap = device(s, user, "phone", "--for", "imap")
    from_elsewhere = device(s, user, "desk", "--from", "192.0.2.0/24")
    with Exchange(s, "pop3") as x:
        assert sign_in(x, Scram(user, only_imap)) == "no"
        assert b"not for this service" in x.said
    with Exchange(s, "imap") as x:
        assert sign_in(x, Scram(user, from_elsewhere)) == "no"
        assert b"not let in from this network" in x.said
    with Exchange(s, "imap") as x:
        assert sign_in(x, Scram(user, only_imap)) == "yes"
        mailkeep(s, "account", "device", "block", user, "phone")
        assert x.talk.line().startswith(b"* BYE")
    with Exchange(s, "imap") as x:
        assert sign_in(x, Scram(user, only_imap)) == "no"
        assert b"AUTHORIZATIONFAILED" in x.said and b"blocked" in x.said


def test_the_first_answer_tells_nothing(make_server):
    """L06, A06e: salt and count are there for anybody, and stay the same before and after there is a key."""
    s = start(make_server)
    user = s.user(1)

    def told(name):
        with Exchange(s, "imap") as x:
            scram = Scram(name, "x")
            assert x.begin(SCRAM, b64(scram.first)) == "more"
            assert x.go_on(b64(scram.answer(x.challenge))) == "no"
            return scram.salt, scram.rounds, x.said

    nobody, before = told("nobody"), told(user)
    password = device(s, user)
    assert told(user) == before and told("nobody") == nobody
    assert nobody[1:] == before[1:] and nobody[0] != before[0]
    s.stop()
    s.start()
    assert told("nobody") == nobody and told(user) == before
    with Exchange(s, "imap") as x:
        assert sign_in(x, Scram(user, password)) == "yes"


def test_own_passwords_where_they_are_wanted(make_server):
    s = start(make_server, auth_scram="all")
    user = s.user(1)
    with Exchange(s, "pop3") as x:
        assert sign_in(x, Scram(user, PASSWORD)) == "yes"
    mailkeep(s, "account", "passwd", user, "--password-stdin", data="another good password\n")
    with Exchange(s, "smtp") as x:
        assert sign_in(x, Scram(user, PASSWORD)) == "no"
        assert sign_in(x, Scram(user, "another good password")) == "yes"


# A06a
def test_l06_what_is_no_exchange(make_server):
    s = start(make_server)
    user, other = s.user(1), s.user(2)
    password = device(s, user)
    for protocol in PROTOCOLS:
        with Exchange(s, protocol) as x:
            scram = Scram(user, password)
            for first in ("", "n,,", f"n,,n={user}", f"n,,r=x,n={user}", f"n,,m=1,n={user},r=x",
                          f"n,a={other},n={user},r=x", f"x,,n={user},r=x", "n,,n=" + "u" * 3000 + ",r=x"):
                assert x.begin(SCRAM, b64(first) or "=") == "no", first
            assert x.begin(SCRAM, b64(scram.first)) == "more"
            assert x.go_on(b64("c=biws,r=" + scram.nonce)) == "no"
            assert x.begin(SCRAM, b64(scram.first)) == "more"
            assert x.go_on("*") == "no"
            last = scram.answer(x_challenge(x, scram))
            assert x.go_on(b64(last.replace("c=biws", "c=eSws"))) == "no"
            assert sign_in(x, Scram(user, password)) == "yes", protocol


def x_challenge(x, scram):
    assert x.begin(SCRAM, b64(scram.first)) == "more"
    return x.challenge


# A06a, A06b
def test_l06_an_answer_is_good_once_and_on_its_connection(make_server):
    s = start(make_server)
    user = s.user(1)
    password = device(s, user)
    with Exchange(s, "imap") as one, Exchange(s, "imap") as two:
        scram = Scram(user, password)
        last = b64(scram.answer(x_challenge(one, scram)))
        x_challenge(two, scram)
        assert two.go_on(last) == "no"  # our nonce is another one there
        x_challenge(two, scram)
        assert two.go_on(last) == "no"  # and at each exchange
        assert one.go_on(last) == "more" and one.go_on("") == "yes"
    with Exchange(s, "imap") as x:  # after it was right, too
        x_challenge(x, scram)
        assert x.go_on(last) == "no"
        for r in (scram.nonce, scram.nonce + "x" * 30, ""):  # A06a: of the client's making
            x_challenge(x, scram)
            assert x.go_on(b64(f"c=biws,r={r},p={b64(bytes(32))}")) == "no"


def test_l06_guessing_is_slowed_as_with_passwords(make_server):
    s = start(make_server, auth_failures_max="3", auth_trusted_networks="192.0.2.1")
    user = s.user(1)
    password = device(s, user)
    with Exchange(s, "imap") as x:
        for i in range(3):
            assert sign_in(x, Scram(user, f"guess {i}")) == "no"
        assert sign_in(x, Scram(user, "guess")) == "no" and b"[LIMIT]" in x.said
        assert sign_in(x, Scram(user, password)) == "yes"  # it cannot be guessed


def test_l06_exchanges_that_nobody_ends(make_server):
    s = start(make_server, login_connections_per_address="300")
    user = s.user(1)
    password = device(s, user)
    open_ones = [Exchange(s, "imap") for _ in range(200)]
    for x in open_ones:
        x_challenge(x, Scram(user, password))
    with Exchange(s, "pop3") as x:
        assert sign_in(x, Scram(user, password)) == "yes"
    for x in open_ones[:100]:
        x.talk.sock.close()
    for x in open_ones[100:]:
        scram = Scram(user, password)
        assert x.go_on("*") == "no"
        assert sign_in(x, scram) == "yes"
        x.talk.sock.close()


def test_keep_is_started_anew_between_the_two_messages(make_server):
    s = start(make_server)
    user = s.user(1)
    password = device(s, user)
    with Exchange(s, "imap") as x:
        scram = Scram(user, password)
        last = b64(scram.answer(x_challenge(x, scram)))
        s.kill("keep")
        end = time.monotonic() + 30
        assert x.go_on(last) == "no" and b"UNAVAILABLE" in x.said
        while time.monotonic() < end and (said := sign_in(x, Scram(user, password))) != "yes":
            assert b"UNAVAILABLE" in x.said, x.said
            time.sleep(0.1)
        assert said == "yes"


@pytest.mark.parametrize("mechanism", [SCRAM, PLUS])
@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_gsasl_signs_in(make_server, protocol, mechanism):
    if not shutil.which("gsasl"):
        pytest.skip("gsasl is not installed")
    s = start(make_server)
    user = s.user(1)
    password = device(s, user)
    port = s.port if protocol == "imap" else s.submission_port
    r = subprocess.run(["gsasl", f"--{protocol}", "--connect", f"127.0.0.1:{port}", "--starttls",
                        "--x509-ca-file", s.cert, "--hostname", "localhost", "-m", mechanism,
                        "--authentication-id", user, "--password", password,
                        *(["--no-cb"] if mechanism == SCRAM else [])],
                       input="", capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "server trusted" in r.stderr, r.stdout + r.stderr
