# SPDX-License-Identifier: Apache-2.0
"""The trail of mail, as docs/format/trail.md says."""
import struct

from fields import Bad, Fields
from hashes import xxh3

TRAIL = 0xFFFFFFFFFFFFFE00
DAY = 86_400_000_000
SENDER, RECIPIENT, MESSAGE_ID, LEADS_TO = 1, 2, 3, 10
MARK = b"\x01"


def check_trail(keys, wrong):
    """Every event can be read, and the index is exactly what the events say; their number."""
    events, index = set(), set()
    want = set()
    for key, value in keys.items():
        try:
            if key[:1] == b"e":
                mail, number = struct.unpack(">QQ", key[1:])
                events.add(mail)
                day = min(mail // DAY, 0xFFFFFFFF)
                want |= {(day, h, mail) for h in found_by(Fields(value).version())}
                if number < mail:
                    raise Bad("an event before its mail")
            elif key[:1] == b"i":
                if value != MARK:
                    raise Bad("a value that is no mark")
                index.add(struct.unpack(">IQQ", key[1:]))
            else:
                raise Bad("a key of unknown kind")
        except (Bad, struct.error) as e:
            wrong(f"trail {key!r}: {e}")
    for row in sorted(want - index):
        wrong(f"trail: mail {row[2]} is not found by {row[1]:x}")
    for row in sorted(index - want):
        wrong(f"trail: an index key for mail {row[2]} that no event asks for")
    return len(events)


def found_by(f):
    """The hashes by which an event is found."""
    kind = f.v()
    if not kind:
        raise Bad("an event of no kind")
    f.z(), f.v()
    queue = f.v()
    f.v(), f.v(), f.z(), f.v()
    texts = [(f.v(), f.str()) for _ in range(f.v())]
    if f.left:
        raise Bad(f"{f.left} bytes too many")
    if sum(what == RECIPIENT for what, _ in texts) > 100:
        raise Bad("more than 100 recipients")
    others = [what for what, _ in texts if what != RECIPIENT]
    if len(others) != len(set(others)) or any(len(text) > 1024 for _, text in texts):
        raise Bad("a text twice, or too long")
    for what, text in texts:
        if kind <= 3 and what == MESSAGE_ID and text:
            yield xxh3(b"m" + bare(text))
        if text and ((kind <= 3 and what == SENDER) or
                     (3 <= kind <= 7 and what in (RECIPIENT, LEADS_TO))):
            yield xxh3(b"a" + text.lower())
    if kind == 7 and queue:
        yield xxh3(b"q" + struct.pack(">Q", queue))


def bare(message_id):
    text = message_id.strip(b" \t\r\n")
    return text[1:-1] if text[:1] == b"<" and text[-1:] == b">" and len(text) > 1 else text
