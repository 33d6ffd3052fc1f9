# SPDX-License-Identifier: Apache-2.0
"""Runs Mozilla Thunderbird without a window, with a profile of its own, and drives it through
Marionette, its remote control: JSON over TCP, "length:[0, id, command, parameters]"."""
import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

from servers import free_port, process_tree

PREFS = {
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.account.account2.server": "server2",
    "mail.identity.id1.fullName": "Test",
    "mail.identity.id1.valid": True,
    "mail.server.server1.type": "imap",
    "mail.server.server1.hostname": "localhost",
    "mail.server.server1.name": "test",
    "mail.server.server1.check_new_mail": True,
    # The password is put into its store first.
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.use_idle": True,
    "mail.server.server1.offline_download": True,
    "mail.smtpservers": "smtp1",
    "mail.smtp.defaultserver": "smtp1",
    "mail.smtpserver.smtp1.type": "smtp",
    "mail.smtpserver.smtp1.hostname": "localhost",
    "mail.smtpserver.smtp1.authMethod": 3,
    "mail.identity.id1.smtpServer": "smtp1",
    "mail.identity.id1.compose_html": False,
    "mail.server.server2.type": "none",
    "mail.server.server2.hostname": "Local Folders",
    "mail.server.server2.userName": "nobody",
    "mail.server.default.using_subscription": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    "mail.rights.version": 1,
    "app.donation.eoy.version.viewed": 999,
    # It talks to nobody but the server under test.
    "app.update.enabled": False,
    "network.dns.offline-localhost": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "network.connectivity-service.enabled": False,
    "network.captive-portal-service.enabled": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.inappnotifications.url": "",
}

SOCKET_TYPE = {"imaps": 3, "starttls": 2}

PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.accounts.map(a => a.incomingServer).find(s => s.type == "imap");
const root = server?.rootFolder;
const folderOf = path => {
  let f = root;
  for (const name of path.split("/"))
    f = f.subFolders.find(s => s.name == name || s.URI.endsWith("/" + name));
  return f.QueryInterface(Ci.nsIMsgImapMailFolder);
};
const heads = f => [...f.messages];
const bySubject = (f, s) => heads(f).find(h => h.mime2DecodedSubject == s);
// A listener whose promise is kept when the URL or the copy has ended.
const listen = start => new Promise((resolve, reject) => {
  const end = status => Components.isSuccessCode(status) ? resolve(true)
    : reject(new Error("status " + status.toString(16)));
  start({ OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { end(status); },
          onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
          onStopCopy: end,
          QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]) });
});
"""


class Marionette:
    def __init__(self, port, seconds):
        self.number = 0
        end = time.monotonic() + seconds
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=seconds)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.stream = self.sock.makefile("rb")
        self.read()  # its greeting

    def read(self):
        size = b""
        while True:
            byte = self.stream.read(1)
            if not byte:
                raise ConnectionError("Thunderbird closed its remote control")
            if byte == b":":
                return json.loads(self.stream.read(int(size)))
            size += byte

    def __call__(self, command, **parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.sock.sendall(b"%d:" % len(text) + text)
        _, number, error, result = self.read()
        assert number == self.number
        if error:
            raise RuntimeError(f"{command}: {error.get('error')}: {error.get('message')}\n"
                               f"{error.get('stacktrace', '')[:1000]}")
        return result


class Thunderbird:
    """A running Thunderbird with one IMAP account. Use it in a `with`.

    TB_LOG=1 logs what it says to the server in home/imap*.moz_log, TB_WINDOW=1 shows its window."""

    def __init__(self, server, number, home, tls="imaps", patience=120):
        self.server, self.home, self.patience = server, home, patience
        self.profile = home / "profile"
        self.profile.mkdir(parents=True)
        self.user = server.user(number)
        self.imap_port = server.tls_port if tls == "imaps" else server.port
        self.smtp_port = server.submissions_port if tls == "imaps" else server.submission_port
        self.port = free_port()
        prefs = {**PREFS, "marionette.port": self.port,
                 "mail.identity.id1.useremail": self.user,
                 "mail.server.server1.userName": self.user,
                 "mail.server.server1.port": self.imap_port,
                 "mail.server.server1.socketType": SOCKET_TYPE[tls],
                 "mail.smtpserver.smtp1.username": self.user,
                 "mail.smtpserver.smtp1.port": self.smtp_port,
                 "mail.smtpserver.smtp1.try_ssl": SOCKET_TYPE[tls],
                 # Off unless asked for: so one of the two runs asks.
                 "mail.server.server1.use_condstore": tls == "starttls",
                 "mail.server.server1.directory": str(self.profile / "ImapMail" / "localhost"),
                 "mail.server.server2.directory": str(self.profile / "Mail" / "Local")}
        if os.environ.get("TB_LOG"):
            prefs.update({"mailnews.imap.loglevel": "All", "browser.dom.window.dump.enabled": True})
        (self.profile / "user.js").write_text("".join(
            f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in prefs.items()))
        self.trust(server.cert)
        self.process = self.control = None

    def trust(self, cert):
        """What a person does who confirms the exception for this certificate."""
        with open(cert) as f:
            der = ssl.PEM_cert_to_DER_cert(f.read())
        mark = hashlib.sha256(der).hexdigest().upper()
        mark = ":".join(mark[i:i + 2] for i in range(0, 64, 2))
        (self.profile / "cert_override.txt").write_text(
            "# PSM Certificate Override Settings file\n" + "".join(
                f"localhost:{port}:\tOID.2.16.840.1.101.3.4.2.1\t{mark}\t\n"
                for port in (self.imap_port, self.smtp_port)))

    def __enter__(self):
        window = [] if os.environ.get("TB_WINDOW") else ["--headless"]
        env = {**os.environ, "HOME": str(self.home), "MOZ_CRASHREPORTER_DISABLE": "1",
               "NO_PROXY": "*", "MOZ_DISABLE_AUTO_SAFE_MODE": "1"}
        if os.environ.get("TB_LOG"):
            env.update({"MOZ_LOG": "timestamp,IMAP:5", "MOZ_LOG_FILE": str(self.home / "imap")})
        with open(self.home / "log", "wb") as out:
            self.process = subprocess.Popen(
                ["thunderbird", *window, "--marionette", "--remote-allow-system-access",
                 "--no-remote", "--profile",
                 str(self.profile)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                cwd=self.home, start_new_session=True)
        try:
            self.control = Marionette(self.port, self.patience)
            self.control("WebDriver:NewSession")
            self.control("WebDriver:SetTimeouts", script=1000 * self.patience)
            self.control("Marionette:SetContext", value="chrome")
            self.remember_password()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        pids = process_tree(self.process.pid)
        try:
            self.control("Marionette:Quit", flags=["eForceQuit"])
            self.process.wait(20)
        except Exception:  # noqa: B902 - it ends either way
            pass
        for pid in reversed(pids):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.wait(20)

    def run(self, script, *arguments):
        """Runs the body of an async function that knows server, root, folderOf, listen, ..."""
        result = self.control("WebDriver:ExecuteScript", args=list(arguments), sandbox="system",
                              newSandbox=True,
                              script=f"{PRELUDE} return (async (...args) => {{ {script} }})"
                                     "(...arguments);")
        return result["value"]

    def until(self, script, *arguments, what=None, seconds=None):
        """Runs the script until it gives something that `what` likes."""
        end = time.monotonic() + (seconds or self.patience)
        while True:
            got = self.run(script, *arguments)
            if (what or bool)(got):
                return got
            assert time.monotonic() < end, f"still {got!r}: {script}"
            time.sleep(0.1)

    def remember_password(self):
        self.run("""
            for (const origin of ["imap://localhost", "smtp://localhost"]) {
              const info = Cc["@mozilla.org/login-manager/loginInfo;1"]
                  .createInstance(Ci.nsILoginInfo);
              info.init(origin, null, origin, args[0], args[1], "", "");
              await Services.logins.addLoginAsync(info);
            }""", self.user, self.server.password)

    def screenshot(self, path):
        value = self.control("WebDriver:TakeScreenshot", full=False, hash=False)["value"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(value))


def missing():
    return None if shutil.which("thunderbird") else "thunderbird is not installed"
