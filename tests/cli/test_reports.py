# SPDX-License-Identifier: Apache-2.0
"""`mailkeep reports`: reports come by mail, are read, and are told of; with and without a server."""
import base64
import gzip
import io
import json
import os
import smtplib
import sys
import time
import zipfile

import pytest
from conftest import make

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "oracle"))

DMARC = """<?xml version="1.0" encoding="UTF-8"?>
<feedback><report_metadata><org_name>{org}</org_name><email>dmarc@example.net</email>
<report_id>{id}</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range>
</report_metadata><policy_published><domain>example.org</domain><p>reject</p></policy_published>
{rows}</feedback>"""
ROW = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>{done}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>example.org</header_from></identifiers></record>"""
TLS = {"organization-name": "Example Inc.", "contact-info": "tls@example.net", "report-id": "t1",
       "date-range": {"start-datetime": "2026-11-25T00:00:00Z",
                      "end-datetime": "2026-11-25T23:59:59Z"},
       "policies": [{"policy": {"policy-type": "sts", "policy-domain": "example.org"},
                     "summary": {"total-successful-session-count": 50,
                                 "total-failure-session-count": 3},
                     "failure-details": [{"result-type": "certificate-expired",
                                          "receiving-mx-hostname": "mx.example.org",
                                          "failed-session-count": 3}]}]}


def row(ip="192.0.2.1", count=3, done="none", dkim="pass", spf="pass"):
    return ROW.format(ip=ip, count=count, done=done, dkim=dkim, spf=spf)


def dmarc(*rows, org="Example Inc.", number=1):
    return DMARC.format(org=org, id=number, rows="".join(rows)).encode()


def zipped(data, name="../../report.xml"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return out.getvalue()


def letter(data, kind="application/gzip"):
    text = base64.encodebytes(data).decode().replace("\n", "\r\n")
    return ("From: dmarc@example.net\r\nTo: postmaster@example.org\r\nSubject: Report Domain: "
            f"example.org\r\nMessage-ID: <{hash(data)}@example.net>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nA report.\r\n"
            f"--b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}"
            "--b--\r\n").encode()


SETTINGS = {"smtp_relay_networks": "127.0.0.0/8", "relay_host": "127.0.0.1",
            "relay_host_port": "1", "relay_host_tls": "opportunistic",
            "server_name": "mail.example.org"}


def keeper_with(tmp_path, **settings):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, True, **SETTINGS, **settings)
    k.run("domain", "add", "example.org")
    k.add("anna@example.org")
    k.run("alias", "add", "postmaster@example.org", "anna@example.org")
    return k


@pytest.fixture
def keeper(tmp_path):
    k = keeper_with(tmp_path)
    yield k
    k.close()


def send(keeper, message, to="postmaster@example.org"):
    with smtplib.SMTP("127.0.0.1", keeper.server.smtp_port, local_hostname="client.example.net",
                      timeout=60) as c:
        c.sendmail("bounce@example.net", [to], message)


def log_of(keeper):
    with open(keeper.server.log_path, errors="replace") as f:
        return f.read()


def until_read(keeper, letters):
    """Until so many letters were read, as the log says."""
    end = time.monotonic() + 60
    while (said := log_of(keeper).count("reports: ")) < letters:
        assert time.monotonic() < end, f"{said} of {letters} letters"
        time.sleep(0.02)


def told(keeper, what="example.org"):
    *items, total = keeper.json("reports", "show", what)
    return items, total


def offline(keeper):
    """From here on without a server; what is on the disk is looked at by both readers."""
    keeper.server.stop()
    keeper.online = False
    keeper.run("check")
    from oracle import read_apart
    problems = read_apart(keeper.server.data)[0]
    assert not problems, problems


def test_dmarc_reports_are_added_up(keeper):
    send(keeper, letter(gzip.compress(dmarc(
        row(count=120), row("192.0.2.9", 12, "reject", "fail", "fail")))))
    send(keeper, letter(zipped(dmarc(
        row(count=5, spf="fail"), row("192.0.2.9", 3, "quarantine", "fail", "fail"), number=2)),
        "application/zip"))
    send(keeper, letter(dmarc(row("2001:db8::1", 7, spf="fail"), number=3), "text/xml"))
    until_read(keeper, 3)
    for _ in range(2):
        items, total = told(keeper)
        assert [(i["source"], i["passed"], i["failed"]) for i in items] == [
            ("192.0.2.9", 0, 15), ("192.0.2.1", 125, 0), ("2001:db8::1", 7, 0)]
        assert items[0]["quarantined"] == 3 and items[0]["rejected"] == 12
        assert items[1]["dkim"] == 125 and items[1]["spf"] == 120
        assert total["dmarc"] == {"reports": 3, "passed": 132, "failed": 15}
        words = keeper.run("reports", "show", "example.org")
        assert "192.0.2.9 sent 15 messages as example.org: none proved to be yours. 3 went to " \
               "Junk there, 12 were refused. If this is a server or a service of yours" in words
        assert "2001:db8::1 sent 7 messages as example.org: all proved to be yours, by DKIM " \
               "alone" in words
        listed = keeper.json("reports", "list")
        assert [r["report_id"] for r in listed] == ["3", "2", "1"]
        assert listed[2]["organization"] == "Example Inc." and listed[2]["policy"] == "p=reject"
        assert listed[2]["begin"] == "2023-11-14T22:13:20Z"
        rows, head = told(keeper, listed[2]["report"])
        assert head == listed[2] and [r["messages"] for r in rows] == [120, 12]
        assert rows[1]["disposition"] == "reject" and not rows[1]["dkim"]
        words = keeper.run("reports", "show", listed[2]["report"])
        assert "12 from 192.0.2.9 as example.org: DKIM fail, SPF fail, policy applied: reject" \
            in words and "their id: 1" in words
        if keeper.online:
            offline(keeper)


def test_tls_reports_and_lists(keeper):
    send(keeper, letter(gzip.compress(json.dumps(TLS).encode()), "application/tlsrpt+gzip"))
    until_read(keeper, 1)
    items, total = told(keeper)
    assert total["tls"] == {"reports": 1, "good": 50, "failed": 3}
    assert items[0]["text"] == "3 connections from Example Inc.: mx.example.org showed a " \
                               "certificate that has expired."
    assert "50 connections good, 3 failed" in keeper.run("reports", "list", "example.org")
    assert keeper.json("reports", "list", "example.net") == []
    assert "No reports" in keeper.run("reports", "list", "--since", "2999-01-01")
    keeper.run("reports", "show", "example.net", code=3)
    assert "domain dns" in keeper.error
    keeper.run("reports", "show", "0123456789abcdef", code=3)
    keeper.run("reports", "show", code=2)
    keeper.run("reports", "list", "--since", "whenever", code=2)


def test_the_same_report_counts_once(keeper):
    one = dmarc(row())
    send(keeper, letter(gzip.compress(one)))
    send(keeper, letter(zipped(one), "application/zip"))
    until_read(keeper, 2)
    assert len(keeper.json("reports", "list")) == 1
    assert "the same report came before" in log_of(keeper)
    offline(keeper)


def test_n08_bombs_entities_and_script(keeper):
    """Nothing of them is kept but the mail itself, and what comes after them is read."""
    entities = b'<!DOCTYPE f [<!ENTITY a "b">]>' + dmarc(row()).split(b"?>", 1)[1]
    endless = gzip.compress(b"<feedback>" + b" " * (256 << 20))
    script = dmarc(row(), org="&lt;script&gt;alert(1)&lt;/script&gt;&#10;x &#155;31m", number=9)
    for data in (entities, endless, gzip.compress(endless), gzip.compress(entities),
                 zipped(b"<feedback>" + b"<a>" * 1000000), b"PK\x03\x04" + b"\xff" * 100,
                 b"\x1f\x8b\x08" + b"\xff" * 100, b"{" + b'"a":[' * 100000):
        send(keeper, letter(data))
    send(keeper, letter(script, "text/xml"))
    until_read(keeper, 9)
    (listed,) = keeper.json("reports", "list")
    assert listed["organization"] == "<script>alert(1)</script> x  31m"
    words = keeper.run("reports", "list")
    assert "<script>alert(1)</script> x  31m about example.org" in words
    assert keeper.counts("anna@example.org") == {"INBOX": 9}
    log = log_of(keeper)
    assert "larger than any report" in log and "broken, or no report" in log
    offline(keeper)


@pytest.mark.parametrize("address, read", [
    ("anna+dmarc@example.org", ["anna+dmarc@example.org"]),
    ("anna", ["anna@example.org", "anna+x@example.org"]),
    ("anna@example.org", ["anna@example.org", "anna+x@example.org"]),
    ("bert@example.org", []), ("anna@example.net", []), ("", [])])
def test_what_the_address_says(tmp_path, address, read):
    k = keeper_with(tmp_path, report_address=f'"{address}"')
    try:
        # The last one is always read, if any is: then those before it were, too.
        for n, to in enumerate(("postmaster@example.org", "anna+x@example.org",
                                "anna+dmarc@example.org", "anna@example.org")):
            send(k, letter(dmarc(row(), number=to)), to)
        if address.startswith("anna") and address.endswith("anna"):
            read = read + ["anna+dmarc@example.org"]
        elif address == "anna@example.org":
            read = read + ["anna+dmarc@example.org"]
        until_read(k, len(read))
        assert sorted(r["report_id"] for r in k.json("reports", "list")) == sorted(read)
        offline(k)
        assert sorted(r["report_id"] for r in k.json("reports", "list")) == sorted(read)
    finally:
        k.close()


def test_reports_are_forgotten(tmp_path):
    k = keeper_with(tmp_path, reports_keep="0")
    try:
        send(k, letter(dmarc(row())))
        until_read(k, 1)
        end = time.monotonic() + 60
        k.server.stop()  # what is to be forgotten is looked at every hour, and at the start
        k.server.start()
        while k.json("reports", "list"):
            assert time.monotonic() < end
            time.sleep(0.05)
        offline(k)
    finally:
        k.close()
