#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our reading of messages with that of Python's email package and of GMime.

    mime_compare.py --dump build/tests/interop/mime-dump [--gmime .../mime-dump-gmime] FILE...

Prints each difference on a line (reader, class, file, what, ours, theirs) and counts by class.
docs/mime.md explains every class. Exit status 1 when there is a difference without a class.
"""
import argparse
import collections
import datetime
import email
import email.errors
import email.policy
import email.utils
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import os

BATCH = 200


def run_dump(program, paths):
    for start in range(0, len(paths), BATCH):
        out = subprocess.run([program, *paths[start:start + BATCH]], check=True,
                             stdout=subprocess.PIPE).stdout
        for line in out.splitlines():
            yield json.loads(line)


def clean(text):
    """Text as people see it: one line, single blanks, no unpaired surrogates or controls."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


# --- Python's email package, in the shape of mime-dump ---

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


def python_tree(part):
    node = {"type": part.get_content_maintype(), "subtype": part.get_content_subtype(),
            "disposition": part.get_content_disposition(), "filename": part.get_filename()}
    if part.is_multipart():
        node["parts"] = [python_tree(p) for p in part.get_payload()]
        if part.get_content_maintype() == "message" and \
                part.get_content_subtype() not in ("rfc822", "global"):
            del node["parts"]  # Python looks into any message/*
            node["opaque"] = True
    else:
        body = part.get_payload(decode=True)
        body = body if isinstance(body, bytes) else b""
        node["decoded"] = hashlib.sha256(body).hexdigest()[:16]
        node["bytes"] = body
    return node


def attempt(call, default=None):
    """Python's header parser raises all sorts of things on broken input."""
    try:
        return call()
    except Exception as e:  # pylint: disable=broad-except
        return {"error": type(e).__name__} if default is None else default


def python_date(message):
    field = message["date"]
    when = getattr(field, "datetime", None)
    if when is None:
        return None
    if when.tzinfo is None:
        return [int(when.replace(tzinfo=datetime.timezone.utc).timestamp()), 0, False]
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


# --- the comparison ---

def shape(node):
    """Types and nesting of a tree, on one line."""
    name = f"{node['type']}/{node['subtype']}"
    if node.get("parts"):
        name += "(" + " ".join(shape(p) for p in node["parts"]) + ")"
    return name


def leaves(node):
    if node.get("parts"):
        for p in node["parts"]:
            yield from leaves(p)
    else:
        yield node


def same_addresses(a, b):
    if isinstance(b, dict):
        return False
    def norm(xs):
        return [[x[0], clean(x[1]), clean(x[2]), clean(x[3]).lower()] for x in xs]
    return norm(a) == norm(b)


def differences(ours, theirs):
    """Yields (what, our value, their value)."""
    for what in ("fields", "subject", "date"):
        a, b = ours[what], theirs[what]
        if what == "subject":
            a, b = clean(a or ""), b if isinstance(b, dict) else clean(b or "")
        if what == "date" and a and b and not isinstance(b, dict):
            a, b = a[:1], b[:1]
        if a != b:
            yield what, a, b
    for what in ("from", "to", "cc"):
        if not same_addresses(ours[what], theirs[what]):
            yield what, ours[what], theirs[what]
    if isinstance(theirs["tree"], dict) and "error" in theirs["tree"]:
        yield "structure", shape(ours["tree"]), theirs["tree"]
        return
    a, b = shape(ours["tree"]), shape(theirs["tree"])
    if a != b:
        yield "structure", a, b
        return
    for mine, other in zip(leaves(ours["tree"]), leaves(theirs["tree"])):
        if mine.get("decoded") != other.get("decoded") and not other.get("opaque"):
            yield "decoded", f"{mine['type']}/{mine['subtype']} encoding {mine['encoding']} " \
                f"{mine['decoded_size']}", other.get("decoded_size", len(other.get("bytes", b"")))
        if clean(mine["filename"] or "") != clean(other["filename"] or ""):
            yield "filename", mine["filename"], other["filename"]


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
    for (reader, what), n in sorted(counts.items()):
        print(f"# {reader:8} {what:12} {n}")


def report(reader, ours, theirs, counts):
    if "tree" not in theirs:
        print(reader, ours["file"], "unreadable")
        counts[reader, "unreadable"] += 1
        return
    for what, a, b in differences(ours, theirs):
        counts[reader, what] += 1
        print(f"{reader}\t{what}\t{ours['file']}\t{a!r}\t{b!r}")


if __name__ == "__main__":
    sys.exit(main())
