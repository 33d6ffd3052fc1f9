// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about a directory (LDAP). Included by it, in its place; no guard.
// clang-format off

// ---- directory ----------------------------------------------------------------------------------
SETTING(LDAP_SERVERS, ldap_servers, LIST, "", 0, 8, START,
        "Servers of the directory that checks passwords, tried in this order: "
        "`ldaps://ldap.example.org`, or `ldap://` with ldap_start_tls. Empty: there is none.")
SETTING(LDAP_START_TLS, ldap_start_tls, BOOL, "yes", 0, 0, START,
        "With `ldap://`: TLS is begun by StartTLS before anything else is said, and without it "
        "nothing is. `no` is for a server on this machine only.")
SETTING(LDAP_CA_FILE, ldap_ca_file, TEXT, "", 0, 4000, START,
        "File of the certificates (PEM) that the servers' must come from. Empty: the system's.")
SETTING(LDAP_BIND_DN, ldap_bind_dn, TEXT, "", 0, 1000, START,
        "Whom we are there when people are looked up. Empty: nobody (an anonymous search).")
SETTING(LDAP_BIND_PASSWORD_FILE, ldap_bind_password_file, TEXT, "", 0, 4000, START,
        "File with the password of ldap_bind_dn in its first line.")
SETTING(LDAP_BASE, ldap_base, TEXT, "", 0, 1000, START,
        "Where people are looked up, with all that is below: `ou=people,dc=example,dc=org`.")
SETTING(LDAP_FILTER, ldap_filter, TEXT, "(mail=%n)", 3, 2000, START,
        "Who somebody is, and who may come in: %n is the account's address, %u what stands before "
        "its @, %d what stands behind. Exactly one entry must fit.")
SETTING(LDAP_BIND_TEMPLATE, ldap_bind_template, TEXT, "", 0, 1000, START,
        "For servers where nobody may search: people bind as the entry of this name, "
        "`uid=%u,ou=people,dc=example,dc=org`, and nobody is looked up. Then ldap_filter is not "
        "used, and whoever is gone there is not noticed before they sign in.")
SETTING(LDAP_MAIL_ATTRIBUTE, ldap_mail_attribute, TEXT, "", 0, 100, START,
        "Attribute that must hold the account's address, or nobody comes in. For filters with %u "
        "when there are several domains. Empty: it is not looked at.")
SETTING(LDAP_NAME_ATTRIBUTE, ldap_name_attribute, TEXT, "cn", 0, 100, START,
        "Attribute with the person's name, which the account gets. Empty: names are set here.")
SETTING(LDAP_QUOTA_ATTRIBUTE, ldap_quota_attribute, TEXT, "", 0, 100, START,
        "Attribute with how much the person's account may hold, which it gets: bytes, or with a "
        "unit (`500 MB`, `5G`), or `none`. Empty: quotas are set here.")
SETTING(LDAP_GROUP_ATTRIBUTE, ldap_group_attribute, TEXT, "memberOf", 0, 100, START,
        "Attribute with the names of the groups somebody is in.")
SETTING(LDAP_GROUP_FILTER, ldap_group_filter, TEXT, "", 0, 2000, START,
        "Looks up the groups somebody is in, instead of ldap_group_attribute: `(member=%D)`, or "
        "with groups in groups, in an Active Directory, `(member:1.2.840.113556.1.4.1941:=%D)`. "
        "%D is the name of the person's entry; %n, %u, %d as in ldap_filter.")
SETTING(LDAP_GROUP_BASE, ldap_group_base, TEXT, "", 0, 1000, START,
        "Where groups are looked up, with all that is below. Empty: at ldap_base.")
SETTING(LDAP_ROLES, ldap_roles, LIST, "", 0, 64, START,
        "Who is in a group has a role, as long as the directory says so: each the name of a group, "
        "a blank, a role, and the domains it is over (none: all), as in "
        "`[\"cn=help desk,ou=groups,dc=example,dc=org help-desk example.org\"]`.")
SETTING(LDAP_CREATE_ACCOUNTS, ldap_create_accounts, BOOL, "no", 0, 0, START,
        "Whoever the directory knows gets an account at the first sign-in, if the domain is ours.")
SETTING(LDAP_CHECK_INTERVAL, ldap_check_interval, TIME, "5 min", 1000, 86400000, START,
        "How often it is looked up whether those whose password is the directory's are still "
        "there. Whoever is not gets out, and in again when they are back.")
SETTING(LDAP_TIMEOUT, ldap_timeout, TIME, "5 s", 100, 15000, START,
        "Time for each step with a server; then the next one is tried.")
SETTING(LDAP_CONNECTIONS, ldap_connections, COUNT, "4", 1, 32, START,
        "Questions to the directory at a time, each over connections that stay open.")
