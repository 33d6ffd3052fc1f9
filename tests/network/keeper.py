# SPDX-License-Identifier: Apache-2.0
"""Mailkeep on a host of world.py."""
import imaplib
import smtplib
import ssl
import time

from servers import Mailkeep
from world import DNS


class Keeper(Mailkeep):
    """A whole mail server for `domain`: 25, 465 and 993 on the host's address."""

    def __init__(self, host, domain, users=2, settings=None):
        a = host.address
        super().__init__(
            folder=host.folder, users=users, wrap=host.inside, port=143, tls_port=993,
            others=[110, 995, 4190, 25, 587, 465, 24], settings={
                "server_name": host.fqdn, "listen_smtp": f"{a}:25",
                "listen_submission": f"{a}:587", "listen_submissions": f"{a}:465",
                "listen_imaps": f"{a}:993", "dns_servers": DNS, "dns_dnssec": "required",
                "dns_trust_anchor": f'"{host.world.anchor}"', "relay_allow_private": "yes",
                "relay_ca_file": f'"{host.world.ca}"', "smtp_greet_delay": "0", "dkim_check_interval": "200 ms",
                "relay_connect_timeout": "2 s", "retry_first": "2 s", "retry_max": "4 s",
                **(settings or {})})
        self.host, self.domain = host, domain
        self.tls = ssl.create_default_context(cafile=host.world.ca)

    def use_certificate(self, cert, key):
        self.cert, self.key = cert, key

    def wait_ready(self, seconds=60.0):
        end = time.monotonic() + seconds
        while True:
            try:
                self.control("status")
                with self.host.here(), smtplib.SMTP(self.host.address, 25, timeout=10):
                    return
            except (OSError, RuntimeError, smtplib.SMTPException):
                assert self.process.poll() is None and time.monotonic() < end, self.log_tail()
                time.sleep(0.05)

    def submit(self, i, to, message, sender=None):
        """By user i of this server, over TLS."""
        with self.host.here(), smtplib.SMTP_SSL(self.host.address, 465, timeout=60,
                                                context=self._trust()) as s:
            s.login(self.user(i), self.password)
            return s.sendmail(sender or self.user(i), to, message)

    def _trust(self):
        # The name of the host is not known to the resolver of whoever runs the tests.
        context = ssl.create_default_context(cafile=self.host.world.ca)
        context.check_hostname = False
        return context

    def messages(self, i, box="INBOX"):
        """All of a mailbox of user i, as bytes."""
        with self.host.here():
            c = imaplib.IMAP4_SSL(self.host.address, 993, ssl_context=self._trust(), timeout=60)
        try:
            c.login(self.user(i), self.password)
            status, data = c.select(box, readonly=True)
            if status != "OK" or data[0] == b"0":
                return []
            return [part[1] for part in c.fetch("1:*", "(BODY.PEEK[])")[1]
                    if isinstance(part, tuple)]
        finally:
            c.logout()
