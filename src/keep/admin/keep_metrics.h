// SPDX-License-Identifier: Apache-2.0
//
// keep's part of /metrics (docs/metrics.md). Any thread; takes the locks of those it asks, never
// the disk.
#ifndef KEEP_ADMIN_KEEP_METRICS_H
#define KEEP_ADMIN_KEEP_METRICS_H

#include "auth/auth.h"
#include "keep/login/keep_link.h"
#include "queue/queue.h"
#include "store/store.h"

struct keep_metrics {
    struct store *store;
    struct queue *queue;
    struct keep_sessions *sessions;
    struct keep_link *link;
    struct auth *auth;
    int64_t started_ms; // monotonic
};

void keep_metrics_put(const struct keep_metrics *m, struct buf *out);

#endif
