# SPDX-License-Identifier: Apache-2.0
"""The command line is a client of the same operations: two servers live the same life, one asked
with `mailkeep ... --json`, the other by /admin/api, and say the same. Every operation is walked."""
import base64
import hashlib
import imaplib
import json
import os
import re
import time
import smtplib

import pytest

from adminapi import AdminServer, is_missing
from totp import code_at, step_now

MAIL = b"From: a@example.net\r\nTo: u3@example.org\r\nSubject: hello\r\nMessage-ID: <m@x>\r\n\r\nText\r\n"
SCRIPT = 'require "fileinto";\nif header :is "subject" "hello" { fileinto "Box"; }\n'
# Times, ports, passwords and random numbers: there, and of the same type, but never the same.
VARY = {"secret", "uri", "recovery_codes", "activated", "changes", "created", "expires", "first", "first_ms", "id", "last",
        "last_login", "last_ms", "mail", "modified", "next_try", "not_before", "password",
        "port", "public_key", "queue", "record", "selector", "selectors", "since", "time",
        "uid_validity", "until", "uptime", "value", "when_ms"}


def plain(x, name=None):
    if isinstance(x, dict):
        return {k: plain(v, k) for k, v in sorted(x.items())}
    if name in VARY:
        return type(x).__name__
    if isinstance(x, list):
        return [plain(v, name) for v in x]
    if isinstance(x, str):
        x = re.sub(r"root as u1@example\.org|u1@example\.org, 127\.0\.0\.1", "CALLER", x)
        return re.sub(r"p=[\w+/=]{20,}|\b[0-9a-f]{16}\b|\b\d{8,}[\w-]*|\d\d:\d\d:\d\d", "N", x)
    return x


@pytest.fixture(scope="module")
def twins():
    if is_missing():
        pytest.skip("of Mailkeep")
    both = []
    try:
        for _ in range(2):
            w = AdminServer(users=4, server_name="mail.example.org")
            both.append(w)
            w.owner = w.api(w.key_of(1, "owner"), w.server.user(1))
        yield both
    finally:
        for w in both:
            w.close()


class Walk:
    def __init__(self, by_words, by_http):
        self.words, self.http, self.seen, self.wrong = by_words, by_http, set(), []

    def command(self, words, data=None):
        r = self.words.server.command(*words, "--json", data=data, check=False)
        assert r.returncode in (0, 1), (words, r.stdout, r.stderr)
        return [json.loads(line) for line in r.stdout.splitlines()]

    def ask(self, method, path, body=None, query=None, **more):
        a = self.http.owner.ask(method, path, body, query, Accept="application/jsonl", **more)
        assert a.status == 200, (method, path, a.status, a.body)
        lines = [x for x in a.lines() if "progress" not in x]
        assert list(lines[-1]) == ["result"], lines[-1]
        # The same as one document.
        return lines[:-1], lines[-1]["result"]

    def step(self, name, words, method, path, body=None, query=None, gives="result", data=None):
        """`gives`: what of items and result the command line prints; or a function of both."""
        self.seen.add(name)
        items, result = self.ask(method, path, body, query)
        want = {"result": [result], "items": items, "both": [*items, result]}[gives] \
            if isinstance(gives, str) else gives(items, result)
        got = self.command(["--as", "u1@example.org", *name.split(), *words], data)
        if plain(got) != plain(want):
            self.wrong.append((name, plain(got), plain(want)))
        return items, result


    def fails(self, name, words, method, path, status):
        self.seen.add(name)
        a = self.http.owner.ask(method, path)
        assert a.status == status, a.body
        r = self.words.server.command("--as", "u1@example.org", *name.split(), *words, "--json",
                                      check=False)
        assert json.loads(r.stdout) == {"error": a.json()["detail"]}


def joined(name):
    return lambda items, result: [{**result, name: items}]


def operations():
    path = os.path.join(os.path.dirname(__file__), "../../src/admin/table/operation_table.h")
    with open(path, encoding="utf-8") as f:
        return re.findall(r'^OPERATION\("([a-z -]+)"', f.read(), re.M)


def file_of(w, name, text):
    path = os.path.join(w.server.folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def accounts(k):
    k.step("account add", ["anna@example.org", "--no-password", "--quota", "1G"], "POST",
           "/accounts", {"account": "anna@example.org", "no_password": True, "bytes": 1 << 30})
    k.step("account list", ["example.org"], "GET", "/accounts", query={"domain": "example.org"},
           gives="items")
    k.step("account quota", ["anna@example.org", "2G", "--messages", "none"], "PUT",
           "/accounts/anna@example.org/quota", {"bytes": 2 << 30, "messages": None})
    k.step("account passwd", ["anna@example.org", "--no-password"], "PUT",
           "/accounts/anna@example.org/password", {"no_password": True})
    k.step("account forward", ["anna@example.org", "u2@example.org", "--keep"], "PUT",
           "/accounts/anna@example.org/forward", {"targets": ["u2@example.org"], "keep": True})
    k.step("account rename", ["anna@example.org", "anne@example.org"], "POST",
           "/accounts/anna@example.org/rename", {"to": "anne@example.org"})
    k.step("account suspend", ["anne@example.org", "--keep-mail"], "POST",
           "/accounts/anne@example.org/suspend", {"takes_mail": True})
    k.step("account show", ["anne@example.org"], "GET", "/accounts/anne@example.org")
    k.step("account resume", ["anne@example.org"], "POST", "/accounts/anne@example.org/resume")
    k.step("account hand-over", ["anne@example.org", "u2@example.org", "--reason", "gone",
                                 "--addresses"], "POST",
           "/accounts/anne@example.org/hand-over",
           {"to": "u2@example.org", "reason": "gone", "addresses": True})
    k.step("account remove", ["anne@example.org", "--yes"], "DELETE", "/accounts/anne@example.org")
    k.step("mailbox list", ["u2@example.org"], "GET", "/accounts/u2@example.org/mailboxes",
           gives="items")
    k.step("mailbox share", ["u2@example.org", "INBOX", "u1@example.org", "read"], "PUT",
           "/accounts/u2@example.org/shares",
           {"mailbox": "INBOX", "person": "u1@example.org", "rights": "read"})
    k.step("mailbox seen", ["u2@example.org", "INBOX", "own", "--below"], "PUT",
           "/accounts/u2@example.org/seen", {"mailbox": "INBOX", "seen": "own", "below": True})
    k.step("mailbox shares", ["u2@example.org"], "GET", "/accounts/u2@example.org/shares",
           gives="items")
    for w in (k.words, k.http):
        with imaplib.IMAP4("127.0.0.1", w.server.port) as c:
            c.login("u2@example.org", w.server.password)
        while not w.server.command("account", "signins", "u2@example.org", "--json").stdout:
            pass  # written a moment later
    k.step("account signins", ["u2@example.org"], "GET", "/accounts/u2@example.org/signins",
           gives="items")


def batch(k):
    k.seen.add("account batch")
    rows = [{"account": f"b{i}@example.org", "no_password": True} for i in range(300)]
    rows.insert(7, {"account": "u2@example.org", "no_password": True})
    a = k.http.owner.ask("POST", "/account-batches", raw="".join(json.dumps(r) + "\n" for r in rows),
                         Content_Type="application/jsonl")
    assert a.status == 200, a.body
    lines = a.lines()
    assert len(lines) == len(rows) + 1
    file = file_of(k.words, "batch", "".join(r["account"] + "\n" for r in rows))
    got = k.command(["--as", "u1@example.org", "account", "add", "--batch", file])
    assert plain(got) == plain([x for x in lines[:-1] if "error" in x] + [lines[-1]["result"]])


def account_list(k):
    k.step("account imap-without", ["u2@example.org", "idle", "QRESYNC"], "PUT",
           "/accounts/u2@example.org/imap-without", {"capabilities": ["IDLE", "QRESYNC"]})
    k.step("account imap-without", ["u2@example.org", "--nothing"], "PUT",
           "/accounts/u2@example.org/imap-without", {"nothing": True})
    k.step("account name", ["u2@example.org", "Bob"], "PUT", "/accounts/u2@example.org/name",
           {"name": "Bob"})
    k.seen.add("account import")
    file = file_of(k.words, "list.csv", "address,name\ncsv1@example.org,One\nu2@example.org,Two\n")
    got = k.command(["--as", "u1@example.org", "account", "import", file])
    rows = [{"line": 2, "account": "csv1@example.org", "name": "One"},
            {"line": 3, "account": "u2@example.org", "name": "Two"}]
    a = k.http.owner.ask("POST", "/account-imports", Content_Type="application/jsonl",
                         raw="".join(json.dumps(r) + "\n" for r in rows))
    assert a.status == 200, a.body
    lines = a.lines()
    assert plain(got) == plain([*lines[:-1], lines[-1]["result"]])


def apps(k):
    k.step("oauth-client add", ["app1", "--name", "An app", "--redirect", "https://a.example/cb"],
           "POST", "/oauth-clients",
           {"client": "app1", "name": "An app", "redirects": ["https://a.example/cb"]})
    k.step("oauth-client list", [], "GET", "/oauth-clients", gives="items")
    k.step("oauth-client remove", ["app1"], "DELETE", "/oauth-clients/app1")


def provisioning(k):
    url = "/scim-tokens"
    k.step("scim-token add", ["okta", "--domain", "example.org"], "POST", url,
           {"token": "okta", "domains": ["example.org"]})
    k.step("scim-token list", [], "GET", url, gives="items")
    k.step("scim-token remove", ["okta"], "DELETE", url + "/okta")


def devices(k):
    at, url = "u2@example.org", "/accounts/u2@example.org/devices"
    k.step("account device add", [at, "phone", "--for", "imap,smtp", "--from", "127.0.0.0/8"],
           "POST", url, {"device": "phone", "for": ["imap", "smtp"], "networks": ["127.0.0.0/8"]})
    k.step("account device set", [at, "phone", "--name", "my phone"], "PATCH", url + "/phone",
           {"to": "my phone"})
    for w in (k.words, k.http):
        key = w.server.control("account device add", account=at, device="tablet")["password"]
        with imaplib.IMAP4("127.0.0.1", w.server.port) as c:
            c.login(at, key)
            c.create("Made")
            c.subscribe("Made")
        w.server.command("account", "device", "remove", at, "tablet")
    since = 1700000000000
    k.step("account undo", [at, "--device", "tablet", "--since", "2023-11-14T22:13:20Z",
                            "--dry-run"], "POST", f"/accounts/{at}/undo",
           {"device": "tablet", "since_ms": since, "dry_run": True}, gives="both")
    k.step("account undo", [at, "--device", "tablet", "--since", "2023-11-14T22:13:20Z"],
           "POST", f"/accounts/{at}/undo", {"device": "tablet", "since_ms": since}, gives="both")
    k.step("log", [at, "--device", "tablet"], "GET", "/log",
           query={"account": at, "device": "tablet"}, gives="items")
    k.step("account device block", [at, "my phone"], "POST", url + "/my%20phone/block")
    k.step("account device list", [at], "GET", url, gives="items")
    k.step("account device unblock", [at, "my phone"], "POST", url + "/my%20phone/unblock")
    k.step("account device remove", [at, "my phone"], "DELETE", url + "/my%20phone")


def second_factor(k):
    url, secrets = "/accounts/u3@example.org/totp", []
    for w in (k.words, k.http):
        secrets.append(w.server.control("account totp add", account="u3@example.org")["secret"])
    k.step("account totp add", ["u3@example.org"], "POST", url)
    # Each has a secret of its own.
    k.seen.add("account totp confirm")
    _, begun = k.ask("POST", url)
    made, = k.command(["account", "totp", "add", "u3@example.org"])
    assert begun["secret"] not in secrets
    _, mine = k.ask("POST", url + "/confirm", {"code": code_at(begun["secret"], step_now())})
    yours, = k.command(["account", "totp", "confirm", "u3@example.org",
                        code_at(made["secret"], step_now())])
    assert plain(mine) == plain(yours)
    k.step("account totp show", ["u3@example.org"], "GET", url)
    k.step("account totp recovery-codes", ["u3@example.org"], "POST", url + "/recovery-codes")
    k.step("account totp remove", ["u3@example.org"], "DELETE", url)


def alerts(k):
    k.step("alert mute", ["u2@example.org"], "PUT", "/accounts/u2@example.org/alert-mute", {})
    k.step("alert test", ["u2@example.org"], "POST", "/accounts/u2@example.org/alert-test")
    for twin in k.words, k.http:  # it comes a moment later, and is counted further down
        end = time.monotonic() + 60
        while not json.loads(twin.server.command("account", "show", "u2@example.org", "--json")
                             .stdout)["messages"]:
            assert time.monotonic() < end
            time.sleep(0.05)
    k.step("alert list", ["u2@example.org"], "GET", "/alerts", query={"account": "u2@example.org"},
           gives="items")


def domains(k):
    k.step("domain add", ["b.example"], "POST", "/domains", {"domain": "b.example"})
    k.step("domain list", [], "GET", "/domains", gives="items")
    k.step("domain catch-all", ["b.example", "u2@example.org"], "PUT",
           "/domains/b.example/catch-all", {"targets": ["u2@example.org"]})
    k.step("domain alias add", ["c.example", "b.example"], "POST", "/domain-aliases",
           {"domain": "c.example", "target": "b.example"})
    k.step("domain alias list", [], "GET", "/domain-aliases", gives="items")
    k.step("domain alias remove", ["c.example"], "DELETE", "/domain-aliases/c.example")
    k.step("alias add", ["team@b.example", "u2@example.org", "u3@example.org"], "POST", "/aliases",
           {"alias": "team@b.example", "targets": ["u2@example.org", "u3@example.org"]})
    k.step("alias list", ["b.example"], "GET", "/aliases", query={"domain": "b.example"},
           gives="items")
    k.step("alias remove", ["team@b.example", "u3@example.org"], "DELETE",
           "/aliases/team@b.example", query={"targets": ["u3@example.org"]})
    k.step("dkim create", ["b.example", "--algorithm", "ed25519", "--selector", "s1"], "POST",
           "/domains/b.example/keys", {"algorithm": "ed25519", "selector": "s1"}, gives="items")
    k.step("dkim activate", ["b.example", "s1"], "POST", "/domains/b.example/keys/activate",
           {"selector": "s1"})
    k.step("dkim list", ["b.example"], "GET", "/keys", query={"domain": "b.example"}, gives="items")
    k.step("domain dns", ["b.example"], "GET", "/domains/b.example/dns", gives=joined("records"))
    k.step("dkim retire", ["b.example", "s1"], "POST", "/domains/b.example/keys/s1/retire")
    k.step("dkim remove", ["b.example", "s1"], "DELETE", "/domains/b.example/keys/s1")


def routes(k):
    k.step("route add", ["out.example", "--host", "127.0.0.1", "--port", "1"], "POST", "/routes",
           {"destination": "out.example", "by": "host", "host": "127.0.0.1", "port": 1})
    k.step("route list", [], "GET", "/routes", gives="items")
    k.step("route show", ["x@out.example"], "GET", "/routes/x@out.example")


def roles(k):
    k.step("role add", ["night", "see", "queue", "--words", "at night"], "POST", "/roles",
           {"role": "night", "rights": ["see", "queue"], "words": "at night"})
    k.step("role list", [], "GET", "/roles", gives="items")
    k.step("role grant", ["u4@example.org", "night", "--domain", "b.example"], "PUT",
           "/accounts/u4@example.org/roles/night", {"domains": ["b.example"]})
    k.step("role show", [], "GET", "/role-holders", gives="items")
    k.step("role can", ["u4@example.org"], "GET", "/rights", query={"account": "u4@example.org"},
           gives="items")
    k.step("role revoke", ["u4@example.org", "night"], "DELETE",
           "/accounts/u4@example.org/roles/night")
    k.step("role remove", ["night"], "DELETE", "/roles/night", gives=lambda i, r: [])


def mail(k):
    message = MAIL.replace(b"\r\n", b"\n")
    folder = os.path.join(k.words.server.folder, "box")
    os.makedirs(folder)
    with open(os.path.join(folder, "1.eml"), "wb") as f:
        f.write(message)
    k.seen.add("import")
    got = k.command(["import", "u3@example.org", folder, "--mailbox", "INBOX"])
    answers = import_lines(k.http.owner, "u3@example.org")
    assert (got[0]["added"], got[0]["there"]) == (1, 0)
    result = answers[-1]["result"]
    assert {n: got[0][n] for n in result} == result
    assert [x.get("want") for x in answers[:-1]] == [None, True, False]
    assert import_lines(k.http.owner, "u3@example.org")[-1]["result"]["there"] == 1
    dry = import_lines(k.http.owner, "u3@example.org", dry_run="true", mailbox="Other")
    assert dry[-1]["result"]["added"] == 1
    k.seen.add("export")
    path = os.path.join(k.words.server.folder, "out")
    got = k.command(["export", "u3@example.org", path, "--reason", "a test"])
    a = k.http.owner.ask("POST", "/accounts/u3@example.org/export", {"reason": "a test"})
    lines = [x for x in a.lines() if "progress" not in x]
    assert (got[0]["mailboxes"], got[0]["messages"]) == (lines[-1]["result"]["mailboxes"], 1)
    assert b"".join(base64.b64decode(x["data"]) for x in lines if "data" in x) == MAIL
    refused = k.http.owner.ask("POST", "/accounts/u3@example.org/export")
    assert refused.status == 422 and "reason" in refused.json()["detail"]
    scripts(k)


def import_lines(api, account, mailbox="INBOX", **query):
    items = [{"op": "mailbox", "name": mailbox},
             {"op": "message", "bytes": len(MAIL), "hash": hashlib.sha256(MAIL).hexdigest()},
             {"data": base64.b64encode(MAIL[:10]).decode()},
             {"data": base64.b64encode(MAIL[10:]).decode()}, {"op": "end"}]
    a = api.ask("POST", f"/accounts/{account}/import", query=query, Content_Type="application/jsonl",
                raw="".join(json.dumps(i) + "\n" for i in items))
    assert a.status == 200, a.body
    return a.lines()


def scripts(k):
    path = file_of(k.words, "script", SCRIPT)
    at = {"account": "u3@example.org"}
    k.step("sieve put", ["u3@example.org", "first", path], "PUT", "/scripts/text",
           {**at, "script": "first", "text": SCRIPT})
    k.step("sieve activate", ["u3@example.org", "first"], "POST", "/scripts/activate",
           {**at, "script": "first"})
    k.step("sieve list", ["u3@example.org"], "GET", "/scripts", query=at, gives="items")
    k.seen.add("sieve show")
    shown = k.http.owner.ask("GET", "/scripts/text", query=at).json()
    assert k.command(["sieve", "show", "u3@example.org"]) == [{**shown["result"],
                                                               "text": shown["text"]}]
    k.step("sieve run", ["u3@example.org", "INBOX", "--reason", "a test"], "POST",
           "/accounts/u3@example.org/sieve-runs", {"mailbox": "INBOX", "reason": "a test"},
           gives="both")
    k.step("sieve activate", ["u3@example.org", "--none"], "POST", "/scripts/activate",
           {**at, "none": True})
    k.step("sieve remove", ["u3@example.org", "first"], "DELETE", "/scripts",
           query={**at, "script": "first"})


def queue(k):
    k.step("queue pause", ["out.example", "--reason", "a test"], "PUT",
           "/queue/destinations/out.example/pause", {"reason": "a test"})
    for w in (k.words, k.http):
        w.server.control("domain catch-all", domain="b.example", targets=["x@out.example"])
    for w in (k.words, k.http):
        w.ids = []
        with smtplib.SMTP("127.0.0.1", w.server.submission_port) as s:
            s.login("u2@example.org", w.server.password)
            s.sendmail("u2@example.org", ["x@out.example"], MAIL.replace(b"a@example.net",
                                                                         b"u2@example.org"))
        while not w.ids:
            w.ids = [json.loads(line)["id"] for line in
                     w.server.command("queue", "list", "--json").stdout.splitlines()]
    k.step("queue list", [], "GET", "/queue/messages", gives="items")
    items, result = k.ask("GET", f"/queue/messages/{k.http.ids[0]}")
    k.seen.add("queue show")
    got = k.command(["queue", "show", k.words.ids[0]])
    assert plain(got) == plain([{**result, "recipients": items}])
    for verb, more in (("hold", []), ("release", []), ("retry", []), ("remove", ["--yes"])):
        k.step(f"queue {verb}", ["--to", "out.example", *more], "POST", f"/queue/{verb}",
               {"to": "out.example"})
    k.step("queue destinations", [], "GET", "/queue/destinations", gives="items")
    k.step("queue resume", ["out.example"], "DELETE", "/queue/destinations/out.example/pause")


def server(k):
    k.step("trace", ["x@out.example", "--address"], "GET", "/trace",
           query={"what": "x@out.example", "address": "true"}, gives="items")
    k.step("reports list", ["b.example"], "GET", "/reports", query={"domain": "b.example"},
           gives="items")
    k.fails("reports show", ["b.example"], "GET", "/reports/b.example", 404)
    k.step("ban list", [], "GET", "/bans", gives="items")
    k.step("ban lift", ["--all"], "POST", "/bans/lift", {"all": True})
    k.step("check", [], "POST", "/check", {}, gives="both")
    k.step("directory sync", [], "POST", "/directory/sync", {})
    k.step("directory test", ["x@b.example"], "POST", "/directory/test", {"account": "x@b.example"})
    k.step("log", ["--server"], "GET", "/log", query={"server": "true"}, gives="items")
    k.seen |= {"status", "reload"}
    status, = k.command(["--as", "u1@example.org", "status"])
    assert list(k.ask("GET", "/status")[1]) == list(status)
    reload, = k.command(["--as", "u1@example.org", "reload"])
    mine = k.ask("POST", "/reload")[1]
    assert list(mine) == list(reload) and mine["result"] == reload["result"] == "done"


def the_end(k):
    k.step("route remove", ["out.example"], "DELETE", "/routes", query={"destination": "out.example"},
           gives=lambda items, result: [])
    k.step("alias remove", ["team@b.example"], "DELETE", "/aliases/team@b.example")
    k.step("domain catch-all", ["b.example", "--none"], "PUT", "/domains/b.example/catch-all",
           {"none": True})
    for required in True, False:
        word = "required" if required else "optional"
        k.step("domain second-factor", ["b.example", word], "PUT", "/domains/b.example/second-factor",
               {"required": required})
        k.step("role second-factor", ["auditor", word], "PUT", "/roles/auditor/second-factor",
               {"required": required})
    k.step("domain remove", ["b.example"], "DELETE", "/domains/b.example")


def test_every_operation_says_the_same_by_both_ways(twins):
    k = Walk(*twins)
    for part in (accounts, batch, account_list, apps, provisioning, devices, second_factor, alerts, domains,
                 routes, roles, mail, queue, server, the_end):
        part(k)
    assert not k.wrong, "\n".join(json.dumps(x) for w in k.wrong for x in w)
    assert k.seen == set(operations())
