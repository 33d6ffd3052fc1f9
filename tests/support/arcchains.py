# SPDX-License-Identifier: Apache-2.0
"""ARC chains (RFC 8617), whole and broken in every way we know of. The sealer here is the tests' own:
it seals whatever it is told to, lies included."""
import base64
import hashlib
import re
import subprocess

DOMAIN = "sealer.example"
MESSAGE = (b"From: Ann <ann@author.example>\r\nTo: ben@three.example\r\nSubject: chain\r\n"
           b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <chain@author.example>\r\n\r\n"
           b"Good  morning \r\n\r\nand more\r\n\r\n\r\n")
SIGNED = ["from", "to", "subject", "date", "message-id"]
FIELD = re.compile(rb"(?:^|(?<=\r\n))([!-9;-~]+)[ \t]*:((?:[^\r]|\r\n[ \t])*)\r\n")

# Where mailauth finds something else, and why that is not what we want.
NO_LIST = ("RFC 6376 section 3.2: with a name twice, a name that is none, or no semicolon between two "
           "tags it is no list of tags; mailauth takes from it what it understands")
ED25519 = ("RFC 8463 section 3: the SHA-256 of the fields is what Ed25519 signs; mailauth seals so, but "
           "verifies with the fields themselves: for it no such seal holds, its own included")


def lines(value):
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b""))


def relaxed(name, value):
    return name.lower() + b":" + lines(value).strip(b" ") + b"\r\n"


def body_hash(text):
    body = text.partition(b"\r\n\r\n")[2]
    rows = [re.sub(rb"[ \t]+", b" ", row).rstrip(b" ") for row in body.split(b"\r\n")]
    while rows and not rows[-1]:
        rows.pop()
    return hashlib.sha256(b"".join(row + b"\r\n" for row in rows)).digest()


def b64(data):
    return base64.b64encode(data).decode()


class Sealer:
    """Has keys under several selectors; `records` are those of the DNS."""

    def __init__(self, folder):
        self.rsa, self.records = {}, {}
        for name, bits in (("good", 2048), ("weak", 1023), ("absent", 1024), ("revoked", 1024)):
            self._make(folder / f"arc-{name}", name, bits)
        self.records["revoked"] = "v=DKIM1; k=rsa; p="
        del self.records["absent"]
        self.ed = None

    def _make(self, path, name, bits):
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, str(bits)], check=True,
                       capture_output=True)
        der = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self.rsa[name] = path
        self.records[name] = f"v=DKIM1; k=rsa; p={b64(der)}"

    def use_ed25519(self):
        import nacl.signing
        self.ed = nacl.signing.SigningKey.generate()
        self.records["ed"] = f"v=DKIM1; k=ed25519; p={b64(bytes(self.ed.verify_key))}"

    def txt(self):
        """Name -> text of every record."""
        return {f"{name}._domainkey.{DOMAIN}": text for name, text in self.records.items()}

    def sign(self, selector, data):
        if selector == "ed":
            return b64(self.ed.sign(hashlib.sha256(data).digest()).signature)
        return b64(subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.rsa[selector]],
                                  input=data, check=True, capture_output=True).stdout)

    def seal(self, text, cv=None, number=None, selector="good", names=None, seal_tags="",
             algorithm=None, t=1795600000):
        """The message with one more set on top. `names`: the fields that the message's signature
        covers; `seal_tags`: what else the seal has."""
        sets = chain(text)
        number = number or max(sets, default=0) + 1
        cv = cv or ("pass" if sets else "none")
        algorithm = algorithm or ("ed25519-sha256" if selector == "ed" else "rsa-sha256")
        common = f"a={algorithm}; d={DOMAIN}; i={number}; s={selector}; t={t}"
        results = f" i={number}; mx{number}.{DOMAIN}; spf=pass smtp.mailfrom=author.example".encode()
        names = names or SIGNED
        signature = (f" {common}; c=relaxed/relaxed; h={':'.join(names)}; bh={b64(body_hash(text))};"
                     " b=").encode()
        fields = {}
        for name, value in FIELD.findall(text.partition(b"\r\n\r\n")[0] + b"\r\n"):
            fields.setdefault(name.lower().decode(), []).append(relaxed(name, value))
        covered = b"".join(fields[n].pop() for n in names if fields.get(n))
        covered += relaxed(b"ARC-Message-Signature", signature)[:-2]
        signature += self.sign(selector, covered).encode()
        seal = f" {common}; cv={cv};{seal_tags} b=".encode()
        data = b""
        for i in sorted(sets) if cv != "fail" else []:
            data += b"".join(relaxed(n, v) for n, v in sets[i])
        data += relaxed(b"ARC-Authentication-Results", results)
        data += relaxed(b"ARC-Message-Signature", signature)
        data += relaxed(b"ARC-Seal", seal)[:-2]
        seal += self.sign(selector, data).encode()
        return (b"ARC-Seal:" + seal + b"\r\nARC-Message-Signature:" + signature +
                b"\r\nARC-Authentication-Results:" + results + b"\r\n" + text)

    def chain(self, length, text=MESSAGE):
        for _ in range(length):
            text = self.seal(text)
        return text


ORDER = [b"arc-authentication-results", b"arc-message-signature", b"arc-seal"]


def chain(text):
    """Number -> its fields in the order in which seals cover them."""
    sets = {}
    for name, value in FIELD.findall(text.partition(b"\r\n\r\n")[0] + b"\r\n"):
        if name.lower() in ORDER:
            found = re.search(rb"(?:^|;)\s*i\s*=\s*(\d+)", value)
            sets.setdefault(int(found[1]) if found else 0, []).append((name, value))
    return {i: sorted(s, key=lambda f: ORDER.index(f[0].lower())) for i, s in sets.items()}


def without(text, name, number):
    """One field less."""
    pattern = rb"(?:^|(?<=\r\n))%s:[^\r]*\bi=%d;(?:[^\r]|\r\n[ \t])*\r\n" % (name, number)
    changed = re.sub(pattern, b"", text, count=1)
    assert changed != text
    return changed


def swap(text, a, b):
    assert text.count(a) >= 1
    return text.replace(a, b, 1)


class Case:
    """`want` is what both find, unless `theirs` says what mailauth does and `why`."""

    def __init__(self, name, text, want, theirs=None, why=None):
        self.name, self.text, self.want = name, text, want
        self.theirs, self.why = theirs or want, why
        assert bool(theirs) == bool(why)


def cases(s):
    """A table of chains, sealed by `s`."""
    one, three = s.chain(1), s.chain(3)
    spoiled = swap(three, b"Good  morning", b"Bad  evening")
    closed = s.seal(spoiled, cv="fail")
    fifty = s.chain(50)
    yield Case("no chain", MESSAGE, "none")
    yield Case("one set", one, "pass")
    yield Case("three sets", three, "pass")
    yield Case("fifty sets", fifty, "pass")
    yield Case("fifty-one sets", s.seal(fifty), "fail")
    yield Case("blanks that count for nothing", swap(three, b"Good  morning \r\n", b"Good morning\r\n"),
               "pass")
    yield Case("the body changed", spoiled, "fail")
    yield Case("the body longer", three + b"PS\r\n", "fail")
    yield Case("From changed", swap(three, b"ann@author", b"eve@author"), "fail")
    yield Case("the body changed, then sealed by one who says it was whole",
               s.seal(swap(one, b"Good  morning", b"Bad  evening")), "pass")
    yield Case("a broken message signature", swap(three, b"bh=", b"bh=AAAA"), "fail")
    yield Case("a broken message signature further down",
               three[:three.rindex(b"bh=")] + b"bh=AAAA" + three[three.rindex(b"bh=") + 3:], "fail")
    yield Case("the newest results changed", swap(three, b"i=3; mx3.sealer.example; spf=pass",
                                                  b"i=3; mx3.sealer.example; spf=fail"), "fail")
    yield Case("the oldest results changed", swap(three, b"i=1; mx1.sealer.example; spf=pass",
                                                  b"i=1; mx1.sealer.example; spf=fail"), "fail")
    yield Case("the only results changed", swap(one, b"spf=pass", b"spf=fail"), "fail")
    yield Case("the only seal changed", swap(one, b"; cv=none; b=", b"; cv=none; b=AAAA"), "fail")
    yield Case("cv=fail", closed, "fail")
    yield Case("cv=fail, and a seal on top of it", s.seal(closed), "fail")
    yield Case("cv=fail in the only set", s.seal(MESSAGE, cv="fail"), "fail")
    yield Case("cv=pass in the first set", s.seal(MESSAGE, cv="pass"), "fail")
    yield Case("cv=none in the second set", s.seal(one, cv="none"), "fail")
    yield Case("cv of a made-up word", s.seal(one, cv="maybe"), "fail")
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        for number in (1, 2, 3):
            yield Case(f"no {name.decode()} {number}", without(three, name, number), "fail")
        number = rb"i=2" if name != b"ARC-Authentication-Results" else rb" i=2"
        field = re.search(rb"(?:^|(?<=\r\n))%s:[^\r]*%s;[^\r]*\r\n" % (name, number), three)[0]
        yield Case(f"{name.decode()} 2 twice", field + three, "fail")
    gap = three
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        gap = without(gap, name, 2)
    yield Case("set 2 of 3 is missing", gap, "fail")
    yield Case("the chain begins with 2", s.seal(MESSAGE, number=2, cv="pass"), "fail")
    yield Case("the number 51", s.seal(one, number=51), "fail")
    yield Case("a number too large for any integer", s.seal(one, number=2 ** 70), "fail")
    yield Case("a key that is not there", s.seal(one, selector="absent"), "fail")
    yield Case("a key taken back", s.seal(one, selector="revoked"), "fail")
    yield Case("a key of less than 1024 bits", s.seal(one, selector="weak"), "fail")
    yield Case("SHA-1", s.seal(one, algorithm="rsa-sha1"), "fail")
    yield Case("an unknown algorithm", s.seal(one, algorithm="dsa-sha256"), "fail")
    yield Case("a seal with h=", s.seal(one, seal_tags=" h=from;"), "fail")
    yield Case("a message signature over the seals", s.seal(one, names=[*SIGNED, "arc-seal"]), "fail")
    # RFC 6376 would have it fail; the public suite has an empty h= pass, and all keep to that.
    yield Case("a message signature without From", s.seal(one, names=["to", "subject"]), "pass")
    yield Case("a tag twice", s.seal(one, seal_tags=f" d={DOMAIN};"), "fail", "pass", NO_LIST)
    yield Case("a tag with an impossible name", s.seal(one, seal_tags=" _=1;"), "fail", "pass", NO_LIST)
    yield Case("a tag nobody knows", s.seal(one, seal_tags=" zz=1;"), "pass")
    if s.ed:
        yield Case("Ed25519", s.seal(one, selector="ed"), "pass", "fail", ED25519)
        yield Case("Ed25519, the body changed",
                   swap(s.seal(one, selector="ed"), b"Good  morning", b"Bad  evening"), "fail")
