# SPDX-License-Identifier: Apache-2.0
"""People whose password is an LDAP directory's: OpenLDAP's slapd with a certificate of its own."""
import os
import re
import signal
import smtplib
import ssl
import subprocess

import pytest

import slapd
from directories import (directory, eventually, make, make_directory, ok,  # noqa: F401
                         only_mailkeep, settings, sign_in)


def submission(server, name, password):
    context = ssl._create_unverified_context()
    with smtplib.SMTP_SSL("127.0.0.1", server.submissions_port, context=context, timeout=30) as s:
        s.login(name, password)
        return s.sendmail(name, [name], f"From: {name}\r\nSubject: by way of LDAP\r\n\r\nhello\r\n")


@pytest.mark.parametrize("way", ["starttls", "ldaps"])
def test_a_first_sign_in_makes_the_account(make, directory, way):
    more = {} if way == "starttls" else {"ldap_servers": f"ldaps://127.0.0.1:{directory.tls_port}"}
    server = make(**more)
    assert ok(server, "anna@example.org", "annas own words")
    assert ok(server, "anna", "annas own words")
    assert not ok(server, "anna", "berts own words")
    assert not ok(server, "carl", "annas own words")
    submission(server, "bert@example.org", "berts own words")
    names = server.command("account", "list").stdout
    assert "anna@example.org" in names and "bert@example.org" in names
    assert "carl@example.org" not in names
    # Accounts of our own beside them.
    assert ok(server, server.user(1), server.password)
    # What the directory knows cannot take over an account that has a password of its own.
    directory.add("u1", "another one's words")
    assert not ok(server, server.user(1), "another one's words")
    assert "TLS established" in directory.log() or way == "ldaps"


# A04a
def test_l25_injected_filters_find_nobody(make, directory):
    server = make(ldap_filter='"(|(uid=%u)(mail=%n))"')
    for name in ("*", "a*", "*)(uid=*", "anna)(|(uid=*", "*)(objectClass=*))(|(a=b", "anna\\2a",
                 "an*a", "anna)(cn=*", "*@example.org", "*)(uid=*@example.org", "(anna)",
                 "uid=anna,ou=people", "anna\\00"):
        assert not ok(server, name, "annas own words"), name
    assert ok(server, "anna", "annas own words")
    stdout = server.command("account", "list").stdout
    assert stdout.count("@example.org") == 2, stdout


def test_l26_an_empty_password_is_never_bound(make_directory, make_server):
    # This one lets everybody in who gives a name and no password.
    directory = make_directory(more="allow bind_anon_dn bind_anon_cred")
    server = make_server(users=1, settings=settings(directory))
    assert not ok(server, "anna", "")
    assert ok(server, "anna", "annas own words")
    assert not ok(server, "anna", "")
    log = directory.log()
    assert len(re.findall(r'BIND dn="uid=anna\S+ mech=', log)) == 1, log


def test_l27_who_is_gone_is_out(make, directory):
    server = make(ldap_check_interval="1 s")
    assert ok(server, "anna", "annas own words")
    device = server.control("account device add", account="anna@example.org", device="phone",
                            **{"for": ["imap"]})
    with server.connect("tls") as live, server.connect("tls") as phone, \
            server.connect("tls") as other:
        live.ok('LOGIN anna "annas own words"')
        phone.ok(f'LOGIN anna "{device["password"]}"')
        other.ok('LOGIN bert "berts own words"')
        server.command("role", "grant", "anna@example.org", "help-desk", "--all-domains")
        server.command("--as", "anna@example.org", "account", "list")
        directory.remove("anna")
        assert live.wait_untagged(b"BYE", 60)
        assert phone.wait_untagged(b"BYE", 60)
        other.ok("NOOP")
    assert not ok(server, "anna", "annas own words")
    assert not ok(server, "anna", device["password"])
    as_anna = server.command("--as", "anna@example.org", "account", "list", check=False)
    assert as_anna.returncode and "no longer in the directory" in as_anna.stderr
    assert "does not know this person any more" in \
        server.command("log", "anna@example.org").stdout
    # Back again, with another password; the devices are good again, too.
    directory.add("anna", "new words of hers")
    eventually(lambda: ok(server, "anna", "new words of hers"))
    assert ok(server, "anna", device["password"])
    assert not ok(server, "anna", "annas own words")


def test_l27_whoever_the_filter_leaves_out_is_refused(make, directory):
    server = make(ldap_filter='"(&(mail=%n)(!(employeeType=disabled)))"')
    assert ok(server, "bert", "berts own words")
    directory.change(f"dn: uid=bert,ou=people,{slapd.BASE}\nchangetype: modify\n"
                     "add: employeeType\nemployeeType: disabled\n")
    eventually(lambda: not ok(server, "bert", "berts own words"))  # within auth_cache_time
    assert server.control("directory sync") == {"asked": 1, "gone": 1, "back": 0, "roles": 0}
    assert server.control("directory sync") == {"asked": 1, "gone": 0, "back": 0, "roles": 0}


def test_l27_many_at_once_are_a_mistake(make, directory):
    server = make()
    for i in range(12):
        directory.add(f"p{i}", "words of them all")
        assert ok(server, f"p{i}", "words of them all")
    for i in range(12):
        directory.remove(f"p{i}")
    assert ok(server, "anna", "annas own words")
    with pytest.raises(Exception, match="looks like a mistake"):
        server.control("directory sync")
    assert server.control("directory sync", force=True)["gone"] == 12


def test_l28_a_directory_that_is_away_is_no_wrong_password(make, directory):
    server = make(auth_failures_max="3", auth_cache_time="1 h", ldap_check_interval="1 s")
    assert ok(server, "anna", "annas own words")
    with server.connect("tls") as live:
        live.ok('LOGIN anna "annas own words"')
        directory.stop()
        for _ in range(8):
            status, code = sign_in(server, "bert", "berts own words")
            assert status == b"NO" and b"UNAVAILABLE" in code, (status, code)
        assert ok(server, "anna", "annas own words")  # known to be good, and that holds
        assert sign_in(server, "anna", "another word")[1] == b"UNAVAILABLE"
        assert ok(server, server.user(1), server.password)
        with pytest.raises(Exception, match="could not be asked"):
            server.control("directory sync")
        live.ok("NOOP")
    directory.start()
    assert ok(server, "bert", "berts own words")  # nobody was locked out


def test_l28_the_courier_dies(make):
    server = make()
    assert ok(server, "anna", "annas own words")
    server.kill("courier")
    eventually(lambda: ok(server, "bert", "berts own words"))


def test_servers_are_tried_in_order(make_directory, make_server):
    first, second = make_directory("first"), make_directory("second")
    servers = f"ldaps://127.0.0.1:{first.tls_port}, ldaps://127.0.0.1:{second.tls_port}"
    both = os.path.join(first.folder, "both.pem")
    with open(both, "w") as f:
        f.write(open(first.cert).read() + open(second.cert).read())
    server = make_server(users=1, settings=settings(first, ldap_servers=servers,
                                                    ldap_ca_file=f'"{both}"'))
    assert ok(server, "anna", "annas own words")
    first.stop()
    assert ok(server, "bert", "berts own words")
    assert 'BIND dn="uid=bert' in second.log() and 'BIND dn="uid=anna' not in second.log()


def test_l29_nothing_is_said_without_a_good_certificate(make_directory, make_server):
    directory, other = make_directory("one"), make_directory("other", people=False)
    for servers in (f"ldap://127.0.0.1:{directory.port}",
                    f"ldaps://127.0.0.1:{directory.tls_port}"):
        server = make_server(users=1, settings=settings(
            directory, ldap_servers=servers, ldap_ca_file=f'"{other.cert}"'))
        assert sign_in(server, "anna", "annas own words")[1] == b"UNAVAILABLE"
        server.stop()
    assert f'BIND dn="{slapd.ADMIN}"' in directory.log()
    assert f'BIND dn="{slapd.SERVICE}"' not in directory.log()


def test_l29_nothing_is_said_without_starttls(make_directory, make_server):
    directory = make_directory(more="")
    directory.stop()
    conf = open(directory.conf).read()
    with open(directory.conf, "w") as f:
        f.write("\n".join(x for x in conf.splitlines() if not x.startswith("TLS")) + "\n")
    directory.tls_port = directory.port  # no ldaps without a certificate
    log = open(f"{directory.folder}/plain.log", "ab")
    p = subprocess.Popen(["/usr/sbin/slapd", "-f", directory.conf, "-d", "stats", "-h",
                          f"ldap://127.0.0.1:{directory.port}"], stdout=log, stderr=log)
    try:
        server = make_server(users=1, settings=settings(directory))
        eventually(lambda: b"UNAVAILABLE" in sign_in(server, "anna", "annas own words")[1])
        text = open(f"{directory.folder}/plain.log").read()
        assert " BIND " not in text and "EXT oid=1.3.6.1.4.1.1466.20037" in text, text
        # On this machine one may say that it is wanted.
        server.stop()
        clear = make_server(users=1, settings=settings(directory, ldap_start_tls="no"))
        eventually(lambda: ok(clear, "anna", "annas own words"))
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(20)
        log.close()


def test_an_address_must_be_theirs(make, directory):
    directory.add("carl", "carls own words", mail="carl@elsewhere.example")
    server = make(ldap_filter='"(uid=%u)"', ldap_mail_attribute="mail")
    server.control("domain add", domain="example.net")
    assert ok(server, "anna@example.org", "annas own words")
    assert not ok(server, "anna@example.net", "annas own words")
    assert not ok(server, "carl@example.org", "carls own words")


def test_two_that_fit_are_none(make, directory):
    directory.add("anna2", "annas own words", mail="anna@example.org")
    server = make()
    assert not ok(server, "anna", "annas own words")
    assert "fits more than one entry" in server.command(
        "directory", "test", "anna", check=False).stdout


def test_what_test_says(make, directory):
    directory.group("post-office", "anna", "bert")
    server = make()
    said = server.command("directory", "test", "anna").stdout
    assert "may come in" in said and "Person anna" in said
    assert f"group: cn=post-office,ou=groups,{slapd.BASE}" in said
    said = server.command("directory", "test", "anna", "--password-stdin",
                          data="annas own words\n").stdout
    assert "would be let in with this password" in said
    r = server.command("directory", "test", "anna", "--password-stdin", data="wrong\n",
                       check=False)
    assert r.returncode == 1 and "would not be let in" in r.stdout
    r = server.command("directory", "test", "nobody", check=False)
    assert r.returncode == 1 and "may not come in" in r.stdout and "no entry" in r.stdout
    directory.stop()
    r = server.command("directory", "test", "anna", check=False)
    assert r.returncode == 1 and "cannot be asked now" in r.stdout


def test_only_those_who_have_an_account(make, directory):
    server = make(ldap_create_accounts="no")
    assert not ok(server, "anna", "annas own words")
    server.command("account", "add", "anna@example.org", "--directory")
    assert ok(server, "anna", "annas own words")
    assert not ok(server, "bert", "berts own words")
    # And from a password of our own to the directory's.
    directory.add("u1", "in the directory")
    assert not ok(server, server.user(1), "in the directory")
    server.command("account", "passwd", server.user(1), "--directory")
    assert ok(server, server.user(1), "in the directory")
    assert not ok(server, server.user(1), server.password)


def test_conflicts_in_the_settings(make_server, directory):
    server = make_server(start=False, settings=settings(directory))
    rows = [
        ({"ldap_servers": "ldap://ldap.example.org", "ldap_start_tls": "no"}, "in the clear"),
        *[({"ldap_servers": f'"ldap://{host}"', "ldap_start_tls": "no"}, "in the clear") for host in (
            "localhost.evil.example", "127.evil.example", "127.0.0.1.evil.example:389",
            "127.0.0.1@evil.example", "[::1].evil.example", "[::1", "128.0.0.1", "127")],
        ({"ldap_servers": "http://ldap.example.org"}, "must begin with"),
        ({"ldap_filter": '"(objectClass=person)"'}, "names nobody"),
        ({"ldap_filter": '"(uid=%s)"'}, "only %n"),
        ({"ldap_base": '""'}, "needs ldap_base"),
        ({"ldap_bind_password_file": '""'}, "belong together"),
    ]
    for more, problem in rows:
        server.settings = settings(directory, **more)
        server.write_conf()
        r = server.command("config", "check", check=False)
        assert r.returncode and problem in r.stdout + r.stderr, (more, r)
    for host in "localhost", "LocalHost:389", "127.0.0.1", "127.1.2.3:389/", "[::1]", "[::1]:389":
        server.settings = settings(directory, ldap_servers=f'"ldap://{host}"', ldap_start_tls="no")
        server.write_conf()
        server.command("config", "check")
