# SPDX-License-Identifier: Apache-2.0
"""imapflow, nodemailer and curl sign in with a password that slapd checks."""
import json
import os

import pytest

import slapd
from clients import need, run
from messages import ROOT, npm_folder

NPM = {"NPM_BASE": os.path.join(ROOT, ".cache", "npm")}
WORDS = "annas own words"
ANNA = "anna@example.org"


@pytest.fixture
def server(make_server, tmp_path):
    if slapd.missing():
        pytest.skip(slapd.missing())
    folder = tmp_path / "directory"
    folder.mkdir()
    os.chmod(folder, 0o755)
    directory = slapd.Slapd(folder)
    directory.start()
    try:
        directory.add("anna", WORDS)
        secret = folder / "secret"
        secret.write_text(slapd.SERVICE_PASSWORD + "\n")
        s = make_server(users=1, settings={
            "ldap_servers": f"ldaps://127.0.0.1:{directory.tls_port}",
            "ldap_ca_file": json.dumps(directory.cert), "ldap_bind_dn": json.dumps(slapd.SERVICE),
            "ldap_bind_password_file": json.dumps(str(secret)), "login_failure_delay": "0",
            "ldap_base": json.dumps(f"ou=people,{slapd.BASE}"), "ldap_create_accounts": "yes"})
        if s.peer != "mailkeep":
            pytest.skip("another server has other settings")
        yield s
    finally:
        directory.stop()


@pytest.mark.parametrize("secure", [1, 0], ids=["imaps", "starttls"])
def test_imapflow(server, tmp_path, secure):
    need("node")
    if not npm_folder("imapflow"):
        pytest.skip("imapflow could not be installed by npm")
    out = run(["node", os.path.join(ROOT, "tests", "interop", "imapflow_day.mjs"),
               server.tls_port if secure else server.port, secure, ANNA, WORDS], tmp_path,
              timeout=60, env=NPM)
    assert out.strip().endswith(b"all well"), out


@pytest.mark.parametrize("secure", [1, 0], ids=["submissions", "starttls"])
def test_nodemailer(server, tmp_path, secure):
    need("node")
    if not npm_folder("nodemailer"):
        pytest.skip("nodemailer could not be installed by npm")
    for words, answer in ((WORDS, b"250 "), ("another's words", b"error EAUTH 535")):
        out = run(["node", os.path.join(ROOT, "tests", "interop", "nodemailer_send.mjs"),
                   server.submissions_port if secure else server.submission_port, secure, ANNA, words,
                   ANNA, ANNA, ""], tmp_path, timeout=60, env=NPM)
        assert out.startswith(answer), out


def test_curl(server, tmp_path):
    need("curl")
    (tmp_path / "letter").write_text(f"From: {ANNA}\r\nSubject: by curl\r\n\r\nHello.\r\n")
    for words, code in ((WORDS, 0), ("another's words", 67)):
        who = ["--cacert", server.cert, "--user", f"{ANNA}:{words}"]
        run(["curl", "-sS", *who, "--mail-from", ANNA, "--mail-rcpt", ANNA, "-T", "letter",
             f"smtps://localhost:{server.submissions_port}"], tmp_path, timeout=60, okay=(code,))
        run(["curl", "-sS", *who, f"imaps://localhost:{server.tls_port}/INBOX"], tmp_path,
            timeout=60, okay=(code,))
