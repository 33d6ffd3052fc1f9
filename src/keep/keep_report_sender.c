// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_report_sender.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "keep/keep_chore.h"

#include "base/banned.h"

#define ROUND_MS      (30ll * 60 * 1000)
#define RETRY_MS      5000 // when the DNS does not answer; twice as long each time, up to a round
#define JITTER_MS_MAX (2ll * 60 * 60 * 1000)
#define DAY_MS        86400000ll

struct keep_report_sender {
    struct keep_chore *chore;
    struct keep_report_sender_options o;
    char from[QUEUE_ADDRESS_BYTES_MAX + 260];
    int64_t jitter_ms, retry_ms;
};

static enum err ask_unless_stopping(void *arg, struct span name, struct arena *a,
                                    struct span *out_records)
{
    struct keep_report_sender *k = arg;

    return keep_chore_is_stopping(k->chore) ? ERR_UNAVAILABLE
                                            : k->o.ask(k->o.arg, name, a, out_records);
}

static bool is_stopping(void *arg)
{
    struct keep_report_sender *k = arg;

    return keep_chore_is_stopping(k->chore);
}

// What was observed while the setting was on is owed, also when it is off now.
static void send(void *arg)
{
    struct keep_report_sender *k = arg;
    const struct report_send_options o = {
        .ask = ask_unless_stopping,
        .is_stopping = is_stopping,
        .arg = k,
        .from = span_from_str(k->from),
        .server = k->o.server,
        .today = (uint32_t)((clock_real_ms() - k->jitter_ms) / DAY_MS),
    };
    struct report_send_result r = {.sent = 0};
    enum err e = report_send_all(k->o.delivery, k->o.reports, &o, &r);

    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("reports for other domains could not be sent: %s", err_name(e));
    }
    if (r.waiting && k->retry_ms < ROUND_MS) {
        keep_chore_wake(k->chore, k->retry_ms);
        k->retry_ms *= 2;
    } else if (!r.waiting) {
        k->retry_ms = RETRY_MS;
    }
}

// Whom others can ask: the address for reports to us, which is somebody's.
static void choose_from(struct keep_report_sender *k)
{
    struct span address = conf_value_text(k->o.settings, SETTING_REPORT_ADDRESS);
    struct span domain = conf_value_text(k->o.settings, SETTING_DEFAULT_DOMAIN);

    if (!address.n) {
        address = SPAN("postmaster");
    }
    if (span_find_byte(address, '@') < address.n) {
        domain = SPAN("");
    } else if (!domain.n) {
        domain = k->o.server;
    }
    snprintf(k->from, sizeof(k->from), "%.*s%s%.*s", SPAN_ARG(address), domain.n ? "@" : "",
             SPAN_ARG(domain));
}

enum err keep_report_sender_start(const struct keep_report_sender_options *o,
                                  struct keep_report_sender **out)
{
    struct keep_report_sender *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->o = *o;
    k->jitter_ms = (int64_t)(random_u64() % JITTER_MS_MAX);
    k->retry_ms = RETRY_MS;
    choose_from(k);
    const struct keep_chore_options chore = {
        .name = "keep-told", .run = send, .arg = k, .interval_ms = ROUND_MS, .at_once = true};
    enum err e = keep_chore_start(&chore, &k->chore);

    if (e != ERR_OK) {
        free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keep_report_sender_stop(struct keep_report_sender *k)
{
    if (k) {
        keep_chore_stop(k->chore);
        free(k);
    }
}
