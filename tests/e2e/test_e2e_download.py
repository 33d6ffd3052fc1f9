# SPDX-License-Identifier: Apache-2.0
"""Much mail read in a short time is told to its owner; what is a program's ordinary day is not (L62, L63)."""
import json
import os
import poplib
import re
import time

import pytest
from test_e2e_alerts import QUICK, kinds, settled, wait_alerts, wait_letter

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

BODY = b"Subject: x\r\n\r\n" + b"0123456789 and so on, line after line of it\r\n" * 1000  # some 45 KB


@pytest.fixture
def server(make_server):
    server = make_server(users=2, settings={**QUICK, "alert_download": "1 MB", "alerts_off": "new-network"})
    with server.login(1) as c:
        for _ in range(30):
            c.append("Archive", BODY)
    return server


def pop(server, user, password=None):
    p = poplib.POP3("127.0.0.1", server.pop3_port, timeout=60)
    p.user(server.user(user))
    p.pass_(password or server.password)
    return p


def test_all_of_it_by_imap(server):
    with server.login(1) as c:
        c.ok('ID ("name" "Grabber")')
        c.ok("EXAMINE Archive")
        c.ok("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT]<0.100>)")
        c.ok("FETCH 1:10 (BODY.PEEK[])")
        assert settled(server) == []
        c.ok("FETCH 11:30 (BODY.PEEK[])")
    (letter, flags), = wait_letter(server, "download")
    text = re.sub(r"\s+", " ", letter.get_content())
    found = re.search(r"Much of your mail was read in a short time: (\d+) KB, from 127\.0\.0\.0/24, "
                      r'with the program "Grabber"\.', text)
    assert found and 1000 < int(found[1]) < 1500, text
    assert "If you have just set up a mail program" in text and b"$MailkeepAlert" in flags
    with server.login(1) as c:  # the same once more
        c.ok('ID ("name" "Grabber")')
        c.ok("EXAMINE Archive")
        c.ok("FETCH 1:30 (BODY.PEEK[])")
    assert kinds(settled(server)) == ["download"]
    (got,) = settled(server)
    assert got["count"] > 1000000 and got["client"] == "Grabber"


def test_binary_and_many_short_sessions(server):
    for i in range(1, 31):  # each reads one message and goes
        with server.login(1) as c:
            c.ok("EXAMINE Archive")
            c.ok(f"FETCH {i} (BINARY.PEEK[1])")
    wait_letter(server, "download")
    assert kinds(settled(server)) == ["download"]


def test_by_pop3(server):
    with server.login(2) as c:
        for _ in range(30):
            c.append("INBOX", BODY)
    p = pop(server, 2)
    for i in range(1, 31):
        p.top(i, 5)
    for i in range(1, 11):
        p.retr(i)
    p.quit()
    assert settled(server, 2) == []
    p = pop(server, 2)
    for i in range(11, 31):
        p.retr(i)
    p.quit()
    wait_alerts(server, lambda got: any(a.get("client") == "POP3" and a["kind"] == "download" for a in got), 2)


def test_a_new_device_fetches_everything(server):
    made = server.command("--json", "account", "device", "add", server.user(1), "laptop")
    secret = json.loads(made.stdout)["password"]
    with server.connect() as c:
        c.login(server.user(1), secret)
        c.ok("EXAMINE Archive")
        c.ok("FETCH 1:* (BODY.PEEK[])")
    assert kinds(settled(server)) == ["device"]  # that there is one was told


def test_a_new_account_is_filled(make_server):
    server = make_server(users=1, settings={**QUICK, "alert_download": "1 MB", "alert_learn": "7 d"})
    with server.login(1) as c:
        for _ in range(30):
            c.append("Archive", BODY)
        c.ok("EXAMINE Archive")
        c.ok("FETCH 1:* (BODY.PEEK[])")
    assert settled(server) == []


def test_an_administrator_exports(server, tmp_path):
    server.command("export", server.user(1), str(tmp_path / "out"), "--reason", "Handed over to her successor")
    (letter, _), = wait_letter(server, "download")
    text = re.sub(r"\s+", " ", letter.get_content())
    assert re.search(r"read in a short time: \d+ KB \(done by ", text), text
    assert "its mail is read (export), because: Handed over" in server.command("log", server.user(1)).stdout
    time.sleep(1.5)
    assert kinds(settled(server)) == ["download"]
