# SPDX-License-Identifier: Apache-2.0
"""DKIM and ARC signed here and verified by dkimpy, and the reverse; SPF judged by pyspf, too.

Messages and records are made up at random from a fixed seed: folded and doubled fields, blanks,
tabs and empty lines where canonicalization cares, bodies of any bytes. Skipped where Debian's
python3-dkim and python3-spf are not installed.
"""
import base64
import os
import pathlib
import random
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COUNT = 100 if os.environ.get("MK_QUICK") else 1000
NOW = int(time.time()) + 600  # dkimpy dates what it signs


def tool():
    folders = [pathlib.Path(os.environ["MAILKEEP_BUILD"])] if "MAILKEEP_BUILD" in os.environ \
        else ROOT.glob("build*")
    built = [p for f in folders
             if os.access(p := f / "tests" / "interop" / "senderauth-tool", os.X_OK)]
    if not built:
        pytest.skip("senderauth-tool is not built")
    return str(max(built, key=lambda p: p.stat().st_mtime))


def run(*words):
    done = subprocess.run([tool(), *[str(w) for w in words]], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def blanks(rng, least=0):
    return "".join(rng.choice(" \t") for _ in range(rng.randint(least, 3)))


def words(rng):
    out = []
    for _ in range(rng.randint(0, 8)):
        word = "".join(rng.choice("abcXYZ019.,;:=<>@()\"\\é€-_") for _ in range(rng.randint(1, 12)))
        out.append(word + rng.choice(["", " ", "  ", "\t", "\r\n ", " \r\n\t "]))
    return "".join(out)


def field(rng, name):
    """Blanks before the colon are left to a fixed test: dkimpy does not read them."""
    return f"{name}:{blanks(rng)}{words(rng).rstrip()}x{blanks(rng)}\r\n"


def body(rng):
    """No blanks at the end of a last line without a line end: dkimpy keeps them, and SMTP has no
    such lines."""
    lines = []
    for _ in range(rng.randint(0, 6)):
        line = blanks(rng) + words(rng).replace("\r\n", " ") + blanks(rng)
        lines.append(line + "\r\n" * rng.choice([1, 1, 1, 2, 3]))
    return "".join(lines) + rng.choice(["", "", "\r\n\r\n", " \r\n", "\t\r\n", "end"])


def message(rng):
    names = ["From", rng.choice(["To", "TO", "to"]), "Subject", "Date", "Message-ID"]
    names += [rng.choice(["Cc", "Received", "X-Any", "Reply-To", "To", "MIME-Version",
                          "Content-Type", "References", "List-Id"])
              for _ in range(rng.randint(0, 6))]
    rng.shuffle(names)
    head = "".join("From: Ann <ann@example.org>\r\n" if n == "From" else field(rng, n)
                   for n in names)
    return (head + "\r\n" + body(rng)).encode("utf-8")


def write(folder, messages):
    paths = []
    for number, text in enumerate(messages):
        paths.append(folder / f"m{number}")
        paths[-1].write_bytes(text)
    return paths


def keys(folder):
    records = {}
    for name, kind in (("rsa", "rsa"), ("ed", "ed25519")):
        records[f"{name}._domainkey.example.org"] = run("keygen", kind, 1024, folder / name)[0]
    lines = "".join(f"zone\t{n}\tTXT\t{r}\n" for n, r in records.items())
    (folder / "zone").write_text(lines, encoding="ascii")
    return records


def dns(records):
    return lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None


@pytest.mark.parametrize("kind", ["rsa", "ed"])
def test_dkim_signed_here_verified_there(tmp_path, kind):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    records = keys(tmp_path)
    rng = random.Random(1)
    paths = write(tmp_path, [message(rng) for _ in range(COUNT)])
    run("sign", "example.org", kind, tmp_path / kind, *paths)
    for path in paths:
        text = pathlib.Path(f"{path}.out").read_bytes()
        assert dkim.verify(text, dnsfunc=dns(records)), path
        changed = text.replace(b"ann@example.org>", b"eve@example.org>")
        assert changed != text and not dkim.verify(changed, dnsfunc=dns(records)), path


@pytest.mark.parametrize("kind", ["rsa", "ed"])
@pytest.mark.parametrize("canon", ["simple/simple", "simple/relaxed", "relaxed/simple",
                                   "relaxed/relaxed"])
def test_dkim_signed_there_verified_here(tmp_path, kind, canon):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    keys(tmp_path)
    rng = random.Random(canon)
    pem = (tmp_path / kind).read_bytes()
    if kind == "ed":  # the seed is the end of the PKCS#8 form
        lines = pem.decode().splitlines()
        key = base64.b64encode(base64.b64decode("".join(lines[1:-1]))[-32:])
        algorithm = b"ed25519-sha256"
    else:
        key, algorithm = pkcs1(tmp_path / kind), b"rsa-sha256"
    messages = []
    for _ in range(COUNT // 4):
        text = message(rng)
        head = dkim.sign(text, kind.encode(), b"example.org", key, signature_algorithm=algorithm,
                         canonicalize=tuple(c.encode() for c in canon.split("/")),
                         length=rng.random() < 0.2)
        signed = head + text
        messages += [signed, signed.replace(b"ann@example.org>", b"eve@example.org>")]
    got = run("verify", tmp_path / "zone", NOW, *write(tmp_path, messages))
    assert got == ["pass", "fail"] * (len(messages) // 2)


def pkcs1(path):
    """dkimpy reads the older form only."""
    return subprocess.run(["openssl", "rsa", "-in", path, "-traditional"], check=True,
                          capture_output=True).stdout


def test_arc_sealed_here_verified_there_and_back(tmp_path):
    dkim = pytest.importorskip("dkim", reason="no python3-dkim")
    records = keys(tmp_path)
    rng = random.Random(3)
    paths = write(tmp_path, [message(rng) for _ in range(COUNT // 10)])
    for step in range(3):
        run("seal", tmp_path / "zone", "example.org", "rsa", tmp_path / "rsa", *paths)
        for path in paths:
            text = pathlib.Path(f"{path}.out").read_bytes()
            status, _, why = dkim.arc_verify(text, dnsfunc=dns(records))
            assert status == b"pass", (path, step, why)
            path.write_bytes(text)
        # dkimpy adds a seal of its own on top, which we judge next.
        for path in paths:
            text = f"Authentication-Results: mx{step}.example.org; arc=pass\r\n".encode() + \
                path.read_bytes()
            seal = dkim.arc_sign(text, b"rsa", b"example.org", pkcs1(tmp_path / "rsa"),
                                 f"mx{step}.example.org".encode())
            path.write_bytes(b"".join(seal) + text)
        assert run("chain", tmp_path / "zone", *paths) == ["pass"] * len(paths)


TERMS = ["a", "mx", "ptr", "a:h.example.org", "mx:example.net/28", "a/24//64", "ip4:192.0.2.0/24",
         "ip4:192.0.2.1", "ip4:198.51.100.7/32", "ip6:2001:db8::/32", "ip6:2001:db8::1",
         "include:s0.example.org", "include:s1.example.org", "include:s2.example.org",
         "include:none.example.org", "exists:%{i}.x.example.org", "exists:%{ir}.%{v}.example.org",
         "exists:%{l1r-}.%{d2}", "a:%{h}", "a:none.example.org", "exists:%{o}.none.example.org",
         "all", "a:bad..name", "ip4:1.2.3", "mx:", "foo", "ip4:192.0.2.1/33", "a:example"]
RARE = 7  # the broken ones at the end


def spf_record(rng):
    terms = []
    for _ in range(rng.randint(0, 5)):
        pool = TERMS if rng.random() < 0.08 else TERMS[:-RARE]
        terms.append(rng.choice(["", "+", "-", "~", "?"]) + rng.choice(pool))
    tail = rng.choice(["-all", "~all", "?all", "", "redirect=s3.example.org",
                       "redirect=none.example.org", "all", "exp=%{d} -all", "foo=%{d} -all"])
    return " ".join(["v=spf1", *terms, tail]).strip()


def spf_zone(rng):
    zone = {("h.example.org", "A"): ["192.0.2.1"], ("h.example.org", "AAAA"): ["2001:db8::1"],
            ("example.org", "A"): ["192.0.2.9", "192.0.2.10"],
            ("example.org", "MX"): [(10, "h.example.org"), (20, "h2.example.org")],
            ("h2.example.org", "A"): ["203.0.113.5"],
            ("example.net", "MX"): [(5, "h2.example.org")],
            ("1.2.0.192.in-addr.arpa", "PTR"): ["h.example.org"],
            ("192.0.2.1.x.example.org", "A"): ["127.0.0.2"],
            ("1.2.0.192.in-addr.example.org", "A"): ["127.0.0.2"]}
    for name in ("example.org", "s0.example.org", "s1.example.org", "s2.example.org",
                 "s3.example.org"):
        zone[(name, "TXT")] = [spf_record(rng) for _ in range(rng.choice([1] * 20 + [0, 2]))]
    return zone


def put_zone(path, zone):
    lines = []
    for (name, kind), values in zone.items():
        for value in values:
            extra = f"{value[1]}\t{value[0]}" if kind == "MX" else value
            lines.append(f"zone\t{name}\t{kind}\t{extra}\n")
    path.write_text("".join(lines), encoding="ascii")


def ask_zone(zone):
    def look(name, kind, strict=True, timeout=20, level=0):  # pylint: disable=unused-argument
        found = []
        name = name.lower().rstrip(".")
        for value in zone.get((name, kind), []):
            if kind == "TXT":
                value = (value.encode(),)
            elif kind == "AAAA":
                import ipaddress
                value = ipaddress.ip_address(value).packed
            found.append(((name, kind), value))
        return found
    return look


def test_spf(tmp_path, monkeypatch):
    """pyspf counts every empty answer (a mail host's, too) against the limit of two, we count terms;
    and it refuses a record that includes itself even where that is never reached."""
    spf = pytest.importorskip("spf", reason="no python3-spf")
    rng = random.Random(4)
    asked = differs = 0
    for number in range(COUNT // 2):
        zone = spf_zone(rng)
        monkeypatch.setattr(spf, "DNSLookup", ask_zone(zone))
        put_zone(tmp_path / "zone", zone)
        questions = [(ip, "h.example.org", "a-b@example.org")
                     for ip in ("192.0.2.1", "192.0.2.200", "203.0.113.5", "2001:db8::1",
                                "198.51.100.7")]
        (tmp_path / "questions").write_text("".join("\t".join(q) + "\n" for q in questions),
                                            encoding="ascii")
        ours = run("spf", tmp_path / "zone", tmp_path / "questions")
        for (ip, helo, sender), got in zip(questions, ours):
            theirs = spf.query(i=ip, s=sender, h=helo, strict=True, timeout=20)
            want, _, why = theirs.check()
            asked += 1
            if got != want:
                assert "Void lookup" in why or "trivial recursion" in why, (number, zone, ip, got,
                                                                            want, why)
                differs += 1
    assert differs <= asked // 20
