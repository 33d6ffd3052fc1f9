# SPDX-License-Identifier: Apache-2.0
"""Filters through the whole server: the gate, the courier and its sandbox, an rspamd of the test's."""
import contextlib
import http.server
import json
import subprocess
import textwrap
import threading
import time

import pytest

from talk import Smtp

MESSAGE = b"From: a@x.example\r\nSubject: one\r\n\r\nhi\r\n.\r\n"


class Rspamd(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answer, self.heard = {"action": "no action"}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers, body))
        answer = json.dumps(self.server.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(name="rspamd")
def _rspamd():
    server = Rspamd()
    yield server
    server.shutdown()
    server.server_close()


def start(make_server, port, **more):
    return start_with(make_server, f"rspamd http://127.0.0.1:{port}", **more)


def start_with(make_server, text, **more):
    server = make_server(settings={"filters": f'"{text}"', **more})
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own filters")
    return server


def send(server, *recipients):
    with Smtp(server.smtp_port) as c:
        c.cmd("EHLO client.example")
        c.envelope("a@x.example", server.user(1), *recipients)
        return c.data(MESSAGE)


def mailbox(server, name):
    with server.login(1) as c:
        c.select(name)
        got = c.ok("FETCH 1:* (BODY.PEEK[])").all(b"FETCH")
        return [m.attributes()[b"BODY[]"] for m in got]


def test_filters_decide(make_server, rspamd):
    server = start(make_server, rspamd.server_port)
    assert send(server, "nobody@example.org").startswith(b"250 ")
    path, headers, body = rspamd.heard[-1]
    assert path == "/checkv2" and headers["IP"] == "127.0.0.1"
    assert headers["From"] == "a@x.example"
    assert headers.get_all("Rcpt") == [server.user(1)]  # the other one was refused
    assert body.endswith(b"\r\n\r\nhi\r\n") and b"Subject: one\r\n" in body
    rspamd.answer = {"action": "rewrite subject", "subject": "*** one"}
    assert send(server).startswith(b"250 ")
    plain, rewritten = mailbox(server, "INBOX")
    assert plain.count(b"Subject: one\r\n") == 1 and b"X-Spam-Score: " in plain
    assert rewritten.count(b"Subject:") == 1 and b"Subject: *** one\r\n" in rewritten
    rspamd.answer = {"action": "reject", "messages": {"smtp_message": "554 5.6.0 spam"}}
    assert send(server) == b"554 5.6.0 spam"
    rspamd.answer = {"action": "add header"}
    assert send(server).startswith(b"250 ")
    junk, = mailbox(server, "Junk")
    assert b"X-Spam: Yes\r\n" in junk


@pytest.mark.parametrize("away, code", [("defer", b"451 4.3.0 "), ("accept", b"250 ")])
def test_a_filter_is_away(make_server, rspamd, away, code):
    rspamd.answer = {"action": "no such thing"}
    server = start(make_server, rspamd.server_port, filter_away=away)
    assert send(server).startswith(code)


# ---- a milter at a path: libmilter, by way of python3-milter ------------------------------------

MILTER = """
    import sys
    import Milter

    class Test(Milter.Base):
        def eom(self):
            self.addheader("X-Seen", "by a milter")
            return Milter.ACCEPT

    Milter.factory = Test
    Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS)
    Milter.runmilter("test", sys.argv[1], 60)
"""


@contextlib.contextmanager
def milter(folder, path):
    """Serves at the path from then on until the end."""
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import Milter"], capture_output=True,
                      check=False).returncode:
        pytest.skip("python3-milter is not installed")
    script = folder / "a_filter.py"
    script.write_text(textwrap.dedent(MILTER))
    with subprocess.Popen([python, script, f"unix:{path}"]) as process:
        try:
            while not path.exists():
                assert process.poll() is None
                time.sleep(0.05)
            yield
        finally:
            process.kill()
    path.unlink(missing_ok=True)


def test_a_milter_at_a_path(make_server, tmp_path):
    path = tmp_path / "milter.sock"
    server = start_with(make_server, f"milter unix:{path}")
    assert send(server).startswith(b"451 4.3.0 ")  # it is not there yet
    with milter(tmp_path, path):
        assert send(server).startswith(b"250 ")
    assert send(server).startswith(b"451 4.3.0 ")  # nor any more
    got, = mailbox(server, "INBOX")
    assert b"X-Seen: by a milter\r\n" in got


def test_a_milter_at_a_path_that_is_a_link(make_server, tmp_path):
    path, link = tmp_path / "milter.sock", tmp_path / "link.sock"
    link.symlink_to(path)
    server = start_with(make_server, f"milter unix:{link}", filter_away="accept")
    with milter(tmp_path, path):
        assert send(server).startswith(b"250 ")
    got, = mailbox(server, "INBOX")
    assert b"X-Seen: " not in got  # nobody asked it
