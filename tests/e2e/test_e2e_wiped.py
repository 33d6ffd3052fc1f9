# SPDX-License-Identifier: Apache-2.0
"""Passwords do not stay in the memory of any process once they have been used (L67)."""
import base64
import os
import re
import secrets
import time

import pytest

from adminapi import AdminServer, is_missing

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")


def memory_of(pid):
    """All of a process's own memory that can be written to, as (from, bytes)."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.p", line)
            if m and "[v" not in line:
                start, end = int(m[1], 16), int(m[2], 16)
                mem.seek(start)
                try:
                    yield start, mem.read(end - start)
                except OSError:
                    pass


def found(server, text):
    """In which processes, and how often."""
    spellings = [text.encode(), text.replace("-", "").encode(),
                 base64.b64encode(text.encode()).rstrip(b"=")[:-1]]
    out = {}
    for role in ("gate", "keep"):
        for pid in server.role(role):
            n = sum(b.count(s) for _, b in memory_of(pid) for s in spellings)
            if n:
                out[role] = out.get(role, 0) + n
    return out


def left(server, text):
    """The same, once the server had time to wipe: a client has its answer before write() returns."""
    deadline = time.monotonic() + 5
    while (out := found(server, text)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return out


@pytest.fixture(scope="module")
def world():
    if is_missing():
        pytest.skip("of Mailkeep")
    w = AdminServer()
    try:
        w.owner = w.api(w.key_of(1, "owner"), w.server.user(1))
        try:
            found(w.server, "x" * 40)
        except OSError as e:
            pytest.skip(f"memory of others cannot be read here: {e}")
        yield w
    finally:
        w.close()


def new_password():
    return f"pear-{secrets.token_hex(12)}-tree"


def test_l67_what_is_looked_for_is_found(world):
    """Else the others would find nothing whatever happened: a name is no secret and stays somewhere."""
    assert found(world.server, "example.org")


def test_l67_a_new_password_by_the_api(world):
    text, user = new_password(), world.server.user(2)
    a = world.owner.ask("PUT", f"/accounts/{user}/password", {"password": text})
    assert a.status == 200, a.body
    assert left(world.server, text) == {}


def test_l67_new_passwords_of_a_batch(world):
    text = new_password()
    a = world.owner.ask("POST", "/account-batches", raw=(
        '{"account":"wiped@example.org","password":"%s"}\n{"op":"end"}\n' % text).encode(),
        Content_Type="application/jsonl")
    assert a.status == 200 and "wiped@example.org" in a.body, a.body
    assert left(world.server, text) == {}


def test_l67_an_app_password_that_was_shown(world):
    user = world.server.user(3)
    a = world.owner.ask("POST", f"/accounts/{user}/devices", {"device": "phone"})
    assert left(world.server, a.json()["password"]) == {}


@pytest.mark.parametrize("mode", ["clear", "tls"])
def test_l67_passwords_that_sign_in(world, mode):
    server, text = world.server, new_password()
    server.control("account passwd", account=server.user(4), password=text)
    with server.connect(mode) as c:
        c.ok(f'LOGIN {server.user(4)} "{text}"')
        token = base64.b64encode(f"\0{server.user(4)}\0{text}".encode()).decode()
        with server.connect(mode) as again:
            again.ok(f"AUTHENTICATE PLAIN {token}")
            assert left(server, text) == {}
