# SPDX-License-Identifier: Apache-2.0
"""Postfix on a host of world.py, with a validating resolver beside it: it does DANE."""
import os
import pwd
import shutil
import textwrap

from postfix import Postfix
from world import DNS, REVERSE

MORE = """
    mynetworks = 127.0.0.0/8, {address}/32
    virtual_mailbox_base = {folder}/mail
    virtual_mailbox_maps = static:all/
    virtual_uid_maps = static:{uid}
    virtual_gid_maps = static:{gid}
    smtpd_tls_cert_file = {cert}
    smtpd_tls_key_file = {key}
    smtpd_tls_security_level = may
    smtpd_tls_received_header = yes
    smtp_tls_security_level = dane
    smtp_dns_support_level = dnssec
    smtp_tls_CAfile = {ca}
    smtp_tls_loglevel = 1
    smtp_host_lookup = dns
    smtp_connect_timeout = 3s
    minimal_backoff_time = 2s
    maximal_backoff_time = 4s
    queue_run_delay = 1s
"""

RESOLVER = """
    server:
        directory: "{folder}"
        chroot: ""
        username: ""
        pidfile: ""
        interface: 127.0.0.1
        trust-anchor-file: "{anchor}"
        local-zone: "{reverse}." nodefault
        module-config: "validator iterator"
        cache-max-negative-ttl: 1
        use-syslog: no
    remote-control:
        control-enable: no
    forward-zone:
        name: "."
        forward-addr: {dns}
"""


def missing():
    import postfix
    return postfix.missing() or (
        None if os.access("/usr/sbin/unbound", os.X_OK) else "unbound is not installed")


def resolver(host):
    """A validating resolver on the host's 127.0.0.1, which its programs ask from now on."""
    conf = os.path.join(host.folder, "unbound.conf")
    with open(conf, "w") as f:
        f.write(textwrap.dedent(RESOLVER.format(folder=host.folder, anchor=host.world.anchor,
                                                reverse=REVERSE, dns=DNS)))
    etc = f"/etc/netns/{host.netns}"  # ip-netns(8)
    os.makedirs(etc, exist_ok=True)
    host.world.folders.append(etc)
    with open(os.path.join(etc, "resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.1\noptions trust-ad edns0\n")
    host.start("/usr/sbin/unbound", "-d", "-c", conf, log="unbound.log")


class Peer(Postfix):
    def __init__(self, host, domain, cert, key):
        owner = pwd.getpwnam("postfix")
        resolver(host)
        super().__init__(
            host.folder, domain, fqdn=host.fqdn, inside=host.inside, address=host.address,
            more=MORE.format(address=host.address, folder=host.folder, uid=owner.pw_uid, gid=owner.pw_gid,
                             cert=cert, key=key, ca=host.world.ca))
        self.host = host
