# SPDX-License-Identifier: Apache-2.0
"""/admin/api: who gets in, what may be asked, and what it says."""
import base64
import json
import socket

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
    problem_of(server.password, user, 403, "password alone is not enough")
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
