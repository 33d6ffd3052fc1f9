// SPDX-License-Identifier: Apache-2.0
#include "store/secret.h"

#include "base/random.h"
#include "store/store_internal.h"

#include "base/banned.h"

struct secret {
    struct key key;
    char *out;
    struct span name;
};

static enum err secret_read(struct view *v, const struct secret *s)
{
    struct span value;
    enum err e = view_get(v, &s->key, &value);

    e = e == ERR_OK ? unpack_version(&value) : e;
    if (e == ERR_OK && value.n < SECRET_BYTES) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        memcpy(s->out, value.p, SECRET_BYTES);
    }
    return e;
}

static enum err secret_make(struct edit *ed, void *arg)
{
    struct secret *s = arg;
    struct change c = {.kind = CHANGE_ACCOUNT};
    char value[1 + SECRET_BYTES] = {SCHEMA_VERSION};
    struct buf words;
    enum err e = secret_read(&ed->view, s);

    if (e != ERR_NOT_FOUND) { // another was first
        return e;
    }
    random_bytes(value + 1, SECRET_BYTES);
    e = edit_put(ed, &s->key, span_of(value, sizeof(value)));
    memcpy(s->out, value + 1, SECRET_BYTES);
    buf_init(&words, 128);
    buf_printf(&words, "secret made: %.*s", SPAN_ARG(s->name));
    c.after = buf_span(&words);
    e = e == ERR_OK ? change_put(ed, &c) : e;
    buf_finish(&words);
    return e;
}

enum err store_secret(struct store *store, const char *name, char out[SECRET_BYTES])
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};
    struct secret s = {.out = out, .name = span_from_str(name)};
    struct view v;

    s.key = key_text(KEY_SECRET, span_first(s.name, 32));
    enum err e = view_begin(&v, store, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = secret_read(&v, &s);
    view_end(&v);
    return e == ERR_NOT_FOUND ? store_edit(store, 0, &by, secret_make, &s, NULL) : e;
}
