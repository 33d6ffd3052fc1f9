// SPDX-License-Identifier: Apache-2.0
//
// account imap-without: what an account's IMAP sessions go without, for a mail program that makes a
// mess of it (docs/protocol/imap-clients.md). It counts for the sessions that begin afterwards.
#include "admin/admin_internal.h"
#include "store/access/imap_without.h"

#include "base/banned.h"

static bool is_capability(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!byte_is_alnum(c) && c != '=' && c != '-' && c != '+' && c != '.') {
            return false;
        }
    }
    return name.n > 0 && name.n <= IMAP_WITHOUT_BYTES_MAX;
}

// In capitals, each once.
static enum err read_names(struct admin_call *c, struct span *names, size_t *out_n)
{
    const json_t *list = json_object_get(c->args, "capabilities"), *value;
    size_t i, n = 0;

    json_array_foreach(list, i, value)
    {
        struct span name = span_of(json_string_value(value), json_string_length(value));
        bool is_there = false;

        if (!json_is_string(value) || !is_capability(name)) {
            return admin_fail(c, ERR_INVALID,
                              "A capability is a word such as IDLE or SORT=DISPLAY");
        }
        if (n == IMAP_WITHOUT_MAX) {
            return admin_fail(c, ERR_LIMIT, "More than %d capabilities", IMAP_WITHOUT_MAX);
        }
        char *p = arena_alloc(&c->arena, name.n);

        if (!p) {
            return ERR_NOMEM;
        }
        for (size_t k = 0; k < name.n; k++) {
            p[k] = byte_upper(name.p[k]);
        }
        for (size_t k = 0; k < n; k++) {
            is_there |= span_eq(names[k], span_of(p, name.n));
        }
        if (!is_there) {
            names[n++] = span_of(p, name.n);
        }
    }
    *out_n = n;
    return ERR_OK;
}

static void put_result(struct admin_call *c, struct span account, const struct span *names,
                       size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, admin_json_text(names[i]));
    }
    c->outcome->result =
        json_pack("{s:o, s:o}", "account", admin_json_text(account), "without", list);
}

enum err admin_account_imap_without(struct admin_call *c)
{
    struct span names[IMAP_WITHOUT_MAX];
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    const struct span *now = names;
    struct account account;
    size_t n = 0;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? read_names(c, names, &n) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (n || admin_bool(c, "nothing")) {
        e = imap_without_set(c->admin->store, account.id, &by, names, n);
    } else {
        e = imap_without_get(c->admin->store, account.id, &c->arena, &now, &n);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Changing the account");
    }
    put_result(c, account.name, now, n);
    return ERR_OK;
}
