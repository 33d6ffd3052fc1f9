// SPDX-License-Identifier: Apache-2.0
//
// account totp add, confirm, show, remove, recovery-codes.
#include <openssl/crypto.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "auth/second_factor.h"
#include "auth/totp.h"
#include "base/clock.h"
#include "store/access/device.h"

#include "base/banned.h"

#define CLOCK_STEPS 40 // how far off a clock may be to be recognised as the reason: 20 minutes

static enum err fail(struct admin_call *c, enum err e, const struct account *account,
                     const char *what)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return admin_fail(c, e,
                          "%.*s has no second factor. To set one up: mailkeep account totp add "
                          "%.*s",
                          SPAN_ARG(account->name), SPAN_ARG(account->name));
    case ERR_EXISTS:
        return admin_fail(c, e,
                          "%.*s has a second factor already. To start anew, remove it first: "
                          "mailkeep account totp remove %.*s",
                          SPAN_ARG(account->name), SPAN_ARG(account->name));
    default:
        return admin_fail_store(c, e, what);
    }
}

static bool count_device(void *arg, const struct device *d)
{
    *(json_int_t *)arg += d->state == DEVICE_ACTIVE;
    return true;
}

// The account, with how many devices go on without the password.
static json_t *result_of(struct admin_call *c, const struct account *account)
{
    json_int_t devices = 0;

    (void)device_list(c->admin->store, account->id, count_device, &devices); // for the reader only
    return json_pack("{s:o, s:I}", "account", admin_json_text(account->name), "devices", devices);
}

// ---- add ----------------------------------------------------------------------------------------

static json_t *text_of(const struct buf *b)
{
    return b->failed ? NULL : json_stringn(b->p, b->n);
}

static void add_secret(struct admin_call *c, const struct account *account, struct span secret,
                       json_t *into)
{
    struct buf text, uri;

    buf_init(&text, 64);
    buf_init(&uri, 4096);
    totp_secret_text(&text, secret);
    totp_uri(&uri, secret, account->name, c->admin->server);
    json_object_set_new(into, "secret", text_of(&text));
    json_object_set_new(into, "uri", text_of(&uri));
    OPENSSL_cleanse(text.p, text.n);
    OPENSSL_cleanse(uri.p, uri.n);
    buf_finish(&text);
    buf_finish(&uri);
}

enum err admin_totp_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    unsigned char secret[TOTP_SECRET_BYTES];
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    totp_secret_make(secret);
    e = totp_row_begin(c->admin->store, account.id, &by, secret);
    if (e == ERR_OK) {
        c->outcome->result = result_of(c, &account);
        add_secret(c, &account, span_of(secret, sizeof(secret)), c->outcome->result);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    return e == ERR_OK ? e : fail(c, e, &account, "Setting up the second factor");
}

// ---- recovery codes -----------------------------------------------------------------------------

struct recovery {
    unsigned char digests[RECOVERY_CODES][TOTP_ROW_DIGEST_BYTES];
    json_t *texts;
};

static enum err recovery_make(struct recovery *r)
{
    enum err e = ERR_OK;

    r->texts = json_array();
    for (unsigned i = 0; i < RECOVERY_CODES && e == ERR_OK; i++) {
        char text[RECOVERY_TEXT_BYTES];

        e = recovery_code_make(text, r->digests[i]);
        json_array_append_new(r->texts, json_stringn(text, sizeof(text)));
        OPENSSL_cleanse(text, sizeof(text));
    }
    return e;
}

static const unsigned char (*digests_of(const struct recovery *r))[TOTP_ROW_DIGEST_BYTES]
{
    return (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])r->digests;
}

enum err admin_totp_codes(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct recovery r = {0};
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    e = recovery_make(&r);
    e = e == ERR_OK
            ? totp_row_codes(c->admin->store, account.id, &by, digests_of(&r), RECOVERY_CODES)
            : e;
    if (e == ERR_OK) {
        c->outcome->result = result_of(c, &account);
        json_object_set(c->outcome->result, "recovery_codes", r.texts);
    }
    json_decref(r.texts);
    return e == ERR_OK ? e : fail(c, e, &account, "Making recovery codes");
}

// ---- confirm ------------------------------------------------------------------------------------

// A code of another time is most likely of a clock that is wrong.
static enum err fail_code(struct admin_call *c, const struct account *account,
                          const struct second_factor_code *typed)
{
    struct totp_row r;
    uint64_t step = 0;
    enum err e = totp_row_get(c->admin->store, account->id, &r);

    if (e == ERR_OK) {
        e = totp_find(span_of(r.secret, sizeof(r.secret)), typed->code, typed->now, CLOCK_STEPS, 0,
                      &step);
        OPENSSL_cleanse(&r, sizeof(r));
    }
    if (e != ERR_OK) {
        return admin_fail(c, ERR_DENIED,
                          "The code is wrong, so nothing has changed. Wait for the next one and "
                          "try again; it must be of the entry that was scanned last.");
    }
    int64_t off = (int64_t)step - (int64_t)totp_step(typed->now);
    uint64_t minutes = (uint64_t)(off < 0 ? -off : off) / 2;

    return admin_fail(c, ERR_DENIED,
                      "The code is one of about %llu minute%s %s, so the clock of the phone or of "
                      "this server is wrong. Let both set their time by themselves, and try again.",
                      (unsigned long long)(minutes ? minutes : 1), minutes > 1 ? "s" : "",
                      off < 0 ? "ago" : "from now");
}

static enum err confirm_with(struct admin_call *c, const struct account *account,
                             const struct totp_attempt *attempt)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    const struct admin *a = c->admin;
    struct recovery r = {0};
    enum err e = recovery_make(&r);

    e = e == ERR_OK
            ? totp_row_confirm(a->store, account->id, &by, attempt, digests_of(&r), RECOVERY_CODES)
            : e;
    if (e == ERR_OK) {
        unsigned ended =
            a->end_sessions ? a->end_sessions(a->arg, account->id, 0, ADMIN_SECOND_FACTOR) : 0;

        c->outcome->result = result_of(c, account);
        json_object_set(c->outcome->result, "recovery_codes", r.texts);
        json_object_set_new(c->outcome->result, "sessions_ended", json_integer(ended));
    }
    json_decref(r.texts);
    return e;
}

enum err admin_totp_confirm(struct admin_call *c)
{
    struct second_factor_code typed;
    struct totp_attempt attempt;
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    if (!second_factor_attempt(admin_text(c, "code"), clock_real_ms() / 1000, &typed, &attempt)) {
        return admin_fail(c, ERR_INVALID, "A code has six digits.");
    }
    e = confirm_with(c, &account, &attempt);
    if (e == ERR_DENIED) {
        return fail_code(c, &account, &typed);
    }
    return e == ERR_OK ? e : fail(c, e, &account, "Turning the second factor on");
}

// ---- show, remove -------------------------------------------------------------------------------

static void add_row(const struct totp_row *r, json_t *into)
{
    int64_t now = clock_real_ms() / 1000;
    json_int_t left = 0;

    for (unsigned i = 0; i < r->code_count; i++) {
        left += r->codes[i].used == 0;
    }
    json_object_set_new(into, "state", json_string(r->state == TOTP_ON ? "on" : "pending"));
    admin_json_time(into, "made", r->made);
    if (r->state != TOTP_ON) {
        return;
    }
    admin_json_time(into, "since", r->on_since);
    json_object_set_new(into, "recovery_codes_left", json_integer(left));
    json_object_set_new(into, "wrong_codes", json_integer((json_int_t)r->wrong));
    if (r->shut_until > now && r->shut_until - now <= TOTP_ROW_PAUSE_MAX_S) {
        admin_json_time(into, "shut_until", r->shut_until);
    }
}

// What may be seen of it; no secret.
enum err admin_totp_show(struct admin_call *c)
{
    struct account account;
    struct totp_row r;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    e = totp_row_get(c->admin->store, account.id, &r);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return admin_fail_store(c, e, "Looking up the second factor");
    }
    c->outcome->result = result_of(c, &account);
    if (e == ERR_OK) {
        add_row(&r, c->outcome->result);
        OPENSSL_cleanse(&r, sizeof(r));
    } else {
        json_object_set_new(c->outcome->result, "state", json_string("off"));
    }
    return ERR_OK;
}

enum err admin_totp_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    e = totp_row_remove(c->admin->store, account.id, &by);
    if (e != ERR_OK) {
        return fail(c, e, &account, "Removing the second factor");
    }
    unsigned ended = admin_factor_enforce(c, account.id, account.name);

    c->outcome->result = result_of(c, &account);
    json_object_set_new(c->outcome->result, "sessions_ended", json_integer(ended));
    return ERR_OK;
}
