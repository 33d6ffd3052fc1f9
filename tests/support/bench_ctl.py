# SPDX-License-Identifier: Apache-2.0
"""The common part of the control scripts in tests/bench."""
import os
import resource
import shutil
import sys


def main(server, name, base, usage, **options):
    base = int(os.environ.get(f"{name.upper()}_BASE", base))
    actions = ["start", "stop", "restart", "wipe", "pid"]
    actions += [a for a in ("hold", "release") if hasattr(server, a)]  # of the queue
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(usage)
    folder = os.path.join(os.path.abspath(os.environ.get("PEERS", "peers")), name)
    if sys.argv[1] == "pid" and not os.path.isdir(folder):
        return
    os.makedirs(folder, exist_ok=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    s = server(folder=folder, port=base + 143, tls_port=base + 993,
               others=(base + 110, base + 995, base + 4190, base + 25, base + 587, base + 465,
                       base + 24), **options)
    if sys.argv[1] == "pid":
        if s.pids():
            print(s.pid(), *getattr(s, "more_pids", list)())
        return
    if sys.argv[1] in ("hold", "release"):
        getattr(s, sys.argv[1])()
    if sys.argv[1] in ("stop", "restart", "wipe"):
        s.stop()
    if sys.argv[1] == "wipe":
        shutil.rmtree(folder)
    if sys.argv[1] in ("start", "restart"):
        s.start()
    s.process = None  # it lives on without us
