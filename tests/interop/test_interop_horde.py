# SPDX-License-Identifier: Apache-2.0
"""Horde's IMAP library (PHP), which webmail programs use: see horde_day.php."""
import os

import pytest

from clients import need, run
from messages import ROOT
from servers import PASSWORD


@pytest.mark.parametrize("secure", ["ssl", "tls"], ids=["imaps", "starttls"])
def test_ordinary_day(shared_server, account, tmp_path, secure):
    need("php")
    if not os.path.exists("/usr/share/php/Horde/Imap/Client/Socket.php"):
        pytest.skip("php-horde-imap-client is not installed")
    server = shared_server
    out = run(["php", os.path.join(ROOT, "tests", "interop", "horde_day.php"),
               server.tls_port if secure == "ssl" else server.port, secure,
               server.user(2 * account), PASSWORD, server.user(2 * account + 1)], tmp_path,
              timeout=60, env={"HORDE_DEBUG": os.environ.get("HORDE_DEBUG", "")})
    assert out.strip().endswith(b"all well"), out
