# SPDX-License-Identifier: Apache-2.0
"""Mail programs send by submission: with STARTTLS and with TLS from the first byte; what they send
arrives as they wrote it, without Bcc; a wrong password and another's address are refused."""
import email
import email.policy
import os
import smtplib
import ssl
import time

import pytest

from clients import need, run
from messages import ROOT, npm_folder
from servers import PASSWORD

TEXT = "Zo\u00eb says:\n.a line with a dot\n..two\n\n" + "word " * 200 + "\nFrom here\nbye\n"


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER"):
        pytest.skip("of Mailkeep")


@pytest.fixture
def people(shared_server, account):
    """(server, sender's number, recipient's number); the server stays the same for the file."""
    return shared_server, account, 100 + account


def letter(server, sender, to, bcc=None):
    lines = [f"From: =?utf-8?Q?Zo=C3=AB?= <{server.user(sender)}>", f"To: {server.user(to)}",
             *([f"Bcc: {bcc}"] if bcc else []), "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
             "Date: Wed, 25 Nov 2026 10:00:00 +0000", "Message-ID: <1@laptop.example>",
             "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
             "Content-Transfer-Encoding: 8bit", "", TEXT]
    return "\n".join(lines).encode()


def inbox(server, i, count=1):
    """The messages of the INBOX, once there are so many."""
    end = time.monotonic() + 60
    while True:
        with server.login(i) as c:
            c.select("INBOX")
            found = c.ok("UID FETCH 1:* (BODY.PEEK[])").fetches()
        if len(found) >= count:
            assert len(found) == count
            return [email.message_from_bytes(found[u][b"BODY[]"], policy=email.policy.default)
                    for u in sorted(found)]
        assert time.monotonic() < end, server.log_tail()
        time.sleep(0.05)


def body(message):
    part = message.get_body(("plain",))
    return part.get_content().replace("\r\n", "\n").rstrip("\n") + "\n"


def is_whole(message, server, sender):
    assert body(message) == TEXT
    assert message["Bcc"] is None and "Gr\u00fc\u00dfe" in message["Subject"]
    assert server.user(sender) in message["From"]


# ---- swaks --------------------------------------------------------------------------------------

def swaks(server, tls, user, password, *more):
    way = ["--tls-on-connect", "--port", server.submissions_port] if tls else \
        ["--tls", "--port", server.submission_port]
    return ["swaks", "--server", "127.0.0.1", *way, "--auth", "PLAIN", "--auth-user", user,
            "--auth-password", password, "--ehlo", "laptop.example", *more]


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_swaks(people, tmp_path, tls):
    need("swaks")
    server, a, b = people
    (tmp_path / "letter").write_bytes(letter(server, a, b, "hidden@example.net"))
    run(swaks(server, tls, server.user(a), PASSWORD, "--from", server.user(a), "--to",
              f"{server.user(b)},{server.user(a)}", "--data", f"@{tmp_path}/letter"), tmp_path)
    for i in (a, b):
        is_whole(inbox(server, i)[0], server, a)


def test_swaks_is_told_why_not(people, tmp_path):
    need("swaks")
    server, a, b = people
    out = run(swaks(server, True, server.user(a), "wrong", "--from", server.user(a), "--to",
                    server.user(b)), tmp_path, okay=(28,))
    assert b"535 5.7.8" in out
    out = run(swaks(server, True, server.user(a), PASSWORD, "--from", server.user(b), "--to",
                    server.user(b)), tmp_path, okay=(23, 24, 26))
    assert b"5.7.1" in out
    out = run(swaks(server, True, server.user(a), PASSWORD, "--from", server.user(a), "--to",
                    "nobody@example.org"), tmp_path, okay=(24,))
    assert b"550 5.1.1" in out
    out = run(["swaks", "--server", "127.0.0.1", "--port", server.submission_port, "--from",
               server.user(a), "--to", server.user(b)], tmp_path, okay=(23, 24))
    assert b"530 5.7" in out or b"550 5.7" in out
    assert inbox(server, b, 0) == []


# ---- msmtp --------------------------------------------------------------------------------------

@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_msmtp(people, tmp_path, tls):
    need("msmtp")
    server, a, b = people
    rc = tmp_path / "msmtprc"
    rc.write_text(f"""
        account default
        host localhost
        port {server.submissions_port if tls else server.submission_port}
        tls on
        tls_starttls {"off" if tls else "on"}
        tls_trust_file {server.cert}
        auth plain
        user {server.user(a)}
        password "{PASSWORD}"
        from {server.user(a)}
        """)
    rc.chmod(0o600)
    run(["msmtp", "-C", rc, "-t"], tmp_path, data=letter(server, a, b, server.user(a)))
    for i in (a, b):  # -t: Bcc is read, too
        is_whole(inbox(server, i)[0], server, a)
    rc.write_text(rc.read_text().replace(PASSWORD, "wrong"))
    out = run(["msmtp", "-C", rc, server.user(b)], tmp_path, okay=(77,), data=letter(server, a, b))
    assert b"535" in out


# ---- curl, neomutt ------------------------------------------------------------------------------

@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_curl(people, tmp_path, tls):
    need("curl")
    server, a, b = people
    (tmp_path / "letter").write_bytes(letter(server, a, b).replace(b"\n", b"\r\n"))
    url = f"smtps://localhost:{server.submissions_port}" if tls else \
        f"smtp://localhost:{server.submission_port}"
    words = ["curl", "-sS", "--ssl-reqd", "--cacert", server.cert, "--mail-from", server.user(a),
             "--mail-rcpt", server.user(b), "-T", tmp_path / "letter"]
    run([*words, "-u", f"{server.user(a)}:{PASSWORD}", url], tmp_path)
    is_whole(inbox(server, b)[0], server, a)
    run([*words, "-u", f"{server.user(a)}:wrong", url], tmp_path, okay=(67,))
    (tmp_path / "letter").write_bytes((tmp_path / "letter").read_bytes().replace(b"<1@", b"<2@"))
    run([*words, "--login-options", "AUTH=PLAIN", "--sasl-ir", "-u", f"{server.user(a)}:{PASSWORD}",
         url], tmp_path)
    inbox(server, b, 2)


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_neomutt(people, tmp_path, tls):
    need("neomutt")
    server, a, b = people
    user = server.user(a).replace("@", "%40")
    url = f"smtps://{user}@localhost:{server.submissions_port}/" if tls else \
        f"smtp://{user}@localhost:{server.submission_port}/"
    (tmp_path / "rc").write_text(f"""
        set smtp_url="{url}"
        set smtp_pass="{PASSWORD}"
        set from="{server.user(a)}"
        set realname="Zo\u00eb"
        set certificate_file="{server.cert}"
        set ssl_force_tls=yes
        set ssl_verify_host=no
        set copy=no
        set send_charset="utf-8"
        """, encoding="utf-8")
    (tmp_path / "bytes.bin").write_bytes(bytes(range(256)) * 40)
    run(["neomutt", "-n", "-F", tmp_path / "rc", "-s", "Gr\u00fc\u00dfe", "-b", server.user(a), "-a",
         tmp_path / "bytes.bin", "--", server.user(b)], tmp_path, data=TEXT.encode())
    for i in (a, b):
        got = inbox(server, i)[0]
        is_whole(got, server, a)
        (attached,) = got.iter_attachments()
        assert attached.get_content() == bytes(range(256)) * 40


# ---- nodemailer, smtplib ------------------------------------------------------------------------

@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_nodemailer(people, tmp_path, tls):
    need("node")
    if not npm_folder("nodemailer"):
        pytest.skip("nodemailer could not be installed by npm")
    server, a, b = people
    me, you = server.user(a), server.user(b)

    def send(password, sender):
        return run(["node", os.path.join(ROOT, "tests", "interop", "nodemailer_send.mjs"),
                    server.submissions_port if tls else server.submission_port, int(tls), me,
                    password, sender, you, me], tmp_path, timeout=60,
                   env={"NPM_BASE": os.path.join(ROOT, ".cache", "npm")}).decode()

    assert send(PASSWORD, f"Zo\u00eb <{me}>").startswith("250 2.0.0")
    for i in (a, b):
        got = inbox(server, i)[0]
        assert body(got) == "Zo\u00eb says:\n.a dot\nbye\n" and got["Bcc"] is None
        (attached,) = got.iter_attachments()
        assert attached.get_content() == bytes(n % 256 for n in range(600))
    assert send("wrong", me).startswith("error EAUTH 535")
    assert "5.7.1" in send(PASSWORD, you)
    assert len(inbox(server, b)) == 1


def test_smtplib_with_addresses_beyond_ascii(people):
    """SMTPUTF8: to one who does not exist under such a name; 8BITMIME and SIZE are offered."""
    server, a, b = people
    context = ssl.create_default_context(cafile=server.cert)
    context.check_hostname = False
    with smtplib.SMTP_SSL("127.0.0.1", server.submissions_port, context=context, timeout=60) as c:
        c.login(server.user(a), PASSWORD)
        assert c.has_extn("smtputf8") and c.has_extn("8bitmime") and c.has_extn("size")
        c.mail(server.user(a), ["smtputf8"])
        c.sock.sendall("RCPT TO:<zo\u00eb@example.org>\r\n".encode())
        code, text = c.getreply()
        assert code == 550 and text.startswith(b"5.1.1"), text
        assert c.rcpt(server.user(b))[0] == 250
        assert c.data(letter(server, a, b).replace(b"\n", b"\r\n"))[0] == 250
    is_whole(inbox(server, b)[0], server, a)
