// SPDX-License-Identifier: Apache-2.0
//
// check: recounts everything and names each difference.
#include "admin/admin_internal.h"
#include "alert/rows/alert_rows.h"
#include "queue/queue.h"
#include "store/check/store_check.h"

#include "base/banned.h"

#define UNSENT_BYTES_MAX (1u << 20) // of problems that wait for a moment when they can be sent

struct check {
    struct admin_call *call;
    uint64_t accounts, total, unlisted;
    account_id last;
    enum err e;
};

static bool count_account(void *arg, const struct account *account)
{
    (void)account;
    ++*(uint64_t *)arg;
    return true;
}

// The id alone: an account whose record is damaged is what a check is for.
static enum err account_to_check(struct admin_call *c, account_id *out)
{
    struct span name;
    enum err e = admin_address(c, "account", &name);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_id_by_name(c->admin->store, name, out);
    if (e == ERR_NOT_FOUND) {
        return admin_no_account(c, name);
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Looking up the account");
}

static json_t *account_name(struct check *k, account_id id)
{
    struct arena names;
    struct account account;

    arena_init(&names, 64u << 10);
    json_t *name =
        id != 0 && directory_account_by_id(k->call->admin->store, id, &names, &account) == ERR_OK
            ? admin_json_text(account.name)
            : json_sprintf(id == 0 ? "(server)" : "(account %llu)", (unsigned long long)id);

    arena_finish(&names);
    return name;
}

// Problems are collected, because an account is looked at in one view, and sent between accounts.
static void on_check(void *arg, account_id account, const char *problem, bool repaired)
{
    struct check *k = arg;

    if (!problem) {
        k->accounts += account != k->last || k->accounts == 0;
        k->last = account;
        admin_progress(k->call, k->accounts, k->total, NULL);
        k->e = k->e == ERR_OK ? admin_flush(k->call) : k->e;
    } else if (k->e == ERR_OK && k->call->out.n < UNSENT_BYTES_MAX) {
        json_t *j = json_pack("{s:o, s:o, s:b}", "account", account_name(k, account), "problem",
                              admin_json_text(span_from_str(problem)), "repaired", repaired);

        k->e = j ? admin_record_put_item(&k->call->out, j) : ERR_NOMEM;
        json_decref(j);
    } else {
        k->unlisted++;
    }
}

static void on_queue_problem(void *arg, const char *problem)
{
    on_check(arg, 0, problem, false);
}

static json_t *totals_json(const struct check_totals *t, uint64_t unlisted)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accounts",
                     (json_int_t)t->accounts, "mailboxes", (json_int_t)t->mailboxes, "placements",
                     (json_int_t)t->placements, "messages", (json_int_t)t->messages, "bodies",
                     (json_int_t)t->bodies, "changes", (json_int_t)t->changes, "differences",
                     (json_int_t)t->differences, "repaired", (json_int_t)t->repaired, "unlisted",
                     (json_int_t)unlisted);
}

enum err admin_check(struct admin_call *c)
{
    struct check_options o = {.read_bodies = admin_bool(c, "read_bodies"),
                              .repair = admin_bool(c, "repair"),
                              .other_bodies = queue_bodies};
    struct check k = {.call = c};
    struct check_totals t;
    enum err e = ERR_OK;

    if (admin_text(c, "account").n > 0) {
        e = account_to_check(c, &o.only);
        if (e != ERR_OK) {
            return e;
        }
        o.only_set = true;
        k.total = 1;
    } else {
        // For progress only: what stops it is among what the check names.
        directory_account_list(c->admin->store, SPAN(""), count_account, &k.total);
    }
    e = store_check(c->admin->store, &o, on_check, &k, &t);
    if (e == ERR_OK && !o.only_set) {
        uint64_t problems = 0;

        e = queue_check(store_engine(c->admin->store), o.read_bodies, on_queue_problem, &k,
                        &problems);
        t.differences += problems;
        if (e == ERR_OK) {
            e = trail_check(store_engine(c->admin->store), on_queue_problem, &k, &problems);
            t.differences += problems;
        }
        if (e == ERR_OK) {
            e = reports_check(store_engine(c->admin->store), on_queue_problem, &k, &problems);
            t.differences += problems;
        }
        if (e == ERR_OK) {
            e = alert_check(store_engine(c->admin->store), on_queue_problem, &k, &problems);
            t.differences += problems;
        }
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "The check");
    }
    c->outcome->result = totals_json(&t, k.unlisted);
    return k.e;
}
