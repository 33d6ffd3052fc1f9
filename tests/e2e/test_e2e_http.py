# SPDX-License-Identifier: Apache-2.0
"""HTTP as strangers speak it: curl for what is served, raw bytes for case W07 (reliability.md)."""
import json
import plistlib
import re
import socket
import ssl
import subprocess
import xml.etree.ElementTree as xml

import pytest

from hostile import still_served
from imapwire import client_context
from servers import free_port

DOMAIN = "example.org"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/"
REQUEST = ('<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="' + OUTLOOK +
           'requestschema/2006"><Request><EMailAddress>{}</EMailAddress>'
           f'<AcceptableResponseSchema>{OUTLOOK}responseschema/2006a</AcceptableResponseSchema>'
           '</Request></Autodiscover>')


class Web:
    """A server with HTTPS and HTTP, and curl."""

    def __init__(self, make_server, **settings):
        self.https, self.http = free_port(), free_port()
        self.server = make_server(settings={
            "server_name": "mail.example.org", "listen_https": f"127.0.0.1:{self.https}",
            "listen_http": f"127.0.0.1:{self.http}", **settings})

    def curl(self, url, *options, data=None):
        """(status, fields, body) of the last answer."""
        host = re.match(r"https?://([^/]+)", url)[1]
        port = self.https if url.startswith("https") else self.http
        r = subprocess.run(
            ["curl", "-sS", "-k", "-i", "--max-time", "60", "--connect-to",
             f"{host}::127.0.0.1:{port}", *options, *(["--data-binary", "@-"] if data else []),
             url], input=data, capture_output=True, timeout=120, check=True)
        return parse(r.stdout)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.http), timeout=60)
        return s

    def talk(self, *pieces):
        """What comes back for these bytes until the server closes."""
        with self.connect() as s:
            try:
                for piece in pieces:
                    s.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has answered and does not listen any more
            return read_all(s)


def read_all(s):
    out = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return out
        if not piece:
            return out
        out += piece


def parse(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), fields, body.decode()


@pytest.fixture(scope="module")
def web():
    from servers import server_class
    missing = server_class().missing()
    if missing or server_class().peer != "mailkeep":
        pytest.skip(missing or "another server's HTTP is not tested")
    running = []

    def make(**options):
        running.append(server_class()(users=3, **options))
        running[0].start()
        return running[0]

    try:
        yield Web(make)
    finally:
        for s in running:
            s.close()


def request(path="/healthz", host="mail.example.org", method="GET", extra="", body=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n{body}".encode()


LAST = request(extra="Connection: close\r\n")


# ---- what is served ----
def test_mta_sts_policy_is_the_one_that_domain_dns_shows(web):
    status, fields, body = web.curl(f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt")
    assert status == 200 and fields["content-type"] == "text/plain"
    assert body == ("version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\n"
                    "max_age: 604800\r\n")
    shown = json.loads(web.server.command("--json", "domain", "dns", DOMAIN).stdout)
    assert shown["policy"] == body
    assert [r["zone"] for r in shown["records"] if r["type"] == "CNAME"] == [
        f"{label}.{DOMAIN}. IN CNAME mail.example.org."
        for label in ("mta-sts", "autoconfig", "autodiscover")]
    assert shown["policy_served"] is True
    assert "which this server serves as https://mta-sts." in \
        web.server.command("domain", "dns", DOMAIN).stdout
    assert shown["policy_url"] == f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt"


@pytest.mark.parametrize("host,status", [
    (f"mta-sts.{DOMAIN}", 200), (f"MTA-STS.{DOMAIN.upper()}", 200), (f"mta-sts.{DOMAIN}.", 200),
    (DOMAIN, 404), ("mta-sts.example.net", 404), (f"mta-sts.mta-sts.{DOMAIN}", 404),
    (f"evil-mta-sts.{DOMAIN}", 404), ("mta-sts.", 404), ("mta-sts", 404),
    (f"mta-sts.{'a' * 230}.example", 404)])
def test_w07_policy_only_for_our_domains_whatever_host_says(web, host, status):
    answer = web.talk(request("/.well-known/mta-sts.txt", host, extra="Connection: close\r\n"))
    assert parse(answer)[0] == status, answer


def test_policy_of_the_settings(make_server):
    if make_server(start=False).peer != "mailkeep":
        pytest.skip("ours only")
    web = Web(make_server, mta_sts_mode="testing", mta_sts_none="other.example",
              mta_sts_max_age="1 d", mta_sts_mx="mx1.example.net, *.example.com")
    _, _, body = web.curl(f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt")
    assert body == ("version: STSv1\r\nmode: testing\r\nmx: mx1.example.net\r\n"
                    "mx: *.example.com\r\nmax_age: 86400\r\n")
    shown = json.loads(web.server.command("--json", "domain", "dns", DOMAIN).stdout)
    assert shown["policy"] == body
    web.server.control("domain add", domain="other.example")
    _, _, body = web.curl("https://mta-sts.other.example/.well-known/mta-sts.txt")
    assert "mode: none\r\n" in body
    shown = json.loads(web.server.command("--json", "domain", "dns", "other.example").stdout)
    assert shown["policy"] == body


@pytest.mark.parametrize("url", [
    f"https://autoconfig.{DOMAIN}/mail/config-v1.1.xml",
    f"http://autoconfig.{DOMAIN}/mail/config-v1.1.xml?emailaddress=anna%40{DOMAIN}",
    f"https://{DOMAIN}/.well-known/autoconfig/mail/config-v1.1.xml",
    f"https://mail.example.org/mail/config-v1.1.xml?emailaddress=anna%40{DOMAIN}"])
def test_autoconfig(web, url):
    status, fields, body = web.curl(url)
    assert status == 200 and fields["content-type"].startswith("text/xml")
    root = xml.fromstring(body)
    provider = root.find("emailProvider")
    assert root.get("version") == "1.1" and provider.get("id") == DOMAIN
    assert provider.find("domain").text == DOMAIN
    found = [(s.tag, s.get("type"), s.find("hostname").text, int(s.find("port").text),
              s.find("socketType").text, s.find("username").text) for s in provider
             if s.tag.endswith("Server")]
    s, name = web.server, "%EMAILADDRESS%"
    assert found == [
        ("incomingServer", "imap", "mail.example.org", s.tls_port, "SSL", name),
        ("incomingServer", "imap", "mail.example.org", s.port, "STARTTLS", name),
        ("incomingServer", "pop3", "mail.example.org", s.pop3s_port, "SSL", name),
        ("incomingServer", "pop3", "mail.example.org", s.pop3_port, "STARTTLS", name),
        ("outgoingServer", "smtp", "mail.example.org", s.submissions_port, "SSL", name),
        ("outgoingServer", "smtp", "mail.example.org", s.submission_port, "STARTTLS", name)]


@pytest.mark.parametrize("url,status", [
    ("https://autoconfig.example.net/mail/config-v1.1.xml", 404),
    ("https://mail.example.org/mail/config-v1.1.xml", 404),
    ("https://mail.example.org/mail/config-v1.1.xml?emailaddress=anna", 400),
    ("https://mail.example.org/mail/config-v1.1.xml?emailaddress=anna%40example.net", 404)])
def test_autoconfig_of_others_is_not_there(web, url, status):
    assert web.curl(url)[0] == status


@pytest.mark.parametrize("path", ["autodiscover/autodiscover.xml", "Autodiscover/Autodiscover.xml"])
def test_autodiscover(web, path):
    status, fields, body = web.curl(f"https://autodiscover.{DOMAIN}/{path}", "-H",
                                    "Content-Type: text/xml",
                                    data=REQUEST.format(f" u1@{DOMAIN} ").encode())
    assert status == 200 and fields["content-type"].startswith("text/xml")
    space = {"o": OUTLOOK + "responseschema/2006a"}
    account = xml.fromstring(body).find("o:Response/o:Account", space)
    assert account.find("o:AccountType", space).text == "email"
    found = {p.find("o:Type", space).text: {e.tag.rpartition("}")[2]: e.text for e in p}
             for p in account.findall("o:Protocol", space)}
    assert sorted(found) == ["IMAP", "POP3", "SMTP"]
    for kind, port in (("IMAP", web.server.tls_port), ("SMTP", web.server.submissions_port)):
        p = found[kind]
        assert p["Server"] == "mail.example.org" and int(p["Port"]) == port
        assert p["LoginName"] == f"u1@{DOMAIN}" and p["SSL"] == "on" and p["Encryption"] == "SSL"


@pytest.mark.parametrize("data,status", [
    (REQUEST.format("u1@example.net"), 404), (REQUEST.format("u1"), 400), ("<a", 400), ("{}", 400),
    (REQUEST.format("<b>u1@example.org</b>"), 400), (REQUEST.format("u1@example.org&#60;"), 400),
    ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + REQUEST.format("&b;"), 400),
    ("<!-- <EMailAddress>u1@example.org</EMailAddress> -->", 400),
    ("x" * 16384, 400), ("x" * 16385, 413)])
def test_autodiscover_reads_nothing_but_an_address(web, data, status):
    answer = web.curl(f"https://autodiscover.{DOMAIN}/autodiscover/autodiscover.xml",
                      data=data.encode())
    assert answer[0] == status
    assert "root:" not in answer[2]


def test_profile_for_apple(web):
    url = f"https://autoconfig.{DOMAIN}/mail/apple.mobileconfig?emailaddress=u1%40{DOMAIN}"
    status, fields, body = web.curl(url)
    assert status == 200 and fields["content-disposition"] == "attachment"
    assert fields["content-type"] == "application/x-apple-aspen-config"
    p = plistlib.loads(body.encode())
    (mail,) = p["PayloadContent"]
    assert p["PayloadType"] == "Configuration" and mail["PayloadType"] == "com.apple.mail.managed"
    assert mail["EmailAddress"] == mail["IncomingMailServerUsername"] == f"u1@{DOMAIN}"
    assert mail["EmailAccountType"] == "EmailTypeIMAP"
    assert mail["IncomingMailServerPortNumber"] == web.server.tls_port
    assert mail["OutgoingMailServerPortNumber"] == web.server.submissions_port
    assert mail["OutgoingPasswordSameAsIncomingPassword"] is True
    assert p["PayloadUUID"] != mail["PayloadUUID"]
    assert web.curl(url)[2] == body  # the same account, the same ids
    assert plistlib.loads(web.curl(url.replace("u1", "u2"))[2].encode())["PayloadUUID"] != \
        p["PayloadUUID"]
    assert web.curl(url.partition("?")[0])[0] == 400


def test_health_says_whether_mail_can_be_read(make_server):
    if make_server(start=False).peer != "mailkeep":
        pytest.skip("ours only")
    web = Web(make_server)
    assert web.curl("http://127.0.0.1/healthz")[::2] == (200, "ok\n")
    assert web.curl("https://anything.example/healthz")[0] == 200


def test_every_answer_has_its_fields(web):
    for url in ("https://mail.example.org/healthz", "https://mail.example.org/nothing"):
        _, fields, body = web.curl(url)
        assert int(fields["content-length"]) == len(body)
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["date"])
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["content-security-policy"].startswith("default-src 'none'")
        assert fields["referrer-policy"] == "no-referrer" and fields["cache-control"] == "no-store"
        assert "server" not in fields


def test_alpn_is_http_1_1(web):
    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", web.https), timeout=60) as s, \
            context.wrap_socket(s, server_hostname="localhost") as t:
        assert t.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", web.https), timeout=60) as s, \
            pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(s, server_hostname="localhost")


# ---- methods and connections ----
def test_head_get_and_other_methods(web):
    with web.connect() as s:
        s.sendall(request(method="HEAD") + request(method="POST") + request(method="BREW") +
                  request("/nothing", method="BREW") + request("*", method="OPTIONS") + LAST)
        out = read_all(s)
    heads = re.findall(rb"HTTP/1.1 (\d+)", out)
    assert heads == [b"200", b"405", b"405", b"501", b"404", b"200"], out
    head, _, rest = out.partition(b"\r\n\r\n")
    assert b"Content-Length: 3" in head and rest.startswith(b"HTTP/1.1 405")
    assert b"Allow: GET, HEAD" in rest and out.endswith(b"\r\n\r\nok\n")


def test_a_connection_is_kept_and_ends_when_asked(web):
    with web.connect() as s:
        f = s.makefile("rb")
        for i in range(20):
            s.sendall(request(extra="Connection: close\r\n" if i == 19 else ""))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += f.read(1)
            assert f.read(3) == b"ok\n"
            assert (b"Connection: close" in head) == (i == 19)
        assert f.read() == b""
    assert b"Connection: close" in web.talk(b"GET /healthz HTTP/1.0\r\n\r\n")


def test_expect_continue(web):
    body = REQUEST.format(f"u1@{DOMAIN}")
    with web.connect() as s:
        s.sendall(request("/autodiscover/autodiscover.xml", method="POST", extra=(
            f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\nConnection: close\r\n")))
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(body.encode())
        assert parse(read_all(s))[0] == 200


def test_chunked_body(web):
    body = REQUEST.format(f"u1@{DOMAIN}")
    chunks = "".join(f"{len(body[i:i + 50]):x};a=b\r\n{body[i:i + 50]}\r\n"
                     for i in range(0, len(body), 50))
    answer = web.talk(request("/autodiscover/autodiscover.xml", method="POST", extra=(
        "Transfer-Encoding: chunked\r\n"), body=chunks + "0\r\nX: y\r\n\r\n") + LAST)
    assert [m for m in re.findall(rb"HTTP/1.1 (\d+)", answer)] == [b"200", b"200"]


# ---- case W07 ----
SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: smuggled.example\r\n\r\n"


@pytest.mark.parametrize("extra,body", [
    ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nX"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\n" + SMUGGLED),
    ("Content-Length: 0\r\nContent-Length: 44\r\n", SMUGGLED),
    ("Content-Length: 0, 44\r\n", SMUGGLED),
    ("Content-Length : 44\r\n", SMUGGLED),
    (" Content-Length: 44\r\n", SMUGGLED),
    ("Content-Length: +0\r\n", SMUGGLED),
    ("Transfer-Encoding: xchunked\r\n", SMUGGLED),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + SMUGGLED),
    ("X: y\r\n Transfer-Encoding: chunked\r\n", SMUGGLED),
    ("X: y\nContent-Length: 44\r\n", SMUGGLED),
    ("X: y\rContent-Length: 44\r\n", SMUGGLED),
    ("Host: other.example\r\n", SMUGGLED),
    ("X\0: y\r\n", SMUGGLED),
])
def test_w07_smuggling_is_one_refusal_and_the_end(web, extra, body):
    answer = web.talk(request(method="POST", path="/autodiscover/autodiscover.xml", extra=extra,
                              body=body) + LAST)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) in ([b"400"], [b"501"]), answer
    assert b"Connection: close" in answer


@pytest.mark.parametrize("chunks", [
    "1;" + "x" * 1000000, "1;x\r\na\r\n" * 100000, "fffffffffffffffff\r\n", "1\na\r\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n", "0\r\n" + "X: y\r\n" * 100000, "ffffffff\r\n" + "x" * 100000])
def test_w07_chunks_are_bounded(web, chunks):
    answer = web.talk(request("/autodiscover/autodiscover.xml", method="POST", extra=(
        "Transfer-Encoding: chunked\r\n"), body=chunks))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) in ([b"400"], [b"413"]), answer[:300]


@pytest.mark.parametrize("extra,status", [
    ("X: y\r\n" * 10000, 431), ("X: " + "y" * 1000000 + "\r\n", 431), ("X: y\r\n" * 98, 200)])
def test_w07_fields_are_bounded(web, extra, status):
    answer = web.talk(request(extra=extra + "Connection: close\r\n"))
    assert parse(answer)[0] == status


def test_w07_request_line_is_bounded(web):
    assert parse(web.talk(request("/" + "a" * 9000)))[0] == 414
    assert parse(web.talk(b"a" * 1000000))[0] == 414


@pytest.mark.parametrize("path", ["/%2e%2e%2f%2e%2e%2fetc/passwd", "/../etc/passwd", "/a/%2e%2e/b",
                                  "/healthz%00", "/%", "/healthz%2f..", "/healthz\\..\\a"])
def test_w07_paths_lead_nowhere(web, path):
    assert parse(web.talk(request(path, extra="Connection: close\r\n")))[0] == 400


def test_w07_a_body_too_large_is_not_waited_for(web):
    answer = web.talk(request("/autodiscover/autodiscover.xml", method="POST",
                              extra="Content-Length: 1000000000000\r\n"))
    assert parse(answer)[0] == 413


def test_w07_many_ranges_are_nothing_special(web):
    ranges = ",".join(f"{i}-{i}" for i in range(5000))
    status, fields, body = parse(web.talk(request(extra=(
        f"Range: bytes={ranges}\r\nConnection: close\r\n"))))
    assert (status, body) == (200, "ok\n") and "content-range" not in fields


def test_w07_whoever_sends_slowly_is_ended(make_server):
    if make_server(start=False).peer != "mailkeep":
        pytest.skip("ours only")
    web = Web(make_server, http_timeout="1 s", http_idle_timeout="1 s")
    whole = request("/autodiscover/autodiscover.xml", method="POST",
                    extra="Content-Length: 1000\r\n")
    with web.connect() as silent, web.connect() as slow, web.connect() as post:
        slow.sendall(whole[:10])
        post.sendall(whole)
        slow.settimeout(0.05)
        answers, out = {slow: b""}, b""
        for i in range(10, len(whole) - 5):  # each byte is news, and buys no time
            try:
                slow.sendall(whole[i:i + 1])
                out = slow.recv(4096)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        answers[slow] = out
        assert parse(read_all(post))[0] == 408
        assert parse(read_all(silent))[0] == 408
        assert not out or parse(out)[0] == 408
        assert i < len(whole) - 6, "it was never ended"
    assert web.curl("http://127.0.0.1/healthz")[0] == 200


def test_w07_ten_thousand_requests_at_once_get_no_more_than_their_due(web):
    answer = web.talk(LAST.replace(b"Connection: close\r\n", b"") * 10000)
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answer)
    assert 0 < len(statuses) <= 100 and set(statuses) == {b"200"}
    assert answer.rpartition(b"HTTP/1.1")[2].count(b"Connection: close") == 1


def test_others_are_served_meanwhile(web):
    still_served(web.server, 1)


def test_h2_preface_is_refused(web):
    answer = web.talk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" * 1000)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"505"]
