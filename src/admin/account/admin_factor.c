// SPDX-License-Identifier: Apache-2.0
//
// domain second-factor, role second-factor: who must have one.
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "auth/second_factor.h"
#include "base/log.h"
#include "store/directory/factor_policy.h"

#include "base/banned.h"

// ---- who is in without one ----------------------------------------------------------------------

// Accounts that have none; grows.
struct without {
    struct admin_call *call;
    account_id *accounts;
    size_t count, room;
    enum err e;
};

static bool without_add(struct without *w, account_id account)
{
    bool is_on = false;

    // Nobody can say: then nobody gets in with it either, and the next sign-in says so.
    if (second_factor_is_on(w->call->admin->store, account, &is_on) != ERR_OK || is_on) {
        return true;
    }
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 256;
        account_id *more = realloc(w->accounts, room * sizeof(*more));

        if (!more) {
            w->e = ERR_NOMEM;
            return false;
        }
        w->accounts = more;
        w->room = room;
    }
    w->accounts[w->count++] = account;
    return true;
}

static bool take_account(void *arg, const struct account *account)
{
    return without_add(arg, account->id);
}

struct holders_of {
    struct without *into;
    struct span role;
};

static bool take_holder(void *arg, const struct role_holder *h)
{
    struct holders_of *of = arg;

    for (size_t i = 0; i < h->count; i++) {
        if (span_eq(h->grants[i].role, of->role)) {
            return without_add(of->into, h->account);
        }
    }
    return true;
}

// `what` as the policy has it. Their sessions end; those that the list does not reach for want of
// memory go on, and the log says so.
static unsigned end_all(struct admin_call *c, struct span what)
{
    const struct admin *a = c->admin;
    struct without w = {.call = c};
    struct holders_of of = {&w, what};
    unsigned ended = 0;

    if (!a->end_sessions_of) {
        return 0;
    }
    enum err e = what.p[0] == '@'
                     ? directory_account_list(a->store, span_skip(what, 1), take_account, &w)
                     : role_holder_list(a->store, take_holder, &of);

    e = e == ERR_OK ? w.e : e;
    if (e != ERR_OK) {
        log_error("sessions without a second factor may go on for %s: %s", log_text(what).s,
                  err_name(e));
    }
    if (w.count > 0) {
        ended = a->end_sessions_of(a->arg, w.accounts, w.count, ADMIN_FACTOR_WANTED);
    }
    free(w.accounts);
    return ended;
}

unsigned admin_factor_enforce(struct admin_call *c, account_id account, struct span name)
{
    const struct admin *a = c->admin;
    bool is_required = false, is_on = false;

    if (!a->end_sessions_of || factor_policy_of(a->store, account, name, &is_required) != ERR_OK ||
        !is_required || second_factor_is_on(a->store, account, &is_on) != ERR_OK || is_on) {
        return 0;
    }
    return a->end_sessions_of(a->arg, &account, 1, ADMIN_FACTOR_WANTED);
}

// ---- the operations -----------------------------------------------------------------------------

// With the argument "required" it is set; without, it is told.
static enum err run(struct admin_call *c, const char *kind, struct span name, struct span what)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    const json_t *wanted = json_object_get(c->args, "required");
    bool is_required = json_is_true(wanted);
    enum err e = wanted ? factor_policy_set(c->admin->store, &by, what, is_required)
                        : factor_policy_get(c->admin->store, what, &is_required);

    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e, "There is no %s %.*s. To see those there are: mailkeep %s list",
                          kind, SPAN_ARG(name), kind);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Saying who must have a second factor");
    }
    c->outcome->result =
        json_pack("{s:o, s:b}", kind, admin_json_text(name), "required", is_required);
    if (wanted) {
        json_object_set_new(c->outcome->result, "sessions_ended",
                            json_integer(is_required ? end_all(c, what) : 0));
    }
    return ERR_OK;
}

enum err admin_domain_factor(struct admin_call *c)
{
    struct span name;
    enum err e = admin_domain(c, "domain", &name);
    char *what = e == ERR_OK ? arena_alloc(&c->arena, name.n + 1) : NULL;

    if (!what) {
        return e == ERR_OK ? admin_fail_store(c, ERR_NOMEM, "Saying it") : e;
    }
    what[0] = '@';
    memcpy(what + 1, name.p, name.n);
    return run(c, "domain", name, span_of(what, name.n + 1));
}

enum err admin_role_factor(struct admin_call *c)
{
    struct span name = admin_text(c, "role");

    return run(c, "role", name, name);
}
