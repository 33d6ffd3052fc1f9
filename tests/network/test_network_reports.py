# SPDX-License-Identifier: Apache-2.0
"""A day of mail in a domain's name is reported by one Mailkeep and read by another."""
import os
import smtplib
import struct
import time

import pytest
from internet import internet  # noqa: F401 - a fixture
from test_network_mail import arrived, compose, logs

lmdb = pytest.importorskip("lmdb", reason="python3-lmdb")

ROWS = b"d" + struct.pack(">Q", 0xFFFFFFFFFFFFFE00)
DAY_US = 86_400_000_000


def of_dmarc(rows):
    return [r for r in rows if r[0][10] == 1]


def seen(server):
    """Keys and values of what a server that is stopped has observed."""
    with lmdb.open(os.path.join(server.data, "mail", "index"), readonly=True, lock=False) as env:
        with env.begin() as t:
            return [(bytes(k), bytes(v)) for k, v in t.cursor() if k[:10] == ROWS + b"O"]


def two_days_earlier(server):
    """As if all of that had been seen the day before yesterday."""
    rows = seen(server)
    with lmdb.open(os.path.join(server.data, "mail", "index"), map_size=1 << 30) as env:
        with env.begin(write=True) as t:
            for key, value in rows:
                day, = struct.unpack(">I", key[11:15])
                mail, = struct.unpack(">Q", key[-8:])
                t.delete(key)
                t.put(key[:11] + struct.pack(">I", day - 2) + key[15:-8]
                      + struct.pack(">Q", mail - 2 * DAY_US), value)
    return rows


def until(what, log, seconds=90):
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, log()
        time.sleep(0.2)
    return got


def test_n07_a_report_goes_its_whole_way(internet):
    one, two, world = internet.one, internet.two, internet.world
    world.records["_dmarc.two.example"] = [
        'TXT "v=DMARC1; p=reject; rua=mailto:postmaster@two.example"']
    # Nobody's MAIL FROM is left of a report: SPF speaks for the name of the server.
    world.records["mail.one.example"] = world.records.get("mail.one.example", []) + [
        'TXT "v=spf1 a -all"']
    world.publish()
    two.command("alias", "add", "postmaster@two.example", two.user(1))
    time.sleep(2)  # what the caches know of the records is older than that
    for server in (one, two):
        server.stop()
        server.start()
    subject, m = compose(two.user(1), one.user(1))
    two.submit(1, [one.user(1)], m)
    arrived(lambda: one.messages(1), subject, logs(internet))
    _, m = compose(two.user(1), one.user(1))
    with internet.stranger.here(), smtplib.SMTP(one.host.address, 25, timeout=60) as s:
        with pytest.raises(smtplib.SMTPDataError):
            s.sendmail(two.user(1), [one.user(1)], m)
    one.command("trace", one.user(1))  # refusals are written now
    one.stop()
    assert len(of_dmarc(two_days_earlier(one))) == 2
    one.command("check")
    one.start()
    listed = until(lambda: two.command("--json", "reports", "list").stdout,
                   lambda: one.log_tail(60) + two.log_tail(30))
    assert '"organization":"mail.one.example"' in listed.replace(": ", ":")
    words = two.command("reports", "show", "two.example").stdout
    assert f"{internet.stranger.address} sent 1 message as two.example: not proved to be yours. " \
           "0 went to Junk there, 1 was refused." in words, words
    assert f"{two.host.address} sent 1 message as two.example: proved to be yours" in words, words
    assert "DMARC: 1 messages passed, 1 failed (1 reports)" in words
    (report,) = [x for x in two.messages(1) if b"Report Domain: two.example" in x]
    assert b"Return-Path: <>" in report and b"dmarc=pass" in report
    # The report itself is nothing to report on.
    two.stop()
    one.stop()
    assert not of_dmarc(seen(two)) and not of_dmarc(seen(one))
