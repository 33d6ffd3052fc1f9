# SPDX-License-Identifier: Apache-2.0
"""A shard of the queue, as docs/format/queue.md says."""
import struct

from fields import Bad, Fields
from store_reader import fixed

QUEUE = 0xFFFFFFFFFFFFFF00
WAITING = 1


def check_queue(shard, keys, wrong, body_uses):
    messages, recipients, due, crashes, said = {}, {}, set(), set(), (0, 0)
    known, until = set(), set()
    for key, value in keys.items():
        kind, rest, f = key[:1], key[1:], Fields(value)
        try:
            f.version()
            if kind == b"q":
                messages[fixed(rest, 8)] = message(f)
            elif kind == b"r":
                recipients[fixed(rest[:8], 8), fixed(rest[8:], 4)] = recipient(f)
            elif kind == b"d":
                destination, _, numbers = rest[:-20], rest[-21:-20], rest[-20:]
                if rest[-21:-20] != b"\0":
                    raise Bad("no zero byte behind the destination")
                due.add((destination[:-1], *struct.unpack(">QQI", numbers)))
            elif kind == b"h":
                said = f.v(), f.v()
            elif kind == b"x":
                crashes.add(fixed(rest, 8))
                if not 1 <= f.v() <= 3:
                    raise Bad("a count of crashes")
            elif kind == b"o":
                if len(rest) != 16 or rest[0] % 8 != shard:
                    raise Bad("what tells a message")
                known.add((f.z(), rest))
            elif kind == b"u":
                until.add((fixed(rest[:8], 8), rest[8:]))
            elif kind not in b"np":
                raise Bad("a key of unknown kind")
        except (Bad, struct.error) as e:
            wrong(f"queue {key[:60]!r}: {e}")
    if said != (len(messages), len(recipients)):
        wrong(f"queue: {said} messages and recipients are written down, there are "
              f"{len(messages), len(recipients)}")
    for number, (body, size, left) in messages.items():
        body_uses[body].append((QUEUE + shard, number, size))
        count = sum(r[0] == number for r in recipients)
        if number & 15 != shard or count == 0 or left > count:
            wrong(f"queue message {number}: {left} recipients of {count} left, shard {number & 15}")
    want = {(destination, at, *number) for number, (state, at, destination) in recipients.items()
            if state == WAITING}
    for row in want ^ due:
        wrong(f"queue: {row} is {'waiting and not listed' if row in want else 'listed only'}")
    for at, once in known ^ until:
        wrong(f"queue: {once.hex()} is known until {at}, by one key of two")
    for number in crashes - messages.keys():
        wrong(f"queue: crashes of message {number}, which is not there")
    for number, _ in recipients:
        if number not in messages:
            wrong(f"queue: a recipient of message {number}, which is not there")


def message(f):
    f.z(), f.z()
    body, size = f.v(), f.v()
    f.v(), f.v()
    return body, size, f.v()


def recipient(f):
    state = f.v()
    f.v(), f.v(), f.v(), f.v()
    at = f.z()
    f.z(), f.str(), f.str()
    return state, at, f.str()
