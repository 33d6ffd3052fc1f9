# SPDX-License-Identifier: Apache-2.0
"""Roles on a server that runs: asked for over the control socket, and what they do not open."""
import base64
import os

import pytest


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")


def plain(act_as, user, password):
    return base64.b64encode(f"{act_as}\0{user}\0{password}".encode()).decode()


def test_r03_nobody_signs_in_as_somebody_else(server):
    server.control("role grant", account=server.user(1), role="owner")
    with server.connect("tls") as client:
        for act_as, answer in ((server.user(2), b"NO"), ("nobody@example.org", b"NO"),
                               (server.user(1), b"OK")):
            reply = client.cmd(f"AUTHENTICATE PLAIN {plain(act_as, server.user(1), server.password)}")
            assert reply.status == answer, (act_as, reply)
        client.ok("SELECT INBOX")
    log = server.command("log", server.user(2)).stdout
    assert "is read" not in log


def test_r05_a_role_counts_and_ends_at_once(server):
    me, other = server.user(1), server.user(2)
    with pytest.raises(Exception, match="is no administrator"):
        server.control("account suspend", account=other, **{"as": me})
    server.control("role grant", account=me, role="domain-admin", domains=["example.org"])
    with server.login(2) as client:
        assert server.control("account suspend", account=other, **{"as": me})["sessions_ended"] == 1
        assert b"CONTACTADMIN" in client.wait_untagged(b"BYE").code
    server.control("account resume", account=other, **{"as": me})
    server.control("role revoke", account=me, role="domain-admin")
    with pytest.raises(Exception, match="is no administrator"):
        server.control("account suspend", account=other, **{"as": me})
    log = server.command("log", other).stdout
    assert f"(root as {me})" in log and "changed the account: suspended" in log


def test_roles_are_there_after_a_kill(server):
    me = server.user(1)
    server.control("role add", role="night-shift", rights=["queue", "see"], words="at night")
    server.control("role grant", account=me, role="night-shift")
    server.kill("all")
    server.start()
    shown = server.control("account show", account=me)
    assert [(r["role"], r["domains"], r["rights"]) for r in shown["roles"]] == [
        ("night-shift", None, ["see", "queue"])]
