# SPDX-License-Identifier: Apache-2.0
"""oauth4webapi and imapflow (Node) against our own authorization server: see oauth_flow.mjs."""
import os

import pytest

from clients import need, run
from messages import ROOT, npm_folder
from servers import PASSWORD, free_port


def test_all_flows(make_server, tmp_path):
    need("node")
    for package in ("oauth4webapi", "imapflow"):
        if not npm_folder(package):
            pytest.skip(f"{package} could not be installed by npm")
    port = free_port()
    issuer = f"https://localhost:{port}"
    server = make_server(users=1, settings={
        "listen_https": f"127.0.0.1:{port}", "oauth_server": "yes",
        "oauth_issuer": f'"{issuer}"'})
    if server.peer != "mailkeep":
        pytest.skip("another server has no such pages")
    out = run(["node", os.path.join(ROOT, "tests", "interop", "oauth_flow.mjs"), issuer,
               server.tls_port, server.user(1), PASSWORD], tmp_path, timeout=60,
              env={"NPM_BASE": os.path.join(ROOT, ".cache", "npm"),
                   "NODE_TLS_REJECT_UNAUTHORIZED": "0"})
    assert out.strip().endswith(b"all well"), out
    server.check()
