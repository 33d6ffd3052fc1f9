# SPDX-License-Identifier: Apache-2.0
"""/admin/api: who gets in, what may be asked, and what it says."""
import base64
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from adminapi import AdminServer, is_missing

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def world():
    if is_missing():
        pytest.skip("of Mailkeep")
    w = AdminServer()
    try:
        w.owner = w.api(w.key_of(1, "owner"), w.server.user(1))
        yield w
    finally:
        w.close()


def problem(answer, status, *words):
    """It is one (RFC 9457), of this status, with these words."""
    assert (answer.status, answer.type) == (status, PROBLEM), (answer.status, answer.body)
    p = answer.json()
    assert p["type"] == "about:blank" and p["status"] == status and p["title"]
    for word in words:
        assert word in p.get("detail", ""), p
    return p


def test_accounts_are_listed_made_and_shown(world):
    api, user = world.owner, "new.one@example.org"
    made = api.ask("POST", "/accounts", {"account": user, "password": "pear-tree-in-may-41"})
    assert (made.status, made.json()) == (200, {"account": user}), made.body
    listed = api.ask("GET", "/accounts", query={"domain": "example.org"})
    assert (listed.status, listed.type) == (200, "application/json")
    assert user in [i["account"] for i in listed.json()["items"]]
    shown = api.ask("GET", f"/accounts/{user}")
    assert shown.json() == world.server.control("account show", account=user)
    assert "no-store" in shown.fields["cache-control"]
    assert not [f for f in shown.fields if f.startswith("access-control") or f == "set-cookie"]
    problem(api.ask("POST", "/accounts", {"account": user, "no_password": True}), 409, user)
    problem(api.ask("GET", "/accounts/nobody@example.org"), 404, "nobody@example.org")
    problem(api.ask("POST", "/accounts", {"account": "x@example.org", "password": "password"}), 422)
    log = world.server.command("log", user).stdout
    assert f"({world.server.user(1)}, 127.0.0.1)" in log


def test_l35_nobody_gets_in_without_a_key_for_it(world):
    server, url = world.server, "/accounts"
    key, mail_key = world.key_of(2, "owner"), world.key_of(2, name="mail", scope=("mail",))
    user = server.user(2)

    def problem_of(key, who, status, *words):
        api = world.api(key, who)
        return problem(api.ask("GET", url), status, *words), api

    for key_, who in ((None, None), ("wrong", user), (key, server.user(3)), (key, "nobody@example.org"),
                      ("aaaaa-aaaaa-aaaaa-aaaaa-aaaaa", None), ("x" * 5000, None)):
        answer = world.api(key_, who).ask("GET", url)
        problem(answer, 401)
        assert [c.split()[0] for c in answer.challenges] == ["Basic", "Bearer"]
    problem_of(mail_key, user, 403, "not for this service")
    problem_of(server.password, user, 403, "second factor")
    problem_of(server.password, server.user(3), 403, "password alone is not enough")
    for who in (user, None):
        assert world.api(key, who).ask("GET", url).status == 200
    assert world.api(world.key_of(3), server.user(3)).ask("GET", url).status == 403  # no role
    server.control("account device block", account=user, device="api")
    problem_of(key, user, 403, "blocked")
    problem_of(key, None, 403, "blocked")
    server.control("account device unblock", account=user, device="api")
    server.control("account suspend", account=user)
    problem_of(key, user, 401)
    server.control("account resume", account=user)
    # A09f: a key in the address is none.
    server.control("account device unblock", account=user, device="api")
    for query in ({"access_token": key}, {"key": key}, {"token": key, "user": user}):
        answer = world.api().ask("GET", url, query=query)
        assert answer.status in (400, 401, 422), answer.body
        assert answer.fields["referrer-policy"] == "no-referrer"
    # What is no Authorization at all.
    api = world.api()
    for value in ("Basic", "Basic !", "Basic " + base64.b64encode(b"no colon").decode(),
                  "Basic " + base64.b64encode(b"a\0b:c").decode(), "Digest x", "Bearer", "\tBearer"):
        problem(api.ask("GET", url, Authorization=value), 401)


def test_l36_a_right_counts_for_each_request(world):
    server = world.server
    server.control("account add", account="help@example.org", no_password=True)
    server.control("role grant", account="help@example.org", role="help-desk",
                   domains=["example.org"])
    key = server.control("account device add", account="help@example.org", device="k",
                         **{"for": ["web"]})["password"]
    api = world.api(key)
    # L64: an app password alone is one factor, too.
    p = problem(api.ask("GET", "/accounts"), 403, "second factor",
                "mailkeep account totp add help@example.org")
    world.factor("help@example.org")
    assert api.ask("GET", "/accounts").status == 200
    p = problem(api.ask("POST", "/domains", {"domain": "b.example"}), 403, "the right server")
    assert p["code"] == "not allowed"
    problem(api.ask("POST", "/accounts", {"account": "a@example.org"}), 403, "the right accounts")
    server.control("role revoke", account="help@example.org", role="help-desk")
    problem(api.ask("GET", "/accounts"), 401)  # whoever has no role has no key without a name
    problem(world.api(key, "help@example.org").ask("GET", "/accounts"), 403, "no administrator")
    # A key for reading looks, and changes nothing.
    reader = world.api(world.key_of(4, "owner", name="reader", read_only=True))
    assert reader.ask("GET", "/accounts").status == 200
    problem(reader.ask("DELETE", f"/accounts/{server.user(3)}"), 403, "for reading only")


# A09c, A09d
def test_l37_requests_of_web_pages_are_refused(world):
    api = world.owner
    for fields in ({"Origin": "https://evil.example"}, {"Origin": "null"},
                   {"Origin": f"http://127.0.0.1:{world.port}"}, {"Sec_Fetch_Site": "cross-site"},
                   {"Sec_Fetch_Site": "same-origin"}):
        problem(api.ask("GET", "/accounts", **fields), 403, "web pages")
    problem(api.ask("GET", "/accounts", Host="evil.example"), 421)
    assert api.ask("OPTIONS", "/accounts").status == 405
    assert api.ask("POST", "/reload", Content_Type="text/plain", raw="{}").status == 415


def test_l38_what_is_no_request_is_said_to_be_none(world):
    api = world.owner
    problem(api.ask("GET", "/nothing"), 404)
    problem(api.ask("GET", ""), 404)
    problem(api.ask("GET", "/accounts/"), 404)
    a = api.ask("DELETE", "/accounts")
    problem(a, 405)
    assert a.fields["allow"].split(", ") == ["POST", "GET"]
    problem(api.ask("GET", "/accounts", query={"domain": ["a", "b"]}), 422, "twice")
    problem(api.ask("GET", "/accounts", query={"nothing": "a"}), 422, '"nothing" is no field')
    problem(api.ask("GET", "/accounts?domain=%zz"), 422, "escape")
    problem(api.ask("GET", "/accounts", {"domain": "example.org"}), 400, "no body")
    problem(api.ask("POST", "/accounts", {"account": 1}), 422, '"account" must be a text')
    problem(api.ask("POST", "/accounts", {"account": "a@b", "as": "x"}), 422, '"as" is no field')
    problem(api.ask("POST", "/accounts", {"account": "a@example.org", "bytes": -1}), 422, "bytes")
    problem(api.ask("POST", "/accounts", {}), 422, '"account" is missing')
    problem(api.ask("POST", "/accounts"), 422, '"account" is missing')
    problem(api.ask("POST", "/accounts?account=a", {}), 422, "stand in its body")
    for raw in ("", "[]", "1", "{", '{"account":"a@example.org","account":"b@example.org"}',
                '{"account":"a\\u0000b"}', "\ufeff{}", '{"account":"a"}x', "{'account':'a'}",
                "[" * 9 + "]" * 9, '{"account":' + "[" * 100000, '{"a":[' + "1," * 30000 + "1]}"):
        answer = api.ask("POST", "/accounts", raw=raw.encode(), Content_Type="application/json")
        assert answer.status in (400, 422) and answer.type == PROBLEM, (raw[:50], answer.body)
    problem(api.ask("POST", "/accounts", raw=b'{"account":"\xff"}', Content_Type="application/json"),
            400, "no JSON")
    problem(api.ask("POST", "/accounts", raw=b"x" * 300000, Content_Type="application/json"), 413)
    assert api.ask("GET", "/accounts").status == 200


def test_l39_what_others_wrote_is_escaped(world):
    api, user = world.owner, world.server.user(3)
    name = 'x"},"items":[<script>\u202e\\'
    made = api.ask("POST", f"/accounts/{user}/devices", {"device": name, "for": ["imap"]})
    assert made.status == 200 and made.json()["device"] == name
    listed = api.ask("GET", f"/accounts/{user}/devices").json()
    assert name in [i["device"] for i in listed["items"]]
    raw = "require \"fileinto\";\r\n# \u202e \"quoted\" \\ \u00e9\t\r\nkeep;\r\n"
    assert api.ask("PUT", "/scripts/text", {"account": user, "script": "a\"b", "text": raw}).status == 200
    shown = api.ask("GET", "/scripts/text", query={"account": user, "script": "a\"b"})
    assert shown.json()["text"] == raw


def test_an_answer_of_http_1_0_ends_with_the_connection(world):
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as s:
        s.sendall(f"GET /admin/api/log?server=true HTTP/1.0\r\nHost: localhost\r\n"
                  f"Accept: application/jsonl\r\nAuthorization: Bearer {world.owner.key}\r\n\r\n"
                  .encode())
        out = b""
        while piece := s.recv(65536):
            out += piece
    head, _, body = out.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower() and b"Connection: close" in head
    lines = [json.loads(x) for x in body.decode().splitlines()]
    assert "result" in lines[-1] and len(lines) > 2


def test_in_the_clear_on_this_machine_and_while_keep_is_away():
    if is_missing():
        pytest.skip("of Mailkeep")
    w = AdminServer(users=1, clear=False)
    try:
        api = w.api(w.key_of(1, "owner"))
        assert api.ask("GET", "/accounts").status == 200
        w.server.kill("keep")
        for _ in range(1000):
            answer = w.api(api.key).ask("GET", "/accounts")
            if answer.status == 200:
                break
            problem(answer, 503)
            assert "retry-after" in answer.fields
        assert answer.status == 200
    finally:
        w.close()


def test_elsewhere_only_over_tls():
    if is_missing():
        pytest.skip("of Mailkeep")
    w = AdminServer(users=1)
    port = w.port
    w.close()
    w = AdminServer(users=1, listen_admin=f"0.0.0.0:{port}")
    try:
        key = w.key_of(1, "owner")
        r = subprocess.run(["curl", "-sS", "-k", "--max-time", "60", "-H", f"Authorization: Bearer {key}",
                            f"https://127.0.0.1:{port}/admin/api/accounts"], capture_output=True,
                           timeout=120, check=True)
        assert json.loads(r.stdout)["items"]
    finally:
        w.close()


def test_many_at_once_and_those_that_go_away(world):
    request = (f"GET /admin/api/log?server=true HTTP/1.1\r\nHost: localhost\r\n"
               f"Authorization: Bearer {world.owner.key}\r\n\r\n").encode()
    open_ones = []
    for i in range(15):
        s = socket.create_connection(("127.0.0.1", world.port), timeout=60)
        s.sendall(request if i % 3 else request[:i])
        if i % 2:
            s.close()
        else:
            open_ones.append((s, i % 3))
    for s, is_whole in open_ones:
        if is_whole:
            assert re.match(rb"HTTP/1\.1 (200|503) ", s.recv(65536))
        s.close()
    assert world.owner.ask("GET", "/accounts").status == 200
    # One after the other over one connection, sent at once.
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as s:
        short = request.replace(b"log?server=true", b"status")
        s.sendall(short * 9 + short.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        out = b""
        while piece := s.recv(65536):
            out += piece
    assert out.count(b"HTTP/1.1 200 OK") == 10


DOCS = os.path.join(os.path.dirname(__file__), "../../docs/protocol")


def test_openapi_names_what_is_there(world):
    """All of it, as an administrator who may do nothing: so nothing happens, and nothing is 404."""
    with open(os.path.join(DOCS, "openapi.json"), encoding="utf-8") as f:
        document = json.load(f)
    server = world.server
    server.control("account add", account="none@example.org", no_password=True)
    key = server.control("account device add", account="none@example.org", device="k",
                         **{"for": ["web"]})["password"]
    api, count = world.api(key, "none@example.org"), 0
    for path, methods in document["paths"].items():
        for method, o in methods.items():
            query = {p["name"]: sample(p["schema"]) for p in o["parameters"] if p["in"] == "query"}
            types = o.get("requestBody", {"content": {}})["content"]
            body = {n: sample(s, True) for n, s in
                    types.get("application/json", {}).get("schema", {}).get("properties", {}).items()}
            lines = "application/jsonl" in types
            a = api.ask(method.upper(), re.sub(r"\{\w+\}", "x", path),
                        None if lines or not types else body, query,
                        raw='{"op":"end"}\n' if lines else None,
                        **({"Content_Type": "application/jsonl"} if lines else {}))
            assert a.status == 403 and "no administrator" in a.json()["detail"], (path, method, a.body)
            count += 1
    with open(os.path.join(DOCS, "../../src/admin/table/operation_table.h"), encoding="utf-8") as f:
        assert count == len(re.findall(r"^OPERATION\(", f.read(), re.M))


def sample(schema, is_json=False):
    kind = schema["type"]
    if kind == "boolean":
        return True if is_json else "true"
    if kind == "array":
        return ["x"]
    return "x" if kind == "string" else 1


def test_openapi_is_valid():
    program = shutil.which("openapi-spec-validator")
    if not program:
        pytest.skip("openapi-spec-validator (PyPI) is not here")
    r = subprocess.run([program, os.path.join(DOCS, "openapi.json")], capture_output=True, text=True,
                       timeout=120)
    if "Traceback" in r.stderr or "not found" in r.stderr:
        pytest.skip("openapi-spec-validator (PyPI) does not run here")
    assert r.returncode == 0, r.stdout + r.stderr


def test_the_examples_of_the_manual_work(world):
    with open(os.path.join(DOCS, "admin-api.md"), encoding="utf-8") as f:
        examples = [line.strip() for line in f if re.match(r" {4}.*\bcurl ", line)]
    assert len(examples) >= 10
    server = world.server
    server.control("account add", account="hilde@example.org", no_password=True)
    server.control("role grant", account="hilde@example.org", role="domain-admin",
                   domains=["example.org"])
    world.factor("hilde@example.org")
    made = server.control("account device add", account="hilde@example.org", device="provisioning",
                          **{"for": ["web"]})
    for example in examples:
        line = re.sub(r"\bcurl ", "curl -sS --fail-with-body --max-time 60 ", example)
        r = subprocess.run(["sh", "-c", line.replace("127.0.0.1:8025", f"127.0.0.1:{world.port}")],
                           env={**os.environ, "KEY": made["password"]}, capture_output=True,
                           text=True, timeout=120)
        assert r.returncode == 0, (example, r.stdout, r.stderr)
        assert [json.loads(x) for x in r.stdout.splitlines()], example
