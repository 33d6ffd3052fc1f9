// SPDX-License-Identifier: Apache-2.0
//
// Where mail goes: alias add, list, remove; domain catch-all; account forward. Targets are checked
// before they are stored: somebody has to be there, and nothing may lead only back to itself.
#include "admin/admin_internal.h"
#include "base/map.h"
#include "store/route.h"
#include "store/rules.h"

#include "base/banned.h"

#define STEPS_MAX 10000 // addresses looked at before a loop is taken as absent

static const struct span separators = {"+", 1};

// ---- what targets lead to -----------------------------------------------------------------------

struct step {
    struct span address;
    const struct step *from; // NULL: named by the administrator
    struct step *next;       // to look at
};

struct walk {
    struct admin_call *call;
    struct span goal; // reached: a loop
    struct map seen;
    struct step *first, *last;
    const struct step *loop;
    size_t steps;
};

static enum err walk_add(struct walk *w, struct span address, const struct step *from)
{
    struct step *s;

    if (w->steps >= STEPS_MAX || map_get(&w->seen, address)) {
        return ERR_OK;
    }
    s = arena_zalloc(&w->call->arena, 1, sizeof(*s));
    if (!s) {
        return ERR_NOMEM;
    }
    *s = (struct step){.address = arena_dup(&w->call->arena, address), .from = from};
    enum err e = s->address.p ? map_put(&w->seen, address, s, NULL) : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    if (w->last) {
        w->last->next = s;
    } else {
        w->first = s;
    }
    w->last = s;
    w->steps++;
    return ERR_OK;
}

// What stands behind one address: an alias's targets, or an account's forwarding when it keeps no
// copy (with a copy the mail has arrived).
static enum err walk_behind(struct walk *w, const struct step *s, const struct route *r)
{
    struct forwarding f = {.count = 0};
    const struct span *targets = r->targets;
    size_t count = r->kind == ROUTE_ALIAS ? r->target_count : 0;
    enum err e = ERR_OK;

    if (r->kind == ROUTE_ACCOUNT) {
        e = forwarding_get(w->call->admin->store, r->account, &w->call->arena, &f);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        targets = f.targets;
        count = e == ERR_OK && !f.keeps_copy ? f.count : 0;
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = walk_add(w, targets[i], s);
    }
    return e;
}

static enum err walk_run(struct walk *w)
{
    enum err e = ERR_OK;

    for (const struct step *s = w->first; s && e == ERR_OK && !w->loop; s = s->next) {
        struct route r;

        e = route_lookup(w->call->admin->store, s->address, separators, &w->call->arena, &r);
        if (e == ERR_INVALID) {
            e = ERR_OK;
            continue;
        }
        if (e == ERR_OK && (r.kind == ROUTE_ACCOUNT || r.kind == ROUTE_ALIAS) &&
            span_eq(r.address, w->goal)) {
            w->loop = s;
        } else if (e == ERR_OK) {
            e = walk_behind(w, s, &r);
        }
    }
    return e;
}

static enum err say_loop(struct admin_call *c, const struct walk *w)
{
    struct buf words;

    buf_init(&words, 300);
    for (const struct step *s = w->loop; s; s = s->from) {
        struct buf rest;

        buf_init(&rest, 300);
        buf_printf(&rest, " -> %.*s%.*s", SPAN_ARG(s->address), SPAN_ARG(buf_span(&words)));
        if (!rest.failed) {
            buf_clear(&words);
            buf_put(&words, buf_span(&rest));
        }
        buf_finish(&rest);
    }
    admin_fail(c, ERR_INVALID, "That would lead mail back to where it came from: %.*s%.*s.",
               SPAN_ARG(w->goal), SPAN_ARG(buf_span(&words)));
    buf_finish(&words);
    return ERR_INVALID;
}

// ERR_INVALID with a sentence when mail for `goal` would only come back to it.
static enum err check_loop(struct admin_call *c, struct span goal, const struct span *targets,
                           size_t count)
{
    struct walk w = {.call = c, .goal = goal};
    enum err e = ERR_OK;

    map_init(&w.seen);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = walk_add(&w, targets[i], NULL);
    }
    e = e == ERR_OK ? walk_run(&w) : e;
    map_finish(&w.seen);
    return e == ERR_OK && w.loop ? say_loop(c, &w) : e;
}

// ---- targets as arguments -----------------------------------------------------------------------

// Its one spelling; an address of ours has to be somebody's.
static enum err check_target(struct admin_call *c, struct span given, struct span *out)
{
    const char *reason = NULL;
    struct route r;
    enum err e = directory_name_check(&c->arena, given, admin_only_domain(c), out, &reason);

    if (e == ERR_INVALID) {
        return admin_fail(c, e, "\"%.*s\" cannot be an address: %s.", SPAN_ARG(given),
                          reason ? reason : "it breaks the rules for addresses");
    }
    e = e == ERR_OK ? route_lookup(c->admin->store, *out, separators, &c->arena, &r) : e;
    if (e == ERR_OK && r.kind == ROUTE_UNKNOWN) {
        return admin_no_account(c, *out);
    }
    return e;
}

// The argument "targets", each once.
static enum err targets_arg(struct admin_call *c, size_t max, struct span **out, size_t *out_count)
{
    const json_t *list = json_object_get(c->args, "targets");
    size_t given = json_array_size(list), n = 0;
    struct span *targets = arena_zalloc(&c->arena, given + 1, sizeof(*targets));
    struct map seen;
    enum err e = targets ? ERR_OK : ERR_NOMEM;

    if (given > max) {
        return admin_fail(c, ERR_LIMIT, "More than %zu targets are too many.", max);
    }
    map_init(&seen);
    for (size_t i = 0; i < given && e == ERR_OK; i++) {
        const json_t *t = json_array_get(list, i);
        struct span text = span_of(json_string_value(t), json_string_length(t));

        e = check_target(c, text, &targets[n]);
        if (e == ERR_OK && !map_get(&seen, targets[n])) {
            e = map_put(&seen, targets[n], targets, NULL);
            n++;
        }
    }
    map_finish(&seen);
    *out = targets;
    *out_count = n;
    return e;
}

static json_t *targets_json(const struct span *targets, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, admin_json_text(targets[i]));
    }
    return list;
}

static bool holds(const struct span *list, size_t n, struct span what)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(list[i], what)) {
            return true;
        }
    }
    return false;
}

// ---- aliases ------------------------------------------------------------------------------------

static enum err alias_failed(struct admin_call *c, enum err e, struct span address)
{
    struct span domain = span_skip(address, span_find_byte(address, '@') + 1);

    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e,
                          "There is an account \"%.*s\". To send its mail elsewhere: mailkeep "
                          "account forward %.*s ADDRESS",
                          SPAN_ARG(address), SPAN_ARG(address));
    case ERR_NOT_FOUND:
        return admin_fail(c, e,
                          "There is no domain \"%.*s\" here. Add it first: mailkeep domain add "
                          "%.*s",
                          SPAN_ARG(domain), SPAN_ARG(domain));
    case ERR_LIMIT:
        return admin_fail(c, e, "An alias stands for at most %d addresses.", ALIAS_TARGETS_MAX);
    default:
        return c->outcome->text[0] ? e : admin_fail_store(c, e, "Changing the alias");
    }
}

static enum err alias_done(struct admin_call *c, struct span address, const struct span *targets,
                           size_t count)
{
    c->outcome->result = json_pack("{s:o, s:o}", "alias", admin_json_text(address), "targets",
                                   targets_json(targets, count));
    return ERR_OK;
}

// Stores what `address` stands for from now on.
static enum err alias_set(struct admin_call *c, struct span address, const struct span *targets,
                          size_t count)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    enum err e = count > 0 ? check_loop(c, address, targets, count) : ERR_OK;

    e = e == ERR_OK ? route_alias_set(c->admin->store, &by, address, targets, count) : e;
    return e == ERR_OK ? alias_done(c, address, targets, count) : alias_failed(c, e, address);
}

// What it stands for now; none when it is not there.
static enum err alias_now(struct admin_call *c, struct span address, struct span **out,
                          size_t *out_count)
{
    enum err e = route_alias_get(c->admin->store, address, &c->arena, out, out_count);

    if (e == ERR_NOT_FOUND) {
        *out_count = 0;
        e = ERR_OK;
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Reading the alias");
}

enum err admin_alias_add(struct admin_call *c)
{
    struct span address, *now, *targets;
    size_t now_count, count, n = 0;
    enum err e = admin_address(c, "alias", &address);

    e = e == ERR_OK ? targets_arg(c, ALIAS_TARGETS_MAX, &targets, &count) : e;
    e = e == ERR_OK ? alias_now(c, address, &now, &now_count) : e;
    if (e == ERR_OK && count == 0) {
        e = admin_fail(c, ERR_INVALID, "Where is its mail to go? Give one address or several.");
    }
    if (e != ERR_OK) {
        return e;
    }
    struct span *all = arena_zalloc(&c->arena, now_count + count, sizeof(*all));

    if (!all) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < now_count; i++) {
        all[n++] = now[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (!holds(now, now_count, targets[i])) {
            all[n++] = targets[i];
        }
    }
    return alias_set(c, address, all, n);
}

// The targets named no more, or all of them.
enum err admin_alias_remove(struct admin_call *c)
{
    struct span address, *now;
    const json_t *list = json_object_get(c->args, "targets");
    size_t count, n = 0;
    enum err e = admin_address(c, "alias", &address);

    e = e == ERR_OK ? alias_now(c, address, &now, &count) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (count == 0) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "There is no alias \"%.*s\". All of them: mailkeep alias list",
                          SPAN_ARG(address));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        struct span target = span_of(json_string_value(t), json_string_length(t)), folded;

        if (directory_name_check(&c->arena, target, admin_only_domain(c), &folded, NULL) !=
                ERR_OK ||
            !holds(now, count, folded)) {
            return admin_fail(c, ERR_NOT_FOUND, "\"%.*s\" does not stand for \"%.*s\".",
                              SPAN_ARG(address), SPAN_ARG(target));
        }
        for (n = 0; !span_eq(now[n], folded); n++) {
        }
        now[n] = now[--count];
    }
    return alias_set(c, address, now, json_array_size(list) > 0 ? count : 0);
}

struct alias_lister {
    struct admin_call *call;
    json_t *items; // sent after the walk: nobody is waited for inside the store
};

static bool alias_collect(void *arg, struct span address, const struct span *targets, size_t count)
{
    struct alias_lister *l = arg;

    if (!admin_sees(l->call, address)) {
        return true;
    }
    return json_array_append_new(l->items,
                                 json_pack("{s:o, s:b, s:o}", "alias", admin_json_text(address),
                                           "catch_all", address.n > 0 && address.p[0] == '@',
                                           "targets", targets_json(targets, count))) == 0;
}

enum err admin_alias_list(struct admin_call *c)
{
    struct alias_lister l = {c, json_array()};
    struct span domain = SPAN("");
    enum err e = admin_text(c, "domain").n > 0 ? admin_domain(c, "domain", &domain) : ERR_OK;

    e = e == ERR_OK ? route_alias_list(c->admin->store, domain, alias_collect, &l) : e;
    for (size_t i = 0; i < json_array_size(l.items) && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    c->outcome->result = json_pack("{s:I}", "aliases", (json_int_t)json_array_size(l.items));
    json_decref(l.items);
    return e;
}

// ---- catch-all ----------------------------------------------------------------------------------

enum err admin_domain_catch_all(struct admin_call *c)
{
    struct span domain, *targets, *now;
    size_t count, now_count;
    enum err e = admin_domain(c, "domain", &domain);

    e = e == ERR_OK ? targets_arg(c, ALIAS_TARGETS_MAX, &targets, &count) : e;
    if (e != ERR_OK) {
        return e;
    }
    char *p = arena_alloc(&c->arena, domain.n + 1);

    if (!p) {
        return ERR_NOMEM;
    }
    p[0] = '@';
    memcpy(p + 1, domain.p, domain.n);
    struct span name = span_of(p, domain.n + 1);

    e = alias_now(c, name, &now, &now_count);
    if (e != ERR_OK) {
        return e;
    }
    if (admin_bool(c, "none")) {
        return now_count > 0
                   ? alias_set(c, name, NULL, 0)
                   : admin_fail(c, ERR_NOT_FOUND, "The domain \"%.*s\" has no catch-all address.",
                                SPAN_ARG(domain));
    }
    return count > 0 ? alias_set(c, name, targets, count) : alias_done(c, name, now, now_count);
}

// ---- forwarding ---------------------------------------------------------------------------------

static enum err forward_done(struct admin_call *c, const struct account *account,
                             const struct forwarding *f)
{
    c->outcome->result =
        json_pack("{s:o, s:o, s:b}", "account", admin_json_text(account->name), "targets",
                  targets_json(f->targets, f->count), "keeps_copy", f->count == 0 || f->keeps_copy);
    return ERR_OK;
}

void admin_json_forwarding(struct admin_call *c, account_id account, json_t *into)
{
    struct forwarding f;

    if (forwarding_get(c->admin->store, account, &c->arena, &f) == ERR_OK && f.count > 0) {
        json_object_set_new(into, "forward", targets_json(f.targets, f.count));
        json_object_set_new(into, "forward_keeps_copy", json_boolean(f.keeps_copy));
    }
}

enum err admin_account_forward(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct forwarding f = {.keeps_copy = admin_bool(c, "keep")};
    struct account account;
    struct span *targets;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? targets_arg(c, FORWARD_TARGETS_MAX, &targets, &f.count) : e;
    if (e != ERR_OK) {
        return e;
    }
    f.targets = targets;
    if (f.count == 0 && !admin_bool(c, "off")) {
        e = forwarding_get(c->admin->store, account.id, &c->arena, &f);
        return e == ERR_OK ? forward_done(c, &account, &f)
                           : admin_fail_store(c, e, "Reading the forwarding");
    }
    if (!f.keeps_copy) {
        e = check_loop(c, account.name, f.targets, f.count);
    }
    if (e == ERR_OK) {
        e = forwarding_set(c->admin->store, account.id, &by, &f);
    }
    if (e != ERR_OK) {
        return c->outcome->text[0] ? e : admin_fail_store(c, e, "Setting the forwarding");
    }
    return forward_done(c, &account, &f);
}
