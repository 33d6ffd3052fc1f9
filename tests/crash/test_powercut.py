# SPDX-License-Identifier: Apache-2.0
"""Some power cuts under load; many more by hand: tests/crash/powercut_rounds.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import powercut_disk  # noqa: E402
from powercut_rounds import SETTINGS, run  # noqa: E402

ROUNDS = int(os.environ.get("POWERCUT_ROUNDS", "2"))


@pytest.fixture
def disk():
    why = powercut_disk.missing()
    if why:
        pytest.skip(why)
    d = powercut_disk.Disk(2048)
    yield d
    d.close()


def test_the_cut_loses_what_was_not_synced(disk):
    """The tool itself: unsynced bytes must be gone, synced ones there."""
    kept, lost = os.path.join(disk.path, "kept"), os.path.join(disk.path, "lost")
    with open(kept, "wb") as f:
        f.write(b"x" * 9000)
        f.flush()
        os.fsync(f.fileno())
    folder = os.open(disk.path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    with open(lost, "wb") as f:
        f.write(b"y" * 9000)
        f.flush()
        disk.cut()
        with pytest.raises(OSError):
            f.write(b"z" * 20000)
            f.flush()
            os.fsync(f.fileno())
        try:
            f.close()
        except OSError:
            pass
    disk.unmount()
    disk.mount()
    assert os.path.getsize(kept) == 9000
    assert not os.path.exists(lost) or os.path.getsize(lost) == 0


def test_nothing_acknowledged_is_lost(disk, make_server):
    server = make_server(data=os.path.join(disk.path, "data"), users=20,
                         settings=SETTINGS)
    try:
        r, wrong = run(server, disk, ROUNDS, 16, seed=4711)
        assert not wrong, "\n".join(wrong[:20])
        assert r.books.acked > 20 * ROUNDS, "hardly any load"
    finally:
        server.close()
