// SPDX-License-Identifier: Apache-2.0
//
// The mail of a device that was blocked.
#include <stdlib.h>

#include "queue/queue_internal.h"

#include "base/banned.h"

struct holder {
    uint64_t account;
    uint32_t device;
    queue_id *ids;
    size_t n, cap;
    bool failed;
};

static bool find_mail(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct holder *h = arg;

    if (m->submitter != h->account || m->device_id != h->device || r->state != QUEUE_WAITING ||
        (h->n && h->ids[h->n - 1] == m->id)) {
        return true;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 64;
        queue_id *ids = realloc(h->ids, cap * sizeof(*ids));

        h->failed = !ids;
        if (!ids) {
            return false;
        }
        h->ids = ids;
        h->cap = cap;
    }
    h->ids[h->n++] = m->id;
    return true;
}

enum err queue_hold_device(struct queue *q, uint64_t account, uint32_t device, uint64_t *out_held)
{
    struct holder h = {.account = account, .device = device};
    enum err e = queue_list(q, 0, find_mail, &h);

    *out_held = 0;
    e = e == ERR_OK && h.failed ? ERR_NOMEM : e;
    for (size_t i = 0; e == ERR_OK && i < h.n; i++) {
        uint32_t changed = 0;

        e = queue_act(q, h.ids[i], UINT32_MAX, QUEUE_HOLD, &changed);
        e = e == ERR_NOT_FOUND ? ERR_OK : e; // it has left meanwhile
        *out_held += changed > 0;
    }
    free(h.ids);
    return e;
}
