# SPDX-License-Identifier: Apache-2.0
"""Numbers and strings as docs/format writes them."""
import struct


class Bad(Exception):
    """Bytes that are not what the format says."""


class Fields:
    """Reads fields from bytes, one after another."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Bad(f"ends early: {n} bytes wanted at {self.at} of {len(self.data)}")
        self.at += n
        return self.data[self.at - n:self.at]

    def v(self):
        value = shift = 0
        while True:
            if shift >= 70:
                raise Bad("a varint of more than 10 bytes")
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def z(self):
        n = self.v()
        return n >> 1 ^ -(n & 1)

    def str(self):
        return bytes(self.take(self.v()))

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def version(self, known=1):
        got = self.u8()
        if got != known:
            raise Bad(f"layout version {got}, not {known}")
        return self

    @property
    def left(self):
        return len(self.data) - self.at
