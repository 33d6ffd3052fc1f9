// SPDX-License-Identifier: Apache-2.0
//
// How much of an account's mail a session reads, for alerts of mass download. Counting is an
// addition in the session; somebody is told once in a while, and at the session's end. Nothing of
// it is written to the store. One thread at a time, the session's.
#ifndef KEEP_LOGIN_SESSION_METER_H
#define KEEP_LOGIN_SESSION_METER_H

#include "keep/login/session.h"

#define SESSION_METER_STEP (256u << 10) // bytes that are not told yet, at most about

struct session_meter {
    void (*note)(void *arg, const struct session_read *r); // NULL: nobody wants to know
    void *arg;
    account_id account;
    const struct session_device *device; // the session's
    uint64_t bytes;                      // not told yet
};

// `device`: the session's own copy.
static inline void session_meter_init(struct session_meter *m, const struct session_start *start,
                                      const struct session_device *device)
{
    *m = (struct session_meter){.note = start->on_read,
                                .arg = start->read_arg,
                                .account = start->account,
                                .device = device};
}

static inline void session_meter_add(struct session_meter *m, uint64_t bytes)
{
    m->bytes += bytes;
}

// Is it time to tell?
static inline bool session_meter_is_full(const struct session_meter *m)
{
    return m->bytes >= SESSION_METER_STEP;
}

// Tells what was added since. `client`: what the mail program calls itself; `remote`: its address.
static inline void session_meter_tell(struct session_meter *m, struct span client,
                                      struct span remote)
{
    if (m->bytes && m->note) {
        const struct session_read r = {.account = m->account,
                                       .device = m->device->id,
                                       .reader = span_of(m->device->reader, m->device->reader_n),
                                       .client = client,
                                       .remote = remote,
                                       .bytes = m->bytes};

        m->note(m->arg, &r);
    }
    m->bytes = 0;
}

#endif
