// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about connections and people before they are let in. Included by it,
// in its place; no guard.
// clang-format off

// ---- before login -------------------------------------------------------------------------------
SETTING(LOGIN_LINE_MAX, login_line_max, BYTES, "8 KB", 1024, 65536, LIVE,
        "Longest command line before login.")
SETTING(LOGIN_LITERAL_MAX, login_literal_max, BYTES, "4 KB", 256, 65536, LIVE,
        "Largest literal before login.")
SETTING(LOGIN_TIMEOUT, login_timeout, TIME, "60 s", 1000, 600000, LIVE,
        "Time a client has from connecting to being logged in.")
SETTING(TLS_TIMEOUT, tls_timeout, TIME, "10 s", 1000, 60000, LIVE,
        "Time a TLS handshake may take.")
SETTING(LOGIN_FAILURES_MAX, login_failures_max, COUNT, "3", 1, 100, LIVE,
        "Failed logins after which a connection is closed.")
SETTING(LOGIN_FAILURE_DELAY, login_failure_delay, TIME, "1500 ms", 0, 30000, LIVE,
        "How long the answer to a failed login is held back.")
SETTING(AUTH_LOGIN, auth_login, BOOL, "no", 0, 0, LIVE,
        "Offer the SASL mechanism LOGIN by IMAP, POP3 and SMTP, for old programs that know nothing "
        "else.")
SETTING(AUTH_SCRAM, auth_scram, CHOICE, "no", 0, 0, LIVE,
        "Who may sign in by SCRAM-SHA-256, and over TLS by SCRAM-SHA-256-PLUS: {no devices all}. "
        "`devices`: by app passwords. `all`: by accounts' own passwords, too, once they have been "
        "set or said to the server again; what is kept for that is easier to guess at than the "
        "hash, for whoever steals it. Programs that choose SCRAM when it is offered, like mbsync "
        "and msmtp, need an app password with `devices`.")
SETTING(READ_AS, read_as, BOOL, "no", 0, 0, LIVE,
        "Whether an administrator with a right to it may open another's account, by IMAP "
        "(read-mail) or ManageSieve (rules): by signing in with an app password and naming that "
        "account as authorization identity. The account's history tells of it, and its owner is "
        "warned.")
SETTING(LOGIN_BAD_COMMANDS_MAX, login_bad_commands_max, COUNT, "10", 1, 1000, LIVE,
        "Commands that break the grammar after which a connection is closed before login.")
SETTING(LOGIN_CONNECTIONS_PER_ADDRESS, login_connections_per_address, COUNT, "50", 1, 1000000, LIVE,
        "Connections not yet logged in from one address (IPv6: one /64).")
SETTING(LOGIN_CONNECTIONS_MAX, login_connections_max, COUNT, "4000", 1, 1000000, LIVE,
        "Connections not yet logged in, all together; beyond, the one that waited longest ends.")
SETTING(GATE_CONNECTIONS_MAX, gate_connections_max, COUNT, "50000", 1, 1000000, LIVE,
        "Connections held by the gate: those not yet logged in and those over TLS.")
