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

// ---- keys that sign -----------------------------------------------------------------------------

#define VALUE_BYTES_MAX (SIGNING_PEM_BYTES_MAX + SIGNING_RECORD_BYTES_MAX + 64)

// ---- keys and values ----------------------------------------------------------------------------

// domain, 0x00, selector; or where a domain's start.
static struct key signing_name(struct span domain, struct span selector)
{
    struct key k = key_plain(KEY_SIGNING);

    memcpy(k.p + k.n, domain.p, domain.n);
    k.n += domain.n;
    k.p[k.n++] = '\0';
    memcpy(k.p + k.n, selector.p, selector.n);
    k.n += selector.n;
    return k;
}

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!byte_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return s.n > 0 && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

static struct span encode(const struct signing_key *x, char *room)
{
    struct pack k = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, x->state);
    pack_u64(&k, x->algorithm);
    pack_i64(&k, x->created);
    pack_i64(&k, x->changed);
    pack_str(&k, x->pem);
    pack_str(&k, x->record);
    return pack_span(&k);
}

static enum err key_decode(struct span key, struct span value, struct signing_key *out)
{
    struct span name = span_skip(key, 1);
    struct signing_key x = {.domain = span_first(name, span_find_byte(name, '\0'))};
    uint64_t state, algorithm;
    enum err e = unpack_version(&value);

    x.selector = span_skip(name, x.domain.n + 1);
    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, SIGNING_RETIRED, &state) || state < SIGNING_PREPARED ||
        !unpack_u64(&value, UINT8_MAX, &algorithm) || !unpack_i64(&value, &x.created) ||
        !unpack_i64(&value, &x.changed) || !unpack_str(&value, SIGNING_PEM_BYTES_MAX, &x.pem) ||
        !unpack_str(&value, SIGNING_RECORD_BYTES_MAX, &x.record) || !is_name(x.domain) ||
        !is_name(x.selector)) {
        return ERR_CORRUPT;
    }
    x.state = (enum signing_state)state;
    x.algorithm = (unsigned)algorithm;
    *out = x;
    return ERR_OK;
}

static enum err put(struct edit *ed, const struct signing_key *x)
{
    struct key k = signing_name(x->domain, x->selector);
    char *room = arena_alloc(&ed->view.arena, VALUE_BYTES_MAX);

    return room ? edit_put(ed, &k, encode(x, room)) : ERR_NOMEM;
}

static enum err get(struct view *v, struct span domain, struct span selector,
                    struct signing_key *out)
{
    struct key k = signing_name(domain, selector);
    struct span value;
    enum err e = view_get(v, &k, &value);

    e = e == ERR_OK ? key_decode(key_span(&k), value, out) : e;
    out->domain = domain; // not the key's on this stack
    out->selector = selector;
    return e;
}

static enum err note(struct edit *ed, const char *words, const struct signing_key *x)
{
    struct change c = {.kind = CHANGE_ROUTE};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_printf(&text, "signing key %.*s of %.*s %s", SPAN_ARG(x->selector), SPAN_ARG(x->domain),
               words);
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

struct signing_edit {
    struct signing_key key;
    enum signing_state state; // to be
};

static enum err add_edit(struct edit *ed, void *arg)
{
    struct signing_edit *s = arg;
    struct signing_key there;
    struct key prefix = signing_name(s->key.domain, SPAN(""));
    size_t count = 0;
    enum err e = view_count(&ed->view, &prefix, &count);

    e = e == ERR_OK && count >= SIGNING_KEYS_MAX ? ERR_LIMIT : e;
    if (e != ERR_OK) {
        return e;
    }
    e = get(&ed->view, s->key.domain, s->key.selector, &there);
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    s->key.state = SIGNING_PREPARED;
    s->key.created = s->key.changed = edit_now_s(ed);
    e = put(ed, &s->key);
    return e == ERR_OK ? note(ed, "made; it signs once it is activated", &s->key) : e;
}

enum err signing_key_add(struct store *s, const struct actor *by, const struct signing_key *key)
{
    struct signing_edit edit = {.key = *key};

    if (!is_name(key->domain) || !is_name(key->selector) || key->pem.n == 0) {
        return ERR_INVALID;
    }
    if (key->domain.n + key->selector.n > SIGNING_NAME_BYTES_MAX ||
        key->pem.n > SIGNING_PEM_BYTES_MAX || key->record.n > SIGNING_RECORD_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return store_edit(s, 0, by, add_edit, &edit, NULL);
}

struct retire {
    struct edit *ed;
    const struct signing_key *successor;
};

// The active key of the same kind gives way.
static enum err retire_one(void *arg, struct span key, struct span value)
{
    const struct retire *r = arg;
    struct signing_key x;
    enum err e = key_decode(key, value, &x);

    if (e != ERR_OK || x.state != SIGNING_ACTIVE || x.algorithm != r->successor->algorithm ||
        span_eq(x.selector, r->successor->selector)) {
        return e;
    }
    x.state = SIGNING_RETIRED;
    x.changed = edit_now_s(r->ed);
    e = put(r->ed, &x);
    return e == ERR_OK ? note(r->ed, "retired", &x) : e;
}

static enum err state_edit(struct edit *ed, void *arg)
{
    struct signing_edit *s = arg;
    struct key prefix = signing_name(s->key.domain, SPAN(""));
    struct signing_key x;
    struct retire r = {ed, &x};
    enum err e = get(&ed->view, s->key.domain, s->key.selector, &x);

    if (e != ERR_OK || x.state == s->state) {
        return e;
    }
    x.state = s->state;
    x.changed = edit_now_s(ed);
    e = put(ed, &x);
    e = e == ERR_OK ? note(ed, s->state == SIGNING_ACTIVE ? "activated" : "retired", &x) : e;
    return e == ERR_OK && s->state == SIGNING_ACTIVE ? view_each(&ed->view, &prefix, retire_one, &r)
                                                     : e;
}

static bool fits(struct span domain, struct span selector)
{
    return is_name(domain) && is_name(selector) && domain.n + selector.n <= SIGNING_NAME_BYTES_MAX;
}

enum err signing_key_set_state(struct store *s, const struct actor *by, struct span domain,
                               struct span selector, enum signing_state state)
{
    struct signing_edit edit = {.key = {.domain = domain, .selector = selector}, .state = state};

    return fits(domain, selector) ? store_edit(s, 0, by, state_edit, &edit, NULL) : ERR_NOT_FOUND;
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct signing_edit *s = arg;
    struct key k = signing_name(s->key.domain, s->key.selector);
    struct signing_key x;
    enum err e = get(&ed->view, s->key.domain, s->key.selector, &x);

    if (e == ERR_OK && x.state == SIGNING_ACTIVE) {
        return ERR_DENIED;
    }
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note(ed, "removed", &x) : e;
}

enum err signing_key_remove(struct store *s, const struct actor *by, struct span domain,
                            struct span selector)
{
    struct signing_edit edit = {.key = {.domain = domain, .selector = selector}};

    return fits(domain, selector) ? store_edit(s, 0, by, remove_edit, &edit, NULL) : ERR_NOT_FOUND;
}

// ---- reading ------------------------------------------------------------------------------------

struct signing_list {
    signing_key_fn *fn;
    void *arg;
    bool active_only;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct signing_list *l = arg;
    struct signing_key x;
    enum err e = key_decode(key, value, &x);

    if (e != ERR_OK || (l->active_only && x.state != SIGNING_ACTIVE)) {
        return e;
    }
    if (!l->active_only) {
        x.pem = SPAN("");
    }
    return l->fn(l->arg, &x) ? ERR_OK : ERR_EOF;
}

static enum err list(struct store *s, struct span domain, struct signing_list *l)
{
    struct key prefix = domain.n > 0 ? signing_name(domain, SPAN("")) : key_plain(KEY_SIGNING);
    return store_each(s, &prefix, list_one, l);
}

enum err signing_key_list(struct store *s, struct span domain, signing_key_fn *fn, void *arg)
{
    struct signing_list l = {.fn = fn, .arg = arg};

    return domain.n <= SIGNING_NAME_BYTES_MAX ? list(s, domain, &l) : ERR_OK;
}

enum err signing_key_active(struct store *s, struct span domain, signing_key_fn *fn, void *arg)
{
    struct signing_list l = {.fn = fn, .arg = arg, .active_only = true};

    return domain.n > 0 && domain.n <= SIGNING_NAME_BYTES_MAX ? list(s, domain, &l) : ERR_OK;
}
