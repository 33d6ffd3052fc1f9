// SPDX-License-Identifier: Apache-2.0
//
// Every setting, one row each: the parser, the defaults, `mailkeep config` and mailkeep.conf(5) are
// made from these rows. Included several times with SETTING defined to what is wanted; no guard.
//
// SETTING(ID, name, type, default, min, max, when, help)
//   type  BOOL, COUNT (a number), BYTES (a size), TIME (a duration, kept in milliseconds),
//         TEXT, CHOICE (one of the words in `help` between braces), LIST (of texts),
//         ADDRESSES (list of address:port), NETWORKS (list of address or address/bits)
//   min, max  limits of the value; for TEXT its length in bytes, for lists the number of items.
//             0 never means "no limit": where a row allows 0 it means none at all.
//   when  LIVE: a reload (SIGHUP) applies it; START: it takes a restart
// clang-format off

// ---- where and who ------------------------------------------------------------------------------
SETTING(DATA_DIR, data_dir, TEXT, "/var/lib/mailkeep", 1, 4000, START,
        "Directory that holds all mail and accounts. Owned by `user`, mode 0700.")
SETTING(USER, user, TEXT, "mailkeep", 1, 64, START,
        "User the keep process (which owns the mail) becomes when the server is started as root.")
SETTING(GATE_USER, gate_user, TEXT, "mailkeep-gate", 1, 64, START,
        "User the gate process (which talks to strangers) becomes when started as root.")
SETTING(COURIER_USER, courier_user, TEXT, "mailkeep-courier", 1, 64, START,
        "User the courier process (which talks to other servers) becomes when started as root.")
SETTING(DEFAULT_DOMAIN, default_domain, TEXT, "", 0, 253, START,
        "Domain added to a login name that has none, so that `anna` is `anna@example.org`.")
SETTING(SERVER_NAME, server_name, TEXT, "", 0, 253, START,
        "Name of this server among others, as in `mail.example.org`: in greetings, in headers, in "
        "message ids. Empty: the full name of the machine.")
SETTING(LOG_LEVEL, log_level, CHOICE, "info", 0, 0, LIVE,
        "How much is logged: {error warning info debug}.")

// ---- listening ----------------------------------------------------------------------------------
SETTING(LISTEN_IMAP, listen_imap, ADDRESSES, "*:143", 0, 16, START,
        "Addresses for IMAP in the clear with STARTTLS. An empty list listens nowhere.")
SETTING(LISTEN_IMAPS, listen_imaps, ADDRESSES, "*:993", 0, 16, START,
        "Addresses for IMAP over TLS from the first byte. An empty list listens nowhere.")
SETTING(LISTEN_POP3, listen_pop3, ADDRESSES, "*:110", 0, 8, START,
        "Addresses for POP3 in the clear with STLS. An empty list listens nowhere.")
SETTING(LISTEN_POP3S, listen_pop3s, ADDRESSES, "*:995", 0, 8, START,
        "Addresses for POP3 over TLS from the first byte. An empty list listens nowhere.")
SETTING(LISTEN_SIEVE, listen_sieve, ADDRESSES, "*:4190", 0, 8, START,
        "Addresses for ManageSieve (filter scripts) with STARTTLS. An empty list listens nowhere.")
SETTING(LISTEN_SMTP, listen_smtp, ADDRESSES, "*:25", 0, 8, START,
        "Addresses for mail from other servers. An empty list listens nowhere.")
SETTING(LISTEN_SUBMISSION, listen_submission, ADDRESSES, "*:587", 0, 8, START,
        "Addresses for mail by our own users, with STARTTLS. An empty list listens nowhere.")
SETTING(LISTEN_SUBMISSIONS, listen_submissions, ADDRESSES, "*:465", 0, 8, START,
        "Addresses for mail by our own users, over TLS from the first byte. An empty list listens "
        "nowhere.")
SETTING(LISTEN_LMTP, listen_lmtp, ADDRESSES, "", 0, 8, START,
        "Addresses for mail to our own users from another mail server of this site, by LMTP.")
SETTING(LMTP_SOCKET, lmtp_socket, TEXT, "", 0, 100, START,
        "Path of a Unix socket for the same. Every user of this machine who can reach its "
        "directory may deliver there. Empty: none.")
SETTING(LISTEN_HTTPS, listen_https, ADDRESSES, "", 0, 8, START,
        "Addresses for HTTPS, as in `*:443`: the MTA-STS policy, and what mail programs ask for "
        "when they are set up. Off by default because the port is often a web server's.")
SETTING(LISTEN_HTTP, listen_http, ADDRESSES, "", 0, 8, START,
        "Addresses for the same in the clear, as in `127.0.0.1:8080`: for health checks, and "
        "behind a web server that does the TLS.")
SETTING(LISTEN_ADMIN, listen_admin, ADDRESSES, "", 0, 8, START,
        "Addresses for administration by HTTP, as in `127.0.0.1:8025`: /metrics and "
        "/admin/api. In the clear on "
        "an address of this machine's own (127.0.0.1, ::1), over TLS on any other.")
SETTING(TLS_CERT, tls_cert, TEXT, "/etc/mailkeep/tls/cert.pem", 1, 4000, LIVE,
        "File with the certificate and its chain (PEM). Read by the supervisor only.")
SETTING(TLS_KEY, tls_key, TEXT, "/etc/mailkeep/tls/key.pem", 1, 4000, LIVE,
        "File with the private key (PEM). Read by the supervisor only.")
SETTING(TLS_CLIENT_CA, tls_client_ca, TEXT, "", 0, 4000, LIVE,
        "File with the certificates (PEM) of authorities that sign certificates of mail programs. "
        "Those then sign in by the SASL mechanism EXTERNAL, as the address in their certificate. "
        "Whoever can sign with one of these keys can sign in as anybody. Empty: no EXTERNAL.")
SETTING(TLS_CLIENT_CRL, tls_client_crl, TEXT, "", 0, 4000, LIVE,
        "File with revocation lists (PEM) of those authorities, and of those between. What is in "
        "one, or has no list that is current, signs in nobody. Empty: nothing is revoked.")
SETTING(CLEAR_LOGIN_LOOPBACK, clear_login_loopback, BOOL, "no", 0, 0, LIVE,
        "Allow logins without TLS on connections from this machine to itself. For tests.")

#include "conf/settings_table_login.h"
#include "conf/settings_table_smtp.h"
#include "conf/settings_table_http.h"
#include "conf/settings_table_ldap.h"
#include "conf/settings_table_oauth.h"
#include "conf/settings_table_scim.h"

// ---- IMAP after login ---------------------------------------------------------------------------
SETTING(MESSAGE_MAX, message_max, BYTES, "50 MB", 65536, 4294967295, LIVE,
        "Largest message that is accepted (APPENDLIMIT).")
SETTING(IMAP_LINE_MAX, imap_line_max, BYTES, "64 KB", 8192, 262144, LIVE,
        "Longest command line after login; with large mailboxes programs name many messages in it.")
SETTING(IMAP_LITERAL_MAX, imap_literal_max, BYTES, "128 KB", 4096, 524288, LIVE,
        "Literals of one command after login, together; messages have message_max.")
SETTING(IMAP_BAD_COMMANDS_MAX, imap_bad_commands_max, COUNT, "20", 1, 1000, LIVE,
        "Commands that break the grammar after which a session is ended.")
SETTING(IMAP_IDLE_TIMEOUT, imap_idle_timeout, TIME, "30 min", 60000, 86400000, LIVE,
        "Time without a command after which a session is ended.")
SETTING(IMAP_SEARCH_TIME, imap_search_time, TIME, "30 s", 1000, 3600000, LIVE,
        "Time one SEARCH may take before it is refused with [LIMIT].")
SETTING(IMAP_MESSAGE_LIMIT, imap_message_limit, BOOL, "no", 0, 0, LIVE,
        "Whether one IMAP command works on at most `imap_messages_max` messages (MESSAGELIMIT). "
        "Programs that do not know of it then see the newest messages of a large mailbox only.")
SETTING(IMAP_MESSAGES_MAX, imap_messages_max, COUNT, "10000", 1000, 1000000, LIVE,
        "Messages one command works on when `imap_message_limit` is on.")
SETTING(IMAP_COMPRESS, imap_compress, BOOL, "yes", 0, 0, LIVE,
        "Whether mail programs may have what is said by IMAP compressed (COMPRESS=DEFLATE).")
SETTING(IMAP_METADATA_VALUE_MAX, imap_metadata_value_max, BYTES, "64 KB", 1024, 524288, LIVE,
        "Largest value of an entry of METADATA (notes, colours, searches with a name).")
SETTING(IMAP_METADATA_ENTRIES_MAX, imap_metadata_entries_max, COUNT, "100", 10, 1000, LIVE,
        "Entries of METADATA of one mailbox, and of one account besides its mailboxes.")
SETTING(IMAP_METADATA_ACCOUNT_MAX, imap_metadata_account_max, BYTES, "10 MB", 65536, 33554432, LIVE,
        "Names and values of all entries of METADATA of an account, and 64 bytes for each.")
SETTING(IMAP_CLIENT_WITHOUT, imap_client_without, LIST, "", 0, 64, LIVE,
        "What is kept from mail programs that make a mess of it: \"PATTERN: CAPABILITY ...\". The "
        "pattern is compared with the name and version a program gives in its ID, without case; "
        "\"*\" stands for anything. Such a capability is neither announced nor taken.")
SETTING(CLIENT_WRITE_TIMEOUT, client_write_timeout, TIME, "5 min", 10000, 3600000, LIVE,
        "Time a client may leave what it asked for unread.")
SETTING(CONNECTIONS_PER_USER_ADDRESS, connections_per_user_address, COUNT, "20", 1, 1000000, LIVE,
        "Sessions of one user from one address (IPv6: one /64).")
SETTING(CONNECTIONS_PER_USER, connections_per_user, COUNT, "100", 1, 1000000, LIVE,
        "Sessions of one user from everywhere.")
SETTING(SESSIONS_MAX, sessions_max, COUNT, "50000", 1, 1000000, LIVE,
        "Sessions of all users.")
SETTING(HIERARCHY_SEPARATOR, hierarchy_separator, CHOICE, "/", 0, 0, START,
        "Character between the levels of a mailbox name as clients see it: {/ .}.")

// ---- POP3 after login ---------------------------------------------------------------------------
SETTING(POP3_DELETE, pop3_delete, CHOICE, "expunge", 0, 0, LIVE,
        "What becomes of a message that a POP3 program deletes: {trash expunge}. trash moves it to "
        "the mailbox Trash.")
SETTING(POP3_MARK_SEEN, pop3_mark_seen, BOOL, "yes", 0, 0, LIVE,
        "A message retrieved by POP3 counts as read for other programs.")

// ---- mailboxes and messages ---------------------------------------------------------------------
SETTING(MAILBOXES_MAX, mailboxes_max, COUNT, "10000", 10, 1000000, LIVE,
        "Mailboxes of one account.")
SETTING(QUOTA_BYTES, quota_bytes, BYTES, "10 GB", 1048576, 1125899906842624, LIVE,
        "Bytes a new account may hold when nothing else is said. Those that are there keep "
        "what they have: mailkeep account quota changes it.")
SETTING(QUOTA_MESSAGES, quota_messages, COUNT, "5000000", 100, 4000000000, LIVE,
        "Messages a new account may hold when nothing else is said.")
SETTING(EXPUNGED_KEEP_DAYS, expunged_keep_days, COUNT, "14", 0, 3650, LIVE,
        "Days an expunged message can be brought back; 0: it goes within the hour.")

// ---- passwords ----------------------------------------------------------------------------------
SETTING(ARGON2_MEMORY, argon2_memory, BYTES, "64 MB", 8192, 4294967296, LIVE,
        "Memory for one Argon2id hash of a new password.")
SETTING(ARGON2_PASSES, argon2_passes, COUNT, "3", 1, 100, LIVE,
        "Passes of Argon2id over that memory for a new password.")
SETTING(ARGON2_LANES, argon2_lanes, COUNT, "1", 1, 64, LIVE,
        "Lanes of Argon2id for a new password.")
SETTING(ARGON2_CONCURRENT, argon2_concurrent, COUNT, "4", 1, 256, START,
        "Passwords checked at the same time; bounds memory and load.")
SETTING(AUTH_QUEUE_MAX, auth_queue_max, COUNT, "256", 1, 100000, LIVE,
        "Logins that may wait for their password to be checked; beyond, [UNAVAILABLE]. So many "
        "each of those who have signed in from where they are, of strangers, and from networks "
        "where passwords have been wrong lately, who wait longest.")
SETTING(AUTH_FAILURES_MAX, auth_failures_max, COUNT, "10", 1, 1000, LIVE,
        "Different wrong passwords for one account from one network (IPv4 /24, IPv6 /64) after "
        "which nobody can sign in to it from there for a while.")
SETTING(AUTH_FAILURES_TIME, auth_failures_time, TIME, "10 min", 1000, 86400000, LIVE,
        "Time in which wrong passwords add up, and how long the account is then locked for that "
        "network; twice as long each time it happens again, up to a day.")
SETTING(AUTH_NETWORK_FAILURES_MAX, auth_network_failures_max, COUNT, "100", 1, 1000000, LIVE,
        "Different wrong passwords from one network, for all accounts together, after which nobody "
        "can sign in from there for a while but who has before.")
SETTING(AUTH_TRUSTED_NETWORKS, auth_trusted_networks, NETWORKS, "127.0.0.0/8, ::1", 0, 64, LIVE,
        "Addresses and networks that are never locked out, whatever is tried from there: the "
        "administrator's own, webmail's. Those of `proxy_networks` are not, either.")
SETTING(AUTH_CACHE_TIME, auth_cache_time, TIME, "60 s", 0, 3600000, LIVE,
        "How long a checked password is remembered; 0: not at all.")

// ---- where mail goes ----------------------------------------------------------------------------
SETTING(ADDRESS_SEPARATORS, address_separators, TEXT, "+", 0, 8, START,
        "Characters that may start a detail in an address: with + mail for anna+bills@example.org "
        "is anna's. Empty: none.")
SETTING(DUPLICATES_KNOWN, duplicates_known, TIME, "1 h", 0, 604800000, START,
        "How long a message is remembered that was delivered here or put into the queue, so that "
        "it is left out when the same bytes come again for the same addresses: its client did not "
        "hear that it was taken. 0 means not at all.")
SETTING(QUEUE_EXPIRE, queue_expire, TIME, "5 d", 1000, 2592000000, START,
        "How long mail for another server is tried before its sender is told that it failed. When "
        "very much has waited too long at once, after a long outage or with a wrong clock, 1000 "
        "recipients an hour are given up; the rest is tried on meanwhile.")
SETTING(TRACE_KEEP, trace_keep, TIME, "30 d", 0, 315360000000, LIVE,
        "How long `mailkeep trace` can tell what happened to a message. 0: it is forgotten within "
        "the hour.")
SETTING(REPORT_ADDRESS, report_address, TEXT, "postmaster", 0, 320, START,
        "Where others send reports about our mail (DMARC and TLS reports): an address, or only a "
        "name, which then is meant at every domain here. mailkeep domain dns prints records that "
        "say so, and what is delivered for it is read for mailkeep reports. Empty: nothing is "
        "read, and the records ask for no reports.")
SETTING(DMARC_REPORTS, dmarc_reports, BOOL, "yes", 0, 0, LIVE,
        "Tell the domains that ask for it (DMARC, rua=) once a day from where mail in their name "
        "came here, and how it fared. Nothing is told of what is in a message, or to whom it went.")
SETTING(TLS_REPORTS, tls_reports, BOOL, "yes", 0, 0, START,
        "Tell the domains that ask for it (TLS reports, _smtp._tls) once a day how TLS with their "
        "mail servers went.")
SETTING(REPORTS_KEEP, reports_keep, TIME, "400 d", 0, 315360000000, LIVE,
        "How long `mailkeep reports` can tell what others reported. 0: it is forgotten within the "
        "hour.")
SETTING(SIGNINS_KEEP, signins_keep, TIME, "90 d", 86400000, 315360000000, LIVE,
        "How long `mailkeep account signins` can tell who signed in to an account, when, how and "
        "from where.")
#include "conf/settings_table_alert.h"
SETTING(DELAY_NOTICE, delay_notice, TIME, "4 h", 0, 604800000, START,
        "After this time without success the sender is told that the message is late; 0: never.")
SETTING(RETRY_FIRST, retry_first, TIME, "5 min", 1000, 86400000, START,
        "Time from the first try of a message to the second; twice as long each time after that.")
SETTING(RETRY_MAX, retry_max, TIME, "4 h", 1000, 86400000, START,
        "Longest time between two tries.")
SETTING(DESTINATION_MAX, destination_max, COUNT, "20", 1, 1000, START,
        "Messages sent to one destination at the same time, when it takes them well.")

#include "conf/settings_table_send.h"

// ---- checks on incoming mail --------------------------------------------------------------------
SETTING(CHECK_MAIL, check_mail, CHOICE, "enforce", 0, 0, LIVE,
        "What is done with mail from outside: {off observe enforce}. off does not check; observe "
        "checks SPF, DKIM, DMARC and ARC and writes down what was found; enforce also does what "
        "the sender's domain asks for by DMARC, refusing or filing into Junk.")
SETTING(CHECK_TIMEOUT, check_timeout, TIME, "20 s", 1000, 120000, LIVE,
        "Time for the checks once a message is there; what the DNS has not answered by then counts "
        "as a temporary error.")
SETTING(CHECK_SPF_FAIL, check_spf_fail, CHOICE, "accept", 0, 0, LIVE,
        "What a fail of SPF alone leads to: {accept junk reject}. Forwarded mail fails SPF, so "
        "anything but accept loses good mail; mail proved by DKIM and DMARC is spared.")
SETTING(CHECK_LISTS, check_lists, CHOICE, "junk", 0, 0, LIVE,
        "What becomes of a mailing list's message that DMARC asks to refuse: {reject junk accept}. "
        "A list is known by List-Id and a pass of SPF for its own domain.")
SETTING(CHECK_TRUSTED_SEALERS, check_trusted_sealers, LIST, "", 0, 100, LIVE,
        "Domains (those below them, too) whose ARC seals are believed: what was proved when a "
        "message came to them counts here, though they have changed or forwarded it.")
SETTING(CHECK_RECEIVED_SPF, check_received_spf, BOOL, "no", 0, 0, LIVE,
        "Write a Received-SPF field, too, for filters that read it.")

// ---- filters for incoming mail ------------------------------------------------------------------
SETTING(FILTERS, filters, LIST, "", 0, 8, START,
        "Programs that look at every message from outside, in this order: `milter "
        "127.0.0.1:8891`, `milter unix:/run/a-filter/milter.sock` or `rspamd "
        "http://127.0.0.1:11333`. Addresses, not names.")
SETTING(FILTER_AWAY, filter_away, CHOICE, "defer", 0, 0, LIVE,
        "What becomes of mail when a filter does not answer: {accept defer}. defer tells the "
        "other server to try again later.")
SETTING(FILTER_TIMEOUT, filter_timeout, TIME, "60 s", 1000, 600000, START,
        "Time all filters together have for a message once it is whole.")
SETTING(FILTER_MESSAGE_MAX, filter_message_max, BYTES, "20 MB", 65536, 1073741824, START,
        "Larger messages are not given to filters: they are accepted as if there were none.")
SETTING(FILTER_THREADS, filter_threads, COUNT, "16", 1, 256, START,
        "Messages that filters look at at the same time.")
SETTING(FILTER_MEMORY, filter_memory, BYTES, "256 MB", 1048576, 68719476736, START,
        "Memory for messages on their way to filters; while it is full the filters are away.")

// ---- threads and processes ----------------------------------------------------------------------
SETTING(KEEP_THREADS, keep_threads, COUNT, "64", 2, 1024, START,
        "Threads that run commands in keep. Those waiting for the disk count.")
SETTING(DELIVERY_THREADS, delivery_threads, COUNT, "64", 2, 1024, START,
        "Threads that deliver incoming mail. Those waiting for the disk share its syncs, so that "
        "many are fast.")
SETTING(GATE_THREADS, gate_threads, COUNT, "2", 1, 64, START,
        "Threads for TLS and logins in the gate.")
SETTING(OUTPUT_BUFFER, output_buffer, BYTES, "64 KB", 8192, 16777216, START,
        "Output collected for a connection before it is sent.")
SETTING(STOP_TIMEOUT, stop_timeout, TIME, "8 s", 1000, 300000, LIVE,
        "Time the processes have for an orderly stop.")
SETTING(RELOAD_TIMEOUT, reload_timeout, TIME, "10 s", 100, 600000, LIVE,
        "Time the processes have to take new settings at a reload. One that does not is named; it "
        "takes them when it goes on.")
SETTING(RESTARTS_PER_MINUTE, restarts_per_minute, COUNT, "5", 1, 1000, LIVE,
        "How often in a minute a process that died is started again.")
SETTING(CHILD_TIMEOUT, child_timeout, TIME, "60 s", 5000, 3600000, LIVE,
        "Time without a sign of life after which a process is killed and started again.")

// ---- the local engine ---------------------------------------------------------------------------
SETTING(CHECKPOINT_INTERVAL, checkpoint_interval, TIME, "500 ms", 10, 60000, START,
        "How often what is in the journal goes into the database file.")
SETTING(SEGMENT_SIZE, segment_size, BYTES, "64 MB", 1048576, 4294967295, START,
        "Size of a journal segment.")
SETTING(MEMORY_TABLE_MAX, memory_table_max, BYTES, "256 MB", 1048576, 68719476736, START,
        "Changes held in memory before commits wait for the checkpoint.")
SETTING(COMPRESS_AFTER, compress_after, TIME, "10 min", 0, 31536000000, START,
        "Age at which a full segment is compressed.")
SETTING(COMPACT_DEAD_PERCENT, compact_dead_percent, COUNT, "50", 5, 99, START,
        "Share of dead bytes at which a segment is rewritten.")
SETTING(COMPACT_INTERVAL, compact_interval, TIME, "10 s", 50, 3600000, START,
        "How often to look for segments worth compressing or rewriting.")
SETTING(DATABASE_SIZE_MAX, database_size_max, BYTES, "256 GB", 16777216, 17592186044416, START,
        "Largest size of the database file; address space, not disk, is taken ahead.")
