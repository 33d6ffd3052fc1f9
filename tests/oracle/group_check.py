# SPDX-License-Identifier: Apache-2.0
"""Who is a member of which alias, and which aliases are groups, as docs/format/store.md says."""
from fields import Bad, Fields
from hashes import xxh3
from store_reader import fixed


def check_groups(keys, wrong):
    """`keys` are those of account 0. An alias and what finds its members say the same."""
    if b"M" not in keys:  # written by a program that knew no groups
        return
    named, found, numbers, back = set(), set(), {}, {}
    for key, value in keys.items():
        kind = key[:1]
        if kind not in b"RMNK" or key == b"M":
            continue
        try:
            f = Fields(value).version()
            if kind == b"R" and key[1:2] != b"@":
                named |= {(f.str(), key[1:]) for _ in range(f.v())}
            elif kind == b"M":
                address = f.str()
                if key[1:9] != xxh3(address).to_bytes(8, "big"):
                    raise Bad("found by another address")
                found.add((address, key[9:]))
            elif kind == b"N":
                numbers[key[1:]] = f.u64()
            elif kind == b"K":
                back[fixed(key[1:], 8)] = f.str()
        except (Bad, IndexError) as e:
            wrong(f"{key!r}: {e}")
    for address, alias in named ^ found:
        wrong(f"{address!r} is {'not found as' if (address, alias) in named else 'no'} member of "
              f"{alias!r}")
    if {number: alias for alias, number in numbers.items()} != back or 0 in back:
        wrong(f"numbers of groups: {numbers} and {back}")
    for alias in numbers:
        if b"R" + alias not in keys:
            wrong(f"{alias!r} is a group and no alias")
