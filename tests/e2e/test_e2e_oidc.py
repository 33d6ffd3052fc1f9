# SPDX-License-Identifier: Apache-2.0
"""Tokens of an OpenID provider over every protocol: who gets in, who does not, and who is out when
a token is revoked or expires (L20 to L23)."""
import concurrent.futures
import json
import os
import time

import pytest

from imapwire import client_context
from oidcprovider import CLIENT, SECRET, Provider
from saslwire import PROTOCOLS, Exchange, b64
from servers import server_class

KVSEP = "\x01"


def bearer(token, user=None):
    name = f"a={user}" if user else ""
    return b64(f"n,{name},{KVSEP}auth=Bearer {token}{KVSEP}{KVSEP}")


def xoauth2(token, user):
    return b64(f"user={user}{KVSEP}auth=Bearer {token}{KVSEP}{KVSEP}")


def start(folder, words, **settings):
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)
    provider = Provider(folder)
    secrets = os.path.join(folder, "secrets")
    with open(secrets, "w") as f:
        f.write(f"{CLIENT} {SECRET}\n")
    os.chmod(secrets, 0o644)
    server = server_class()(users=4, settings={
        "oauth_issuers": json.dumps([f"{provider.url} aud=mail {words}".strip()]),
        "oauth_ca_file": json.dumps(provider.cert), "oauth_secrets_file": json.dumps(secrets),
        "login_failure_delay": "0", "login_failures_max": "100",
        "auth_trusted_networks": json.dumps(["127.0.0.0/8"]), **settings})
    if server.peer != "mailkeep":
        server.close()
        provider.close()
        pytest.skip("the peer has its own settings")
    server.start()
    return server, provider


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Tokens are checked by their signature alone."""
    server, provider = start(str(tmp_path_factory.mktemp("signed")), "", oauth_check_every="1 s")
    yield server, provider
    server.close()
    provider.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The provider is asked about each token."""
    server, provider = start(str(tmp_path_factory.mktemp("asked")), f"client={CLIENT}",
                             oauth_check_every="1 s")
    yield server, provider
    server.close()
    provider.close()


def tls(sock):
    return client_context().wrap_socket(sock, server_hostname="localhost")


def exchange(server, protocol):
    return Exchange(server, protocol, tls)


def sign_in(server, protocol, initial, mechanism="OAUTHBEARER"):
    """yes, no (after the step more that there is), or how else it ended."""
    with exchange(server, protocol) as x:
        said = begin(x, mechanism, initial)
        if said != "more":
            return said
        reason = json.loads(x.challenge)
        assert reason.get("status") in ("invalid_token", "401"), reason
        return x.go_on("AQ==")


def begin(x, mechanism, initial):
    if x.protocol == "sieve":  # longer than a quoted string may be
        x.send(f'AUTHENTICATE "{mechanism}" {{{len(initial)}+}}\r\n{initial}\r\n')
        return x.answer()
    return x.begin(mechanism, initial)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_offered_over_tls_only(signed, protocol):
    server, _ = signed
    with Exchange(server, protocol) as x:
        assert "OAUTHBEARER" not in x.offers() and x.begin("XOAUTH2", "x") == "no"
    with exchange(server, protocol) as x:
        assert {"OAUTHBEARER", "XOAUTH2"} <= set(x.offers())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_gets_in(signed, protocol):
    server, provider = signed
    user = server.user(1)
    good = provider.jwt(user)
    assert sign_in(server, protocol, bearer(good)) == "yes"
    assert sign_in(server, protocol, bearer(good, user)) == "yes"
    assert sign_in(server, protocol, xoauth2(good, user), "XOAUTH2") == "yes"
    assert sign_in(server, protocol, bearer(good, server.user(2))) == "no"
    assert sign_in(server, protocol, bearer(provider.jwt("nobody@example.org"))) == "no"
    assert sign_in(server, protocol, bearer(provider.jwt("u1@elsewhere.example"))) == "no"
    assert sign_in(server, protocol, bearer("opaque")) == "no"
    assert sign_in(server, protocol, bearer("mkt_AAAA")) == "no"


# L20: the worst of what a signature does not save from, end to end; the rest: unit/courier. A07a, A07b, A07d, A07e.
def test_tokens_not_for_us(signed):
    server, provider = signed
    user = server.user(1)
    bad = [provider.jwt(user, aud="other"), provider.jwt(user, iss="https://evil.example"),
           provider.jwt(user, exp=int(time.time()) - 3600), provider.jwt(user, nonce="x"),
           provider.jwt(user, email_verified=False), provider.jwt(user, header={"alg": "HS256"}),
           provider.jwt(user, header={"alg": "none"}), provider.jwt(user, header={"crit": ["x"]}),
           provider.jwt(user)[:-8] + "AAAAAAAA", provider.jwt(user, aud=["other", "more"]),
           provider.jwt(user, nbf=int(time.time()) + 3600), provider.jwt(user, iat=int(time.time()) + 3600),
           provider.jwt(user, exp=None), provider.jwt(user, aud=None)]
    for token in bad:
        assert sign_in(server, "imap", bearer(token)) == "no"
    assert sign_in(server, "imap", bearer(provider.jwt(user))) == "yes"


# A07c: the key's name is a name, and leads nowhere.
def test_a07c_a_key_id_is_no_path(signed):
    server, provider = signed
    user = server.user(1)
    for kid in ("../../../../etc/passwd", "/dev/zero", "/dev/null", "file:///etc/passwd", provider.url + "/evil",
                "first\0", "first/../first", "' OR 1=1--", "first\r\nX: y", "", "%2e%2e/first", ["first"], None, 1):
        assert sign_in(server, "imap", bearer(provider.jwt(user, header={"kid": kid}))) == "no", kid
    assert set(provider.asked) <= {"/.well-known/openid-configuration", "/keys",
                                   "/.well-known/oauth-authorization-server"}


# A07f: another tenant of the same provider: the same keys, another issuer.
def test_a07f_another_tenant(signed):
    server, provider = signed
    user = server.user(1)
    for iss in (provider.url + "/realms/other", provider.url + "/", provider.url.upper(),
                provider.url.replace("localhost", "127.0.0.1"), provider.url + "@evil.example",
                provider.url.replace("https", "http"), [provider.url], "", None):
        assert sign_in(server, "imap", bearer(provider.jwt(user, iss=iss))) == "no", iss


# A07g, A07h: keys that have no end, fast or slowly. Nobody gets in by what was not read, nobody else waits.
@pytest.mark.parametrize("how", ["floods", "drips"])
def test_a07g_a07h_keys_without_end(signed, how):
    server, provider = signed
    user = server.user(1)
    provider.rotate(f"new-{how}")  # which makes it be asked
    setattr(provider, how, True)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            time.sleep(1.1)  # oauth_check_every
            waits = pool.submit(sign_in, server, "imap", bearer(provider.jwt(user)))
            served = 0
            while not waits.done():
                with server.login(2):
                    served += 1
            assert waits.result() == "no" and served
        assert provider.sent < 32 << 20  # what sockets hold, and not what was announced
    finally:
        setattr(provider, how, False)
    assert_soon(lambda: sign_in(server, "imap", bearer(provider.jwt(user))) == "yes")


# A07i: the issuer is asked about each token, and its answer has no end.
@pytest.mark.parametrize("how", ["floods", "drips"])
def test_a07i_introspection_without_end(asked, how):
    server, provider = asked
    token = provider.give(f"here-{how}", server.user(1))
    with exchange(server, "imap") as x:
        assert begin(x, "OAUTHBEARER", bearer(token)) == "yes"
        setattr(provider, how, True)
        try:
            with exchange(server, "imap") as y:
                assert begin(y, "OAUTHBEARER", bearer(f"unheard-of-{how}")) == "no"
                assert b"UNAVAILABLE" in y.said
            x.talk.send("b NOOP\r\n")
            assert x.talk.line().startswith(b"b OK")
        finally:
            setattr(provider, how, False)
    assert_soon(lambda: sign_in(server, "imap", bearer(token)) == "yes")


# L21: keys are fetched anew for a key that is not known, but not for each token that names one.
def test_keys_that_change(signed):
    server, provider = signed
    user = server.user(1)
    old = provider.jwt(user)
    assert sign_in(server, "imap", bearer(old)) == "yes"
    provider.rotate("second")
    assert_soon(lambda: sign_in(server, "imap", bearer(provider.jwt(user))) == "yes")
    assert sign_in(server, "imap", bearer(old)) == "no"
    before, began = provider.count("/keys"), time.monotonic()
    for i in range(30):
        assert sign_in(server, "imap", bearer(provider.jwt(user, header={"kid": f"k{i}"}))) == "no"
    assert provider.count("/keys") - before <= 2 + time.monotonic() - began


def assert_soon(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_out(x, protocol):
    """The server has said that it is over, or closes."""
    x.talk.sock.settimeout(20)
    try:
        if protocol == "smtp":  # the pair's end is seen at the next message
            x.talk.send("MAIL FROM:<u1@example.org>\r\n")
            return x.talk.line().startswith(b"421")
        return (x.talk.line() or b"").startswith((b"* BYE", b"-ERR", b"BYE"))
    except TimeoutError:
        return False  # silence is no end
    except OSError:
        return True


# L22, A05d: revoked, while a session lives by it and for the next one.
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_revoked_is_out(asked, protocol):
    server, provider = asked
    user = server.user(1)
    for i, token in enumerate([f"opaque-{protocol}", provider.jwt(user, jti=protocol)]):
        provider.give(token, user)
        with exchange(server, protocol) as x, exchange(server, "imap") as other:
            assert begin(x, "OAUTHBEARER", bearer(token)) == "yes"
            stays = provider.give(f"stays-{protocol}-{i}", user)
            assert begin(other, "OAUTHBEARER", bearer(stays)) == "yes"
            provider.revoke(token)
            assert_soon(lambda: sign_in(server, protocol, bearer(token)) == "no")
            if protocol == "smtp":
                time.sleep(1.5)  # a round of checks; the session hears of it when it speaks
            assert is_out(x, protocol)
            other.talk.send("b NOOP\r\n")  # nobody else is disturbed
            assert other.talk.line().startswith(b"b OK")


# A05d, A07e: a token ends by itself.
def test_expired_is_out(asked):
    server, provider = asked
    # As old as the clocks' difference allows: it has a few seconds left.
    token = provider.give("short", server.user(1), exp=int(time.time()) - 57)
    with exchange(server, "imap") as x:
        assert begin(x, "OAUTHBEARER", bearer(token)) == "yes"
        assert is_out(x, "imap")
    assert sign_in(server, "imap", bearer(token)) == "no"


# L23, A07i: an issuer that is away is no no: sessions stay, and whoever comes is told to try again.
def test_issuer_away(asked):
    server, provider = asked
    token = provider.give("patient", server.user(1))
    with exchange(server, "imap") as x:
        assert begin(x, "OAUTHBEARER", bearer(token)) == "yes"
        provider.fails = True
        try:
            with exchange(server, "imap") as y:
                assert begin(y, "OAUTHBEARER", bearer("unheard-of")) == "no"
                assert b"UNAVAILABLE" in y.said
            time.sleep(2)
            x.talk.send("b NOOP\r\n")
            assert x.talk.line().startswith(b"b OK")
        finally:
            provider.fails = False
        provider.revoke(token)
        assert is_out(x, "imap")


# A07j: a token is in no log, whatever became of it.
def test_a07j_the_token_is_nowhere(signed, asked):
    for server, provider in (signed, asked):
        user = server.user(1)
        good = provider.jwt(user, jti="secret")
        provider.active[good] = provider.claims(user)
        tokens = [good, provider.jwt(user, exp=1), provider.jwt(user, iss="https://evil.example"), good + "x",
                  "an-opaque-token-that-nobody-knows", "mkt_" + "A" * 64]
        said = [sign_in(server, protocol, bearer(t)) for protocol in PROTOCOLS for t in tokens]
        assert said == (["yes"] + ["no"] * 5) * 4
        with open(server.log_path, errors="replace") as f:
            log = f.read()
        for token in tokens:
            for part in (token, token.rpartition(".")[2], b64(token)[:40], bearer(token)[40:80]):
                assert part not in log
