# SPDX-License-Identifier: Apache-2.0
"""SASL by each of the four protocols, byte for byte, and a client of SCRAM-SHA-256 (RFC 5802)."""
import base64
import hashlib
import hmac
import os
import re

from talk import Pop3, Sieve, Smtp, Talk

PROTOCOLS = ["imap", "pop3", "smtp", "sieve"]


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


class Exchange:
    """One connection by a protocol; `begin` and `go_on` give "yes", "no", "more" or "gone"; the line
    they go by is `said`, and what it holds in base64 `challenge`. `tls` makes a socket of one that
    has said STARTTLS."""

    def __init__(self, server, protocol, tls=None):
        self.protocol = protocol
        self.said = b""
        if protocol == "imap":
            self.talk = Talk(server.port)
            self.talk.line()
        else:
            kind, port = {"pop3": (Pop3, server.pop3_port), "sieve": (Sieve, server.sieve_port),
                          "smtp": (Smtp, server.submission_port)}[protocol]
            self.talk = kind(port)
        if protocol == "smtp":
            self.talk.cmd("EHLO c.example")
        if tls:
            self.start_tls(tls)

    def start_tls(self, tls):
        words = {"imap": "x STARTTLS", "pop3": "STLS", "smtp": "STARTTLS", "sieve": "STARTTLS"}
        self.send(words[self.protocol] + "\r\n")
        said = self.talk.answer()[-1] if self.protocol == "sieve" else self.talk.line()
        assert said.startswith((b"x OK", b"+OK", b"220", b"OK")), said
        self.talk.sock = tls(self.talk.sock)
        if self.protocol == "sieve":
            self.talk.answer()
        if self.protocol == "smtp":
            self.talk.cmd("EHLO c.example")

    @property
    def challenge(self):
        if self.protocol == "sieve":
            found = re.search(rb'"([A-Za-z0-9+/=]*)"', self.said)
            return base64.b64decode(found[1])
        return base64.b64decode(self.said.split(b" ", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.talk.sock.close()

    def offers(self):
        if self.protocol == "imap":
            self.talk.send("x CAPABILITY\r\n")
            words = self.talk.line().decode().split()
            self.talk.line()
            return [w[5:] for w in words if w.startswith("AUTH=")]
        if self.protocol == "pop3":
            return next(x for x in self.talk.many("CAPA") if x.startswith(b"SASL")).decode().split()[1:]
        if self.protocol == "smtp":
            lines = self.talk.cmd("EHLO c.example").split(b"\n")
            return next(x for x in lines if x[4:].startswith(b"AUTH")).decode().split()[1:]
        line = next(x for x in self.talk.cmd("CAPABILITY") if x.startswith(b'"SASL"'))
        return line.decode().split(" ", 1)[1].strip('"').split()

    def answer(self):
        try:
            line = self.talk.line()
        except OSError:
            line = None
        if line is None:
            return "gone"
        self.said = line
        for start, meaning in {"imap": [(b"+", "more"), (b"a OK", "yes"), (b"a NO", "no"), (b"a BAD", "no")],
                               "pop3": [(b"+ ", "more"), (b"+OK", "yes"), (b"-ERR", "no")],
                               "smtp": [(b"334", "more"), (b"235", "yes"), (b"5", "no")],
                               "sieve": [(b'"', "more"), (b"OK", "yes"), (b"NO", "no"), (b"BYE", "gone")]}[self.protocol]:
            if line.startswith(start):
                return meaning
        return "gone" if line.startswith((b"* BYE", b"421")) else f"? {line!r}"

    def send(self, line):
        try:
            self.talk.send(line)
        except OSError:
            pass  # closed meanwhile: the answer says so

    def begin(self, mechanism, initial=None):
        if self.protocol == "sieve":
            line = f'AUTHENTICATE "{mechanism}"' + (f' "{initial}"' if initial is not None else "")
        else:
            word = {"imap": "a AUTHENTICATE", "pop3": "AUTH", "smtp": "AUTH"}[self.protocol]
            line = f"{word} {mechanism}" + (f" {initial}" if initial is not None else "")
        self.send(line + "\r\n")
        return self.answer()

    def go_on(self, text):
        self.send(f'"{text}"\r\n' if self.protocol == "sieve" else f"{text}\r\n")
        return self.answer()


class Scram:
    """The client's side of one exchange. `binding`: the channel's bytes, for a header with "p="."""

    def __init__(self, user, password, header="n,,", binding=b""):
        self.password, self.header, self.binding = password.encode(), header, binding
        self.nonce = b64(os.urandom(18))
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={self.nonce}"
        self.first = header + self.bare

    def hmac(self, key, text):
        return hmac.new(key, text if isinstance(text, bytes) else text.encode(), "sha256").digest()

    def answer(self, challenge):
        """The last message, for the server's first one."""
        server_first = challenge.decode()
        parts = dict(x.split("=", 1) for x in server_first.split(","))
        assert parts["r"].startswith(self.nonce) and len(parts["r"]) > len(self.nonce) + 20
        self.salt, self.rounds = base64.b64decode(parts["s"]), int(parts["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt, self.rounds)
        client = self.hmac(salted, "Client Key")
        last = f"c={b64(self.header.encode() + self.binding)},r={parts['r']}"
        text = f"{self.bare},{server_first},{last}"
        signature = self.hmac(hashlib.sha256(client).digest(), text)
        self.server = self.hmac(self.hmac(salted, "Server Key"), text)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        return f"{last},p={b64(proof)}"

    def is_proof(self, challenge):
        return challenge == b"v=" + b64(self.server).encode()


def sign_in(x, scram, mechanism="SCRAM-SHA-256"):
    """The whole exchange, as far as it goes: "yes" only when the server has proved itself."""
    said = x.begin(mechanism, b64(scram.first))
    if said != "more":
        return said
    said = x.go_on(b64(scram.answer(x.challenge)))
    if x.protocol == "sieve":
        return said if said != "yes" or scram.is_proof(x.challenge) else "no proof"
    if said != "more":
        return said
    return x.go_on("") if scram.is_proof(x.challenge) else "no proof"
