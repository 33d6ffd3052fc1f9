# SPDX-License-Identifier: Apache-2.0
"""Conversations with the IMAP server: every file imap/*.imap is a test.

A script is a list of lines:
    C: text      the client sends text and CRLF; C2: a second connection of the same account, ...
    C>: text     the same without CRLF
    S: pattern   the server's next line matches; S2: on the second connection
    S*: pattern  lines are passed over until one matches
    S0:          nothing comes for a moment
    EOF:         the server has closed the connection
    ! word args  at the top: `! quota BYTES MESSAGES`, `! without CAPABILITIES` (of the account),
                 `! server OPTIONS` (a server of its own),
                 `! enable WORDS` (each connection begins with ENABLE WORDS),
                 `! messages N` (INBOX has N messages, UID 1 to N, none recent)
    # remark, and empty lines

In a pattern `...` is any text, <name> is a word that is remembered and means the same word from
then on; everything else stands for itself, case ignored in the first word of an answer's text.
In client text $[[...]] is a Python expression, \\r \\n \\0 \\\\ \\xHH are bytes; <name> is what was
remembered.
"""
import itertools
import os
import pathlib
import re
import socket
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MAILKEEP_BUILD", HERE.parent.parent / "build"))
TESTD = BUILD / "tests" / "protocol" / "imap-testd"
TIMEOUT = float(os.environ.get("MK_SCRIPT_TIMEOUT", "20"))
COUNTER = itertools.count(1)
LINE = re.compile(r"(?:(C|S|EOF)(\d*)([>*]?)|(!)):? ?(.*)\Z", re.S)


class LocalServer:
    def __init__(self, *options):
        self.process = subprocess.Popen([TESTD, *options], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Wire:
    """One connection, line by line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def silent(self, seconds=0.15):
        if self.buffer:
            return False
        self.socket.settimeout(seconds)
        try:
            self.buffer += self.socket.recv(65536)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)

    def ended(self):
        try:
            while more := self.socket.recv(65536):
                self.buffer += more
        except ConnectionResetError:
            pass
        return not self.buffer


def as_bytes(text, names):
    text = re.sub(r"<(\w+)>", lambda m: names.get(m[1], m[0]), text)
    text = re.sub(r"\$\[\[(.*?)\]\]", lambda m: str(eval(m[1], {}, dict(names))), text)
    raw = text.encode("utf-8")
    escapes = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"\\": b"\\"}
    return re.sub(rb"\\(x[0-9a-f]{2}|[rn0\\])",
                  lambda m: bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else escapes[m[1]], raw)


def as_regex(pattern, names):
    out = ""
    for piece in re.split(r"(\.\.\.|<\w+>)", pattern):
        if piece == "...":
            out += ".*"
        elif piece[:1] == "<" and piece[-1:] == ">" and piece[1:-1].isidentifier():
            name = piece[1:-1]
            out += re.escape(names[name]) if name in names else rf"(?P<{name}>[^\s()\[\]]+)"
        else:
            out += re.escape(piece)
    return re.compile(out.encode() + rb"\Z", re.S)


class Conversation:
    def __init__(self, port, user, enable):
        self.port, self.user, self.enable = port, user, enable
        self.wires, self.names = {}, {}

    def wire(self, number):
        if number not in self.wires:
            w = self.wires[number] = Wire(self.port)
            assert w.line().startswith(b"* OK")
            w.send(f"login LOGIN {self.user} pass\r\n".encode())
            assert w.line().startswith(b"login OK")
            if self.enable:
                w.send(f"en ENABLE {self.enable}\r\n".encode())
                while not w.line().startswith(b"en OK"):
                    pass
        return self.wires[number]

    def expect(self, number, pattern, skip):
        regex = as_regex(pattern, self.names)
        passed = []
        while True:
            line = self.wire(number).line()
            match = regex.match(line)
            if match:
                self.names.update({k: v.decode() for k, v in match.groupdict().items()})
                return
            passed.append(line)
            assert skip, f"got {line!r}"
            assert not re.match(rb"\w+ (OK|NO|BAD) ", line) or len(passed) < 200, f"got {passed!r}"

    def play(self, kind, number, mark, text):
        if kind == "C":
            self.wire(number).send(as_bytes(text, self.names) + (b"" if mark == ">" else b"\r\n"))
        elif kind == "EOF":
            assert self.wire(number).ended(), f"got {self.wires[number].buffer!r}"
        else:
            self.expect(number, text, mark == "*")

    def close(self):
        for w in self.wires.values():
            w.socket.close()


def read_script(path):
    top, lines = {}, []
    for i, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        if raw.startswith("! "):
            word, _, rest = raw[2:].partition(" ")
            top[word] = rest
            continue
        match = LINE.match(raw)
        assert match, f"{path.name}:{i}: {raw!r} is no line of a script"
        lines.append((i, match[1], match[2], match[3], match[5]))
    return top, lines


@pytest.fixture(scope="module")
def testd():
    if not TESTD.exists():
        pytest.skip("imap-testd is not built")
    server = LocalServer()
    yield server
    server.close()


def tell(port, line):
    w = Wire(port)
    w.line()
    w.send(line.encode() + b"\r\n")
    assert b" OK " in w.line()
    w.socket.close()


def message(i):
    return (f"From: from{i}@one.example\r\nTo: to{i}@two.example\r\nSubject: message {i}\r\n"
            f"Date: Mon, {i % 28 + 1:02} Feb 2021 10:00:00 +0000\r\n\r\nbody {i}\r\n").encode()


def fill(port, user, count):
    w = Wire(port)
    w.line()
    w.send(f"a LOGIN {user} pass\r\n".encode())
    for i in range(1, count + 1):
        m = message(i)
        w.send(b"b APPEND INBOX \" 1-Jan-2021 12:00:00 +0000\" {%d+}\r\n%s\r\n" % (len(m), m))
    w.send(b"c SELECT INBOX\r\n")
    while not w.line().startswith(b"c OK"):
        pass
    w.socket.close()


@pytest.mark.parametrize("path", sorted((HERE / "imap").glob("*.imap")), ids=lambda p: p.stem)
def test_script(path, testd):
    top, lines = read_script(path)
    own = LocalServer(*top["server"].split()) if "server" in top else None
    port = (own or testd).port
    user = f"s{next(COUNTER)}"
    if "quota" in top:
        tell(port, f"q XQUOTA {user} {top['quota']}")
    if "without" in top:
        tell(port, f"q XWITHOUT {user} {top['without']}")
    if "messages" in top:
        fill(port, user, int(top["messages"]))
    talk = Conversation(port, user, top.get("enable"))
    talk.names["user"] = user
    try:
        for i, kind, number, mark, text in lines:
            where = f"{path.name}:{i}: {kind}{number}{mark}: {text}"
            try:
                if kind == "S" and number == "0":
                    assert talk.wire(1).silent(), f"got {talk.wire(1).buffer!r}"
                else:
                    talk.play(kind, int(number or 1), mark, text)
            except AssertionError as e:
                raise AssertionError(f"{where}\n{e}") from None
            except (EOFError, TimeoutError, ConnectionError) as e:
                raise AssertionError(f"{where}\n{type(e).__name__} {e}") from None
    finally:
        talk.close()
        if own:
            own.close()
