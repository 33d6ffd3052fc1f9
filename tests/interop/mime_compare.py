#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our reading of messages with that of Python's email package and of GMime.

    mime_compare.py --dump .../mime-dump [--gmime .../mime-dump-gmime] [--python] FILE...

Prints each difference on a line (reader, what, class, file, ours, theirs) and counts by class.
docs/mime.md explains every class. Exit status 1 when a difference has none.
"""
import argparse
import collections
import datetime
import email
import email.policy
import hashlib
import json
import os
import re
import subprocess
import sys

BATCH = 200
OTHER_ENCODING, BASE64, QUOTED_PRINTABLE = 5, 4, 3


# --- the other readers, in the shape of mime-dump ---

def run_dump(program, paths):
    for start in range(0, len(paths), BATCH):
        out = subprocess.run([program, *paths[start:start + BATCH]], check=True,
                             stdout=subprocess.PIPE).stdout
        for line in out.splitlines():
            yield json.loads(line)


def python_addresses(message, name):
    out = []
    for field in message.get_all(name, []):
        for group in getattr(field, "groups", ()):
            if group.display_name is not None:
                out.append([1, group.display_name, "", ""])
            for a in group.addresses:
                out.append([0, a.display_name or "", a.username or "", a.domain or ""])
            if group.display_name is not None:
                out.append([2, "", "", ""])
    return out


def digest(body):
    return hashlib.sha256(body).hexdigest()[:16]


def python_tree(part):
    node = {"type": part.get_content_maintype(), "subtype": part.get_content_subtype(),
            "filename": part.get_filename()}
    if part.is_multipart():
        node["parts"] = [python_tree(p) for p in part.get_payload()]
        if node["type"] == "message" and node["subtype"] not in ("rfc822", "global"):
            del node["parts"]  # Python looks into any message/*
            node["opaque"] = True
    else:
        body = part.get_payload(decode=True)
        body = body if isinstance(body, bytes) else b""
        node["bytes"] = body
        node["decoded"] = digest(body)
        node["trimmed"] = digest(re.sub(rb"[ \t\r]+(\n|$)", rb"\1", body))
    return node


def attempt(call):
    """Python's header parser raises all sorts of things on broken input."""
    try:
        return call()
    except Exception as e:  # pylint: disable=broad-except
        return {"error": type(e).__name__}


def python_date(message):
    when = getattr(message["date"], "datetime", None)
    if when is None:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    return [int(when.timestamp()), int(when.utcoffset().total_seconds() // 60), True]


def python_dump(path):
    with open(path, "rb") as f:
        message = email.message_from_bytes(f.read(), policy=email.policy.default)
    subject = attempt(lambda: None if message["subject"] is None else str(message["subject"]))
    return {
        "subject": subject,
        "from": attempt(lambda: python_addresses(message, "from")),
        "to": attempt(lambda: python_addresses(message, "to")),
        "cc": attempt(lambda: python_addresses(message, "cc")),
        "date": attempt(lambda: python_date(message)),
        "fields": [k.lower() for k in message.keys()],
        "tree": attempt(lambda: python_tree(message)),
    }


# --- what differs ---

def clean(text):
    """Text as people see it: one line, single blanks, no controls or unpaired surrogates."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shape(node, with_synthetic=True):
    """Types and nesting of a tree, on one line."""
    parts = [p for p in node.get("parts", []) if with_synthetic or not p.get("synthetic")]
    inner = "(" + " ".join(shape(p, with_synthetic) for p in parts) + ")" if parts else ""
    return f"{node['type']}/{node['subtype']}{inner}"


def leaves(node):
    if node.get("parts"):
        for p in node["parts"]:
            yield from leaves(p)
    else:
        yield node


def plain_addresses(xs):
    return [[x[0], clean(x[1]), clean(x[2]), clean(x[3]).lower()] for x in xs]


def differences(ours, theirs):
    """Yields (what, our value, their value, our leaf or None, their leaf or None)."""
    for what in ("fields", "date", "subject"):
        a, b = ours[what], theirs[what]
        if what == "subject":
            a, b = clean(a or ""), b if isinstance(b, dict) else clean(b or "")
        if what == "date" and a and isinstance(b, list):
            a, b = a[:1], b[:1]
        if a != b:
            yield what, a, b, None, None
    for what in ("from", "to", "cc"):
        a, b = ours[what], theirs[what]
        if isinstance(b, dict) or plain_addresses(a) != plain_addresses(b):
            yield what, a, b, None, None
    if "error" in theirs["tree"] or shape(ours["tree"]) != shape(theirs["tree"]):
        yield "structure", shape(ours["tree"]), theirs["tree"] if "error" in theirs["tree"] \
            else shape(theirs["tree"]), ours["tree"], theirs["tree"]
        return
    for mine, other in zip(leaves(ours["tree"]), leaves(theirs["tree"])):
        if mine.get("decoded") != other.get("decoded") and not other.get("opaque"):
            yield "decoded", f"{shape(mine)} encoding {mine['encoding']} {mine['decoded_size']}", \
                other.get("decoded_size", len(other.get("bytes", b""))), mine, other
        if clean(mine["filename"] or "") != clean(other["filename"] or ""):
            yield "filename", mine["filename"], other["filename"], mine, other


# --- why it differs: the classes of docs/mime.md ---

ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
WORD = rf'(?:{ATEXT}|"(?:[^"\\]|\\.)*")'
SPEC = rf"(?:{ATEXT}(?:\.{ATEXT})*|\"(?:[^\"\\]|\\.)*\")@(?:{ATEXT}(?:\.{ATEXT})*|\[[^\]\s]*\])"
COMMENT = r"(?:\s*\([^()]*\))?"
MAILBOX = re.compile(rf"\s*(?:(?:{WORD}(?:\s+{WORD})*\s*)?<{SPEC}>|{SPEC}){COMMENT}\s*\Z")
PIECE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",:;])+')
GOOD_DATE = re.compile(r"\s*(?:\w{3}\s*,\s*)?\d{1,2}\s+\w{3}\s+\d{4}\s+\d\d:\d\d(?::\d\d)?\s+"
                       r"(?:[+-]\d{4}|GMT|UT|[ECMP][SD]T)\s*(?:\([^()]*\)\s*)?\Z")


def raw_fields(data, ours, name):
    """The bodies of a field's occurrences in the message's header, joined."""
    header = data[:ours["tree"]["header"][1]]
    found = re.findall(rb"(?im)^" + name.encode() + rb"[ \t]*:((?:.*)(?:\n[ \t].*)*)", header)
    return b",".join(re.sub(rb"\r?\n", b"", f) for f in found)


def is_good_list(raw):
    """Mailboxes and groups as RFC 5322 has them, but for comments inside."""
    return all(MAILBOX.match(p) for p in PIECE.findall(re.sub(r"(?:^|,)[^\",<@]*:|;", ",", raw))
               if p.strip())


def class_of_address(reader, raw, a, b):
    if any(c > 127 for c in raw):
        return "raw-8bit"
    if b == [x for x in plain_addresses(a) if x[0] == 0 and not x[3]]:
        return "broken-list"
    if reader == "python" and not isinstance(b, dict) and len(a) == len(b) and \
            all(x[2:] == y[2:] and (x[1] == y[1] or not y[1]) for x, y in
                zip(plain_addresses(a), plain_addresses(b))) and b"(" in raw:
        return "comment-name"
    if not isinstance(b, dict) and \
            [x[2] for x in a] == [y[2].strip('"') for y in b]:
        return "quoted-local"
    if re.search(rb"=\?[^?]+\?[bqBQ]\?[^?]*\?=@", raw):
        return "word-in-address"
    if not is_good_list(raw.decode("latin-1")):
        return "broken-list"
    return None


def class_of_date(raw, a, b):
    if a is None or b is None or not GOOD_DATE.match(raw.decode("latin-1")) or \
            re.search(rb"\b0\d{3}\b", raw):
        return "broken-date"
    return None


def class_of_subject(raw, a, b):
    if any(c > 127 for c in raw):
        return "raw-8bit"
    if re.search(rb"iso-2022-jp", raw, re.I) and a.startswith(b[:5]):
        return "cut-japanese"
    if re.search(rb"=\?(iso-8859-1|us-ascii)\?", raw, re.I):
        return "windows-1252"
    if re.search(rb"=\?(gb2312|big5|euc-kr|ks_c_5601-1987)\?", raw, re.I):
        return "superset-charset"
    return None


def class_of_structure(data, mine, theirs):
    if "error" in theirs:
        return None
    if shape(mine, with_synthetic=False) == shape(theirs, with_synthetic=False):
        return "no-part"
    if re.search(r"/\S*\s", shape(theirs).replace(" ", "_")):
        return "type-with-blank"
    if re.sub(r" charset=\S+", "", shape(theirs)) == shape(mine):
        return "type-with-blank"
    boundaries = re.findall(rb'(?i)boundary="?([^";\r\n]+)', data)
    if len(boundaries) != len(set(boundaries)):
        return "same-boundary"
    if re.search(rb"(?im)^content-transfer-encoding:[ \t]*(base64|quoted-printable)", data) and \
            re.search(rb"(?im)^content-type:[ \t]*message/", data):
        return "encoded-message"
    if re.search(rb"(?m)^[\w-]+:.*\r?\n(?:[ \t].*\r?\n)*--", data):
        return "no-empty-line"
    if any(data.rstrip().endswith(b"--" + b) for b in boundaries):
        return "begun-at-end"
    return None


def class_of_body(data, reader, mine, other):
    start, size = mine["body"]
    raw = data[start:start + size]
    if mine["encoding"] == OTHER_ENCODING:
        return "uuencode"
    if mine["encoding"] == BASE64 and \
            not re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
                             re.sub(rb"\s", b"", raw)):
        return "base64-junk"
    if mine["trimmed"] == other["trimmed"]:
        return "qp-blanks"
    if mine["encoding"] == QUOTED_PRINTABLE and re.search(rb"=(?![0-9A-Fa-f]{2}|\r?\n)", raw):
        return "qp-broken"
    theirs = other.get("bytes")
    if reader == "python" and theirs is not None:
        if mine["decoded"] in (digest(theirs + b"\n"), digest(theirs + b"\r\n")):
            return "last-break"
        if theirs in (raw, raw + b"\n"):
            return "encoding-name"
    if reader == "gmime" and not other.get("decoded_size"):
        return "lost-body"
    if reader == "gmime" and b"\r" in raw:
        return "bare-cr"
    return None


def class_of_filename(data, mine, other):
    start, size = mine["header"]
    header = data[start:start + size]
    if any(c > 127 for c in header):
        return "raw-8bit"
    if (mine["filename"] or "").startswith(other["filename"] or "\0"):
        return "unquoted-filename"
    if re.search(rb"=\?(iso-8859-1)\?", header, re.I):
        return "windows-1252"
    return None


def classify(reader, data, ours, what, a, b, mine, other):
    raw = raw_fields(data, ours, what)
    if what in ("from", "to", "cc"):
        return class_of_address(reader, raw, a, b)
    if what == "date":
        return class_of_date(raw, a, b)
    if what == "subject":
        return class_of_subject(raw, a, b if isinstance(b, str) else "")
    if what == "structure":
        return class_of_structure(data, mine, other)
    if what == "decoded":
        return class_of_body(data, reader, mine, other)
    if what == "filename":
        return class_of_filename(data, mine, other)
    return None


# Differences no rule can tell, each looked at: (reader, end of the path, what) to class.
BY_HAND = {
    ("gmime", "mime/mixed-breaks", "decoded"): "mixed-breaks",
    ("python", "mime/header-junk", "fields"): "junk-line",
    ("python", "mime/header-junk", "subject"): "junk-line",
    ("python", "mime/header-junk", "to"): "junk-line",
    ("python", "mime/header-junk", "date"): "junk-line",
    ("python", "mime/header-junk", "decoded"): "junk-line",
    ("gmime", "malformed/020", "structure"): "no-empty-line",
    ("gmime", "malformed/021", "structure"): "no-empty-line",
    ("gmime", "thirdparty/001", "decoded"): "lost-byte",
    ("python", "malformed/019", "fields"): "blank-before-colon",
    ("python", "malformed/019", "subject"): "blank-before-colon",
    ("gmime", "00557.01f1bd4d6e5236e78268f10a498c4aba", "from"): "broken-list",
    ("python", "00557.01f1bd4d6e5236e78268f10a498c4aba", "from"): "broken-list",
}


def report(reader, ours, theirs, counts):
    path = ours["file"]
    with open(path, "rb") as f:
        data = f.read()
    if "tree" not in theirs:
        theirs = None
    if theirs is None:
        counts[reader, "message", "unreadable"] += 1
        print(f"{reader}\tmessage\tunreadable\t{path}")
        return
    if reader == "gmime":  # it keeps these fields with the part
        ours = {**ours, "fields": [x for x in ours["fields"] if not x.startswith("content-")]}
        theirs["fields"] = [x for x in theirs["fields"] if not x.startswith("content-")]
    for what, a, b, mine, other in differences(ours, theirs):
        known = classify(reader, data, ours, what, a, b, mine, other)
        for (who, end, field), name in BY_HAND.items():
            if who == reader and field == what and os.path.splitext(path)[0].endswith(end):
                known = name
        counts[reader, what, known or "UNEXPLAINED"] += 1
        print(f"{reader}\t{what}\t{known or 'UNEXPLAINED'}\t{path}\t{a!r}\t{b!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--gmime")
    parser.add_argument("--python", action="store_true")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    counts = collections.Counter()
    ours = {d["file"]: d for d in run_dump(args.dump, args.files)}
    if args.gmime:
        for theirs in run_dump(args.gmime, args.files):
            report("gmime", ours[theirs["file"]], theirs, counts)
    if args.python:
        for path in args.files:
            report("python", ours[path], python_dump(path), counts)
    for (reader, what, name), n in sorted(counts.items()):
        print(f"# {reader:8} {what:12} {name:18} {n}")
    print(f"# {len(args.files)} messages")
    return any(name == "UNEXPLAINED" for _, _, name in counts)


if __name__ == "__main__":
    sys.exit(main())
