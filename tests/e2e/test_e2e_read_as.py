# SPDX-License-Identifier: Apache-2.0
"""An administrator opens another's account: who may, what it is good for, and who is told (L66)."""
import os
import subprocess
import time

import pytest
from saslwire import PROTOCOLS, Exchange, Scram, b64, sign_in
from servers import PASSWORD
from test_e2e_external import Authority
from totp import STEP, code_at

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

MESSAGE = b"From: Berta <berta@example.com>\r\nSubject: the quarter\r\n\r\nAll is well.\r\n"


def factor(server, user):
    secret = server.control("account totp add", account=user)["secret"]
    server.control("account totp confirm", account=user,
                   code=code_at(secret, int(time.time() // STEP)))


def device(server, user, name="desk", **more):
    return server.control("account device add", account=user, device=name, **more)


class World:
    """hilde may read over example.org, and has a second factor and an app password; anna has mail."""

    def __init__(self, server):
        self.server = server
        self.hilde, self.anna, self.bert = (server.user(i) for i in (1, 2, 3))
        server.control("role add", role="reader", rights=["read-mail"], words="reads")
        server.control("role add", role="changer", rights=["read-mail", "change-mail", "rules"],
                       words="changes")
        self.give("reader")
        factor(server, self.hilde)
        self.key = device(server, self.hilde)["password"]
        with server.login(2) as c:
            c.append("INBOX", MESSAGE)

    def give(self, role, who=None, **more):
        self.server.control("role grant", account=who or self.hilde, role=role, **more)

    def opened(self, target=None, user=None, key=None):
        """A connection that has opened it, or the line of the refusal."""
        c = self.server.connect()
        token = b64(f"{target or self.anna}\0{user or self.hilde}\0{key or self.key}")
        said = c.cmd(f"AUTHENTICATE PLAIN {token}")
        if said.status == b"OK":
            return c
        c.close()
        return f"[{said.code[0].decode()}] {said.text.decode()}"

    def log(self, who=None):
        return self.server.command("log", who or self.anna).stdout


def flags(c):
    return str([f[b"FLAGS"] for f in c.ok("FETCH 1 (FLAGS)").fetches().values()])


SETTINGS = {"read_as": "yes", "auth_scram": "devices", "auth_failures_max": "1000",
            "login_failure_delay": "0", "login_failures_max": "100"}


@pytest.fixture
def world(make_server):
    return World(make_server(users=4, settings=SETTINGS))


def test_a_mailbox_is_read_and_stays_as_it_was(world):
    before = world.log()
    with world.opened() as c:
        assert "READ-ONLY" in str(c.select("INBOX").line.raw)
        c.ok("FETCH 1 (FLAGS BODY[])")
        assert flags(c) == "[[b'\\\\Recent']]"
        for command in ("STORE 1 +FLAGS (\\Flagged)", "CREATE x", "DELETE Sent", "RENAME Sent y",
                        "EXPUNGE", "COPY 1 Sent", "MOVE 1 Sent", "SUBSCRIBE x", "UNSUBSCRIBE Sent"):
            assert c.cmd(command).status == b"NO", command
        assert c.cmd("APPEND INBOX {3+}\r\nabc").status == b"NO"
        c.ok("CLOSE")
    after = world.log()
    assert after.startswith(before) and after[len(before):].count("\n") == 1, after
    assert f"The administrator ({world.hilde}, 127.0.0.1) opened the mailbox by IMAP, to read" in after
    with world.server.login(2) as c:
        c.select("INBOX")
        assert flags(c) == "[[b'\\\\Recent']]"  # nobody has taken that either


def until(look, words):
    end = time.monotonic() + 60
    while words not in look() and time.monotonic() < end:
        time.sleep(0.2)
    text = look()
    assert words in text, text
    return text


def test_the_owner_is_told(make_server):
    world = World(make_server(users=3, settings={**SETTINGS, "alerts": "yes"}))
    server = world.server
    world.opened().close()
    until(lambda: server.command("account", "signins", world.anna).stdout,
          f"by {world.hilde}, another who opened the account, by IMAP from 127.0.0.0/24")
    assert world.hilde not in server.command("account", "signins", world.bert).stdout
    listed = until(lambda: server.command("alert", "list", world.anna).stdout, "opened your account")
    assert f"the mailbox by IMAP, to read (done by {world.hilde}, 127.0.0.1)" in listed
    assert "network" not in listed
    with server.login(2) as c:
        c.select("INBOX")
        c.ok("NOOP")
        assert b"An administrator opened your account" in str(
            c.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").untagged).encode()
    with pytest.raises(Exception, match="always told"):
        server.control("alert mute", account=world.anna, kinds=["opened"])


def test_what_others_share_with_the_owner_is_not_read(world):
    world.give("changer")
    with world.server.login(3) as bert, world.server.login(2) as anna:
        bert.ok(f"SETACL INBOX {world.anna} lr")
        box = f"Other Users/{world.bert}/INBOX"
        anna.select(box)
        with world.opened() as c:
            assert b"Other Users" not in str(c.ok('LIST "" *').untagged).encode()
            assert c.cmd(f'SELECT "{box}"').code[0] == b"NONEXISTENT"
            assert c.cmd("COPY 1 INBOX").status == b"BAD"
            # Nor does who reads for now give themselves a right that stays.
            assert c.cmd(f"SETACL INBOX {world.hilde} lr").code[0] == b"NOPERM"


def test_who_may_change_is_named(world):
    world.give("changer")
    with world.opened() as c:
        assert "READ-WRITE" in str(c.select("INBOX").line.raw)
        c.ok("FETCH 1 (BODY[])")
        assert flags(c) == "[[b'\\\\Recent']]"  # nobody asked for that
        c.ok("STORE 1 +FLAGS (\\Flagged \\Deleted)")
        c.ok("CLOSE")
        c.select("INBOX")
        assert "Deleted" in flags(c)  # CLOSE takes nothing out by the way
        c.ok("CREATE theirs")
    log = world.log()
    assert "to read and change" in log
    line = next(x for x in log.split("\n") if "theirs" in x)
    assert f"The administrator ({world.hilde}, 127.0.0.1)" in line
    server = world.server
    reading = device(server, world.hilde, "reading", read_only=True)["password"]
    with world.opened(key=reading) as c:
        assert "READ-ONLY" in str(c.select("INBOX").line.raw)


# A03e
def test_l66_refusals_say_nothing_of_the_account(world):
    server = world.server
    server.control("domain add", domain="example.net")
    server.control("account add", account="nora@example.net", no_password=True)
    server.control("role grant", account=world.hilde, role="help-desk", domains=["example.net"])
    server.control("role revoke", account=world.hilde, role="reader")
    world.give("reader", domains=["example.org"])
    server.control("account suspend", account=world.bert)
    world.give("auditor", server.user(4))
    said = {world.opened(target) for target in
            ("nora@example.net", "nobody@example.org", "nobody@example.net", "x@nowhere.example", world.bert,
             server.user(4), "no address", "a b@example.org")}
    assert len(said) == 1 and "[AUTHORIZATIONFAILED] You may not open that account" in said.pop()
    # Nothing of it is in their histories, and a wrong password is a wrong password.
    assert "opened" not in world.log("nora@example.net") + world.log(world.bert)
    assert "AUTHENTICATIONFAILED" in world.opened(key="aaaaa-aaaaa-aaaaa-aaaaa-aaaaa")
    assert "AUTHENTICATIONFAILED" in world.opened("nobody@example.org", key="aaaaa-aaaaa-aaaaa-aaaaa-aaaaa")
    # Who has no right at all hears the same.
    factor(server, world.anna)
    key = device(server, world.anna)["password"]
    assert world.opened(world.hilde, world.anna, key) == world.opened("nobody@example.org", world.anna, key)
    assert not isinstance(world.opened(world.anna.upper(), world.anna, key), str)  # oneself


def test_l66_nobody_gets_above_themselves(world):
    server = world.server
    world.give("owner", server.user(4))
    assert "may not open" in world.opened(server.user(4))
    world.give("reader", world.anna)
    assert "may not open" in world.opened()  # an equal
    world.give("owner")
    assert not isinstance(world.opened(), str)


def test_l66_a_second_factor_is_wanted(world):
    server = world.server
    server.control("account totp remove", account=world.hilde)
    for key in (world.key, PASSWORD):
        for target in (world.anna, "nobody@example.org"):
            assert "second factor" in world.opened(target, key=key)
    factor(server, world.hilde)
    assert "app password" in world.opened(key=PASSWORD)
    assert not isinstance(world.opened(), str)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l66_by_which_protocols(world, protocol):
    world.give("changer")
    token = b64(f"{world.anna}\0{world.hilde}\0{world.key}")
    with Exchange(world.server, protocol) as x:
        assert x.begin("PLAIN", token) == ("yes" if protocol in ("imap", "sieve") else "no")
    with Exchange(world.server, protocol) as x:
        scram = Scram(world.hilde, world.key, header=f"n,a={world.anna},")
        assert sign_in(x, scram) == ("yes" if protocol in ("imap", "sieve") else "no")
    with Exchange(world.server, protocol) as x:
        scram = Scram(world.hilde, world.key, header="n,a=nobody@example.org,")
        assert sign_in(x, scram) == "no"


def test_rules_are_opened_with_their_right(world):
    token = b64(f"{world.anna}\0{world.hilde}\0{world.key}")
    with Exchange(world.server, "sieve") as x:
        assert x.begin("PLAIN", token) == "no" and b"You may not open" in x.said
    world.give("changer")
    with Exchange(world.server, "sieve") as x:
        assert x.begin("PLAIN", token) == "yes"
        x.send('PUTSCRIPT "theirs" {5+}\r\nkeep;\r\n')
        assert x.talk.line().startswith(b"OK")
    log = world.log()
    assert f"({world.hilde}, 127.0.0.1) opened the rules by ManageSieve" in log
    line = next(x for x in log.split("\n") if "theirs" in x)
    assert f"The administrator ({world.hilde}, 127.0.0.1)" in line


@pytest.mark.parametrize("what", ["role", "factor", "device", "setting", "account"])
def test_l66_a_session_ends_with_what_it_rests_on(world, what):
    server = world.server
    with world.opened() as c, server.login(2) as own:
        c.select("INBOX")
        c.idle()
        if what == "role":
            server.control("role revoke", account=world.hilde, role="reader")
        elif what == "factor":
            server.control("account totp remove", account=world.hilde)
        elif what == "device":
            server.control("account device block", account=world.hilde, device="desk")
        elif what == "setting":
            server.settings["read_as"] = "no"
            server.write_conf()
            server.reload()
        else:
            server.control("account suspend", account=world.hilde)
        assert b"may not open this account any more" in c.wait_untagged(b"BYE").text
        own.ok("NOOP")


def test_curl_reads_it(world):
    r = subprocess.run(["curl", "-sS", "-k", "--max-time", "60", "--url",
                        f"imaps://127.0.0.1:{world.server.tls_port}/INBOX;MAILINDEX=1", "--user",
                        f"{world.hilde}:{world.key}", "--sasl-authzid", world.anna,
                        "--login-options", "AUTH=PLAIN"], capture_output=True, text=True)
    assert r.returncode == 0 and "All is well." in r.stdout, (r.stdout, r.stderr)


def test_it_is_off_unless_a_setting_allows_it(make_server):
    world = World(make_server(users=3, settings={"login_failure_delay": "0"}))
    assert "AUTHENTICATIONFAILED" in world.opened()
    assert "AUTHENTICATIONFAILED" in world.opened("nobody@example.org")
    assert "opened" not in world.log()


def test_by_certificate(make_server, tmp_path):
    os.chmod(tmp_path, 0o755)
    authority = Authority(tmp_path)
    world = World(make_server(users=3, settings={
        "read_as": "yes", "tls_client_ca": authority.path, "login_failure_delay": "0"}))
    context = authority.sign("hilde", f"email:{world.hilde}")

    def said(target):
        with Exchange(world.server, "imap", tls=context.wrap_socket) as x:
            return x.begin("EXTERNAL", b64(target)), x.said

    assert said(world.anna)[0] == "no"  # of no device
    device(world.server, world.hilde, "card", certificate_sha256=authority.fingerprint("hilde"))
    assert said(world.anna)[0] == "yes"
    assert said(world.hilde)[0] == "yes"
    answers = {said(target) for target in ("nobody@example.org", "x@nowhere.example")}
    assert len(answers) == 1 and b"You may not open" in answers.pop()[1]


@pytest.mark.parametrize("role", ["reader", "changer"])
def test_urls_are_the_owners_to_make(world, role):
    """What an administrator made would be good when they may not read any more; and a URL for the
    owner is not for them."""
    if role != "reader":
        world.give(role)
    text = f"imap://{world.anna.replace('@', '%40')}@h/INBOX/;UID=1;URLAUTH=user+" + \
        world.anna.replace("@", "%40")
    with world.server.login(2) as c:
        url = c.ok(f'GENURLAUTH "{text}" INTERNAL').all(b"GENURLAUTH")[0].args[0].decode()
        assert c.ok(f'URLFETCH "{url}"').all(b"URLFETCH")[0].args[1] == MESSAGE
        with world.opened() as other:
            for command in (f'GENURLAUTH "{text}" INTERNAL', "RESETKEY INBOX", "RESETKEY"):
                assert other.cmd(command).code[0] == b"NOPERM"
            assert other.ok(f'URLFETCH "{url}"').all(b"URLFETCH")[0].args[1] is None
        assert c.ok(f'URLFETCH "{url}"').all(b"URLFETCH")[0].args[1] == MESSAGE
