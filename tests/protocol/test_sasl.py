# SPDX-License-Identifier: Apache-2.0
"""SASL by every protocol: what is offered, and bytes that are no sign-in (L05; A03a to A03k)."""
import pytest

from servers import PASSWORD, server_class
from saslwire import PROTOCOLS, Exchange, b64
from talk import Smtp

TOO_LONG = b"A" * (1 << 20)


@pytest.fixture(scope="module")
def server():
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)
    s = server_class()(users=8, settings={"auth_login": "yes", "login_failure_delay": "0"})
    if s.peer != "mailkeep":
        s.close()
        pytest.skip("the peer has its own ports")
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_login_is_off_as_it_comes(shared_server, protocol):
    if shared_server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    with Exchange(shared_server, protocol) as x:
        assert x.offers() == ["PLAIN"]
        assert x.begin("LOGIN") == "no"
        assert x.begin("login", b64("anna")) == "no"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_login_where_it_is_on(server, protocol):
    with Exchange(server, protocol) as x:
        if protocol == "sieve":
            assert x.offers() == ["PLAIN"] and x.begin("LOGIN") == "no"
            return
        assert x.offers() == ["PLAIN", "LOGIN"]
        assert x.begin("LOGIN") == "more"
        assert x.go_on(b64(server.user(1))) == "more"
        assert x.go_on(b64("wrong")) == "no"
        assert x.begin("login", b64(server.user(1))) == "more"
        assert x.go_on(b64(PASSWORD)) == "yes"


def twin(text):
    """The same letters, as wide as a Chinese one: NFKC makes them one."""
    return "".join(chr(ord(c) - 0x21 + 0xFF01) if "!" <= c <= "~" and c not in "@." else c for c in text)


def bad_messages(user, other):
    return {
        # A03a: an empty one.
        "no bytes": "=",
        # A03b: no base64, or more than one spelling of it.
        "not base64": "!!!!",
        "base64 cut": "AGEAY",
        "bits left over": "AGEAYh==",
        "padding within": b64("\0" + user[:1]) + b64(f"{user[1:]}\0{PASSWORD}"),
        "padding too much": b64(f"\0{user}\0{PASSWORD}").rstrip("=") + "====",
        "no padding": b64(f"{user}\0{user}\0{PASSWORD}").rstrip("="),
        # A03d: NULs, too few, too many, and elsewhere.
        "no NUL": b64("x"),
        "one NUL": b64(f"{user}\0{PASSWORD}"),
        "three NULs": b64(f"\0{user}\0{PASSWORD}\0"),
        "four NULs": b64(f"\0\0{user}\0{PASSWORD}\0"),
        "only NULs": b64("\0\0"),
        "NUL in the name": b64(f"\0{user[:2]}\0{user[2:]}\0{PASSWORD}"),
        # A03f: an empty name, or password.
        "nobody": b64(f"\0\0{PASSWORD}"),
        "nobody as somebody": b64(f"{user}\0\0{PASSWORD}"),
        "no password": b64(f"\0{user}\0"),
        # A03e: another identity than the one that is proved.
        "as another": b64(f"{other}\0{user}\0{PASSWORD}"),
        "as nobody that is here": b64(f"nobody@example.org\0{user}\0{PASSWORD}"),
        "as root": b64(f"root\0{user}\0{PASSWORD}"),
        "as what looks the same": b64(f"{twin(user)}\0{user}\0{PASSWORD}"),
        "another's name": b64(f"{user}\0{other}\0wrong"),
        # A03g: no UTF-8.
        "not UTF-8": b64(b"\0" + user.encode() + b"\xff\0" + PASSWORD.encode()),
        "surrogate": b64(b"\0" + user.encode() + b"\0" + PASSWORD.encode() + b"\xed\xa0\x80"),
        "cut in a letter": b64(b"\0" + user.encode() + b"\0" + PASSWORD.encode() + b"\xe2\x82"),
        "longer than it must be": b64(b"\0\xc1\xb5" + user.encode()[1:] + b"\0" + PASSWORD.encode()),
        # A03h: what SASLprep makes equal, and is not equal here.
        "twin of the name": b64(f"\0{twin(user)}\0{PASSWORD}"),
        "twin of the password": b64(f"\0{user}\0{twin(PASSWORD)}"),
        "soft hyphen": b64(f"\0{user}\0{PASSWORD[:3]}\u00ad{PASSWORD[3:]}"),
        "another space": b64(f"\0{user}\0\u00a0{PASSWORD}"),
        "longer name": b64(f"\0{user}" + "x" * 300 + f"\0{PASSWORD}"),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_what_is_no_sign_in(server, protocol):
    user, other = server.user(2), server.user(3)
    with server.login(4) as undisturbed:
        for name, message in bad_messages(user, other).items():
            with Exchange(server, protocol) as x:
                assert x.begin("PLAIN", message) == "no", name
                assert x.begin("PLAIN") == "more", name  # and as the answer to a challenge
                assert x.go_on(message) == "no", name
                assert x.begin("PLAIN", b64(f"{user}\0{user}\0{PASSWORD}")) == "yes", name
            undisturbed.ok("NOOP")  # A03k


# A03i: given up with "*".
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_cancelled_and_begun_anew(server, protocol):
    with Exchange(server, protocol) as x:
        assert x.begin("PLAIN") == "more"
        assert x.go_on("*") == "no"
        assert x.begin("PLAIN") == "more"
        assert x.go_on("*" + b64(f"\0{server.user(5)}\0{PASSWORD}")) == "no"
        assert x.begin("PLAIN", "*") == "no"
        assert x.begin("PLAIN") == "more"
        assert x.go_on(b64(f"\0{server.user(5)}\0{PASSWORD}")) == "yes"


# A03j: an initial response where there is no place for one, or two, or in another form.
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a03j_initial_responses_out_of_place(server, protocol):
    user = server.user(6)
    good = b64(f"\0{user}\0{PASSWORD}")
    with Exchange(server, protocol) as x:
        for mechanism in ("CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL", "ANONYMOUS", "PLAINX", "PLAI"):
            assert x.begin(mechanism, good) == "no", mechanism
        if protocol == "sieve":
            x.send(f'AUTHENTICATE "PLAIN" "{good}" "{good}"\r\n')
        else:
            x.send(("a AUTHENTICATE" if protocol == "imap" else "AUTH") + f" PLAIN {good} {good}\r\n")
        assert x.answer() == "no"
        if protocol == "imap":
            x.send(f"a AUTHENTICATE PLAIN {{{len(good)}+}}\r\n{good}\r\n")
            assert x.answer() == "no"
        if protocol != "sieve":  # LOGIN: it stands for the name, and for nothing more
            assert x.begin("LOGIN", good) == "no"
            assert x.begin("LOGIN", b64(user)) == "more"
            assert x.go_on(good) == "no"
        assert x.begin("PLAIN", good) == "yes"


# A03j: where AUTH has no place: before the greeting, in a transaction, twice, at port 25.
def test_a03j_auth_out_of_place_by_smtp(server):
    good = b64(f"\0{server.user(6)}\0{PASSWORD}")
    with Smtp(server.submission_port) as c:
        assert c.cmd(f"AUTH PLAIN {good}").startswith((b"502", b"503"))
    with Exchange(server, "smtp") as x:
        assert x.begin("PLAIN", good) == "yes"
        assert x.begin("PLAIN", good) == "no"
        assert x.talk.cmd(f"MAIL FROM:<{server.user(6)}>").startswith(b"250")
        assert x.begin("PLAIN", good) == "no"
        assert x.talk.cmd("RSET").startswith(b"250")
    for port in (server.smtp_port, server.lmtp_port):
        with Smtp(port) as c:
            c.cmd("LHLO c.example" if port == server.lmtp_port else "EHLO c.example")
            assert c.cmd(f"AUTH PLAIN {good}").startswith(b"502")


# A03c: 1 MiB, as an answer and with the command.
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_a_response_without_end(server, protocol):
    with server.login(4) as undisturbed, Exchange(server, protocol) as x:
        assert x.begin("PLAIN") == "more"
        assert x.go_on(TOO_LONG.decode()) in ("no", "gone")
        undisturbed.ok("NOOP")
    with server.login(4) as undisturbed, Exchange(server, protocol) as x:
        assert x.begin("PLAIN", TOO_LONG.decode()) in ("no", "gone")
        undisturbed.ok("NOOP")
    with Exchange(server, protocol) as x:
        assert x.begin("PLAIN", b64(f"\0{server.user(5)}\0{PASSWORD}")) == "yes"
