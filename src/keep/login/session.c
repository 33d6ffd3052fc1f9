// SPDX-License-Identifier: Apache-2.0
#include "keep/login/session.h"

#include <string.h>

#include "base/buf.h"

#include "base/banned.h"

void session_device_set(struct session_device *d, uint32_t id, struct span name, bool is_read_only)
{
    name = span_first(name, sizeof(d->name));
    *d = (struct session_device){.id = id, .is_read_only = is_read_only, .name_n = (uint8_t)name.n};
    if (name.n) {
        memcpy(d->name, name.p, name.n);
    }
}

void session_reader_set(struct session_device *d, struct span reader, struct span remote,
                        bool is_read_only)
{
    struct buf b = {.p = d->reader, .cap = sizeof(d->reader), .max = sizeof(d->reader)};

    *d = (struct session_device){.is_read_only = is_read_only};
    buf_printf(&b, "%.*s, %.*s", SPAN_ARG(reader), SPAN_ARG(span_first(remote, 64)));
    d->reader_n = (uint16_t)b.n;
}

const char *session_read_only_text(const struct session_device *d)
{
    return d->reader_n ? "You may read here and change nothing"
                       : "This app password is for reading only";
}

struct actor session_actor(const struct session_device *d, struct span client, struct span origin)
{
    if (d->reader_n) {
        return (struct actor){
            .kind = ACTOR_ADMIN, .device = client, .origin = span_of(d->reader, d->reader_n)};
    }
    return (struct actor){.kind = ACTOR_USER,
                          .device = d->id ? span_of(d->name, d->name_n) : client,
                          .origin = origin,
                          .device_id = d->id};
}
