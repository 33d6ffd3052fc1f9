# SPDX-License-Identifier: Apache-2.0
"""Some rounds of kill -9 under load; many more by hand: tests/crash/kill9_rounds.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from kill9_rounds import SETTINGS, run  # noqa: E402

ROUNDS = int(os.environ.get("KILL9_ROUNDS", "1"))


@pytest.mark.parametrize("what", ["keep", "gate", "all"])
def test_nothing_acknowledged_is_lost(make_server, what):
    server = make_server(users=20, settings=SETTINGS)
    r, wrong = run(server, ROUNDS, 16, [what], seed=len(what) * 1000 + 7)
    assert not wrong, "\n".join(wrong[:20])
    assert r.books.acked > 20 * ROUNDS, "hardly any load"
    # Under a second on a machine with nothing else to do; here others may be at work.
    assert sorted(r.restarts)[len(r.restarts) // 2] < 3
