# SPDX-License-Identifier: Apache-2.0
"""The keys of `mailkeep dkim` sign what leaves, and dkimpy and OpenDKIM agree.

The keys are made by the command line in a data directory; a small program opens it and signs as the
server does (delivery/sign). The records are those that `mailkeep dkim show` prints.
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import mailauth
import pytest

from servers import Mailkeep, mailkeep_binary
from test_interop_senderauth import message

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MESSAGE = (b"Received: by x\r\nFrom: Anna <anna@example.org>\r\nTo: bob@example.net\r\n"
           b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n and more\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n"
           b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\r\nHello  \r\n there\t\r\n\r\n\r\n")


def tool():
    folders = [pathlib.Path(os.environ["MAILKEEP_BUILD"])] if "MAILKEEP_BUILD" in os.environ \
        else ROOT.glob("build*")
    built = [p for f in folders if os.access(p := f / "tests" / "interop" / "sign-leaving", os.X_OK)]
    if not built:
        pytest.skip("sign-leaving is not built")
    return str(max(built, key=lambda p: p.stat().st_mtime))


class Signer:
    def __init__(self, folder):
        self.folder = folder
        self.server = Mailkeep(folder=str(folder / "server"), users=0)
        self.server.write_conf()
        self.run("domain", "add", "example.org")

    def run(self, *words, code=0):
        r = subprocess.run([mailkeep_binary(), "-c", self.server.conf_path, *words],
                           capture_output=True, text=True, timeout=120, check=False)
        assert r.returncode == code, r.stdout + r.stderr
        return r.stdout

    def json(self, *words):
        return [json.loads(line) for line in self.run("--json", *words).splitlines()]

    def records(self):
        return {k["name"]: k["record"] for k in self.json("dkim", "show", "example.org")}

    def sign(self, text, server="-", prefix=b""):
        path = self.folder / "message"
        path.write_bytes(text)
        (self.folder / "message.prefix").write_bytes(prefix)
        store = pathlib.Path(self.server.data) / "mail"
        done = subprocess.run([tool(), str(store), server, str(path)], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return (self.folder / "message.out").read_bytes()

    def sign_many(self, texts):
        """The same for many, in one go."""
        paths = []
        for number, text in enumerate(texts):
            paths.append(self.folder / f"many{number}")
            paths[-1].write_bytes(text)
        store = pathlib.Path(self.server.data) / "mail"
        done = subprocess.run([tool(), str(store), "-", *map(str, paths)], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [pathlib.Path(f"{p}.out") for p in paths]


@pytest.fixture
def signer(tmp_path):
    if Mailkeep.missing():
        pytest.skip(Mailkeep.missing())
    os.chmod(tmp_path, 0o755)
    (tmp_path / "server").mkdir()
    return Signer(tmp_path)


def dns(records):
    return lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None


def seals(text):
    """The numbers of the seals, from the top."""
    fields = re.findall(rb"(?m)^ARC-Seal:(?:.*\r\n[ \t])*.*\r\n", text)
    return [int(re.search(rb"[ \t;]i=(\d+)", f)[1]) for f in fields]


def each_signature(dkim, text, records):
    """What dkimpy thinks of every signature, from the top."""
    def verify(i):
        try:
            return dkim.DKIM(text).verify(idx=i, dnsfunc=dns(records))
        except dkim.ValidationError:
            return False

    return [verify(i) for i in range(text.lower().count(b"dkim-signature:"))]


def test_both_keys_sign_once_they_are_active(signer):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    made = signer.json("dkim", "create", "example.org")[:2]
    day = time.strftime("%Y%m%d", time.gmtime())
    assert [(k["selector"][8:], k["algorithm"], k["state"]) for k in made] == [
        ("r", "rsa-sha256", "prepared"), ("e", "ed25519-sha256", "prepared")]
    assert abs(int(day) - int(made[0]["selector"][:8])) < 8900  # midnight may pass
    assert b"DKIM-Signature" not in signer.sign(MESSAGE)
    signer.run("dkim", "activate", "example.org")
    signed = signer.sign(MESSAGE)
    assert signed.endswith(MESSAGE)
    assert signed.index(b"a=rsa-sha256") < signed.index(b"a=ed25519-sha256")
    records = signer.records()
    assert each_signature(dkim, signed, records) == [True, True]
    for bad in (signed.replace(b"anna@", b"eve@"), signed.replace(b"Hello", b"Hallo"),
                signed.replace(b"Subject:", b"Subject: two\r\nSubject:"),  # signed more than once
                b"From: eve@example.org\r\n" + signed):
        assert each_signature(dkim, bad, records) == [False, False]


def test_rotation(signer):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    signer.run("dkim", "create", "example.org", "--algorithm", "rsa", "--selector", "one")
    signer.run("dkim", "activate", "example.org")
    before = signer.sign(MESSAGE)
    signer.run("dkim", "create", "example.org", "--algorithm", "rsa")
    (two,) = [k["selector"] for k in signer.json("dkim", "list") if k["state"] == "prepared"]
    assert b"s=one;" in signer.sign(MESSAGE), "a key signs before its record can be there"
    signer.run("dkim", "activate", "example.org", two)
    states = {k["selector"]: k["state"] for k in signer.json("dkim", "list", "example.org")}
    assert states == {"one": "retired", two: "active"}
    after = signer.sign(MESSAGE)
    assert f"s={two};".encode() in after and b"s=one;" not in after
    records = signer.records()
    assert each_signature(dkim, before, records) == each_signature(dkim, after, records) == [True]
    signer.run("dkim", "remove", "example.org", two, code=1)
    signer.run("dkim", "remove", "example.org", "one")
    signer.run("dkim", "remove", "example.org", "one", code=3)
    signer.run("dkim", "retire", "example.org", two)
    assert b"DKIM-Signature" not in signer.sign(MESSAGE)


def test_whose_mail_is_signed(signer):
    signer.run("dkim", "create", "example.org", "--algorithm", "ed25519")
    signer.run("dkim", "activate", "example.org")
    assert b"d=example.org;" in signer.sign(MESSAGE.replace(b"anna@", b"anna@lists."))
    for other in (b"eve@example.com", b"anna@badexample.org", b"anna@org"):
        assert b"DKIM-Signature" not in signer.sign(MESSAGE.replace(b"anna@example.org", other))


def test_opendkim_agrees(signer):
    opendkim = shutil.which("opendkim") or "/usr/sbin/opendkim"
    if not os.path.exists(opendkim):
        pytest.skip("no opendkim")
    signer.run("dkim", "create", "example.org", "--algorithm", "rsa")
    signer.run("dkim", "activate", "example.org")
    (record,) = signer.records().items()
    keys = signer.folder / "keys"
    keys.write_text(" ".join(record) + "\n", encoding="ascii")
    conf = signer.folder / "opendkim.conf"
    conf.write_text(f"Mode v\nTestPublicKeys {keys}\nUserID {os.getuid()}\n", encoding="ascii")
    for text, word in ((signer.sign(MESSAGE), "pass"),
                       (signer.sign(MESSAGE).replace(b"Hello", b"Hallo"), "fail")):
        path = signer.folder / "signed"
        path.write_bytes(text)
        done = subprocess.run([opendkim, "-x", conf, "-t", path, "-vv"], capture_output=True,
                              text=True, timeout=60, check=False)
        assert f"dkim={word}" in done.stdout + done.stderr, done.stdout + done.stderr


def many_messages():
    """Made up at random, and those that come with the project; with a From of ours in front."""
    rng = random.Random(7)
    texts = [message(rng).replace(b"ann@example.org", b"anna@example.org") for _ in range(60)]
    for path in sorted(ROOT.glob("tests/data/demo/**/*.eml")):
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        head, _, body = text.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", head)
        fields = [f for f in fields if not f.lower().startswith(b"from:")]
        texts.append(b"\r\n".join([b"From: anna@example.org", *fields]) + b"\r\n\r\n" + body)
    assert len(texts) > 60
    # A last line without a line end, which SMTP has not, is nothing OpenDKIM's test mode can read.
    return [t if t.endswith(b"\r\n") else t + b"\r\n" for t in texts]


def test_three_verifiers_agree_on_many(signer):
    """N05: RSA and Ed25519, whatever the fields and the body look like."""
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    mailauth.need()
    signer.run("dkim", "create", "example.org")
    signer.run("dkim", "activate", "example.org")
    records = signer.records()
    zone = {name: {"TXT": [[text]]} for name, text in records.items()}
    paths = signer.sign_many(many_messages())
    asked = [{"path": str(p), "ip": "192.0.2.1", "helo": "x.example", "sender": "anna@example.org"}
             for p in paths]
    for path, verdict in zip(paths, mailauth.verdicts(zone, asked)):
        assert [d["result"] for d in verdict["dkim"]] == ["pass", "pass"], (path, verdict)
        assert each_signature(dkim, path.read_bytes(), records) == [True, True], path
    opendkim = shutil.which("opendkim") or "/usr/sbin/opendkim"
    if os.path.exists(opendkim):
        keys, conf = signer.folder / "keys", signer.folder / "opendkim.conf"
        keys.write_text("".join(f"{n} {r}\n" for n, r in records.items()), encoding="ascii")
        conf.write_text(f"Mode v\nTestPublicKeys {keys}\nUserID {os.getuid()}\n", encoding="ascii")
        done = subprocess.run([opendkim, "-x", conf, "-t", ",".join(map(str, paths)), "-vv"],
                              capture_output=True, text=True, timeout=120, check=False)
        assert (done.stdout + done.stderr).count("dkim=pass") == 2 * len(paths), \
            done.stdout[-3000:]
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"anna@example.org", b"eve@example.org"))
    for verdict in mailauth.verdicts(zone, asked):
        assert "pass" not in [d["result"] for d in verdict["dkim"]], verdict


def test_a_seal_for_what_is_forwarded(signer):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    signer.run("dkim", "create", "example.org", "--algorithm", "rsa")
    signer.run("dkim", "activate", "example.org")
    prefix = (b"Received: from there by mail.example.org\r\n"
              b"Authentication-Results: mail.example.org; arc=none; spf=pass smtp.mailfrom=example.net\r\n")
    stranger = MESSAGE.replace(b"anna@example.org", b"carl@example.net")
    sealed = signer.sign(stranger, "mail.example.org", prefix)
    assert seals(sealed) == [1] and b"DKIM-Signature" not in sealed
    records = signer.records()
    cv, results, reason = dkim.arc_verify(sealed, dnsfunc=dns(records))
    assert cv == dkim.CV_Pass, (cv, results, reason)
    cv, _, _ = dkim.arc_verify(sealed.replace(b"Hello", b"Hallo"), dnsfunc=dns(records))
    assert cv == dkim.CV_Fail
    if mailauth.available():
        zone = {name: {"TXT": [[text]]} for name, text in records.items()}
        (signer.folder / "sealed").write_bytes(sealed)
        (signer.folder / "spoiled").write_bytes(sealed.replace(b"Hello", b"Hallo"))
        asked = [{"path": str(signer.folder / name), "ip": "192.0.2.1", "helo": "x.example",
                  "sender": "carl@example.net"} for name in ("sealed", "spoiled")]
        assert [v["arc"] for v in mailauth.verdicts(zone, asked)] == ["pass", "fail"]
    # A second server of ours finds the chain whole, and adds its own.
    again = signer.sign(sealed, "mail.example.org", prefix.replace(b"arc=none", b"arc=pass"))
    assert dkim.arc_verify(again, dnsfunc=dns(records))[0] == dkim.CV_Pass
    assert sorted(seals(again)) == [1, 2]
    # Nothing is claimed about a chain that nobody looked at, or in another's name.
    assert signer.sign(sealed, "mail.example.org", prefix.replace(b"arc=none; ", b"")).count(
        b"ARC-Seal:") == 1
    assert b"ARC-Seal" not in signer.sign(stranger, "other.example.org", prefix)
