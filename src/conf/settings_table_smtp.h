// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about mail that comes in, apart because there are many. Included by
// it, in its place; no guard.
// clang-format off

// ---- mail that comes in -------------------------------------------------------------------------
SETTING(SMTP_RELAY_NETWORKS, smtp_relay_networks, NETWORKS, "", 0, 64, LIVE,
        "Networks that may send mail to other servers through this one without a login.")
SETTING(LMTP_NETWORKS, lmtp_networks, NETWORKS, "127.0.0.0/8, ::1", 0, 64, LIVE,
        "Networks that may deliver mail on listen_lmtp.")
SETTING(XCLIENT_NETWORKS, xclient_networks, NETWORKS, "", 0, 64, LIVE,
        "Networks of mail proxies that may say by XCLIENT for whom they speak.")
SETTING(PROXY_NETWORKS, proxy_networks, NETWORKS, "", 0, 64, LIVE,
        "Networks of balancers whose connections begin, on every port, with a header of the PROXY "
        "protocol. A connection from there without one is closed.")
SETTING(SMTP_CONNECTIONS_MAX, smtp_connections_max, COUNT, "4000", 1, 1000000, LIVE,
        "Connections of other mail servers; beyond, the one that has been here longest ends.")
SETTING(SMTP_CONNECTIONS_PER_ADDRESS, smtp_connections_per_address, COUNT, "50", 1, 1000000, LIVE,
        "Connections of other mail servers from one address (IPv6: one /64).")
SETTING(SMTP_CONNECTIONS_PER_MINUTE, smtp_connections_per_minute, COUNT, "60", 1, 1000000, LIVE,
        "New connections in a minute of other mail servers from one address (IPv6: one /64).")
SETTING(SMTP_MESSAGES_PER_MINUTE, smtp_messages_per_minute, COUNT, "100", 1, 1000000, LIVE,
        "Messages in a minute of other mail servers from one address (IPv6: one /64).")
SETTING(SMTP_GREET_DELAY, smtp_greet_delay, TIME, "300 ms", 0, 60000, LIVE,
        "How long a stranger waits to be greeted on listen_smtp. Who speaks before that is no mail "
        "server and is sent away.")
SETTING(SMTP_TIMEOUT, smtp_timeout, TIME, "5 min", 1000, 3600000, LIVE,
        "Time a client has for each command of SMTP or LMTP.")
SETTING(SMTP_DATA_TIMEOUT, smtp_data_timeout, TIME, "3 min", 1000, 3600000, LIVE,
        "Time within which a client must send as much of a message as smtp_data_rate_min says.")
SETTING(SMTP_DATA_RATE_MIN, smtp_data_rate_min, BYTES, "500", 1, 1048576, LIVE,
        "Bytes a second of a message that a client must send, over smtp_data_timeout.")
SETTING(SMTP_BAD_COMMANDS_MAX, smtp_bad_commands_max, COUNT, "20", 1, 1000, LIVE,
        "Commands that make no sense after which a connection is closed.")
SETTING(SMTP_IDLE_COMMANDS_MAX, smtp_idle_commands_max, COUNT, "100", 10, 100000, LIVE,
        "Commands without a message (NOOP, RSET, MAIL, ...) after which a connection is closed.")
SETTING(SMTP_RECIPIENTS_MAX, smtp_recipients_max, COUNT, "1000", 100, 10000, LIVE,
        "Recipients of one message by our own users, from smtp_relay_networks and by LMTP.")
SETTING(SMTP_STRANGER_RECIPIENTS_MAX, smtp_stranger_recipients_max, COUNT, "100", 1, 10000, LIVE,
        "Recipients of one message from another mail server.")
SETTING(SMTP_BAD_RECIPIENTS_MAX, smtp_bad_recipients_max, COUNT, "50", 1, 100000, LIVE,
        "Refused recipients after which a connection is closed.")
SETTING(SMTP_MESSAGES_MAX, smtp_messages_max, COUNT, "1000", 1, 1000000, LIVE,
        "Messages over one connection.")
SETTING(SMTP_TEXT_LINE_MAX, smtp_text_line_max, BYTES, "64 KB", 998, 1073741824, LIVE,
        "Longest line in a message.")
SETTING(SMTP_RECEIVED_MAX, smtp_received_max, COUNT, "50", 1, 1000, LIVE,
        "Servers a message may have been through (fields Received); more is a mail loop.")
SETTING(SUBMISSION_HOLD_MAX, submission_hold_max, TIME, "30 d", 0, 31536000000, LIVE,
        "How far in the future a user may ask for a message to be sent (FUTURERELEASE).")
