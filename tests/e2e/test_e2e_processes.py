# SPDX-License-Identifier: Apache-2.0
"""Start, reload, restart and stop: what the supervisor promises."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from imapwire import Refused
from servers import ROOT, alive, mailkeep_binary, process_tree, self_signed, title


@pytest.fixture(autouse=True)
def only_mailkeep():
    if os.environ.get("PEER") == "dovecot":
        pytest.skip("of Mailkeep")


def until(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.01)


def new_one(server, role, old):
    until(lambda: [p for p in server.role(role) if p not in old])


def works(server, i=1, mode="clear"):
    with server.login(i, mode) as c:
        c.ok("SELECT INBOX")


# ---- reload -------------------------------------------------------------------------------------

def test_bad_settings_keep_the_old_ones_and_are_named(make_server):
    server = make_server()
    with server.login(1) as held, open(server.conf_path, "a") as f:
        f.write("message_max = 3 parsecs\nlogin_timout = 5 s\n")
        f.flush()
        lines = open(server.conf_path).read().count("\n")
        server.reload()
        until(lambda: "old settings stay" in server.log_tail())
        log = server.log_tail()
        assert f"mailkeep.conf:{lines - 1}:15: message_max wants a size" in log
        assert f"mailkeep.conf:{lines}:1: there is no setting login_timout; did you mean " \
               "login_timeout?" in log
        held.ok("SELECT INBOX")
        works(server, 2)


def test_good_settings_count_at_once_and_drop_nobody(make_server):
    server = make_server(clear=True)
    with server.login(1) as clear, server.login(1, "tls") as tls:
        server.clear = False
        server.write_conf()
        server.reload()
        until(lambda: "gate uses the new settings" in server.log_tail())
        clear.ok("SELECT INBOX")
        tls.ok("SELECT INBOX")
        with pytest.raises(Refused):
            server.login(2)
        works(server, 2, "tls")


def test_what_needs_a_restart_is_said(make_server):
    server = make_server()
    server.settings["keep_threads"] = "7"
    server.write_conf()
    server.reload()
    until(lambda: "a restart is needed for the change of keep_threads" in server.log_tail())


def test_a_storm_of_signals_is_borne(make_server):
    server = make_server()
    with server.login(1) as held:
        for i in range(600):
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
                os.kill(server.pid(), number)
            for pid in server.pids()[1:] if i % 100 == 0 else []:
                for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
                    os.kill(pid, number)
        held.ok("SELECT INBOX")
        works(server, 2, "tls")


# ---- dying and coming back ----------------------------------------------------------------------

def announced(server):
    """All processes serve, and the supervisor has said so: from now on they serve *again*."""
    until(lambda: "serves (process" in server.log_tail(500))
    return server


def test_clear_sessions_outlive_the_gate(make_server):
    server = announced(make_server())
    with server.login(1) as held:
        old = server.kill("gate")
        held.ok("SELECT INBOX")
        new_one(server, "gate", old)
        until(lambda: "all processes serve again" in server.log_tail())
        held.ok("NOOP")
        works(server, 2, "tls")
    assert "killed (SIGKILL)" in server.log_tail()


def test_without_keep_logins_are_told_to_try_again(make_server):
    server = make_server(settings={"restarts_per_minute": "1"})
    server.kill("keep")
    until(lambda: "died too often" in server.log_tail())
    c = server.connect()  # the gate greets all the same
    with c, pytest.raises(Refused) as refused:
        c.login(server.user(1), server.password)
    assert b"UNAVAILABLE" in refused.value.reply.codes()


def test_it_serves_again_after_each_restart(make_server):
    server = make_server(settings={"restarts_per_minute": "100"})
    for role in ("keep", "gate", "keep", "gate", "keep"):
        end = time.monotonic() + 60
        old = server.kill(role)
        new_one(server, role, old)
        while True:
            try:
                works(server)
                break
            except Exception:  # noqa: B902 - not yet
                assert time.monotonic() < end, server.log_tail()


def test_restarts_are_counted(make_server):
    server = announced(make_server(settings={"restarts_per_minute": "3"}))
    for times in (1, 2):  # the first start counts, too
        old = server.kill("gate")
        new_one(server, "gate", old)
        until(lambda: server.log_tail(500).count("all processes serve again") == times)
    server.kill("gate")
    until(lambda: "died too often in the last minute" in server.log_tail())
    time.sleep(2)
    assert not server.role("gate")
    server.stop()  # and a stop does not wait for it


def test_without_the_supervisor_the_others_end(make_server):
    server = make_server()
    pids = server.pids()
    os.kill(pids[0], signal.SIGKILL)
    server.reap()
    until(lambda: not any(alive(p) for p in pids), 12)
    server.start()
    works(server)


def test_a_process_that_cannot_start_ends_the_server(make_server):
    server = make_server(start=False)
    server.write_conf()
    os.makedirs(server.data)
    with open(os.path.join(server.data, "mail"), "w"):
        pass  # where the store's directory should be
    r = subprocess.run([mailkeep_binary(), "-c", server.conf_path, "serve"], capture_output=True,
                       text=True, timeout=30)
    assert r.returncode == 1
    assert "giving up" in r.stderr, r.stderr


# ---- starting and stopping ----------------------------------------------------------------------

def serve(server, *words, **more):
    return subprocess.run([mailkeep_binary(), "-c", server.conf_path, "serve", *words],
                          capture_output=True, text=True, timeout=30, **more)


def test_what_keeps_it_from_starting_is_said(make_server):
    server = make_server(start=False)
    server.write_conf()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        r = serve(server)
        assert r.returncode == 1 and "another program does already" in r.stderr, r.stderr
    other_cert, _ = self_signed(server.folder, "other", "other")
    server.settings["tls_cert"] = other_cert
    server.write_conf()
    r = serve(server)
    assert r.returncode == 1 and "does not belong to the certificate" in r.stderr, r.stderr
    server.settings["tls_cert"] = "/nonexistent/cert.pem"
    server.write_conf()
    r = serve(server)
    assert r.returncode == 1 and "/nonexistent/cert.pem: not found" in r.stderr, r.stderr
    server.settings["sessions_max"] = "0"
    server.write_conf()
    r = serve(server)
    assert r.returncode == 5 and "0 does not mean unlimited" in r.stderr, r.stderr


def test_self_signed_makes_a_certificate_once(make_server):
    server = make_server(start=False)
    cert = os.path.join(server.folder, "new", "cert.pem")
    key = os.path.join(server.folder, "new", "key.pem")
    server.cert, server.key = cert, key
    server.write_conf()
    r = subprocess.run([mailkeep_binary(), "-c", server.conf_path, "serve", "--self-signed",
                        "--background"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=30)
    assert r.returncode == 0
    with socket.create_connection(("127.0.0.1", server.tls_port), 5):
        pass  # --background returns when it serves
    assert os.stat(key).st_mode & 0o777 == 0o600
    with open(os.path.join(server.data, "server.lock")) as f:
        pid = int(f.read())
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))
    text = open(cert).read()
    server.start()
    works(server, 1, "tls")
    assert open(cert).read() == text


class Notified:
    """A server that is started the way systemd starts it; hears what it tells."""

    def __init__(self, server):
        self.path = os.path.join(server.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(10)
        self.process = subprocess.Popen(
            [mailkeep_binary(), "-c", server.conf_path, "serve"], stderr=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "300000"})

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(15)
        self.socket.close()

    def wait(self, wanted):
        """The next message with this in it; the watchdog's are passed over."""
        while True:
            heard = self.socket.recv(4096)
            if wanted in heard:
                return heard
            assert heard == b"WATCHDOG=1", heard


def test_systemd_is_told(make_server):
    server = make_server(start=False)
    server.write_conf()
    with Notified(server) as n:
        n.wait(b"READY=1")
        n.wait(b"WATCHDOG=1")
        n.process.send_signal(signal.SIGHUP)
        assert b"MONOTONIC_USEC=" in n.wait(b"RELOADING=1")
        n.wait(b"READY=1")
        n.process.terminate()
        n.wait(b"STOPPING=1")
        assert n.process.wait(15) == 0


def test_a_reload_with_a_mistake_is_over_for_systemd_too(make_server):
    server = make_server(start=False, settings={"message_max": "3 parsecs"})
    server.settings, wrong = {}, server.settings
    server.write_conf()
    with Notified(server) as n:
        n.wait(b"READY=1")
        server.settings = wrong
        server.write_conf()
        n.process.send_signal(signal.SIGHUP)
        n.wait(b"RELOADING=1")
        n.wait(b"READY=1")


def test_a_reload_does_not_wait_for_the_dead(make_server):
    server = make_server(start=False)
    server.write_conf()
    with Notified(server) as n:
        n.wait(b"READY=1")
        keep, = [p for p in process_tree(n.process.pid) if "--process=keep" in title(p)]
        os.kill(keep, signal.SIGSTOP)  # it will not answer
        n.process.send_signal(signal.SIGHUP)
        n.wait(b"RELOADING=1")
        os.kill(keep, signal.SIGKILL)
        n.wait(b"READY=1")


def test_a_stop_ends_idle_sessions_with_bye(make_server):
    server = make_server()
    with server.login(1) as clear, server.login(1, "tls") as tls, server.connect() as waiting:
        server.stop()
        for c in (clear, tls, waiting):
            assert c.line().kind == b"BYE"


def test_the_manual_is_what_the_settings_say():
    r = subprocess.run([os.path.join(ROOT, "tools", "make_manual"), "--check", mailkeep_binary()],
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stdout


def test_an_ordinary_start_and_stop_warn_of_nothing(make_server):
    """Each process gets a link to those that run; none is made to be replaced at once."""
    server = make_server()
    works(server)
    server.stop()
    lines = [line for line in server.log_tail(10000).splitlines()
             if re.search(r"Z (warning|error) ", line) and "it is 0700 now" not in line]
    assert not lines, lines
