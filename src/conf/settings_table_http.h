// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about HTTP and what is published by it. Included by it, in its
// place; no guard.
// clang-format off

// ---- HTTP ---------------------------------------------------------------------------------------
SETTING(HTTP_CONNECTIONS_MAX, http_connections_max, COUNT, "2000", 1, 1000000, LIVE,
        "Connections by HTTP; beyond, the one that has been here longest ends.")
SETTING(HTTP_CONNECTIONS_PER_ADDRESS, http_connections_per_address, COUNT, "50", 1, 1000000, LIVE,
        "Connections by HTTP from one address (IPv6: one /64).")
SETTING(HTTP_TIMEOUT, http_timeout, TIME, "20 s", 1000, 600000, LIVE,
        "Time in which a request must have come in whole once it has begun.")
SETTING(HTTP_IDLE_TIMEOUT, http_idle_timeout, TIME, "30 s", 1000, 600000, LIVE,
        "Time a connection may wait for its next request.")
SETTING(HTTP_REQUESTS_MAX, http_requests_max, COUNT, "100", 1, 1000000, LIVE,
        "Requests over one connection.")
SETTING(MTA_STS_MODE, mta_sts_mode, CHOICE, "enforce", 0, 0, START,
        "What the MTA-STS policy of our domains wants of other servers: {none testing enforce}.")
SETTING(MTA_STS_TESTING, mta_sts_testing, LIST, "", 0, 64, START,
        "Domains whose policy is only tested, whatever mta_sts_mode says.")
SETTING(MTA_STS_NONE, mta_sts_none, LIST, "", 0, 64, START,
        "Domains whose policy asks for nothing, whatever the others say.")
SETTING(MTA_STS_MX, mta_sts_mx, LIST, "", 0, 16, START,
        "Hosts that the policy names, each the target of an MX record. Empty: server_name.")
SETTING(MTA_STS_MAX_AGE, mta_sts_max_age, TIME, "7 d", 60000, 31557600000, START,
        "How long other servers may remember the policy.")
