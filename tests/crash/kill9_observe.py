# SPDX-License-Identifier: Apache-2.0
"""What a server holds, read through IMAP, in the shape the crash oracle compares."""
import hashlib
import random
import re

from imapwire import compress, expand, quote
from kill9_load import NOTE, flags_of
from kill9_oracle import SeenBox, SeenMessage
from kill9_reader import OTHERS

TOKEN = re.compile(rb"X-Token: *(\S+)")


def observe(server, accounts, known, bodies=0.03, rng=random):
    """Everything in these accounts. `known` holds the (account, validity, uid, token) whose bytes
    were compared before: of these only the share `bodies` is read again."""
    out = {}
    for account in accounts:
        with server.login(account, timeout=60.0) as c:
            c.ok("ENABLE QRESYNC")
            names = [decode(u.args[2]) for u in c.ok('LIST "" "*"').all(b"LIST")
                     if not {bytes(a).lower() for a in u.args[0]} & {b"\\noselect",
                                                                     b"\\nonexistent"}]
            names = [n for n in names if not n.startswith(OTHERS)]
            out[account] = {n: see_box(c, account, n, known, bodies, rng) for n in names}
            c.logout()
    return out


def decode(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def see_box(c, account, name, known, bodies, rng):
    wanted = "MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ"
    pairs = c.ok(b"STATUS " + quote(name) + f" ({wanted})".encode()).all(b"STATUS")[0].args[1]
    status = {pairs[i].decode().upper(): pairs[i + 1] for i in range(0, len(pairs), 2)}
    reply = c.select(name, f" (QRESYNC ({status['UIDVALIDITY']} 1))")
    codes, vanished = reply.codes(), set()
    for u in reply.all(b"VANISHED"):
        vanished |= set(expand(u.args[-1]))
    box = SeenBox(codes[b"UIDVALIDITY"][0], codes[b"UIDNEXT"][0], codes[b"HIGHESTMODSEQ"][0], {},
                  status, vanished, read_note(c, name))
    read_messages(c, box)
    want = [uid for uid, m in box.messages.items()
            if (account, box.uidvalidity, uid, m.token) not in known or rng.random() < bodies]
    read_bodies(c, box, want)
    known.update((account, box.uidvalidity, uid, box.messages[uid].token) for uid in want)
    return box


def read_note(c, name):
    if b"METADATA" not in c.capabilities():
        return None
    for u in c.ok(b"GETMETADATA " + quote(name) + f" ({NOTE})".encode()).all(b"METADATA"):
        return u.args[1][1] and decode(u.args[1][1])
    return None


def read_messages(c, box):
    items = "UID FLAGS MODSEQ RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-Token)]"
    last = 0
    for u in c.ok(f"UID FETCH 1:* ({items})").all(b"FETCH"):
        a = u.attributes()
        assert u.number == last + 1, f"sequence number {u.number} after {last}"
        last = u.number
        header = next(v for k, v in a.items() if k.startswith(b"BODY["))
        token = TOKEN.search(header or b"")
        box.messages[a[b"UID"]] = SeenMessage(
            flags_of(a), a[b"MODSEQ"][0], a[b"RFC822.SIZE"], token.group(1).decode() if token
            else "")


def read_bodies(c, box, uids):
    for i in range(0, len(uids), 100):
        part = compress(uids[i:i + 100])
        for uid, a in c.ok(f"UID FETCH {part} (UID BODY.PEEK[])").fetches().items():
            if b"BODY[]" in a:
                box.messages[uid].sha = hashlib.sha256(a[b"BODY[]"]).hexdigest()
        for uid in uids[i:i + 100]:
            if box.messages[uid].sha is None:
                box.messages[uid].sha = "no body came"
