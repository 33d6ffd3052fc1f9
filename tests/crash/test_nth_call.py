# SPDX-License-Identifier: Apache-2.0
"""Kills and errors at the n-th system call (D02); many more by hand: tests/crash/nth_rounds.py."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nth_rounds  # noqa: E402
from kill9_rounds import SETTINGS  # noqa: E402
from servers import mailkeep_binary, server_class  # noqa: E402

ROUNDS = int(os.environ.get("NTH_ROUNDS", "4"))
pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")


def skip_without_tracer(folder):
    why = nth_rounds.missing(str(folder))
    if why:
        pytest.skip(why)


@pytest.mark.parametrize("what", ["kill", "EIO", "ENOSPC", "short"])
def test_D02_nothing_acknowledged_is_lost(make_server, tmp_path, what):
    skip_without_tracer(tmp_path)
    server = make_server(users=20, settings=SETTINGS)
    hits = ROUNDS // 2 + 1
    nth, wrong = nth_rounds.run(server, ROUNDS, [what], seed=len(what) * 100 + 3, hits=hits)
    assert not wrong, "\n".join(wrong[:20])
    assert nth.faults() >= hits


def commands(conf, *words, wrap=()):
    return subprocess.run([*wrap, mailkeep_binary(), "-c", conf, *words], capture_output=True,
                          text=True, timeout=60)


@pytest.mark.parametrize("what", ["kill", "EIO"])
def test_D02_commands_without_a_server(tmp_path, what):
    """Each call of a command that writes by itself: done when it said so, else as if never begun or
    whole; and the next one works."""
    skip_without_tracer(tmp_path)
    report = str(tmp_path / "report")
    (tmp_path / "server").mkdir()
    server = server_class()(folder=str(tmp_path / "server"), users=1)
    os.makedirs(server.data, exist_ok=True)
    server.write_conf()
    conf = server.conf_path
    assert commands(conf, "domain", "add", "example.org").returncode == 0

    def add(name, at, fault):
        return commands(conf, "account", "add", name, "--no-password",
                        wrap=[nth_rounds.tracer(), server.data, str(at), fault, report])

    r = add("first@example.org", 0, "count")
    assert r.returncode == 0, r.stderr
    with open(report) as f:
        calls = int(f.read().rsplit("count ", 1)[1])
    assert calls > 10
    for n in range(1, calls + 1):
        name = f"n{n}@example.org"
        r = add(name, n, what)
        listed = commands(conf, "account", "list")
        assert listed.returncode == 0, (n, listed.stderr)
        if r.returncode == 0:
            assert name in listed.stdout, f"call {n}: said done, and it is not"
        elif what != "kill":
            assert r.stderr.strip(), f"call {n}: no word of why"
        checked = commands(conf, "check")
        assert checked.returncode == 0, (n, checked.stdout, checked.stderr)
