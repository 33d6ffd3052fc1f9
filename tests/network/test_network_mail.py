# SPDX-License-Identifier: Apache-2.0
"""Mail between two Mailkeeps and a Postfix, each on a host of its own, with a signed DNS."""
import email
import email.policy
import itertools
import json
import os
import re
import smtplib
import time

import pytest
from internet import internet  # noqa: F401 - a fixture
from keeper import Keeper

NUMBERS = itertools.count(1)


def compose(sender, to, subject=None, body="Good morning,\r\n.a line with a dot\r\n"):
    subject = subject or f"letter {next(NUMBERS)}"
    return subject, (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
                     f"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\n"
                     f"Message-ID: <{subject.replace(' ', '.')}@{sender.split('@')[1]}>\r\n"
                     f"\r\n{body}").encode()


def found(messages, subject):
    return [m for m in messages if f"Subject: {subject}\r\n".encode() in m.replace(b"\r\n", b"\n")
            .replace(b"\n", b"\r\n")]


def arrived(read, subject, log, count=1):
    """Waits for the message; returns it parsed."""
    end = time.monotonic() + 90
    while len(found(read(), subject)) < count:
        assert time.monotonic() < end, f"{subject} did not arrive\n{log()}"
        time.sleep(0.2)
    got = found(read(), subject)
    assert len(got) == count
    return email.message_from_bytes(got[0], policy=email.policy.default)


def results(message):
    """What the receiving server found: method -> result."""
    out = {}
    for value in message.get_all("Authentication-Results", []):
        for part in " ".join(str(value).split()).split(";")[1:]:
            method, _, rest = part.strip().partition("=")
            out.setdefault(method, rest.split(" ")[0])
    return out


def from_postfix(internet, to, message, sender="anna@three.example"):
    host = internet.three.host
    with host.here(), smtplib.SMTP(host.address, 25, timeout=60) as s:
        s.sendmail(sender, to, message)


def logs(internet):
    return lambda: "\n".join([internet.one.log_tail(), internet.two.log_tail(),
                              internet.three.log()[-3000:]])


def test_mailkeep_to_mailkeep(internet):
    for a, b in ((internet.one, internet.two), (internet.two, internet.one)):
        subject, m = compose(a.user(1), b.user(2))
        a.submit(1, [b.user(2)], m)
        got = arrived(lambda b=b: b.messages(2), subject, logs(internet))
        r = results(got)
        assert (r.get("spf"), r.get("dmarc")) == ("pass", "pass"), got.as_string()
        assert ".a line with a dot" in got.get_content()


def test_mailkeep_to_postfix(internet):
    subject, m = compose(internet.one.user(1), "ben@three.example")
    internet.one.submit(1, ["ben@three.example"], m)
    got = arrived(internet.three.messages, subject, logs(internet))
    assert "TLSv1.3" in str(got["Received"])
    assert "certificate checked by DANE" in internet.one.log_tail()


def test_postfix_to_mailkeep(internet):
    subject, m = compose("anna@three.example", internet.two.user(1))
    from_postfix(internet, [internet.two.user(1)], m)
    r = results(arrived(lambda: internet.two.messages(1), subject, logs(internet)))
    assert (r.get("spf"), r.get("dmarc")) == ("pass", "pass")
    assert "Verified TLS connection established to mail.two.example" in internet.three.log()


def test_a_forgery_is_refused(internet):
    """dmarc p=reject, and neither SPF nor DKIM speaks for the sender."""
    _, m = compose(internet.two.user(1), internet.one.user(1))
    with internet.stranger.here(), smtplib.SMTP(internet.one.host.address, 25, timeout=60) as s:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            s.sendmail(internet.two.user(1), [internet.one.user(1)], m)
    assert refused.value.smtp_code == 550 and b"5.7.1" in refused.value.smtp_error


def test_relaying_is_refused(internet):
    with internet.stranger.here(), smtplib.SMTP(internet.one.host.address, 25, timeout=60) as s:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            s.sendmail("x@stranger.example", ["ben@three.example"], b"Subject: x\r\n\r\nx\r\n")
    (code, text), = refused.value.recipients.values()
    assert code == 550 and b"5.7.1" in text


def test_a_host_that_is_cut_off_gets_it_later_and_once(internet):
    internet.two.host.cut_off()
    try:
        letters = [compose(internet.one.user(1), internet.two.user(2)) for _ in range(5)]
        for _, m in letters:
            internet.one.submit(1, [internet.two.user(2)], m)
        end = time.monotonic() + 60
        while "not tried" not in internet.one.log_tail():
            assert time.monotonic() < end, internet.one.log_tail()
            time.sleep(0.2)
    finally:
        internet.two.host.join()
    for subject, _ in letters:
        arrived(lambda: internet.two.messages(2), subject, logs(internet))
    time.sleep(2)
    for subject, _ in letters:
        assert len(found(internet.two.messages(2), subject)) == 1


def test_a_bounce_comes_back_in_plain_words(internet):
    subject, m = compose(internet.one.user(2), "nobody@two.example")
    internet.one.submit(2, ["nobody@two.example"], m)
    end = time.monotonic() + 60
    while not (got := [x for x in internet.one.messages(2) if b"delivery-status" in x]):
        assert time.monotonic() < end, logs(internet)()
        time.sleep(0.2)
    assert b"nobody@two.example" in got[0] and b"5.1.1" in got[0]


def trace(server, what):
    """What is told of a message or an address; nothing when nothing is known."""
    r = server.command("--json", "trace", what, check=False)
    assert r.returncode in (0, 3), r.stderr
    return [json.loads(line) for line in r.stdout.splitlines()] if r.returncode == 0 else []


def traced(server, what, *wanted):
    """Waits until these events are among those told; returns all."""
    end = time.monotonic() + 60
    while True:
        told = trace(server, what)
        if set(wanted) <= {e.get("event") for e in told}:
            return told
        assert time.monotonic() < end, (told, server.log_tail())
        time.sleep(0.2)


def test_the_trace_of_a_message_has_both_halves(internet):
    subject, m = compose(internet.one.user(1), internet.two.user(1))
    name = f"<{subject.replace(' ', '.')}@one.example>"
    internet.one.submit(1, [internet.two.user(1)], m)
    taken, queued, delivered = traced(internet.one, name, "delivered")
    assert taken["event"] == "taken in" and taken["how"] == "submission"
    assert taken["account"] == internet.one.user(1) and taken["tls"].startswith("TLSv1.3")
    assert queued["event"] == "queued" and queued["to"] == [internet.two.user(1)]
    assert delivered["host"].startswith("mail.two.example") and delivered["reply"].startswith("250")
    assert "DANE" in delivered["protection"]
    came, kept = traced(internet.two, name, "delivered here")
    assert came["event"] == "taken in" and came["how"] == "SMTP"
    assert came["client"] == internet.one.host.address and came["from"] == internet.one.user(1)
    assert "SPF pass" in came["verdict"] and "DMARC pass" in came["verdict"]
    assert kept["mailbox"] == "INBOX" and kept["to"] == [internet.two.user(1)]
    log = json.loads(internet.two.command("--json", "log", internet.two.user(1), "--last", "1").stdout)
    assert "DMARC pass" in log["verdict"] and "device" not in log


def test_the_trace_of_a_failure_ends_with_the_notice(internet):
    subject, m = compose(internet.one.user(1), "nobody@two.example")
    name = f"<{subject.replace(' ', '.')}@one.example>"
    internet.one.submit(1, ["nobody@two.example"], m)
    told = traced(internet.one, name, "failed", "sender told", "delivered here")
    failed = next(e for e in told if e["event"] == "failed")
    assert "550 5.1.1" in failed["reply"] and "no mailbox with this address" in failed["why"]
    assert told[-1]["to"] == [internet.one.user(1)]
    refused = trace(internet.two, "nobody@two.example")[0]
    assert refused["result"] == "refused" and refused["from"] == internet.one.user(1)


# ---- DKIM, with keys of the server's own making -------------------------------------------------

@pytest.fixture(scope="module")
def keys(internet):
    """Both kinds of keys sign for one.example, and are in the DNS."""
    one = internet.one
    one.command("dkim", "create", one.domain)
    records = []
    for line in one.command("dkim", "show", one.domain).stdout.splitlines():
        if "_domainkey" in line and not line.lstrip().startswith("#"):
            name, rest = line.split(None, 1)
            data = "".join(re.findall(r'"([^"]*)"', rest))
            cut = [data[i:i + 250] for i in range(0, len(data), 250)]
            internet.world.records[name.rstrip(".")] = [
                "TXT " + " ".join(f'"{piece}"' for piece in cut)]
            records.append(name)
    assert len(records) == 2
    internet.world.publish()
    end = time.monotonic() + 60
    while states(one) != ["active", "active"]:  # once the DNS shows them, by itself
        assert time.monotonic() < end, states(one)
        time.sleep(0.2)
    return internet


def states(server):
    lines = server.command("dkim", "list", server.domain, "--json").stdout.splitlines()
    return [key["state"] for key in map(json.loads, lines) if "state" in key]


def txt(internet):
    """What dkimpy asks for a record."""
    def lookup(name, timeout=5):
        for record in internet.world.records.get(name.decode().rstrip("."), []):
            if record.startswith("TXT"):
                return "".join(re.findall(r'"([^"]*)"', record)).encode()
        return None
    return lookup


def test_dkimpy_agrees_with_what_is_signed(keys):
    dkim = pytest.importorskip("dkim")
    subject, m = compose(keys.one.user(1), "ben@three.example",
                         body="  two  blanks \r\n\r\n.dot\r\nzo\u00eb\r\n".encode().decode("latin-1"))
    keys.one.submit(1, ["ben@three.example"], m)
    arrived(keys.three.messages, subject, logs(keys))
    raw = found(keys.three.messages(), subject)[0]
    raw = raw[raw.index(b"Received:"):].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    signatures = raw.lower().count(b"dkim-signature:")
    assert signatures == 2
    for index in range(signatures):
        assert dkim.DKIM(raw).verify(idx=index, dnsfunc=txt(keys)), raw
    # And it would notice.
    changed = raw.replace(b"blanks", b"planks")
    for index in range(signatures):
        with pytest.raises(dkim.ValidationError):
            dkim.DKIM(changed).verify(idx=index, dnsfunc=txt(keys))


def test_a_notice_to_a_stranger_is_signed(keys):
    """Mail for an alias that leads to nobody at the next server: its sender is told, and whoever asks
    the DNS finds that the notice is ours."""
    dkim = pytest.importorskip("dkim")
    keys.one.command("alias", "add", f"away@{keys.one.domain}", f"nobody@{keys.two.domain}")
    subject, m = compose("anna@three.example", f"away@{keys.one.domain}")
    from_postfix(keys, [f"away@{keys.one.domain}"], m)
    end = time.monotonic() + 90
    while not (notices := [n for n in keys.three.messages()
                           if b"message/delivery-status" in n and subject.encode() in n]):
        assert time.monotonic() < end, logs(keys)()
        time.sleep(0.2)
    raw = notices[0][notices[0].index(b"Received:"):].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert email.message_from_bytes(raw, policy=email.policy.default)["From"].addresses[0].domain \
        .endswith(keys.one.domain)
    assert raw.lower().count(b"dkim-signature:") == 2
    assert dkim.DKIM(raw).verify(idx=0, dnsfunc=txt(keys)), raw
    log = keys.one.log_tail(50)
    assert "nobody@two.example: failed" in log
    assert re.search(r"the sender SRS0=\S+ of message \w+ is told .*<notice\.", log), log


def test_what_is_in_the_dns_is_said(keys):
    """The server asks by way of its courier: what is there, what is not, and what else it says."""
    done = keys.one.command("--json", "domain", "dns", keys.one.domain, "--check", check=False)
    answer = json.loads(done.stdout.splitlines()[-1])
    states = {(r["type"], r["name"].split(".")[0]): r["state"] for r in answer["records"]}
    assert states["MX", "one"] == states["TXT", "one"] == states["TXT", "_dmarc"] == "ok"
    dkim = [r["state"] for r in answer["records"] if "._domainkey." in r["name"]]
    assert dkim == ["ok", "ok"]
    assert states["SRV", "_imaps"] == states["TXT", "_smtp"] == "missing"
    assert "unknown" not in states.values()
    assert done.returncode == 1 and answer["wrong"] == sum(
        r["state"] != "ok" for r in answer["records"])


def test_our_other_server_agrees(keys):
    subject, m = compose(keys.one.user(1), keys.two.user(2))
    keys.one.submit(1, [keys.two.user(2)], m)
    r = results(arrived(lambda: keys.two.messages(2), subject, logs(keys)))
    assert (r.get("spf"), r.get("dkim"), r.get("dmarc")) == ("pass", "pass", "pass")


# ---- MTA-STS ------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["in the policy", "not in the policy"])
def test_mta_sts_is_kept(internet, how):
    """A domain without DANE that publishes a policy: mail goes only to hosts that it names, and
    their certificate is checked."""
    good = how == "in the policy"
    name = "sts-good" if good else "sts-bad"
    domain, mx, w = f"{name}.example", f"plain-{name}.example", internet.world
    host = internet.stranger
    cert, key = host.certificate(f"mta-sts.{domain}")
    w.records[mx] = [f"A {internet.three.host.address}"]  # no TLSA: DANE has no say
    w.records[domain] = [f"MX 10 {mx}."]
    w.records[f"mta-sts.{domain}"] = [f"A {host.address}"]
    w.records[f"_mta-sts.{domain}"] = ['TXT "v=STSv1; id=1"']
    w.publish()
    # The policy is served by a Mailkeep of the domain's own, which gets none of its mail.
    publisher = Keeper(host, domain, users=0, settings={
        "listen_https": f"{host.address}:443", "mta_sts_mx": mx if good else "other.example"})
    publisher.folder = os.path.join(host.folder, name)
    publisher.data = os.path.join(publisher.folder, "data")
    os.mkdir(publisher.folder)
    publisher.use_certificate(cert, key)
    publisher.start()
    try:
        _, m = compose(internet.one.user(1), f"ben@{domain}")
        internet.one.submit(1, [f"ben@{domain}"], m)
        want = "checked as demanded by MTA-STS" if good else \
            "The MTA-STS policy of the domain does not know this host"
        end = time.monotonic() + 60
        while want not in (said := about(internet.one, f"ben@{domain}")):
            assert time.monotonic() < end, internet.one.log_tail()
            time.sleep(0.2)
        assert good or ": delivered" not in said
    finally:
        publisher.stop()


def about(server, address):
    """The log's lines about an address."""
    return "\n".join(x for x in server.log_tail(500).splitlines() if address in x)
