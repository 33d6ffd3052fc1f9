// SPDX-License-Identifier: Apache-2.0
#include "store/access/imap_without.h"

#include "store/store_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX (16 + IMAP_WITHOUT_MAX * (IMAP_WITHOUT_BYTES_MAX + 2))
#define WORDS_BYTES_MAX (32 + IMAP_WITHOUT_MAX * (IMAP_WITHOUT_BYTES_MAX + 1))

enum err imap_without_decode(struct span value, struct span *names, size_t *out_n)
{
    uint64_t n;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, IMAP_WITHOUT_MAX, &n) || n == 0) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        if (!unpack_str(&value, IMAP_WITHOUT_BYTES_MAX, &names[i]) || !names[i].n) {
            return ERR_CORRUPT;
        }
    }
    *out_n = n;
    return ERR_OK;
}

static enum err copy(const struct span *names, size_t n, struct arena *a, const struct span **out)
{
    struct span *copies = arena_zalloc(a, n, sizeof(*copies));

    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = arena_dup(a, names[i]);
        if (!copies[i].p) {
            return ERR_NOMEM;
        }
    }
    *out = copies;
    return copies ? ERR_OK : ERR_NOMEM;
}

enum err imap_without_get(struct store *s, account_id account, struct arena *a,
                          const struct span **out, size_t *out_n)
{
    struct key k = key_plain(KEY_IMAP_WITHOUT);
    struct span names[IMAP_WITHOUT_MAX], value;
    const struct span *copies = NULL;
    size_t n = 0;
    struct view v;
    enum err e = account ? view_begin(&v, s, account) : ERR_NOT_FOUND;

    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&v, &k, &value);
    if (e == ERR_OK) {
        e = imap_without_decode(value, names, &n);
        e = e == ERR_OK ? copy(names, n, a, &copies) : e;
    } else if (e == ERR_NOT_FOUND) {
        e = ERR_OK;
    }
    view_end(&v);
    if (e == ERR_OK) {
        *out = copies;
        *out_n = n;
    }
    return e;
}

struct set_args {
    const struct span *names;
    size_t n;
};

static void put_words(struct buf *b, const struct set_args *a)
{
    buf_put_str(b, "IMAP without ");
    for (size_t i = 0; i < a->n; i++) {
        buf_put_str(b, i ? " " : "");
        buf_put(b, a->names[i]);
    }
    buf_put_str(b, a->n ? "" : "nothing");
}

static enum err put_row(struct edit *ed, const struct set_args *a)
{
    struct key k = key_plain(KEY_IMAP_WITHOUT);
    char room[VALUE_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    if (!a->n) {
        return edit_delete(ed, &k);
    }
    pack_u64(&p, a->n);
    for (size_t i = 0; i < a->n; i++) {
        pack_str(&p, a->names[i]);
    }
    return edit_put(ed, &k, pack_span(&p));
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct set_args *a = arg;
    struct buf words;
    enum err e = put_row(ed, a);

    if (e != ERR_OK) {
        return e;
    }
    buf_init(&words, WORDS_BYTES_MAX);
    put_words(&words, a);
    struct change c = {.kind = CHANGE_ACCOUNT, .after = buf_span(&words)};

    e = words.failed ? ERR_NOMEM : change_put(ed, &c);
    buf_finish(&words);
    return e;
}

enum err imap_without_set(struct store *s, account_id account, const struct actor *by,
                          const struct span *names, size_t n)
{
    struct set_args a = {names, n};

    if (!account) {
        return ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < n; i++) {
        if (!names[i].n || names[i].n > IMAP_WITHOUT_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
    return n > IMAP_WITHOUT_MAX ? ERR_LIMIT : store_edit(s, account, by, set_edit, &a, NULL);
}
