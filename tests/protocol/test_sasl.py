# SPDX-License-Identifier: Apache-2.0
"""SASL by every protocol: what is offered, and bytes that are no sign-in (L05)."""
import pytest

from servers import PASSWORD, server_class
from saslwire import PROTOCOLS, Exchange, b64

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
        "no bytes": "=",
        "not base64": "!!!!",
        "base64 cut": "AGEAY",
        "bits left over": "AGEAYh==",
        "no NUL": b64("x"),
        "one NUL": b64(f"{user}\0{PASSWORD}"),
        "three NULs": b64(f"\0{user}\0{PASSWORD}\0"),
        "nobody": b64(f"\0\0{PASSWORD}"),
        "nobody as somebody": b64(f"{user}\0\0{PASSWORD}"),
        "no password": b64(f"\0{user}\0"),
        "as another": b64(f"{other}\0{user}\0{PASSWORD}"),
        "another's name": b64(f"{user}\0{other}\0wrong"),
        "not UTF-8": b64(b"\0" + user.encode() + b"\xff\0" + PASSWORD.encode()),
        "surrogate": b64(b"\0" + user.encode() + b"\0" + PASSWORD.encode() + b"\xed\xa0\x80"),
        "twin of the name": b64(f"\0{twin(user)}\0{PASSWORD}"),
        "twin of the password": b64(f"\0{user}\0{twin(PASSWORD)}"),
        "longer name": b64(f"\0{user}" + "x" * 300 + f"\0{PASSWORD}"),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_what_is_no_sign_in(server, protocol):
    user, other = server.user(2), server.user(3)
    with server.login(4) as undisturbed:
        for name, message in bad_messages(user, other).items():
            with Exchange(server, protocol) as x:
                assert x.begin("PLAIN", message) == "no", name
                assert x.begin("PLAIN", b64(f"{user}\0{user}\0{PASSWORD}")) == "yes", name
            undisturbed.ok("NOOP")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_cancelled_and_begun_anew(server, protocol):
    with Exchange(server, protocol) as x:
        assert x.begin("PLAIN") == "more"
        assert x.go_on("*") == "no"
        assert x.begin("PLAIN") == "more"
        assert x.go_on(b64(f"\0{server.user(5)}\0{PASSWORD}")) == "yes"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l05_a_response_without_end(server, protocol):
    with server.login(4) as undisturbed, Exchange(server, protocol) as x:
        assert x.begin("PLAIN") == "more"
        assert x.go_on(TOO_LONG.decode()) in ("no", "gone")
        undisturbed.ok("NOOP")
    with Exchange(server, protocol) as x:
        assert x.begin("PLAIN", b64(f"\0{server.user(5)}\0{PASSWORD}")) == "yes"
