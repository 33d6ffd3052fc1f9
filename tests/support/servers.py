# SPDX-License-Identifier: Apache-2.0
"""Starts and ends mail servers for tests, each on its own data directory and loopback ports.

server_class() picks Mailkeep, or Debian's Dovecot when PEER=dovecot: every test can be proved
against a second server that speaks the same protocol.
"""
import glob
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from imapwire import Imap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PASSWORD = "garden-gate-77"


PORTS_FROM, PORTS_TO = 10000, 32000  # below those that clients get (ip_local_port_range)
BLOCK = 16    # ports claimed together
BLOCKS = 100  # that a process claims before it goes through its ports again
claims, ports, given = [], [], 0


def claim_block():
    """Adds the ports of a block that no other process with tests has. The claim goes with us."""
    while True:
        block = random.randrange(PORTS_FROM // BLOCK, PORTS_TO // BLOCK)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0mailkeep-test-ports-{block}")
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        ports.extend(range(block * BLOCK, block * BLOCK + BLOCK))
        return


def free_port():
    """A port for TCP and UDP that nobody has, and that no test was given for a long time."""
    global given
    while True:
        if given >= len(ports) and len(claims) < BLOCKS:
            claim_block()
        port = ports[given % len(ports)]
        given += 1
        try:
            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
                with socket.socket(type=kind) as s:
                    s.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def process_tree(root):
    """Pids of a process and all below it, parents first."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
            except (OSError, IndexError):
                pass
    out, todo = [], [root]
    while todo:
        pid = todo.pop(0)
        out.append(pid)
        todo += children.get(pid, [])
    return [p for p in out if alive(p)]


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().replace(b"\0", b" ").decode(errors="replace")
        with open(f"/proc/{pid}/comm") as f:
            return words + " " + f.read().strip()
    except OSError:
        return ""


def self_signed(folder, name="localhost", tag="cert"):
    """A fresh key and certificate: (certificate path, key path)."""
    cert, key = os.path.join(folder, f"{tag}.pem"), os.path.join(folder, f"{tag}.key")
    if os.path.exists(cert) and os.path.exists(key):
        return cert, key
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
        check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


class Server:
    """What every server can do. `folder` is made and removed here unless it is given."""

    peer = None
    password = PASSWORD

    def __init__(self, folder=None, data=None, users=20, clear=True, settings=None, wrap=None,
                 port=None, tls_port=None, others=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="mailtest-")
        os.chmod(self.folder, 0o755)
        self.data = data or os.path.join(self.folder, "data")
        self.users, self.clear, self.wrap_command = users, clear, wrap
        self.settings = dict(settings or {})
        self.port, self.tls_port = port or free_port(), tls_port or free_port()
        (self.pop3_port, self.pop3s_port, self.sieve_port, self.smtp_port, self.submission_port,
         self.submissions_port, lmtp_port) = others or [free_port() for _ in range(7)]
        if self.peer == "mailkeep":
            self.lmtp_port = lmtp_port
        self.cert, self.key = self_signed(self.folder)
        self.process = None

    # ---- names ----
    def user(self, i):
        return f"u{i}"

    # ---- life ----
    def wait_ready(self, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            greeted = False
            try:
                with Imap(self.port, timeout=5.0) as c:
                    greeted = c.greeting.kind == b"OK"
            except (OSError, Exception):  # noqa: B014 - anything but a greeting means not yet
                pass
            # Another server may have the port, and greet for one that is dead.
            if self.process is not None and self.process.poll() is not None:
                break
            if greeted:
                return
            time.sleep(0.01)
        raise RuntimeError(f"server does not greet:\n{self.log_tail()}")

    def log_tail(self, lines=30):
        try:
            with open(self.log_path, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def pids(self):
        root = self.pid()
        return process_tree(root) if root and alive(root) else []

    def role(self, name):
        raise NotImplementedError

    def kill(self, what):
        """SIGKILL to the processes named `what`: 'all', or a role. Returns the pids."""
        pids = self.pids() if what == "all" else self.role(what)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if what == "all":
            self.reap()
            end = time.monotonic() + 10
            while any(alive(p) for p in pids) and time.monotonic() < end:
                time.sleep(0.001)
        return pids

    def reap(self):
        if self.process is not None:
            self.process.wait(20)
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        try:
            self.stop()
        finally:
            if self.own_folder and not os.environ.get("KEEP_TEST_DATA"):
                shutil.rmtree(self.folder, ignore_errors=True)

    # ---- use ----
    def connect(self, mode="clear", **more):
        return Imap(self.tls_port if mode == "tls" else self.port, mode, **more)

    def login(self, i=1, mode="clear", **more):
        c = self.connect(mode, **more)
        c.login(self.user(i), self.password)
        return c

    # ---- looking at it ----
    def memory_peak(self):
        """Pid to (title, peak resident bytes) for each process."""
        out = {}
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/status") as f:
                    m = re.search(r"VmHWM:\s+(\d+) kB", f.read())
                if m:
                    out[pid] = (title(pid), int(m.group(1)) * 1024)
            except OSError:
                pass
        return out

    def memory_reset(self):
        """Starts the peak anew (needs root)."""
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as f:
                    f.write("5")
            except OSError:
                pass

    def memory_largest(self):
        return max((m for _, m in self.memory_peak().values()), default=0)

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def cpu_nanoseconds(self):
        """What all living threads of all processes have had of the processors."""
        total = 0
        for path in (p for pid in self.pids() for p in glob.glob(f"/proc/{pid}/task/*/schedstat")):
            try:
                with open(path) as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
        return total

    def descriptors(self):
        n = 0
        for pid in self.pids():
            try:
                n += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass
        return n


DOVECOT_CONF = """
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap{lmtp}
auth_username_format = %n
first_valid_uid = 1000
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = {plain}
mail_location = {format}:~/mail
mail_fsync = {fsync}
mail_max_userip_connections = 0
default_process_limit = 3000
default_client_limit = 8000
service anvil {{
  client_limit = 10000
}}
service auth {{
  client_limit = 10000
}}
service stats {{
  client_limit = 10000
}}
service imap {{
  process_limit = 3000
}}
service imap-login {{
  service_count = 0
  client_limit = 4000
  process_limit = 2
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=5000 gid=5000 home={data}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Archive {{
    auto = create
    special_use = \\Archive
  }}
}}
"""


class Dovecot(Server):
    peer = "dovecot"
    lmtp_port = 0
    atomic = False  # a command on several messages may be half done after a crash

    @staticmethod
    def missing():
        if not os.path.exists("/usr/sbin/dovecot"):
            return "Dovecot is not installed"
        return None if os.geteuid() == 0 else "Dovecot as a peer needs root"

    @property
    def log_path(self):
        return os.path.join(self.folder, "log")

    def pid(self):
        try:
            with open(os.path.join(self.folder, "run", "master.pid")) as f:
                return int(f.read())
        except (OSError, ValueError):
            return 0

    def start(self):
        for d in ("run", "state"):
            os.makedirs(os.path.join(self.folder, d), exist_ok=True)
        os.makedirs(self.data, exist_ok=True)
        os.chown(self.data, 5000, 5000)
        os.chmod(self.data, 0o755)
        conf = os.path.join(self.folder, "dovecot.conf")
        with open(conf, "w") as f:
            f.write(DOVECOT_CONF.format(
                folder=self.folder, data=self.data, cert=self.cert, key=self.key, port=self.port,
                tls_port=self.tls_port, plain="no" if self.clear else "yes",
                password=self.password,
                format=os.environ.get("DOVECOT_FORMAT", "sdbox"),
                fsync=os.environ.get("DOVECOT_FSYNC", "optimized"),
                lmtp=" lmtp" if self.lmtp_port else "", lmtp_port=self.lmtp_port))
        if not alive(self.pid()):
            try:
                os.unlink(os.path.join(self.folder, "run", "master.pid"))
            except FileNotFoundError:
                pass
        # Dovecot passes on the limits and descriptors of who starts it: give it a clean start.
        # In the foreground, it is our child to wait for.
        self.process = subprocess.Popen(
            (self.wrap_command or []) + ["/usr/sbin/dovecot", "-F", "-c", conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_ready()

    def stop(self):
        pids = self.pids()
        if pids:
            os.kill(pids[0], signal.SIGTERM)
        end = time.monotonic() + 15
        while any(alive(p) for p in pids) and time.monotonic() < end:
            if self.process is not None:
                self.process.poll()
            time.sleep(0.02)
        for p in pids:
            if alive(p):
                os.kill(p, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(5)
            self.process = None

    def reload(self):
        os.kill(self.pid(), signal.SIGHUP)

    def role(self, name):
        want = {"keep": "dovecot/imap ", "gate": "dovecot/imap-login"}[name]
        return [p for p in self.pids() if (title(p) + " ").startswith(want)]

    def check(self):
        """The store's own check: None when there is none."""
        return None


def mailkeep_binary():
    given = os.environ.get("MAILKEEP")
    if given:
        return given
    found = [b for b in glob.glob(os.path.join(ROOT, "build*", "mailkeep")) if os.access(b, os.X_OK)]
    return max(found, key=os.path.getmtime) if found else None


def server_class():
    return {"dovecot": Dovecot, "testd": Testd}.get(os.environ.get("PEER"), Mailkeep)


MAILKEEP_CONF = """
data_dir = "{data}"
listen_imap = 127.0.0.1:{port}
listen_imaps = 127.0.0.1:{tls_port}
listen_pop3 = 127.0.0.1:{pop3}
listen_pop3s = 127.0.0.1:{pop3s}
listen_sieve = 127.0.0.1:{sieve}
listen_smtp = 127.0.0.1:{smtp}
listen_submission = 127.0.0.1:{submission}
listen_submissions = 127.0.0.1:{submissions}
listen_lmtp = 127.0.0.1:{lmtp}
tls_cert = "{cert}"
tls_key = "{key}"
user = "{me}"
gate_user = "{me}"
courier_user = "{me}"
clear_login_loopback = {clear}
# One hash in a test says as much as a slow one.
argon2_memory = 64 KB
argon2_passes = 1
# Who waits on purpose waits where a test is about that.
login_failure_delay = 0
smtp_greet_delay = 0
# Their messages would be in INBOX beside the test's own.
alerts = no
"""


class Mailkeep(Server):
    peer = "mailkeep"
    domain = "example.org"
    atomic = True

    @staticmethod
    def missing():
        return None if mailkeep_binary() else "no mailkeep binary: build it or set MAILKEEP"

    @property
    def log_path(self):
        return os.path.join(self.folder, "log")

    @property
    def conf_path(self):
        return os.path.join(self.folder, "mailkeep.conf")

    def user(self, i):
        return f"u{i}@{self.domain}"

    def write_conf(self):
        text = MAILKEEP_CONF.format(
            data=self.data, port=self.port, tls_port=self.tls_port, cert=self.cert, key=self.key,
            pop3=self.pop3_port, pop3s=self.pop3s_port, sieve=self.sieve_port,
            smtp=self.smtp_port, submission=self.submission_port,
            submissions=self.submissions_port, lmtp=self.lmtp_port,
            me=pwd.getpwuid(os.geteuid()).pw_name, clear="yes" if self.clear else "no")
        for name, value in self.settings.items():
            text = re.sub(rf"(?m)^{name} = .*\n", "", text) + f"{name} = {value}\n"
        with open(self.conf_path, "w") as f:
            f.write(text)

    def command(self, *words, data=None, check=True):
        """Runs `mailkeep <words>` against this server; returns the finished process."""
        r = subprocess.run([mailkeep_binary(), "-c", self.conf_path, *words], input=data,
                           capture_output=True, text=True, timeout=120)
        if check and r.returncode:
            raise RuntimeError(f"mailkeep {' '.join(words)}: exit {r.returncode}\n{r.stdout}"
                               f"{r.stderr}")
        return r

    def pid(self):
        try:
            with open(os.path.join(self.folder, "pid")) as f:
                return int(f.read())
        except (OSError, ValueError):
            return 0

    def start(self):
        os.makedirs(self.data, exist_ok=True)
        self.write_conf()
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(
                (self.wrap_command or []) + [mailkeep_binary(), "-c", self.conf_path, "serve"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        with open(os.path.join(self.folder, "pid"), "w") as f:
            f.write(str(self.process.pid))
        self.wait_ready()
        self.add_accounts()

    def control(self, command, **arguments):
        """Asks the running server through its control socket, as the command line does."""
        self.chunks = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            for left in range(500, -1, -1):  # keep may still be coming up
                try:
                    s.connect(os.path.join(self.data, "control.sock"))
                    break
                except OSError:
                    if not left:
                        raise
                    time.sleep(0.01)
            request = json.dumps({"version": 1, "command": command, "args": arguments}).encode()
            s.sendall(struct.pack("<IB", len(request) + 1, 1) + request)
            stream = s.makefile("rb")
            while True:
                size, kind = struct.unpack("<IB", stream.read(5))
                payload = stream.read(size - 1)
                if kind == 2:
                    self.chunks += payload
                if kind == 5:
                    return json.loads(payload)
                if kind == 6:
                    raise RuntimeError(f"{command}: {payload.decode()}")

    def add_accounts(self):
        mark = os.path.join(self.folder, "accounts-made")
        if os.path.exists(mark):
            return
        self.control("domain add", domain=self.domain)
        for i in range(1, self.users + 1):
            self.control("account add", account=f"u{i}@{self.domain}", password=self.password,
                         allow_weak=True)
        with open(mark, "w"):
            pass

    def stop(self, seconds=60.0):
        pids = self.pids()
        if pids:
            os.kill(pids[0], signal.SIGTERM)
        end = time.monotonic() + seconds
        while any(alive(p) for p in pids) and time.monotonic() < end:
            if self.process is not None:
                self.process.poll()
            time.sleep(0.01)
        left = [p for p in pids if alive(p)]
        for p in left:
            os.kill(p, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(5)
            self.process = None
        if left:
            raise RuntimeError(f"did not stop in {seconds} s:\n{self.log_tail()}")

    def reload(self):
        os.kill(self.pid(), signal.SIGHUP)

    def role(self, name):
        return [p for p in self.pids()[1:] if re.search(rf"\b{name}\b", title(p))]

    def check(self):
        """What `mailkeep check` finds: lines, none when all is well."""
        found = self.control("check", read_bodies=True)
        return [f"mailkeep check: {line}" for line in self.chunks.decode().splitlines()] + (
            [f"mailkeep check: {found}"] if found["differences"] else [])


class Testd(Server):
    """PEER=testd: the IMAP layer alone, on the engine in memory, without gate, TLS or disk."""

    peer = "testd"
    atomic = True

    @staticmethod
    def missing():
        return None if Testd.program() else "imap-testd is not built"

    @staticmethod
    def program():
        found = glob.glob(os.path.join(ROOT, "build*", "tests", "protocol", "imap-testd"))
        return max(found, key=os.path.getmtime) if found else None

    @property
    def log_path(self):
        return os.path.join(self.folder, "log")

    def pid(self):
        return self.process.pid if self.process else 0

    def start(self):
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen([self.program()], stdout=subprocess.PIPE, stderr=out)
        self.port = int(self.process.stdout.readline().split()[1])

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None

    def role(self, name):
        return []

    def check(self):
        return None


def log(*words):
    print(*words, file=sys.stderr, flush=True)
