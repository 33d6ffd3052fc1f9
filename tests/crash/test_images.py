# SPDX-License-Identifier: Apache-2.0
"""Thousands of images of what the medium could hold after a crash, opened (crash_engine.c); as many
by hand as MK_CRASH_IMAGES says."""
import os
import subprocess

import pytest

from servers import mailkeep_binary


@pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")
def test_what_was_acknowledged_is_in_each(tmp_path):
    build = os.environ.get("MAILKEEP_BUILD") or os.path.dirname(mailkeep_binary())
    program = os.path.join(build, "tests", "crash", "crash-engine")
    if not os.path.exists(program):
        pytest.skip("crash-engine is not built")
    r = subprocess.run([program], capture_output=True, text=True, timeout=1800)
    assert r.returncode == 0, r.stderr[-4000:]
    images, faults = (int(w) for w in r.stderr.splitlines()[-1].split() if w.isdigit())
    print(f"{images} images, {faults} faults")
    assert images >= 3000 and faults > 100
