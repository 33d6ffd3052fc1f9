// SPDX-License-Identifier: Apache-2.0
#include "store/access/totp_row.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX (256 + TOTP_ROW_CODES_MAX * (TOTP_ROW_DIGEST_BYTES + 12))

// ---- the row ------------------------------------------------------------------------------------

static struct span encode(const struct totp_row *r, char *room)
{
    struct pack k = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, r->state);
    pack_i64(&k, r->made);
    pack_i64(&k, r->on_since);
    pack_str(&k, span_of(r->secret, sizeof(r->secret)));
    pack_u64(&k, r->last_step);
    pack_u64(&k, r->wrong);
    pack_i64(&k, r->shut_until);
    pack_u64(&k, r->code_count);
    for (unsigned i = 0; i < r->code_count; i++) {
        pack_str(&k, span_of(r->codes[i].digest, TOTP_ROW_DIGEST_BYTES));
        pack_i64(&k, r->codes[i].used);
    }
    return pack_span(&k);
}

static bool read_code(struct span *value, struct totp_recovery *out)
{
    struct span digest;

    if (!unpack_str(value, TOTP_ROW_DIGEST_BYTES, &digest) || digest.n != TOTP_ROW_DIGEST_BYTES ||
        !unpack_i64(value, &out->used) || out->used < 0) {
        return false;
    }
    memcpy(out->digest, digest.p, TOTP_ROW_DIGEST_BYTES);
    return true;
}

enum err totp_row_decode(struct span key, struct span value, struct totp_row *out)
{
    struct totp_row r = {0};
    struct span secret;
    uint64_t state, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = key.n == 1 && unpack_u64(&value, TOTP_ON, &state) && state >= TOTP_PENDING &&
              unpack_i64(&value, &r.made) && unpack_i64(&value, &r.on_since) &&
              unpack_str(&value, TOTP_ROW_SECRET_BYTES, &secret) &&
              secret.n == TOTP_ROW_SECRET_BYTES && unpack_u64(&value, UINT64_MAX, &r.last_step) &&
              unpack_u32(&value, &r.wrong) && unpack_i64(&value, &r.shut_until) &&
              unpack_u64(&value, TOTP_ROW_CODES_MAX, &count);

    for (uint64_t i = 0; ok && i < count; i++) {
        ok = read_code(&value, &r.codes[i]);
    }
    if (!ok || (state == TOTP_ON) != (r.on_since != 0) || (state == TOTP_PENDING && count > 0)) {
        return ERR_CORRUPT;
    }
    r.state = (enum totp_state)state;
    r.code_count = (unsigned)count;
    memcpy(r.secret, secret.p, sizeof(r.secret));
    *out = r;
    OPENSSL_cleanse(r.secret, sizeof(r.secret));
    return ERR_OK;
}

static enum err find(struct view *v, struct totp_row *out)
{
    struct key k = key_plain(KEY_TOTP);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? totp_row_decode(key_span(&k), value, out) : e;
}

enum err totp_row_get(struct store *s, account_id account, struct totp_row *out)
{
    struct view v;
    enum err e = account ? view_begin(&v, s, account) : ERR_NOT_FOUND;

    if (e == ERR_OK) {
        e = find(&v, out);
        view_end(&v);
    }
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

static enum err put(struct edit *ed, const struct totp_row *r)
{
    struct key k = key_plain(KEY_TOTP);
    char room[VALUE_BYTES_MAX];
    enum err e = edit_put(ed, &k, encode(r, room));

    OPENSSL_cleanse(room, sizeof(room));
    return e;
}

static enum err note(struct edit *ed, const char *words)
{
    struct change c = {.kind = CHANGE_ACCOUNT, .after = span_from_str(words)};

    return change_put(ed, &c);
}

static void set_codes(struct totp_row *r, const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES],
                      unsigned count)
{
    ASSERT(count <= TOTP_ROW_CODES_MAX);
    memset(r->codes, 0, sizeof(r->codes));
    r->code_count = count;
    for (unsigned i = 0; i < count; i++) {
        memcpy(r->codes[i].digest, digests[i], TOTP_ROW_DIGEST_BYTES);
    }
}

static unsigned codes_left(const struct totp_row *r)
{
    unsigned left = 0;

    for (unsigned i = 0; i < r->code_count; i++) {
        left += r->codes[i].used == 0;
    }
    return left;
}

static enum err begin_edit(struct edit *ed, void *arg)
{
    const unsigned char *secret = arg;
    struct totp_row r = {.state = TOTP_PENDING}, there;
    enum err e = find(&ed->view, &there);

    if (e == ERR_OK && there.state == TOTP_ON) {
        return ERR_EXISTS;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    r.made = edit_now_s(ed);
    memcpy(r.secret, secret, sizeof(r.secret));
    e = put(ed, &r);
    return e == ERR_OK ? note(ed, "second factor: a secret was made; a first code turns it on") : e;
}

enum err totp_row_begin(struct store *s, account_id account, const struct actor *by,
                        const unsigned char secret[TOTP_ROW_SECRET_BYTES])
{
    unsigned char copy[TOTP_ROW_SECRET_BYTES];

    memcpy(copy, secret, sizeof(copy));
    enum err e = account ? store_edit(s, account, by, begin_edit, copy, NULL) : ERR_NOT_FOUND;

    OPENSSL_cleanse(copy, sizeof(copy));
    return e;
}

// ---- trying a code ------------------------------------------------------------------------------

struct trial {
    const struct totp_attempt *attempt;
    enum totp_answer answer;
    unsigned left;
};

// A pause that is longer than any that is given was written by a clock that was wrong.
static bool is_shut(const struct totp_row *r, int64_t now)
{
    return r->shut_until > now && r->shut_until - now <= TOTP_ROW_PAUSE_MAX_S;
}

static void count_wrong(struct totp_row *r, int64_t now)
{
    int64_t pause = TOTP_ROW_PAUSE_S;

    r->wrong += r->wrong < UINT32_MAX;
    if (r->wrong < TOTP_ROW_WRONG_FREE) {
        return;
    }
    for (uint32_t n = TOTP_ROW_WRONG_FREE; n < r->wrong && pause < TOTP_ROW_PAUSE_MAX_S; n++) {
        pause *= 2;
    }
    r->shut_until = now + (pause < TOTP_ROW_PAUSE_MAX_S ? pause : TOTP_ROW_PAUSE_MAX_S);
}

static enum err use_recovery(struct edit *ed, struct totp_row *r, struct trial *t)
{
    struct totp_recovery *hit = NULL;
    char words[80];

    for (unsigned i = 0; i < r->code_count; i++) {
        if (CRYPTO_memcmp(r->codes[i].digest, t->attempt->recovery, TOTP_ROW_DIGEST_BYTES) == 0) {
            hit = &r->codes[i];
        }
    }
    t->answer = !hit ? TOTP_WRONG : hit->used ? TOTP_REPLAYED : TOTP_RIGHT_RECOVERY;
    if (t->answer != TOTP_RIGHT_RECOVERY) {
        return ERR_OK; // no pause: it cannot be guessed
    }
    hit->used = t->attempt->now > 0 ? t->attempt->now : 1;
    r->wrong = 0;
    r->shut_until = 0;
    snprintf(words, sizeof(words), "second factor: a recovery code was used; %u left",
             codes_left(r));
    enum err e = put(ed, r);

    return e == ERR_OK ? note(ed, words) : e;
}

static enum err use_step(struct edit *ed, struct totp_row *r, struct trial *t)
{
    struct span secret = span_of(r->secret, sizeof(r->secret));
    uint64_t step;
    enum err e = t->attempt->find(t->attempt->arg, secret, r->last_step, &step);

    if (e == ERR_NOT_FOUND && t->attempt->find(t->attempt->arg, secret, 0, &step) == ERR_OK) {
        t->answer = TOTP_REPLAYED;
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    if (e == ERR_OK) {
        t->answer = TOTP_RIGHT;
        r->last_step = step;
        r->wrong = 0;
        r->shut_until = 0;
    } else {
        t->answer = TOTP_WRONG;
        count_wrong(r, t->attempt->now);
    }
    ed->is_changed = true; // without a record in the change log: nothing of the mail changed
    return put(ed, r);
}

static enum err try_edit(struct edit *ed, void *arg)
{
    struct trial *t = arg;
    struct totp_row r;
    enum err e = find(&ed->view, &r);

    if (e != ERR_OK) {
        return e;
    }
    if (r.state != TOTP_ON) {
        e = ERR_NOT_FOUND;
    } else if (t->attempt->recovery) {
        e = use_recovery(ed, &r, t);
    } else if (is_shut(&r, t->attempt->now)) {
        t->answer = TOTP_SHUT;
    } else {
        e = use_step(ed, &r, t);
    }
    t->left = codes_left(&r);
    OPENSSL_cleanse(&r, sizeof(r));
    return e;
}

enum err totp_row_try(struct store *s, account_id account, const struct totp_attempt *attempt,
                      enum totp_answer *out, unsigned *out_left)
{
    static const struct actor by = {.kind = ACTOR_USER, .device = {"second factor", 13}};
    struct trial t = {.attempt = attempt};
    enum err e = account ? store_edit(s, account, &by, try_edit, &t, NULL) : ERR_NOT_FOUND;

    if (e != ERR_OK) {
        return e;
    }
    *out = t.answer;
    if (out_left) {
        *out_left = t.left;
    }
    return ERR_OK;
}

// ---- turning it on, new codes, removing ---------------------------------------------------------

struct codes_args {
    const struct totp_attempt *attempt;
    const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES];
    unsigned count;
};

static enum err confirm(struct edit *ed, const struct codes_args *a, struct totp_row *r)
{
    uint64_t step;

    if (r->state == TOTP_ON) {
        return ERR_EXISTS;
    }
    // Codes of before are no use twice either: the one that turns it on opens nothing.
    enum err e = a->attempt->find(a->attempt->arg, span_of(r->secret, sizeof(r->secret)),
                                  r->last_step, &step);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    r->state = TOTP_ON;
    r->on_since = edit_now_s(ed) > 0 ? edit_now_s(ed) : 1;
    r->last_step = step;
    set_codes(r, a->digests, a->count);
    e = put(ed, r);
    return e == ERR_OK ? note(ed, "second factor: on") : e;
}

static enum err confirm_edit(struct edit *ed, void *arg)
{
    struct totp_row r;
    enum err e = find(&ed->view, &r);

    if (e == ERR_OK) {
        e = confirm(ed, arg, &r);
        OPENSSL_cleanse(&r, sizeof(r));
    }
    return e;
}

enum err totp_row_confirm(struct store *s, account_id account, const struct actor *by,
                          const struct totp_attempt *attempt,
                          const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES], unsigned count)
{
    struct codes_args a = {attempt, digests, count};

    return account ? store_edit(s, account, by, confirm_edit, &a, NULL) : ERR_NOT_FOUND;
}

static enum err codes_edit(struct edit *ed, void *arg)
{
    const struct codes_args *a = arg;
    struct totp_row r;
    enum err e = find(&ed->view, &r);

    if (e != ERR_OK) {
        return e;
    }
    if (r.state == TOTP_ON) {
        set_codes(&r, a->digests, a->count);
        e = put(ed, &r);
        e = e == ERR_OK ? note(ed, "second factor: new recovery codes, the old ones are void") : e;
    } else {
        e = ERR_NOT_FOUND;
    }
    OPENSSL_cleanse(&r, sizeof(r));
    return e;
}

enum err totp_row_codes(struct store *s, account_id account, const struct actor *by,
                        const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES], unsigned count)
{
    struct codes_args a = {.digests = digests, .count = count};

    return account ? store_edit(s, account, by, codes_edit, &a, NULL) : ERR_NOT_FOUND;
}

// Also one that cannot be read: whoever removes it means to be rid of it.
static enum err remove_edit(struct edit *ed, void *arg)
{
    struct key k = key_plain(KEY_TOTP);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    (void)arg;
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note(ed, "second factor: removed") : e;
}

enum err totp_row_remove(struct store *s, account_id account, const struct actor *by)
{
    return account ? store_edit(s, account, by, remove_edit, NULL, NULL) : ERR_NOT_FOUND;
}
