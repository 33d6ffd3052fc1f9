# SPDX-License-Identifier: Apache-2.0
"""Another mail server, as small as can be: takes mail on a loopback port, and can refuse it, put it
off, or be away."""
import socket
import threading
import time


class MailSink:
    """`got` lists (sender, recipient, message bytes) in the order of arrival, `times` when each was
    answered with 250 (time.monotonic), `begun` when its DATA came. A recipient whose name
    starts with "bad" is refused, one with "later" is put off at the first try of each message."""

    def __init__(self):
        self.lock, self.got, self.times, self.tried = threading.Lock(), [], [], set()
        self.begun = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def close(self):
        """Away from now on: connections are refused."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def again(self):
        """Back, on the same port."""
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def rcpt(self, sender, address):
        if address.startswith("bad"):
            return b"550 5.1.1 No such user\r\n"
        if address.startswith("later"):
            with self.lock:
                if (sender, address) not in self.tried:
                    self.tried.add((sender, address))
                    return b"451 4.3.0 Not now\r\n"
        return b"250 2.1.5 Ok\r\n"

    def serve(self, conn):
        try:
            self.talk(conn, conn.makefile("rb"))
        except OSError:
            pass
        conn.close()

    def talk(self, conn, lines):
        sender, to = "", []
        conn.sendall(b"220 sink.example ESMTP\r\n")
        while True:
            line = lines.readline()
            word = line[:4].upper()
            if not line or word == b"QUIT":
                return
            reply = b"250 2.0.0 Ok\r\n"
            if word == b"EHLO":
                reply = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
            elif word == b"MAIL":
                sender, to = line.split(b"<")[1].split(b">")[0].decode(), []
            elif word == b"RCPT":
                address = line.split(b"<")[1].split(b">")[0].decode()
                reply = self.rcpt(sender, address)
                to += [address] if reply[:1] == b"2" else []
            elif word == b"DATA":
                conn.sendall(b"354 go on\r\n" if to else b"554 5.5.1 nobody\r\n")
                if to:
                    self.take(lines, sender, to)
                else:
                    continue
            elif word not in (b"RSET", b"NOOP"):
                reply = b"500 5.5.2 What?\r\n"
            conn.sendall(reply)

    def take(self, lines, sender, to):
        message, begun = b"", time.monotonic()
        while True:
            line = lines.readline()
            if not line:
                raise OSError("cut off")
            if line == b".\r\n":
                break
            message += line[1:] if line[:1] == b"." else line
        with self.lock:
            self.got += [(sender, address, message) for address in to]
            self.times += [time.monotonic()] * len(to)
            self.begun += [begun] * len(to)
