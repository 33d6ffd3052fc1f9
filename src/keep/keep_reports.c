// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_reports.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/keep_chore.h"

#include "base/banned.h"

#define ROUND_MS (60 * 60 * 1000)

struct keep_reports {
    struct keep_chore *chore;
    struct reports *reports;
    _Atomic int64_t keep_ms;
    struct report_read_result read; // the thread's, as what follows
    int64_t forgotten_keep_ms;      // what the last forgetting went by
    int64_t forget_at_ms;           // the next one, monotonic
};

static void on_letter(void *arg)
{
    struct keep_reports *k = arg;

    keep_chore_wake(k->chore, 0);
}

static void read_letters(struct keep_reports *k)
{
    enum err e = ERR_OK;

    while (e == ERR_OK && !keep_chore_is_stopping(k->chore)) {
        e = reports_read_next(k->reports, &k->read);
        if (e == ERR_OK) {
            log_info("reports: %s", log_text(span_from_str(k->read.words)).s);
        }
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_UNAVAILABLE) {
        log_warn("a report about our mail could not be read: %s", err_name(e));
    }
}

static void forget(struct keep_reports *k, int64_t keep_ms)
{
    bool more = true;
    enum err e = ERR_OK;

    while (more && e == ERR_OK && !keep_chore_is_stopping(k->chore)) {
        e = reports_trim(k->reports, clock_real_ms() - keep_ms, &more);
    }
    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("old reports could not be forgotten: %s", err_name(e));
    }
}

static void take_turn(void *arg)
{
    struct keep_reports *k = arg;
    int64_t keep_ms = atomic_load(&k->keep_ms);

    read_letters(k);
    if (keep_ms != k->forgotten_keep_ms || clock_monotonic_ms() >= k->forget_at_ms) {
        forget(k, keep_ms);
        k->forgotten_keep_ms = keep_ms;
        k->forget_at_ms = clock_monotonic_ms() + ROUND_MS;
    }
}

enum err keep_reports_start(struct reports *r, int64_t keep_ms, struct keep_reports **out)
{
    struct keep_reports *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->reports = r;
    k->keep_ms = keep_ms;
    const struct keep_chore_options o = {.name = "keep-reports",
                                         .run = take_turn,
                                         .arg = k,
                                         .interval_ms = ROUND_MS,
                                         .at_once = true};
    enum err e = keep_chore_start(&o, &k->chore);

    if (e != ERR_OK) {
        free(k);
        return e;
    }
    reports_set_wake(r, on_letter, k);
    *out = k;
    return ERR_OK;
}

void keep_reports_set(struct keep_reports *k, int64_t keep_ms)
{
    if (atomic_exchange(&k->keep_ms, keep_ms) != keep_ms) {
        keep_chore_wake(k->chore, 0);
    }
}

void keep_reports_stop(struct keep_reports *k)
{
    if (k) {
        keep_chore_stop(k->chore);
        reports_set_wake(k->reports, NULL, NULL);
        free(k);
    }
}
