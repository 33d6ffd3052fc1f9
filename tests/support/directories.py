# SPDX-License-Identifier: Apache-2.0
"""What the tests of directories share: slapd as a fixture, and a server whose passwords it checks."""
import os
import time

import pytest

import slapd

CACHE_S = 1


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")
    if slapd.missing():
        pytest.skip(slapd.missing())


@pytest.fixture
def make_directory(tmp_path):
    running = []

    def make(name="one", more="", people=True):
        folder = tmp_path / name
        folder.mkdir()
        d = slapd.Slapd(folder, more)
        running.append(d)
        d.start()
        if people:
            d.add("anna", "annas own words")
            d.add("bert", "berts own words")
        return d

    yield make
    for d in running:
        d.stop()


@pytest.fixture
def directory(make_directory):
    return make_directory()


def settings(directory, **more):
    secret = os.path.join(directory.folder, "secret")
    with open(secret, "w") as f:
        f.write(slapd.SERVICE_PASSWORD + "\n")
    os.chmod(directory.folder, 0o755)
    s = {
        "ldap_servers": f"ldap://127.0.0.1:{directory.port}",
        "ldap_ca_file": f'"{directory.cert}"',
        "ldap_bind_dn": f'"{slapd.SERVICE}"',
        "ldap_bind_password_file": f'"{secret}"',
        "ldap_base": f'"ou=people,{slapd.BASE}"',
        "ldap_create_accounts": "yes",
        "ldap_timeout": "3 s",
        "ldap_check_interval": "1 d",
        "auth_cache_time": f"{CACHE_S} s",
        "auth_failures_max": "1000",
        "auth_network_failures_max": "100000",
        "default_domain": "example.org",
    }
    s.update(more)
    return s


@pytest.fixture
def make(make_server, directory):
    def made(**more):
        return make_server(users=1, settings=settings(directory, **more))
    return made


def sign_in(server, name, password):
    """The answer to LOGIN: its status and its code."""
    with server.connect("tls") as c:
        reply = c.cmd('LOGIN "%s" "%s"' % tuple(
            x.replace("\\", "\\\\").replace('"', '\\"') for x in (name, password)))
        return reply.status, b" ".join(reply.code or [])


def ok(server, name, password):
    return sign_in(server, name, password)[0] == b"OK"


def eventually(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)
