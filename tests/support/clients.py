# SPDX-License-Identifier: Apache-2.0
"""Runs real mail programs in tests."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest


def need(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def run(words, home, timeout=300, okay=(0,), data=None, env=None):
    """Runs a program with a home of its own; fails the test with its output if it fails."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                   "USER": "root", "LOGNAME": "root", "NO_PROXY": "*", **(env or {})}
    r = subprocess.run([str(w) for w in words], cwd=home, env=environment, input=data,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    if okay is not None and r.returncode not in okay:
        pytest.fail(f"{words[0]} ended with {r.returncode}:\n"
                    f"{r.stdout.decode(errors='replace')[-4000:]}")
    return r.stdout


def on_terminal(words, home, timeout=60):
    """Runs a program that wants a terminal; returns (status, what it drew)."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.chdir(home)
            os.execvpe(words[0], words, {"HOME": str(home), "PATH": os.environ["PATH"],
                                         "TERM": "xterm", "LANG": "C.UTF-8", "LINES": "50",
                                         "COLUMNS": "140"})
        finally:
            os._exit(127)
    screen, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                got = os.read(fd, 65536)
            except OSError:
                got = b""
            if not got:
                break
            screen += got
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), screen
