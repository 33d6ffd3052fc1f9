// SPDX-License-Identifier: Apache-2.0
#include "keep/count/keep_count.h"

#include "base/metrics.h"

#include "base/banned.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

// From IPC_SUBMISSION on, in the order of enum ipc_protocol.
#define FIRST_PROTOCOL 4
static const char *const protocols[] = {"submission", "smtp", "lmtp"};
static const char *const results[] = {"accepted", "put_off", "refused"};
// In the order of enum queue_outcome.
static const char *const outcomes[] = {"delivered", "put_off", "failed", "not_tried", "lost"};

static _Atomic int64_t in_values[COUNT_OF(protocols) * COUNT_OF(results)],
    out_values[COUNT_OF(outcomes)];

static const struct metrics_family in_family = {
    "mailkeep_mail_in_total",
    "Messages that came in whole, by how they were answered.",
    METRICS_COUNTER,
    {"protocol", protocols, COUNT_OF(protocols)},
    {"result", results, COUNT_OF(results)},
    in_values};
static const struct metrics_family out_family = {
    "mailkeep_mail_out_recipients_total",
    "Recipients at other servers that were tried, by what became of it.",
    METRICS_COUNTER,
    {"outcome", outcomes, COUNT_OF(outcomes)},
    {NULL, NULL, 0},
    out_values};

void keep_count_mail_in(unsigned protocol, unsigned code)
{
    metrics_add(&in_family, protocol - FIRST_PROTOCOL, code < 300 ? 0 : code < 500 ? 1 : 2, 1);
}

void keep_count_mail_out(unsigned outcome)
{
    metrics_add(&out_family, outcome, 0, 1);
}

void keep_count_put(struct buf *out)
{
    metrics_put(out, &in_family);
    metrics_put(out, &out_family);
}
