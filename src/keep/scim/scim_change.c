// SPDX-License-Identifier: Apache-2.0
//
// Users made, changed and deleted: from what a resource asks for to the operations of admin/ that
// make it so. All of it is looked at before anything is done. Who is to be kept out is put out
// first, and who is let in again comes last.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/scim/scim_internal.h"
#include "store/route.h"

#include "base/banned.h"

// ---- operations ---------------------------------------------------------------------------------

static enum err io_read(void *arg, struct buf *into)
{
    (void)arg;
    (void)into;
    return ERR_EOF;
}

static enum err io_write(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
    return ERR_OK;
}

static void io_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    (void)arg;
    (void)done;
    (void)total;
    (void)text;
}

// What is begun is brought to its end.
static bool io_cancelled(void *arg)
{
    (void)arg;
    return false;
}

static const struct admin_io io = {
    .read = io_read, .write = io_write, .progress = io_progress, .cancelled = io_cancelled};

static enum err outcome_fail(struct scim_call *c, const struct admin_outcome *o)
{
    bool is_asked = o->code == ERR_INVALID || o->code == ERR_LIMIT || o->code == ERR_QUOTA;

    switch (o->code) {
    case ERR_OK:
        return ERR_OK;
    case ERR_EXISTS:
        return scim_fail(&c->error, 409, "uniqueness", "%s", o->text);
    case ERR_DENIED:
        return scim_fail(&c->error, 403, NULL, "%s", o->text);
    default:
        return is_asked ? scim_fail(&c->error, 400, "invalidValue", "%s", o->text) : o->code;
    }
}

// Takes the reference.
static enum err operate(struct scim_call *c, const char *name, json_t *args)
{
    struct admin_outcome o;

    if (!args) {
        return ERR_NOMEM;
    }
    admin_run(&c->admin, &c->caller, name, args, &io, &o);
    json_decref(args);
    json_decref(o.result);
    return outcome_fail(c, &o);
}

static json_t *text_json(struct span s)
{
    return json_stringn(s.n > 0 ? s.p : "", s.n);
}

static enum err operate_on(struct scim_call *c, const char *name, struct span account)
{
    return operate(c, name, json_pack("{s:o}", "account", text_json(account)));
}

// Asked before anything is done, so that nothing is done by halves for a right that is missing.
static enum err check_may(struct scim_call *c, const char *name, struct span account)
{
    json_t *args = json_pack("{s:o}", "account", text_json(account));
    struct admin_outcome o;

    if (!args) {
        return ERR_NOMEM;
    }
    admin_may(&c->admin, &c->caller, name, args, &o);
    json_decref(args);
    json_decref(o.result);
    return outcome_fail(c, &o);
}

static enum err alias_operate(struct scim_call *c, const char *name, struct span alias,
                              struct span target)
{
    return operate(
        c, name,
        json_pack("{s:o, s:[o]}", "alias", text_json(alias), "targets", text_json(target)));
}

static struct actor actor_of(struct scim_call *c)
{
    struct buf b;

    buf_init(&b, 128);
    buf_printf(&b, "the provisioning token %.*s, %.*s", SPAN_ARG(c->token.name),
               SPAN_ARG(c->caller.address));
    struct span origin = arena_dup(&c->arena, buf_span(&b));

    buf_finish(&b);
    return (struct actor){.kind = ACTOR_ADMIN,
                          .device = SPAN("mailkeep"),
                          .origin = origin.p ? origin : SPAN("the provisioning token")};
}

// ---- what is free -------------------------------------------------------------------------------

static enum err taken(struct scim_call *c, const char *what)
{
    return scim_fail(&c->error, 409, "uniqueness", "There is %s of this address already.", what);
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

// An address of ours that leads nowhere.
static enum err is_nobodys(struct scim_call *c, struct span address, bool *out)
{
    struct route r;
    enum err e = route_lookup(c->admin.store, address, SPAN("+"), &c->arena, &r);

    *out = e == ERR_OK && r.kind == ROUTE_UNKNOWN;
    return e == ERR_INVALID ? ERR_OK : e;
}

// Nobody's, or of somebody whom the provider has deleted.
static enum err is_left(struct scim_call *c, struct span address, bool *out)
{
    struct scim_user u;
    account_id id;
    enum err e = directory_id_by_name(c->admin.store, address, &id);

    *out = false;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? is_nobodys(c, address, out) : e;
    }
    e = scim_user_load_any(c, id, &u);
    *out = e == ERR_OK && scim_user_is_deleted(&u);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// May the alias be the user's? `*out_other`: the address it has been for, which has been left.
static enum err check_alias(struct scim_call *c, struct span alias, struct span address,
                            struct span *out_other)
{
    struct span *targets;
    account_id id;
    size_t n = 0;
    bool left = false;
    enum err e = directory_id_by_name(c->admin.store, alias, &id);

    *out_other = SPAN("");
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? taken(c, "an account") : e;
    }
    e = route_alias_get(c->admin.store, alias, &c->arena, &targets, &n);
    if (e != ERR_OK || (n == 1 && span_eq(targets[0], address))) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = n == 1 ? is_left(c, targets[0], &left) : ERR_OK;
    if (e == ERR_OK && left) {
        *out_other = targets[0];
        return ERR_OK;
    }
    return e == ERR_OK ? taken(c, "an alias or group") : e;
}

// Of all aliases that are to be new.
static enum err check_aliases(struct scim_call *c, const struct scim_user *u,
                              const struct scim_wanted *w)
{
    struct span other;
    enum err e = ERR_OK;

    for (size_t i = 0; i < w->alias_count && e == ERR_OK; i++) {
        if (!holds(u->said.aliases, u->said.alias_count, w->aliases[i])) {
            e = check_alias(c, w->aliases[i], w->address, &other);
        }
    }
    return e;
}

// Whoever has the address, other than this one, and may not be moved aside. An alias of one's own
// may become one's name.
static enum err check_address(struct scim_call *c, struct span address, const struct scim_user *u)
{
    struct span *targets;
    account_id id;
    size_t n;
    bool left;
    enum err e = directory_id_by_name(c->admin.store, address, &id);

    if (e == ERR_OK && id != u->account.id) {
        e = is_left(c, address, &left);
        return e == ERR_OK && !left ? taken(c, "an account") : e;
    }
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = route_alias_get(c->admin.store, address, &c->arena, &targets, &n);
    if (e == ERR_OK && n == 1 && span_eq(targets[0], u->account.name) &&
        holds(u->said.aliases, u->said.alias_count, address)) {
        return ERR_OK;
    }
    return e == ERR_OK ? taken(c, "an alias or group") : e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- making it so -------------------------------------------------------------------------------

static enum err suspend(struct scim_call *c, struct span account, int64_t remove_at)
{
    bool takes_mail = conf_value_bool(c->admin.settings, SETTING_SCIM_KEEP_MAIL);
    json_t *args = json_pack("{s:o, s:b}", "account", text_json(account), "takes_mail", takes_mail);

    if (args && remove_at) {
        json_object_set_new(args, "remove_at", json_integer(remove_at));
    }
    return operate(c, "account suspend", args);
}

static enum err add_alias(struct scim_call *c, struct span alias, struct span address)
{
    struct span other;
    enum err e = check_alias(c, alias, address, &other);

    e = e == ERR_OK ? alias_operate(c, "alias add", alias, address) : e;
    return e == ERR_OK && other.n > 0 ? alias_operate(c, "alias remove", alias, other) : e;
}

// One that leads here no more is not ours to remove.
static enum err drop_alias(struct scim_call *c, struct span alias, struct span address)
{
    struct span *targets;
    size_t n;
    enum err e = route_alias_get(c->admin.store, alias, &c->arena, &targets, &n);

    if (e == ERR_NOT_FOUND || (e == ERR_OK && !holds(targets, n, address))) {
        return ERR_OK;
    }
    return e == ERR_OK ? alias_operate(c, "alias remove", alias, address) : e;
}

static enum err apply_aliases(struct scim_call *c, const struct scim_user *u,
                              const struct scim_wanted *w)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < w->alias_count && e == ERR_OK; i++) {
        e = add_alias(c, w->aliases[i], w->address);
    }
    for (size_t i = 0; i < u->said.alias_count && e == ERR_OK; i++) {
        bool is_old = !holds(w->aliases, w->alias_count, u->said.aliases[i]);

        // A new name has taken the place of the old one in all of them.
        e = is_old ? drop_alias(c, u->said.aliases[i], w->address) : ERR_OK;
    }
    return e;
}

static bool says_the_same(const struct provisioned *a, const struct provisioned *b)
{
    bool same = a->is_deleted == b->is_deleted && span_eq(a->external_id, b->external_id) &&
                span_eq(a->given, b->given) && span_eq(a->family, b->family) &&
                a->alias_count == b->alias_count;

    for (size_t i = 0; same && i < a->alias_count; i++) {
        same = span_eq(a->aliases[i], b->aliases[i]);
    }
    return same;
}

static enum err apply_said(struct scim_call *c, const struct scim_user *u,
                           const struct scim_wanted *w, account_id id, bool is_changed)
{
    struct actor by = actor_of(c);
    struct provisioned said = {.external_id = w->external_id,
                               .given = w->given,
                               .family = w->family,
                               .aliases = w->aliases,
                               .alias_count = w->alias_count};

    return is_changed || !says_the_same(&said, &u->said)
               ? provisioned_set(c->admin.store, id, &by, &said)
               : ERR_OK;
}

static enum err apply_password(struct scim_call *c, const struct scim_wanted *w)
{
    if (!w->password.p) {
        return ERR_OK;
    }
    return operate(c, "account passwd",
                   json_pack("{s:o, s:o}", "account", text_json(w->address), "password",
                             text_json(w->password)));
}

static enum err apply_name(struct scim_call *c, const struct scim_wanted *w)
{
    return operate(
        c, "account name",
        json_pack("{s:o, s:o}", "account", text_json(w->address), "name", text_json(w->display)));
}

// ---- the address of somebody deleted ------------------------------------------------------------

// "anna.removed-17@example.org": out of the way of who gets the address next (RFC 7644 section
// 3.6), with all its mail, until its time is over.
static enum err move_aside(struct scim_call *c, struct span address)
{
    struct span domain = address, local = span_split(&domain, '@');
    struct scim_user u;
    account_id id;
    char to[320];
    enum err e = directory_id_by_name(c->admin.store, address, &id);

    e = e == ERR_OK ? scim_user_load_any(c, id, &u) : e;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (!scim_user_is_deleted(&u)) {
        return taken(c, "an account");
    }
    for (size_t i = 0; i < u.said.alias_count && e == ERR_OK; i++) {
        e = drop_alias(c, u.said.aliases[i], address);
    }
    snprintf(to, sizeof(to), "%.*s.removed-%llu@%.*s", SPAN_ARG(span_first(local, 40)),
             (unsigned long long)id, SPAN_ARG(domain));
    return e == ERR_OK ? operate(c, "account rename",
                                 json_pack("{s:o, s:s}", "account", text_json(address), "to", to))
                       : e;
}

// ---- changing -----------------------------------------------------------------------------------

static enum err apply_rename(struct scim_call *c, const struct scim_user *u,
                             const struct scim_wanted *w)
{
    if (span_eq(u->account.name, w->address)) {
        return ERR_OK;
    }
    enum err e = move_aside(c, w->address);

    if (e == ERR_OK && holds(u->said.aliases, u->said.alias_count, w->address)) {
        e = drop_alias(c, w->address, u->account.name);
    }
    return e == ERR_OK ? operate(c, "account rename",
                                 json_pack("{s:o, s:o}", "account", text_json(u->account.name),
                                           "to", text_json(w->address)))
                       : e;
}

static enum err update(struct scim_call *c, const struct scim_user *u, const struct scim_wanted *w)
{
    bool was_active = u->account.state == ACCOUNT_ACTIVE;
    bool is_renamed = !span_eq(u->account.name, w->address);
    bool is_named = !span_eq(u->account.display_name, w->display);
    enum err e = was_active && !w->is_active ? suspend(c, u->account.name, 0) : ERR_OK;

    e = e == ERR_OK ? apply_rename(c, u, w) : e;
    e = e == ERR_OK && is_named ? apply_name(c, w) : e;
    e = e == ERR_OK ? apply_password(c, w) : e;
    e = e == ERR_OK ? apply_aliases(c, u, w) : e;
    e = e == ERR_OK
            ? apply_said(c, u, w, u->account.id,
                         is_renamed || is_named || w->password.p || was_active != w->is_active)
            : e;
    return e == ERR_OK && !was_active && w->is_active ? operate_on(c, "account resume", w->address)
                                                      : e;
}

// From a resource as it is to be; takes the reference.
static enum err change_to(struct scim_call *c, const struct scim_user *u, json_t *resource)
{
    struct scim_wanted w;
    enum err e = check_may(c, "account suspend", u->account.name);

    e = e == ERR_OK ? scim_wanted_read(c, resource, u, &w) : e;
    e = e == ERR_OK ? check_address(c, w.address, u) : e;
    e = e == ERR_OK ? check_aliases(c, u, &w) : e;
    e = e == ERR_OK ? update(c, u, &w) : e;
    json_decref(resource); // the texts of `w` were in it
    return e == ERR_OK ? scim_answer_user(c, 200, u->account.id) : e;
}

// The user of the argument "id" as it is now, and the conditions of the request hold.
static enum err begin(struct scim_call *c, struct scim_user *u, json_t **out)
{
    char version[SCIM_VERSION_BYTES];
    enum err e = scim_user_arg(c, u);
    json_t *j = e == ERR_OK ? scim_user_json(c, u, version) : NULL;

    if (e != ERR_OK || !j) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    e = scim_check_match(c, version);
    if (e == ERR_OK) {
        *out = j;
    } else {
        json_decref(j);
    }
    return e;
}

enum err scim_replace(struct scim_call *c)
{
    struct scim_user u;
    json_t *resource;
    enum err e = begin(c, &u, &resource);

    if (e != ERR_OK) {
        return e;
    }
    e = scim_overlay(resource, scim_arg_json(c, "body"), &c->error);
    if (e != ERR_OK) {
        json_decref(resource);
        return e;
    }
    return change_to(c, &u, resource);
}

enum err scim_patch(struct scim_call *c)
{
    struct scim_user u;
    json_t *resource;
    enum err e = begin(c, &u, &resource);

    if (e != ERR_OK) {
        return e;
    }
    e = scim_patch_apply(resource, scim_arg_json(c, "operations"), &c->arena, &c->error);
    if (e != ERR_OK) {
        json_decref(resource);
        return e;
    }
    return change_to(c, &u, resource);
}

// ---- making -------------------------------------------------------------------------------------

static enum err add_account(struct scim_call *c, const struct scim_wanted *w, account_id *out)
{
    json_t *args =
        json_pack("{s:o, s:b}", "account", text_json(w->address), "no_password", !w->password.p);

    if (args && w->password.p) {
        json_object_set_new(args, "password", text_json(w->password));
    }
    enum err e = operate(c, "account add", args);

    return e == ERR_OK ? directory_id_by_name(c->admin.store, w->address, out) : e;
}

// What is half made is nobody's: the provider will ask again.
static enum err make(struct scim_call *c, const struct scim_user *nobody,
                     const struct scim_wanted *w)
{
    account_id id = 0;
    enum err e = move_aside(c, w->address);

    e = e == ERR_OK ? add_account(c, w, &id) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = w->is_active ? ERR_OK : suspend(c, w->address, 0);
    e = e == ERR_OK && w->display.n > 0 ? apply_name(c, w) : e;
    e = e == ERR_OK ? apply_aliases(c, nobody, w) : e;
    e = e == ERR_OK ? apply_said(c, nobody, w, id, true) : e;
    e = e == ERR_OK ? scim_answer_user(c, 201, id) : e;
    if (e != ERR_OK) {
        struct scim_error why = c->error;

        for (size_t i = 0; i < w->alias_count; i++) {
            drop_alias(c, w->aliases[i], w->address);
        }
        if (operate_on(c, "account remove", w->address) != ERR_OK) {
            log_warn("%s was made by the provisioning token %s, but not wholly; remove it or ask "
                     "the identity provider to write it again",
                     log_text(w->address).s, log_text(c->token.name).s);
        }
        c->error = why;
    }
    return e;
}

// The same person again, by the provider's own id: the account comes back with its mail.
static enum err revive(struct scim_call *c, const struct scim_user *u, const json_t *body)
{
    struct scim_wanted w;
    enum err e = check_may(c, "account suspend", u->account.name);

    e = e == ERR_OK ? scim_wanted_read(c, body, u, &w) : e;
    if (e != ERR_OK) {
        return e;
    }
    w.is_active = !json_is_false(scim_member(body, SPAN("active")));
    e = check_aliases(c, u, &w);
    // One that stays suspended does so without the end that was set for it.
    e = e == ERR_OK && !w.is_active ? suspend(c, u->account.name, 0) : e;
    e = e == ERR_OK ? update(c, u, &w) : e;
    return e == ERR_OK ? scim_answer_user(c, 201, u->account.id) : e;
}

static enum err find_deleted(struct scim_call *c, const struct scim_wanted *w, struct scim_user *u)
{
    account_id id;
    enum err e = directory_id_by_name(c->admin.store, w->address, &id);

    e = e == ERR_OK ? scim_user_load_any(c, id, u) : e;
    return e == ERR_OK && scim_user_is_deleted(u) && w->external_id.n > 0 &&
                   span_eq(u->said.external_id, w->external_id)
               ? ERR_OK
           : e == ERR_OK ? ERR_NOT_FOUND
                         : e;
}

enum err scim_create(struct scim_call *c)
{
    const struct scim_user nobody = {
        .account = {.name = SPAN(""), .display_name = SPAN("")},
        .said = {.external_id = SPAN(""), .given = SPAN(""), .family = SPAN("")}};
    const json_t *body = scim_arg_json(c, "body");
    struct scim_user deleted;
    struct scim_wanted w;
    enum err e = scim_wanted_read(c, body, &nobody, &w);

    e = e == ERR_OK ? check_may(c, "account add", w.address) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = find_deleted(c, &w, &deleted);
    if (e == ERR_OK) {
        return revive(c, &deleted, body);
    }
    e = e == ERR_NOT_FOUND ? check_address(c, w.address, &nobody) : e;
    e = e == ERR_OK ? check_aliases(c, &nobody, &w) : e;
    return e == ERR_OK ? make(c, &nobody, &w) : e;
}

// ---- deleting -----------------------------------------------------------------------------------

enum err scim_delete(struct scim_call *c)
{
    struct actor by = actor_of(c);
    struct scim_user u;
    json_t *resource;
    enum err e = begin(c, &u, &resource);

    if (e != ERR_OK) {
        return e;
    }
    json_decref(resource);
    int64_t after_s = conf_value_ms(c->admin.settings, SETTING_SCIM_REMOVE_AFTER) / 1000;

    e = check_may(c, "account suspend", u.account.name);
    e = e == ERR_OK ? suspend(c, u.account.name, clock_real_s() + after_s) : e;
    u.said.is_deleted = true;
    e = e == ERR_OK ? provisioned_set(c->admin.store, u.account.id, &by, &u.said) : e;
    c->status = 204;
    return e;
}
