# SPDX-License-Identifier: Apache-2.0
"""Reports in the trail's account, as docs/format/reports.md says."""
import struct
import unicodedata

from fields import Bad, Fields
from hashes import xxh3

ROWS_MAX, TEXT_MAX = 10000, 1000
ORGANIZATION, ID, DOMAIN, SENDER = 1, 3, 4, 6


def check_reports(keys, wrong):
    """Whatever has a key with a capital letter; how many reports there are."""
    reports, rows, known = {}, {}, {}
    for key, value in keys.items():
        kind, f = key[:1], Fields(value)
        try:
            if kind == b"R":
                reports[struct.unpack(">Q", key[1:])[0]] = report(f)
            elif kind == b"W":
                number, place = struct.unpack(">QI", key[1:])
                rows.setdefault(number, {})[place] = row(f)
            elif kind == b"X":
                known[struct.unpack(">Q", key[1:])[0]] = f.version().v()
            elif kind == b"P":
                struct.unpack(">Q", key[1:])
                letter(f)
            elif kind == b"O":
                seen(key, f)
            elif kind == b"S":
                domain_of(key, 0)
                f.version().z(), f.v(), f.v()
            else:
                raise Bad("a key of unknown kind")
            if f.left:
                raise Bad(f"{f.left} bytes too many")
        except (Bad, IndexError, struct.error) as e:
            wrong(f"reports {key!r}: {e}")
    for number, r in reports.items():
        if known.pop(r["hash"], None) != number:
            wrong(f"report {number} is not known by {r['hash']:x}")
        check_rows(number, r, rows.pop(number, {}), wrong)
    for number in rows:
        wrong(f"rows of report {number}, which is not there")
    for hash_, number in known.items():
        wrong(f"{hash_:x} leads to report {number}, which is not there or another one")
    return len(reports)


def check_rows(number, r, rows, wrong):
    if sorted(rows) != list(range(r["rows"])):
        wrong(f"report {number} says {r['rows']} rows, {len(rows)} are there")
    good = sum(w["count"] for w in rows.values() if w["good" if r["kind"] == 2 else "proved"])
    bad = sum(w["count"] for w in rows.values()) - good
    if good > r["good"] or bad > r["bad"]:
        wrong(f"report {number}: its rows have {good} and {bad}, it says {r['good']}, {r['bad']}")


def texts(f):
    out, before = {}, 0
    for _ in range(f.v()):
        what, text = f.v(), f.str()
        if what <= before or not text or len(text) > TEXT_MAX:
            raise Bad("a text out of order, empty or too long")
        before = what
        try:
            if what != SENDER and any(unicodedata.category(c) == "Cc" for c in text.decode()):
                raise Bad("a control character")
        except UnicodeDecodeError:
            raise Bad("a text that is no UTF-8") from None
        out[what] = text
    return out


def letter(f):
    if not f.version().v():
        raise Bad("a letter without a body")
    f.v(), f.v(), f.v(), f.str(), f.str()


def report(f):
    r = {"kind": f.version().v()}
    if r["kind"] not in (1, 2):
        raise Bad("a report of unknown kind")
    f.z(), f.z(), f.z()
    r["good"], r["bad"], r["rows"] = f.v(), f.v(), f.v()
    f.v(), f.v()
    if r["rows"] > ROWS_MAX:
        raise Bad("more rows than are kept")
    t = texts(f)
    domain = t.get(SENDER, b"").partition(b"@")[2]
    parts = [domain, t.get(ORGANIZATION, b""), t.get(ID, b""), t.get(DOMAIN, b"")]
    r["hash"] = xxh3(bytes([r["kind"]]) + b"".join(p.lower() + b"\0" for p in parts))
    return r


def row(f):
    r = {"count": f.version().v()}
    disposition, flags = f.v(), f.v()
    if disposition > 2 or flags > 7:
        raise Bad("a row with an unknown disposition or flag")
    texts(f)
    r["proved"], r["good"] = flags & 3, flags & 4
    return r


def domain_of(key, behind):
    """What is behind the domain of a key for the reports that others are owed."""
    domain, zero, rest = key[6:].partition(b"\0")
    if key[1] not in (1, 2) or not 0 < len(domain) <= 253 or not zero or len(rest) != behind:
        raise Bad("a key that is none")
    return rest


def seen(key, f):
    mail, = struct.unpack(">Q", domain_of(key, 8))
    if struct.unpack(">I", key[2:6])[0] != mail // 86_400_000_000:
        raise Bad("a mail of another day")
    f.version()
    if key[1] == 2:
        session(f)
        return
    numbers = [f.v() for _ in range(6)]
    if any(n > most for n, most in zip(numbers, (2, 2, 100, 3, 2, 3))):
        raise Bad(f"numbers that mean nothing: {numbers}")
    names = [f.str() for _ in range(5)]
    if any(len(n) > 253 for n in names[:4]) or len(names[4]) > 1000:
        raise Bad("a name or a list of checks that is too long")


def session(f):
    policy, result = f.v(), f.v()
    if policy > 2 or not 0 < result <= 12:
        raise Bad(f"policy {policy}, result {result}")
    text, *names = (f.str() for _ in range(5))
    if len(text) > 2000 or any(len(n) > 255 for n in names):
        raise Bad("a policy or a name that is too long")
