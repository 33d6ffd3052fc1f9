// SPDX-License-Identifier: Apache-2.0
//
// account add, list, show, passwd, name, rename, suspend, resume, remove, quota.
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "auth/scram_credentials.h"
#include "base/clock.h"
#include "store/change.h"
#include "store/quota.h"

#include "base/banned.h"

#define REMOVE_AT_MAX 253402300799 // the end of the year 9999

static const char *state_name(enum account_state s)
{
    return s == ACCOUNT_ACTIVE ? "active" : s == ACCOUNT_SUSPENDED ? "suspended" : "removed";
}

static enum err account_done(struct admin_call *c, struct span name)
{
    c->outcome->result = json_pack("{s:o}", "account", admin_json_text(name));
    return ERR_OK;
}

// The change is made. Whoever signed in before it is cut off: with the old password it may be
// somebody who should not have had it. Devices have passwords of their own.
static enum err account_changed(struct admin_call *c, struct span name, account_id id,
                                enum admin_session_end why, unsigned ended)
{
    const struct admin *a = c->admin;

    uint32_t device = why == ADMIN_PASSWORD ? 0 : ADMIN_ALL_DEVICES;

    ended += a->end_sessions ? a->end_sessions(a->arg, id, device, why) : 0;
    c->outcome->result = json_pack("{s:o, s:I}", "account", admin_json_text(name), "sessions_ended",
                                   (json_int_t)ended);
    return ERR_OK;
}

// ---- passwords ----------------------------------------------------------------------------------

// A hash made elsewhere ("password_hash") is taken when it is of a kind we can check. Trying it
// with a password would say more, and take as long as a sign-in; a hash that is wrong elsewhere
// fits no password, which is no danger.
enum err admin_password_check(struct admin_call *c, struct span address, struct span *out_hash)
{
    struct span password = admin_text(c, "password"), hash = admin_text(c, "password_hash");

    *out_hash = (struct span){0};
    if (hash.n > 0) {
        const char *why;
        enum err e = password_hash_accept(hash, &c->admin->password_params, out_hash, &why);

        return e == ERR_OK ? e : admin_fail(c, e, "This password hash cannot be taken. %s", why);
    }
    if (!password.p) {
        return admin_bool(c, "no_password")
                   ? ERR_OK
                   : admin_fail(c, ERR_INVALID, "The account needs a password.");
    }
    const char *weak = password_weakness(password, address);

    if (weak && !(admin_bool(c, "allow_weak") && password.n > 0)) {
        return admin_fail(c, ERR_INVALID,
                          "This password is refused: %s. Choose another; several words in a row "
                          "are good and easy to remember.",
                          weak);
    }
    return ERR_OK;
}

// Makes the hash of the argument "password"; empty when there is to be none.
static enum err password_arg(struct admin_call *c, struct span address, struct buf *out)
{
    struct span hash;
    enum err e = admin_password_check(c, address, &hash);

    if (e != ERR_OK || hash.n > 0) {
        buf_put(out, hash);
        return e == ERR_OK ? buf_result(out) : e;
    }
    if (!admin_text(c, "password").p) {
        return ERR_OK;
    }
    e = password_hash(admin_text(c, "password"), &c->admin->password_params, out);
    return e == ERR_OK ? e : admin_fail_store(c, e, "Storing the password");
}

// Of a password that is known by its hash only no keys for SCRAM can be made.
static void scram_changed(struct admin_call *c, account_id account)
{
    bool wanted =
        span_eq(conf_value_choice_text(c->admin->settings, SETTING_AUTH_SCRAM), SPAN("all"));
    bool is_said = !admin_text(c, "password_hash").n;

    scram_password_changed(c->admin->store, account, is_said ? admin_text(c, "password") : SPAN(""),
                           wanted);
}

// The directory says nothing of an account with a password of its own, and so gives it no roles.
static enum err roles_of_another(struct admin_call *c, account_id account, struct span hash)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    bool changed;

    return password_is_directorys(hash)
               ? ERR_OK
               : role_directory_set(c->admin->store, &by, account, NULL, 0, &changed);
}

enum err admin_account_passwd(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct buf hash;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    buf_init(&hash, PASSWORD_HASH_MAX);
    e = password_arg(c, account.name, &hash);
    if (e == ERR_OK) {
        e = directory_account_set_password(c->admin->store, &by, account.id, buf_span(&hash));
        if (e == ERR_OK) {
            scram_changed(c, account.id);
            e = roles_of_another(c, account.id, buf_span(&hash));
        }
        e = e == ERR_OK ? account_changed(c, account.name, account.id, ADMIN_PASSWORD, 0)
                        : admin_fail_store(c, e, "Setting the password");
    }
    buf_finish(&hash);
    return e;
}

// ---- quota --------------------------------------------------------------------------------------

// A limit of the arguments: a number, null or "none" for no limit, `fallback` when not said.
static enum err limit_arg(struct admin_call *c, const char *name, uint64_t fallback, uint64_t *out)
{
    const json_t *v = json_object_get(c->args, name);

    if (!v) {
        *out = fallback;
    } else if (json_is_null(v)) {
        *out = UINT64_MAX;
    } else if (!admin_number(c, name, out) || *out == 0) {
        return admin_fail(c, ERR_INVALID, "A quota is a number above 0, or \"none\".");
    }
    return ERR_OK;
}

enum err admin_account_quota(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    uint64_t bytes, messages;
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        e = limit_arg(c, "bytes", account.quota_bytes_max, &bytes);
    }
    if (e == ERR_OK) {
        e = limit_arg(c, "messages", account.quota_messages_max, &messages);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = quota_set(c->admin->store, account.id, &by, bytes, messages);
    return e == ERR_OK ? account_done(c, account.name)
                       : admin_fail_store(c, e, "Setting the quota");
}

// ---- add ----------------------------------------------------------------------------------------

static enum err account_added(struct admin_call *c, enum err e, struct span name, account_id id,
                              uint64_t bytes, uint64_t messages)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain = span_skip(name, span_find_byte(name, '@') + 1);

    switch (e) {
    case ERR_OK:
        scram_changed(c, id);
        e = quota_set(c->admin->store, id, &by, bytes, messages);
        return e == ERR_OK ? account_done(c, name) : admin_fail_store(c, e, "Setting the quota");
    case ERR_EXISTS:
        return admin_fail(c, e,
                          "The account \"%.*s\" is there already. To change its password: mailkeep "
                          "account passwd %.*s",
                          SPAN_ARG(name), SPAN_ARG(name));
    case ERR_NOT_FOUND:
        return admin_fail(c, e,
                          "There is no domain \"%.*s\" here. Add it first: mailkeep domain add "
                          "%.*s",
                          SPAN_ARG(domain), SPAN_ARG(domain));
    default:
        return admin_fail_store(c, e, "Adding the account");
    }
}

static bool stop_at_match(void *arg, struct span domain, uint64_t accounts)
{
    struct span *wanted = arg;

    (void)accounts;
    if (span_eq(*wanted, domain)) {
        wanted->p = NULL;
    }
    return wanted->p;
}

// Before the slow hash.
enum err admin_account_free(struct admin_call *c, struct span name)
{
    struct span domain = span_skip(name, span_find_byte(name, '@') + 1);
    struct account there;
    enum err e = directory_account_by_name(c->admin->store, name, &c->arena, &there);

    if (e == ERR_OK) {
        return account_added(c, ERR_EXISTS, name, 0, 0, 0);
    }
    if (e == ERR_NOT_FOUND) {
        e = directory_domain_list(c->admin->store, stop_at_match, &domain);
        if (e == ERR_OK && domain.p) {
            return account_added(c, ERR_NOT_FOUND, name, 0, 0, 0);
        }
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Adding the account");
}

enum err admin_account_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    uint64_t bytes, messages;
    struct span name;
    struct buf hash;
    account_id id = 0;
    enum err e = admin_address(c, "account", &name);

    if (e == ERR_OK) {
        e = limit_arg(c, "bytes", c->admin->quota_bytes, &bytes);
    }
    if (e == ERR_OK) {
        e = limit_arg(c, "messages", c->admin->quota_messages, &messages);
    }
    if (e == ERR_OK) {
        e = admin_account_free(c, name);
    }
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&hash, PASSWORD_HASH_MAX);
    e = password_arg(c, name, &hash);
    if (e == ERR_OK) {
        e = directory_account_add(c->admin->store, &by, name, buf_span(&hash),
                                  !admin_bool(c, "bare"), &id);
        e = account_added(c, e, name, id, bytes, messages);
    }
    buf_finish(&hash);
    return e;
}

// Many accounts in one conversation: the asker sends the arguments of "account add" one after the
// other, and gets {"account":..} or {"account":..,"error":..} for each.
enum err admin_account_batch(struct admin_call *c)
{
    json_t *own = c->args;
    json_int_t added = 0, failed = 0;
    enum admin_record_type type;
    struct span text;
    enum err e;

    while ((e = admin_receive(c, &type, &text)) == ERR_OK) {
        json_t *item = json_loadb(text.p, text.n, 0, NULL);
        enum err done = ERR_INVALID;

        if (json_is_object(item)) {
            c->args = item;
            done = admin_allowed_named(c, "account add");
            done = done == ERR_OK ? admin_account_add(c) : done;
            c->args = own;
            json_decref(c->outcome->result);
            c->outcome->result = NULL;
        }
        added += done == ERR_OK;
        failed += done != ERR_OK;
        json_t *answer = json_pack("{s:O*}", "account", json_object_get(item, "account"));

        if (done != ERR_OK) {
            json_object_set_new(answer, "error", json_string(c->outcome->text));
        }
        c->outcome->text[0] = '\0';
        json_decref(item);
        arena_reset(&c->arena);
        e = admin_item(c, answer);
        if (e == ERR_OK) {
            e = admin_flush(c);
        }
        if (e != ERR_OK || admin_is_cancelled(c)) {
            return e == ERR_OK ? ERR_UNAVAILABLE : e;
        }
    }
    c->outcome->result = json_pack("{s:I, s:I}", "added", added, "failed", failed);
    return e == ERR_EOF ? ERR_OK : e;
}

// ---- list and show ------------------------------------------------------------------------------

static json_t *account_json(const struct account *account)
{
    json_t *j = json_pack("{s:o, s:s, s:b}", "account", admin_json_text(account->name), "state",
                          state_name(account->state), "has_password", account->password_hash.n > 0);

    if (account->display_name.n > 0) {
        json_object_set_new(j, "name", admin_json_text(account->display_name));
    }
    admin_json_time(j, "created", account->created);
    if (j && account->state == ACCOUNT_SUSPENDED) {
        json_object_set_new(j, "takes_mail", json_boolean(account->suspension.takes_mail));
        json_object_set_new(j, "team", json_boolean(account->suspension.is_team));
        if (account->suspension.remove_at) {
            admin_json_time(j, "remove_at", account->suspension.remove_at);
        }
    }
    return j;
}

// What the account's own data says: sizes, limits, how often it changed.
static enum err account_json_sizes(struct admin_call *c, account_id id, json_t *j)
{
    const struct mailbox *const *boxes;
    struct view *v;
    struct quota q;
    size_t count = 0;
    enum err e = view_open(c->admin->store, id, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = view_quota(v, &q);
    if (e == ERR_OK) {
        e = view_mailboxes(v, &boxes, &count);
    }
    if (e == ERR_OK) {
        json_object_set_new(j, "mailboxes", json_integer((json_int_t)count));
        json_object_set_new(j, "messages", json_integer((json_int_t)q.messages));
        json_object_set_new(j, "messages_max", admin_json_limit(q.messages_max));
        json_object_set_new(j, "bytes", json_integer((json_int_t)q.bytes));
        json_object_set_new(j, "bytes_max", admin_json_limit(q.bytes_max));
        json_object_set_new(j, "changes", json_integer((json_int_t)view_modseq(v)));
    }
    view_close(v);
    return e;
}

struct account_collector {
    struct admin_call *call;
    struct account *items; // names live in the call's arena
    size_t count, cap;
    bool failed;
};

static bool account_collect(void *arg, const struct account *account)
{
    struct account_collector *l = arg;

    if (!admin_sees(l->call, account->name)) {
        return true;
    }
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct account *items = realloc(l->items, cap * sizeof(*items));

        if (!items) {
            l->failed = true;
            return false;
        }
        l->items = items;
        l->cap = cap;
    }
    struct account copy = *account;

    copy.name = arena_dup(&l->call->arena, account->name);
    copy.display_name = arena_dup(&l->call->arena, account->display_name);
    l->failed = !copy.name.p;
    if (!l->failed) {
        l->items[l->count++] = copy;
    }
    return !l->failed;
}

enum err admin_account_list(struct admin_call *c)
{
    struct account_collector l = {.call = c};
    struct span domain = admin_text(c, "domain");
    enum err e =
        directory_account_list(c->admin->store, domain.p ? domain : SPAN(""), account_collect, &l);

    if (e == ERR_OK && l.failed) {
        e = ERR_NOMEM;
    }
    for (size_t i = 0; i < l.count && e == ERR_OK; i++) {
        json_t *j = account_json(&l.items[i]);

        e = j ? account_json_sizes(c, l.items[i].id, j) : ERR_NOMEM;
        // An account removed since the list was made is not there any more; nothing is wrong.
        if (e == ERR_OK) {
            e = admin_item(c, j);
        } else {
            json_decref(j);
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
        }
    }
    c->outcome->result = json_pack("{s:I}", "accounts", (json_int_t)l.count);
    free(l.items);
    return e;
}

enum err admin_account_show(struct admin_call *c)
{
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    json_t *j = account_json(&account);

    e = j ? account_json_sizes(c, account.id, j) : ERR_NOMEM;
    if (e != ERR_OK) {
        json_decref(j);
        return admin_fail_store(c, e, "Reading the account");
    }
    admin_json_forwarding(c, account.id, j);
    admin_json_roles(c, account.id, j);
    json_object_set_new(j, "id", json_integer((json_int_t)account.id));
    c->outcome->result = j;
    return ERR_OK;
}

// ---- changing -----------------------------------------------------------------------------------

// What people call the one it belongs to; empty: nothing.
enum err admin_account_name(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_set_display_name(c->admin->store, &by, account.id, admin_text(c, "name"));
    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return admin_fail(c, e, "A name is one line of up to %d bytes.", DISPLAY_NAME_BYTES_MAX);
    }
    return e == ERR_OK ? account_done(c, account.name)
                       : admin_fail_store(c, e, "Changing the account");
}

enum err admin_account_rename(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct span to;
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        e = admin_address(c, "to", &to);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_rename(c->admin->store, &by, account.id, to);
    if (e == ERR_OK) {
        admin_factor_enforce(c, account.id, to); // the domain may be another one
        return account_done(c, to);
    }
    return e == ERR_EXISTS || e == ERR_NOT_FOUND ? account_added(c, e, to, 0, 0, 0)
                                                 : admin_fail_store(c, e, "Renaming the account");
}

// Mail is refused, or arrives ("takes_mail"), or arrives for a team that sends as it ("team");
// removed at a time ("remove_at", seconds since 1970), or never.
enum err admin_account_suspend(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    bool is_team = admin_bool(c, "team");
    struct account_suspension how = {.takes_mail = is_team || admin_bool(c, "takes_mail"),
                                     .is_team = is_team};
    struct account account;
    uint64_t at = 0;
    enum err e = admin_account(c, &account);

    if (e == ERR_OK && json_object_get(c->args, "remove_at") &&
        (!admin_number(c, "remove_at", &at) || (int64_t)at <= clock_real_s() ||
         at > REMOVE_AT_MAX)) {
        return admin_fail(c, ERR_INVALID, "An account is removed at a time that is to come.");
    }
    how.remove_at = (int64_t)at;
    if (e == ERR_OK && is_team && at) {
        return admin_fail(c, ERR_INVALID, "A team's account is not removed by itself.");
    }
    if (e == ERR_OK) {
        e = directory_account_suspend(c->admin->store, &by, account.id, &how);
        e = e == ERR_OK ? e : admin_fail_store(c, e, "Suspending the account");
    }
    return e == ERR_OK ? account_changed(c, account.name, account.id, ADMIN_SUSPENDED, 0) : e;
}

enum err admin_account_resume(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_set_state(c->admin->store, &by, account.id, ACCOUNT_ACTIVE);
    return e == ERR_OK ? account_done(c, account.name)
                       : admin_fail_store(c, e, "Changing the account");
}

enum err admin_account_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    const struct admin *a = c->admin;

    // Before, because erasing takes a while; once more after, for who came in between.
    unsigned ended =
        a->end_sessions ? a->end_sessions(a->arg, account.id, ADMIN_ALL_DEVICES, ADMIN_REMOVED) : 0;

    e = directory_account_remove(a->store, &by, account.id);
    return e == ERR_OK ? account_changed(c, account.name, account.id, ADMIN_REMOVED, ended)
                       : admin_fail_store(c, e, "Removing the account");
}
