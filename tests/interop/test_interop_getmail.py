# SPDX-License-Identifier: Apache-2.0
"""getmail6 over IMAP: brings each message once, and deletes or moves it on the server.

It hands mail to a script, for as root it writes no Maildir itself.
"""
import os

import pytest

from clients import need, run
from messages import corpus, generated
from servers import PASSWORD

CONF = """
[retriever]
type = {type}
server = localhost
port = {port}
username = {user}
password = {password}
mailboxes = {boxes}
{ssl}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("{home}/deliver",)
allow_root_commands = true
[options]
delivered_to = false
received = false
verbose = 0
{options}
"""


def configure(server, number, home, tls, options, boxes='("INBOX", "Lists")', more=""):
    (home / "in").mkdir(exist_ok=True)
    # getmail looks for the child's end only a moment after it has started it.
    (home / "deliver").write_text(f"n=$(ls {home}/in | wc -l); cat > {home}/in/$n; sleep 0.1\n")
    ssl = f"ca_certs = {server.cert}\n" if tls else ""
    (home / "rc").write_text(CONF.format(
        type="SimpleIMAPSSLRetriever" if tls else "SimpleIMAPRetriever",
        port=server.tls_port if tls else server.port, user=server.user(number),
        password=PASSWORD, boxes=boxes, home=home, options=options, ssl=ssl + more))


def fetch(home):
    run(["getmail", f"--getmaildir={home}", "--rcfile=rc"], home)


def text(message):
    """Without the header, to which it adds a Return-Path."""
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


def received(home):
    return sorted(text((home / "in" / n).read_bytes()) for n in os.listdir(home / "in"))


def count(server, number, box):
    with server.login(number) as c:
        return c.select(box).all(b"EXISTS")[-1].number


@pytest.mark.parametrize("tls", [True, False], ids=["imaps", "clear"])
def test_brings_mail_and_deletes_it(shared_server, account, tmp_path, tls):
    need("getmail")
    messages = [generated(i, 900, f"gm{i}") for i in range(5)] + corpus(40)
    with shared_server.login(account) as c:
        c.ok('CREATE "Lists"')
        for i, m in enumerate(messages):
            c.append("Lists" if i % 3 else "INBOX", m)
    configure(shared_server, account, tmp_path, tls, "read_all = true\ndelete = true\n")
    fetch(tmp_path)
    assert received(tmp_path) == sorted(text(m) for m in messages)
    assert count(shared_server, account, "INBOX") == count(shared_server, account, "Lists") == 0
    fetch(tmp_path)
    assert len(received(tmp_path)) == len(messages)


def test_keep_brings_each_message_once(shared_server, account, tmp_path):
    """It tells messages by UIDVALIDITY and UID: a move away and back is a new message."""
    need("getmail")
    with shared_server.login(account) as c:
        c.append("INBOX", generated(1, 500, "one"))
        configure(shared_server, account, tmp_path, True, "read_all = false\ndelete = false\n",
                  '("INBOX",)')
        fetch(tmp_path)
        fetch(tmp_path)
        assert len(received(tmp_path)) == 1
        c.append("INBOX", generated(2, 500, "two"))
        fetch(tmp_path)
        assert len(received(tmp_path)) == 2
        c.select("INBOX")
        c.ok("MOVE 1 Archive")
        fetch(tmp_path)
        assert len(received(tmp_path)) == 2


def test_moves_on_delete(shared_server, account, tmp_path):
    need("getmail")
    with shared_server.login(account) as c:
        for i in range(3):
            c.append("INBOX", generated(i, 500, "move"))
    configure(shared_server, account, tmp_path, True, "read_all = true\ndelete = true\n",
              '("INBOX",)', "move_on_delete = Archive\n")
    fetch(tmp_path)
    assert len(received(tmp_path)) == 3
    assert count(shared_server, account, "INBOX") == 0
    assert count(shared_server, account, "Archive") == 3
