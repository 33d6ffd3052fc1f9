# SPDX-License-Identifier: Apache-2.0
"""/metrics: the text format held to its grammar, figures that move with what happens, and who may
read them."""
import imaplib
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from hostile import still_served
from servers import free_port, server_class

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'^({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\["\\n])*",?)+)\}})? (\S+)$')
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"')


class Figures:
    """A parse of the text format that bears nothing."""

    def __init__(self, text):
        assert text.endswith("\n") and "\r" not in text
        self.types, self.helps, self.samples, family = {}, {}, {}, None
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP "):
                family, words = line[7:].split(" ", 1)
                assert family not in self.helps and words.strip() == words and words
                self.helps[family] = words
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert name == family and name not in self.types, "TYPE follows its HELP, once"
                assert kind in ("counter", "gauge", "histogram")
                self.types[name] = kind
            else:
                self.take(line, family)
        assert self.helps.keys() == self.types.keys()
        for name, kind in self.types.items():
            assert (kind == "counter") == name.endswith("_total"), name
            assert any(n.startswith(name) for n, _ in self.samples), name
            if kind == "histogram":
                self.check_histogram(name)

    def take(self, line, family):
        m = SAMPLE.match(line)
        assert m, line
        name, labels, value = m.groups()
        labels = tuple(LABEL.findall(labels or ""))
        assert len({k for k, _ in labels}) == len(labels)
        base = name
        if self.types.get(family) == "histogram":
            base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert base == family, f"{name} stands in the family {family}"
        assert (name, labels) not in self.samples, line
        self.samples[name, labels] = float(value)

    def check_histogram(self, name):
        buckets = [(float(dict(k)["le"].replace("+Inf", "inf")), v)
                   for (n, k), v in self.samples.items() if n == name + "_bucket"]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
        assert [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert self.samples[name + "_count", ()] == buckets[-1][1]

    def of(self, name, **labels):
        return self.samples[name, tuple(labels.items())]


class Admin:
    def __init__(self, server, port):
        self.server, self.port = server, port

    def get(self, path, *options, host="127.0.0.1"):
        """(status, fields, body)."""
        r = subprocess.run(["curl", "-sS", "-i", "--max-time", "60", "-H", f"Host: {host}",
                            *options, f"http://127.0.0.1:{self.port}{path}"],
                           capture_output=True, timeout=120, check=True)
        head, _, body = r.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return (int(first.split()[1]), {n.lower(): v for n, v in (x.split(": ", 1) for x in lines)},
                body.decode())

    def figures(self):
        status, fields, body = self.get("/metrics")
        assert status == 200
        assert fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Figures(body)


@pytest.fixture(scope="module")
def admin():
    missing = server_class().missing()
    if missing or server_class().peer != "mailkeep":
        pytest.skip(missing or "another server's metrics are not tested")
    port = free_port()
    server = server_class()(users=2, settings={
        "server_name": "mail.example.org", "listen_admin": f"127.0.0.1:{port}"})
    try:
        server.start()
        yield Admin(server, port)
    finally:
        server.close()


def test_every_documented_family_is_there_and_no_other(admin):
    path = os.path.join(os.path.dirname(__file__), "../../docs/metrics.md")
    with open(path, encoding="utf-8") as f:
        docs = f.read()
    named = {n for n in re.findall(r"`(mailkeep_[a-z_]+)`", docs.split("|---|---|---|---|")[1])}
    assert set(admin.figures().types) == named


def test_figures_move_with_what_happens(admin):
    server, before = admin.server, admin.figures()
    assert before.of("mailkeep_keep_up") == 1
    user = f"u1@{server.domain}"
    with imaplib.IMAP4("127.0.0.1", server.port) as c:
        c.login(user, server.password)
        c.append("INBOX", None, None, b"Subject: a\r\n\r\nb\r\n")
        during = admin.figures()
        assert during.of("mailkeep_gate_connections_total", protocol="imap") == \
            before.of("mailkeep_gate_connections_total", protocol="imap") + 1
        assert during.of("mailkeep_keep_sessions") == before.of("mailkeep_keep_sessions") + 1
        assert during.of("mailkeep_keep_logins_total", result="accepted") == \
            before.of("mailkeep_keep_logins_total", result="accepted") + 1
        assert during.of("mailkeep_store_bodies") == before.of("mailkeep_store_bodies") + 1
        assert during.of("mailkeep_store_commit_seconds_count") > \
            before.of("mailkeep_store_commit_seconds_count")
        with pytest.raises(imaplib.IMAP4.error):
            imaplib.IMAP4("127.0.0.1", server.port).login(user, "wrong")
        after = admin.figures()
        assert after.of("mailkeep_gate_logins_total", protocol="imap", result="refused") == \
            before.of("mailkeep_gate_logins_total", protocol="imap", result="refused") + 1
        assert after.of("mailkeep_gate_http_responses_total", listener="admin", status="2xx") > \
            before.of("mailkeep_gate_http_responses_total", listener="admin", status="2xx")


def test_promtool_finds_nothing(admin):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool (Debian: prometheus) is not here")
    r = subprocess.run([promtool, "check", "metrics"], input=admin.get("/metrics")[2].encode(),
                       capture_output=True, timeout=60)
    assert (r.returncode, r.stdout, r.stderr) == (0, b"", b"")


def test_only_under_a_name_of_this_machine(admin):
    for host, status in (("127.0.0.1", 200), (f"localhost:{admin.port}", 200), ("[::1]", 200),
                         ("mail.example.org", 200), ("evil.example", 421), ("127.evil", 421)):
        assert admin.get("/metrics", host=host)[0] == status, host
    assert admin.get("/metrics", "-X", "POST")[0] == 405
    assert admin.get("/mail/config-v1.1.xml")[0] == 404  # what is public is not here
    assert admin.get("/healthz")[0] == 200


def test_many_at_once_and_those_that_go_away(admin):
    for i in range(40):
        s = socket.create_connection(("127.0.0.1", admin.port), timeout=60)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if i % 2:
            s.close()
    end = time.monotonic() + 60
    while not admin.figures().of("mailkeep_keep_up"):  # it has all those to answer first
        assert time.monotonic() < end
    s = socket.create_connection(("127.0.0.1", admin.port), timeout=60)
    n = 20
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * (n - 1) +
              b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    out = b""
    while piece := s.recv(65536):
        out += piece
    assert out.count(b"HTTP/1.1 200 OK") == n
    assert out.count(b"\nmailkeep_store_commits_total ") == n
    still_served(admin.server, 1)


def test_public_listeners_have_no_metrics():
    port = free_port()
    server = server_class()(users=1, settings={"listen_http": f"127.0.0.1:{port}"})
    try:
        server.start()
        assert Admin(server, port).get("/metrics")[0] == 404
    finally:
        server.close()


def test_elsewhere_than_on_loopback_only_over_tls():
    port = free_port()
    server = server_class()(users=1, settings={"listen_admin": f"0.0.0.0:{port}"})
    try:
        server.start()
        over_tls = subprocess.run(
            ["curl", "-sS", "-k", "--max-time", "60", f"https://127.0.0.1:{port}/metrics"],
            capture_output=True, timeout=120, check=True)
        assert Figures(over_tls.stdout.decode()).of("mailkeep_keep_up") == 1
        clear = subprocess.run(
            ["curl", "-s", "--max-time", "60", f"http://127.0.0.1:{port}/metrics"],
            capture_output=True, timeout=120, check=False)
        assert clear.returncode != 0 and not clear.stdout
    finally:
        server.close()
