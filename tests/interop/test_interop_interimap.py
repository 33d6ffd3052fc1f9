# SPDX-License-Identifier: Apache-2.0
"""interimap, which keeps two IMAP servers the same by QRESYNC alone: both are ours. Changes on both
sides arrive on the other, and a pair that was apart for long is the same after one run."""
import os
import random

import maildir
from clients import need, run
from messages import generated
from servers import PASSWORD

CHANGES = int(os.environ.get("INTEROP_CHANGES", "1000"))

CONF = """database = {name}.db
list-mailbox = *

[local]
type = imaps
host = 127.0.0.1
port = {port}
username = {one}
password = {password}
auth = PLAIN
SSL_verify = NO

[remote]
type = {kind}
host = 127.0.0.1
port = {other_port}
username = {two}
password = {password}
auth = PLAIN LOGIN
{tls}
SSL_verify = NO
"""


class Couple:
    def __init__(self, server, home, one, two, kind="imaps"):
        self.server, self.home, self.one, self.two = server, home, one, two
        (home / "conf").write_text(CONF.format(
            name="pair", port=server.tls_port, one=server.user(one),
            two=server.user(two), password=PASSWORD, kind=kind,
            other_port=server.tls_port if kind == "imaps" else server.port,
            tls="" if kind == "imaps" else "STARTTLS = YES"))

    def sync(self, *more):
        (self.home / "data").mkdir(exist_ok=True)
        return run(["interimap", f"--config={self.home / 'conf'}", *more], self.home, timeout=1800,
                   env={"XDG_DATA_HOME": str(self.home / "data"),
                        "XDG_CONFIG_HOME": str(self.home)})

    def content(self, number):
        with self.server.login(number, "tls", timeout=120) as c:
            return {f: x for f, x in maildir.server_content(c).items() if x}

    def agree(self):
        held = self.content(self.one)
        maildir.assert_same(self.content(self.two), held)
        return held


def fill(server, number, box, first, count):
    with server.login(number) as c:
        c.cmd(f'CREATE "{box}"')
        for i in range(first, first + count):
            c.append(box, generated(i, 300, f"n{number}x{i}"), "\\Seen" if i % 3 else "\\Flagged")


def some_changes(server, number, boxes, count, seed):
    """Flags, copies, moves, expunges and new mail, as many as asked for."""
    rng, done, serial = random.Random(seed), 0, 100000 * seed
    with server.login(number, timeout=120) as c:
        while done < count:
            box = rng.choice(boxes)
            n = c.select(box).all(b"EXISTS")[-1].number
            for _ in range(min(count - done, 50)):
                done += 1
                what = rng.randrange(6)
                at = rng.randint(1, n) if n else 0
                if what == 0 or n < 5:
                    serial += 1
                    c.append(box, generated(serial, 100, f"late{serial}"))
                    n += 1
                elif what < 4:
                    sign = "+" if rng.random() < 0.7 else "-"
                    flag = rng.choice(["\\Seen", "\\Flagged", "\\Answered", "\\Draft"])
                    c.ok(f"STORE {at} {sign}FLAGS.SILENT ({flag})")
                elif what == 4:
                    c.ok(f"STORE {at} +FLAGS.SILENT (\\Deleted)")
                    c.ok("EXPUNGE")
                    n -= 1
                else:
                    to = rng.choice(boxes)
                    c.ok(f'MOVE {at} "{to}"')
                    n -= to != box


def test_both_ways(shared_server, account, tmp_path):
    need("interimap")
    server, one, two = shared_server, 2 * account, 2 * account + 1
    pair = Couple(server, tmp_path, one, two)
    fill(server, one, "Work", 0, 20)
    fill(server, one, "Work/Deep", 20, 5)
    fill(server, two, "INBOX", 40, 10)
    pair.sync()
    held = pair.agree()
    assert sum(held["Work"].values()) == 20 and sum(held["INBOX"].values()) == 10
    some_changes(server, one, ["INBOX", "Work"], 60, 1)
    some_changes(server, two, ["INBOX", "Work", "Work/Deep"], 60, 2)
    pair.sync()
    held = pair.agree()
    pair.sync()
    assert pair.agree() == held


def test_by_starttls(shared_server, account, tmp_path):
    need("interimap")
    server, one, two = shared_server, 2 * account, 2 * account + 1
    pair = Couple(server, tmp_path, one, two, kind="imap")
    fill(server, one, "INBOX", 0, 5)
    pair.sync()
    some_changes(server, two, ["INBOX"], 20, 3)
    pair.sync()
    pair.agree()


def test_long_away(shared_server, account, tmp_path):
    """As many changes as INTEROP_CHANGES says, and then one run."""
    need("interimap")
    server, one, two = shared_server, 2 * account, 2 * account + 1
    pair = Couple(server, tmp_path, one, two)
    fill(server, one, "INBOX", 0, 100)
    fill(server, one, "Work", 100, 50)
    pair.sync()
    some_changes(server, one, ["INBOX", "Work"], CHANGES // 2, 4)
    some_changes(server, two, ["INBOX", "Work"], CHANGES // 2, 5)
    pair.sync()
    pair.agree()


def test_store_is_sound_after_all(shared_server):
    assert shared_server.check() == []
