# SPDX-License-Identifier: Apache-2.0
"""ARC between hosts (N09): what Mailkeep writes about chains in mail from a stranger, and the seals it adds
to what it forwards, are what the npm package mailauth finds, too. The chains: arcchains.py."""
import email
import email.policy
import re
import smtplib
import time

import arcchains
import mailauth
import pytest
from internet import internet  # noqa: F401 - a fixture
from test_network_mail import keys, logs, results  # noqa: F401 - a fixture
from test_network_verdicts import node_zone

# The rest is left to tests/interop: this is about the way through the server.
CHOSEN = [
    "no chain", "one set", "three sets", "fifty sets", "fifty-one sets", "the body changed",
    "From changed", "a broken message signature", "the newest results changed",
    "the oldest results changed", "cv=fail", "cv=fail, and a seal on top of it",
    "cv=none in the second set", "no ARC-Seal 1", "no ARC-Message-Signature 3",
    "no ARC-Authentication-Results 2", "ARC-Seal 2 twice", "set 2 of 3 is missing", "the number 51",
    "a key that is not there", "a key taken back", "SHA-1", "a tag twice",
]
# No seal is added: the chain is full, or one of its seals has ended it.
AS_IT_CAME = {"fifty sets", "fifty-one sets", "cv=fail", "cv=fail, and a seal on top of it",
              "the number 51"}


def send(internet, to, text):
    with internet.stranger.here(), smtplib.SMTP(internet.one.host.address, 25, timeout=60,
                                                local_hostname=internet.stranger.fqdn) as s:
        s.sendmail("ann@author.example", [to], text)


def top_seal(raw):
    """Number and cv of the newest seal; (0, None) of a message without one."""
    sets = arcchains.chain(raw)
    number = max(sets, default=0)
    if not number:
        return 0, None
    seal = next(v for n, v in sets[number] if n.lower() == b"arc-seal")
    return number, re.search(rb"\bcv=(\w+)", seal)[1].decode()


def by_case(internet, read, number):
    """Waits for a message; (parsed, as bytes from its first Received on)."""
    mark = f"X-Case: {number}\r\n".encode()
    end = time.monotonic() + 90
    while True:
        got = [m for m in (x.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for x in read())
               if mark in m]
        if got:
            assert len(got) == 1
            return email.message_from_bytes(got[0], policy=email.policy.default), got[0]
        assert time.monotonic() < end, f"case {number} did not arrive\n{logs(internet)()}"
        time.sleep(0.2)


@pytest.fixture
def cases(keys, tmp_path):  # noqa: F811
    mailauth.need()
    sealer = arcchains.Sealer(tmp_path)
    records = keys.world.records
    records["author.example"] = ['TXT "nothing of importance"']
    for name, text in sealer.txt().items():
        cut = " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))
        records[name] = [f"TXT {cut}"]
    keys.world.publish()
    keys.one.command("alias", "add", f"chains@{keys.one.domain}", "ben@three.example")
    table = {c.name: c for c in arcchains.cases(sealer)}
    return [table[name] for name in CHOSEN]


def judge(internet, folder, texts):
    asked = []
    for number, text in enumerate(texts):
        path = folder / f"m{number}"
        path.write_bytes(text)
        asked.append({"path": str(path), "ip": internet.stranger.address, "sender": "ann@author.example",
                      "helo": internet.stranger.fqdn})
    zone = node_zone(internet.world.records, internet.world.hosts.values())
    return mailauth.verdicts(zone, asked)


def test_mailauth_agrees_about_chains(cases, keys, tmp_path):  # noqa: F811
    """Each message goes to a mailbox here and, by an alias, on to Postfix, where mailauth judges what we
    have made of it."""
    sent = []
    for number, case in enumerate(cases):
        # The subject is signed: a comment of the test's own tells the messages apart.
        text = f"X-Case: {number}\r\n".encode() + case.text
        send(keys, keys.one.user(1), text)
        send(keys, f"chains@{keys.one.domain}", text)
        sent.append(text)
    wrong, forwarded = [], []
    before = judge(keys, tmp_path, sent)
    for number, (case, theirs) in enumerate(zip(cases, before)):
        mine = results(by_case(keys, lambda: keys.one.messages(1), number)[0])
        if (mine.get("arc", "none"), theirs["arc"]) != (case.want, case.theirs):
            wrong.append(f"{case.name}: we {mine.get('arc')}, mailauth {theirs['arc']}")
        forwarded.append(by_case(keys, keys.three.messages, number)[1])
    after = judge(keys, tmp_path, forwarded)
    for case, raw, text, theirs in zip(cases, forwarded, sent, after):
        number, cv = top_seal(text)
        expected = (number, cv) if case.name in AS_IT_CAME else (number + 1, case.want)
        if top_seal(raw) != expected:
            wrong.append(f"{case.name}: the newest seal is {top_seal(raw)}, expected {expected}")
        if case.want == "fail" and case.name not in AS_IT_CAME:
            # RFC 8617 section 5.1.2: of a broken chain the newest seal covers its own set.
            if not theirs["newest_seal"]:
                wrong.append(f"{case.name}: mailauth on the newest seal: {theirs}")
        holds = "pass" if case.want in ("none", "pass") else "fail"
        if theirs["arc"] != holds:
            wrong.append(f"{case.name}: forwarded, mailauth {theirs['arc']}, expected {holds}")
    assert not wrong, "\n".join(wrong)
