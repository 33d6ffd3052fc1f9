# SPDX-License-Identifier: Apache-2.0
"""A small Internet for tests: hosts in network namespaces of their own on one wire, a signed DNS
zone that all of them ask, a certificate authority that all of them trust. Needs root."""
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import textwrap
import time

NET = "198.51.100."  # RFC 5737: nobody's
DNS = NET + "53"
REVERSE = "100.51.198.in-addr.arpa"


def run(*command, **options):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if r.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {r.returncode}\n"
                           f"{r.stdout}{r.stderr}")
    return r.stdout


def missing():
    """Why there can be no world here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nsd", "ldns-signzone", "ldns-keygen", "openssl"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"{program} is not installed"
    name = f"mkprobe{os.getpid()}"
    r = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if r.returncode:
        return f"no network namespaces here: {r.stderr.strip()}"
    bridge = subprocess.run(["ip", "-n", name, "link", "add", "wire", "type", "bridge"],
                            capture_output=True, text=True)
    run("ip", "netns", "del", name)
    return f"no network bridges here: {bridge.stderr.strip()}" if bridge.returncode else None


class Host:
    """A namespace with one address; `fqdn` is its name in the DNS."""

    def __init__(self, world, name, number, fqdn):
        self.world, self.name, self.fqdn = world, name, fqdn
        self.address = NET + str(number)
        self.netns = f"{world.tag}-{name}"
        self.folder = os.path.join(world.folder, name)
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        run("ip", "netns", "add", self.netns)
        self.inside = ["ip", "netns", "exec", self.netns]
        run("ip", "-n", self.netns, "link", "set", "lo", "up")
        self.port = f"p{number}"
        run("ip", "-n", world.wire, "link", "add", self.port, "type", "veth", "peer", "name", "eth0",
            "netns", self.netns)
        run("ip", "-n", world.wire, "link", "set", self.port, "master", "wire", "up")
        run("ip", "-n", self.netns, "addr", "add", self.address + "/24", "dev", "eth0")
        run("ip", "-n", self.netns, "link", "set", "eth0", "up")

    @contextlib.contextmanager
    def here(self):
        """This thread is on the host: what it connects or listens from now on is there for good."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as back, \
                open(f"/run/netns/{self.netns}") as there:
            if libc.setns(there.fileno(), 0x40000000):  # CLONE_NEWNET
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield self
            finally:
                if libc.setns(back.fileno(), 0x40000000):
                    raise OSError(ctypes.get_errno(), "setns")

    def cut_off(self):
        run("ip", "-n", self.world.wire, "link", "set", self.port, "down")

    def join(self):
        run("ip", "-n", self.world.wire, "link", "set", self.port, "up")

    def start(self, *command, log="log", **options):
        """A program of this host's, ended with the world."""
        with open(os.path.join(self.folder, log), "ab") as out:
            p = subprocess.Popen(self.inside + [str(c) for c in command], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, start_new_session=True, **options)
        self.world.processes.append(p)
        return p

    def run(self, *command, **options):
        return run(*self.inside, *command, **options)

    def certificate(self, *names):
        """A key and a certificate of the world's authority: (certificate path, key path)."""
        return self.world.certificate(self.folder, self.fqdn, *names)


class World:
    def __init__(self, folder):
        self.folder, self.tag = str(folder), f"mk{os.getpid()}"
        os.chmod(self.folder, 0o755)
        self.processes, self.folders, self.hosts, self.records = [], [], {}, {}
        self.wire = f"{self.tag}-wire"
        run("ip", "netns", "add", self.wire)
        run("ip", "-n", self.wire, "link", "add", "wire", "type", "bridge")
        run("ip", "-n", self.wire, "link", "set", "wire", "up")
        self._authority()
        self.dns = self.host("dns", 53, "ns.example")
        self.anchor = os.path.join(self.dns.folder, "anchor")
        self.nsd = None

    # ---- hosts ----
    def host(self, name, number, fqdn):
        h = self.hosts[name] = Host(self, name, number, fqdn)
        self.records[fqdn] = [f"A {h.address}"]
        return h

    # ---- certificates ----
    def _authority(self):
        self.ca = os.path.join(self.folder, "ca.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", os.path.join(self.folder, "ca.key"), "-out", self.ca, "-days",
            "30", "-subj", "/CN=The authority of a test")

    def certificate(self, folder, name, *others):
        stem = os.path.join(folder, name)
        names = ",".join(f"DNS:{n}" for n in (name, *others))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", stem + ".key", "-out", stem + ".csr", "-subj", f"/CN={name}")
        with open(stem + ".ext", "w") as f:
            f.write(f"subjectAltName={names}\n")
        run("openssl", "x509", "-req", "-in", stem + ".csr", "-CA", self.ca, "-CAkey",
            os.path.join(self.folder, "ca.key"), "-CAcreateserial", "-days", "30", "-out",
            stem + ".pem", "-extfile", stem + ".ext")
        os.chmod(stem + ".key", 0o600)
        return stem + ".pem", stem + ".key"

    @staticmethod
    def tlsa(certificate):
        """The TLSA record (3 1 1) of a certificate."""
        key = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"],
                             check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                             check=True, capture_output=True).stdout
        import hashlib
        return "TLSA 3 1 1 " + hashlib.sha256(der).hexdigest()

    # ---- the DNS ----
    def publish(self):
        """Makes the zone anew from `records` (name -> list of "TYPE data") and serves it."""
        folder = self.dns.folder
        lines = ["$ORIGIN example.", "$TTL 1",
                 f"@ SOA ns.example. admin.example. {int(time.time())} 3600 600 86400 1", "@ NS ns.example."]
        for name, records in self.records.items():
            lines += [f"{name}. {r}" for r in records]
        with open(os.path.join(folder, "example.zone"), "w") as f:
            f.write("\n".join(lines) + "\n")
        with open(os.path.join(folder, "reverse.zone"), "w") as f:
            f.write("\n".join([f"$ORIGIN {REVERSE}.", "$TTL 1",
                               f"@ SOA ns.example. admin.example. {int(time.time())} 3600 600 86400 1",
                               "@ NS ns.example."]
                              + [f"{h.address.split('.')[3]} PTR {h.fqdn}."
                                 for h in self.hosts.values()]) + "\n")
        if not os.path.exists(self.anchor):
            self.zone_key = run("ldns-keygen", "-k", "-a", "ECDSAP256SHA256", "example",
                                cwd=folder).strip()
            shutil.copy(os.path.join(folder, self.zone_key + ".key"), self.anchor)
        run("ldns-signzone", "-f", "example.signed.new", "example.zone", self.zone_key, cwd=folder)
        os.rename(os.path.join(folder, "example.signed.new"), os.path.join(folder, "example.signed"))
        if self.nsd is None:
            self._serve_dns()
        else:
            self.nsd.send_signal(signal.SIGHUP)
        self._wait_for_serial()

    def _serve_dns(self):
        folder = self.dns.folder
        with open(os.path.join(folder, "nsd.conf"), "w") as f:
            f.write(textwrap.dedent(f"""\
                server:
                    ip-address: {DNS}
                    username: root
                    chroot: ""
                    zonesdir: "{folder}"
                    pidfile: "{folder}/nsd.pid"
                    database: ""
                    zonelistfile: "{folder}/zone.list"
                    xfrdfile: "{folder}/xfrd.state"
                    zonefiles-check: yes
                remote-control:
                    control-enable: no
                zone:
                    name: example
                    zonefile: example.signed
                zone:
                    name: {REVERSE}
                    zonefile: reverse.zone
                """))
        self.nsd = self.dns.start("/usr/sbin/nsd", "-d", "-c", os.path.join(folder, "nsd.conf"))

    def _serial(self):
        r = subprocess.run(self.dns.inside + ["drill", "-Q", f"@{DNS}", "example", "SOA"],
                           capture_output=True, text=True)
        words = r.stdout.split()
        return int(words[2]) if r.returncode == 0 and len(words) > 2 and words[2].isdigit() else 0

    def _wait_for_serial(self):
        with open(os.path.join(self.dns.folder, "example.zone")) as f:
            want = int(f.read().split("admin.example. ")[1].split()[0])
        end = time.monotonic() + 60
        while self._serial() != want:
            assert time.monotonic() < end, "the DNS does not serve the new zone"
            time.sleep(0.05)
        time.sleep(1.1)  # what others remember of the old zone is over: TTL 1

    # ---- the end ----
    def close(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                try:
                    os.killpg(p.pid, signal.SIGTERM)
                    p.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(p.pid, signal.SIGKILL)
                    p.wait()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        for name in [h.netns for h in self.hosts.values()] + [self.wire]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
