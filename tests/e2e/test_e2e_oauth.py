# SPDX-License-Identifier: Apache-2.0
"""Our own authorization server: the flows as an app goes them, and what strangers may try."""
import base64
import hashlib
import html.parser
import json
import re
import secrets
import smtplib
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree

import pytest

from imapwire import client_context
from servers import PASSWORD, free_port
from talk import Talk
from totp import code_at, step_now

NAME = "mail.example.org"
ISSUER = f"https://{NAME}"
REDIRECT = "http://127.0.0.1:51004/callback"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Form(html.parser.HTMLParser):
    """What stands on a page: fields of its form, labels, errors, text."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.labels, self.tags, self.inputs = {}, set(), [], {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag == "html":
            self.lang = attrs.get("lang")
        if tag == "label":
            self.labels.add(attrs.get("for"))
        if tag == "input":
            self.inputs[attrs["name"]] = attrs
            self.fields[attrs["name"]] = attrs.get("value", "")


class Web:
    def __init__(self, make, **settings):
        self.port = free_port()
        self.server = make(users=6, settings={
            "server_name": NAME, "listen_https": f"127.0.0.1:{self.port}", "oauth_server": "yes",
            "login_failure_delay": "0", **settings})
        self.cookie = ""

    def curl(self, path, data=None, *options, host=NAME):
        r = subprocess.run(
            ["curl", "-sS", "-k", "-i", "--max-time", "60", "--connect-to",
             f"{host}::127.0.0.1:{self.port}",
             *(["-H", f"Cookie: {self.cookie}"] if self.cookie else []), *options,
             *(["--data-binary", "@-"] if data is not None else []), f"https://{host}{path}"],
            input=data.encode() if data is not None else None, capture_output=True, timeout=120,
            check=True)
        head, _, body = r.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
        if "set-cookie" in fields:
            self.cookie = fields["set-cookie"].split(";")[0]
        return int(first.split()[1]), fields, body.decode()

    def post(self, path, *options, **fields):
        return self.curl(path, urllib.parse.urlencode(fields), *options)

    def token(self, *options, **fields):
        status, head, body = self.post("/oauth/token", *options,
                                       **{"client_id": "native", **fields})
        assert head["content-type"] == "application/json" and head["cache-control"] == "no-store"
        return status, json.loads(body)

    # ---- the code flow ----
    def ask(self, **more):
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        fields = {"client_id": "native", "redirect_uri": REDIRECT, "response_type": "code",
                  "scope": "imap smtp", "state": "a&b=c d", "code_challenge_method": "S256",
                  "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), **more}
        fields = {k: v for k, v in fields.items() if v is not None}
        return self.curl("/oauth/authorize?" + urllib.parse.urlencode(fields))

    def allow(self, user, password=PASSWORD, do="allow", more=None, **asked):
        status, _, page = self.ask(**asked)
        assert status == 200, page
        fields = {**Form(page).fields, "user": user, "password": password, "do": do}
        fields.pop("read_only", None)
        fields.update(more or {})
        return self.post("/oauth/authorize", **fields)

    def code(self, user, **asked):
        status, head, page = self.allow(user, **asked)
        assert status == 303, page
        back = parameters(head["location"])
        assert back["state"] == "a&b=c d" and back["iss"] == ISSUER
        return back["code"]

    def redeem(self, code, **more):
        return self.token(**{"grant_type": "authorization_code", "code": code,
                             "redirect_uri": REDIRECT, "code_verifier": self.verifier, **more})

    def tokens(self, user, **asked):
        status, answer = self.redeem(self.code(user, **asked))
        assert status == 200, answer
        return answer

    def devices(self, user):
        r = self.server.command("--json", "account", "device", "list", user)
        return [json.loads(line) for line in r.stdout.splitlines() if '"device"' in line]

    # ---- mail ----
    def imap(self, user, token, mechanism="OAUTHBEARER"):
        """The connection, and what came of it: "OK", "NO"."""
        t = Talk(self.server.tls_port, tls=True)
        t.line()
        if mechanism == "OAUTHBEARER":
            said = f"n,a={user},\x01auth=Bearer {token}\x01\x01"
        else:
            said = f"user={user}\x01auth=Bearer {token}\x01\x01"
        answer = say(t, f"a AUTHENTICATE {mechanism} {base64.b64encode(said.encode()).decode()}")
        if answer.startswith("+"):
            answer = say(t, "AQ==")
        while not answer.startswith("a "):
            answer = t.line().decode()
        return t, answer.split()[1]


def say(talk, command):
    talk.send(command + "\r\n")
    return talk.line().decode()


def parameters(location):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))


@pytest.fixture(scope="module")
def web():
    from servers import server_class
    missing = server_class().missing()
    if missing or server_class().peer != "mailkeep":
        pytest.skip(missing or "another server has no such pages")
    running = []

    def make(**options):
        running.append(server_class()(**options))
        running[0].start()
        return running[0]

    try:
        yield Web(make)
    finally:
        for s in running:
            s.close()


def test_discovery_announces_what_there_is(web):
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        status, head, body = web.curl(path)
        assert status == 200 and head["content-type"] == "application/json"
        found = json.loads(body)
        assert found["issuer"] == ISSUER
        assert found["code_challenge_methods_supported"] == ["S256"]
        for name in [n for n in found if n.endswith("_endpoint")]:
            assert found[name].startswith(ISSUER + "/oauth/")
            status, _, _ = web.curl(found[name][len(ISSUER):])
            assert status in (200, 400, 405)
        assert "registration_endpoint" not in found and "jwks_uri" not in found
    assert web.curl("/.well-known/oauth-authorization-server", host="localhost")[0] == 421


def test_pages_can_be_used_by_everybody(web):
    for status, head, page in (web.ask(), web.curl("/oauth/device")):
        form = Form(page)
        assert status == 200 and form.lang == "en"
        assert "script" not in form.tags and "h1" in form.tags and "title" in form.tags
        for name, attrs in form.inputs.items():
            if attrs.get("type") in ("text", "password"):
                assert attrs["id"] in form.labels, name
        assert head["cache-control"] == "no-store" and head["referrer-policy"] == "no-referrer"
        policy = head["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "A mail program on this computer" in web.ask()[2]
    assert "Send mail as you" in web.ask()[2]
    assert web.curl("/oauth/style.css")[1]["content-type"].startswith("text/css")


def test_an_app_gets_tokens_and_becomes_a_device(web):
    user = web.server.user(1)
    answer = web.tokens(user)
    assert answer["token_type"] == "Bearer" and answer["scope"] == "imap smtp"
    assert answer["expires_in"] == 3600 and answer["access_token"].startswith("mkt_")
    device = web.devices(user)[0]
    assert device["device"] == "A mail program on this computer"
    assert device["for"] == ["imap", "smtp"]
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        t, said = web.imap(user, answer["access_token"], mechanism)
        assert said == "OK"
        t.sock.close()
    _, said = web.imap(web.server.user(2), answer["access_token"])
    assert said == "NO"
    _, said = web.imap(user, answer["refresh_token"])
    assert said == "NO"
    for _ in range(200):  # it is written behind
        signins = web.server.command("account", "signins", user).stdout
        if "IMAP" in signins:
            break
        time.sleep(0.1)
    assert "A mail program on this computer" in signins
    # Blocked, its session ends and its tokens are worth nothing.
    t, said = web.imap(user, answer["access_token"])
    assert said == "OK"
    web.server.command("account", "device", "block", user, device["device"])
    assert b"BYE" in t.line()
    assert web.imap(user, answer["access_token"])[1] == "NO"
    status, error = web.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert (status, error["error"]) == (400, "invalid_grant")
    web.server.check()


def test_reading_only(web):
    user = web.server.user(2)
    status, head, _ = web.allow(user, more={"read_only": "1"})
    assert status == 303
    status, answer = web.redeem(parameters(head["location"])["code"])
    assert status == 200 and answer["scope"] == "imap read-only"
    assert web.devices(user)[-1]["read_only"]
    t, said = web.imap(user, answer["access_token"])
    assert said == "OK"
    assert "NO" in say(t, "b CREATE folder")


def test_reading_only_outlives_a_wrong_password(web):
    user = web.server.user(2)
    status, _, page = web.allow(user, password="wrong", more={"read_only": "1"})
    form = Form(page)
    assert status == 422 and "checked" in form.inputs["read_only"]
    assert "Send mail as you" in page  # what the app asked for, and the box says what it gets
    fields = {**form.fields, "user": user, "password": PASSWORD, "do": "allow"}
    status, head, _ = web.post("/oauth/authorize", **fields)
    assert status == 303
    assert web.redeem(parameters(head["location"])["code"])[1]["scope"] == "imap read-only"


# ---- what is refused ----
def test_wrong_passwords_are_told_beside_their_field(web):
    user = web.server.user(3)
    status, _, page = web.allow(user, password="wrong <b>")
    form = Form(page)
    assert status == 422 and form.inputs["password"]["aria-invalid"] == "true"
    assert form.inputs["password"].get("value") is None
    assert form.fields["user"] == user and "password-wrong" in page and "&lt;b" not in page
    status, _, page = web.allow("nobody@example.org")
    assert status == 422 and "do not belong together" in page
    assert "required" in Form(page).inputs["user"]
    status, _, page = web.allow(user, password="")
    assert status == 422 and "The password is missing" in page


def test_saying_no(web):
    status, head, _ = web.allow("", password="", do="deny")
    back = parameters(head["location"])
    assert status == 303 and back["error"] == "access_denied" and back["iss"] == ISSUER


@pytest.mark.parametrize("change,error", [
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"scope": "imap admin"}, "invalid_scope"),
    ({"request": "eyJ"}, "request_not_supported"),
])
def test_l41_the_app_is_told_what_it_asked_wrongly(web, change, error):
    status, head, _ = web.ask(**change)
    assert status == 303 and head["location"].startswith(REDIRECT + "?")
    back = parameters(head["location"])
    assert back["error"] == error and back["state"] == "a&b=c d" and "code" not in back


@pytest.mark.parametrize("change", [
    {"client_id": "unknown"}, {"client_id": None}, {"client_id": '"><script>'},
    {"redirect_uri": "https://evil.example/"}, {"redirect_uri": None},
    {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
    {"redirect_uri": "http://127.0.0.1@evil.example/callback"},
    {"redirect_uri": "http://127.0.0.1:51004/other"}, {"redirect_uri": "javascript:alert(1)"},
    {"redirect_uri": REDIRECT + "\r\nX-Evil: 1"}, {"redirect_uri": REDIRECT + "#x"},
])
def test_l41_nobody_is_sent_where_the_app_does_not_live(web, change):
    status, head, page = web.ask(**change)
    assert status == 400 and "location" not in head and "x-evil" not in head
    assert "<script" not in page


def test_l42_codes_are_good_once_for_one_app_one_address_and_one_verifier(web):
    user = web.server.user(4)
    for change in ({"code_verifier": secrets.token_urlsafe(48)}, {"code_verifier": ""},
                   {"redirect_uri": "http://127.0.0.1:51005/callback"}, {"redirect_uri": ""},
                   {"client_id": "thunderbird"}):
        code = web.code(user)
        for more in (change, {}):  # a wrong try spends it
            status, answer = web.redeem(code, **more)
            assert (status, answer["error"]) == (400, "invalid_grant")
    code = web.code(user)
    status, answer = web.redeem(code)
    assert status == 200 and web.imap(user, answer["access_token"])[1] == "OK"
    status, error = web.redeem(code)
    assert (status, error["error"]) == (400, "invalid_grant")
    assert web.imap(user, answer["access_token"])[1] == "NO"  # somebody else has the code, too
    assert web.devices(user)[-1]["state"] == "blocked"


# A09e
def test_l43_a_refresh_token_that_comes_twice_ends_all(web):
    user = web.server.user(5)
    first = web.tokens(user)
    status, second = web.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    assert web.imap(user, first["access_token"])[1] == "OK"  # until its time is over
    t, said = web.imap(user, second["access_token"])
    assert said == "OK"
    status, answer = web.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert b"BYE" in t.line()
    for token in (first, second):
        assert web.imap(user, token["access_token"])[1] == "NO"
    status, answer = web.token(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert status == 400
    assert web.devices(user)[-1]["state"] == "blocked"
    assert "was used twice" in web.server.log_tail(200)


def test_l44_forms_from_elsewhere_do_nothing(web):
    user = web.server.user(6)
    _, _, page = web.ask()
    fields = {**Form(page).fields, "user": user, "password": PASSWORD, "do": "allow"}
    fields.pop("read_only")
    cookie = web.cookie
    for guard, with_cookie in ((fields["guard"], ""), ("", cookie), ("0" * 81, cookie),
                               (fields["guard"], "__Host-mailkeep=" + "0" * 32),
                               (fields["guard"][:-1] + "x", cookie)):
        web.cookie = with_cookie
        status, head, page = web.post("/oauth/authorize", **{**fields, "guard": guard})
        assert status == 422 and "location" not in head and "too old" in page
    assert not web.devices(user)
    web.cookie = cookie
    assert web.post("/oauth/authorize", **fields)[0] == 303


# A09b: what the cookie is, and where it goes.
def test_a09b_the_cookie(web):
    for page in (web.ask, lambda: web.curl("/oauth/device")):
        web.cookie = ""
        status, head, _ = page()
        name, *rest = head["set-cookie"].split("; ")
        assert re.fullmatch(r"__Host-mailkeep=[0-9a-f]{32}", name) and status == 200
        assert {x.lower() for x in rest} >= {"secure", "httponly", "samesite=strict", "path=/"}
        assert not any(x.lower().startswith(("domain", "expires")) for x in rest)
    web.cookie = ""
    assert web.ask()[1]["set-cookie"].split(";")[0] != name
    for path in ("/oauth/style.css", "/.well-known/oauth-authorization-server", "/healthz", "/nothing"):
        web.cookie = ""
        assert "set-cookie" not in web.curl(path)[1], path


# A09a, A09g: a cookie that somebody else has planted signs nobody in, before and after its owner has.
def test_a09a_a09g_a_planted_cookie_is_worth_nothing(web):
    user, planted = web.server.user(1), "__Host-mailkeep=" + "ab" * 16
    web.cookie = planted
    status, head, _ = web.allow(user)
    assert status == 303
    for _ in range(2):
        web.cookie = planted
        _, _, page = web.ask()
        form = Form(page)
        assert "password" in form.inputs and form.fields.get("user") in ("", None)
        status, head, _ = web.post("/oauth/authorize", **{**form.fields, "user": user, "password": "",
                                                         "do": "allow"})
        assert status == 422 and "location" not in head
    for odd in ("__Host-mailkeep=", "__Host-mailkeep=x", "__Host-mailkeep=" + "g" * 32,
                "__Host-mailkeep=" + "a" * 5000):
        web.cookie = odd
        status, head, _ = web.ask()
        if status == 200:  # it is not taken up: there is a new one
            assert "set-cookie" in head, odd
        else:
            assert status in (400, 431), odd
    web.cookie = ""


# A09c: each form's page, and each mark that is not that page's own.
@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/device"])
def test_a09c_l44_each_form_wants_the_mark_of_its_page(web, path):
    user = web.server.user(6)
    before, web.cookie = len(web.devices(user)), ""
    _, _, authorize = web.ask()
    _, _, device = web.curl("/oauth/device")
    marks = {"/oauth/authorize": Form(authorize).fields["guard"], "/oauth/device": Form(device).fields["guard"]}
    other = next(v for k, v in marks.items() if k != path)
    fields = {**Form(authorize).fields, "user": user, "password": PASSWORD, "user_code": "BCDF-GHJK", "do": "allow"}
    fields.pop("read_only", None)
    for guard in ("", other, "0" * len(other), marks[path][:-1], marks[path] + "0"):
        status, head, page = web.post(path, **{**fields, "guard": guard})
        assert status == 422 and "location" not in head and "too old" in page, guard
    # Said twice, or in the query, it does not count either.
    body = urllib.parse.urlencode({**fields, "guard": marks[path]})
    assert web.curl(path, body + "&guard=" + marks[path])[0] in (400, 422)
    status, head, _ = web.post(path + "?guard=" + marks[path], **{**fields, "guard": ""})
    assert status in (400, 422) and "location" not in head
    # Nor does a page that is fetched do anything, whatever its query says.
    web.curl(path + "?" + urllib.parse.urlencode({**fields, "guard": marks[path]}))
    assert len(web.devices(user)) == before
    assert web.curl(path, body, "-X", "PUT")[0] == 405


# A09c, A09d: requests of a page elsewhere. What a form or a script there can send, and what it may read.
@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/device", "/oauth/token", "/oauth/revoke",
                                  "/oauth/device_authorization", "/oauth/style.css", "/healthz",
                                  "/.well-known/oauth-authorization-server", "/nothing"])
def test_a09c_a09d_nothing_is_for_pages_elsewhere(web, path):
    origin = ("-H", "Origin: https://evil.example")
    for options in (origin, (*origin, "-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST",
                             "-H", "Access-Control-Request-Headers: authorization")):
        status, head, _ = web.curl(path, None, *options)
        assert not [n for n in head if n.startswith("access-control")], head
        if "OPTIONS" in options:
            assert status in (404, 405, 501)
    _, head, _ = web.curl(path, "client_id=native", *origin)
    assert not [n for n in head if n.startswith("access-control")], head


# A09f: what is secret does not stand in addresses, is not taken from there, and goes to nobody by a referrer.
def test_a09f_no_token_in_an_address(web):
    user = web.server.user(1)
    answer = web.tokens(user)
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/device_authorization"):
        query = urllib.parse.urlencode({"client_id": "native", "grant_type": "refresh_token", "token": answer["access_token"],
                                        "refresh_token": answer["refresh_token"]})
        assert web.curl(f"{path}?{query}")[0] == 405
        status, _, body = web.curl(f"{path}?{query}", "")
        assert "access_token" not in body and (path == "/oauth/device_authorization" or status == 400), (path, body)
    assert web.imap(user, answer["access_token"])[1] == "OK"  # nor was it revoked
    for path in ("/oauth/authorize", "/oauth/device", "/nothing", "/oauth/token",
                 "/.well-known/oauth-authorization-server"):
        for data in (None, "a=b"):
            assert web.curl(path, data)[1].get("referrer-policy") == "no-referrer", path
    status, head, _ = web.allow(user)
    assert head["referrer-policy"] == "no-referrer" and "token" not in head["location"].lower()
    with open(web.server.log_path, errors="replace") as f:
        log = f.read()
    for secret in (answer["access_token"], answer["refresh_token"], parameters(head["location"])["code"]):
        assert secret not in log


@pytest.mark.parametrize("body,options", [
    ("client_id=native&client_id=native&grant_type=refresh_token&refresh_token=x", ()),
    ("client_id=%zz", ()), ("client_id=a%00b", ()), ("client_id=%ff", ()),
    ('{"client_id":"native"}', ("-H", "Content-Type: application/json")),
    ("&".join(f"a{i}=1" for i in range(60)), ()), ("", ()), ("grant_type=password", ()),
    ("client_id=native&grant_type=client_credentials", ()),
    ("client_id=native&grant_type=refresh_token", ()),
    ("client_id=native&grant_type=refresh_token&refresh_token=mkr_" + "A" * 64, ()),
])
def test_l45_token_requests_that_make_no_sense(web, body, options):
    status, _, answer = web.curl("/oauth/token", body, *options)
    assert status == 400 and "access_token" not in answer and json.loads(answer)["error"]


def test_secrets_of_apps_are_not_taken(web):
    status, answer = web.token("-u", "native:secret", grant_type="refresh_token")
    assert (status, answer["error"]) == (401, "invalid_client")


def test_l46_a_new_password_ends_what_was_allowed_before_it(web):
    user = web.server.user(6)
    code = web.code(user)
    web.server.command("account", "passwd", user, "--password-stdin", data="another good one 7\n")
    status, answer = web.redeem(code)
    assert (status, answer["error"]) == (400, "invalid_grant")
    web.server.command("account", "passwd", user, "--password-stdin", data=PASSWORD + " 12 tree\n")


def test_l47_a_device_makes_no_devices(web):
    user = web.server.user(3)
    r = web.server.command("--json", "account", "device", "add", user, "key", "--for", "web,imap")
    status, _, page = web.allow(user, password=json.loads(r.stdout)["password"])
    assert status == 422 and "your own password" in page


def test_revoked_tokens_are_out_at_once(web):
    user = web.server.user(1)
    before = len(web.devices(user))
    for which in ("access_token", "refresh_token"):
        answer = web.tokens(user)
        assert web.imap(user, answer["access_token"])[1] == "OK"
        status, _, _ = web.post("/oauth/revoke", client_id="thunderbird", token=answer[which])
        assert status == 200 and web.imap(user, answer["access_token"])[1] == "OK"
        status, _, _ = web.post("/oauth/revoke", client_id="native", token=answer[which])
        assert status == 200 and web.imap(user, answer["access_token"])[1] == "NO"
        assert web.token(grant_type="refresh_token",
                         refresh_token=answer["refresh_token"])[0] == 400
    assert len(web.devices(user)) == before
    assert web.post("/oauth/revoke", client_id="native", token="nonsense")[0] == 200


# ---- devices without a browser (RFC 8628) ----
def begin(web, **more):
    status, _, body = web.post("/oauth/device_authorization",
                               **{"client_id": "native", "scope": "imap", **more})
    return status, json.loads(body)


def poll(web, code):
    return web.token(grant_type=DEVICE_GRANT, device_code=code)


def type_code(web, typed, do="allow", user="", password=PASSWORD):
    status, _, page = web.curl("/oauth/device")
    status, _, page = web.post("/oauth/device", guard=Form(page).fields["guard"], user_code=typed,
                               do="look")
    if status != 200:
        return status, page
    fields = {**Form(page).fields, "user": user, "password": password, "do": do}
    fields.pop("read_only", None)
    status, _, page = web.post("/oauth/device", **fields)
    return status, page


def test_a_device_without_a_browser_is_let_in(web):
    user = web.server.user(2)
    status, device = begin(web)
    assert status == 200 and device["verification_uri"] == ISSUER + "/oauth/device"
    assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", device["user_code"]) and device["interval"] == 5
    status, answer = poll(web, device["device_code"])
    assert (status, answer["error"]) == (400, "authorization_pending")
    assert poll(web, device["device_code"])[1]["error"] == "slow_down"
    status, page = type_code(web, device["user_code"], user=user, password="wrong")
    assert status == 422 and "do not belong together" in page
    status, page = type_code(web, device["user_code"].lower().replace("-", " "), user=user)
    assert status == 200 and "Done" in page
    status, answer = poll(web, device["device_code"])
    assert status == 200 and answer["scope"] == "imap"
    assert web.imap(user, answer["access_token"])[1] == "OK"
    assert poll(web, device["device_code"])[1]["error"] == "invalid_grant"
    assert web.imap(user, answer["access_token"])[1] == "NO"  # the code was used twice
    complete = device["verification_uri_complete"][len(ISSUER):]
    assert Form(web.curl(complete)[2]).fields["user_code"] == device["user_code"]


def test_a_device_is_not_let_in(web):
    _, device = begin(web)
    status, page = type_code(web, device["user_code"], do="deny")
    assert status == 200 and "Not allowed" in page
    assert poll(web, device["device_code"])[1]["error"] == "access_denied"
    assert poll(web, "mkd_nothing")[1]["error"] == "expired_token"
    _, device = begin(web)
    status, answer = web.token(grant_type=DEVICE_GRANT, device_code=device["device_code"],
                               client_id="thunderbird")
    assert answer["error"] == "expired_token"
    assert begin(web, scope="web")[1]["error"] == "invalid_scope"


def test_l49_one_place_has_few_codes_waiting(web):
    answers = [begin(web)[0] for _ in range(25)]
    assert answers[0] == 200 and answers[-1] == 503
    _, _, page = web.curl("/oauth/device")
    status, _, page = web.post("/oauth/device", guard=Form(page).fields["guard"],
                               user_code="BCDF-GHJK", do="look")
    assert status == 422 and "No device waits" in page


# ---- the second factor, and apps of one's own ----
def test_l48_with_a_second_factor_the_page_wants_a_code(web):
    user = web.server.user(4)
    r = web.server.command("--json", "account", "totp", "add", user)
    secret = json.loads(r.stdout)["secret"]
    r = web.server.command("--json", "account", "totp", "confirm", user,
                           code_at(secret, step_now() - 1))
    recovery = json.loads(r.stdout)["recovery_codes"]
    status, _, page = web.allow(user)
    form = Form(page)
    assert status == 422 and form.inputs["second_code"].get("aria-invalid") == "true"
    status, _, page = web.allow(user, more={"second_code": "000000"})
    assert status == 422 and Form(page).inputs["second_code"].get("aria-invalid") == "true"
    assert "value" not in Form(page).inputs["second_code"]
    status, head, _ = web.allow(user, more={"second_code": recovery[0]})
    assert status == 303
    status, answer = web.redeem(parameters(head["location"])["code"])
    assert status == 200 and web.imap(user, answer["access_token"])[1] == "OK"
    status, _, page = web.allow(user, more={"second_code": recovery[0]})  # it was used
    assert status == 422


def test_apps_are_added_and_removed(web):
    run = web.server.command
    back = "org.example.app:/back"
    status, _, _ = web.ask(client_id="org.example.app", redirect_uri=back)
    assert status == 400
    run("oauth-client", "add", "org.example.app", "--name", "Max's <App>", "--redirect", back,
        "--redirect", "https://app.example.org/back?x=1")
    status, _, page = web.ask(client_id="org.example.app", redirect_uri=back)
    assert status == 200 and "Max&#39;s &lt;App&gt;" in page
    code = web.code(web.server.user(5), client_id="org.example.app", redirect_uri=back)
    status, answer = web.redeem(code, client_id="org.example.app", redirect_uri=back)
    assert status == 200
    status, head, _ = web.allow("", password="", do="deny", client_id="org.example.app",
                                redirect_uri="https://app.example.org/back?x=1")
    assert head["location"].startswith("https://app.example.org/back?x=1&error=access_denied&")
    assert "https:" in web.ask(client_id="org.example.app",
                               redirect_uri="https://app.example.org/back?x=1")[1][
                                   "content-security-policy"]
    listed = [json.loads(line) for line in
              run("--json", "oauth-client", "list").stdout.splitlines()]
    assert [c["client"] for c in listed] == ["thunderbird", "native", "org.example.app"]
    assert back in run("oauth-client", "list").stdout
    assert run("oauth-client", "remove", "native", check=False).returncode
    assert run("oauth-client", "add", "x", "--name", "X", "--redirect", "http://example.org/",
               check=False).returncode
    run("oauth-client", "remove", "org.example.app")
    status, error = web.token(grant_type="refresh_token", client_id="org.example.app",
                              refresh_token=answer["refresh_token"])
    assert (status, error["error"]) == (400, "invalid_client")
    web.server.check()


def test_a_server_that_starts_anew_knows_its_tokens(web):
    user = web.server.user(5)
    answer, code = web.tokens(user), web.code(user)
    web.server.restart()
    assert web.imap(user, answer["access_token"])[1] == "OK"
    status, next_one = web.token(grant_type="refresh_token",
                                 refresh_token=answer["refresh_token"])
    assert status == 200 and web.imap(user, next_one["access_token"])[1] == "OK"
    assert web.redeem(code)[1]["error"] == "invalid_grant"  # it has to ask again
    web.server.check()


def test_programs_are_told_where_people_sign_in(web):
    path = "/mail/config-v1.1.xml?emailaddress=anna@example.org"
    root = xml.etree.ElementTree.fromstring(web.curl(path)[2])
    o = root.find("oAuth2")
    assert {e.tag: e.text for e in o} == {
        "issuer": ISSUER, "scope": "mail", "authURL": f"{ISSUER}/oauth/authorize",
        "tokenURL": f"{ISSUER}/oauth/token"}
    servers = root.findall("emailProvider/*/authentication/..")
    assert len(servers) >= 2
    for server in servers:  # passwords first: who knows no such server takes those
        assert [a.text for a in server.findall("authentication")] == ["password-cleartext", "OAuth2"]
    # They are what discovery says.
    told = json.loads(web.curl("/.well-known/oauth-authorization-server")[2])
    assert (told["issuer"], told["authorization_endpoint"], told["token_endpoint"]) == (
        o.find("issuer").text, o.find("authURL").text, o.find("tokenURL").text)


def test_programs_are_told_of_no_server_that_is_not_there(make_server):
    web = Web(make_server, oauth_server="no")
    page = web.curl("/mail/config-v1.1.xml?emailaddress=anna@example.org")[2]
    assert "password-cleartext" in page and "OAuth2" not in page and "oAuth2" not in page


def test_l65_tokens_of_an_account_that_must_have_a_second_factor(make_server):
    web = Web(make_server)
    user, server = web.server.user(1), web.server
    token = web.tokens(user)["access_token"]
    t, said = web.imap(user, token)
    assert said == "OK"
    server.control("domain second-factor", domain="example.org", required=True)
    assert b"second factor" in t.line()
    assert web.imap(user, token)[1] == "NO"
    server.control("domain second-factor", domain="example.org", required=False)
    assert web.imap(user, token)[1] == "OK"


def test_l66_a_token_opens_anothers_account(make_server):
    web = Web(make_server, read_as="yes")
    server = web.server
    hilde, anna = server.user(1), server.user(2)
    token = web.tokens(hilde, scope="imap")["access_token"]
    server.control("role add", role="reader", rights=["read-mail"], words="reads")
    server.control("role grant", account=hilde, role="reader")
    assert web.imap(anna, token)[1] == "NO"  # no second factor
    secret = server.control("account totp add", account=hilde)["secret"]
    server.control("account totp confirm", account=hilde, code=code_at(secret, step_now()))
    for target, answer in ((anna, "OK"), (hilde, "OK"), (hilde.upper(), "OK"), ("nobody@example.org", "NO")):
        assert web.imap(target, token)[1] == answer, target
    assert server.command("log", anna).stdout.count("opened the mailbox") == 1
    server.control("role revoke", account=hilde, role="reader")
    assert web.imap(anna, token)[1] == "NO"


def test_l43_mail_of_a_device_that_is_blocked_for_it_is_held(make_server):
    web = Web(make_server, relay_host="127.0.0.1", relay_host_port=free_port(), retry_first="1 h")
    user = web.server.user(1)
    first = web.tokens(user)
    status, _ = web.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert status == 200
    with smtplib.SMTP("127.0.0.1", web.server.submission_port, "app", timeout=60) as s:
        s.starttls(context=client_context())
        s.ehlo()
        said = f"n,a={user},\x01auth=Bearer {first['access_token']}\x01\x01"
        code, _ = s.docmd("AUTH", "OAUTHBEARER " + base64.b64encode(said.encode()).decode())
        assert code == 235
        s.sendmail(user, ["bert@example.com"], "Subject: x\r\n\r\nx\r\n")
    listed = web.server.command("--json", "queue", "list").stdout
    assert "bert@example.com" in listed and '"held"' not in listed
    assert web.token(grant_type="refresh_token", refresh_token=first["refresh_token"])[0] == 400
    listed = web.server.command("--json", "queue", "list").stdout
    assert "bert@example.com" in listed and '"held"' in listed, listed
    assert "1 messages of device" in web.server.log_tail(50)


def test_a_refused_page_comes_later_than_others(make_server):
    """Wrong ones wait a whole delay, and keep nobody waiting who comes after them."""
    web = Web(make_server, login_failure_delay="30 s")
    user = web.server.user(1)
    status, _, page = web.ask()
    fields = urllib.parse.urlencode({**Form(page).fields, "user": user, "password": "wrong", "do": "allow"})
    slow = subprocess.Popen(
        ["curl", "-sS", "-k", "--connect-to", f"{NAME}::127.0.0.1:{web.port}", "-H",
         f"Cookie: {web.cookie}", "--data-binary", fields, f"https://{NAME}/oauth/authorize"],
        stdout=subprocess.PIPE)
    try:
        end = time.monotonic() + 60
        while "failed" not in web.server.command("account", "signins", user).stdout:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert web.allow(web.server.user(2))[0] == 303
        assert slow.poll() is None  # it has been looked at long ago
        assert b"do not belong together" in slow.communicate(timeout=120)[0]
    finally:
        slow.kill()
        slow.wait()


def test_l49_guessers_are_slowed_down(make_server):
    web = Web(make_server, auth_trusted_networks='"192.0.2.0/24"', auth_failures_max="3")
    if web.server.peer != "mailkeep":
        pytest.skip("another server has no such pages")
    for letter in "BCDF":
        status, page = type_code(web, "GHJK-GHJ" + letter)
        assert status == 422
    assert "too many wrong codes" in page
    _, device = begin(web)
    assert "too many wrong codes" in type_code(web, device["user_code"], user="u1")[1]
    assert "(user code)" in web.server.command("ban", "list").stdout
    user = web.server.user(1)
    for i in range(4):
        status, _, page = web.allow(user, password=f"wrong {i}")
    assert status == 422 and "too many wrong passwords" in page
    assert "too many wrong passwords" in web.allow(user)[2]
    assert web.allow(web.server.user(2))[0] == 303  # nobody has guessed at that one
