# SPDX-License-Identifier: Apache-2.0
"""Who has which role over which domains, who must have a second factor, and which apps may ask for
tokens, as docs/format/store.md says."""
import re

from fields import Bad, Fields
from store_reader import fixed

BUILT_IN = {b"owner", b"domain-admin", b"help-desk", b"auditor"}
NAME = re.compile(rb"[a-z0-9][a-z0-9-]{0,63}")
CLIENT = re.compile(rb"[A-Za-z0-9._-]{1,64}")
REDIRECT = re.compile(rb"(https://[^/?@]+|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?([/?]|$)"
                      rb"|[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:.)")
ALL, NAMED = 1, 2
BY_DIRECTORY = 2  # more than these


def check_roles(keys, accounts, wrong):
    """`keys` are those of account 0, `accounts` the ids of accounts in its list."""
    made = set()
    for key, value in keys.items():
        if key[:1] == b"e":
            try:
                f = Fields(value).version()
                f.v(), f.str()
                if not NAME.fullmatch(key[1:]) or key[1:] in BUILT_IN:
                    raise Bad("no name for a role that was made")
                made.add(key[1:])
            except (Bad, IndexError) as e:
                wrong(f"role {key[1:]!r}: {e}")
    for key, value in keys.items():
        if key[:1] == b"B":
            try:
                account = fixed(key[1:], 8)
                if account not in accounts:
                    wrong(f"account {account:x} has roles and is not there")
                check_grants(Fields(value).version(), keys, made | BUILT_IN)
            except (Bad, IndexError) as e:
                wrong(f"roles {key[1:]!r}: {e}")
    for key, value in keys.items():
        if key[:1] == b"F":
            try:
                f = Fields(value).version()
                if f.v() != 1:
                    raise Bad("neither required nor not")
                f.z()
                domain = key[1:2] == b"@"
                if b"D" + key[2:] not in keys if domain else key[1:] not in made | BUILT_IN:
                    raise Bad("it is not here")
            except (Bad, IndexError) as e:
                wrong(f"a second factor is required of {key[1:]!r}: {e}")


def check_clients(keys, wrong):
    for key, value in keys.items():
        if key[:1] == b"O":
            try:
                f = Fields(value).version()
                kind, _, name = f.v(), f.z(), f.str()
                redirects = [f.str() for _ in range(f.v())]
                if (not CLIENT.fullmatch(key[1:]) or kind != 1 or not 0 < len(name) <= 48 or
                        len(redirects) > 16 or not all(REDIRECT.match(r) for r in redirects)):
                    raise Bad("no app that may be")
            except (Bad, IndexError) as e:
                wrong(f"OAuth client {key[1:]!r}: {e}")


def check_scim_tokens(keys, wrong):
    for key, value in keys.items():
        if key[:1] == b"T":
            try:
                f = Fields(value).version()
                kind, _, _, digest = f.v(), f.z(), f.z(), f.str()
                domains = [f.str() for _ in range(f.v())]
                if not CLIENT.fullmatch(key[1:]) or kind != 1 or len(digest) != 32 or not domains:
                    raise Bad("no token that may be")
                for domain in domains:
                    if b"D" + domain not in keys:
                        raise Bad(f"there is no domain {domain!r}")
            except (Bad, IndexError) as e:
                wrong(f"provisioning token {key[1:]!r}: {e}")


def check_grants(f, keys, roles):
    count = f.v()
    if not count:
        raise Bad("a row without a role")
    for _ in range(count):
        role, scope = f.str(), f.v()
        domains = [f.str() for _ in range(f.v())]
        f.z()
        if role not in roles:
            raise Bad(f"there is no role {role!r}")
        if scope > BY_DIRECTORY:
            scope -= BY_DIRECTORY
        if scope not in (ALL, NAMED) or (scope == ALL) != (not domains):
            raise Bad(f"scope {scope} with {len(domains)} domains")
        for domain in domains:
            if b"D" + domain not in keys:
                raise Bad(f"there is no domain {domain!r}")
