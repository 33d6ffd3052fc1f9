# SPDX-License-Identifier: Apache-2.0
"""The page of one's own account (/account): what it shows and changes, and what others may try with
it (A09a to A09g)."""
import html
import os
import re
import time
import urllib.parse
import xml.etree.ElementTree

import pytest

from servers import PASSWORD, server_class
from test_e2e_oauth import Form, Web
from totp import code_at, step_now

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

SESSION = "__Host-mailkeep-account"


class Browser:
    """Keeps cookies as a browser does, and sends the forms of the page it is at."""

    def __init__(self, web):
        self.web, self.cookies, self.page, self.status, self.set = web, {}, "", 0, []

    def ask(self, path="/account", data=None, *options):
        self.web.cookie = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        self.set = []
        self.status, self.head, self.page = self.web.curl(path, data, "-D", "/dev/null", *options)
        for line in self.web.set_cookies:
            name, _, rest = line.partition("=")
            value = rest.split(";")[0]
            self.set.append(line)
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return self

    def guard(self):
        return re.search(r'name="guard" value="([^"]*)"', self.page)[1]

    def do(self, what, **fields):
        return self.ask("/account", urllib.parse.urlencode(
            {"guard": self.guard(), "do": what, **fields}))

    def sign_in(self, user, password=PASSWORD, **more):
        return self.ask().do("sign-in", user=user, password=password, **more)

    @property
    def is_in(self):
        return 'value="sign-out"' in self.page

    def text(self):
        return html.unescape(re.sub(r"<[^>]*>", " ", self.page))

    def secret(self, heading):
        part = self.page.partition(heading)[2]
        return re.search(r'<code class="secret">([^<]*)</code>', part)[1]


class AccountWeb(Web):
    def curl(self, path, data=None, *options, host="mail.example.org"):
        """As before, and all Set-Cookie fields."""
        import subprocess
        options = [o for o in options if o not in ("-D", "/dev/null")]
        r = subprocess.run(
            ["curl", "-sS", "-k", "-i", "--max-time", "60", "--connect-to", f"{host}::127.0.0.1:{self.port}",
             *(["-H", f"Cookie: {self.cookie}"] if self.cookie else []), *options,
             *(["--data-binary", "@-"] if data is not None else []), f"https://{host}{path}"],
            input=data.encode() if data is not None else None, capture_output=True, timeout=120, check=True)
        head, _, body = r.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        self.set_cookies = [v for n, v in pairs if n.lower() == "set-cookie"]
        return int(first.split()[1]), {n.lower(): v for n, v in pairs}, body.decode()


@pytest.fixture(scope="module")
def web():
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)
    running = []

    def make(**options):
        running.append(server_class()(**options))
        running[0].start()
        return running[0]

    try:
        yield AccountWeb(make, auth_failures_max="1000")
    finally:
        for s in running:
            s.close()


names = iter(range(1000))


@pytest.fixture
def user(web):
    name = f"p{next(names)}@example.org"
    web.server.control("account add", account=name, password=PASSWORD, allow_weak=True)
    return name


@pytest.fixture
def browser(web):
    return Browser(web)


def imap(web, user, password):
    with web.server.connect("tls") as c:
        return c.cmd(f'LOGIN {user} "{password}"').ok


def devices(web, user):
    return web.server.command("account", "device", "list", user).stdout


def test_signing_in_and_out(web, browser, user):
    browser.ask()
    assert browser.status == 200 and not browser.is_in
    browser.sign_in(user, "wrong")
    assert browser.status == 422 and not browser.is_in and "do not belong together" in browser.page
    assert SESSION not in browser.cookies
    browser.sign_in(user)
    assert browser.status == 200 and browser.is_in and user in browser.page
    line = next(x for x in browser.set if x.startswith(SESSION))  # A09b
    assert re.fullmatch(SESSION + r"=[0-9a-f]{32}; Path=/; Secure; HttpOnly; SameSite=Strict", line)
    assert browser.ask().is_in and browser.head["cache-control"] == "no-store"
    assert browser.head["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in browser.head["content-security-policy"]
    kept = dict(browser.cookies)
    browser.do("sign-out")
    assert not browser.is_in and SESSION not in browser.cookies
    browser.cookies = kept  # what the browser has forgotten is worth nothing either
    assert not browser.ask().is_in
    assert not web.server.control("account totp show", account=user)["devices"]


def test_the_page_can_be_used_by_everybody(web, browser, user):
    web.server.control("account device add", account=user, device="phone <b>&")
    browser.sign_in(user)
    form = Form(browser.page)
    assert form.lang == "en" and "script" not in form.tags and "h1" in form.tags
    labels, ids = form.labels, re.findall(r' id="([^"]*)"', browser.page)
    assert len(ids) == len(set(ids))
    for name in re.findall(r'<input type="(?:text|password)" id="([^"]*)"', browser.page):
        assert name in labels
    assert "<caption>" in browser.page and 'scope="col"' in browser.page
    assert "phone &lt;b&gt;&amp;" in browser.page and "<b>" not in browser.page
    assert " style=" not in browser.page
    xml.etree.ElementTree.fromstring("<x>" + re.sub(r"<(input|meta|link)([^>]*)>", r"", browser.page.split("<main>")[1].split(
        "</main>")[0]) + "</x>")  # what is opened is closed


def test_a_lost_phone_is_blocked(web, browser, user):
    key = web.server.control("account device add", account=user, device="phone")["password"]
    other = web.server.control("account device add", account=user, device="desk")["password"]
    with web.server.connect("tls") as phone, web.server.connect("tls") as desk:
        phone.ok(f'LOGIN {user} "{key}"')
        desk.ok(f'LOGIN {user} "{other}"')
        browser.sign_in(user)
        number = re.search(r'name="device" value="(\d+)">\s*<button[^>]*aria-label="Block phone"', browser.page)[1]
        browser.do("block", device=number)
        assert browser.status == 200 and "blocked" in browser.text()
        assert b"blocked" in phone.wait_untagged(b"BYE").text
        desk.ok("NOOP")
    assert not imap(web, user, key) and imap(web, user, other)
    for odd in ("999", "0", "-1", "x", "", "4294967296"):
        browser.do("block", device=odd)
        assert browser.status == 422 and browser.is_in and "no such device" in browser.text(), odd
    log = web.server.command("log", user).stdout
    assert 'device "phone" blocked' in log and "the page of the account" in log


def test_an_app_password_is_made(web, browser, user):
    browser.sign_in(user)
    for password, name, words in (("", "phone", "password"), ("wrong", "phone", "do not belong"),
                                  (PASSWORD, "", "needs a name"), (PASSWORD, "x" * 65, "needs a name"),
                                  (PASSWORD, "a\tb", "needs a name")):
        browser.do("add", name=name, password=password)
        assert browser.status == 422 and browser.is_in and words in browser.text(), (name, browser.text())
        assert "has no devices" in devices(web, user)
    browser.do("add", name="phone", password=PASSWORD)
    key = browser.secret("The password of")
    assert browser.status == 200 and imap(web, user, key)
    assert key not in browser.ask().page  # once
    browser.do("add", name="phone", password=PASSWORD)
    assert browser.status == 422 and "another" in browser.text()
    browser.do("add", name="reader", password=PASSWORD, read_only="1")
    with web.server.connect("tls") as c:
        c.ok(f'LOGIN {user} "{browser.secret("The password of")}"')
        assert not c.cmd("CREATE x").ok
    # An app password opens no such page, and makes no others.
    fresh = Browser(web).sign_in(user, key)
    assert not fresh.is_in and fresh.status == 422 and "not for this service" in fresh.text()
    for_web = web.server.control("account device add", account=user, device="web", **{"for": ["web"]})
    fresh.sign_in(user, for_web["password"])
    assert not fresh.is_in and "your own password" in fresh.text()
    browser.do("add", name="third", password=for_web["password"])
    assert browser.status == 422 and "your own password" in browser.text()
    browser.do("add", name="third", password=key)
    assert browser.status == 422 and "third" not in devices(web, user)
    for secret in (key, PASSWORD):
        with open(web.server.log_path, encoding="utf-8", errors="replace") as f:
            assert secret not in f.read()


def test_a_second_factor_is_set_up(web, browser, user):
    key = web.server.control("account device add", account=user, device="phone")["password"]
    other = Browser(web).sign_in(user)
    with web.server.connect("tls") as own, web.server.connect("tls") as phone:
        own.ok(f'LOGIN {user} "{PASSWORD}"')
        phone.ok(f'LOGIN {user} "{key}"')
        browser.sign_in(user).do("factor", password="wrong")
        assert browser.status == 422 and "<svg" not in browser.page
        browser.do("factor", password=PASSWORD)
        assert browser.status == 200
        svg = re.search(r"<svg.*?</svg>", browser.page, re.S)[0]
        picture = xml.etree.ElementTree.fromstring(svg)
        assert picture.get("role") == "img" and picture.get("aria-label")
        secret = browser.secret("Or type this")
        browser.do("confirm", code="000000")
        assert browser.status == 422 and "The code is wrong" in browser.text()
        browser.do("confirm", code=code_at(secret.replace(" ", ""), step_now()))
        assert browser.status == 200 and browser.is_in and browser.text().count("-") >= 30
        codes = re.findall(r"<li><code class=\"secret\">([^<]*)</code>", browser.page)
        assert len(codes) == 10
        assert b"second factor" in own.wait_untagged(b"BYE").text
        phone.ok("NOOP")
    assert browser.ask().is_in and codes[0] not in browser.page
    assert not other.ask().is_in  # which has shown a password alone
    assert not imap(web, user, PASSWORD) and imap(web, user, key)
    # Who is in has shown a code; the password is enough to make another device.
    browser.do("add", name="desk", password=PASSWORD)
    assert imap(web, user, browser.secret("The password of"))
    other.sign_in(user)
    assert not other.is_in and other.status == 422
    other.sign_in(user, second_code=codes[0])
    assert other.is_in and "9." in other.text()
    other.do("factor", password=PASSWORD)
    assert other.status == 422 and "on already" in other.text() and "<svg" not in other.page


# A09a, A09g: a session that somebody else has planted, and one of before a sign-in.
def test_a09a_a09g_a_planted_session_is_worth_nothing(web, browser, user):
    planted = "ab" * 16
    browser.cookies[SESSION] = planted
    assert not browser.ask().is_in
    browser.cookies[SESSION] = planted
    browser.sign_in(user)
    assert browser.is_in and browser.cookies[SESSION] != planted
    first = browser.cookies[SESSION]
    stranger = Browser(web)
    stranger.cookies = {**browser.cookies, SESSION: planted}
    assert not stranger.ask().is_in
    # Signing in anew makes another one, and the one before is over.
    browser.do("sign-in", user=user, password=PASSWORD)
    assert browser.is_in and browser.cookies[SESSION] != first
    stranger.cookies = {**browser.cookies, SESSION: first}
    assert not stranger.ask().is_in and browser.ask().is_in
    for odd in ("", "x", "g" * 32, "a" * 31, "a" * 33, "A" * 32, "ab" * 5000):
        browser.cookies[SESSION] = odd
        assert not browser.ask().is_in


# A09c: each form wants a mark of this browser, this page, and this session.
@pytest.mark.parametrize("act", ["block", "add", "factor", "confirm", "sign-out", "sign-in"])
def test_a09c_forged_forms_do_nothing(web, browser, user, act):
    web.server.control("account device add", account=user, device="phone")
    fields = {"device": "1", "name": "evil", "password": PASSWORD, "code": "123456", "user": user, "do": act}
    browser.ask()
    before = browser.guard()  # of the page without a session
    browser.sign_in(user)
    mine, session = browser.guard(), browser.cookies[SESSION]
    theirs = Browser(web).sign_in(user).guard()
    for guard in ("", before, theirs, mine[:-1], mine + "0", "0" * len(mine)):
        browser.ask("/account", urllib.parse.urlencode({**fields, "guard": guard}))
        assert browser.status == 422 and "too old" in browser.text(), guard
    browser.ask("/account", urllib.parse.urlencode({**fields, "guard": mine}), "-H", "Content-Type: text/plain")
    assert browser.status == 415
    browser.ask("/account?" + urllib.parse.urlencode({**fields, "guard": mine}))
    assert browser.is_in and browser.cookies[SESSION] == session
    # The session alone, without the browser's own cookie, sends no form.
    bare = Browser(web)
    bare.cookies = {SESSION: session}
    bare.ask("/account", urllib.parse.urlencode({**fields, "guard": mine}))
    assert bare.status == 422
    listed = devices(web, user)
    assert "evil" not in listed and "blocked" not in listed
    assert web.server.control("account totp show", account=user)["state"] == "off"
    assert browser.ask().is_in


# A09d: nothing is readable from elsewhere.
def test_a09d_other_origins(web, browser, user):
    browser.sign_in(user)
    for options in (("-H", "Origin: https://evil.example"), ("-X", "OPTIONS", "-H", "Origin: https://evil.example")):
        browser.ask("/account", None, *options)
        assert not [n for n in browser.head if n.startswith("access-control")]
        assert "frame-ancestors 'none'" in browser.head.get("content-security-policy", "frame-ancestors 'none'")


# A09e: out everywhere, at once.
@pytest.mark.parametrize("how", ["everywhere", "password", "suspended", "removed", "factor required"])
def test_a09e_out_everywhere(web, browser, user, how):
    server, other = web.server, Browser(web)
    for b in (browser, other):
        assert b.sign_in(user).is_in
    bystander = Browser(web).sign_in(server.user(1))
    if how == "everywhere":
        browser.do("sign-out", everywhere="1")
    elif how == "password":
        server.control("account passwd", account=user, password="another-gate-78", allow_weak=True)
    elif how == "suspended":
        server.control("account suspend", account=user)
    elif how == "removed":
        server.control("account remove", account=user)
    else:
        server.control("role second-factor", role="auditor", required=True)
        server.control("role grant", account=user, role="auditor")
    for b in (browser, other):
        assert not b.ask().is_in, how
    assert bystander.ask().is_in
    if how == "factor required":
        server.control("role second-factor", role="auditor", required=False)


# A09f: a session in the address is none.
def test_a09f_no_session_in_an_address(web, browser, user):
    browser.sign_in(user)
    session = browser.cookies[SESSION]
    for name in (SESSION, "session", "account"):
        fresh = Browser(web).ask(f"/account?{name}={session}")
        assert not fresh.is_in
    with open(web.server.log_path, encoding="utf-8", errors="replace") as f:
        assert session not in f.read()


def test_a_restart_signs_everybody_out(web, browser, user):
    browser.sign_in(user)
    web.server.kill("keep")
    end = time.monotonic() + 30
    while browser.ask().status == 503:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert not browser.is_in
