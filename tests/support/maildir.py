# SPDX-License-Identifier: Apache-2.0
"""Maildirs made and read without a library: what is in each folder, by content and flags."""
import collections
import hashlib
import os
import re
import time

SEQUENCE = [0]


def add(root, folder, message, flags=""):
    """Puts a message (CRLF) into root/folder as a Maildir keeps it (LF); returns its path."""
    base = os.path.join(root, folder)
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(base, d), exist_ok=True)
    SEQUENCE[0] += 1
    name = f"{int(time.time())}.M{SEQUENCE[0]}P{os.getpid()}.test:2,{''.join(sorted(flags))}"
    path = os.path.join(base, "cur", name)
    with open(path, "wb") as f:
        f.write(message.replace(b"\r\n", b"\n"))
    return path


def folders(root):
    out = []
    for path, dirs, _ in os.walk(root):
        if "cur" in dirs and "new" in dirs:
            out.append(os.path.relpath(path, root))
    return sorted(out)


def files(root, folder):
    """Paths of a folder's messages, in order of name."""
    out = []
    for d in ("cur", "new"):
        base = os.path.join(root, folder, d)
        out += [os.path.join(base, n) for n in os.listdir(base) if not n.startswith(".")]
    return sorted(out, key=os.path.basename)


def files_by_content(root, folder):
    """Those of files() in an order that is the same on each device: names tell when each came, and
    two devices that change the n-th each must not change the same message."""
    def key(path):
        with open(path, "rb") as f:
            return digest(f.read()), path
    return sorted(files(root, folder), key=key)


def flags_of(path):
    _, _, info = os.path.basename(path).partition(":2,")
    return "".join(sorted(info))


# mbsync writes a mark of its own into each message that it puts into a Maildir.
TUID = re.compile(rb"^X-TUID: [^\n]{12}\n", re.MULTILINE)


def digest(data):
    return hashlib.sha256(TUID.sub(b"", data.replace(b"\r\n", b"\n"), 1)).hexdigest()


def content(root):
    """Folder to a Counter of (sha256 of the bytes with LF, flags)."""
    out = {}
    for folder in folders(root):
        c = collections.Counter()
        for path in files(root, folder):
            with open(path, "rb") as f:
                c[(digest(f.read()), flags_of(path))] += 1
        out[folder] = c
    return out


def set_flags(path, flags):
    base = path.partition(":2,")[0].replace("/new/", "/cur/")
    new = f"{base}:2,{''.join(sorted(flags))}"
    os.rename(path, new)
    return new


def move(root, path, folder):
    """To another folder, under a fresh name as mail programs do."""
    with open(path, "rb") as f:
        data = f.read()
    new = add(root, folder, data, flags_of(path))
    os.unlink(path)
    return new


IMAP_TO_MAILDIR = {b"\\seen": "S", b"\\answered": "R", b"\\flagged": "F", b"\\draft": "D",
                   b"\\deleted": "T"}


def server_content(client, rename=lambda name: name):
    """What an IMAP server holds, in the shape of content()."""
    out = {}
    for u in client.ok('LIST "" "*"').all(b"LIST"):
        if b"\\noselect" in {a.lower() for a in u.args[0]}:
            continue
        name = u.args[2].decode()
        c = collections.Counter()
        reply = client.ok(b'EXAMINE "%s"' % name.encode())
        if reply.all(b"EXISTS")[-1].number:
            for a in client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])").fetches().values():
                flags = "".join(sorted(IMAP_TO_MAILDIR.get(f.lower(), "") for f in a[b"FLAGS"]))
                c[(digest(a[b"BODY[]"]), flags)] += 1
        out[rename(name)] = c
    return out


def assert_same(found, wanted):
    """Fails with the first few differences instead of two pages of counters."""
    lines = []
    for folder in sorted(set(found) | set(wanted)):
        a, b = found.get(folder, collections.Counter()), wanted.get(folder, collections.Counter())
        for what, rest in (("unexpected", a - b), ("missing", b - a)):
            lines += [f"{folder}: {what} {k} x {n}" for k, n in list(rest.items())[:4]]
            if rest:
                lines.append(f"{folder}: {sum(rest.values())} {what} in all")
    assert not lines, "\n".join(lines[:40])
