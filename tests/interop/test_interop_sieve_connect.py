# SPDX-License-Identifier: Apache-2.0
"""sieve-connect: puts, lists, activates, gets and deletes filter scripts by ManageSieve."""
import pytest

from clients import need, run
from servers import PASSWORD

SCRIPT = 'require "fileinto";\nif header :contains "subject" "x" { fileinto "Lists"; }\n'


def test_scripts(shared_server, account, tmp_path):
    need("sieve-connect")
    if shared_server.peer != "mailkeep":
        pytest.skip("the peer has no ManageSieve here")
    (tmp_path / "main.sieve").write_text(SCRIPT)

    def connect(*words, okay=(0,)):
        return run(["sieve-connect", "--server", "localhost", "--port", shared_server.sieve_port,
                    "--user", shared_server.user(account), "--passwordfd", "0", "--tlscafile",
                    shared_server.cert, "--nosrv", "--authmech", "PLAIN", *words], tmp_path,
                   data=PASSWORD.encode() + b"\n", okay=okay, timeout=60)

    connect("--upload", "--localsieve", "main.sieve", "--remotesieve", "main")
    connect("--activate", "--remotesieve", "main")
    assert b"main" in connect("--list") and b"ACTIVE" in connect("--list")
    connect("--download", "--remotesieve", "main", "--localsieve", "back.sieve")
    assert (tmp_path / "back.sieve").read_text().replace("\r\n", "\n") == SCRIPT
    (tmp_path / "bad.sieve").write_text("nonsense\n")
    connect("--upload", "--localsieve", "bad.sieve", "--remotesieve", "bad", okay=None)
    assert b"bad" not in connect("--list")
    connect("--deactivate")
    connect("--delete", "--remotesieve", "main")
    assert b"main" not in connect("--list")
