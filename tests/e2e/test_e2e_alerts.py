# SPDX-License-Identifier: Apache-2.0
"""Owners are warned, in their INBOX, of what is unusual; once, and by nobody but the server (L30, L31, L32, L34)."""
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest
from servers import PASSWORD

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

QUICK = {"alerts": "yes", "alert_learn": "0", "alert_pause": "0", "login_failure_delay": "0",
         "auth_failures_max": 1000, "auth_network_failures_max": 1000, "alert_failures": 5,
         "alert_folders": 4, "alert_deleted": 20}


@pytest.fixture
def server(make_server):
    return make_server(users=2, settings=QUICK)


def sign_in(server, user=1, source="127.0.0.1", password=PASSWORD):
    """By IMAP from one of loopback's addresses; whether it succeeded."""
    with socket.create_connection(("127.0.0.1", server.port), 30, (source, 0)) as s:
        answers = s.makefile("rb")
        answers.readline()
        s.sendall(f"a LOGIN {server.user(user)} {json.dumps(password)}\r\nb LOGOUT\r\n".encode())
        for line in answers:
            if line.startswith(b"a "):
                return line.startswith(b"a OK")
    raise AssertionError("no answer")


def alerts(server, user=None):
    words = [server.user(user)] if user else []
    out = server.command("--json", "alert", "list", *words).stdout
    return [json.loads(line) for line in out.splitlines()]


def wait_alerts(server, wanted, user=1):
    for _ in range(300):
        got = alerts(server, user)
        if wanted(got):
            return got
        time.sleep(0.1)
    raise AssertionError(got)


def settled(server, user=1):
    """What was found when everything up to now has been looked at: a change that is found is made."""
    mark = f"mark{time.monotonic_ns()}"
    server.command("account", "device", "add", server.user(user), mark)
    return [a for a in wait_alerts(server, lambda got: any(a.get("device") == mark for a in got), user)
            if not a.get("device", "").startswith("mark")]


def letters(server, user=1, kind=None):
    """The warnings in INBOX, with their flags."""
    found = []
    with server.login(user) as c:
        c.ok("SELECT INBOX")
        for f in c.ok("FETCH 1:* (FLAGS BODY.PEEK[])").fetches().values():
            m = email.message_from_bytes(f[b"BODY[]"], policy=email.policy.default)
            if "Mailkeep-Alert" in m and kind in (None, m["Mailkeep-Alert"]):
                found.append((m, f[b"FLAGS"]))
    return found


def wait_letter(server, kind, user=1, n=1):
    for _ in range(300):
        got = letters(server, user, kind)
        if len(got) >= n:
            return got
        time.sleep(0.1)
    raise AssertionError((kind, got, server.log_tail()))


def kinds(got):
    return sorted(a["kind"] for a in got)


def test_sign_in_from_a_new_network(server):
    assert sign_in(server)
    assert settled(server) == []  # the first one is nobody's surprise
    assert sign_in(server, source="127.0.9.1")  # in the same /16
    assert settled(server) == []
    assert sign_in(server, source="127.66.0.1")
    (letter, flags), = wait_letter(server, "new-network")
    assert b"$MailkeepAlert" in flags
    assert letter["To"] == f"<{server.user(1)}>" or server.user(1) in letter["To"]
    assert letter["Subject"] == "Security: Sign-in from a new network"
    text = re.sub(r"\s+", " ", letter.get_content())
    assert "127.66.0.0/24" in text and "Change your password at once" in text
    assert "http" not in text and letter.get_content_type() == "text/plain"
    got = settled(server)
    assert [(a["kind"], a["state"], a["network"]) for a in got] == [
        ("new-network", "told", "127.66.0.0/24")]
    for _ in range(3):  # it is known now
        assert sign_in(server, source="127.66.0.7")
    assert len(settled(server)) == 1 and len(letters(server, kind="new-network")) == 1
    assert alerts(server, 2) == [] and letters(server, 2) == []
    with open(server.log_path, errors="replace") as f:
        assert f'alert kind=new-network account={server.user(1)}' in f.read()
    said = server.command("alert", "list").stdout
    assert f"{server.user(1)}  new-network\n" in said and "127.66.0.0/24" in said


def test_nothing_is_told_twice_or_lost_over_a_kill(server):
    assert sign_in(server)
    settled(server)
    for i in range(3):
        while not sign_in(server, source=f"127.{100 + i}.0.1"):  # keep is on its way up again
            time.sleep(0.1)
        server.kill("keep")
    # The history of what came right before a kill may have lost it: whoever comes again is new.
    for i in range(3):
        while not sign_in(server, source=f"127.{100 + i}.0.1"):
            time.sleep(0.1)
    wait_alerts(server, lambda got: len({a.get("network") for a in got} - {None}) == 3)
    got = settled(server)
    assert kinds(got) == ["new-network"] * 3
    wait_letter(server, "new-network", n=3)
    server.restart()
    assert sign_in(server, source="127.102.0.1")
    assert kinds(settled(server)) == ["new-network"] * 3
    seen = [re.search(r"127\.\d+\.0\.0/24", m.get_content())[0] for m, _ in letters(server, kind="new-network")]
    assert sorted(seen) == [f"127.{100 + i}.0.0/24" for i in range(3)]


def test_a_test_arrives_and_mutes_are_kept(server):
    user = server.user(1)
    assert "within seconds" in server.command("alert", "test", user).stdout
    (letter, flags), = wait_letter(server, "test")
    assert "nothing has happened" in re.sub(r"\s+", " ", letter.get_content()) and b"$MailkeepAlert" in flags
    assert sign_in(server)
    settled(server)
    server.command("alert", "mute", user, "new-network")
    assert "warnings muted: new-network" in server.command("log", user).stdout
    assert sign_in(server, source="127.66.0.1")
    got = [a for a in settled(server) if a["kind"] != "test"]
    assert [(a["kind"], a["state"]) for a in got] == [("new-network", "muted")]
    server.command("alert", "mute", user, "--off")
    assert sign_in(server, source="127.67.0.1")
    wait_letter(server, "new-network")
    assert server.command("alert", "mute", user, "no-such", check=False).returncode != 0
    server.stop()
    assert "when the server runs again" in server.command("alert", "test", user).stdout
    server.start()
    wait_letter(server, "test", n=2)
    server.stop()
    assert server.command("check").stdout.endswith("All is well.\n")


def test_mail_from_outside_is_not_taken_for_a_warning(server):
    m = "From: Security <postmaster@elsewhere.example>\r\nMAILKEEP-alert: new-network\r\n" \
        "Mailkeep-Alert\t: test\r\nSubject: Security: hurry\r\n\r\nClick here.\r\n"
    with smtplib.SMTP("127.0.0.1", server.smtp_port, "elsewhere.example", timeout=30) as s:
        s.sendmail("x@elsewhere.example", [server.user(1)], m)
    with server.login(1) as c:
        for _ in range(100):
            c.ok("SELECT INBOX")
            found = list(c.ok("FETCH 1:* (FLAGS BODY.PEEK[])").fetches().values())
            if found:
                break
            time.sleep(0.1)
    (got,) = found
    assert b"Security: hurry" in got[b"BODY[]"] and b"alert" not in got[b"BODY[]"].lower()
    assert b"$MailkeepAlert" not in got[b"FLAGS"]


def test_a_forwarding_out_folders_deletion_and_quota(server):
    user = server.user(1)
    server.command("account", "forward", user, server.user(2), "--keep")  # one of ours
    assert settled(server) == []
    server.command("account", "forward", user, server.user(2), "thief@elsewhere.example", "--keep")
    (letter, _), = wait_letter(server, "mail-out")
    assert "thief@elsewhere.example" in letter.get_content()
    server.command("account", "forward", user, "--off")
    with server.login(1) as c:
        for i in range(4):
            c.ok(f"CREATE f{i}")
        for i in range(3):
            c.ok(f"DELETE f{i}")
        assert kinds(settled(server)) == ["mail-out"]
        c.ok("RENAME f3 f4")
        wait_letter(server, "folders")
        for _ in range(40):
            c.append("Archive", b"Subject: x\r\n\r\nx\r\n")
        c.select("Archive")
        c.ok("UID STORE 1:19 +FLAGS.SILENT (\\Deleted)")
        c.ok("EXPUNGE")
        assert kinds(settled(server)) == ["folders", "mail-out"]
        c.ok("MOVE 1 Trash")
        wait_letter(server, "deletion")
        c.select("Trash")  # what is there was deleted before
        for _ in range(30):
            c.append("Trash", b"Subject: x\r\n\r\nx\r\n", flags="\\Deleted")
        c.ok("EXPUNGE")
    assert kinds(settled(server)) == ["deletion", "folders", "mail-out"]
    server.command("account", "quota", server.user(2), "10 MB", "--messages", "20")
    with server.login(2) as c:
        for _ in range(14):
            c.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
    assert settled(server, 2) == []
    with server.login(2) as c:
        c.append("Archive", b"Subject: x\r\n\r\nx\r\n")
    (letter, _), = wait_letter(server, "quota", 2)
    assert "80 per cent" in letter.get_content()


def test_a_rule_that_sends_mail_out(server, tmp_path):
    user = server.user(1)

    def script(name, text, *more):
        (tmp_path / name).write_text(text)
        server.command("sieve", "put", user, name, str(tmp_path / name), *more)

    script("a", f'redirect "{server.user(2)}"; keep;', "--activate")
    script("b", 'redirect "thief@elsewhere.example";')  # not active
    assert settled(server) == []
    script("a", 'require "include"; include :personal "b";', "--activate")
    (letter, _), = wait_letter(server, "mail-out")
    assert "thief@elsewhere.example" in letter.get_content()
    script("b", '# the same\r\nredirect "THIEF@elsewhere.example";')
    assert len(settled(server)) == 1
    script("b", 'require "variables"; set "x" "thief"; redirect "${x}@elsewhere.example";')
    found = [m.get_content() for m, _ in wait_letter(server, "mail-out", n=2)]
    assert "puts together" in re.sub(r"\s+", " ", found[1])
    # It is there although the rules throw everything away.
    script("c", "discard;", "--activate")
    server.command("account", "forward", user, "other@elsewhere.example")
    wait_letter(server, "mail-out", n=3)


def test_while_alerts_are_off_nothing_is_news(server):
    server.settings["alerts"] = "no"
    server.write_conf()
    server.reload()
    server.command("account", "forward", server.user(1), "x@elsewhere.example")
    server.command("alert", "test", server.user(1))  # asked for, so it comes all the same
    wait_letter(server, "test")  # and what was there before has been looked at
    server.settings["alerts"] = "yes"
    server.write_conf()
    server.reload()
    assert kinds(settled(server)) == ["test"]


def test_too_many_of_a_kind_are_only_listed(make_server):
    server = make_server(users=1, settings={**QUICK, "alert_pause": "1 h"})
    for i in range(3):
        server.command("account", "device", "add", server.user(1), f"device {i}")
        wait_alerts(server, lambda got: len(got) == i + 1)
    got = alerts(server, 1)
    assert [a["state"] for a in got] == ["told", "held back", "held back"]
    assert len(wait_letter(server, "device")) == 1


KEY = "a long enough key of the webhook"


class Hook:
    """An administrator's webhook: HTTPS on loopback; keeps what it took, says no as often as told."""

    def __init__(self, folder):
        self.folder, self.taken, self.tries, self.refuse = str(folder), [], [], 0
        self.cert, self.key = os.path.join(self.folder, "hook.pem"), os.path.join(self.folder, "hook.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out",
                        self.cert], check=True, capture_output=True)
        hook, self.go_on = self, threading.Event()
        self.go_on.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.tries.append((self.path, dict(self.headers), body))
                hook.go_on.wait(30)
                said = 503 if hook.refuse > 0 else 204
                hook.refuse -= said == 503
                if said == 204:
                    hook.taken.append((dict(self.headers), body))
                self.send_response(said)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with open(os.path.join(self.folder, "hook.secret"), "w") as f:
            f.write(KEY + "\n")

    def settings(self, **more):
        return {**QUICK, "alert_webhook": f'"https://127.0.0.1:{self.server.server_port}/hooks/mail?a=b"',
                "alert_webhook_key_file": f'"{self.folder}/hook.secret"',
                "alert_webhook_ca_file": f'"{self.cert}"', **more}

    def wait(self, n):
        for _ in range(300):
            if len(self.taken) >= n:
                return [json.loads(body) for _, body in self.taken]
            time.sleep(0.1)
        raise AssertionError(self.taken)


@pytest.fixture
def hook(tmp_path):
    h = Hook(tmp_path)
    yield h
    h.server.shutdown()
    h.server.server_close()


def test_the_webhook_gets_what_is_signed(make_server, hook):
    server = make_server(users=2, settings=hook.settings())
    user = server.user(1)
    server.command("account", "forward", user, "thief@elsewhere.example")
    got, = hook.wait(1)
    assert (got["kind"], got["account"], got["words"]) == ("mail-out", user, "thief@elsewhere.example")
    assert "thief@elsewhere.example" in got["sentence"]
    path, headers, body = hook.tries[0]
    assert path == "/hooks/mail?a=b" and headers["Content-Type"] == "application/json"
    when, mac = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Mailkeep-Signature"]).groups()
    assert mac == hmac.new(KEY.encode(), f"{when}.".encode() + body, hashlib.sha256).hexdigest()
    # It says no for a while, and the courier dies: nothing is lost, the order stays.
    hook.refuse = 2
    for i in range(3):
        server.command("account", "device", "add", user, f"device {i}")
        wait_alerts(server, lambda got: len(got) == i + 2)
    server.kill("courier")
    got = hook.wait(4)
    assert len({g["id"] for g in got}) == 4
    assert [g["device"] for g in got[1:]] == ["device 0", "device 1", "device 2"]
    assert [a["webhook_due"] for a in alerts(server)] == [False] * 4 or \
        wait_alerts(server, lambda got: not any(a["webhook_due"] for a in got))
    # Over a stop, too.
    hook.refuse = 1
    server.stop()
    server.command("alert", "test", server.user(2))
    server.start()
    assert hook.wait(5)[4]["kind"] == "test"
    wait_alerts(server, lambda got: not any(a["webhook_due"] for a in got), 2)
    server.stop()
    assert server.command("check").stdout.endswith("All is well.\n")


def test_a_webhook_is_tried_again_whatever_happens_meanwhile(make_server, hook):
    """Letters that are delivered in the turn in which the webhook says no are changes to look at, a
    moment before the next try; that look must not use up the alarm for the try."""
    server = make_server(users=31, settings=hook.settings())
    hook.refuse = 1
    hook.go_on.clear()
    server.command("alert", "test", server.user(1))
    for _ in range(600):
        if hook.tries:
            break
        time.sleep(0.05)
    for i in range(30):
        server.control("alert test", account=server.user(i + 2))
    hook.go_on.set()
    assert len(hook.wait(31)) == 31


def test_a_webhook_that_is_not_to_be_trusted_gets_nothing(make_server, hook, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    server = make_server(users=1, settings=hook.settings(alert_webhook_ca_file=f'"{Hook(other).cert}"'))
    server.command("alert", "test", server.user(1))
    for _ in range(300):
        with open(server.log_path, errors="replace") as f:
            if "could not be sent to alert_webhook" in f.read():
                break
        time.sleep(0.1)
    else:
        raise AssertionError(server.log_tail())
    assert hook.tries == [] and alerts(server)[0]["webhook_due"]
    wait_letter(server, "test")  # the owner's does not wait for it


def test_a_webhook_without_a_key_does_not_start(make_server, hook):
    server = make_server(start=False, users=1, settings=hook.settings(alert_webhook_key_file='"/nowhere"'))
    with pytest.raises(Exception):
        server.start()
    with open(server.log_path, errors="replace") as f:
        assert "alert_webhook_key_file" in f.read()
