# SPDX-License-Identifier: Apache-2.0
"""STARTTLS on every port that has it, case by case (E01 to E11 of docs/attacks.md)."""
import base64
import re
import socket
import ssl
import time

import pytest

from imapwire import client_context
from servers import PASSWORD, server_class

# port, words before STARTTLS, STARTTLS, a command that would show that it was done, and how its answer shows
PROTOCOLS = {
    "imap": ("port", [], "a STARTTLS", "b NOOP", rb"b (OK|NO|BAD)"),
    "pop3": ("pop3_port", [], "STLS", "CAPA", rb"UIDL"),
    "sieve": ("sieve_port", [], "STARTTLS", 'NOOP "inject"', rb"inject"),
    "smtp": ("smtp_port", ["EHLO c.example"], "STARTTLS", "EHLO inject.example", rb"250"),
    "submission": ("submission_port", ["EHLO c.example"], "STARTTLS", "EHLO inject.example", rb"250"),
    "lmtp": ("lmtp_port", ["LHLO c.example"], "STARTTLS", "LHLO inject.example", rb"250"),
}
every = pytest.mark.parametrize("protocol", PROTOCOLS)
# Where an answer of several lines ends.
END = {"imap": rb"(?m)^(\*|[a-z]|\+) (OK|NO|BAD|BYE)?[^\r\n]*\r\n\Z", "sieve": rb"(?m)^(OK|NO|BYE)[^\r\n]*\r\n\Z"}
SMTP_END, LINE_END = rb"(?m)^\d\d\d [^\r\n]*\r\n\Z", rb"\r\n\Z"


@pytest.fixture(scope="module")
def server():
    missing = server_class().missing()
    if missing or server_class().peer != "mailkeep":
        pytest.skip(missing or "the peer has its own ports")
    s = server_class()(users=4, settings={
        "smtp_greet_delay": "0 s", "login_connections_per_address": "1000", "login_failure_delay": "0",
        "smtp_connections_per_address": "1000", "smtp_connections_per_minute": "100000"})
    try:
        s.start()
        yield s
    finally:
        s.close()


class Clear:
    """A connection in the clear, past the greeting and the words before STARTTLS."""

    def __init__(self, server, protocol, patience=20):
        self.protocol = protocol
        port, before, self.start, self.inject, self.done = PROTOCOLS[protocol]
        self.sock = socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.greeting = self.answer()
        for words in before:
            self.say(words)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        except OSError:
            pass  # closed already: the answer says so

    def answer(self, end=None):
        """All that is said until it looks like an end, or the connection is closed."""
        end = end or (SMTP_END if self.protocol in ("smtp", "submission", "lmtp")
                      else END.get(self.protocol, LINE_END))
        got = b""
        while not re.search(end, got):
            try:
                more = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLError):
                more = b""
            if not more:
                return got
            got += more
        return got

    def say(self, words, end=None):
        self.send(words + "\r\n")
        return self.answer(end)

    def wrap(self):
        self.sock = client_context().wrap_socket(self.sock, server_hostname="localhost")
        if self.protocol == "sieve":
            self.again = self.answer()

    def go_inside(self):
        said = self.say(self.start)
        assert re.match(rb"(a OK|\+OK|OK|220)", said), said
        self.wrap()

    def offers(self):
        """What it can do, as it says itself."""
        words = {"imap": "c CAPABILITY", "pop3": "CAPA", "sieve": "CAPABILITY", "lmtp": "LHLO c.example"}
        ends = {"imap": rb"c (OK|BAD)[^\r\n]*\r\n\Z", "pop3": rb"(\r\n\.\r\n|-ERR[^\r\n]*\r\n)\Z"}
        return self.say(words.get(self.protocol, "EHLO c.example"), ends.get(self.protocol))

    def heard_inside(self):
        """What comes within TLS without a word from us; nothing where there is no TLS."""
        self.sock.settimeout(1)  # where the server has refused it, nobody answers our hello
        try:
            self.sock = client_context().wrap_socket(self.sock, server_hostname="localhost")
            self.sock.settimeout(0.5)
            got = b""
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return got
                got += more
        except OSError:
            return b""

    def is_over(self):
        """The server closes, and says nothing more that would be an answer to a command."""
        got = b""
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return not re.search(self.done, got)
                got += more
        except ConnectionError:
            return not re.search(self.done, got)
        except ssl.SSLError:
            return True
        except OSError:  # nothing comes, and it stays open
            return False


# {s}: STARTTLS in its spelling, {i}: the command behind it.
SPELLINGS = ["{s}\r\n{i}\r\n", "{s}\n{i}\r\n", "{s}\n{i}\n", "{s} \r\n{i}\r\n", "{s}\t\r\n{i}\r\n", "{s} x\r\n{i}\r\n",
             "{s} {{3+}}\r\nabc\r\n{i}\r\n", "{s}\r\n\r\n{i}\r\n", "{s}\r\n{s}\r\n{i}\r\n", "{s}\r\r\n{i}\r\n",
             "{s}\0\r\n{i}\r\n"]


@every
@pytest.mark.parametrize("spelling", SPELLINGS, ids=range(len(SPELLINGS)))
@pytest.mark.parametrize("is_lower", [False, True], ids=["upper", "lower"])
@pytest.mark.parametrize("pause", [None, 0.001], ids=["together", "later"])
def test_e01_e02_nothing_of_before_is_done_inside(server, protocol, spelling, is_lower, pause):
    with Clear(server, protocol) as c:
        start = c.start.replace("STARTTLS", "starttls").replace("STLS", "stls") if is_lower else c.start
        text = spelling.format(s=start, i=c.inject)
        if pause is None:
            c.send(text)
        else:
            at = text.index("\n") + 1
            c.send(text[:at])
            time.sleep(pause)
            c.send(text[at:])
        c.answer(rb"\n")
        assert not re.search(c.done, c.heard_inside())


@every
@pytest.mark.parametrize("rest", ["{i}\r\n", "\r\n", "x", "{i}"], ids=["command", "line", "byte", "half"])
def test_e03_what_comes_with_it_ends_the_connection(server, protocol, rest):
    with Clear(server, protocol) as c:
        c.send(c.start + "\r\n" + rest.format(i=c.inject))
        assert c.is_over()


@every
def test_e04_nothing_of_before_is_known_inside(server, protocol):
    user = server.user(1)
    with Clear(server, protocol) as c:
        if protocol == "imap":
            c.say('b ID ("name" "before")', rb"b (OK|BAD)[^\r\n]*\r\n\Z")
            c.say("b ENABLE CONDSTORE", rb"b (OK|BAD)[^\r\n]*\r\n\Z")
            assert c.say("b AUTHENTICATE PLAIN").startswith(b"+")
            assert c.say(c.start, rb"b [^\r\n]*\r\n\Z").startswith(b"b ")  # an answer to the challenge, and none
        elif protocol == "pop3":
            assert c.say(f"USER {user}").startswith(b"+OK")
        elif protocol == "sieve":
            assert c.say('AUTHENTICATE "PLAIN"', rb'"\r\n\Z') == b'""\r\n'
            assert c.say('"*"').startswith(b"NO")
        elif protocol == "submission":
            assert c.say("AUTH PLAIN").startswith(b"334")
            assert c.say("STARTTLS").startswith(b"501")
        else:
            assert c.say("MAIL FROM:<a@x.example>").startswith(b"250")
            assert c.say(f"RCPT TO:<{user}>").startswith(b"250")
        c.go_inside()
        answer = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        if protocol == "imap":
            assert c.say("b SELECT INBOX", rb"b [^\r\n]*\r\n\Z").startswith((b"b NO", b"b BAD"))
            assert c.say(answer).startswith((b"*", answer[:4].encode()))  # no challenge waits for it
        elif protocol == "pop3":
            assert c.say(f"PASS {PASSWORD}").startswith(b"-ERR")
        elif protocol == "sieve":
            assert c.say(f'"{answer}"').startswith((b"NO", b"BYE"))
        elif protocol == "submission":
            assert c.say(answer).startswith(b"500")
            assert c.say("MAIL FROM:<a@x.example>").startswith((b"503", b"530"))
        else:  # the name, sender and recipient
            assert c.say(f"RCPT TO:<{user}>").startswith(b"503")
            assert c.say("DATA").startswith(b"503")
            assert c.say("MAIL FROM:<a@x.example>").startswith(b"503")


@every
def test_e05_e06_only_once(server, protocol):
    with Clear(server, protocol) as c:
        assert re.search(rb"\b(STARTTLS|STLS)\b", c.offers())
        c.go_inside()
        again = c.say(c.start)
        assert re.match(rb"(a BAD|a NO|-ERR|NO|502|503)", again), again
        assert not re.search(rb"\b(STARTTLS|STLS)\b", c.offers())  # and all goes on


@pytest.mark.parametrize("protocol", ["imap", "pop3", "sieve", "submission"])
def test_e06_not_after_a_sign_in(server, protocol):
    answer = base64.b64encode(f"\0{server.user(2)}\0{PASSWORD}".encode()).decode()
    with Clear(server, protocol) as c:
        ways = {"imap": f"b AUTHENTICATE PLAIN {answer}", "sieve": f'AUTHENTICATE "PLAIN" "{answer}"'}
        said = c.say(ways.get(protocol, f"AUTH PLAIN {answer}"))
        assert re.match(rb"(b OK|\+OK|OK|235)", said), said
        assert not re.search(rb"\b(STARTTLS|STLS)\b", c.offers())
        again = c.say(c.start)
        assert re.match(rb"(a BAD|a NO|-ERR|NO|502|503)", again), again


@every
def test_e08_nobody_is_greeted_as_signed_in(server, protocol):
    with Clear(server, protocol) as c:
        assert b"PREAUTH" not in c.greeting
        assert re.match(rb"(\* OK|\+OK|OK|220|\")", c.greeting), c.greeting
    if protocol == "imap":
        with socket.create_connection(("127.0.0.1", server.tls_port), timeout=20) as raw, \
                client_context().wrap_socket(raw, server_hostname="localhost") as s:
            assert s.recv(1000).startswith(b"* OK")


@every
def test_e09_no_way_back_from_a_handshake_that_failed(server, protocol):
    with Clear(server, protocol) as c:
        said = c.say(c.start)
        assert re.match(rb"(a OK|\+OK|OK|220)", said), said
        c.send((c.inject + "\r\n") * 50)
        assert c.is_over()


@every
def test_e10_clear_bytes_behind_the_end_of_tls(server, protocol):
    with Clear(server, protocol) as c:
        c.go_inside()
        c.sock.settimeout(20)
        try:
            c.sock = c.sock.unwrap()  # close_notify, both ways
        except OSError:
            return  # it closes at once
        c.send(c.inject + "\r\n")
        assert c.is_over()


@pytest.mark.parametrize("port, greeting, inject", [
    ("tls_port", rb"\* OK", b"b NOOP\r\n"), ("pop3s_port", rb"\+OK", b"CAPA\r\n"),
    ("submissions_port", rb"220", b"EHLO inject.example\r\n")])
def test_e10_the_same_where_tls_is_from_the_first_byte(server, port, greeting, inject):
    raw = socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=20)
    with client_context().wrap_socket(raw, server_hostname="localhost") as s:
        assert re.match(greeting, s.recv(1000))
        try:
            clear = s.unwrap()
            clear.sendall(inject)
            got = clear.recv(1000)
            clear.close()
        except OSError:
            got = b""
        assert got == b""


def test_e11_managesieve_says_anew_what_it_can(server):
    with Clear(server, "sieve") as c:
        assert b'"STARTTLS"' in c.greeting
        c.go_inside()
        assert b'"STARTTLS"' not in c.again and b'"SASL" "PLAIN"' in c.again and b'"SIEVE"' in c.again
