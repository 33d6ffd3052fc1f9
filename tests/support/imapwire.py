# SPDX-License-Identifier: Apache-2.0
"""A small, strict IMAP client for tests: it shares no code with the server and forgives nothing.

Raw bytes can be sent at any moment; answers are parsed into Python values: atoms and strings as
bytes, numbers as int, NIL as None, lists as list. A server that desynchronises raises Desync.
"""
import re
import socket
import ssl
import time
import zlib


class Desync(Exception):
    """The server said something that is not IMAP."""


class Closed(ConnectionError):
    """The connection ended."""


class Refused(Exception):
    """A command that had to succeed did not."""

    def __init__(self, reply, line):
        super().__init__(f"{line[:200]!r} -> {reply.status} {reply.text[:300]!r}")
        self.reply = reply


class Atom(bytes):
    """An atom, to be told from a string of the same bytes."""


NUMBER = re.compile(rb"[0-9]+\Z")
STOP = frozenset(b" ()\r\n\"")


class Parser:
    """Parses one logical line: a list of chunks in which every odd one is a literal."""

    def __init__(self, chunks):
        self.chunks, self.i, self.p = chunks, 0, 0

    @property
    def cur(self):
        return self.chunks[self.i]

    def values(self, end=None):
        out = []
        while True:
            if self.p >= len(self.cur):
                if self.i + 1 < len(self.chunks):
                    raise Desync(f"literal out of place after {self.cur[-60:]!r}")
                if end is not None:
                    raise Desync(f"line ends inside a list: {self.cur[:200]!r}")
                return out
            c = self.cur[self.p]
            if c == 0x20:
                self.p += 1
            elif c == 0x28:
                self.p += 1
                out.append(self.values(0x29))
            elif c == end:
                self.p += 1
                return out
            elif c == 0x22:
                out.append(self.quoted())
            elif c == 0x7B or (c == 0x7E and self.cur[self.p + 1:self.p + 2] == b"{"):
                out.append(self.literal())
            elif c == 0x29:
                raise Desync(f"stray ')' in {self.cur[:200]!r}")
            else:
                out.append(self.atom())

    def quoted(self):
        out, p, s = bytearray(), self.p + 1, self.cur
        while True:
            q = p
            while q < len(s) and s[q] not in b'"\\':
                q += 1
            if q >= len(s):
                raise Desync(f"unended quoted string: {s[self.p:self.p + 200]!r}")
            out += s[p:q]
            if s[q] == 0x22:
                self.p = q + 1
                break
            if s[q + 1:q + 2] not in (b'"', b"\\"):
                raise Desync(f"bad escape in {s[self.p:self.p + 200]!r}")
            out.append(s[q + 1])
            p = q + 2
        if b"\0" in out or b"\r" in out or b"\n" in out:
            raise Desync(f"control byte in a quoted string: {bytes(out)[:100]!r}")
        return bytes(out)

    def literal(self):
        end = self.cur.index(b"}", self.p)
        if end != len(self.cur) - 1 or self.i + 1 >= len(self.chunks):
            raise Desync(f"'{{' out of place: {self.cur[self.p:self.p + 80]!r}")
        value = self.chunks[self.i + 1]
        self.i += 2
        self.p = 0
        return value

    def atom(self):
        s, p, depth = self.cur, self.p, 0
        while p < len(s):
            if s[p] == 0x5B:
                depth += 1
            elif s[p] == 0x5D and depth:
                depth -= 1
            elif s[p] in STOP and not depth:
                break
            p += 1
        if p == self.p:
            raise Desync(f"unexpected byte in {s[:200]!r}")
        word, self.p = s[self.p:p], p
        if word.upper() == b"NIL":
            return None
        return int(word) if NUMBER.match(word) else Atom(word)


class Line:
    """An untagged or tagged answer, or a continuation."""

    def __init__(self, chunks):
        self.raw = chunks
        head = chunks[0]
        tag, _, rest = head.partition(b" ")
        self.tag, self.kind, self.number = tag, b"", None
        self.code, self.text, self.args = None, b"", []
        if tag == b"+":
            self.text = rest
            return
        word, _, after = rest.partition(b" ")
        if word.upper() in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
            self.kind = word.upper()
            self.status_text(after)
            return
        parser = Parser([rest] + chunks[1:])
        values = parser.values()
        if not values:
            raise Desync(f"empty answer {head!r}")
        if isinstance(values[0], int) and len(values) > 1:
            self.number, self.kind, self.args = values[0], bytes(values[1]).upper(), values[2:]
        else:
            if not isinstance(values[0], bytes):
                raise Desync(f"what is this: {head[:200]!r}")
            self.kind, self.args = bytes(values[0]).upper(), values[1:]

    def status_text(self, after):
        if after.startswith(b"["):
            end = after.find(b"]")
            if end < 0:
                raise Desync(f"unended response code: {after!r}")
            words = Parser([after[1:end]]).values()
            self.code, self.text = words, after[end + 1:].lstrip()
        else:
            self.text = after

    def attributes(self):
        """FETCH data as a dict: upper-case name to value."""
        pairs = self.args[0]
        if len(pairs) % 2:
            raise Desync(f"odd FETCH list {self.raw[0][:200]!r}")
        return {bytes(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs), 2)}

    def __repr__(self):
        return f"<{self.tag!r} {self.number} {self.kind!r} {self.code} {self.text!r} {self.args!r}>"


class Reply:
    def __init__(self, tagged, untagged):
        self.line, self.untagged = tagged, untagged
        self.status, self.code, self.text = tagged.kind, tagged.code, tagged.text

    @property
    def ok(self):
        return self.status == b"OK"

    def all(self, kind):
        return [u for u in self.untagged if u.kind == kind]

    def codes(self):
        """Every response code of this reply, name to arguments; the tagged one wins."""
        out = {}
        for line in self.untagged + [self.line]:
            if line.code:
                out[bytes(line.code[0]).upper()] = line.code[1:]
        return out

    def fetches(self):
        """UID (or number when no UID came) to attributes."""
        out = {}
        for u in self.all(b"FETCH"):
            a = u.attributes()
            out.setdefault(a.get(b"UID", u.number), {}).update(a)
        return out

    def search(self):
        out = []
        for u in self.untagged:
            if u.kind == b"SEARCH":
                out += [x for x in u.args if isinstance(x, int)]
            if u.kind == b"ESEARCH":
                for k, v in zip(u.args, u.args[1:]):
                    if isinstance(k, bytes) and k.upper() == b"ALL":
                        out += expand(v)
        return out


def expand(sequence_set):
    text = str(sequence_set) if isinstance(sequence_set, int) else sequence_set.decode()
    out = []
    for part in text.split(","):
        a, _, b = part.partition(":")
        a, b = int(a), int(b or a)
        out += range(min(a, b), max(a, b) + 1)
    return out


def compress(numbers):
    """A sorted sequence set, as text."""
    out, numbers = [], sorted(set(numbers))
    i = 0
    while i < len(numbers):
        j = i
        while j + 1 < len(numbers) and numbers[j + 1] == numbers[j] + 1:
            j += 1
        out.append(f"{numbers[i]}:{numbers[j]}" if j > i else f"{numbers[i]}")
        i = j + 1
    return ",".join(out)


def quote(text):
    b = text if isinstance(text, bytes) else text.encode()
    return b'"' + b.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def client_context():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


ATOM = re.compile(r"[A-Za-z0-9@._+-]+\Z")
LITERAL_END = re.compile(rb"\{([0-9]+)\}\Z")


class Imap:
    """mode: 'clear', 'tls' or 'starttls'. greet=False leaves the greeting unread."""

    def __init__(self, port, mode="clear", host="127.0.0.1", timeout=30.0, greet=True):
        self.timeout, self.count = timeout, 0
        self.data, self.at = b"", 0  # what came, and how far it was taken
        self.greeting = self.capability = None
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = []
        self.deflate = self.inflate = None
        self.raw_in = self.raw_out = 0  # bytes of the connection, compressed or not
        if mode == "tls":
            self.wrap()
        if greet or mode == "starttls":
            self.greeting = self.line()
        if mode == "starttls":
            self.ok("STARTTLS")
            self.wrap()

    def wrap(self, context=None):
        try:
            self.sock = (context or client_context()).wrap_socket(
                self.sock, server_hostname="localhost")
        except TimeoutError:
            raise
        except OSError as e:
            raise Closed(f"TLS: {e}") from e

    # ---- bytes ----
    def send(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.send_raw(data)

    def send_raw(self, data):
        """Past the compression, when there is one."""
        self.raw_out += len(data)
        try:
            self.sock.sendall(data)
        except (OSError, ssl.SSLError) as e:
            if isinstance(e, TimeoutError):
                raise
            raise Closed(str(e)) from e

    def fill(self):
        try:
            got = self.sock.recv(262144)
        except TimeoutError:
            raise
        except (OSError, ssl.SSLError) as e:
            raise Closed(str(e)) from e
        if not got:
            raise Closed("end of stream")
        self.raw_in += len(got)
        self.buf += self.inflate.decompress(got) if self.inflate else got

    # To cut each line off the front would copy all that came with it, once a line.
    @property
    def buf(self):
        return self.data[self.at:] if self.at else self.data

    @buf.setter
    def buf(self, data):
        self.data, self.at = data, 0

    def raw_line(self):
        while (end := self.data.find(b"\n", self.at)) < 0:
            self.fill()
        line, self.at = self.data[self.at:end], end + 1
        if not line.endswith(b"\r"):
            raise Desync(f"line ends in a bare LF: {line[:200]!r}")
        return line[:-1]

    def raw_bytes(self, n):
        if len(self.data) - self.at < n:
            parts, have = [self.buf], len(self.data) - self.at
            while have < n:
                self.buf = b""
                self.fill()
                parts.append(self.buf)
                have += len(self.buf)
            self.buf = b"".join(parts)
        out, self.at = self.data[self.at:self.at + n], self.at + n
        return out

    def line(self):
        chunks = [self.raw_line()]
        while not chunks[0].startswith(b"+"):
            m = LITERAL_END.search(chunks[-1])
            if not m:
                break
            chunks += [self.raw_bytes(int(m.group(1))), self.raw_line()]
        return Line(chunks)

    # ---- commands ----
    def start(self, command, *literals, sync=True):
        """Sends a command; literals are bytes put where {} stands in it. Returns its tag."""
        self.count += 1
        tag = b"t%d" % self.count
        b = command if isinstance(command, bytes) else command.encode()
        parts = b.split(b"{}")
        assert len(parts) == len(literals) + 1
        out = tag + b" "
        for part, lit in zip(parts, literals):
            if sync:
                self.send(out + part + b"{%d}\r\n" % len(lit))
                early = self.until_continue(tag)
                if early:
                    self.pending.append(early)
                    return tag
                out = lit
            else:
                out += part + b"{%d+}\r\n" % len(lit) + lit
        self.send(out + parts[-1] + b"\r\n")
        return tag

    def until_continue(self, tag):
        untagged = []
        while True:
            line = self.line()
            if line.tag == b"+":
                return None
            if line.tag == tag:
                return Reply(line, untagged)
            untagged.append(line)

    def finish(self, tag):
        if self.pending and self.pending[0].line.tag == tag:
            return self.pending.pop(0)
        untagged = []
        while True:
            line = self.line()
            if line.tag == tag:
                return Reply(line, untagged)
            if line.tag not in (b"*", b"+"):
                raise Desync(f"answer to {line.tag!r} while waiting for {tag!r}")
            untagged.append(line)

    def cmd(self, command, *literals, sync=True):
        return self.finish(self.start(command, *literals, sync=sync))

    def ok(self, command, *literals, sync=True):
        reply = self.cmd(command, *literals, sync=sync)
        if not reply.ok:
            raise Refused(reply, command)
        return reply

    def login(self, user, password):
        words = [w.encode() if ATOM.match(w) else quote(w) for w in (user, password)]
        return self.ok(b"LOGIN " + b" ".join(words))

    def compress(self, level=6):
        """COMPRESS=DEFLATE (RFC 4978): all that follows, both ways."""
        self.ok("COMPRESS DEFLATE")
        self.deflate = zlib.compressobj(level, wbits=-15)
        self.inflate = zlib.decompressobj(wbits=-15)
        self.buf, early = b"", self.buf
        self.buf = self.inflate.decompress(early)
        self.capability = None

    def capabilities(self):
        if self.capability is None:
            caps = set()
            for u in self.ok("CAPABILITY").all(b"CAPABILITY"):
                caps |= {bytes(x).upper() if isinstance(x, bytes) else b"%d" % x for x in u.args}
            self.capability = caps
        return self.capability

    def append(self, box, message, flags="", sync=False):
        head = b"APPEND " + quote(box) + (b" (" + flags.encode() + b")" if flags else b"") + b" {}"
        return self.ok(head, message, sync=sync)

    def select(self, box, params=""):
        return self.ok(b"SELECT " + quote(box) + params.encode())

    def idle(self):
        tag = self.start("IDLE")
        early = self.until_continue(tag)
        if early:
            raise Refused(early, "IDLE")
        return tag

    def done(self, tag):
        self.send(b"DONE\r\n")
        return self.finish(tag)

    def wait_untagged(self, kind, seconds=10.0):
        """The next untagged answer of this kind; others are dropped."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {kind!r} within {seconds} s")
            self.sock.settimeout(left)
            try:
                line = self.line()
            finally:
                self.sock.settimeout(self.timeout)
            if line.kind == kind:
                return line

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def logout(self):
        try:
            self.cmd("LOGOUT")
        except (Closed, OSError, Desync):
            pass
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
