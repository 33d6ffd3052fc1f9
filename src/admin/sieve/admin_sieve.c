// SPDX-License-Identifier: Apache-2.0
//
// sieve list, show, put, activate, remove: an account's rules, or with "global" those that all may
// include. A script that cannot be used is not stored.
#include "admin/admin_internal.h"
#include "delivery/rules/rules.h"
#include "sieve/sieve.h"
#include "store/rules.h"

#include "base/banned.h"

#define LISTED_MAX (SCRIPTS_MAX * 2)

// Whose: *out_owner is for sentences.
static enum err owner(struct admin_call *c, account_id *out, struct span *out_owner)
{
    struct account account;

    if (admin_bool(c, "global")) {
        *out = RULES_GLOBAL_ACCOUNT;
        *out_owner = SPAN("everybody");
        return ERR_OK;
    }
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        *out = account.id;
        *out_owner = account.name;
    }
    return e;
}

static enum err no_script(struct admin_call *c, struct span of, struct span name)
{
    return name.n ? admin_fail(c, ERR_NOT_FOUND,
                               "There is no script \"%.*s\" of %.*s. See: mailkeep sieve list",
                               SPAN_ARG(span_first(name, 100)), SPAN_ARG(of))
                  : admin_fail(c, ERR_NOT_FOUND, "No script of %.*s is active.", SPAN_ARG(of));
}

static void set_result(struct admin_call *c, struct span of, struct span name)
{
    c->outcome->result =
        json_pack("{s:o, s:o}", "account", admin_json_text(of), "script", admin_json_text(name));
}

struct listing {
    json_t *items;
    size_t count;
};

static bool list_one(void *arg, const struct script *s)
{
    struct listing *l = arg;
    json_t *j = json_pack("{s:o, s:b, s:I}", "script", admin_json_text(s->name), "active",
                          s->is_active, "bytes", (json_int_t)s->bytes);

    admin_json_time(j, "changed", s->changed);
    json_array_append_new(l->items, j);
    return ++l->count < LISTED_MAX;
}

enum err admin_sieve_list(struct admin_call *c)
{
    struct listing l = {.items = json_array()};
    account_id id;
    struct span of;
    enum err e = owner(c, &id, &of);

    e = e == ERR_OK ? script_list(c->admin->store, id, list_one, &l) : e;
    for (size_t i = 0; i < json_array_size(l.items) && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    json_decref(l.items);
    return e;
}

enum err admin_sieve_show(struct admin_call *c)
{
    struct span of, name = admin_text(c, "script");
    struct script s;
    account_id id;
    enum err e = owner(c, &id, &of);

    if (e != ERR_OK) {
        return e;
    }
    e = script_get(c->admin->store, id, name, &c->arena, &s);
    if (e == ERR_NOT_FOUND) {
        return no_script(c, of, name);
    }
    e = e == ERR_OK ? admin_data(c, s.text) : e;
    if (e == ERR_OK) {
        set_result(c, of, s.name);
        json_object_set_new(c->outcome->result, "active", json_boolean(s.is_active));
    }
    return e;
}

// The script's text, as data records.
static enum err receive(struct admin_call *c, struct buf *out)
{
    enum admin_record_type type;
    struct span payload;
    enum err e;

    while ((e = admin_receive(c, &type, &payload)) == ERR_OK) {
        if (type == ADMIN_DATA) {
            buf_put(out, payload);
        }
    }
    e = e == ERR_EOF ? buf_result(out) : e;
    return e == ERR_LIMIT
               ? admin_fail(c, e, "The script is larger than %u KB.", SCRIPT_BYTES_MAX >> 10)
               : e;
}

static enum err check(struct admin_call *c, struct span text)
{
    const struct sieve_program *program;
    struct sieve_problems problems = {0};
    struct arena arena;

    arena_init(&arena, SIEVE_PROGRAM_BYTES_MAX);
    enum err e = sieve_compile(NULL, text, &arena, &program, &problems);

    if (e == ERR_INVALID && problems.n) {
        admin_fail(c, e, "The script cannot be used and is not stored: line %u, column %u: %.*s.",
                   problems.list[0].line, problems.list[0].column,
                   SPAN_ARG(span_first(problems.list[0].text, 300)));
    }
    arena_finish(&arena);
    return e;
}

static enum err activate(struct admin_call *c, account_id id, struct span of, struct span name)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);

    if (id == RULES_GLOBAL_ACCOUNT) {
        return admin_fail(c, ERR_INVALID,
                          "A script for everybody is never active by itself: rules "
                          "include it (include :global).");
    }
    enum err e = script_activate(c->admin->store, id, &by, name);

    return e == ERR_NOT_FOUND ? no_script(c, of, name) : e;
}

enum err admin_sieve_put(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span of, name = admin_text(c, "script");
    struct buf text;
    account_id id;
    enum err e = owner(c, &id, &of);

    if (e != ERR_OK) {
        return e;
    }
    buf_init(&text, SCRIPT_BYTES_MAX);
    e = receive(c, &text);
    if (e == ERR_OK && !sieve_script_name_is_valid(name)) {
        e = admin_fail(c, ERR_INVALID,
                       "\"%.*s\" cannot be the name of a script: no \"/\", no control characters.",
                       SPAN_ARG(span_first(name, 100)));
    }
    e = e == ERR_OK ? check(c, buf_span(&text)) : e;
    e = e == ERR_OK ? script_put(c->admin->store, id, &by, name, buf_span(&text)) : e;
    if (e == ERR_LIMIT && c->outcome->text[0] == '\0') {
        e = admin_fail(c, e, "%.*s has %d scripts already, as many as there may be.", SPAN_ARG(of),
                       SCRIPTS_MAX);
    }
    e = e == ERR_OK && admin_bool(c, "activate") ? activate(c, id, of, name) : e;
    buf_finish(&text);
    if (e == ERR_OK) {
        set_result(c, of, name);
    }
    return e;
}

enum err admin_sieve_activate(struct admin_call *c)
{
    struct span of, name = admin_bool(c, "none") ? SPAN("") : admin_text(c, "script");
    account_id id;
    enum err e = owner(c, &id, &of);

    e = e == ERR_OK ? activate(c, id, of, name) : e;
    if (e == ERR_OK) {
        set_result(c, of, name);
    }
    return e;
}

enum err admin_sieve_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span of, name = admin_text(c, "script");
    account_id id;
    enum err e = owner(c, &id, &of);

    if (e != ERR_OK) {
        return e;
    }
    e = script_remove(c->admin->store, id, &by, name);
    if (e == ERR_DENIED) {
        return admin_fail(c, e,
                          "The script \"%.*s\" is active. First: mailkeep sieve activate %.*s "
                          "--none, or another script.",
                          SPAN_ARG(span_first(name, 100)), SPAN_ARG(of));
    }
    if (e == ERR_NOT_FOUND) {
        return no_script(c, of, name);
    }
    set_result(c, of, name);
    return e;
}
