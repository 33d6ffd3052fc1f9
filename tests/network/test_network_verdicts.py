# SPDX-License-Identifier: Apache-2.0
"""SPF, DKIM and DMARC as Mailkeep finds them in mail from a stranger's host, against what the npm package
mailauth finds in the same message with the same DNS. ARC chains: test_network_arc.py."""
import base64
import re
import smtplib
import subprocess

import mailauth
import pytest
from internet import internet  # noqa: F401 - a fixture
from test_network_mail import arrived, logs, results

# Where we mean to differ.
STRICT = "RFC 7489 section 3.1: strict alignment is the same name; mailauth takes a name below for it, too"
CHANGED = "RFC 8601 section 2.7.1: a signature that could be read and does not hold is fail, not neutral"
NOTHING = 'TXT "nothing of importance"'
OURS = "v=spf1 ip4:{stranger} -all"


def spf(text):
    return f'TXT "{text}"'


class Case:
    """`sender` is the envelope's, `author` who stands in From; `records` are added to the DNS with
    {stranger}, {rsa} and {ed} filled in. `signed`: (d=, selector, canonicalization). `spoil`: what is
    changed after that. `ours`: what we find where we mean to differ from mailauth, and `why`."""

    def __init__(self, name, sender, author=None, records=None, signed=(), spoil=None, refused=False,
                 box="INBOX", ours=None, why=None):
        self.name, self.sender, self.author = name, sender, author or sender
        self.records, self.signed, self.spoil = records or {}, signed, spoil
        self.refused, self.box = refused, box
        assert bool(ours) == bool(why)
        self.ours = ours or {}



CASES = [
    Case("spf pass", "a@d1.example",
         records={"d1.example": [spf(OURS)], "_dmarc.d1.example": [spf("v=DMARC1; p=reject")]}),
    Case("spf fail, asked for nothing", "a@d2.example",
         records={"d2.example": [spf("v=spf1 -all")], "_dmarc.d2.example": [spf("v=DMARC1; p=none")]}),
    Case("spf softfail", "a@d3.example", records={"d3.example": [spf("v=spf1 ~all")]}),
    Case("spf neutral", "a@d4.example", records={"d4.example": [spf("v=spf1 ?all")]}),
    Case("spf none", "a@d5.example", records={"d5.example": [NOTHING]}),
    Case("two spf records", "a@d6.example",
         records={"d6.example": [spf(OURS), spf("v=spf1 -all")]}),
    Case("spf includes itself", "a@d7.example",
         records={"d7.example": [spf("v=spf1 include:d7.example -all")]}),
    Case("spf by include", "a@d8.example",
         records={"d8.example": [spf("v=spf1 include:s8.example -all")], "s8.example": [spf(OURS)]}),
    Case("spf redirect and macros", "a@d9.example",
         records={"d9.example": [spf("v=spf1 redirect=%{d1r}.s9.example")], "d9.s9.example": [spf(OURS)],
                  "example.s9.example": [spf(OURS)]}),
    Case("spf of another domain", "a@d10.example", "a@e10.example",
         records={"d10.example": [spf(OURS)], "e10.example": [NOTHING],
                  "_dmarc.e10.example": [spf("v=DMARC1; p=none")]}),
    Case("spf of a name below, relaxed", "a@mail.d11.example", "a@d11.example",
         records={"mail.d11.example": [spf(OURS)], "d11.example": [NOTHING],
                  "_dmarc.d11.example": [spf("v=DMARC1; p=reject")]}),
    Case("spf of a name below, strict", "a@mail.d12.example", "a@d12.example",
         records={"mail.d12.example": [spf(OURS)], "d12.example": [NOTHING],
                  "_dmarc.d12.example": [spf("v=DMARC1; p=none; aspf=s")]},
         ours={"dmarc": "fail"}, why=STRICT),
    Case("dkim pass", "a@d13.example",
         records={"d13.example": [NOTHING], "_dmarc.d13.example": [spf("v=DMARC1; p=reject")],
                  "r._domainkey.d13.example": ["{rsa}"]},
         signed=[("d13.example", "r", "relaxed/relaxed")]),
    Case("dkim simple", "a@d14.example",
         records={"d14.example": [NOTHING], "_dmarc.d14.example": [spf("v=DMARC1; p=reject")],
                  "r._domainkey.d14.example": ["{rsa}"]},
         signed=[("d14.example", "r", "simple/simple")]),
    Case("dkim ed25519", "a@d15.example",
         records={"d15.example": [NOTHING], "_dmarc.d15.example": [spf("v=DMARC1; p=reject")],
                  "e._domainkey.d15.example": ["{ed}"]},
         signed=[("d15.example", "e", "relaxed/simple")]),
    Case("dkim of a changed body", "a@d16.example",
         records={"d16.example": [NOTHING], "_dmarc.d16.example": [spf("v=DMARC1; p=none")],
                  "r._domainkey.d16.example": ["{rsa}"]},
         signed=[("d16.example", "r", "relaxed/relaxed")], spoil=(b"Good", b"Bad"),
         ours={"dkim": "fail"}, why=CHANGED),
    Case("dkim of a changed field", "a@d17.example",
         records={"d17.example": [NOTHING], "_dmarc.d17.example": [spf("v=DMARC1; p=none")],
                  "r._domainkey.d17.example": ["{rsa}"]},
         signed=[("d17.example", "r", "relaxed/relaxed")], spoil=(b"25 Nov", b"24 Nov")),
    Case("dkim of another domain, to be quarantined", "a@d18.example",
         records={"d18.example": [NOTHING], "_dmarc.d18.example": [spf("v=DMARC1; p=quarantine")],
                  "r._domainkey.e18.example": ["{rsa}"]},
         signed=[("e18.example", "r", "relaxed/relaxed")], box="Junk"),
    Case("two signatures, one of them ours", "a@d19.example",
         records={"d19.example": [NOTHING], "_dmarc.d19.example": [spf("v=DMARC1; p=reject")],
                  "r._domainkey.d19.example": ["{rsa}"], "r._domainkey.e19.example": ["{rsa}"]},
         signed=[("d19.example", "r", "relaxed/relaxed"), ("e19.example", "r", "simple/relaxed")]),
    Case("dkim of a name below, strict", "a@d20.example",
         records={"d20.example": [NOTHING], "_dmarc.d20.example": [spf("v=DMARC1; p=none; adkim=s")],
                  "r._domainkey.x.d20.example": ["{rsa}"]},
         signed=[("x.d20.example", "r", "relaxed/relaxed")], ours={"dmarc": "fail"}, why=STRICT),
    Case("a policy for names below", "a@x.d21.example",
         records={"x.d21.example": [spf("v=spf1 -all")],
                  "_dmarc.d21.example": [spf("v=DMARC1; p=reject; sp=none")]}),
    Case("a forgery", "a@d22.example",
         records={"d22.example": [spf("v=spf1 -all")], "_dmarc.d22.example": [spf("v=DMARC1; p=reject")]},
         refused=True),
    Case("no policy at all", "a@d23.example", records={"d23.example": [spf(OURS)]}),
    Case("two policies are none", "a@d24.example",
         records={"d24.example": [spf("v=spf1 -all")],
                  "_dmarc.d24.example": [spf("v=DMARC1; p=reject"), spf("v=DMARC1; p=none")]}),
]


def node_zone(records, hosts):
    """Name -> type -> what Node's resolver gives."""
    zone = {}
    for name, lines in list(records.items()) + [(h.fqdn, [f"A {h.address}"]) for h in hosts]:
        for line in lines:
            kind, _, rest = line.partition(" ")
            value = {"TXT": lambda r: re.findall(r'"([^"]*)"', r), "A": str,
                     "MX": lambda r: {"priority": int(r.split()[0]),
                                      "exchange": r.split()[1].rstrip(".")}}.get(kind)
            here = zone.setdefault(name, {})
            if value:
                here.setdefault(kind, []).append(value(rest))
    return zone


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    """Keys of the stranger's, and their records."""
    nacl = pytest.importorskip("nacl.signing")
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", folder / "rsa", "2048"], check=True,
                   capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", folder / "rsa", "-pubout", "-outform", "DER"],
                            check=True, capture_output=True).stdout
    ed = nacl.SigningKey.generate()
    text = base64.b64encode(public).decode()
    return {"r": ((folder / "rsa").read_bytes(), b"rsa-sha256"),
            "e": (base64.b64encode(bytes(ed)), b"ed25519-sha256"),
            "rsa": f'TXT "v=DKIM1; k=rsa; p={text[:200]}" "{text[200:]}"',
            "ed": f'TXT "v=DKIM1; k=ed25519; p={base64.b64encode(bytes(ed.verify_key)).decode()}"'}


def compose(case, to, keys):
    dkim = pytest.importorskip("dkim")
    subject = "letter of " + case.name.replace(" ", "-").replace(",", "")
    text = (f"From: {case.author}\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@x.example>\r\n"
            f"\r\nGood morning,\r\n  and  more \r\n\r\n\r\n").encode()
    for domain, selector, canon in case.signed:
        head, body = (c.encode() for c in canon.split("/"))
        pem, algorithm = keys[selector]
        text = dkim.sign(text, selector.encode(), domain.encode(), pem, canonicalize=(head, body),
                         signature_algorithm=algorithm) + text
    return subject, text.replace(*case.spoil) if case.spoil else text


def test_mailauth_agrees(internet, signing, tmp_path):
    mailauth.need()
    for case in CASES:
        for name, lines in case.records.items():
            internet.world.records[name] = [
                line.replace("{stranger}", internet.stranger.address).replace("{rsa}", signing["rsa"])
                .replace("{ed}", signing["ed"]) for line in lines]
    internet.world.publish()
    to = internet.one.user(1)
    asked, sent = [], []
    for number, case in enumerate(CASES):
        subject, text = compose(case, to, signing)
        path = tmp_path / f"m{number}"
        path.write_bytes(text)
        asked.append({"path": str(path), "ip": internet.stranger.address, "sender": case.sender,
                      "helo": internet.stranger.fqdn})
        code = 250
        with internet.stranger.here(), smtplib.SMTP(internet.one.host.address, 25, timeout=60,
                                                    local_hostname=internet.stranger.fqdn) as s:
            try:
                s.sendmail(case.sender, [to], text)
            except smtplib.SMTPDataError as e:
                code = e.smtp_code
        assert (code == 550) == case.refused, (case.name, code, internet.one.log_tail())
        sent.append(subject)
    theirs = mailauth.verdicts(node_zone(internet.world.records, internet.world.hosts.values()), asked)
    wrong = []
    for case, subject, verdict in zip(CASES, sent, theirs):
        if case.refused:
            if verdict["dmarc"] != "fail" or verdict["policy"] != "reject":
                wrong.append(f"{case.name}: refused, mailauth {verdict}")
            continue
        message = arrived(lambda case=case: internet.one.messages(1, case.box), subject, logs(internet))
        ours = results(message)
        passed = "pass" if "pass" in [d["result"] for d in verdict["dkim"]] else \
            verdict["dkim"][0]["result"] if verdict["dkim"] else "none"
        for method, says in (("spf", verdict["spf"]), ("dkim", passed), ("dmarc", verdict["dmarc"])):
            want = case.ours.get(method, says)
            if ours.get(method, "none") != want:
                wrong.append(f"{case.name}: {method} {ours.get(method)}, mailauth {says}: "
                             f"{message['Authentication-Results']}")
    assert not wrong, "\n".join(wrong)
