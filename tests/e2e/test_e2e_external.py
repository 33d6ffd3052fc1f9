# SPDX-License-Identifier: Apache-2.0
"""EXTERNAL with certificates of clients, by every protocol (L07)."""
import os
import socket
import subprocess

import pytest

from imapwire import client_context
from saslwire import PROTOCOLS, Exchange, b64
from servers import PASSWORD, mailkeep_binary


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


class Authority:
    """One that signs certificates of mail programs."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = str(folder), name
        openssl(self.folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
        self.path = os.path.join(self.folder, f"{name}.pem")
        os.chmod(self.path, 0o644)

    def sign(self, name, san, usage="clientAuth", days="30"):
        """Gives a TLS context of a client with such a certificate."""
        with open(os.path.join(self.folder, f"{name}.ext"), "w") as f:
            f.write((f"subjectAltName={san}\n" if san else "") + f"extendedKeyUsage={usage}\n")
        openssl(self.folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", self.path, "-CAkey",
                f"{self.name}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", days,
                "-extfile", f"{name}.ext")
        context = client_context()
        context.load_cert_chain(os.path.join(self.folder, f"{name}.pem"),
                                os.path.join(self.folder, f"{name}.key"))
        return context

    def revoke(self, *names, days="30", path=None):
        """Writes a revocation list with these certificates; gives its path."""
        path = path or os.path.join(self.folder, f"{self.name}.crl")
        conf, index = (os.path.join(self.folder, f"{self.name}.{x}") for x in ("cnf", "index"))
        with open(conf, "w") as f:
            f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={index}\ndefault_md=sha256\n"
                    f"certificate={self.path}\nprivate_key={self.path[:-4]}.key\n")
        open(index, "a").close()
        for name in names:
            openssl(self.folder, "ca", "-config", conf, "-revoke", f"{name}.pem")
        when = ["-crldays", days] if int(days) > 0 else \
            ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z"]
        openssl(self.folder, "ca", "-config", conf, "-gencrl", *when, "-out", path)
        os.chmod(path, 0o644)
        return path

    def fingerprint(self, name):
        out = subprocess.run(["openssl", "x509", "-in", f"{name}.pem", "-noout", "-fingerprint",
                              "-sha256"], cwd=self.folder, check=True, capture_output=True, text=True)
        return out.stdout.strip().split("=", 1)[1]


@pytest.fixture
def world(make_server, tmp_path):
    os.chmod(tmp_path, 0o755)
    authority = Authority(tmp_path)
    s = make_server(users=4, settings={"tls_client_ca": authority.path, "login_failure_delay": "0",
                                       "login_failures_max": "100"})
    if s.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    return s, authority


def mailkeep(server, *words):
    r = subprocess.run([mailkeep_binary(), "-c", server.conf_path, *words], capture_output=True,
                       text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


def external(server, protocol, context, name="", offered=True):
    with Exchange(server, protocol, tls=context.wrap_socket) as x:
        assert ("EXTERNAL" in x.offers()) == offered
        empty = "" if protocol == "sieve" else "="
        said = x.begin("EXTERNAL", b64(name) if name else empty)
        return said, x.said


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_signs_in(world, protocol):
    s, authority = world
    user, other = s.user(1), s.user(2)
    good = authority.sign("good", f"email:{user}")
    assert external(s, protocol, good)[0] == "yes"
    assert external(s, protocol, good, user.upper())[0] == "yes"
    assert external(s, protocol, good, other)[0] == "no"
    with Exchange(s, protocol, tls=good.wrap_socket) as x:  # without an initial response
        assert x.begin("EXTERNAL") == "more" and x.challenge == b""
        assert x.go_on("*") == "no"
        assert x.begin("EXTERNAL") == "more"
        assert x.go_on("") == "yes"
    with Exchange(s, protocol, tls=good.wrap_socket) as x:  # the others are there all the same
        assert x.begin("PLAIN", b64(f"\0{other}\0{PASSWORD}")) == "yes"
    both = authority.sign("both", f"email:{other},email:{user}")
    assert external(s, protocol, both, user)[0] == "yes"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_l07_certificates_that_are_no_good(world, tmp_path, protocol):
    s, authority = world
    user = s.user(1)
    strangers = Authority(tmp_path, "strangers")
    for context in (client_context(),
                    strangers.sign("forged", f"email:{user}"),
                    authority.sign("nameless", None),
                    authority.sign("host", "DNS:localhost"),
                    authority.sign("server", f"email:{user}", usage="serverAuth"),
                    authority.sign("over", f"email:{user}", days="-1")):
        said, line = external(s, protocol, context, offered=False)
        assert said == "no", line
    nobody = authority.sign("nobody", "email:nobody@example.org")
    assert external(s, protocol, nobody)[0] == "no"


def test_l07_not_in_the_clear_and_not_after_resuming_as_another(world):
    s, authority = world
    with Exchange(s, "imap") as x:
        assert "EXTERNAL" not in x.offers() and x.begin("EXTERNAL", "=") == "no"
    good = authority.sign("good", f"email:{s.user(1)}")
    # By TLS 1.3 a client without a certificate cannot take another's session: it has no ticket.
    with Exchange(s, "imap", tls=good.wrap_socket) as x:
        assert x.begin("EXTERNAL", "=") == "yes"
        x.talk.send("a NOOP\r\n")
        assert b"OK" in x.talk.line()
        session = x.talk.sock.session
    with Exchange(s, "imap", tls=lambda sock: good.wrap_socket(sock, session=session)) as x:
        assert x.begin("EXTERNAL", "=") == "yes"  # resumed or not


def test_a_certificate_of_a_device(world):
    s, authority = world
    user = s.user(1)
    good = authority.sign("good", f"email:{user}")
    out = mailkeep(s, "account", "device", "add", user, "laptop", "--for", "imap",
                   "--certificate-sha256", authority.fingerprint("good"))
    assert "laptop" in out and "    " not in out
    said, line = external(s, "pop3", good)
    assert said == "no" and b"not for this service" in line
    with Exchange(s, "imap", tls=good.wrap_socket) as x:
        assert x.begin("EXTERNAL", "=") == "yes"
        mailkeep(s, "account", "device", "block", user, "laptop")
        assert x.talk.line().startswith(b"* BYE")
    said, line = external(s, "imap", good)
    assert said == "no" and b"AUTHORIZATIONFAILED" in line and b"blocked" in line
    spare = authority.sign("spare", f"email:{user}")
    assert external(s, "imap", spare)[0] == "yes"


def test_servers_are_not_asked_for_one(world):
    """Port 25 is for mail servers, whose certificates are their own business."""
    s, authority = world
    good = authority.sign("good", f"email:{s.user(1)}")
    with socket.create_connection(("127.0.0.1", s.smtp_port), timeout=60) as sock:
        answers = sock.makefile("rb")
        answers.readline()
        for command in (b"EHLO c.example", b"STARTTLS"):
            sock.sendall(command + b"\r\n")
            while answers.readline()[3:4] == b"-":
                pass
        tls = good.wrap_socket(sock)
        tls.sendall(b"EHLO c.example\r\n")
        assert b"AUTH" not in tls.recv(4096)


def test_an_authority_that_is_none_stops_the_start(make_server, tmp_path):
    os.chmod(tmp_path, 0o755)
    path = tmp_path / "none.pem"
    path.write_text("nothing\n")
    s = make_server(start=False, users=1, settings={"tls_client_ca": str(path)})
    if s.peer != "mailkeep":
        pytest.skip("the peer has its own settings")
    with pytest.raises(RuntimeError) as e:
        s.start()
    assert "tls_client_ca" in str(e.value)


def reload(server):
    assert "not" not in mailkeep(server, "reload").splitlines()[0]


def test_l71_revoked(make_server, tmp_path):
    """A certificate in its authority's list opens nothing from the reload on; the others do."""
    os.chmod(tmp_path, 0o755)
    authority = Authority(tmp_path)
    crl = authority.revoke()
    s = make_server(users=4, settings={"tls_client_ca": authority.path, "tls_client_crl": crl,
                                       "login_failure_delay": "0", "login_failures_max": "100"})
    if s.peer != "mailkeep":
        pytest.skip("the peer has its own ports")
    lost, kept = (authority.sign(name, f"email:{s.user(1)}") for name in ("lost", "kept"))
    assert external(s, "imap", lost)[0] == "yes" and external(s, "imap", kept)[0] == "yes"
    with Exchange(s, "imap", tls=lost.wrap_socket) as x:
        assert x.begin("EXTERNAL", "=") == "yes"
        authority.revoke("lost")
        reload(s)
        for protocol in PROTOCOLS:
            said, line = external(s, protocol, lost, offered=False)
            assert said == "no", line
            assert external(s, protocol, kept)[0] == "yes"
    # Another authority's list is none of this one's, and a list that is over is none at all.
    other = Authority(tmp_path, "other")
    other.revoke(path=crl)
    reload(s)
    assert external(s, "imap", kept, offered=False)[0] == "no"
    authority.revoke(path=crl, days="-1")
    reload(s)
    assert external(s, "imap", kept, offered=False)[0] == "no"
    assert "a list is over" in s.log_tail(200)
    authority.revoke(path=crl)
    reload(s)
    assert external(s, "imap", kept)[0] == "yes"
    # What is no list is refused by a reload, and what is in use stays.
    with open(crl, "w") as f:
        f.write("nothing")
    r = subprocess.run([mailkeep_binary(), "-c", s.conf_path, "reload"], capture_output=True,
                       text=True, timeout=120)
    assert r.returncode != 0 and "tls_client_crl" in r.stdout + r.stderr
    assert external(s, "imap", kept)[0] == "yes"
    assert external(s, "imap", lost, offered=False)[0] == "no"


def test_authorities_change_without_a_restart(world, tmp_path):
    s, authority = world
    later = Authority(tmp_path, "later")
    mine, new = authority.sign("mine", f"email:{s.user(1)}"), later.sign("new", f"email:{s.user(1)}")
    assert external(s, "imap", new, offered=False)[0] == "no"
    with open(later.path) as f, open(authority.path, "a") as both:
        both.write(f.read())
    reload(s)
    assert external(s, "imap", new)[0] == "yes" and external(s, "imap", mine)[0] == "yes"
    with open(later.path) as f, open(authority.path, "w") as only:
        only.write(f.read())
    reload(s)
    assert external(s, "imap", new)[0] == "yes"
    assert external(s, "imap", mine, offered=False)[0] == "no"
