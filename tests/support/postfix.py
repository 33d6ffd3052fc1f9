# SPDX-License-Identifier: Apache-2.0
"""Debian's Postfix as a peer: its configuration, queue and mailboxes lie in a folder of their own,
nothing of the system's is touched."""
import glob
import os
import shutil
import subprocess
import textwrap
import time

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = {fqdn}
mydestination =
inet_interfaces = {address}
inet_protocols = ipv4
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = {domain}
smtpd_forbid_bare_newline = yes
alias_maps =
alias_database =
{more}
"""

MASTER = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing():
    if not os.access("/usr/sbin/postfix", os.X_OK):
        return "Postfix is not installed"
    return None if os.geteuid() == 0 else "Postfix as a peer needs root"


class Postfix:
    """A Postfix of its own under `folder`: `more` are further lines of main.cf; `inside` is put
    before every command (a network namespace)."""

    def __init__(self, folder, domain, more, fqdn="localhost.test", address="127.0.0.1", port=25,
                 inside=()):
        self.folder, self.address, self.port, self.inside = folder, address, port, list(inside)
        self.etc = os.path.join(folder, "etc")
        for name in ("etc", "spool", "data", "mail"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        for name in ("data", "mail"):
            shutil.chown(os.path.join(folder, name), "postfix")
        with open(os.path.join(self.etc, "main.cf"), "w") as f:
            f.write(MAIN.format(folder=folder, fqdn=fqdn, address=address, domain=domain,
                                more=textwrap.dedent(more)))
        with open(os.path.join(self.etc, "master.cf"), "w") as f:
            f.write(MASTER.format(port=port))
        self.process = None

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as out:
            self.process = subprocess.Popen(
                [*self.inside, "/usr/sbin/postfix", "-c", self.etc, "start-fg"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        end = time.monotonic() + 60
        while subprocess.run([*self.inside, "bash", "-c", f": </dev/tcp/{self.address}/{self.port}"],
                             capture_output=True).returncode:
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.1)

    def stop(self):
        subprocess.run([*self.inside, "/usr/sbin/postfix", "-c", self.etc, "stop"],
                       capture_output=True)
        if self.process is not None:
            self.process.wait(60)
            self.process = None

    def log(self):
        text = ""
        for name in ("log", "maillog"):
            try:
                with open(os.path.join(self.folder, name), errors="replace") as f:
                    text += f.read()
            except FileNotFoundError:
                pass
        return text

    def messages(self):
        """All that was delivered to mailboxes under `mail`, as bytes."""
        out = []
        for path in sorted(glob.glob(os.path.join(self.folder, "mail", "*", "new", "*"))):
            with open(path, "rb") as f:
                out.append(f.read())
        return out
