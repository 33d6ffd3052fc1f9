# SPDX-License-Identifier: Apache-2.0
"""What a directory says of people besides their password: roles by groups, quota and name; and
servers where nobody may search."""
import json

import pytest

import slapd
from directories import (directory, eventually, make, make_directory, ok,  # noqa: F401
                         only_mailkeep, settings, sign_in)

ANNA = "anna@example.org"
GROUPS = f"ou=groups,{slapd.BASE}"
HELP = f"cn=help desk,{GROUPS}"
ROLES = f'["CN=Help Desk, OU=Groups, {slapd.BASE.upper()} help-desk example.org", ' \
        f'"cn=bosses,{GROUPS} owner"]'


def roles(server, account=ANNA):
    out = server.command("role", "show", account, "--json").stdout
    return sorted((x["role"], tuple(sorted(x["domains"] or ["*"])), x["by_directory"])
                  for x in map(json.loads, out.splitlines()))


def member(directory, change, group, uid):
    directory.change(f"dn: cn={group},{GROUPS}\nchangetype: modify\n{change}: member\n"
                     f"member: uid={uid},ou=people,{slapd.BASE}\n")


def person(directory, uid, attribute, value, change="replace"):
    directory.change(f"dn: uid={uid},ou=people,{slapd.BASE}\nchangetype: modify\n"
                     f"{change}: {attribute}\n" + (f"{attribute}: {value}\n" if value else ""))


def account(server, name=ANNA):
    return json.loads(server.command("account", "show", name, "--json").stdout)


@pytest.mark.parametrize("way", ["attribute", "filter"])
def test_a_group_gives_a_role_as_long_as_they_are_in_it(make, directory, way):
    directory.group("help desk", "anna", "bert")
    more = {"ldap_roles": ROLES}
    if way == "filter":
        more |= {"ldap_group_filter": '"(member=%D)"', "ldap_group_base": f'"{GROUPS}"',
                 "ldap_group_attribute": '""'}
    server = make(**more)
    assert ok(server, ANNA, "annas own words")
    assert roles(server) == [("help-desk", ("example.org",), True)]
    assert "(by the directory)" in server.command("role", "show", ANNA).stdout
    server.command("--as", ANNA, "account", "list", "example.org")
    # By hand the same role over another domain, and another one: both stay what they are.
    server.control("domain add", domain="example.net")
    server.command("role", "grant", ANNA, "help-desk", "--domain", "example.net")
    server.command("role", "grant", ANNA, "auditor", "--all-domains")
    by_hand = [("auditor", ("*",), False), ("help-desk", ("example.net",), False)]
    assert roles(server) == sorted([*by_hand, ("help-desk", ("example.org",), True)])
    member(directory, "delete", "help desk", "anna")
    assert server.control("directory sync") == {"asked": 1, "gone": 0, "back": 0, "roles": 1}
    assert roles(server) == by_hand
    log = server.command("log", ANNA).stdout
    assert "the directory granted the role help-desk over example.org" in log
    assert "the directory took away the role help-desk over example.org" in log
    r = server.command("--as", ANNA, "account", "passwd", server.user(1), "--no-password",
                       check=False)
    assert r.returncode and "may not do this" in r.stderr
    # At a sign-in, too.
    member(directory, "add", "help desk", "anna")
    eventually(lambda: ok(server, ANNA, "annas own words") and len(roles(server)) == 3)
    assert server.control("directory sync")["roles"] == 0
    server.command("role", "revoke", ANNA, "help-desk", "--domain", "example.net")
    assert ("help-desk", ("example.org",), True) in roles(server)
    r = server.command("role", "revoke", ANNA, "help-desk", check=False)
    assert r.returncode and "The directory gives" in r.stderr
    server.command("check")


def test_l56_only_that_very_group(make, directory):
    """Groups whose name is nearly the one of the settings, and an owner by no group but theirs."""
    for name in ("help desk2", "help", "desk", "bosses\\, help desk", "xbosses"):
        directory.group(name, "anna")
    directory.change(f"dn: ou=other,{slapd.BASE}\nchangetype: add\n"
                     "objectClass: organizationalUnit\nou: other\n")
    directory.change(f"dn: cn=bosses,ou=other,{slapd.BASE}\nchangetype: add\n"
                     "objectClass: groupOfNames\ncn: bosses\n"
                     f"member: uid=anna,ou=people,{slapd.BASE}\n")
    server = make(ldap_roles=ROLES)
    assert ok(server, ANNA, "annas own words")
    assert roles(server) == []
    directory.group("bosses", "anna")
    server.control("directory sync")
    assert roles(server) == [("owner", ("*",), True)]


def test_who_is_gone_has_none(make, directory):
    directory.group("bosses", "anna", "bert")
    server = make(ldap_roles=ROLES)
    assert ok(server, ANNA, "annas own words")
    assert roles(server) == [("owner", ("*",), True)]
    directory.remove("anna")
    assert server.control("directory sync")["gone"] == 1
    assert roles(server) == []
    directory.add("anna", "new words of hers")
    assert server.control("directory sync")["back"] == 1
    assert roles(server) == []  # without her groups: the directory has made her anew
    # With a password of its own an account is not the directory's any more.
    assert ok(server, "bert", "berts own words")
    assert roles(server, "bert@example.org") == [("owner", ("*",), True)]
    server.command("account", "passwd", "bert@example.org", "--password-stdin",
                   data="a password of its own\n")
    assert roles(server, "bert@example.org") == []


def test_settings_that_give_it_no_more(make, directory):
    directory.group("help desk", "anna")
    server = make(ldap_roles=f'["{HELP} help-desk example.org example.net", "{HELP} auditor"]')
    server.control("domain add", domain="example.net")
    assert ok(server, ANNA, "annas own words")
    assert roles(server) == [("auditor", ("*",), True),
                             ("help-desk", ("example.net", "example.org"), True)]
    directory.stop()  # nobody can be asked: what the settings do not give is gone all the same
    server.stop()
    server.settings["ldap_roles"] = f'["{HELP} help-desk example.net"]'
    server.start()
    assert ok(server, server.user(1), server.password)
    assert roles(server) == [("help-desk", ("example.net",), True)]
    server.stop()
    del server.settings["ldap_roles"]
    server.start()
    assert ok(server, server.user(1), server.password)
    assert roles(server) == []


def test_l57_many_at_once_are_a_mistake(make, directory):
    names = [f"p{i}" for i in range(12)]
    for name in names:
        directory.add(name, "words of them all")
    directory.group("help desk", *names)
    server = make(ldap_roles=ROLES)
    for name in names:
        assert ok(server, name, "words of them all")
    directory.change(f"dn: {HELP}\nchangetype: delete\n")
    with pytest.raises(Exception, match="12 people would lose the roles"):
        server.control("directory sync")
    assert roles(server, "p1@example.org") == [("help-desk", ("example.org",), True)]
    assert server.control("directory sync", force=True)["roles"] == 12
    assert roles(server, "p1@example.org") == []


def test_groups_that_cannot_be_looked_up_keep_nobody_out(make, directory):
    directory.group("help desk", "anna")
    server = make(ldap_roles=ROLES, ldap_group_filter='"(member=%D)"',
                  ldap_group_base=f'"{GROUPS}"')
    assert ok(server, ANNA, "annas own words")
    assert roles(server) == [("help-desk", ("example.org",), True)]
    server.stop()
    server.settings["ldap_group_base"] = f'"ou=nowhere,{slapd.BASE}"'
    server.start()
    assert ok(server, ANNA, "annas own words")
    server.control("directory sync")
    assert roles(server) == [("help-desk", ("example.org",), True)]  # nobody knows


def test_quota_and_name(make, directory):
    person(directory, "anna", "employeeType", "5 MB")
    server = make(ldap_quota_attribute="employeeType", ldap_name_attribute="displayName",
                  quota_bytes="1 GB")
    assert ok(server, ANNA, "annas own words")
    said = account(server)
    assert said["bytes_max"] == 5 << 20 and not said.get("name"), said
    person(directory, "anna", "displayName", "Anna Müller")
    person(directory, "anna", "employeeType", "6g")
    server.control("directory sync")
    said = account(server)
    assert said["bytes_max"] == 6 << 30 and said["name"] == "Anna Müller", said
    log = server.command("log", ANNA).stdout
    assert "Mailkeep (the directory) changed the quota" in log
    assert "Mailkeep (the directory) changed the account: name: Anna Müller" in log
    # What is not there, or makes no sense, changes nothing.
    for value in "much", "0", "-1", "1.5 GB", "99999999999999999999", None:
        person(directory, "anna", "employeeType", value)
        server.control("directory sync")
        assert account(server)["bytes_max"] == 6 << 30, value
    person(directory, "anna", "displayName", None)
    person(directory, "anna", "employeeType", "None")
    server.control("directory sync")
    said = account(server)
    assert said["bytes_max"] is None and said["name"] == "Anna Müller"
    changes = account(server)["changes"]
    server.control("directory sync")
    assert account(server)["changes"] == changes  # nothing is written for nothing


# ---- where nobody may search --------------------------------------------------------------------

TEMPLATE = {"ldap_bind_template": f'"uid=%u,ou=people,{slapd.BASE}"', "ldap_base": '""',
            "ldap_bind_dn": '""', "ldap_bind_password_file": '""'}


@pytest.fixture
def closed(make_directory):
    """A directory where whoever has signed in reads their own entry, and nobody anything else."""
    d = make_directory("closed", people=False)
    d.stop()
    conf = open(d.conf).read()
    with open(d.conf, "w") as f:
        f.write(conf.replace("access to * by dn.exact", "access to * by self read by dn.exact"))
    d.start()
    d.add("anna", "annas own words")
    d.add("bert", "berts own words")
    return d


def test_a_template_for_the_name(make_server, closed):
    person(closed, "anna", "employeeType", "7 MB")
    server = make_server(users=1, settings=settings(closed, **TEMPLATE, ldap_filter='"(mail=%n)"',
                                                    ldap_quota_attribute="employeeType"))
    assert ok(server, ANNA, "annas own words")
    assert not ok(server, "bert", "annas own words")
    assert ok(server, "bert", "berts own words")
    assert not ok(server, "carl", "annas own words")
    assert not ok(server, "anna", "")
    assert account(server)["name"] == "Person anna"
    assert account(server)["bytes_max"] == 7 << 20
    assert "scope=0" in closed.log() and "scope=2" not in closed.log()  # their own entries only
    with pytest.raises(Exception, match="nobody can be looked up"):
        server.control("directory sync")
    said = server.command("directory", "test", "anna", "--password-stdin",
                          data="annas own words\n").stdout
    assert "would be let in" in said
    r = server.command("directory", "test", "anna", check=False)
    assert r.returncode and "nobody can be looked up" in r.stdout
    # Who has gone cannot sign in anew.
    closed.remove("anna")
    eventually(lambda: not ok(server, ANNA, "annas own words"))


# A04c
def test_l58_names_that_would_be_another_entrys(make_server, closed):
    server = make_server(users=1, settings=settings(closed, **TEMPLATE))
    assert ok(server, "anna", "annas own words")
    for name in ("anna,ou=people", "anna+uid=bert", "anna\\,ou=people", "x,uid=anna", "anna,", "#anna",
                 f"anna,ou=people,{slapd.BASE}", "anna;ou=people", "anna\\2c", "uid=anna", "anna=",
                 "anna<", "*", "anna)(uid=*"):
        assert not ok(server, name, "annas own words"), name
    assert server.command("account", "list").stdout.count("@example.org") == 2


def test_the_entry_must_have_the_address(make_server, closed):
    server = make_server(users=1, settings=settings(closed, **TEMPLATE, ldap_mail_attribute="mail"))
    server.control("domain add", domain="example.net")
    assert ok(server, ANNA, "annas own words")
    assert not ok(server, "anna@example.net", "annas own words")


def test_an_entry_nobody_may_read(make_directory, make_server):
    directory = make_directory()  # only the service account reads
    server = make_server(users=1, settings=settings(directory, **TEMPLATE))
    assert ok(server, ANNA, "annas own words")
    assert not account(server).get("name")
    server.stop()
    server.settings["ldap_mail_attribute"] = "mail"
    server.start()
    assert not ok(server, "bert", "berts own words")


def test_conflicts_in_the_settings(make_server, directory):
    rows = [
        ({**TEMPLATE, "ldap_base": '"dc=x"'}, "together with ldap_base"),
        ({**TEMPLATE, "ldap_roles": ROLES}, "together with ldap_roles"),
        ({**TEMPLATE, "ldap_group_filter": '"(member=%D)"'}, "together with ldap_group_filter"),
        ({**TEMPLATE, "ldap_bind_dn": f'"{slapd.SERVICE}"',
          "ldap_bind_password_file": "/etc/hostname"}, "together with ldap_bind_dn"),
        ({**TEMPLATE, "ldap_bind_template": '"uid=anna,dc=x"'}, "names nobody"),
        ({**TEMPLATE, "ldap_bind_template": '"uid=%s,dc=x"'}, "only %n"),
        ({**TEMPLATE, "ldap_bind_template": '"%n"'}, "no name of an entry"),
        ({"ldap_roles": '["cn=x,dc=y"]'}, "must be the name of a group, a role"),
        ({"ldap_roles": '["helpers help-desk"]'}, "must be the name of a group, a role"),
        ({"ldap_roles": '["cn=x,o=My Company owner"]'}, "must be the name of a group, a role"),
        ({"ldap_roles": ROLES, "ldap_group_attribute": '""'}, "who is in a group"),
        ({"ldap_group_filter": '"(objectClass=*)"'}, "names nobody"),
        ({"ldap_group_filter": '"(member=%x)"'}, "only %n, %u, %d, %D"),
    ]
    server = make_server(start=False, settings=settings(directory))
    for more, problem in rows:
        server.settings = settings(directory, **more)
        server.write_conf()
        r = server.command("config", "check", check=False)
        assert r.returncode and problem in r.stdout + r.stderr, (more, r)
    for more in (TEMPLATE, {"ldap_roles": ROLES},
                 {"ldap_roles": '["cn=x,o=My\\\\20Company owner"]'}):
        server.settings = settings(directory, **more)
        server.write_conf()
        server.command("config", "check")
