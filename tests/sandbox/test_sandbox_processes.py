# SPDX-License-Identifier: Apache-2.0
"""What the kernel says about the processes of a running server. What they can no longer do is tried
from inside by tests/unit/ipc/test_sandbox.c."""
import os
import pwd

import pytest
from servers import mailkeep_binary


def is_sanitized():
    """Builds with ASan or TSan stay dumpable: their runtime looks at /proc/self."""
    with open(mailkeep_binary(), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def one(server, role):
    pids = server.role(role)
    assert len(pids) == 1, server.log_tail()
    return pids[0]


def in_sandbox(pid):
    s = status(pid)
    assert s["NoNewPrivs"] == "1"
    assert s["Seccomp"] == "2"
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(s[name], 16) == 0, name
    with open(f"/proc/{pid}/limits") as f:
        core = next(line for line in f if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    if os.geteuid() == 0 and not is_sanitized():
        # Of a process that is not dumpable, /proc belongs to root.
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0


@pytest.mark.parametrize("role", ["gate", "keep", "courier"])
def test_processes_are_in_their_sandboxes(shared_server, role):
    in_sandbox(one(shared_server, role))


def test_each_process_has_an_address_layout_of_its_own(shared_server):
    bases = set()
    for pid in shared_server.pids():
        with open(f"/proc/{pid}/maps") as f:
            bases.add(next(line for line in f if "/mailkeep" in line).split("-")[0])
    assert len(bases) == 4


def test_gate_holds_no_file(shared_server):
    gate = one(shared_server, "gate")
    for fd in os.listdir(f"/proc/{gate}/fd"):
        target = os.readlink(f"/proc/{gate}/fd/{fd}")
        standard = int(fd) <= 2 or target == os.readlink(f"/proc/{gate}/fd/2")
        assert standard or target.startswith(("socket:", "anon_inode:")), target


def test_keep_holds_no_network_socket(shared_server):
    keep, inet = one(shared_server, "keep"), set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/net/{name}") as f:
            inet |= {line.split()[9] for line in f.readlines()[1:]}
    for fd in os.listdir(f"/proc/{keep}/fd"):
        target = os.readlink(f"/proc/{keep}/fd/{fd}")
        assert target.removeprefix("socket:[").removesuffix("]") not in inet, target


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_as_root_each_has_a_user_of_its_own(make_server):
    server = make_server(start=False, settings={"user": "daemon", "gate_user": "nobody",
                                                 "courier_user": "bin"})
    server.start()
    users = {role: int(status(one(server, role))["Uid"].split()[0]) 
             for role in ("keep", "gate", "courier")}
    assert users == {role: pwd.getpwnam(name).pw_uid for role, name in
                     (("keep", "daemon"), ("gate", "nobody"), ("courier", "bin"))}
    with server.login(1) as a, server.login(1, "tls") as b:
        a.ok("SELECT INBOX")
        b.ok("SELECT INBOX")
    for role in ("keep", "gate", "courier"):
        in_sandbox(one(server, role))
    for name in os.listdir(server.data):
        owner = os.stat(os.path.join(server.data, name)).st_uid
        assert owner == pwd.getpwnam("daemon").pw_uid, name


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_unknown_users_are_said_and_borne(make_server):
    server = make_server(settings={"user": "no-such-user", "gate_user": "nor-this",
                                   "courier_user": "none-such"})
    assert int(status(one(server, "gate"))["Uid"].split()[0]) == 65534
    in_sandbox(one(server, "keep"))
    log = server.log_tail(100)
    assert "no user no-such-user" in log and "no user nor-this" in log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_same_as_an_ordinary_user(make_server):
    server = make_server(start=False, wrap=["setpriv", "--reuid=65534", "--regid=65534",
                                            "--clear-groups", "--"])
    os.makedirs(server.data, exist_ok=True)
    os.chown(server.data, 65534, 65534)
    os.chown(server.key, 65534, 65534)
    if not all(os.stat(d).st_mode & 1 for d in path_of(os.path.realpath(mailkeep_binary()))):
        pytest.skip("the program lies where nobody else may run it")
    server.start()
    for role in ("gate", "keep", "courier"):
        in_sandbox(one(server, role))
        assert status(one(server, role))["Uid"].split()[0] == "65534"
    with server.login(1, "tls") as c:
        c.ok("SELECT INBOX")


def path_of(name):
    while name != "/":
        name = os.path.dirname(name)
        yield name
