// SPDX-License-Identifier: Apache-2.0
//
// Who asks, and may they? The one check before an operation runs: the right that its row of
// admin_operations.c names, over what its argument names. Roles are read for each operation anew,
// so that one taken away counts from the next one on.
#include "admin/admin_internal.h"
#include "auth/second_factor.h"
#include "base/log.h"
#include "base/utf8.h"

#include "base/banned.h"

#define REASON_BYTES_MAX 200
#define CALLER_NOW_BYTES (1u << 20)

const struct admin_caller admin_local_root = {.is_local_root = true, .address = {"", 0}};

// With one of these arguments an operation takes something else, or something besides.
static const struct {
    const char *operation, *arg;
    bool is_besides; // with the argument said in any way; otherwise with "true", and instead
    struct admin_need need;
} cases[] = {
    {"log", "server", false, {RIGHT_HISTORY, ON_SERVER, NULL}},
    {"sieve list", "global", false, {RIGHT_SERVER, ON_SERVER, NULL}},
    {"sieve show", "global", false, {RIGHT_SERVER, ON_SERVER, NULL}},
    {"sieve put", "global", false, {RIGHT_SERVER, ON_SERVER, NULL}},
    {"sieve activate", "global", false, {RIGHT_SERVER, ON_SERVER, NULL}},
    {"sieve remove", "global", false, {RIGHT_SERVER, ON_SERVER, NULL}},
    {"sieve run", "apply", true, {RIGHT_CHANGE_MAIL, ON_ACCOUNT, "account"}},
    {"role can", "account", true, {RIGHT_SEE, ON_ACCOUNT, "account"}},
    {"role show", "account", true, {RIGHT_SEE, ON_ACCOUNT, "account"}},
    {"account hand-over", "addresses", true, {RIGHT_ADDRESSES, ON_ACCOUNT, "account"}},
    {"account rename", "to", true, {RIGHT_ACCOUNTS, ON_ADDRESS, "to"}},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

// ---- who asks -----------------------------------------------------------------------------------

static enum err caller_is(struct admin_call *c, const struct account *account, bool is_tried,
                          struct span from)
{
    enum err e = role_holder_get(c->admin->store, account->id, &c->caller_arena, &c->roles);

    c->caller = account->id;
    c->caller_name = arena_dup(&c->caller_arena, account->name);
    if (e != ERR_OK || !c->caller_name.p) {
        return admin_fail_store(c, e == ERR_OK ? ERR_NOMEM : e, "Looking up the roles");
    }
    snprintf(c->origin, sizeof(c->origin), "%s%.*s%s%.*s", is_tried ? "root as " : "",
             SPAN_ARG(c->caller_name), from.n > 0 ? ", " : "", SPAN_ARG(from));
    if (!auth_account_is_open(account)) {
        return admin_fail(c, ERR_DENIED, "%.*s is %s.", SPAN_ARG(c->caller_name),
                          account->state == ACCOUNT_ACTIVE ? "no longer in the directory"
                                                           : "suspended");
    }
    if (c->roles.count == 0) {
        return admin_fail(c, ERR_DENIED,
                          "%.*s is no administrator. To make it one: mailkeep role grant %.*s ROLE",
                          SPAN_ARG(c->caller_name), SPAN_ARG(c->caller_name));
    }
    return ERR_OK;
}

// An app password is typed nowhere and still only one thing that somebody has: whoever made it may
// have had no more than the account's password. So the account has a second factor, at this moment.
static enum err check_factor(struct admin_call *c)
{
    bool is_on = false;
    enum err e = second_factor_is_on(c->admin->store, c->caller, &is_on);

    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking up the second factor");
    }
    return is_on
               ? ERR_OK
               : admin_fail(c, ERR_DENIED,
                            "An administrator must have a second factor, and %.*s has none, so its "
                            "app passwords do not count here. To set it up: mailkeep account totp "
                            "add %.*s",
                            SPAN_ARG(c->caller_name), SPAN_ARG(c->caller_name));
}

// Local root says whose roles count.
static enum err caller_as(struct admin_call *c)
{
    struct account account;
    struct span name;
    enum err e = admin_address(c, "as", &name);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_by_name(c->admin->store, name, &c->caller_arena, &account);
    if (e == ERR_NOT_FOUND) {
        return admin_no_account(c, name);
    }
    return e == ERR_OK ? caller_is(c, &account, true, SPAN(""))
                       : admin_fail_store(c, e, "Looking up the account");
}

// No account, so no roles that somebody could give or take: these rights over these domains.
static enum err caller_provisions(struct admin_call *c, const struct admin_provisioner *p,
                                  struct span from)
{
    struct role_grant *g = arena_zalloc(&c->caller_arena, 1, sizeof(*g));
    struct buf name;

    if (!g || p->domain_count == 0) {
        return admin_fail_store(c, g ? ERR_DENIED : ERR_NOMEM, "Looking up the token");
    }
    *g = (struct role_grant){.role = SPAN("provisioning"),
                             .rights =
                                 RIGHT_SEE | RIGHT_PASSWORDS | RIGHT_ACCOUNTS | RIGHT_ADDRESSES,
                             .domains = p->domains,
                             .domain_count = p->domain_count};
    c->roles = (struct role_holder){.grants = g, .count = 1};
    buf_init(&name, 128);
    buf_printf(&name, "the provisioning token %.*s", SPAN_ARG(p->name));
    c->caller_name = arena_dup(&c->caller_arena, buf_span(&name));
    buf_finish(&name);
    if (!c->caller_name.p) {
        return admin_fail_store(c, ERR_NOMEM, "Looking up the token");
    }
    snprintf(c->origin, sizeof(c->origin), "%.*s%s%.*s", SPAN_ARG(c->caller_name),
             from.n > 0 ? ", " : "", SPAN_ARG(from));
    return ERR_OK;
}

enum err admin_caller_set(struct admin_call *c, const struct admin_caller *by)
{
    bool as = json_object_get(c->args, "as");
    struct account account;

    c->by = by;
    if (by->is_local_root && !as) {
        c->may_everything = true;
        snprintf(c->origin, sizeof(c->origin), "%.*s", SPAN_ARG(by->address));
        return ERR_OK;
    }
    if (by->is_local_root) {
        return caller_as(c);
    }
    if (as) {
        return admin_fail(c, ERR_DENIED, "Only root on the server itself may act as another.");
    }
    if (by->provisioner) {
        return caller_provisions(c, by->provisioner, by->address);
    }
    if (by->proof == ADMIN_BY_PASSWORD) {
        return admin_fail(
            c, ERR_DENIED,
            "A password alone is not enough for an administrator. Set up a second factor (mailkeep "
            "account totp add ADDRESS), and use an app password for web and API: mailkeep account "
            "device add ADDRESS NAME --for web");
    }
    c->wants_factor = true;
    c->only_looks = by->only_looks;
    enum err e = directory_account_by_id(c->admin->store, by->account, &c->caller_arena, &account);

    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, ERR_DENIED, "The account that asks is not there any more.");
    }
    e = e == ERR_OK ? caller_is(c, &account, false, by->address)
                    : admin_fail_store(c, e, "Looking up the account");
    return e == ERR_OK ? check_factor(c) : e;
}

// ---- may they -----------------------------------------------------------------------------------

static struct span domain_of(struct span name)
{
    size_t at = span_find_byte(name, '@');

    return at < name.n ? span_skip(name, at + 1) : name;
}

bool admin_sees_all(const struct admin_call *c)
{
    return c->may_everything || (c->right & ~role_rights_everywhere(&c->roles)) == 0;
}

bool admin_sees(const struct admin_call *c, struct span domain_or_address)
{
    return admin_sees_all(c) ||
           (c->right & ~role_rights_over(&c->roles, domain_of(domain_or_address))) == 0;
}

// "hilde@example.org may not do this: it takes the right accounts over example.net, ...".
static enum err denied(struct admin_call *c, const char *operation, uint32_t missing,
                       const char *over, struct span domain)
{
    char rights[160] = "";
    struct buf b = {.p = rights, .cap = sizeof(rights), .max = sizeof(rights)};

    for (unsigned i = 0; i < ROLE_RIGHTS; i++) {
        if (missing & (1u << i)) {
            buf_printf(&b, "%s%s", b.n > 0 ? " and " : "", role_right_name(i));
        }
    }
    log_info("%s was denied to %s: no right %.*s over %s%s", operation, log_text(c->caller_name).s,
             SPAN_ARG(buf_span(&b)), over, log_text(domain).s);
    return admin_fail(
        c, ERR_DENIED,
        "%.*s may not do this: \"%s\" takes the right %.*s over %s%.*s, which none of "
        "its roles gives. Its roles: mailkeep role show %.*s",
        SPAN_ARG(c->caller_name), operation, SPAN_ARG(buf_span(&b)), over, SPAN_ARG(domain),
        SPAN_ARG(c->caller_name));
}

// Nobody changes an account that may do more than they.
static enum err check_climb(struct admin_call *c, const char *operation, struct span name)
{
    struct role_holder target;
    account_id id;
    enum err e = directory_id_by_name(c->admin->store, name, &id);

    if (e == ERR_NOT_FOUND) {
        return ERR_OK; // the operation says so
    }
    e = e == ERR_OK ? role_holder_get(c->admin->store, id, &c->caller_arena, &target) : e;
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking up the roles");
    }
    if (role_reaches(&c->roles, &target, domain_of(name))) {
        return ERR_OK;
    }
    log_info("%s was denied to %s: %s has roles, too", operation, log_text(c->caller_name).s,
             log_text(name).s);
    return admin_fail(c, ERR_DENIED,
                      "%.*s may not do this to %.*s, who is an administrator with as many rights "
                      "or other ones. An owner may. Its roles: mailkeep role show %.*s",
                      SPAN_ARG(c->caller_name), SPAN_ARG(name), SPAN_ARG(name));
}

static enum err check_over(struct admin_call *c, const char *operation, uint32_t rights,
                           struct span domain)
{
    uint32_t missing = rights & ~role_rights_over(&c->roles, domain);

    return missing ? denied(c, operation, missing, "", domain) : ERR_OK;
}

static enum err check_everywhere(struct admin_call *c, const char *operation, uint32_t rights)
{
    uint32_t missing = rights & ~role_rights_everywhere(&c->roles);

    return missing ? denied(c, operation, missing, "all domains", SPAN("")) : ERR_OK;
}

static enum err check_anywhere(struct admin_call *c, const char *operation, uint32_t rights)
{
    uint32_t missing = rights & ~role_rights_anywhere(&c->roles);

    return missing ? denied(c, operation, missing, "any domain", SPAN("")) : ERR_OK;
}

static enum err check_name(struct admin_call *c, const char *operation,
                           const struct admin_need *need)
{
    struct span name;
    bool is_domain = need->on == ON_DOMAIN || need->on == ON_LIST;
    enum err e = is_domain ? admin_domain(c, need->arg, &name) : admin_address(c, need->arg, &name);

    e = e == ERR_OK ? check_over(c, operation, need->rights, domain_of(name)) : e;
    return e == ERR_OK && need->on == ON_ACCOUNT && (need->rights & ~ROLE_RIGHTS_LOOK)
               ? check_climb(c, operation, name)
               : e;
}

static enum err check_need(struct admin_call *c, const char *operation,
                           const struct admin_need *need)
{
    bool is_named = need->arg && admin_text(c, need->arg).n > 0;

    if (need->rights == 0) {
        return denied(c, operation, ROLE_RIGHTS_ALL, "all domains", SPAN("")); // never by the table
    }
    switch (need->on) {
    case ON_ANY:
        return check_anywhere(c, operation, need->rights);
    case ON_LIST:
        return is_named ? check_name(c, operation, need)
                        : check_anywhere(c, operation, need->rights);
    case ON_DOMAIN:
        return is_named ? check_name(c, operation, need)
                        : check_everywhere(c, operation, need->rights);
    case ON_ADDRESS:
    case ON_ACCOUNT:
        // Without a name there is nothing to do it to, and the operation says so.
        return is_named ? check_name(c, operation, need)
                        : check_anywhere(c, operation, need->rights);
    case ON_SELF:
        return role_rights_anywhere(&c->roles) & need->rights
                   ? ERR_OK
                   : denied(c, operation, need->rights, "any domain", SPAN(""));
    case ON_SERVER:
        break;
    }
    return check_everywhere(c, operation, need->rights);
}

// ---- other people's mail ------------------------------------------------------------------------

static bool is_reason(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return false;
        }
    }
    return s.n > 0 && s.n <= REASON_BYTES_MAX && utf8_is_valid(s);
}

enum err admin_note_reading(struct admin_call *c, account_id account, const char *operation)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span reason = span_trim(admin_text(c, "reason"));
    char words[REASON_BYTES_MAX + 100];
    struct buf b = {.p = words, .cap = sizeof(words), .max = sizeof(words)};

    if ((reason.n > 0 || !c->may_everything) && !is_reason(reason)) {
        return admin_fail(c, ERR_INVALID,
                          "Other people's mail is read for a reason, which its owner will see: say "
                          "it in one line of at most %d bytes (--reason).",
                          REASON_BYTES_MAX);
    }
    buf_printf(&b, "its mail is read (%s)", operation);
    if (reason.n > 0) {
        buf_printf(&b, ", because: %.*s", SPAN_ARG(reason));
    }
    enum err e = directory_account_note(c->admin->store, &by, account, buf_span(&b));

    // Root on the server saves mail also from a disk that takes no more.
    if (e != ERR_OK && c->may_everything) {
        log_warn("%s: that mail was read could not be written into the account's history: %s",
                 operation, err_name(e));
        return ERR_OK;
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Writing into the account's history");
}

// Before a byte of it is shown.
static enum err note_reading(struct admin_call *c, const char *operation)
{
    struct account account;
    enum err e = admin_account(c, &account);

    return e != ERR_OK || account.id == c->caller ? e
                                                  : admin_note_reading(c, account.id, operation);
}

// ---- the check ----------------------------------------------------------------------------------

static bool is_said(const json_t *v)
{
    return v && !json_is_null(v) && !json_is_false(v);
}

enum err admin_allowed(struct admin_call *c, const struct admin_operation *op)
{
    const struct admin_need *need = &op->need;
    enum err e = ERR_OK;

    c->right = need->rights;
    if (c->may_everything) {
        return ERR_OK;
    }
    if (c->only_looks && need->on != ON_SELF && (need->rights & ~ROLE_RIGHTS_LOOK)) {
        return admin_fail(c, ERR_DENIED,
                          "This app password is for reading only, and \"%s\" takes more.",
                          op->name);
    }
    for (size_t i = 0; i < CASES && e == ERR_OK; i++) {
        if (strcmp(cases[i].operation, op->name) != 0) {
            continue;
        }
        if (!cases[i].is_besides && admin_bool(c, cases[i].arg)) {
            need = &cases[i].need;
        } else if (cases[i].is_besides && is_said(json_object_get(c->args, cases[i].arg))) {
            e = check_need(c, op->name, &cases[i].need);
        }
    }
    e = e == ERR_OK ? check_need(c, op->name, need) : e;
    return e == ERR_OK && need->on == ON_ACCOUNT && (need->rights & RIGHT_READ_MAIL)
               ? note_reading(c, op->name)
               : e;
}

enum err admin_allowed_named(struct admin_call *c, const char *operation)
{
    const struct admin_operation *op = admin_operations;

    while (op->name && strcmp(op->name, operation) != 0) {
        op++;
    }
    ASSERT(op->name);
    return admin_allowed(c, op);
}

// Of the roles it had when it began nothing may be missing: nobody works out which of them counted.
static enum err look_again(struct admin_call *c)
{
    struct account account;
    struct role_holder now;
    struct arena a;

    arena_init(&a, CALLER_NOW_BYTES);
    enum err e = directory_account_by_id(c->admin->store, c->caller, &a, &account);

    e = e == ERR_OK ? role_holder_get(c->admin->store, c->caller, &a, &now) : e;
    bool holds = e == ERR_OK && auth_account_is_open(&account) && role_covers(&now, &c->roles);

    arena_finish(&a);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return admin_fail_store(c, e, "Looking up the roles");
    }
    if (!holds) {
        return admin_fail(c, ERR_DENIED, "%.*s may not do this any more: a role was taken away.",
                          SPAN_ARG(c->caller_name));
    }
    e = c->by->still ? c->by->still(c->by->arg) : ERR_OK;
    if (e == ERR_DENIED) {
        return admin_fail(c, e, "This app password is not good any more.");
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking up the app password");
    }
    return c->wants_factor ? check_factor(c) : ERR_OK;
}

enum err admin_still_allowed(struct admin_call *c)
{
    if (c->may_everything || c->lost != ERR_OK) {
        return c->lost;
    }
    c->lost = look_again(c);
    if (c->lost != ERR_OK) {
        snprintf(c->lost_text, sizeof(c->lost_text), "%s", c->outcome->text);
        log_info("an operation of %s is ended: %s", log_text(c->caller_name).s, c->lost_text);
    }
    return c->lost;
}
