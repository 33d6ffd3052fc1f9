# SPDX-License-Identifier: Apache-2.0
"""ARC (N09): the npm package mailauth agrees with every seal made here, and with what is found of
chains that others made. Where it does not the reason stands beside the case (arcchains.py) or in the
table of the public suite's cases here. The same over the network: tests/network/test_network_arc.py."""
import os
import pathlib
import random
import re

import arcchains
import mailauth
import pytest
from test_interop_senderauth import message, run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COUNT = 20 if os.environ.get("MK_QUICK") else 100

# Cases of the public suite that mailauth takes for whole chains; the suite and we do not.
LENIENT = {"as_format_inv_tag_key", "as_format_tags_dup", "as_format_tags_key_case",
           "as_format_tags_sc"}


def judged(zone, paths):
    asked = [{"path": str(p), "ip": "192.0.2.1", "helo": "x.example", "sender": "a@author.example"}
             for p in paths]
    return mailauth.verdicts(zone, asked)


def verdicts(zone, paths):
    return [v["arc"] for v in judged(zone, paths)]


def node_zone(txt):
    return {name.lower(): {"TXT": [[text]]} for name, text in txt.items()}


def write_zone(path, txt):
    path.write_text("".join(f"zone\t{n}\tTXT\t{t}\n" for n, t in txt.items()), encoding="ascii")


def write(folder, texts):
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"m{number}")
        paths[-1].write_bytes(text)
    return paths


def seal(folder, kind, domain, paths):
    """One more set by us on top of each."""
    run("seal", folder / "zone", domain, kind, folder / kind, *paths)
    for path in paths:
        path.write_bytes(pathlib.Path(f"{path}.out").read_bytes())


@pytest.fixture
def ours(tmp_path):
    """A key of ours: its DNS."""
    record = run("keygen", "rsa", 2048, tmp_path / "rsa")[0]
    txt = {"rsa._domainkey.example.org": record}
    write_zone(tmp_path / "zone", txt)
    return txt


def test_every_seal_of_ours_holds_for_mailauth(ours, tmp_path):
    mailauth.need()
    rng = random.Random(8617)
    paths = write(tmp_path, [message(rng) for _ in range(COUNT)])
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    for step in range(3):
        seal(tmp_path, "rsa", "example.org", paths)
        assert all(path.read_bytes().count(b"ARC-Seal:") == step + 1 for path in paths)
        assert verdicts(node_zone(ours), paths) == ["pass"] * COUNT
        # And it would notice: another author, another body, another result found by us.
        for old, new in ((rb"<ann@example\.org>", b"<eve@example.org>"), (rb"\Z", b"PS\r\n"),
                         (b"spf=pass", b"spf=fail")):
            changed = [re.sub(old, new, path.read_bytes(), count=1) for path in paths]
            assert verdicts(node_zone(ours), write(spoiled, changed)) == ["fail"] * COUNT, old


def test_our_seals_on_top_of_others(ours, tmp_path):
    """A chain of all that is allowed, by two sealers in turn; one more set is not made."""
    mailauth.need()
    other = arcchains.Sealer(tmp_path)
    txt = {**ours, **other.txt()}
    write_zone(tmp_path / "zone", txt)
    (path,) = write(tmp_path, [arcchains.MESSAGE])
    for _ in range(25):
        path.write_bytes(other.seal(path.read_bytes()))
        seal(tmp_path, "rsa", "example.org", [path])
    assert sorted(arcchains.chain(path.read_bytes())) == list(range(1, 51))
    assert verdicts(node_zone(txt), [path]) == ["pass"]
    with pytest.raises(AssertionError, match="limit"):
        seal(tmp_path, "rsa", "example.org", [path])


def test_a_seal_on_a_broken_chain(ours, tmp_path):
    """Section 5.1.2: it says cv=fail and covers its own set only; mailauth finds the chain failed, and
    that seal genuine."""
    mailauth.need()
    other = arcchains.Sealer(tmp_path)
    txt = {**ours, **other.txt()}
    write_zone(tmp_path / "zone", txt)
    broken = arcchains.swap(other.chain(2), b"Good  morning", b"Bad  evening")
    (path,) = write(tmp_path, [broken])
    seal(tmp_path, "rsa", "example.org", [path])
    top = path.read_bytes().partition(b"ARC-Message-Signature")[0]
    assert b"i=3;" in top and b"cv=fail;" in top
    assert verdicts(node_zone(txt), [path]) == ["fail"]
    assert judged(node_zone(txt), [path])[0]["newest_seal"]
    changed = arcchains.swap(path.read_bytes(), b"; spf=pass", b"; spf=fail")
    assert not judged(node_zone(txt), write(tmp_path, [changed]))[0]["newest_seal"]
    path.write_bytes(arcchains.swap(changed, b"; spf=fail", b"; spf=pass"))
    with pytest.raises(AssertionError, match="not allowed"):
        seal(tmp_path, "rsa", "example.org", [path])  # the chain is over


def test_chains(tmp_path):
    mailauth.need()
    s = arcchains.Sealer(tmp_path)
    try:
        s.use_ed25519()
    except ImportError:
        pass  # no python3-nacl
    cases = list(arcchains.cases(s))
    assert len({c.name for c in cases}) == len(cases) > 40
    write_zone(tmp_path / "zone", s.txt())
    paths = write(tmp_path, [c.text for c in cases])
    wrong = []
    for case, mine, theirs in zip(cases, run("chain", tmp_path / "zone", *paths),
                                  verdicts(node_zone(s.txt()), paths)):
        if (mine, theirs) != (case.want, case.theirs):
            wrong.append(f"{case.name}: we {mine}, mailauth {theirs}, expected {case.want}, {case.theirs}")
    assert not wrong, "\n".join(wrong)


def plain(text):
    """A message of the suite's file."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]),
                  text.encode("latin-1")).replace(rb"\\", b"\\")


def test_the_public_suite(tmp_path):
    """Its 171 chains, each judged here and by mailauth."""
    mailauth.need()
    suites = []
    for line in (ROOT / "tests/data/senderauth/arc-verify.txt").read_text("latin-1").splitlines():
        kind, *rest = line.split("\t")
        if kind == "suite":
            suites.append(({}, []))
        elif kind == "zone":
            suites[-1][0][rest[0]] = plain(rest[2]).decode("latin-1")
        elif kind == "test":
            suites[-1][1].append((rest[0], plain(rest[2])))
    count, differs = 0, set()
    for txt, tests in suites:
        write_zone(tmp_path / "zone", txt)
        paths = write(tmp_path, [text for _, text in tests])
        for (name, _), mine, theirs in zip(tests, run("chain", tmp_path / "zone", *paths),
                                           verdicts(node_zone(txt), paths)):
            count += 1
            if mine != theirs:
                assert (mine, theirs) == ("fail", "pass"), name
                differs.add(name)
    assert count == 171 and differs == LENIENT
