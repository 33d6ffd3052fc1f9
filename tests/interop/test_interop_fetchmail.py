# SPDX-License-Identifier: Apache-2.0
"""fetchmail over IMAP: brings new mail, keeps or deletes it on the server, comes again for more."""
import os

import pytest

from clients import need, run
from messages import corpus, generated
from servers import PASSWORD


def configure(server, number, home, tls, options):
    rc = home / "fetchmailrc"
    rc.write_text(
        f"poll localhost protocol IMAP port {server.tls_port if tls else server.port}\n"
        f"  user \"{server.user(number)}\" password \"{PASSWORD}\" {options}\n"
        f"  {'ssl' if tls else 'sslproto tls1.2+'} sslcertck sslcertfile {server.cert}\n"
        f"  mda \"sh {home}/deliver\"\n")
    rc.chmod(0o600)
    (home / "deliver").write_text(f"n=$(ls {home}/in | wc -l); cat > {home}/in/$n\n")
    (home / "in").mkdir(exist_ok=True)


def fetch(home, okay=(0,)):
    return run(["fetchmail", "--nosyslog", "--nodetach", "-d0", "--pidfile", home / "pid",
                "-f", home / "fetchmailrc", "-i", home / "ids"], home, okay=okay)


def received(home):
    out = []
    for name in sorted(os.listdir(home / "in"), key=int):
        out.append((home / "in" / name).read_bytes())
    return out


def body(message):
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


@pytest.mark.parametrize("tls", [True, False], ids=["imaps", "starttls"])
def test_brings_mail_and_deletes_it(shared_server, account, tmp_path, tls):
    need("fetchmail")
    messages = [generated(i, 900, f"fm{i}") for i in range(5)] + corpus(25)
    with shared_server.login(account) as c:
        for m in messages:
            c.append("INBOX", m)
    configure(shared_server, account, tmp_path, tls, "fetchall no keep")
    fetch(tmp_path)
    got = received(tmp_path)
    assert [body(m) for m in got] == [body(m) for m in messages]
    with shared_server.login(account) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 0
    fetch(tmp_path, okay=(1,))  # 1: no mail


def test_keep_brings_each_message_once(shared_server, account, tmp_path):
    need("fetchmail")
    with shared_server.login(account) as c:
        c.append("INBOX", generated(1, 500, "one"))
        configure(shared_server, account, tmp_path, True, "keep")
        fetch(tmp_path)
        fetch(tmp_path, okay=(1,))
        c.append("INBOX", generated(2, 500, "two"))
        fetch(tmp_path)
        assert len(received(tmp_path)) == 2
        c.select("INBOX")
        flags = [a[b"FLAGS"] for a in c.ok("FETCH 1:* (UID FLAGS)").fetches().values()]
        assert all(b"\\Seen" in f for f in flags) and len(flags) == 2
