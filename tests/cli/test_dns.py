# SPDX-License-Identifier: Apache-2.0
"""The records a domain needs, as an administrator reads them."""


def test_records_ready_to_paste(keeper):
    keeper.run("dkim", "create", "example.org")
    out = keeper.run("domain", "dns", "example.org")
    for line in ('example.org. IN TXT ( "v=spf1 mx -all" )', "_dmarc.example.org. IN TXT (",
                 "r._domainkey.example.org. IN TXT ( \"v=DKIM1", "_mta-sts.example.org. IN TXT (",
                 "_smtp._tls.example.org. IN TXT (", "_imaps._tcp.example.org. IN SRV 0 1 993 ",
                 "example.org. IN MX 10 ", "version: STSv1", "postmaster@example.org"):
        assert line in out, line
    # A zone file: every line is a record or a comment, no string is longer than 255 bytes.
    for line in out.splitlines():
        assert not line or line.startswith(";") or " IN " in line, line
        assert all(len(s) <= 255 for s in line.split('"')[1::2])
    (j,) = keeper.json("domain", "dns", "example.org")
    assert len(j["records"]) == 12 and j["wrong"] == 0
    keeper.run("domain", "dns", "example.com", code=3)


def test_the_dns_is_asked_by_the_server_only(offline):
    offline.run("domain", "dns", "example.org", "--check", code=4)
    assert "none runs here" in offline.error
