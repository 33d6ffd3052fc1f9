# SPDX-License-Identifier: Apache-2.0
"""Mail programs over POP3: fetchmail, getmail6, mpop and curl bring mail, keep it or delete it."""
import os

import pytest

from clients import need, run
from messages import corpus, generated
from servers import PASSWORD


@pytest.fixture
def mailbox(shared_server, account):
    if shared_server.peer != "mailkeep":
        pytest.skip("the peer has no POP3 here")
    messages = [generated(i, 900, f"pop{i}") for i in range(5)] + corpus(15)
    with shared_server.login(account) as c:
        for m in messages:
            c.append("INBOX", m)
    return messages


def text(message):
    return message.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


def deliverer(home):
    (home / "in").mkdir(exist_ok=True)
    (home / "deliver").write_text(f"n=$(ls {home}/in | wc -l); cat > {home}/in/$n\n")


def received(home):
    names = sorted(os.listdir(home / "in"), key=int)
    return [text((home / "in" / n).read_bytes()) for n in names]


def left(server, number):
    with server.login(number) as c:
        return c.select("INBOX").all(b"EXISTS")[-1].number


@pytest.mark.parametrize("tls", [True, False], ids=["pop3s", "stls"])
@pytest.mark.parametrize("keep", [True, False], ids=["keep", "delete"])
def test_fetchmail(shared_server, account, mailbox, tmp_path, tls, keep):
    need("fetchmail")
    deliverer(tmp_path)
    rc = tmp_path / "fetchmailrc"
    port = shared_server.pop3s_port if tls else shared_server.pop3_port
    rc.write_text(
        f"poll localhost protocol POP3 uidl port {port}\n"
        f"  user \"{shared_server.user(account)}\" password \"{PASSWORD}\" "
        f"{'keep' if keep else 'fetchall no keep'}\n"
        f"  {'ssl' if tls else 'sslproto tls1.2+'} sslcertck sslcertfile {shared_server.cert}\n"
        f"  mda \"sh {tmp_path}/deliver\"\n")
    rc.chmod(0o600)
    words = ["fetchmail", "--nosyslog", "--nodetach", "-d0", "--pidfile", tmp_path / "pid", "-f", rc,
             "-i", tmp_path / "ids"]
    run(words, tmp_path)
    assert received(tmp_path) == [text(m) for m in mailbox]
    assert left(shared_server, account) == (len(mailbox) if keep else 0)
    run(words, tmp_path, okay=(1,))  # nothing new


@pytest.mark.parametrize("keep", [True, False], ids=["keep", "delete"])
def test_getmail(shared_server, account, mailbox, tmp_path, keep):
    need("getmail")
    deliverer(tmp_path)
    (tmp_path / "rc").write_text(f"""
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {shared_server.pop3s_port}
username = {shared_server.user(account)}
password = {PASSWORD}
ca_certs = {shared_server.cert}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("{tmp_path}/deliver",)
allow_root_commands = true
[options]
delivered_to = false
received = false
verbose = 0
read_all = false
delete = {'false' if keep else 'true'}
""")
    for _ in range(2):
        run(["getmail", f"--getmaildir={tmp_path}", "--rcfile=rc"], tmp_path, timeout=30)
        assert sorted(received(tmp_path)) == sorted(text(m) for m in mailbox)
    assert left(shared_server, account) == (len(mailbox) if keep else 0)


@pytest.mark.parametrize("keep", [True, False], ids=["keep", "delete"])
def test_mpop(shared_server, account, mailbox, tmp_path, keep):
    need("mpop")
    deliverer(tmp_path)
    words = ["mpop", "--host=localhost", f"--port={shared_server.pop3_port}", "--tls=on",
             "--tls-starttls=on", f"--tls-trust-file={shared_server.cert}", "--auth=plain",
             f"--user={shared_server.user(account)}", f"--passwordeval=echo {PASSWORD}",
             f"--keep={'on' if keep else 'off'}", "--received-header=off",
             f"--uidls-file={tmp_path}/uidls", f"--delivery=mda,sh {tmp_path}/deliver"]
    for _ in range(2):
        run(words, tmp_path)
        assert sorted(received(tmp_path)) == sorted(text(m) for m in mailbox)
    assert left(shared_server, account) == (len(mailbox) if keep else 0)


@pytest.mark.parametrize("tls", [True, False], ids=["pop3s", "stls"])
def test_curl(shared_server, account, mailbox, tmp_path, tls):
    need("curl")
    base = f"pop3s://localhost:{shared_server.pop3s_port}/" if tls else \
        f"pop3://localhost:{shared_server.pop3_port}/"
    curl = ["curl", "-sS", "--cacert", shared_server.cert, "--ssl-reqd", "-u",
            f"{shared_server.user(account)}:{PASSWORD}"]
    assert len(run([*curl, base], tmp_path).splitlines()) == len(mailbox)
    assert text(run([*curl, base + "1"], tmp_path)) == text(mailbox[0])
    run([*curl, "-I", "-X", "DELE 1", base], tmp_path)
    assert left(shared_server, account) == len(mailbox) - 1
