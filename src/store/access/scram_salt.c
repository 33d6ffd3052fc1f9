// SPDX-License-Identifier: Apache-2.0
#include "store/access/scram_salt.h"

#include "store/store_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX (SCRAM_SALT_BYTES + SCRAM_KEY_PAIR_BYTES + 64)

static const struct actor by_system = {.kind = ACTOR_SYSTEM};

enum err scram_salt_decode(struct span value, struct scram_salt *out)
{
    struct scram_salt s = {0};
    struct span salt, keys;
    uint64_t iterations;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_str(&value, SCRAM_SALT_BYTES, &salt) || salt.n != SCRAM_SALT_BYTES ||
        !unpack_u64(&value, SCRAM_ROUNDS_MAX, &iterations) || iterations < SCRAM_ROUNDS_MIN ||
        !unpack_str(&value, SCRAM_KEY_PAIR_BYTES, &keys) ||
        (keys.n && keys.n != SCRAM_KEY_PAIR_BYTES) || !unpack_u64(&value, UINT64_MAX, &s.mark)) {
        return ERR_CORRUPT;
    }
    memcpy(s.salt, salt.p, salt.n);
    s.iterations = (unsigned)iterations;
    s.has_keys = keys.n > 0;
    memcpy(s.keys, keys.p, keys.n);
    *out = s;
    return ERR_OK;
}

static enum err put(struct edit *ed, const struct scram_salt *s)
{
    struct key k = key_plain(KEY_SCRAM);
    char room[VALUE_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_str(&p, span_of(s->salt, sizeof(s->salt)));
    pack_u64(&p, s->iterations);
    pack_str(&p, s->has_keys ? span_of(s->keys, sizeof(s->keys)) : SPAN(""));
    pack_u64(&p, s->mark);
    ed->is_changed = true; // without a record in the change log: nothing of the mail changed
    return edit_put(ed, &k, pack_span(&p));
}

static enum err read(struct view *v, struct scram_salt *out)
{
    struct key k = key_plain(KEY_SCRAM);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? scram_salt_decode(value, out) : e;
}

enum err scram_salt_get(struct store *s, account_id account, struct scram_salt *out)
{
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e == ERR_OK) {
        e = read(&v, out);
        view_end(&v);
    }
    return e;
}

struct need {
    const struct scram_salt *wanted;
    struct scram_salt has;
};

static enum err need_edit(struct edit *ed, void *arg)
{
    struct need *n = arg;
    enum err e = read(&ed->view, &n->has);

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    n->has = *n->wanted;
    n->has.has_keys = false;
    n->has.mark = 0;
    return put(ed, &n->has);
}

enum err scram_salt_need(struct store *s, account_id account, const struct scram_salt *wanted,
                         struct scram_salt *out)
{
    struct need n = {.wanted = wanted};
    enum err e = account ? store_edit(s, account, &by_system, need_edit, &n, NULL) : ERR_NOT_FOUND;

    if (e == ERR_OK) {
        *out = n.has;
    }
    return e;
}

static enum err keys_edit(struct edit *ed, void *arg)
{
    const struct scram_salt *with = arg;
    struct scram_salt has;
    enum err e = read(&ed->view, &has);

    if (e == ERR_OK && (has.iterations != with->iterations ||
                        memcmp(has.salt, with->salt, sizeof(has.salt)) != 0)) {
        e = ERR_EXISTS;
    }
    return e == ERR_OK ? put(ed, with) : e;
}

enum err scram_salt_set_keys(struct store *s, account_id account, const struct scram_salt *with)
{
    struct scram_salt copy = *with;

    return account ? store_edit(s, account, &by_system, keys_edit, &copy, NULL) : ERR_NOT_FOUND;
}

static enum err drop_edit(struct edit *ed, void *arg)
{
    struct scram_salt has;
    enum err e = read(&ed->view, &has);

    (void)arg;
    if (e != ERR_OK || !has.has_keys) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    has.has_keys = false;
    has.mark = 0;
    return put(ed, &has);
}

enum err scram_salt_drop_keys(struct store *s, account_id account)
{
    return account ? store_edit(s, account, &by_system, drop_edit, NULL, NULL) : ERR_NOT_FOUND;
}
