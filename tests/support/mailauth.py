# SPDX-License-Identifier: Apache-2.0
"""A second opinion on SPF, DKIM, DMARC and ARC: the npm package mailauth."""
import json
import os
import shutil
import subprocess

import pytest

from messages import ROOT, npm_folder


def available():
    return bool(shutil.which("node") and npm_folder("mailauth@4"))


def need():
    if not available():
        pytest.skip("mailauth could not be installed by npm, or there is no node")


def verdicts(zone, messages):
    """`zone`: name -> type -> records as Node's resolver gives them; `messages`: dicts with path,
    ip, helo, sender. A verdict for each."""
    done = subprocess.run(["node", os.path.join(ROOT, "tests", "interop", "mailauth_verify.mjs")],
                          input=json.dumps({"zone": zone, "messages": messages}), text=True,
                          capture_output=True, timeout=300, check=False,
                          env={**os.environ, "NPM_BASE": os.path.join(ROOT, ".cache", "npm")})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
