// SPDX-License-Identifier: Apache-2.0
#include "keep/inbound/sender_right.h"

#include "base/banned.h"

#define LOOKUPS_MAX     200 // of one question: who leads to whom is not searched without end
#define ARENA_BYTES_MAX (4u << 20)

// Addresses still to be looked at.
struct search {
    struct span todo[LOOKUPS_MAX];
    size_t at, n;
};

static void add(struct search *x, struct span address)
{
    for (size_t i = 0; i < x->n; i++) {
        if (span_eq_nocase(x->todo[i], address)) {
            return;
        }
    }
    if (x->n < LOOKUPS_MAX) {
        x->todo[x->n++] = address;
    }
}

static enum err search_on(struct search *x, struct store *s, struct span separators, account_id who,
                          struct arena *a, bool *out)
{
    enum err e = ERR_OK;

    for (; x->at < x->n && e == ERR_OK && !*out; x->at++) {
        struct route r;

        e = route_lookup(s, x->todo[x->at], separators, a, &r);
        if (e == ERR_INVALID) { // no address
            e = ERR_OK;
            continue;
        }
        if (e == ERR_OK && r.kind == ROUTE_ACCOUNT) {
            *out = r.account == who;
        }
        for (size_t i = 0; e == ERR_OK && r.kind == ROUTE_ALIAS && i < r.target_count; i++) {
            add(x, r.targets[i]);
        }
    }
    return e;
}

enum err sender_right(struct store *s, struct span separators, account_id account,
                      struct span address, bool *out)
{
    struct search x = {.n = 0};
    struct arena arena;
    bool may = false;

    arena_init(&arena, ARENA_BYTES_MAX);
    add(&x, address);
    enum err e = search_on(&x, s, separators, account, &arena, &may);

    arena_finish(&arena);
    if (e == ERR_OK) {
        *out = may;
    }
    return e;
}
