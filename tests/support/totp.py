# SPDX-License-Identifier: Apache-2.0
"""Codes of an app (RFC 6238), made here as the RFC says and not as the server does."""
import base64
import hmac
import struct
import time

STEP = 30


def code_at(secret, step):
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def step_now():
    """The step of now, with most of it still to come, so that a test does not run over its end."""
    while time.time() % STEP > STEP - 10:
        time.sleep(0.2)
    return int(time.time() // STEP)
