// SPDX-License-Identifier: Apache-2.0
//
// account import: many accounts as a list says they should be, one item a line of it. What is so
// already stays untouched, so that a list can be brought in again after a correction. A line is
// looked at as a whole before anything of it is done.
#include "admin/admin_internal.h"
#include "store/access/device.h"
#include "store/quota.h"
#include "store/route.h"

#include "base/banned.h"

struct row {
    struct admin_call *call;
    bool is_trial, sets_passwords;
    json_t *item; // as it came
    json_t *did;  // what was done, or would be, in words
    json_t *answer;
    struct span address;
    bool is_there;
    struct account account; // when it is there
};

static void did(struct row *r, const char *words, struct span what)
{
    json_array_append_new(r->did, json_sprintf("%s%.*s", words, SPAN_ARG(what)));
}

// ---- one of the other operations ----------------------------------------------------------------

// With these arguments (the reference is taken), if the caller may. A result's reference is the
// caller's; NULL: not wanted.
static enum err run(struct row *r, const char *operation, admin_fn *fn, json_t *args,
                    json_t **out_result)
{
    struct admin_call *c = r->call;
    json_t *own = c->args;

    c->args = args;
    enum err e = args ? admin_allowed_named(c, operation) : ERR_NOMEM;

    if (e == ERR_OK && !r->is_trial) {
        e = fn(c);
    }
    if (out_result) {
        *out_result = json_incref(c->outcome->result);
    }
    json_decref(c->outcome->result);
    c->outcome->result = NULL;
    c->args = own;
    json_decref(args);
    return e;
}

static json_t *args_for(const struct row *r)
{
    return json_pack("{s:o}", "account", admin_json_text(r->address));
}

static void take(json_t *args, const char *name, const json_t *from)
{
    json_t *v = json_object_get(from, name);

    if (v) {
        json_object_set(args, name, v);
    }
}

// ---- looking at a row ---------------------------------------------------------------------------

static enum err check_limit(struct row *r, const char *name)
{
    const json_t *v = json_object_get(r->item, name);
    bool is_fine = !v || json_is_null(v) || (json_is_integer(v) && json_integer_value(v) > 0);

    return is_fine ? ERR_OK
                   : admin_fail(r->call, ERR_INVALID, "A quota is a number above 0, or \"none\".");
}

static enum err check_alias(struct row *r, struct span alias)
{
    struct admin_call *c = r->call;
    struct account there;
    json_t *own = c->args, *args = json_pack("{s:o}", "alias", admin_json_text(alias));
    struct span address;

    c->args = args;
    enum err e = args ? admin_address(c, "alias", &address) : ERR_NOMEM;

    e = e == ERR_OK ? admin_allowed_named(c, "alias add") : e;
    c->args = own;
    if (e == ERR_OK && span_eq(address, r->address)) {
        e = admin_fail(c, ERR_INVALID, "\"%.*s\" is the account itself.", SPAN_ARG(address));
    }
    if (e == ERR_OK) {
        e = directory_account_by_name(c->admin->store, address, &c->arena, &there);
        if (e == ERR_OK) {
            e = admin_fail(c, ERR_EXISTS, "There is an account \"%.*s\".", SPAN_ARG(address));
        } else {
            e = admin_account_free(c, address); // is its domain here?
        }
    }
    json_decref(args);
    return e;
}

static struct span alias_at(const struct row *r, size_t i)
{
    const json_t *v = json_array_get(json_object_get(r->item, "aliases"), i);

    return span_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static size_t alias_count(const struct row *r)
{
    return json_array_size(json_object_get(r->item, "aliases"));
}

// Nothing of it is done when something of it cannot be.
static enum err check(struct row *r)
{
    struct admin_call *c = r->call;
    struct span hash, device = admin_text(c, "device");
    bool has_password =
        json_object_get(r->item, "password") || json_object_get(r->item, "password_hash");
    enum err e = admin_address(c, "account", &r->address);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_by_name(c->admin->store, r->address, &c->arena, &r->account);
    r->is_there = e == ERR_OK;
    if (!r->is_there) {
        e = e == ERR_NOT_FOUND ? admin_account_free(c, r->address)
                               : admin_fail_store(c, e, "Looking up the account");
    }
    if (e == ERR_OK && has_password) {
        e = admin_password_check(c, r->address, &hash);
    }
    e = e == ERR_OK ? check_limit(r, "bytes") : e;
    e = e == ERR_OK ? check_limit(r, "messages") : e;
    if (e == ERR_OK && device.p && !device_name_is_valid(device)) {
        e = admin_fail(c, ERR_INVALID, "A device needs a name of up to %d bytes, like \"phone\".",
                       DEVICE_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < alias_count(r) && e == ERR_OK; i++) {
        e = check_alias(r, alias_at(r, i));
    }
    return e;
}

// ---- making it so -------------------------------------------------------------------------------

static enum err add(struct row *r)
{
    json_t *args = args_for(r);

    take(args, "password", r->item);
    take(args, "password_hash", r->item);
    take(args, "allow_weak", r->item);
    take(args, "bytes", r->item);
    take(args, "messages", r->item);
    json_object_set_new(args, "no_password",
                        json_boolean(!json_object_get(args, "password") &&
                                     !json_object_get(args, "password_hash")));
    enum err e = run(r, "account add", admin_account_add, args, NULL);

    if (e == ERR_OK) {
        did(r, "added", SPAN(""));
    }
    return e;
}

// The passwords of people who are here already are theirs, unless the list is said to set them.
static enum err set_password(struct row *r)
{
    struct admin_call *c = r->call;
    struct span password = admin_text(c, "password"), hash = {0};
    enum err e = ERR_OK;

    if (!r->sets_passwords || (!password.p && !admin_text(c, "password_hash").p)) {
        return ERR_OK;
    }
    e = admin_password_check(c, r->address, &hash);
    if (e != ERR_OK || (hash.n > 0 && span_eq(hash, r->account.password_hash)) ||
        (hash.n == 0 && r->account.password_hash.n > 0 &&
         password_verify(password, r->account.password_hash) == ERR_OK)) {
        return e; // it is that one
    }
    json_t *args = args_for(r);

    take(args, "password", r->item);
    take(args, "password_hash", r->item);
    take(args, "allow_weak", r->item);
    e = run(r, "account passwd", admin_account_passwd, args, NULL);
    if (e == ERR_OK) {
        did(r, "password set", SPAN(""));
    }
    return e;
}

static bool differs(const json_t *wanted, uint64_t now)
{
    return wanted &&
           (json_is_null(wanted) ? UINT64_MAX : (uint64_t)json_integer_value(wanted)) != now;
}

static enum err set_quota(struct row *r)
{
    const struct account *a = &r->account;

    if (!differs(json_object_get(r->item, "bytes"), a->quota_bytes_max) &&
        !differs(json_object_get(r->item, "messages"), a->quota_messages_max)) {
        return ERR_OK;
    }
    json_t *args = args_for(r);

    take(args, "bytes", r->item);
    take(args, "messages", r->item);
    enum err e = run(r, "account quota", admin_account_quota, args, NULL);

    if (e == ERR_OK) {
        did(r, "quota set", SPAN(""));
    }
    return e;
}

static enum err set_name(struct row *r)
{
    struct span name = admin_text(r->call, "name");

    if (!name.p || span_eq(name, r->is_there ? r->account.display_name : SPAN(""))) {
        return ERR_OK;
    }
    json_t *args = args_for(r);

    take(args, "name", r->item);
    enum err e = run(r, "account name", admin_account_name, args, NULL);

    if (e == ERR_OK) {
        did(r, "name set", SPAN(""));
    }
    return e;
}

static enum err add_alias(struct row *r, struct span given)
{
    struct admin_call *c = r->call;
    struct span *now, alias;
    size_t n;
    json_t *own = c->args;
    json_t *args = json_pack("{s:o, s:[o]}", "alias", admin_json_text(given), "targets",
                             admin_json_text(r->address));

    c->args = args;
    enum err e = args ? admin_address(c, "alias", &alias) : ERR_NOMEM;

    c->args = own;
    e = e == ERR_OK ? route_alias_get(c->admin->store, alias, &c->arena, &now, &n) : e;
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        if (span_eq(now[i], r->address)) {
            json_decref(args);
            return ERR_OK;
        }
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        json_decref(args);
        return c->outcome->text[0] ? e : admin_fail_store(c, e, "Looking up the alias");
    }
    e = run(r, "alias add", admin_alias_add, args, NULL);
    if (e == ERR_OK) {
        did(r, "alias ", given);
    }
    return e;
}

// A device that is there keeps its app password, which nobody can be shown again.
static enum err add_device(struct row *r)
{
    struct admin_call *c = r->call;
    struct span name = admin_text(c, "device");
    json_t *result = NULL;
    struct device there;
    enum err e = ERR_NOT_FOUND;

    if (!name.p) {
        return ERR_OK;
    }
    if (r->is_there) {
        e = device_by_name(c->admin->store, r->account.id, name, &c->arena, &there);
    }
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? e : admin_fail_store(c, e, "Looking up the device");
    }
    json_t *args = args_for(r);

    take(args, "device", r->item);
    e = run(r, "account device add", admin_device_add, args, &result);
    if (e == ERR_OK) {
        did(r, "device ", name);
        take(r->answer, "device", r->item);
        if (result) {
            json_object_set(r->answer, "password", json_object_get(result, "password"));
        }
    }
    json_decref(result);
    return e;
}

static enum err set_state(struct row *r)
{
    const json_t *wanted = json_object_get(r->item, "suspended");
    bool is_now = r->is_there && r->account.state == ACCOUNT_SUSPENDED;

    if (!wanted || json_is_true(wanted) == is_now) {
        return ERR_OK;
    }
    enum err e = is_now ? run(r, "account resume", admin_account_resume, args_for(r), NULL)
                        : run(r, "account suspend", admin_account_suspend, args_for(r), NULL);

    if (e == ERR_OK) {
        did(r, is_now ? "active again" : "suspended", SPAN(""));
    }
    return e;
}

// What was done before something failed stays done, and is found so the next time.
static enum err make_so(struct row *r)
{
    enum err e = r->is_there ? set_password(r) : add(r);

    e = e == ERR_OK && r->is_there ? set_quota(r) : e;
    e = e == ERR_OK ? set_name(r) : e;
    for (size_t i = 0; i < alias_count(r) && e == ERR_OK; i++) {
        e = add_alias(r, alias_at(r, i));
    }
    e = e == ERR_OK ? add_device(r) : e;
    return e == ERR_OK ? set_state(r) : e;
}

// ---- all of them --------------------------------------------------------------------------------

struct counts {
    json_int_t added, changed, unchanged, failed;
};

static enum err import_row(struct admin_call *c, json_t *item, struct counts *n)
{
    struct row r = {.call = c,
                    .is_trial = admin_bool(c, "dry_run"),
                    .sets_passwords = admin_bool(c, "passwords"),
                    .item = item,
                    .did = json_array(),
                    .answer = json_object()};
    json_t *own = c->args;
    enum err e = json_is_object(item) ? ERR_OK : ERR_INVALID;

    c->args = item;
    e = e == ERR_OK ? check(&r) : admin_fail(c, e, "A line of the list is an object.");
    e = e == ERR_OK ? make_so(&r) : e;
    c->args = own;
    n->failed += e != ERR_OK;
    n->added += e == ERR_OK && !r.is_there;
    n->changed += e == ERR_OK && r.is_there && json_array_size(r.did) > 0;
    n->unchanged += e == ERR_OK && r.is_there && json_array_size(r.did) == 0;
    take(r.answer, "line", item);
    take(r.answer, "account", item);
    if (r.address.n) {
        json_object_set_new(r.answer, "account", admin_json_text(r.address));
    }
    json_object_set_new(r.answer, "did", r.did);
    if (e != ERR_OK) {
        json_object_set_new(r.answer, "error", json_string(c->outcome->text));
        c->outcome->text[0] = '\0';
    }
    arena_reset(&c->arena);
    e = admin_item(c, r.answer);
    return e == ERR_OK ? admin_flush(c) : e;
}

enum err admin_account_import(struct admin_call *c)
{
    struct counts n = {0};
    enum admin_record_type type;
    struct span text;
    enum err e;

    while ((e = admin_receive(c, &type, &text)) == ERR_OK) {
        json_t *item = json_loadb(text.p, text.n, 0, NULL);

        e = import_row(c, item, &n);
        json_decref(item);
        if (e != ERR_OK || admin_is_cancelled(c)) {
            return e == ERR_OK ? ERR_UNAVAILABLE : e;
        }
    }
    c->outcome->result = json_pack("{s:I, s:I, s:I, s:I}", "added", n.added, "changed", n.changed,
                                   "unchanged", n.unchanged, "failed", n.failed);
    return e == ERR_EOF ? ERR_OK : e;
}
