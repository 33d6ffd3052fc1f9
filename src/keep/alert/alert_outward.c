// SPDX-License-Identifier: Apache-2.0
//
// Where the account's mail is sent to by its owner's wish: the forwarding and what the active
// script redirects to. An address outside of our domains that was not known is found.
#include <xxhash.h>

#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/route.h"
#include "store/rules.h"

#include "base/banned.h"

#define ADDRESS_MAX 320

struct outward {
    struct look *look;
    uint64_t known[ALERT_KNOWN_MAX]; // what there is now
    size_t known_n;
    struct buf fresh; // addresses that were not known, ", " between them
};

static uint64_t hash_of(struct span address)
{
    char lower[ADDRESS_MAX];
    size_t n = address.n < sizeof(lower) ? address.n : sizeof(lower);

    for (size_t i = 0; i < n; i++) {
        lower[i] = byte_lower(address.p[i]);
    }
    return XXH3_64bits(lower, n);
}

static bool has(const uint64_t *list, size_t n, uint64_t hash)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == hash) {
            return true;
        }
    }
    return false;
}

static enum err take(struct outward *o, struct span address)
{
    struct look *l = o->look;
    size_t at = span_find_byte(address, '@');
    struct span domain;
    bool ours = false;
    enum err e;

    for (domain = span_skip(address, at + 1); (at = span_find_byte(domain, '@')) < domain.n;) {
        domain = span_skip(domain, at + 1); // of a quoted local part with @ in it
    }
    e = domain.n ? route_domain_is_ours(l->w->o.store, domain, l->arena, &ours, NULL) : ERR_OK;
    if (e == ERR_INVALID) { // no domain: nobody's, so outside
        e = ERR_OK;
    }
    uint64_t hash = hash_of(address);

    if (e != ERR_OK || ours || has(o->known, o->known_n, hash)) {
        return e;
    }
    if (!has(l->seen->cursor.known, l->seen->cursor.known_n, hash)) {
        buf_put_str(&o->fresh, o->fresh.n ? ", " : "");
        buf_put(&o->fresh, address);
    }
    if (o->known_n < ALERT_KNOWN_MAX) {
        o->known[o->known_n++] = hash;
    }
    return ERR_OK;
}

static enum err take_forwarding(struct outward *o)
{
    struct look *l = o->look;
    struct forwarding f = {.count = 0};
    enum err e = forwarding_get(l->w->o.store, l->account, l->arena, &f);

    for (size_t i = 0; i < f.count && e == ERR_OK; i++) {
        e = take(o, f.targets[i]);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err look_at_outward(struct look *l, bool is_first)
{
    struct outward o = {.look = l};

    buf_init(&o.fresh, ALERT_TEXT_BYTES_MAX);
    enum err e = take_forwarding(&o);

    if (e == ERR_OK) {
        memcpy(l->seen->cursor.known, o.known, sizeof(o.known));
        l->seen->cursor.known_n = o.known_n;
        l->seen->is_unsaved = true;
    }
    if (e == ERR_OK && o.fresh.n && !is_first) {
        look_found(l, &(struct alert){.kind = ALERT_MAIL_OUT,
                                      .trigger = l->rules_number,
                                      .when_ms = l->rules_ms,
                                      .by = l->rules_by,
                                      .words = buf_span(&o.fresh)});
    }
    buf_finish(&o.fresh);
    return e;
}
