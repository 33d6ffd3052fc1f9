// SPDX-License-Identifier: Apache-2.0
#include "gate/count/gate_count.h"

#include "base/metrics.h"

#include "base/banned.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define LABEL(name, words)                                                                         \
    {                                                                                              \
        name, words, COUNT_OF(words)                                                               \
    }
#define NO_LABEL                                                                                   \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

// In the order of enum ipc_protocol, which begins with 1.
static const char *const protocols[] = {"imap", "pop3", "managesieve", "submission",
                                        "smtp", "lmtp", "http",        "admin"};
static const char *const logins[] = {"accepted", "refused", "slowed", "no_answer"};
static const char *const aways[] = {"all_full", "address_full", "too_fast", "not_from_there"};
static const char *const handshakes[] = {"done", "failed"};
static const char *const listeners[] = {"public", "admin"};
static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

static _Atomic int64_t open_values[COUNT_OF(protocols)], opened_values[COUNT_OF(protocols)],
    login_values[COUNT_OF(protocols) * COUNT_OF(logins)], away_values[COUNT_OF(aways)],
    handshake_values[COUNT_OF(handshakes)], http_values[COUNT_OF(listeners) * COUNT_OF(classes)];

static const struct metrics_family open_family = {
    "mailkeep_gate_connections",
    "Connections that the gate holds now, sessions over TLS that it relays included.",
    METRICS_GAUGE,
    LABEL("protocol", protocols),
    NO_LABEL,
    open_values};
static const struct metrics_family opened_family = {"mailkeep_gate_connections_total",
                                                    "Connections that the gate has accepted.",
                                                    METRICS_COUNTER,
                                                    LABEL("protocol", protocols),
                                                    NO_LABEL,
                                                    opened_values};
static const struct metrics_family login_family = {
    "mailkeep_gate_logins_total", "Logins by how they ended.", METRICS_COUNTER,
    LABEL("protocol", protocols), LABEL("result", logins),     login_values};
static const struct metrics_family away_family = {
    "mailkeep_gate_turned_away_total",
    "Connections that were turned away when they came.",
    METRICS_COUNTER,
    LABEL("reason", aways),
    NO_LABEL,
    away_values};
static const struct metrics_family handshake_family = {"mailkeep_gate_tls_handshakes_total",
                                                       "TLS handshakes with clients.",
                                                       METRICS_COUNTER,
                                                       LABEL("result", handshakes),
                                                       NO_LABEL,
                                                       handshake_values};
static const struct metrics_family http_family = {"mailkeep_gate_http_responses_total",
                                                  "Answers to HTTP requests by class of status.",
                                                  METRICS_COUNTER,
                                                  LABEL("listener", listeners),
                                                  LABEL("status", classes),
                                                  http_values};

void gate_count_opened(unsigned protocol)
{
    metrics_add(&open_family, protocol - 1, 0, 1);
    metrics_add(&opened_family, protocol - 1, 0, 1);
}

void gate_count_closed(unsigned protocol)
{
    metrics_add(&open_family, protocol - 1, 0, -1);
}

void gate_count_login(unsigned protocol, enum gate_login how)
{
    metrics_add(&login_family, protocol - 1, how, 1);
}

void gate_count_turned_away(enum gate_turned_away why)
{
    metrics_add(&away_family, why, 0, 1);
}

void gate_count_handshake(bool is_done)
{
    metrics_add(&handshake_family, is_done ? 0 : 1, 0, 1);
}

void gate_count_http(bool is_admin, unsigned status)
{
    metrics_add(&http_family, is_admin, status / 100 - 1, 1);
}

void gate_count_put(struct buf *out)
{
    metrics_put(out, &open_family);
    metrics_put(out, &opened_family);
    metrics_put(out, &login_family);
    metrics_put(out, &away_family);
    metrics_put(out, &handshake_family);
    metrics_put(out, &http_family);
}
