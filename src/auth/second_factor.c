// SPDX-License-Identifier: Apache-2.0
#include "auth/second_factor.h"

#include <openssl/crypto.h>

#include "auth/totp.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/directory/factor_policy.h"

#include "base/banned.h"

static const char app_password_only[] =
    "This account has a second factor: for mail programs use an app password";
static const char say_code[] = "This account has a second factor: give its code, too";

enum err second_factor_is_on(struct store *s, account_id account, bool *out)
{
    struct totp_row r;
    enum err e = totp_row_get(s, account, &r);

    if (e == ERR_OK) {
        *out = r.state == TOTP_ON;
        OPENSSL_cleanse(&r, sizeof(r));
    } else if (e == ERR_NOT_FOUND) {
        *out = false;
        e = ERR_OK;
    } else if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        log_error("the second factor of account %llu cannot be read: nobody gets in with its "
                  "password; see: mailkeep check",
                  (unsigned long long)account);
    }
    return e;
}

static enum err find(void *arg, struct span secret, uint64_t after, uint64_t *out_step)
{
    const struct second_factor_code *c = arg;

    return totp_find(secret, c->code, c->now, c->window, after, out_step);
}

bool second_factor_attempt(struct span typed, int64_t now, struct second_factor_code *c,
                           struct totp_attempt *out)
{
    *c = (struct second_factor_code){.now = now, .window = TOTP_WINDOW};
    *out = (struct totp_attempt){.find = find, .arg = c, .now = now};
    return totp_read(typed, &c->code);
}

static enum err answer(enum totp_answer a, const char **out_why)
{
    static const char *const whys[] = {
        [TOTP_WRONG] = "The code is wrong",
        [TOTP_REPLAYED] = "This code has been used; wait for the next one",
        [TOTP_SHUT] = "Too many wrong codes; wait a while, or use a recovery code",
    };

    if (a == TOTP_RIGHT || a == TOTP_RIGHT_RECOVERY) {
        return ERR_OK;
    }
    *out_why = whys[a];
    return ERR_DENIED;
}

enum err second_factor_check(struct store *s, account_id account, struct span code, int64_t now,
                             const char **out_why)
{
    unsigned char digest[TOTP_ROW_DIGEST_BYTES];
    struct second_factor_code typed;
    struct totp_attempt attempt;
    enum totp_answer got;
    enum err e = ERR_OK;

    if (!second_factor_attempt(code, now, &typed, &attempt)) {
        attempt = (struct totp_attempt){.recovery = digest, .now = now};
        e = recovery_code_read(code, digest);
    }
    if (e == ERR_INVALID) { // neither: it could not be right, so it costs nothing
        *out_why = "A code has six digits; a recovery code is like k3v9-q2m4-0h5t-zz8w";
        return ERR_DENIED;
    }
    e = e == ERR_OK ? totp_row_try(s, account, &attempt, &got, NULL) : e;
    OPENSSL_cleanse(digest, sizeof(digest));
    OPENSSL_cleanse(&typed, sizeof(typed));
    return e == ERR_OK ? answer(got, out_why) : e;
}

static enum err own_password(struct store *s, const struct auth_claim *claim,
                             struct auth_grant *grant)
{
    if (claim->service != AUTH_WEB) {
        grant->why = app_password_only;
        return ERR_DENIED;
    }
    grant->wants_code = true;
    if (!claim->code.n) {
        grant->why = say_code;
        return ERR_DENIED;
    }
    enum err e =
        second_factor_check(s, grant->account, claim->code, clock_real_ms() / 1000, &grant->why);

    if (e == ERR_NOT_FOUND) { // removed this moment
        e = ERR_OK;
    } else if (e == ERR_OK) {
        grant->by_code = true;
    }
    grant->wants_code = e != ERR_OK;
    return e;
}

// Who must have one and has none gets in nowhere: what opens then is no more than a password.
static enum err without_one(struct store *s, struct auth_grant *grant)
{
    struct account account;
    struct arena arena;
    bool is_required = true;

    arena_init(&arena, 16384);
    enum err e = directory_account_by_id(s, grant->account, &arena, &account);

    e = e == ERR_OK ? factor_policy_of(s, account.id, account.name, &is_required) : e;
    arena_finish(&arena);
    if (e == ERR_OK && is_required) {
        grant->why = "This account must have a second factor before anything can sign in: ask your "
                     "administrator to set it up";
        e = ERR_DENIED;
    }
    return e == ERR_NOT_FOUND ? ERR_DENIED : e;
}

enum err second_factor_admit(struct store *s, const struct auth_claim *claim,
                             struct auth_grant *grant)
{
    bool is_on = false;
    enum err e = second_factor_is_on(s, grant->account, &is_on);

    if (e != ERR_OK || (is_on && grant->device) || grant->is_by_token) {
        return e;
    }
    return is_on ? own_password(s, claim, grant) : without_one(s, grant);
}
