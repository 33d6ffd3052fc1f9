# SPDX-License-Identifier: Apache-2.0
"""Some rounds of kill -9 with mail in flight; many more by hand: tests/crash/mail_rounds.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import powercut_disk  # noqa: E402
from mail_rounds import USERS, run, settings  # noqa: E402
from mailsink import MailSink  # noqa: E402

ROUNDS = int(os.environ.get("KILL9_ROUNDS", "1"))


@pytest.mark.parametrize("what", ["keep", "gate", "courier", "all"])
def test_each_recipient_has_one_end(make_server, what):
    if os.environ.get("PEER"):
        pytest.skip("of Mailkeep")
    sink = MailSink()
    server = make_server(users=USERS, settings=settings(sink))
    r, wrong = run(server, sink, ROUNDS, 6, [what], seed=len(what) * 1000 + 7)
    sink.close()
    assert not wrong, "\n".join(wrong[:20])
    assert r.acked


def test_power_cut_with_mail_in_flight(make_server):
    why = "of Mailkeep" if os.environ.get("PEER") else powercut_disk.missing()
    if why:
        pytest.skip(why)
    disk, sink = powercut_disk.Disk(2048), MailSink()
    server = make_server(data=os.path.join(disk.path, "data"), users=USERS, settings=settings(sink))
    try:
        r, wrong = run(server, sink, 2 * ROUNDS, 6, ["power"], seed=77, disk=disk)
        assert not wrong, "\n".join(wrong[:20])
        assert r.acked
    finally:
        server.close()
        sink.close()
        disk.close()
