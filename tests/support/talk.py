# SPDX-License-Identifier: Apache-2.0
"""A client of POP3, ManageSieve or SMTP that sends what it is told to, byte for byte."""
import base64
import re
import socket
import ssl

from imapwire import client_context


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class Talk:
    """A connection that reads lines. `greet` reads the greeting."""

    def __init__(self, port, tls=False, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.buf = b""
        if tls:
            self.wrap()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def wrap(self):
        self.buf = b""
        self.sock = client_context().wrap_socket(self.sock, server_hostname="localhost")

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def fill(self):
        try:
            more = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            more = b""
        self.buf += more
        return bool(more)

    def line(self):
        """The next line without its end; None when the server has closed."""
        while b"\r\n" not in self.buf:
            if not self.fill():
                return None
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def rest(self):
        """Everything until the server closes."""
        while self.fill():
            pass
        return self.buf


class Pop3(Talk):
    def __init__(self, port, tls=False):
        super().__init__(port, tls)
        self.greeting = self.line()

    def cmd(self, line):
        self.send(line + "\r\n")
        return self.line()

    def many(self, line):
        first = self.cmd(line)
        assert first.startswith(b"+OK"), first
        lines = []
        while (one := self.line()) != b".":
            lines.append(one[1:] if one.startswith(b".") else one)
        return lines

    def login(self, user, password):
        assert self.cmd(f"USER {user}").startswith(b"+OK")
        return self.cmd(f"PASS {password}")


class Sieve(Talk):
    def __init__(self, port):
        super().__init__(port)
        self.greeting = self.answer()

    def answer(self):
        """The lines up to OK, NO or BYE, the last one included; literals as one line."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                return lines
            m = re.fullmatch(rb"\{(\d+)\}", line)
            if m:
                while len(self.buf) < int(m[1]) + 2:
                    if not self.fill():
                        return lines
                line, self.buf = self.buf[:int(m[1])], self.buf[int(m[1]) + 2:]
                lines.append(line)
                continue
            lines.append(line)
            if re.match(rb"(OK|NO|BYE)\b", line):
                return lines

    def cmd(self, line):
        self.send(line + "\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.answer()

    def login(self, user, password):
        return self.cmd(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')[-1]


class Smtp(Talk):
    """`cmd` gives a reply as one bytes object: its lines joined with LF."""

    def __init__(self, port, tls=False):
        super().__init__(port, tls)
        self.greeting = self.reply()

    def reply(self):
        lines = []
        while (one := self.line()) is not None:
            lines.append(one)
            if one[3:4] != b"-":
                break
        return b"\n".join(lines)

    def cmd(self, line):
        self.send(line + "\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.reply()

    def envelope(self, sender, *recipients):
        """The replies to MAIL and each RCPT, sent at once."""
        self.send(f"MAIL FROM:<{sender}>\r\n" +
                  "".join(f"RCPT TO:<{r}>\r\n" for r in recipients))
        return [self.reply() for _ in range(1 + len(recipients))]

    def data(self, message):
        """Bytes of a message, its end included."""
        first = self.cmd("DATA")
        if not first.startswith(b"354"):
            return first
        self.send(message)
        return self.reply()

    def login(self, user, password):
        return self.cmd(f"AUTH PLAIN {plain(user, password)}")

    def starttls(self):
        assert self.cmd("STARTTLS").startswith(b"220")
        self.wrap()
