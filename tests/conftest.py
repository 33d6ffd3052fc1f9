# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every test that talks to a running server."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from servers import server_class  # noqa: E402


def need_server():
    missing = server_class().missing()
    if missing:
        pytest.skip(missing)


@pytest.fixture
def make_server():
    """Starts servers with settings of the test's own; all are ended after it."""
    need_server()
    running = []

    def make(start=True, **options):
        s = server_class()(**options)
        running.append(s)
        if start:
            s.start()
        return s

    yield make
    for s in running:
        s.close()


@pytest.fixture
def server(make_server):
    """A server on an empty data directory, for this test alone."""
    return make_server()


@pytest.fixture(scope="module")
def shared_server():
    """One server for all tests of a file; each test uses accounts of its own (see `account`)."""
    need_server()
    s = server_class()(users=200)
    try:
        s.start()
        yield s
    finally:
        s.close()


NEXT_ACCOUNT = {}


@pytest.fixture
def account(shared_server):
    """The number of an account no other test has used."""
    n = NEXT_ACCOUNT.get(id(shared_server), 0) + 1
    NEXT_ACCOUNT[id(shared_server)] = n
    return n
