#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rounds of mail in flight, kill -9, restart and proof: each recipient of a message that was
acknowledged is delivered here, or taken by the other server, or its sender was told; exactly one of
them (INV12, INV13).

  mail_rounds.py [--rounds 50] [--clients 12] [--what keep,gate,courier,all,power] [--seed N]

"power" cuts the power of the disk that everything lies on (powercut_disk.py). The other server may get
a message twice only when a fault fell between its 250 and our record of it: for each double there
must be a fault soon after its first 250, and before the second.

Two users have their mail go on as well, one by a rule, the other by forwarding; and two clients of three
send what was not acknowledged again, the same bytes under the same Message-ID, until it is: then too
everyone has it once. What was submitted lies in its sender's Sent, once. Exit 1 at the first violation, with the
data kept.
"""
import argparse
import collections
import json
import os
import random
import re
import smtplib
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]

import powercut_disk  # noqa: E402
from mailsink import MailSink  # noqa: E402
from servers import PASSWORD, log, server_class  # noqa: E402

USERS = 6
AWAY = ["a@elsewhere.example", "b@elsewhere.example", "later@elsewhere.example",
        "bad@elsewhere.example", "bad2@other.example", "c@other.example"]
ON = {5: "rule@elsewhere.example", 6: "forward@other.example"}  # user: where mail goes on to
TOKEN = re.compile(rb"X-Token: (\w+)")
RECORD_SECONDS = 5.0  # a delivery is on record at most so long after the 250, however busy all are


def settings(sink):
    return {"server_name": "mail.example.org", "relay_host": "127.0.0.1",
            "relay_host_port": sink.port, "relay_host_tls": "opportunistic",
            "retry_first": "1 s", "retry_max": "2 s", "smtp_greet_delay": "0 s",
            "submission_recipients_per_hour": 1_000_000, "connections_per_user_address": 1000,
            "restarts_per_minute": 1000, "submission_copy_in_sent": "yes"}


def send_on(server):
    """What ON says."""
    server.command("sieve", "put", server.user(5), "on", "-",
                   data=f'require "copy"; redirect :copy "{ON[5]}";')
    server.command("sieve", "activate", server.user(5), "on")
    server.command("account", "forward", server.user(6), ON[6], "--keep")


class Sender(threading.Thread):
    """Sends one message after the other and notes those that were acknowledged. Every third client
    never sends again what was not: its token may be anywhere, or nowhere."""

    def __init__(self, rounds, number, seed):
        super().__init__(daemon=True)
        self.rounds, self.number, self.rng = rounds, number, random.Random(seed)
        self.stop, self.conn, self.user = threading.Event(), None, 1 + number % USERS
        self.tries_again = number // 3 % 3 > 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.one()
            except (OSError, smtplib.SMTPException):
                self.conn = None
                time.sleep(0.01)

    def connect(self):
        server = self.rounds.server
        kind = self.number % 3
        port = [server.smtp_port, server.submission_port, server.lmtp_port][kind]
        if kind == 2:
            conn = smtplib.LMTP("127.0.0.1", port, local_hostname="client.example.net")
            conn.sock.settimeout(30)
        else:
            conn = smtplib.SMTP("127.0.0.1", port, "client.example.net", timeout=30)
        conn.ehlo()
        if kind == 1:
            conn.login(server.user(self.user), PASSWORD)
        self.conn = conn

    def one(self):
        if not self.conn:
            self.connect()
        kind, server = self.number % 3, self.rounds.server
        token, sender, to, text = self.rounds.unheard.get(self.number) or self.new(kind, server)
        self.conn.mail(sender)
        good = [a for a in to if self.conn.rcpt(a)[0] == 250]
        if self.tries_again and good == to:
            self.rounds.unheard[self.number] = token, sender, to, text
        elif self.number in self.rounds.unheard:
            self.conn.rset()  # the same for others would be another message
            return
        taken = self.data(good, text, kind == 2)
        with self.rounds.lock:
            if self.rounds.cut.is_set():
                return  # nobody hears what is said after the power went
            for address in taken:
                self.rounds.acked.append((token, sender, address))
            left = [a for a in to if a not in taken]
            if not left:
                self.rounds.unheard.pop(self.number, None)
            elif self.number in self.rounds.unheard:
                self.rounds.unheard[self.number] = token, sender, left, text

    def new(self, kind, server):
        here = [server.user(i) for i in self.rng.sample(range(1, USERS + 1), self.rng.randint(1, 3))]
        to = here if kind != 1 else self.rng.sample(here + AWAY, self.rng.randint(1, 5))
        sender = server.user(self.user) if kind == 1 else "me@example.net"
        token = f"t{self.rng.getrandbits(64):016x}"
        size = self.rng.choice([100, 1000, 5000, 400_000 if self.rng.random() < 0.1 else 2000])
        text = f"X-Token: {token}\r\nMessage-ID: <{token}@example.net>\r\nSubject: mail\r\n\r\n" + \
            "a line of text\r\n" * (size // 16)
        self.rounds.said[token] = sender
        return token, sender, to, text

    def data(self, good, text, each):
        """The recipients that are acknowledged."""
        if not good:
            self.conn.rset()
            return []
        code, _ = self.conn.docmd("data")
        if code != 354:
            raise smtplib.SMTPException("no DATA")
        self.conn.send(text.encode() + b".\r\n")
        if each:
            return [a for a in good if self.conn.getreply()[0] == 250]
        return good if self.conn.getreply()[0] == 250 else []


class Rounds:
    def __init__(self, server, sink, clients, seed, disk=None):
        self.server, self.sink, self.clients, self.disk = server, sink, clients, disk
        self.rng, self.lock, self.cut = random.Random(seed), threading.Lock(), threading.Event()
        self.acked, self.said, self.number, self.doubles = [], {}, 0, 0
        self.faults, self.gap = [], 0.0
        self.unheard = {}  # client: what it sends again
        self.users = [server.user(i) for i in range(1, USERS + 1)]

    def round(self, what):
        self.number += 1
        before = len(self.acked)
        self.wait_announced()
        senders = [Sender(self, n, self.rng.getrandbits(60)) for n in range(self.clients)]
        for s in senders:
            s.start()
        time.sleep(self.rng.uniform(0.2, 1.2))
        self.fault(what, senders)
        time.sleep(self.rng.uniform(0.0, 0.5))  # some load on what is new
        for s in senders:
            s.stop.set()
        for s in senders:
            s.join(60)
        wrong = ["a sender hangs" for s in senders if s.is_alive()]
        log(f"round {self.number}: killed {what}, {len(self.acked) - before} recipients "
            f"acknowledged")
        return wrong

    def fault(self, what, senders):
        begun = time.monotonic()
        if what == "power":
            with self.lock:
                self.cut.set()
            self.disk.cut()
            time.sleep(self.rng.choice((0.0, 0.0, 0.05, 0.3)))
            for s in senders:
                s.stop.set()
        assert self.server.kill("all" if what == "power" else what), f"nothing to kill: {what}"
        if what == "power":
            for s in senders:
                s.join(60)
            self.disk.unmount()
            self.disk.mount()
            self.cut.clear()
        if what in ("all", "power"):
            self.server.start()
        else:
            self.wait_role(what)
        self.faults.append((begun, time.monotonic()))

    def wait_announced(self):
        """A process killed before it was ready once is taken for one that cannot start."""
        words, end = f"serves (process {self.server.pid()})", time.monotonic() + 30
        while words not in self.server.log_tail(100_000):
            assert time.monotonic() < end, self.server.log_tail()
            time.sleep(0.01)

    def wait_role(self, role):
        end = time.monotonic() + 30
        while not self.server.role(role):
            assert time.monotonic() < end, self.server.log_tail()
            time.sleep(0.01)
        self.server.wait_ready()

    def wait_empty(self, seconds=60):
        """Until nothing waits any more, notices included; what is left is a violation."""
        end = time.monotonic() + seconds
        while True:
            self.server.control("queue list")
            if not self.server.chunks:
                return []
            if time.monotonic() > end:
                return [f"still queued: {self.server.chunks[:2000]!r}", self.server.log_tail(40)]
            time.sleep(0.2)

    def boxes(self):
        """(user, token) -> copies, the same of sent ones, and token -> addresses that notices speak of."""
        copies, told = collections.Counter(), collections.defaultdict(list)
        sent = collections.Counter()
        for i in range(1, USERS + 1):
            with self.server.login(i) as c:
                c.select("INBOX")
                found = c.ok("UID FETCH 1:* (UID BODY.PEEK[]<0.20000>)").fetches()
            for attributes in found.values():
                body = next(v for k, v in attributes.items() if k.startswith(b"BODY["))
                token = TOKEN.search(body)
                if b"message/delivery-status" in body:
                    for a in re.findall(rb"Final-Recipient: rfc822; ?(\S+)", body):
                        told[token[1].decode() if token else "?"].append(a.decode())
                elif token:
                    copies[self.server.user(i), token[1].decode()] += 1
            with self.server.login(i) as c:
                c.select("Sent")
                found = c.ok("UID FETCH 1:* (BODY.PEEK[]<0.20000>)").fetches()
            for attributes in found.values():
                body = next(v for k, v in attributes.items() if k.startswith(b"BODY["))
                sent[self.server.user(i), TOKEN.search(body)[1].decode()] += 1
        return copies, sent, told

    def unexplained(self, token, to, taken):
        """What the other server has twice without a fault between its 250 and our record. It may get
        to read what was sent before the fault when we are back already, and a courier whose keep
        died finishes what it has begun within a second: so its DATA counts."""
        wrong = []
        for (data, first), (_, second) in zip(taken, taken[1:]):
            between = [begun for begun, end in self.faults if data <= end + 1.0 and second > begun]
            self.doubles += 1
            if not between or between[0] - first > RECORD_SECONDS:
                spans = ", ".join(f"{a - first:.3f} to {b - first:.3f}" for a, b in self.faults[-9:])
                wrong.append(f"{token} > {to}: again {second - first:.3f} s after a 250, no fault "
                             f"between; faults after it: {spans}")
            else:
                self.gap = max(self.gap, between[0] - first)
        return wrong

    def not_once_on(self, sunk):
        """Of what was acknowledged and goes on."""
        wrong = []
        for token, sender, to in self.acked:
            for i, on in ON.items():
                if to == self.server.user(i):
                    times = sunk[on, token]
                    if not times:
                        wrong.append(f"{token} {sender} > {to}: did not go on to {on}")
                    wrong += self.unexplained(token, on, times)
        return wrong

    def verify(self):
        wrong = self.wait_empty()
        copies, sent, told = self.boxes()
        self.doubles = 0
        sunk = collections.defaultdict(list)
        with self.sink.lock:
            for (_, to, message), *at in zip(self.sink.got, self.sink.begun, self.sink.times):
                if b"message/delivery-status" not in message:  # notices go on as well
                    sunk[to, TOKEN.search(message)[1].decode()].append(at)
        for token, sender, to in self.acked:
            here, there = copies[to, token], len(sunk[to, token])
            notices = told[token].count(to)
            want = (0, 0, 1) if to.startswith("bad") else (1, 0, 0) if "@example.org" in to \
                else (0, 1, 0)
            wrong += self.unexplained(token, to, sunk[to, token])
            if (here, min(there, 1), min(notices, 1)) != want or here > 1:
                wrong.append(f"{token} {sender} > {to}: {here} here, {there} there, {notices} notices")
            if sent[sender, token] != (sender in self.users):
                wrong.append(f"{token} {sender} > {to}: {sent[sender, token]} copies in Sent")
        wrong += [f"{key}: {n} copies in Sent" for key, n in sent.items() if n > 1]
        wrong += self.not_once_on(sunk)
        for (to, token), n in copies.items():
            if n > 1:
                wrong.append(f"{token} > {to}: {n} copies")
            if token not in self.said:
                wrong.append(f"{token}: never sent")
        return wrong + self.server.check()


def run(server, sink, rounds, clients, kinds, seed, disk=None):
    r = Rounds(server, sink, clients, seed, disk)
    send_on(server)
    for n in range(rounds):
        wrong = r.round(kinds[n % len(kinds)])
        wrong += r.verify() if not wrong and n % 4 == 3 else []
        if wrong:
            return r, wrong
    return r, r.verify()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=50)
    p.add_argument("--clients", type=int, default=12)
    p.add_argument("--what", default="keep,gate,courier,all")
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    missing = server_class().missing()
    if missing:
        sys.exit(f"skipped: {missing}")
    kinds = a.what.split(",")
    why = powercut_disk.missing() if "power" in kinds else None
    if why:
        sys.exit(f"skipped: {why}")
    disk = powercut_disk.Disk(8192) if "power" in kinds else None
    sink = MailSink()
    server = server_class()(data=disk and os.path.join(disk.path, "data"), users=USERS,
                            settings=settings(sink))
    log(f"seed {a.seed}, data in {server.folder}")
    try:
        server.start()
        r, wrong = run(server, sink, a.rounds, a.clients, kinds, a.seed, disk)
        for line in wrong[:40]:
            log("VIOLATION", line)
        log(json.dumps({"rounds": r.number, "acknowledged": len(r.acked), "sent twice": r.doubles,
                        "longest from a 250 to the fault": round(r.gap, 3),
                        "violations": len(wrong)}))
        server.own_folder = not wrong
        if wrong and disk:
            disk.copy(os.path.join(server.folder, "image-now"))
    finally:
        server.close()
        if disk:
            disk.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
