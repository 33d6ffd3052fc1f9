# SPDX-License-Identifier: Apache-2.0
"""Filters through the whole server: the gate, the courier and its sandbox, an rspamd of the test's."""
import http.server
import json
import threading

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
    server = make_server(settings={"filters": f'"rspamd http://127.0.0.1:{port}"', **more})
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
