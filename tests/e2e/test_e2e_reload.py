# SPDX-License-Identifier: Apache-2.0
"""`mailkeep reload`: what it reports, and that a reload changes all or nothing."""
import datetime
import json
import os
import pwd
import re
import resource
import signal
import socket
import ssl
import subprocess

import pytest
from servers import mailkeep_binary, self_signed
from test_e2e_processes import announced, new_one, only_mailkeep, until, works  # noqa: F401 - a fixture

STAY = "nothing has changed, the old settings and the old certificate stay in use"


def reload(server, *words, code=0, **more):
    r = subprocess.run([mailkeep_binary(), "-c", server.conf_path, *words, "reload"],
                       capture_output=True, text=True, timeout=120, **more)
    assert r.returncode == code, f"exit {r.returncode}\n{r.stdout}{r.stderr}{server.log_tail()}"
    return r


def report(server, code=0):
    return json.loads(reload(server, "--json", code=code).stdout)


def change(server, **settings):
    server.settings.update(settings)
    server.write_conf()


def append_limit(server):
    with server.login(1) as c:
        c.capability = None
        return re.search(r"APPENDLIMIT=\d+", str(c.cmd("CAPABILITY").untagged))[0]


def served(server):
    """The certificate a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=60) as raw, \
            context.wrap_socket(raw) as s:
        return ssl.DER_cert_to_PEM_cert(s.getpeercert(True))


def dated(server, tag, begin, end):
    """A certificate that is valid between these days from now; with its key."""
    cert, key = self_signed(server.folder, tag=tag)
    day = datetime.datetime.now(datetime.timezone.utc)
    ca = os.path.join(server.folder, f"{tag}-ca")
    os.makedirs(ca)
    for name, text in (("index.txt", ""), ("serial", "01\n"), ("conf", f"""
[ca]
default_ca = here
[here]
database = {ca}/index.txt
serial = {ca}/serial
new_certs_dir = {ca}
default_md = sha256
policy = any
[any]
commonName = supplied
""")):
        with open(os.path.join(ca, name), "w") as f:
            f.write(text)
    request = os.path.join(ca, "request")
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=localhost", "-out",
                    request], check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-config", os.path.join(ca, "conf"), "-selfsign", "-batch",
                    "-keyfile", key, "-in", request, "-out", cert, "-notext",
                    "-startdate", (day + datetime.timedelta(begin)).strftime("%Y%m%d%H%M%SZ"),
                    "-enddate", (day + datetime.timedelta(end)).strftime("%Y%m%d%H%M%SZ")],
                   check=True, capture_output=True)
    return cert, key


# ---- what it says -------------------------------------------------------------------------------

def test_changes_and_what_waits_for_a_restart_are_named(make_server):
    server = make_server(users=1, settings={"message_max": "50 MB"})
    assert "No setting that a reload applies has changed" in reload(server).stdout
    change(server, message_max="1 MB", keep_threads="7")
    said = reload(server).stdout.splitlines()
    assert said == ["message_max is 1 MB now (it was 50 MB)",
                    "keep_threads = 7 needs a restart; 64 stays in use until then"]
    assert append_limit(server) == "APPENDLIMIT=1048576"
    assert reload(server, "--quiet").stdout == ""
    change(server, message_max="2 MB")
    told = report(server)
    assert told["result"] == "done" and told["file"] == server.conf_path
    assert told["changed"] == [{"name": "message_max", "was": "1 MB", "now": "2 MB"}]
    assert told["restart"] == [{"name": "keep_threads", "in_use": "64", "wanted": "7"}]
    assert {p["process"]: p["uses"] for p in told["processes"]} == \
        {"keep": "new", "gate": "new", "courier": "new"}
    assert told["problems"] == [] and told["certificates"][0]["new"] is False


def test_a_new_certificate_is_named(make_server):
    server = make_server(users=1)
    cert, key = self_signed(server.folder, tag="fresh")
    os.replace(key, server.key)
    os.replace(cert, server.cert)
    with server.login(1, "tls") as held:
        assert f"A new certificate is served: {server.cert}, valid until " in reload(server).stdout
        with open(server.cert) as f:
            assert served(server) == f.read()
        held.ok("NOOP")
    assert report(server)["certificates"][0]["new"] is False


def test_mistakes_are_named_and_nothing_changes(make_server):
    server = make_server(users=1, settings={"message_max": "1 MB"})
    change(server, message_max="3 MB")
    with open(server.conf_path, "a") as f:
        f.write("login_timeout = soon\nno_such = 1\n")
    lines = open(server.conf_path).read().count("\n")
    r = reload(server, code=5)
    assert r.stdout == ""
    assert f"{server.conf_path}:{lines - 1}:17: login_timeout wants" in r.stderr
    assert f"{server.conf_path}:{lines}:1: there is no setting no_such" in r.stderr
    assert STAY in r.stderr
    told = report(server, code=5)
    assert [(p["file"], p["line"], p["column"]) for p in told["problems"]] == \
        [(server.conf_path, lines - 1, 17), (server.conf_path, lines, 1)]
    assert told["result"] == "bad settings" and told["changed"] == [] and STAY in told["error"]
    assert append_limit(server) == "APPENDLIMIT=1048576"
    os.unlink(server.conf_path)
    data = os.path.join(server.folder, "find.conf")
    with open(data, "w") as f:
        f.write(f'data_dir = "{server.data}"\n')
    r = subprocess.run([mailkeep_binary(), "-c", data, "reload"], capture_output=True, text=True)
    assert r.returncode == 5 and f"{server.conf_path}: cannot be read: not found" in r.stderr, r


def test_without_a_server(make_server):
    server = make_server(users=0, start=False)
    server.write_conf()
    assert f"no server runs on {server.data}" in reload(server, code=4).stderr
    change(server, message_max="soon")
    assert ":15: message_max wants" in reload(server, code=5).stderr
    assert "problems" in report(server, code=5)


# ---- certificates -------------------------------------------------------------------------------

def no_certificate(server):
    os.unlink(server.cert)
    return f"tls_cert = {server.cert}: not found"


def no_key(server):
    os.unlink(server.key)
    return f"tls_key = {server.key}: not found"


def neither(server):
    os.unlink(server.cert)
    os.unlink(server.key)
    return f"tls_cert = {server.cert}: not found"


def key_of_another(server):
    _, key = self_signed(server.folder, tag="other")
    os.replace(key, server.key)
    return "the key does not belong to the certificate"


def rubbish(server):
    with open(server.cert, "w") as f:
        f.write("this is no certificate\n")
    return f"tls_cert = {server.cert}: the certificate file holds no usable PEM certificate"


def half(server):
    with open(server.key) as f:
        text = f.read()
    with open(server.key, "w") as f:
        f.write(text[:len(text) // 2])
    return "the key file holds no usable PEM key"


def expired(server):
    cert, key = dated(server, "expired", -20, -10)
    os.replace(key, server.key)
    os.replace(cert, server.cert)
    return f"tls_cert = {server.cert}: the certificate expired on 20"


def too_early(server):
    cert, key = dated(server, "early", 10, 20)
    os.replace(key, server.key)
    os.replace(cert, server.cert)
    return f"tls_cert = {server.cert}: the certificate is not valid before 20"


@pytest.mark.parametrize("spoil", [no_certificate, no_key, neither, key_of_another, rubbish, half,
                                   expired, too_early], ids=lambda f: f.__name__)
def test_t08_a_bad_certificate_changes_nothing(make_server, spoil):
    server = announced(make_server(users=1, settings={"message_max": "1 MB"}))
    before = served(server)
    why = spoil(server)
    change(server, message_max="3 MB")
    line = next(n for n, text in enumerate(open(server.conf_path), 1)
                if text.startswith("tls_key" if spoil is no_key else "tls_cert"))
    with server.login(1, "tls") as held:
        r = reload(server, code=1)
        assert r.stdout == "" and STAY in r.stderr
        assert f"{server.conf_path}:{line}:" in r.stderr and why in r.stderr, r.stderr
        told = report(server, code=1)
        assert told["result"] == "bad certificate" and why in told["problems"][0]["text"]
        assert served(server) == before
        assert append_limit(server) == "APPENDLIMIT=1048576"
        held.ok("NOOP")
    gate = server.kill("gate")
    new_one(server, "gate", gate)  # what is started anew has the old one, too
    until(lambda: "all processes serve again" in server.log_tail())
    assert served(server) == before


def test_a_certificate_that_expires_in_use_is_a_warning(make_server):
    """Settings can be changed all the same: refusing them would not make it younger."""
    server = make_server(users=1, start=False)
    expired(server)
    server.start()
    assert "the certificate expired on 20" in server.log_tail(500)
    change(server, message_max="1 MB")
    r = reload(server)
    assert f"warning: tls_cert = {server.cert}: the certificate expired on 20" in r.stderr
    assert "message_max is 1 MB now" in r.stdout
    assert "expired" in report(server)["warnings"][0]


# ---- who may --------------------------------------------------------------------------------

def test_root_and_the_service_user_may_and_nobody_else(make_server):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if subprocess.run(["test", "-x", mailkeep_binary()], user="daemon").returncode:
        pytest.skip("the program lies where nobody else may run it")
    server = make_server(start=False, users=1)
    server.settings.update(user="daemon", gate_user="nobody", courier_user="bin")
    os.makedirs(server.data)
    os.chown(server.data, pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)
    server.start()
    change(server, message_max="1 MB")
    assert "message_max is 1 MB now" in reload(server).stdout
    change(server, message_max="2 MB")
    assert "message_max is 2 MB now" in reload(server, user="daemon", group="daemon").stdout
    r = reload(server, code=4, user="games", group="games")
    assert "you may not administer the server" in r.stderr


# ---- one after the other ------------------------------------------------------------------------

def test_reloads_at_once_are_done_one_after_the_other(make_server):
    server = make_server(users=1, settings={"message_max": "50 MB"})
    change(server, message_max="1 MB")
    with server.login(1) as held:
        running = [subprocess.Popen([mailkeep_binary(), "-c", server.conf_path, "--json", "reload"],
                                    stdout=subprocess.PIPE, text=True) for _ in range(24)]
        for _ in range(20):
            os.kill(server.pid(), signal.SIGHUP)
        told = [json.loads(p.communicate(timeout=120)[0]) for p in running]
        assert all(p.returncode == 0 for p in running)
        held.ok("NOOP")
    assert all(t["result"] == "done" for t in told), told
    # The first to run finds the change, and all that waited with it hear of it; later ones do not.
    assert all(t["changed"] in ([], [{"name": "message_max", "was": "50 MB", "now": "1 MB"}])
               for t in told)
    log = server.log_tail(5000)
    assert log.count("message_max is 1 MB now") == 1
    uses = [line.split("supervisor: ")[1].split()[0] for line in log.splitlines()
            if "uses the new settings" in line]
    for i in range(0, len(uses) - 2, 3):  # nobody begins a second one before all have ended the first
        assert sorted(uses[i:i + 3]) == ["courier", "gate", "keep"], uses


# ---- processes that do not ----------------------------------------------------------------------

def test_a_process_that_does_not_answer_is_named(make_server):
    server = make_server(users=1, settings={"reload_timeout": "300 ms"})
    gate, = server.role("gate")
    change(server, message_max="1 MB")
    os.kill(gate, signal.SIGSTOP)
    try:
        r = reload(server, code=1)
        assert "gate has not answered in time" in r.stderr
        assert "message_max is 1 MB now" in r.stdout
        told = report(server, code=1)
        assert told["result"] == "late"
        assert {p["process"]: p["uses"] for p in told["processes"]} == \
            {"keep": "new", "gate": "silent", "courier": "new"}
    finally:
        os.kill(gate, signal.SIGCONT)
    until(lambda: server.log_tail().count("gate has answered to a reload after its time") == 2)
    assert append_limit(server) == "APPENDLIMIT=1048576"
    assert report(server)["result"] == "done"


def test_keep_that_does_not_answer_is_named(make_server):
    server = make_server(users=1, settings={"reload_timeout": "100 ms"})
    keep, = server.role("keep")
    os.kill(keep, signal.SIGSTOP)
    try:
        assert "keep, which passes this on" in reload(server, code=4).stderr
    finally:
        os.kill(keep, signal.SIGCONT)
    works(server)
    assert report(server)["result"] == "done"


def test_a_server_whose_keep_is_away_is_not_called_none(make_server):
    server = make_server(users=1, settings={"restarts_per_minute": "1"})
    server.kill("keep")
    until(lambda: "died too often" in server.log_tail())
    said = reload(server, code=4).stderr
    assert f"keep, which passes this on to the supervisor, is not there, but process " \
           f"{server.pid()} uses" in said


def test_keep_that_dies_meanwhile(make_server):
    server = announced(make_server(users=1, settings={"restarts_per_minute": "100"}))
    gate, = server.role("gate")
    os.kill(gate, signal.SIGSTOP)  # so that the reload takes its time
    try:
        waiting = subprocess.Popen([mailkeep_binary(), "-c", server.conf_path, "reload"],
                                   stderr=subprocess.PIPE, text=True)
        until(lambda: "keep uses the new settings" in server.log_tail())
        old = server.kill("keep")
        assert "went away before it had said" in waiting.communicate(timeout=60)[1]
        assert waiting.returncode == 4
        new_one(server, "keep", old)
    finally:
        os.kill(gate, signal.SIGCONT)
    until(lambda: "all processes serve again" in server.log_tail())
    works(server)
    assert report(server)["result"] == "done"


def test_when_one_refuses_all_go_back(make_server):
    server = make_server(users=1, settings={"message_max": "1 MB"})
    keep, = server.role("keep")
    with open(f"/proc/{keep}/statm") as f:
        size = int(f.read().split()[0]) * resource.getpagesize()
    resource.prlimit(keep, resource.RLIMIT_AS, (size + (2 << 30), size + (2 << 30)))
    cert, key = self_signed(server.folder, tag="fresh")
    before = served(server)
    change(server, message_max="3 MB", argon2_memory="4 GB", tls_cert=f'"{cert}"',
           tls_key=f'"{key}"')
    r = reload(server, code=1)
    assert "keep (no password can be hashed with these argon2_ settings" in r.stderr, r.stderr
    assert "all have gone back to the old ones" in r.stderr and "except" not in r.stderr
    assert r.stdout == ""
    told = report(server, code=1)
    assert told["result"] == "refused" and {p["uses"] for p in told["processes"]} == {"old"}
    assert "gate uses the old settings again" in server.log_tail(500)
    assert append_limit(server) == "APPENDLIMIT=1048576"
    assert served(server) == before
    del server.settings["argon2_memory"]
    change(server)
    assert report(server)["result"] == "done"
    assert append_limit(server) == "APPENDLIMIT=3145728"
    with open(cert) as f:
        assert served(server) == f.read()
