# SPDX-License-Identifier: Apache-2.0
"""Writes MaxMind DB files (format 2, maxmind.github.io/MaxMind-DB) with made-up contents, for tests of geo_database."""
import ipaddress
import struct

MARKER = b"\xab\xcd\xefMaxMind.com"


class Number:
    """An unsigned number of a kind: 5 (16 bits), 6 (32), 9 (64)."""

    def __init__(self, kind, value):
        self.kind, self.value = kind, value


def head(kind, size):
    extra = b""
    if size >= 65821:
        size, extra = 31, (size - 65821).to_bytes(3, "big")
    elif size >= 285:
        size, extra = 30, (size - 285).to_bytes(2, "big")
    elif size >= 29:
        size, extra = 29, bytes([size - 29])
    first = bytes([(kind << 5 if kind < 8 else 0) | size])
    return first + (bytes([kind - 7]) if kind >= 8 else b"") + extra


def pointer(at):
    if at < 2048:
        return bytes([0x20 | at >> 8, at & 255])
    at -= 2048
    if at < 524288:
        return bytes([0x28 | at >> 16]) + (at & 0xffff).to_bytes(2, "big")
    at -= 524288
    if at < 0x8000000:
        return bytes([0x30 | at >> 24]) + (at & 0xffffff).to_bytes(3, "big")
    return b"\x38" + (at + 526336).to_bytes(4, "big")


class Values:
    """The data section; texts are written once and pointed at, as MaxMind does."""

    def __init__(self, share=True):
        self.out, self.texts, self.share = b"", {}, share

    def text(self, s):
        raw = s.encode()
        if not self.share or len(raw) < 4:
            return head(2, len(raw)) + raw
        if s not in self.texts:
            self.texts[s] = len(self.out)
            self.out += head(2, len(raw)) + raw
        return pointer(self.texts[s])

    def encode(self, v):
        if isinstance(v, str):
            return self.text(v)
        if isinstance(v, bool):
            return head(14, int(v))
        if isinstance(v, float):
            return head(3, 8) + struct.pack(">d", v)
        if isinstance(v, Number):
            raw = v.value.to_bytes(8, "big").lstrip(b"\0")
            return head(v.kind, len(raw)) + raw
        if isinstance(v, list):
            return head(11, len(v)) + b"".join(self.encode(x) for x in v)
        return head(7, len(v)) + b"".join(self.text(k) + self.encode(x) for k, x in v.items())

    def put(self, v):
        raw = self.encode(v)  # may write texts first
        at = len(self.out)
        self.out += raw
        return at


def place(code, name, where=None, radius=None, key="country"):
    """What a City file says of a network; without `where`, what a Country file says."""
    v = {"continent": {"code": "XX", "geoname_id": Number(6, 6255148), "names": {"de": "Anderswo", "en": "Elsewhere"}},
         key: {"geoname_id": Number(6, 3017382), "is_in_european_union": True, "iso_code": code,
               "names": {"de": name + "land", "en": name, "zh-CN": "法国"}}}
    if where:
        v["location"] = {"latitude": float(where[0]), "longitude": float(where[1]), "time_zone": "Etc/UTC"}
        if radius is not None:
            v["location"]["accuracy_radius"] = Number(5, radius)
        v["subdivisions"] = [{"iso_code": "75", "names": {"en": "A long enough name of a part of a country, of "
                                                                "more than three hundred bytes" + "." * 280}}]
    return v


def make(networks, bits=24, ip_version=6, kind="Test-City", share=True, built=1750000000):
    """The bytes of a file: `networks` maps "192.0.2.0/24" and "2001:db8::/32" to values; what is longer wins."""
    values = Values(share)
    placed = {}
    nodes = [[None, None]]
    for text, v in sorted(networks.items(), key=lambda kv: ipaddress.ip_network(kv[0]).prefixlen):
        net = ipaddress.ip_network(text)
        word = format(int(net.network_address), f"0{net.max_prefixlen}b")[:net.prefixlen]
        if ip_version == 6 and net.version == 4:
            word = "0" * 96 + word
        if id(v) not in placed:
            placed[id(v)] = values.put(v)
        at = 0
        for bit in word[:-1]:
            nxt = nodes[at][int(bit)]
            if not isinstance(nxt, int):
                nodes.append([nxt, nxt])
                nxt = nodes[at][int(bit)] = len(nodes) - 1
            at = nxt
        nodes[at][int(word[-1])] = ("data", placed[id(v)])

    def record(r):
        return len(nodes) if r is None else r if isinstance(r, int) else len(nodes) + 16 + r[1]

    tree = b""
    for left, right in nodes:
        a, b = record(left), record(right)
        if bits == 28:
            tree += (a & 0xffffff).to_bytes(3, "big") + bytes([a >> 24 << 4 | b >> 24]) + (b & 0xffffff).to_bytes(3, "big")
        else:
            tree += a.to_bytes(bits // 8, "big") + b.to_bytes(bits // 8, "big")
    about = Values(False).encode({
        "binary_format_major_version": Number(5, 2), "binary_format_minor_version": Number(5, 0),
        "build_epoch": Number(9, built), "database_type": kind, "description": {"en": "Made up, for tests"},
        "ip_version": Number(5, ip_version), "languages": ["de", "en"], "node_count": Number(6, len(nodes)),
        "record_size": Number(5, bits)})
    return tree + b"\0" * 16 + values.out + MARKER + about


FRANCE, BRAZIL = place("FR", "France", (48.85, 2.35), 20), place("BR", "Brazil", (-23.55, -46.63), 50)
SAMPLE = {
    "2.0.0.0/11": FRANCE, "2a01:c000::/18": FRANCE,
    "177.0.0.0/8": BRAZIL, "2804::/16": BRAZIL,
    "81.2.69.0/24": place("GB", "United Kingdom", (51.51, -0.09), 10),
    "81.2.69.192/28": place("IE", "Ireland", (53.34, -6.26)),
    "1.0.0.0/24": place("AU", "Australia", key="registered_country"),
    "9.9.9.0/24": {"continent": {"code": "NA"}},
    "45.0.0.0/24": place("GERMANY", "Germany"),
    "45.0.1.0/24": place("DE", "Ger\nmany"),
    "45.0.2.0/24": place("DE", "Ä" * 60, (float("nan"), 200.0), 5),
    "45.0.3.0/24": place("DE", "Germany", (52.5, 13.4), 65535),
}


def write_sample(folder):
    """The files of tests/data/mmdb, made anew by `python3 tests/support/mmdb.py tests/data/mmdb`."""
    four = {n: v for n, v in SAMPLE.items() if ":" not in n}
    far = {"198.0.0.0/7": {"filled": "x" * 3000}, **SAMPLE}  # whose texts are pointed at by more than 11 bits
    for name, raw in {"city24": make(SAMPLE), "far": make(far), "city28": make(SAMPLE, 28), "city32": make(SAMPLE, 32, share=False),
                      "four": make(four, ip_version=4), "other": make(SAMPLE, kind="Test-Other", built=0)}.items():
        with open(f"{folder}/{name}.mmdb", "wb") as f:
            f.write(raw)


if __name__ == "__main__":
    import sys
    write_sample(sys.argv[1])
