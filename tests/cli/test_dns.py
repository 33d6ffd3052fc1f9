# SPDX-License-Identifier: Apache-2.0
"""The records a domain needs, as an administrator reads them."""
import pytest
from conftest import make


def test_records_ready_to_paste(keeper):
    keeper.run("dkim", "create", "example.org")
    out = keeper.run("domain", "dns", "example.org")
    for line in ('example.org. IN TXT ( "v=spf1 mx -all" )', "_dmarc.example.org. IN TXT (",
                 "r._domainkey.example.org. IN TXT ( \"v=DKIM1", "_mta-sts.example.org. IN TXT (",
                 "_smtp._tls.example.org. IN TXT (", "_imaps._tcp.example.org. IN SRV 0 1 993 ",
                 "example.org. IN MX 10 ", "version: STSv1", "postmaster@example.org"):
        assert line in out, line
    assert "to be served as https://mta-sts.example.org/" in out  # listen_https is off
    # A zone file: every line is a record or a comment, no string is longer than 255 bytes.
    for line in out.splitlines():
        assert not line or line.startswith(";") or " IN " in line, line
        assert all(len(s) <= 255 for s in line.split('"')[1::2])
    (j,) = keeper.json("domain", "dns", "example.org")
    assert len(j["records"]) == 13 and j["wrong"] == 0
    keeper.run("domain", "dns", "example.com", code=3)


def records(keeper, domain):
    (j,) = keeper.json("domain", "dns", domain)
    return {r["name"]: r["value"] for r in j["records"]}


def test_where_reports_go(keeper):
    found = records(keeper, "example.org")
    assert found["_dmarc.example.org"] == \
        "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"
    assert found["_smtp._tls.example.org"] == "v=TLSRPTv1; rua=mailto:postmaster@example.org"


@pytest.mark.parametrize("address, rua, others", [
    ("reports", "reports@example.org", None),
    ("d@example.com", "d@example.com", "example.org._report._dmarc.example.com"),
    ("d@mail.example.org", "d@mail.example.org", None),
    ("a!b,c@example.org", "a%21b%2Cc@example.org", None)])
def test_reports_go_where_the_setting_says(tmp_path, address, rua, others):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, False, report_address=f'"{address}"')
    k.run("domain", "add", "example.org")
    found = records(k, "example.org")
    assert found["_dmarc.example.org"] == "v=DMARC1; p=quarantine; rua=mailto:" + rua
    assert found["_smtp._tls.example.org"] == "v=TLSRPTv1; rua=mailto:" + rua
    assert [(n, v) for n, v in found.items() if "_report" in n] == (
        [(others, "v=DMARC1")] if others else [])


def test_nobody_is_asked_for_reports(tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, False, report_address='""')
    k.run("domain", "add", "example.org")
    found = records(k, "example.org")
    assert found["_dmarc.example.org"] == "v=DMARC1; p=quarantine"
    assert "_smtp._tls.example.org" not in found


def test_the_dns_is_asked_by_the_server_only(offline):
    offline.run("domain", "dns", "example.org", "--check", code=4)
    assert "none runs here" in offline.error
