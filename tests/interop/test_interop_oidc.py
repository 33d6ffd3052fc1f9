# SPDX-License-Identifier: Apache-2.0
"""npm's oidc-provider issues tokens; imapflow, nodemailer and curl sign in with them."""
import imaplib
import json
import os
import ssl
import subprocess
import threading

import pytest

from clients import need, run
from messages import ROOT, npm_folder
from servers import free_port, self_signed, server_class

NPM = {"NPM_BASE": os.path.join(ROOT, ".cache", "npm"), "NODE_TLS_REJECT_UNAUTHORIZED": "0"}
SECRET = "a-secret-of-the-mail-server"


class OidcProvider:
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.cert, key = self_signed(folder)
        self.process = subprocess.Popen(
            ["node", os.path.join(ROOT, "tests", "interop", "oidc_provider.mjs"), str(self.port),
             self.cert, key, SECRET], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, **NPM})
        self.answer("ready")

    def answer(self, wanted=None):
        """Its next line; what it says of its own settings is none."""
        while line := self.process.stdout.readline():
            if not line.startswith("oidc-provider "):
                assert wanted in (None, line.strip()), line
                return line.strip()
        raise AssertionError("oidc-provider has ended")

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    need("node")
    for package in ("oidc-provider", "imapflow", "nodemailer"):
        if not npm_folder(package):
            pytest.skip(f"{package} could not be installed by npm")
    p = OidcProvider(str(tmp_path_factory.mktemp("oidc")))
    yield p
    p.close()


@pytest.fixture(params=["jwt", "opaque"])
def mail(request, provider, tmp_path_factory):
    """A server that takes this provider's tokens, and their kind."""
    missing = server_class().missing()
    if missing or server_class().peer != "mailkeep":
        pytest.skip(missing or "another server has other settings")
    secrets = tmp_path_factory.mktemp("secrets") / "secrets"
    secrets.write_text(f"mailkeep {SECRET}\n")
    secrets.chmod(0o644)
    words = "" if request.param == "jwt" else " client=mailkeep"
    s = server_class()(users=2, settings={
        "oauth_issuers": json.dumps([f"{provider.url} aud=mail{words}"]),
        "oauth_ca_file": json.dumps(provider.cert), "oauth_secrets_file": json.dumps(str(secrets)),
        "oauth_check_every": "3 s", "login_failure_delay": "0"})
    try:
        s.start()
        yield s, request.param
    finally:
        s.close()


def address(server, number=1):
    return f"{server.user(number).partition('@')[0]}@{server.domain}"


def test_imapflow_and_nodemailer(mail, provider, tmp_path):
    server, kind = mail
    token = provider.ask("token", kind, address(server))
    out = run(["node", os.path.join(ROOT, "tests", "interop", "token_client.mjs"), server.tls_port,
               server.submissions_port, address(server)], tmp_path, timeout=60,
              data=token.encode(), env=NPM)
    assert out.strip().endswith(b"all well"), out
    server.check()


def test_curl(mail, provider, tmp_path):
    need("curl")
    server, kind = mail
    token = provider.ask("token", kind, address(server))
    (tmp_path / "letter").write_text(f"From: {address(server)}\r\nSubject: by curl\r\n\r\nHello.\r\n")
    with_token = ["--cacert", server.cert, "--user", address(server) + ":", "--oauth2-bearer", token]
    for auth in ("OAUTHBEARER", "XOAUTH2"):
        chosen = [*with_token, "--login-options", f"AUTH={auth}"]
        run(["curl", "-sS", *chosen, "--mail-from", address(server), "--mail-rcpt", address(server),
             "-T", "letter", f"smtps://localhost:{server.submissions_port}"], tmp_path, timeout=60)
        out = run(["curl", "-sS", *chosen, f"imaps://localhost:{server.tls_port}/", "-X",
                   "STATUS INBOX (UIDNEXT)"], tmp_path, timeout=60)
        assert b"UIDNEXT" in out
    other = provider.ask("token", kind, "nobody@example.org")
    run(["curl", "-sS", "--cacert", server.cert, "--user", "nobody@example.org:", "--oauth2-bearer",
         other, f"imaps://localhost:{server.tls_port}/"], tmp_path, timeout=60, okay=(67,))
    mine = provider.ask("token", kind, address(server, 2))
    run(["curl", "-sS", *with_token[:-1], mine, f"imaps://localhost:{server.tls_port}/"], tmp_path,
        timeout=60, okay=(67,))  # another's name


def test_a_revoked_token_is_out(mail, provider):
    server, kind = mail
    if kind == "jwt":
        pytest.skip("what is signed is good until it expires: the provider is not asked")
    token = provider.ask("token", kind, address(server))
    context = ssl.create_default_context(cafile=server.cert)
    c = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context, timeout=60)
    bearer = f"user={address(server)}\1auth=Bearer {token}\1\1".encode()
    assert c.authenticate("XOAUTH2", lambda _: bearer)[0] == "OK"
    c.select("INBOX")
    c.send(b"x IDLE\r\n")
    assert c.readline().startswith(b"+")
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(iter(c.readline, b"")))
    reader.start()
    assert provider.ask("revoke", token) == "revoked"
    reader.join(50)
    assert not reader.is_alive(), "the session goes on"
    assert any(b"BYE" in line for line in heard), heard
    again = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context, timeout=60)
    with pytest.raises(imaplib.IMAP4.error):
        again.authenticate("XOAUTH2", lambda _: bearer)
