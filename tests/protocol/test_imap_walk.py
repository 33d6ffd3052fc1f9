#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The random walk of imap_walk.py: a short one here, long ones by hand."""
import argparse
import os
import pathlib
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import pytest
from imap_walk import Walk
from test_imap_scripts import TESTD, LocalServer

COMMANDS = int(os.environ.get("MK_WALK_COMMANDS", "20000"))
SEED = int(os.environ.get("MK_WALK_SEED", "1"))


def walk(commands, seed):
    server = LocalServer()
    try:
        w = Walk(server.port, seed)
        try:
            w.go(commands)
        finally:
            w.close()
        return w
    finally:
        server.close()


@pytest.mark.skipif(not TESTD.exists(), reason="imap-testd is not built")
def test_a_walk_is_as_the_model_says():
    walk(COMMANDS, SEED)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    started = time.monotonic()
    w = walk(arguments.commands, seed)
    print(f"{w.done} commands in {time.monotonic() - started:.0f} s, no difference; "
          + ", ".join(f"{name} {n}" for name, n in sorted(w.counts.items())))


if __name__ == "__main__":
    main()
