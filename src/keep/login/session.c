// SPDX-License-Identifier: Apache-2.0
#include "keep/login/session.h"

#include <string.h>

#include "base/banned.h"

void session_device_set(struct session_device *d, uint32_t id, struct span name, bool is_read_only)
{
    name = span_first(name, sizeof(d->name));
    *d = (struct session_device){.id = id, .is_read_only = is_read_only, .name_n = (uint8_t)name.n};
    if (name.n) {
        memcpy(d->name, name.p, name.n);
    }
}

struct actor session_actor(const struct session_device *d, struct span client, struct span origin)
{
    return (struct actor){.kind = ACTOR_USER,
                          .device = d->id ? span_of(d->name, d->name_n) : client,
                          .origin = origin,
                          .device_id = d->id};
}
