// SPDX-License-Identifier: Apache-2.0
#include "keep/inbound/sender_right.h"

#include "store/share/acl.h"

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

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

// Only a team's: what owners of their own mailboxes give by p is to write to them, not as them.
static enum err may_send_as(struct store *s, account_id team, account_id who, struct arena *a,
                            bool *out)
{
    struct account account, sender;
    const struct mailbox *inbox;
    struct view *v;
    enum err e = directory_account_by_id(s, team, a, &account);

    if (e != ERR_OK || account.state != ACCOUNT_SUSPENDED || !account.suspension.is_team) {
        return e;
    }
    e = directory_account_by_id(s, who, a, &sender);
    e = e == ERR_OK ? view_open(s, team, &v) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = view_mailbox_by_name(v, SPAN("INBOX"), &inbox);
    if (e == ERR_OK) {
        bool is_same = span_eq(domain_of(account.name), domain_of(sender.name));

        *out = view_acl_rights(v, inbox->id, who, is_same) & ACL_POST;
    }
    view_close(v);
    return e;
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
            e = *out ? ERR_OK : may_send_as(s, r.account, who, a, out);
            e = e == ERR_NOT_FOUND ? ERR_OK : e; // it has gone
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
