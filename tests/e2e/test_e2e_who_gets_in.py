# SPDX-License-Identifier: Apache-2.0
"""Who gets in, over every way in: what a no tells (A01), names that would be something else elsewhere
(A04), and what a change takes away, also from sessions that are open (A05)."""
import base64
import html
import json
import os
import re
import time

import pytest

from adminapi import Api
from imapwire import client_context
from saslwire import PROTOCOLS, Exchange, Scram, b64
from servers import PASSWORD, free_port, server_class
from test_e2e_external import Authority
from test_e2e_oauth import Form, Web, parameters
from test_e2e_oidc import bearer, begin, xoauth2

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

SOON = 5  # seconds within which a change counts
NEW = "another-gate-78"


def tls(sock):
    return client_context().wrap_socket(sock, server_hostname="localhost")


class World(Web):
    """A server with every way in that there is, and one with a certificate of a client's besides."""

    def __init__(self, make, folder):
        os.chmod(folder, 0o755)
        self.authority = Authority(folder)
        self.admin_port = free_port()
        super().__init__(make, auth_login="yes", auth_scram="all", auth_cache_time="1 h",
                         listen_admin=f"127.0.0.1:{self.admin_port}", tls_client_ca=self.authority.path,
                         auth_failures_max="1000", auth_network_failures_max="1000000",
                         login_failures_max="100", login_bad_commands_max="1000", http_requests_max="10000",
                         login_connections_per_address="1000", default_domain="example.org")
        self.certificates = {}

    def hashes(self):
        r = Api(self.admin_port)
        r.connection.request("GET", "/metrics", headers={"Host": "127.0.0.1"})
        text = r.connection.getresponse().read().decode()
        r.close()
        return int(re.search(r"^mailkeep_keep_password_hashes_total (\d+)$", text, re.M)[1])

    def certificate(self, user):
        if user not in self.certificates:
            self.certificates[user] = self.authority.sign(user.replace("@", "-"), f"email:{user}")
        return self.certificates[user]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)
    running = []

    def make(**options):
        running.append(server_class()(**options))
        running[0].start()
        return running[0]

    try:
        yield World(make, tmp_path_factory.mktemp("authority"))
    finally:
        for s in running:
            s.close()


# ---- ways in ------------------------------------------------------------------------------------
# Each gives what is said at the end, without what the client itself has said in it.

def by_exchange(protocol, *words, is_tls=False):
    """SASL in the clear (from loopback) or within TLS after STARTTLS."""
    def way(world, name, password):
        with Exchange(world.server, protocol, tls if is_tls else None) as x:
            if words[0] == "PLAIN":
                said = x.begin("PLAIN", b64(f"\0{name}\0{password}"))
            elif words[0] == "LOGIN":
                assert x.begin("LOGIN") == "more"
                said = x.go_on(b64(name))
                said = x.go_on(b64(password)) if said == "more" else said
            elif words[0] == "SCRAM-SHA-256":
                scram = Scram(name, password)
                said = x.begin(words[0], b64(scram.first))
                if said == "more":
                    said = x.go_on(b64(scram.answer(x.challenge)))
            else:
                make = bearer if words[0] == "OAUTHBEARER" else xoauth2
                said = begin(x, words[0], make(password, name))
                if said == "more":
                    first = x.said
                    said = x.go_on("AQ==")
                    return said, first + x.said
            return said, x.said
    return way


def imap_login(world, name, password):
    with world.server.connect("tls") as c:
        said = c.cmd(b"LOGIN " + literal(name) + b" " + literal(password))
        return ("yes" if said.ok else "no"), str(said.line.raw).encode()


def literal(text):
    data = text.encode()
    return b"{%d+}\r\n" % len(data) + data


def pop3_user(world, name, password):
    with Exchange(world.server, "pop3") as x:
        first = x.talk.cmd(f"USER {name}")
        if not first.startswith(b"+OK"):
            return "no", first
        said = x.talk.cmd(f"PASS {password}")
        return ("yes" if said.startswith(b"+OK") else "no"), said


def over_tls(kind):
    """From the first byte, by PLAIN."""
    def way(world, name, password):
        from talk import Pop3, Smtp
        if kind == "imaps":
            with world.server.connect("tls") as c:
                said = c.cmd(f"AUTHENTICATE PLAIN {b64(chr(0) + name + chr(0) + password)}")
                return ("yes" if said.ok else "no"), str(said.line.raw).encode()
        with (Pop3(world.server.pop3s_port, tls=True) if kind == "pop3s" else
              Smtp(world.server.submissions_port, tls=True)) as c:
            if kind == "submissions":
                c.cmd("EHLO c.example")
            said = c.cmd(f"AUTH PLAIN {b64(chr(0) + name + chr(0) + password)}")
            return ("yes" if said.startswith((b"+OK", b"235")) else "no"), said
    return way


def http_basic(world, name, password):
    api = Api(world.admin_port)
    try:
        both = base64.b64encode(f"{name}:{password}".encode()).decode()
        a = api.ask("GET", "/accounts", Authorization=f"Basic {both}")
        said = json.dumps([a.status, a.challenges, a.body]).encode()
        return ("yes" if a.status in (200, 403) else "no"), said  # 403: it was right, and no key
    finally:
        api.close()


def http_bearer(world, name, password):
    api = Api(world.admin_port)
    try:
        a = api.ask("GET", "/accounts", Authorization=f"Bearer {password.encode().hex()}")
        return ("yes" if a.status in (200, 403) else "no"), json.dumps([a.status, a.challenges, a.body]).encode()
    finally:
        api.close()


def page(world, name, password):
    status, head, text = world.allow(name, password=password)
    text = re.sub(r'name="guard" value="[^"]*"', "", text).replace(html.escape(name), "NAME")
    text = re.sub(r'code_challenge" value="[^"]*"', "", text)
    return ("yes" if status == 303 else "no"), text.encode()


WAYS = {
    "imap LOGIN": imap_login, "imaps PLAIN": over_tls("imaps"), "pop3s PLAIN": over_tls("pop3s"),
    "submissions PLAIN": over_tls("submissions"), "pop3 USER": pop3_user, "https Basic": http_basic,
    "https Bearer": http_bearer, "https page": page,
    **{f"{p} PLAIN": by_exchange(p, "PLAIN") for p in PROTOCOLS},
    **{f"{p} PLAIN in TLS": by_exchange(p, "PLAIN", is_tls=True) for p in PROTOCOLS},
    **{f"{p} AUTH LOGIN": by_exchange(p, "LOGIN") for p in PROTOCOLS if p != "sieve"},
    **{f"{p} SCRAM": by_exchange(p, "SCRAM-SHA-256") for p in PROTOCOLS},
    **{f"{p} OAUTHBEARER": by_exchange(p, "OAUTHBEARER", is_tls=True) for p in PROTOCOLS},
    **{f"{p} XOAUTH2": by_exchange(p, "XOAUTH2", is_tls=True) for p in PROTOCOLS},
}
every_way = pytest.mark.parametrize("way", WAYS)
WITHOUT_HASH = ("SCRAM", "OAUTHBEARER", "XOAUTH2")


@pytest.fixture(scope="module")
def people(world):
    server = world.server
    server.control("account suspend", account=server.user(6))
    server.control("account add", account="keyless@example.org", no_password=True)
    return {"known": server.user(1), "another": server.user(2), "suspended": server.user(6),
            "without a password": "keyless@example.org", "unknown": "nobody@example.org",
            "of another domain": "anna@elsewhere.example", "without a domain": "nobody"}


# A01a, A01b: the same text and code, and as many hashes (Argon2id), whoever it is. How long it takes: A01c.
@every_way
def test_a01a_a01b_a_no_is_a_no(world, people, way):
    told, worked = {}, {}
    for i, (who, name) in enumerate(people.items()):
        before = world.hashes()
        said, text = WAYS[way](world, name, f"wrong {i}")
        assert said == "no", (who, text)
        told[who], worked[who] = text, world.hashes() - before
    assert len(set(told.values())) == 1, told
    wanted = 0 if way.endswith(WITHOUT_HASH) else 1
    assert set(worked.values()) == {wanted}, worked


# Neither is a right password one that tells: of an account that is suspended.
@every_way
def test_a01a_a_right_password_of_who_is_suspended(world, people, way):
    if way.endswith(("OAUTHBEARER", "XOAUTH2", "Bearer")):
        pytest.skip("a password is no token")
    before = world.hashes()
    suspended = WAYS[way](world, people["suspended"], PASSWORD)
    between = world.hashes()
    unknown = WAYS[way](world, people["unknown"], PASSWORD)
    assert suspended == unknown and suspended[0] == "no"
    assert between - before == world.hashes() - between


# An app password looks like one, and is searched for, not hashed: for whoever it is said.
@pytest.mark.parametrize("way", ["imaps PLAIN", "pop3 USER", "submission PLAIN", "sieve PLAIN", "https Basic"])
def test_a01b_what_looks_like_an_app_password(world, people, way):
    way = way.replace("submission ", "smtp ")
    told = set()
    key = world.server.control("account device add", account=world.server.user(5), device=way)["password"]
    before = world.hashes()
    for name in people.values():
        told.add(WAYS[way](world, name, key))
    assert len(told) == 1 and world.hashes() == before, told


# ---- A04: names that would be something else elsewhere --------------------------------------------

STRANGE = {
    "LDAP": "a')(uid=*", "SQL": "x' OR 1=1--", "template": "%{user}%u%n%d%{env:PATH}", "shell": "$(id)`id`|id;id",
    "line ends": "u1@example.org\r\nADMIN", "line end": "a\nb OK x", "path": "../../../etc/passwd",
    "path of ours": "../u1@example.org", "NUL": "u1@example.org\0x", "escape": "\x1b[2Ja", "format": "%s%n%s%n",
    "JSON": '","role":"owner","x":"', "XML": "<a>&b;</a>", "wildcard": "*", "tab": "u1@example.org\tx",
    "reversed": "\u202egro.elpmaxe@1u", "one that is here and a comma": "u1@example.org,u2@example.org",
}
# Where the bytes of a name have no way to be said: what a client would have to send is another command.
CANNOT = {"pop3 USER": ("line ends", "line end", "NUL", "tab")}


@pytest.mark.parametrize("strange", STRANGE)
@every_way
def test_a04a_a04b_a04c_a04d_a04e_strange_names_are_nobodys(world, strange, way):
    if strange in CANNOT.get(way, ()) or way == "https Bearer":
        pytest.skip("cannot be said there")
    said, text = WAYS[way](world, STRANGE[strange], PASSWORD)
    assert said != "yes", text
    assert b"root:" not in text and b"uid=0" not in text and b"PATH" not in text.replace(b"env:PATH", b"")


def test_a04f_the_log_has_one_line_for_each(world):
    """After all of the above: each line begins with a time and a level, none holds bytes of theirs."""
    server = world.server
    for way in ("imap LOGIN", "imap PLAIN", "https Basic", "https page"):
        for name in STRANGE.values():
            WAYS[way](world, name, PASSWORD)
    assert WAYS["imap LOGIN"](world, server.user(1), PASSWORD)[0] == "yes"
    with open(server.log_path, "rb") as f:
        log = f.read()
    assert b"\x1b" not in log and b"\0" not in log and "\u202e".encode() not in log
    shape = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S* ")
    odd = [line for line in log.split(b"\n") if line and not shape.match(line)]
    assert not odd, odd[:5]
    assert PASSWORD.encode() not in log and b64(PASSWORD).encode() not in log


def test_a04g_nothing_of_them_is_on_the_disk(world):
    server = world.server
    paths = [os.path.join(d, f) for d, _, files in os.walk(server.folder) for f in files]
    assert not [p for p in paths if re.search(r"etc/passwd|[*'%$\\|;]", p)]
    accounts = server.command("account", "list").stdout
    assert not any(x in accounts for x in ("ADMIN", "OR 1=1", "uid=", "passwd"))
    for line in server.command("account", "signins", server.user(1)).stdout.splitlines():
        assert "\x1b" not in line and "ADMIN" not in line


# ---- A03: bytes that are no sign-in, by HTTP; by the mail protocols: protocol/test_sasl.py ----------


# A03b, A03d, A03f, A03g, A03h. The path that lets in is the one with no change: it is tried, too.
def test_a03b_a03d_a03f_a03g_a03h_basic(world):
    user = world.server.user(3)
    wide = "".join(chr(ord(c) - 0x21 + 0xFF01) if c.isalnum() else c for c in PASSWORD)

    def status(value):
        api = Api(world.admin_port)
        try:
            return api.ask("GET", "/accounts", Authorization=value).status
        finally:
            api.close()

    def basic(data):
        return "Basic " + base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()

    good = basic(f"{user}:{PASSWORD}")
    assert status(good) == 403  # right, and not enough
    for value in (good[:-2], good + "=", good + "AA", good.replace("Basic ", "Basic =")[:-4], "Basic " + "A" * 9000,
                  good.replace("Basic ", "Basic!"), basic(f"{user}\0:{PASSWORD}"), basic(f"{user}:{PASSWORD}\0"),
                  basic(f":{PASSWORD}"), basic(f"{user}:"), basic(f"{user}{PASSWORD}"), basic(f"{user}:{wide}"),
                  basic(b"\xff" + user.encode() + b":" + PASSWORD.encode()), basic(f"{user}:{PASSWORD[:4]}\u00ad{PASSWORD[4:]}"),
                  basic(user.encode() + b":" + PASSWORD.encode() + b"\xed\xa0\x80"), basic(f"{user}:{user}:{PASSWORD}"),
                  basic(b"\xc1\xb5" + user.encode()[1:] + b":" + PASSWORD.encode())):
        assert status(value) in (400, 401, 431), value[:200]
    assert status(good) == 403


# ---- A05: what is remembered, and what a change takes away ------------------------------------------

def passwd(world, user):
    world.server.control("account passwd", account=user, password=NEW, allow_weak=True)


def suspend(world, user):
    world.server.control("account suspend", account=user)


def remove(world, user):
    world.server.control("account remove", account=user)


class Person:
    """An account of the test's own; `proof` is what a way in is tried with."""

    def __init__(self, world, name):
        self.world, self.user = world, f"{name}@example.org"
        world.server.control("account add", account=self.user, password=PASSWORD, allow_weak=True)

    def device(self, **more):
        return self.world.server.control("account device add", account=self.user, device="phone",
                                         **more)["password"]

    def token(self):
        status, head, text = self.world.allow(self.user, scope="mail")
        assert status == 303, text
        return self.world.redeem(parameters(head["location"])["code"])[1]["access_token"]


numbers = iter(range(1000))


@pytest.fixture
def person(world):
    return Person(world, f"p{next(numbers)}")


def signed_in(person, mechanism, protocol, proof):
    """An Exchange that is signed in, or None."""
    user = person.user
    wrap = person.world.certificate(user).wrap_socket if mechanism == "EXTERNAL" else tls
    x = Exchange(person.world.server, protocol, wrap)
    if mechanism in ("PLAIN", "app password"):
        said = x.begin("PLAIN", b64(f"\0{user}\0{proof}"))
    elif mechanism == "LOGIN":
        said = x.begin("LOGIN", b64(user))
        said = x.go_on(b64(proof)) if said == "more" else said
    elif mechanism == "SCRAM":
        scram = Scram(user, proof)
        said = x.begin("SCRAM-SHA-256", b64(scram.first))
        said = x.go_on(b64(scram.answer(x.challenge))) if said == "more" else said
        said = x.go_on("") if said == "more" else said
    elif mechanism == "EXTERNAL":
        said = x.begin("EXTERNAL", "" if protocol == "sieve" else "=")
    else:
        said = begin(x, mechanism, bearer(proof, user))
    if said == "yes":
        return x
    x.talk.sock.close()
    return None


def proof_of(person, mechanism):
    return {"app password": person.device, "OAUTHBEARER": person.token}.get(mechanism, lambda: PASSWORD)()


def is_out(x, protocol):
    """Within SOON the server says that it is over, or closes."""
    x.talk.sock.settimeout(SOON)
    try:
        if protocol == "smtp":  # it hears of it when it speaks
            end = time.monotonic() + SOON
            while time.monotonic() < end:
                x.talk.send("MAIL FROM:<>\r\n")
                line = x.talk.line()
                if line is None or line.startswith(b"421"):
                    return True
                x.talk.send("RSET\r\n")
                if x.talk.line() is None:
                    return True
                time.sleep(0.1)
            return False
        return (x.talk.line() or b"* BYE").startswith((b"* BYE", b"-ERR", b"BYE"))
    except TimeoutError:
        return False
    except OSError:
        return True


MECHANISMS = ["PLAIN", "LOGIN", "SCRAM", "app password", "OAUTHBEARER", "EXTERNAL"]
OF_THE_PASSWORD = ("PLAIN", "LOGIN", "SCRAM", "EXTERNAL")  # others go on when it changes
CHANGES = {"password": passwd, "suspended": suspend, "removed": remove}


# A05b, A05c: whatever was remembered of the account, and by whichever mechanism.
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a05b_a05c_a_change_counts_at_once(world, person, protocol, mechanism, change):
    if (protocol, mechanism) == ("sieve", "LOGIN"):
        pytest.skip("ManageSieve has no LOGIN")
    proof = proof_of(person, mechanism)
    other = Person(world, f"{person.user.split('@')[0]}-other")
    with signed_in(person, mechanism, protocol, proof) as x, \
            signed_in(other, "PLAIN", "imap", PASSWORD) as undisturbed:
        CHANGES[change](world, person.user)
        again = signed_in(person, mechanism, protocol, proof)
        if change == "password" and mechanism not in OF_THE_PASSWORD:
            assert again  # a device has a secret of its own
            again.talk.sock.close()
        else:
            assert is_out(x, protocol)
            # The certificate's authority vouches for the address, whatever its password.
            assert bool(again) == ((change, mechanism) == ("password", "EXTERNAL"))
            if again:
                again.talk.sock.close()
        undisturbed.talk.send("b NOOP\r\n")
        assert undisturbed.talk.line().startswith(b"b OK")
    if change == "password":
        with signed_in(person, "PLAIN", protocol, NEW):
            pass


# A05a: what is remembered is remembered of one account.
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM"])
def test_a05a_two_with_the_same_password(world, mechanism):
    one, two = Person(world, f"same-{mechanism}-1".lower()), Person(world, f"same-{mechanism}-2".lower())
    for who in (one, two, one, two):
        signed_in(who, mechanism, "imap", PASSWORD).talk.sock.close()
    passwd(world, one.user)
    assert not signed_in(one, mechanism, "imap", PASSWORD)
    signed_in(two, mechanism, "imap", PASSWORD).talk.sock.close()
    signed_in(one, mechanism, "imap", NEW).talk.sock.close()
    assert not signed_in(two, mechanism, "imap", NEW)
    suspend(world, two.user)
    assert not signed_in(two, mechanism, "imap", PASSWORD)
    signed_in(one, mechanism, "imap", NEW).talk.sock.close()


# A05a, A08d: what makes the difference besides: the service, and the network.
def test_a05a_a_yes_for_one_service_is_none_for_another(world, person):
    only_imap = person.device(**{"for": ["imap"]})
    signed_in(person, "app password", "imap", only_imap).talk.sock.close()
    for protocol in ("pop3", "smtp", "sieve"):
        assert not signed_in(person, "app password", protocol, only_imap), protocol
    assert WAYS["https Basic"](world, person.user, only_imap)[0] == "yes"  # 403: "not for this service"
    api = Api(world.admin_port, only_imap, person.user)
    assert api.ask("GET", "/accounts").status == 403
    api.close()


# A05d: the device's time is over, or its tokens are.
def test_a05d_what_is_over_is_over(world, person):
    key = person.device(until=int(time.time()) + 3)
    with signed_in(person, "app password", "imap", key) as x:
        assert is_out_within(x, 3 + SOON)
    assert not signed_in(person, "app password", "imap", key)


def is_out_within(x, seconds):
    x.talk.sock.settimeout(seconds)
    try:
        return (x.talk.line() or b"* BYE").startswith(b"* BYE")
    except TimeoutError:
        return False
    except OSError:
        return True


# A09e: signed out.
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a05d_a_token_that_is_given_back(world, person, protocol):
    token = person.token()
    with signed_in(person, "OAUTHBEARER", protocol, token) as x:
        assert world.post("/oauth/revoke", client_id="native", token=token)[0] == 200
        assert is_out(x, protocol)
    assert not signed_in(person, "OAUTHBEARER", protocol, token)


# A05b, A05c: a connection to the API is kept, and each request counts for itself.
@pytest.mark.parametrize("how", ["Basic", "Bearer"])
@pytest.mark.parametrize("change", ["suspended", "blocked", "removed", "role"])
def test_a05c_requests_of_one_connection(world, person, how, change):
    from totp import STEP, code_at
    server = world.server
    server.control("role grant", account=person.user, role="owner")
    secret = server.control("account totp add", account=person.user)["secret"]
    server.control("account totp confirm", account=person.user, code=code_at(secret, int(time.time() // STEP)))
    api = Api(world.admin_port, person.device(**{"for": ["web"]}), person.user if how == "Basic" else None)
    assert api.ask("GET", "/accounts").status == 200
    if change == "blocked":
        server.control("account device block", account=person.user, device="phone")
    elif change == "role":
        server.control("role revoke", account=person.user, role="owner")
    else:
        CHANGES[change](world, person.user)
    assert api.ask("GET", "/accounts").status in (401, 403)
    api.close()
