// SPDX-License-Identifier: Apache-2.0
#include "store/urlauth/url_key.h"

#include <openssl/crypto.h>

#include "base/random.h"
#include "store/belongings_internal.h"

#include "base/banned.h"

#define KEY_BYTES (1 + 8 + 4) // z, owner, mailbox

static struct key row_of(account_id owner, mailbox_id mailbox)
{
    struct key k = key_plain(KEY_URL_KEY);

    put_be64(k.p + k.n, owner);
    put_be32(k.p + k.n + 8, mailbox);
    k.n += 12;
    return k;
}

static enum err value_decode(struct span value, struct span *out)
{
    enum err e = unpack_version(&value);

    if (e == ERR_OK &&
        (!unpack_str(&value, URL_KEY_BYTES, out) || out->n != URL_KEY_BYTES || value.n)) {
        e = ERR_CORRUPT;
    }
    return e;
}

enum err url_key_decode(struct span key, struct span value, struct url_key_of *out)
{
    struct span secret;
    enum err e = value_decode(value, &secret);

    if (e == ERR_OK && key.n != KEY_BYTES) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *out = (struct url_key_of){.owner = get_be64(key.p + 1), .mailbox = get_be32(key.p + 9)};
    }
    return e;
}

static enum err find(struct view *v, const struct url_key_of *of, char *out)
{
    struct key k = row_of(of->owner, of->mailbox);
    struct span value, secret;
    enum err e = view_get(v, &k, &value);

    e = e == ERR_OK ? value_decode(value, &secret) : e;
    if (e == ERR_OK) {
        memcpy(out, secret.p, URL_KEY_BYTES);
    }
    return e;
}

enum err url_key_get(struct store *s, account_id user, const struct url_key_of *of,
                     char out[URL_KEY_BYTES])
{
    struct view v;
    enum err e = view_begin(&v, s, user);

    if (e == ERR_OK) {
        e = find(&v, of, out);
        view_end(&v);
    }
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

static enum err note(struct edit *ed, const char *words, struct span name)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX + 64);
    buf_printf(&text, "%s%.*s", words, SPAN_ARG(name));
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

static enum err count_one(void *arg, struct span key, struct span value)
{
    size_t *n = arg;

    (void)key;
    (void)value;
    ++*n;
    return ERR_OK;
}

struct url_key_edit {
    const struct url_key_of *of;
    bool is_new; // also when there is one
    char *out;
};

static enum err put(struct edit *ed, const struct url_key_of *of, const char *secret)
{
    struct key k = row_of(of->owner, of->mailbox);
    char room[URL_KEY_BYTES + 16];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_str(&p, span_of(secret, URL_KEY_BYTES));
    enum err e = edit_put(ed, &k, pack_span(&p));

    OPENSSL_cleanse(room, sizeof(room));
    return e;
}

static enum err check_room(struct edit *ed)
{
    struct key prefix = key_plain(KEY_URL_KEY);
    size_t n = 0;
    enum err e = view_each(&ed->view, &prefix, count_one, &n);

    return e == ERR_OK && n >= URL_KEYS_MAX ? ERR_LIMIT : e;
}

static enum err make_edit(struct edit *ed, void *arg)
{
    struct url_key_edit *u = arg;
    enum err e = find(&ed->view, u->of, u->out);
    bool is_there = e == ERR_OK;

    if (is_there && !u->is_new) {
        return ERR_OK;
    }
    // One that cannot be read is renewed: whoever asks means to be rid of it.
    if (e == ERR_NOT_FOUND) {
        e = check_room(ed);
    } else if (e == ERR_CORRUPT && u->is_new) {
        is_there = true;
        e = ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    random_bytes(u->out, URL_KEY_BYTES);
    e = put(ed, u->of, u->out);
    return e == ERR_OK
               ? note(ed, is_there ? "key for URLs renewed: " : "key for URLs made: ", u->of->name)
               : e;
}

enum err url_key_need(struct store *s, account_id user, const struct actor *by,
                      const struct url_key_of *of, char out[URL_KEY_BYTES])
{
    struct url_key_edit u = {.of = of, .out = out};
    enum err e = url_key_get(s, user, of, out);

    return e == ERR_NOT_FOUND ? store_edit(s, user, by, make_edit, &u, NULL) : e;
}

enum err url_key_renew(struct store *s, account_id user, const struct actor *by,
                       const struct url_key_of *of)
{
    char secret[URL_KEY_BYTES];
    struct url_key_edit u = {.of = of, .is_new = true, .out = secret};
    enum err e = store_edit(s, user, by, make_edit, &u, NULL);

    OPENSSL_cleanse(secret, sizeof(secret));
    return e;
}

static enum err drop_one(void *arg, struct span key, struct span value)
{
    struct edit *ed = arg;

    (void)value;
    return batch_delete(ed->batch, key);
}

static enum err drop_edit(struct edit *ed, void *arg)
{
    struct key prefix = key_plain(KEY_URL_KEY);
    size_t n = 0;
    enum err e = view_each(&ed->view, &prefix, count_one, &n);

    (void)arg;
    if (e != ERR_OK || n == 0) {
        return e;
    }
    e = view_each(&ed->view, &prefix, drop_one, ed);
    return e == ERR_OK ? note(ed, "all keys for URLs dropped", SPAN("")) : e;
}

enum err url_key_drop_all(struct store *s, account_id user, const struct actor *by)
{
    return store_edit(s, user, by, drop_edit, NULL, NULL);
}

enum err edit_drop_url_key(struct edit *ed, mailbox_id mailbox)
{
    struct key k = row_of(0, mailbox);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    return e == ERR_OK ? edit_delete(ed, &k) : e == ERR_NOT_FOUND ? ERR_OK : e;
}
