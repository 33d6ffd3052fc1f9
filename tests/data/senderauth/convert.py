#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes spf-rfc7208.txt, arc-sign.txt and arc-verify.txt of the suites' YAML, unchanged in meaning.

convert.py spf rfc7208-tests.yml > spf-rfc7208.txt
convert.py arc-sign arc-draft-sign-tests.yml > arc-sign.txt
convert.py arc-verify arc-draft-validation-tests.yml > arc-verify.txt

One line an item, fields separated by tabs, bytes that are not printable ASCII, tabs and backslashes
written as \\xNN. Lines before a suite's tests say its DNS zone.
"""
import sys

import yaml


def text(value):
    raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in raw)


def put(*fields):
    print("\t".join(text(f) for f in fields))


def spf_zone(name, entries):
    """Type SPF stands for TXT, too, unless the name says what its TXT is."""
    has_txt = any(isinstance(e, dict) and "TXT" in e for e in entries)
    for entry in entries:
        if entry == "TIMEOUT":
            put("timeout", name)
            continue
        for kind, value in entry.items():
            if kind == "SPF" and has_txt or value == "NONE":
                continue
            kind = "TXT" if kind == "SPF" else kind
            if kind == "MX":
                put("zone", name, "MX", value[1], value[0])
            else:
                value = "".join(value) if isinstance(value, list) else value
                put("zone", name, kind, value)


def spf(suites):
    for suite in suites:
        put("suite", suite["description"])
        for name, entries in suite["zonedata"].items():
            spf_zone(name, entries)
        for name, test in suite["tests"].items():
            wanted = test["result"]
            wanted = wanted if isinstance(wanted, list) else [wanted]
            put("test", name, ",".join(wanted), test["host"], test["helo"], test["mailfrom"],
                test.get("explanation", ""))


def arc(suites, is_signing):
    for suite in suites:
        put("suite", suite["description"])
        for name, record in suite["txt-records"].items():
            put("zone", name, "TXT", record.replace("\n", ""))
        for name, test in suite["tests"].items():
            message = test["message"].encode("utf-8").replace(b"\n", b"\r\n")
            if is_signing:
                put("test", name, suite["domain"], suite["sel"], suite["privatekey"], test["srv-id"],
                    test["sig-headers"], test["t"], message, test["AAR"], test["AMS"], test["AS"])
            else:
                put("test", name, (test["cv"] or "").lower(), message)


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        suites = list(yaml.safe_load_all(file))
    print("# Made by convert.py from", sys.argv[2].rpartition("/")[2] + "; for the licence see",
          "spf-rfc7208.LICENSE" if sys.argv[1] == "spf" else "arc.LICENSE")
    if sys.argv[1] == "spf":
        spf(suites)
    else:
        arc(suites, sys.argv[1] == "arc-sign")


main()
