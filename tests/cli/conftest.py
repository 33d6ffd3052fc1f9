# SPDX-License-Identifier: Apache-2.0
"""Every command is run twice: while the server runs, and without one."""
import json
import os
import subprocess

import pytest

from servers import Mailkeep, mailkeep_binary

PASSWORD = "correct horse battery"


class Keeper:
    """A data directory, and `mailkeep` to be run on it."""

    def __init__(self, folder, online, **settings):
        self.server = Mailkeep(folder=str(folder), users=0, settings=settings)
        self.online = online
        self.folder = str(folder)
        if online:
            self.server.start()
            self.run("domain", "remove", "example.org")
        else:
            self.server.write_conf()

    def command(self, *words):
        return [mailkeep_binary(), "-c", self.server.conf_path, *map(str, words)]

    def run(self, *words, data=None, code=0, env=None):
        """Runs a command that must end with `code`; returns standard output."""
        r = subprocess.run(self.command(*words), input=data, capture_output=True, text=True,
                           timeout=120, env={**os.environ, **(env or {})})
        self.error = r.stderr
        assert r.returncode == code, f"{words}: exit {r.returncode}\n{r.stdout}\n{r.stderr}"
        return r.stdout

    def json(self, *words, **more):
        """The JSON objects a command prints, one a line."""
        return [json.loads(line) for line in self.run("--json", *words, **more).splitlines()]

    def one(self, *words, **more):
        out = self.json(*words, **more)
        assert len(out) == 1, out
        return out[0]

    def add(self, *names):
        for name in names:
            self.run("account", "add", name, "--password-stdin", data=PASSWORD + "\n")

    def counts(self, account):
        return {m["mailbox"]: m["messages"] for m in self.json("mailbox", "list", account)
                if m["messages"]}

    def close(self):
        if self.online:
            self.server.stop()


def make(tmp_path, online, **settings):
    if Mailkeep.missing():
        pytest.skip(Mailkeep.missing())
    os.chmod(tmp_path, 0o755)
    return Keeper(tmp_path / "server", online, **settings)


@pytest.fixture(params=["online", "offline"])
def keeper(request, tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, request.param == "online")
    k.run("domain", "add", "example.org")
    yield k
    k.close()


@pytest.fixture
def online(tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, True)
    k.run("domain", "add", "example.org")
    yield k
    k.close()


@pytest.fixture
def offline(tmp_path):
    (tmp_path / "server").mkdir()
    k = make(tmp_path, False)
    k.run("domain", "add", "example.org")
    yield k
