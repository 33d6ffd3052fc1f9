# SPDX-License-Identifier: Apache-2.0
"""Alerts, as docs/format/alert.md says."""
import struct

from fields import Bad, Fields

ALERT = 0xFFFFFFFFFFFFFD00
KIND_LAST, TEXT_MAX, KNOWN_MAX, STATES = 12, 512, 32, 31
DUE = 3  # states 1 and 2


def check_alerts(keys, wrong):
    """Every row can be read, and what is due is listed; how many alerts there are."""
    states, due = {}, set()
    for key, value in keys.items():
        kind, f = key[:1], Fields(value).version()
        try:
            if kind in (b"a", b"d"):
                name = struct.unpack(">QQBI", key[1:])
                if not 1 <= name[2] <= KIND_LAST:
                    raise Bad(f"kind {name[2]}")
                if kind == b"d":
                    due.add(name)
                else:
                    states[name] = alert(f)
            elif kind == b"c":
                struct.unpack(">Q", key[1:])
                cursor(f)
            elif kind == b"m":
                struct.unpack(">Q", key[1:])
                f.v(), f.z()
            elif key != b"s":
                raise Bad("a key of unknown kind")
            if f.left:
                raise Bad(f"{f.left} bytes too many")
        except (Bad, IndexError, struct.error) as e:
            wrong(f"alerts {key!r}: {e}")
    for name in due ^ {n for n, state in states.items() if state & DUE}:
        wrong(f"alert {name}: what is due is not what its row says")
    return len(states)


def alert(f):
    f.z()
    state = f.v()
    if state > STATES:
        raise Bad(f"state {state}")
    f.v(), f.v()
    if any(len(f.str()) > TEXT_MAX for _ in range(5)):
        raise Bad("a text that is too long")
    return state


def cursor(f):
    f.v(), f.z()
    if f.v() not in (0, 80, 95):
        raise Bad("a quota level that is none")
    known = f.v()
    if known > KNOWN_MAX:
        raise Bad(f"{known} addresses")
    f.take(8 * known)
