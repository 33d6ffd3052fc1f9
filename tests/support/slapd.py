# SPDX-License-Identifier: Apache-2.0
"""OpenLDAP's slapd on loopback with a configuration, a database and a certificate of its own."""
import os
import shutil
import signal
import socket
import subprocess
import time

from servers import free_port, self_signed

BASE = "dc=example,dc=org"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "admin-of-the-directory"
SERVICE, SERVICE_PASSWORD = f"cn=mailkeep,{BASE}", "looks people up"

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
{more}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {admin_password}
directory {folder}/db
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by dn.exact="{admin}" write by * none
"""

START = """dn: {base}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: {service}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mailkeep
userPassword: {service_password}
"""


def missing():
    for program in ("slapd", "slapadd", "ldapmodify"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            return f"no {program}: tools/install test"
    return None


class Slapd:
    def __init__(self, folder, more=""):
        self.folder, self.process = str(folder), None
        self.port, self.tls_port = free_port(), free_port()
        self.cert, self.key = self_signed(self.folder, name="ldap.example.org", tag="slapd")
        os.makedirs(f"{self.folder}/db", exist_ok=True)
        self.conf = f"{self.folder}/slapd.conf"
        with open(self.conf, "w") as f:
            f.write(CONF.format(folder=self.folder, cert=self.cert, key=self.key, base=BASE,
                                admin=ADMIN, admin_password=ADMIN_PASSWORD, service=SERVICE,
                                more=more))
        self.run("/usr/sbin/slapadd", "-f", self.conf,
                 data=START.format(base=BASE, service=SERVICE, service_password=SERVICE_PASSWORD))

    def run(self, *words, data=None):
        r = subprocess.run(words, input=data, text=True, capture_output=True, timeout=60,
                           env={**os.environ, "LDAPNOINIT": "1"})
        assert r.returncode == 0, (words, r.stdout, r.stderr)
        return r.stdout

    def start(self):
        with open(f"{self.folder}/slapd.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/slapd", "-f", self.conf, "-d", "stats", "-h",
                 f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(2000):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, self.log()
                time.sleep(0.01)
        raise RuntimeError(self.log())

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def log(self):
        with open(f"{self.folder}/slapd.log", errors="replace") as f:
            return f.read()

    def change(self, ldif):
        self.run("ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", ADMIN, "-w",
                 ADMIN_PASSWORD, data=ldif)

    def add(self, uid, password, mail=None, password_line=None):
        self.change(f"dn: uid={uid},ou=people,{BASE}\nchangetype: add\n"
                    f"objectClass: inetOrgPerson\nuid: {uid}\ncn: Person {uid}\nsn: {uid}\n"
                    f"mail: {mail or uid + '@example.org'}\nuserPassword: {password}\n")

    def remove(self, uid):
        self.change(f"dn: uid={uid},ou=people,{BASE}\nchangetype: delete\n")

    def password(self, uid, password):
        self.change(f"dn: uid={uid},ou=people,{BASE}\nchangetype: modify\n"
                    f"replace: userPassword\nuserPassword: {password}\n")

    def group(self, name, *uids):
        members = "".join(f"member: uid={u},ou=people,{BASE}\n" for u in uids)
        self.change(f"dn: cn={name},ou=groups,{BASE}\nchangetype: add\n"
                    f"objectClass: groupOfNames\ncn: {name}\n{members}")
