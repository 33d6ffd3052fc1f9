# SPDX-License-Identifier: Apache-2.0
"""imapflow (Node): see imapflow_day.mjs."""
import os

import pytest

from clients import need, run
from messages import ROOT, npm_folder
from servers import PASSWORD


@pytest.mark.parametrize("secure", [1, 0], ids=["imaps", "starttls"])
def test_ordinary_day(shared_server, account, tmp_path, secure):
    need("node")
    if not npm_folder("imapflow"):
        pytest.skip("imapflow could not be installed by npm")
    out = run(["node", os.path.join(ROOT, "tests", "interop", "imapflow_day.mjs"),
               shared_server.tls_port if secure else shared_server.port, secure,
               shared_server.user(account), PASSWORD], tmp_path, timeout=60,
              env={"NPM_BASE": os.path.join(ROOT, ".cache", "npm")})
    assert out.strip().endswith(b"all well")
