# SPDX-License-Identifier: Apache-2.0
"""L70: what a device did is taken back while other clients look on; the end of the server in the middle
of it loses nothing."""
import json
import os
import smtplib
import subprocess
import time

import pytest


import servers
from messages import generated

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")


@pytest.fixture
def server(make_server):
    return make_server(users=1)


def device(server, name):
    return server.control("account device add", account=server.user(1), device=name)["password"]


def phone(server, name="phone"):
    """A session of a new device."""
    c = server.connect()
    c.ok(f'LOGIN {server.user(1)} "{device(server, name)}"')
    return c


def undo(server, *more, device="phone"):
    r = server.command("account", "undo", server.user(1), "--device", device, "--since", "1h",
                       "--json", *more)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    return lines[:-1], lines[-1]




def test_a_stolen_phone(server):
    with server.login(1) as me, server.login(1, "tls") as idle:
        for i in range(4):
            me.append("INBOX", generated(i))
        me.ok("CREATE Work")
        me.append("Work", generated(7))
        me.select("INBOX")
        emails = [line for line in me.ok("FETCH 1:4 (EMAILID)").untagged]
        with phone(server) as c:
            c.select("INBOX")
            c.ok("STORE 1 +FLAGS (\\Flagged stolen)")
            c.ok("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
            c.ok("MOVE 2 Trash")
            c.ok("RENAME Work Gone")
            c.ok("CREATE Theirs")
            c.ok("DELETE Gone")
        me.ok("NOOP")
        me.ok("STORE 1 +FLAGS (\\Seen)")  # what others do meanwhile stays
        said = server.command("log", server.user(1), "--device", "phone").stdout
        assert "phone" in said and "renamed the mailbox Work to Gone" in said
        assert len(said.splitlines()) == 8, said
        idle.select("INBOX")
        tag = idle.idle()
        items, result = undo(server, "--dry-run")
        assert not any(i["left"] for i in items), json.dumps(items)
        assert result["dry_run"] and result["done"] == sum(i["count"] for i in items) == 8, items
        assert not undo(server, "--dry-run", "--until", "2h")[0]
        items, result = undo(server)
        assert result["left"] == 0 and not any(i["left"] for i in items), items
        assert idle.wait_untagged(b"EXISTS", 5).number >= 2
        assert idle.done(tag).ok
        r = me.ok("NOOP")
        assert r.all(b"EXISTS")[-1].number == 4
        flags = me.ok("FETCH 1 (FLAGS)").fetches()[1][b"FLAGS"]
        assert b"\\Seen" in flags and b"\\Flagged" not in flags and b"stolen" not in flags
        # The same messages: their EMAILIDs are what they were.
        now = [line for line in me.ok("FETCH 1:4 (EMAILID)").untagged]
        ids = lambda lines: sorted(str(x.attributes()[b"EMAILID"]) for x in lines if x.kind == b"FETCH")
        assert ids(now) == ids(emails)
        assert me.ok("STATUS Work (MESSAGES)").all(b"STATUS")
        assert not me.cmd("STATUS Theirs (MESSAGES)").ok
    assert undo(server)[1]["done"] == 0
    assert "There is nothing to undo" in server.command(
        "account", "undo", server.user(1), "--device", "phone", "--since", "1h").stdout
    # The undo is undone by its name.
    items, again = undo(server, device=result["undo"])
    assert again["done"] and not again["left"]
    with server.login(1) as me:
        assert me.ok("STATUS Theirs (MESSAGES)").all(b"STATUS")
        assert not me.cmd("STATUS Work (MESSAGES)").ok
    assert server.command("check").returncode == 0


def test_others_win_and_words_say_so(server):
    with server.login(1) as me:
        me.append("INBOX", generated(1))
        me.append("INBOX", generated(2))
        with phone(server) as c:
            c.select("INBOX")
            c.ok("MOVE 1:2 Trash")
        me.select("Trash")
        me.ok("MOVE 1 Archive")
    said = server.command("account", "undo", server.user(1), "--device", "phone", "--since",
                          "1h").stdout
    assert "1 message back from Trash to INBOX" in said
    assert "not undone: 1 (moved) in Archive: somebody else has changed it since" in said


def test_a_removed_device_and_one_that_never_was(server):
    with phone(server, "old phone") as c:
        c.ok("CREATE Theirs")
    server.command("account", "device", "remove", server.user(1), "old phone")
    # Another of that name has another number, and has done nothing.
    number = server.control("log", account=server.user(1), device="old phone")
    assert number is not None
    assert undo(server, device="old phone")[1]["done"] == 1
    r = server.command("account", "undo", server.user(1), "--device", "nobody", "--since", "1h",
                       check=False)
    assert r.returncode != 0 and "Nothing in the history is by" in r.stderr
    r = server.command("account", "undo", server.user(1), "--device", "x", check=False)
    assert r.returncode == 2


def test_the_end_in_the_middle(server):
    """5,000 messages moved and flagged; keep is killed again and again while it is undone."""
    with server.login(1) as me:
        for _ in range(50):
            me.append("INBOX", generated(1))
        me.select("INBOX")
        for _ in range(6):
            me.ok("COPY 1:* INBOX")
            me.ok("NOOP")
        count = me.ok("STATUS INBOX (MESSAGES)").all(b"STATUS") and 50 * 2 ** 6
        with phone(server) as c:
            c.select("INBOX")
            for first in range(1, count, 400):
                c.ok(f"STORE {first}:{first + 199} +FLAGS.SILENT (\\Flagged)")
                c.ok(f"STORE {first + 200}:{min(first + 399, count)} +FLAGS.SILENT (\\Seen k{first})")
            c.ok("MOVE 1:1000 Trash")
            c.ok("STORE 1:1000 +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
    for i in range(4):
        p = subprocess.Popen([servers.mailkeep_binary(), "-c", server.conf_path, "account", "undo",
                              server.user(1), "--device", "phone", "--since", "1h"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.01 + i * 0.02)  # anywhere in it
        server.kill("keep")
        p.wait(30)
    for _ in range(100):  # until keep is there again
        r = server.command("account", "undo", server.user(1), "--device", "phone", "--since", "1h",
                           check=False)
        if r.returncode == 0:
            break
        time.sleep(0.1)
    assert r.returncode == 0, r.stderr
    assert undo(server)[1]["done"] == 0
    with server.login(1) as me:
        for box, n in (("INBOX", count), ("Trash", 0)):
            me.select(box)
            r = me.ok("SEARCH RETURN (COUNT) ALL")
            assert f"COUNT {n}".encode() in b" ".join(p for x in r.untagged for p in x.raw), (box, r.untagged)
        me.select("INBOX")
        for what in ("FLAGGED", "SEEN", "DELETED", "KEYWORD k1"):
            r = me.ok(f"SEARCH RETURN (COUNT) {what}")
            assert b"COUNT 0" in b" ".join(p for x in r.untagged for p in x.raw), what
    assert server.command("check").returncode == 0


def test_mail_is_traced_to_the_device(server):
    """By its number: another of the same name, later, is another."""
    for n in (1, 2):
        with smtplib.SMTP("127.0.0.1", server.submission_port, "x", timeout=30) as s:
            s.ehlo()
            s.login(server.user(1), device(server, "phone"))
            s.sendmail(server.user(1), [server.user(1)],
                       f"Subject: {n}\r\nMessage-ID: <m{n}@example.org>\r\n\r\nx\r\n")
        server.command("account", "device", "remove", server.user(1), "phone")
        r = server.command("trace", f"<m{n}@example.org>", "--json")
        first = [e for line in r.stdout.splitlines() for e in [json.loads(line)]
                 if e.get("device")][0]
        assert (first["device"], first["device_id"]) == ("phone", n), first
        assert f"(device phone, number {n})" in server.command("trace", f"<m{n}@example.org>").stdout
