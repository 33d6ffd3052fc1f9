// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about mail that leaves: what our users submit, and how it is sent.
// Included by it, in its place; no guard.
// clang-format off

// ---- submitted mail -----------------------------------------------------------------------------
SETTING(SUBMISSION_CHECK_FROM, submission_check_from, BOOL, "yes", 0, 0, LIVE,
        "Refuse mail by our users with an address in From, Sender, Resent-From or Resent-Sender "
        "that is not one of theirs. The sender on the envelope must always be.")
SETTING(SUBMISSION_COPY_IN_SENT, submission_copy_in_sent, BOOL, "no", 0, 0, LIVE,
        "File a copy of what our users send in their mailbox for sent mail (special use \\Sent; "
        "Sent is made when there is none). A mail program that files one itself has it in the "
        "place of ours, not beside it.")
SETTING(SUBMISSION_HIDE_CLIENT, submission_hide_client, BOOL, "yes", 0, 0, LIVE,
        "Leave the address and the name of our users' devices out of the mail they send. The log "
        "has them.")
SETTING(SUBMISSION_RECIPIENTS_PER_HOUR, submission_recipients_per_hour, COUNT, "500", 1, 1000000,
        LIVE, "Recipients to whom one user may send within an hour.")
SETTING(DKIM_CHECK_INTERVAL, dkim_check_interval, TIME, "5 min", 0, 86400000, LIVE,
        "How often the DNS is asked for the records of DKIM keys that were made and do not sign "
        "yet: they sign as soon as it shows them. 0: only mailkeep dkim activate makes them sign.")
SETTING(UNDO_SEND, undo_send, TIME, "0 s", 0, 3600000, LIVE,
        "How long mail by our users waits here before it goes anywhere, so that it can still be "
        "stopped; 0: it goes at once.")

// ---- sending ------------------------------------------------------------------------------------
SETTING(RELAY_HOST, relay_host, TEXT, "", 0, 253, START,
        "Server that takes all mail for other servers, by name or address. Empty: each message "
        "goes to the servers of its domain (MX).")
SETTING(RELAY_HOST_PORT, relay_host_port, COUNT, "587", 1, 65535, START,
        "Port of relay_host.")
SETTING(RELAY_HOST_TLS, relay_host_tls, CHOICE, "required", 0, 0, START,
        "How the way to relay_host is protected: {opportunistic required implicit}. required is "
        "STARTTLS with a certificate that is checked, implicit is TLS from the first byte.")
SETTING(RELAY_USER, relay_user, TEXT, "", 0, 1024, START,
        "User to sign in to relay_host with. Empty: nobody.")
SETTING(RELAY_PASSWORD_FILE, relay_password_file, TEXT, "", 0, 4000, START,
        "File with the password of relay_user, its first line; read at the start by `user`.")
SETTING(DNS_SERVERS, dns_servers, LIST, "", 0, 8, START,
        "DNS servers to ask, as addresses with or without port; the one word root: the servers of "
        "the world, beginning at the root. Empty: those of /etc/resolv.conf.")
SETTING(DNS_DNSSEC, dns_dnssec, CHOICE, "auto", 0, 0, START,
        "Whether answers of the DNS are validated: {auto required off}. auto does without, and "
        "says so, as long as the servers asked do not pass signatures on; DANE needs them.")
SETTING(DNS_TRUST_ANCHOR, dns_trust_anchor, TEXT, "/usr/share/dns/root.key", 1, 4000, START,
        "File with the keys that DNSSEC starts from (DNSKEY or DS records, one a line).")
SETTING(RELAY_CONNECTIONS_MAX, relay_connections_max, COUNT, "100", 1, 1000, START,
        "Messages sent to other servers at the same time.")
SETTING(RELAY_CONNECT_TIMEOUT, relay_connect_timeout, TIME, "30 s", 100, 600000, START,
        "Time to connect to one address of another server.")
SETTING(RELAY_TIMEOUT, relay_timeout, TIME, "5 min", 100, 3600000, START,
        "Time another server has to answer a command.")
SETTING(RELAY_DATA_TIMEOUT, relay_data_timeout, TIME, "10 min", 100, 3600000, START,
        "Time another server has to accept a message after its last byte.")
SETTING(RELAY_KEEP_OPEN, relay_keep_open, TIME, "5 s", 0, 300000, START,
        "How long a connection is kept for the next message to the same server; 0: not at all.")
SETTING(RELAY_PORT, relay_port, COUNT, "25", 1, 65535, START,
        "Port of other servers when mail goes by MX. For tests.")
SETTING(RELAY_ALLOW_PRIVATE, relay_allow_private, BOOL, "no", 0, 0, START,
        "Allow mail by MX to go to loopback and private addresses. For tests and closed networks; "
        "routes that name their host may always use private ones.")
SETTING(RELAY_CA_FILE, relay_ca_file, TEXT, "", 0, 4000, START,
        "File with the certificates (PEM) that other servers' are checked against. Empty: those of "
        "the system.")
