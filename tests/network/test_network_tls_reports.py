# SPDX-License-Identifier: Apache-2.0
"""What becomes of TLS with a domain's servers is reported by one Mailkeep and read by another."""
import os
import time

from internet import internet  # noqa: F401 - a fixture
from test_network_mail import arrived, compose, logs
from test_network_reports import ROWS, two_days_earlier, until


def test_n07_a_tls_report_goes_its_whole_way(internet):
    one, two, world = internet.one, internet.two, internet.world
    world.records["_smtp._tls.two.example"] = [
        'TXT "v=TLSRPTv1; rua=https://two.example/x,mailto:postmaster@two.example"']
    world.records["mail.one.example"] = world.records.get("mail.one.example", []) + [
        'TXT "v=spf1 a -all"']
    world.publish()
    two.command("alias", "add", "postmaster@two.example", two.user(1))
    subject, m = compose(one.user(1), two.user(1))
    one.submit(1, [two.user(1)], m)
    arrived(lambda: two.messages(1), subject, logs(internet))
    time.sleep(1.5)  # what has nothing to ride with is written within a second
    # A certificate that is not the one in the DNS.
    good = world.records["_25._tcp.mail.two.example"]
    world.records["_25._tcp.mail.two.example"] = ["TLSA 3 1 1 " + "00" * 32]
    world.publish()
    one.stop()
    one.start()
    _, m = compose(one.user(1), two.user(2))
    one.submit(1, [two.user(2)], m)
    until(lambda: "not what DANE demands" in one.log_tail(200), lambda: one.log_tail(200))
    world.records["_25._tcp.mail.two.example"] = good
    world.publish()
    time.sleep(1.5)
    one.stop()
    assert len(two_days_earlier(one)) >= 2
    one.command("check")
    one.start()
    until(lambda: two.command("--json", "reports", "list").stdout,
          lambda: one.log_tail(60) + two.log_tail(30))
    words = two.command("reports", "show", "two.example").stdout
    assert "from mail.one.example: mail.two.example has TLSA records that are wrong or do not " \
           "fit its certificate." in words, words
    (report,) = [x for x in two.messages(1) if b"TLS-Report-Domain: two.example" in x]
    assert b"Return-Path: <>" in report and b"dmarc=pass" in report
    assert b'report-type="tlsrpt"' in report and os.path.exists(one.data) and ROWS
