// SPDX-License-Identifier: Apache-2.0
#include "store/directory/relay_route.h"

#include "base/bytes.h"
#include "base/host_name.h"
#include "store/directory/directory_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX                                                                            \
    (RELAY_HOST_BYTES_MAX + 2 * RELAY_CREDENTIAL_BYTES_MAX + RELAY_WORDS_BYTES_MAX + 64)

// ---- patterns -----------------------------------------------------------------------------------

static enum err refuse(const char *reason, const char **out_reason)
{
    *out_reason = reason;
    return ERR_INVALID;
}

enum err relay_pattern_check(struct arena *a, struct span pattern, struct span *out,
                             const char **out_reason)
{
    size_t at = span_find_byte(pattern, '@');
    bool is_address = at > 0 && at < pattern.n, is_sender = at == 0 && pattern.n > 0;
    bool is_below = span_starts(pattern, SPAN("."));
    struct span domain = is_sender || is_below ? span_skip(pattern, 1) : pattern, folded;
    enum err e;

    if (pattern.n > RELAY_PATTERN_BYTES_MAX) {
        return refuse("it is too long", out_reason);
    }
    if (span_eq(pattern, SPAN("*"))) {
        *out = arena_dup(a, pattern);
        return out->p ? ERR_OK : ERR_NOMEM;
    }
    if (is_address) {
        return directory_name_check(a, pattern, SPAN(""), out, out_reason);
    }
    e = directory_domain_fold(a, domain, &folded);
    if (e != ERR_OK) {
        return e == ERR_INVALID ? refuse("it is no domain", out_reason) : e;
    }
    char *p = arena_alloc(a, folded.n + 1);

    if (!p) {
        return ERR_NOMEM;
    }
    p[0] = is_sender ? '@' : '.';
    memcpy(p + 1, folded.p, folded.n);
    *out = is_sender || is_below ? span_of(p, folded.n + 1) : folded;
    return ERR_OK;
}

// ---- values -------------------------------------------------------------------------------------

static struct span encode(const struct relay_route *r, char *room)
{
    struct pack k = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, r->kind);
    pack_u64(&k, r->tls);
    pack_u64(&k, r->port);
    pack_str(&k, r->host);
    pack_str(&k, r->user);
    pack_str(&k, r->password);
    pack_str(&k, r->words);
    pack_i64(&k, r->changed);
    return pack_span(&k);
}

static enum err decode(struct span key, struct span value, struct relay_route *out)
{
    struct relay_route r = {.pattern = span_skip(key, 1)};
    uint64_t kind, tls, port;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, RELAY_REFUSE, &kind) || kind < RELAY_BY_HOST ||
        !unpack_u64(&value, RELAY_ROUTE_IMPLICIT, &tls) || !unpack_u64(&value, UINT16_MAX, &port) ||
        !unpack_str(&value, RELAY_HOST_BYTES_MAX, &r.host) ||
        !unpack_str(&value, RELAY_CREDENTIAL_BYTES_MAX, &r.user) ||
        !unpack_str(&value, RELAY_CREDENTIAL_BYTES_MAX, &r.password) ||
        !unpack_str(&value, RELAY_WORDS_BYTES_MAX, &r.words) || !unpack_i64(&value, &r.changed) ||
        (kind == RELAY_BY_HOST) != (r.host.n > 0)) {
        return ERR_CORRUPT;
    }
    r.kind = (enum relay_route_kind)kind;
    r.tls = (enum relay_route_tls)tls;
    r.port = (uint16_t)port;
    r.has_password = r.password.n > 0;
    *out = r;
    return ERR_OK;
}

enum err relay_route_decode(struct span key, struct span value)
{
    return decode(key, value, &(struct relay_route){0});
}

// ---- changing -----------------------------------------------------------------------------------

// "mail for example.net: by smtp.example.com"; never the password.
static enum err note(struct edit *ed, const struct relay_route *r, bool is_removed)
{
    struct change c = {.kind = CHANGE_ROUTE};
    bool is_sender = span_find_byte(r->pattern, '@') < r->pattern.n;
    struct buf text;

    buf_init(&text, 2048);
    buf_printf(&text, "mail %s %.*s leaves ", is_sender ? "from" : "for", SPAN_ARG(r->pattern));
    if (is_removed) {
        buf_put_str(&text, "as all mail does: its route was removed");
    } else if (r->kind == RELAY_BY_HOST) {
        buf_printf(&text, "through %.*s", SPAN_ARG(r->host));
    } else {
        buf_put_str(&text, r->kind == RELAY_BY_MX ? "as the DNS says" : "no more: it is refused");
    }
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_LIMIT : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    struct relay_route r = *(const struct relay_route *)arg;
    struct key k = key_text(KEY_RELAY, r.pattern), all = key_plain(KEY_RELAY);
    char *room = arena_alloc(&ed->view.arena, VALUE_BYTES_MAX);
    size_t n = 0;
    enum err e = room ? view_count(&ed->view, &all, &n) : ERR_NOMEM;

    e = e == ERR_OK && n >= RELAY_ROUTES_MAX ? ERR_LIMIT : e;
    r.changed = edit_now_s(ed);
    e = e == ERR_OK ? edit_put(ed, &k, encode(&r, room)) : e;
    return e == ERR_OK ? note(ed, &r, false) : e;
}

enum err relay_route_set(struct store *s, const struct actor *by, const struct relay_route *route)
{
    struct relay_route r = *route;
    bool by_host = r.kind == RELAY_BY_HOST;

    if (r.host.n > RELAY_HOST_BYTES_MAX || r.user.n > RELAY_CREDENTIAL_BYTES_MAX ||
        r.password.n > RELAY_CREDENTIAL_BYTES_MAX || r.words.n > RELAY_WORDS_BYTES_MAX ||
        r.pattern.n == 0 || r.pattern.n > RELAY_PATTERN_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (by_host != (r.host.n > 0) || (r.user.n > 0) != (r.password.n > 0) ||
        (!by_host && r.user.n > 0)) {
        return ERR_INVALID;
    }
    return store_edit(s, 0, by, set_edit, &r, NULL);
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct span *pattern = arg;
    struct key k = key_text(KEY_RELAY, *pattern);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note(ed, &(struct relay_route){.pattern = *pattern}, true) : e;
}

enum err relay_route_remove(struct store *s, const struct actor *by, struct span pattern)
{
    return pattern.n > 0 && pattern.n <= RELAY_PATTERN_BYTES_MAX
               ? store_edit(s, 0, by, remove_edit, &pattern, NULL)
               : ERR_NOT_FOUND;
}

// ---- reading ------------------------------------------------------------------------------------

struct list_args {
    relay_route_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct list_args *l = arg;
    struct relay_route r;
    enum err e = decode(key, value, &r);

    r.password = SPAN("");
    return e != ERR_OK ? e : l->fn(l->arg, &r) ? ERR_OK : ERR_EOF;
}

enum err relay_route_list(struct store *s, relay_route_fn *fn, void *arg)
{
    struct key prefix = key_plain(KEY_RELAY);
    struct list_args l = {fn, arg};
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, &prefix, list_one, &l);
        view_end(&v);
    }
    return e;
}

static enum err dup(struct arena *a, struct span *s)
{
    *s = arena_dup(a, *s);
    return s->p ? ERR_OK : ERR_NOMEM;
}

struct find {
    struct view *view;
    struct arena *arena;
    struct relay_route *out;
};

// ERR_NOT_FOUND: go on looking.
static enum err look(const struct find *f, struct span pattern)
{
    if (pattern.n == 0 || pattern.n > RELAY_PATTERN_BYTES_MAX) {
        return ERR_NOT_FOUND;
    }
    struct key k = key_text(KEY_RELAY, pattern);
    struct span value;
    struct relay_route r;
    enum err e = view_get(f->view, &k, &value);

    e = e == ERR_OK ? decode(key_span(&k), value, &r) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct span *texts[] = {&r.pattern, &r.host, &r.user, &r.password, &r.words};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && e == ERR_OK; i++) {
        e = dup(f->arena, texts[i]);
    }
    *f->out = r;
    return e;
}

static enum err by_destination(const struct find *f, struct span domain)
{
    enum err e = look(f, domain);

    for (size_t i = 1; i < domain.n && e == ERR_NOT_FOUND; i++) {
        if (domain.p[i] == '.') {
            e = look(f, span_skip(domain, i));
        }
    }
    return e;
}

// From its @ on; an address without one has no domain.
static struct span domain_of(struct span address)
{
    size_t i = address.n;

    while (i > 0 && address.p[i - 1] != '@') {
        i--;
    }
    return i > 0 ? span_skip(address, i - 1) : SPAN("");
}

// As patterns are; an address that cannot be folded fits none.
static struct span folded(struct arena *a, struct span address)
{
    struct span out;
    const char *reason;

    return address.n > 0 && directory_name_check(a, address, SPAN(""), &out, &reason) == ERR_OK
               ? out
               : SPAN("");
}

static enum err any(void *arg, struct span key, struct span value)
{
    (void)key;
    (void)value;
    *(bool *)arg = true;
    return ERR_EOF;
}

static enum err find(const struct find *f, struct span destination, struct span sender,
                     account_id account)
{
    struct key all = key_plain(KEY_RELAY);
    struct entry_record entry = {.address = SPAN("")};
    bool there = false;
    enum err e = view_each(f->view, &all, any, &there);

    if (e != ERR_OK || !there) {
        return e == ERR_OK ? ERR_NOT_FOUND : e;
    }
    e = account ? directory_entry_get(f->view, account, &entry) : ERR_OK;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    sender = folded(&f->view->arena, sender);
    struct span rest[] = {sender, entry.address, domain_of(sender), domain_of(entry.address),
                          SPAN("*")};

    e = by_destination(f, destination);
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]) && e == ERR_NOT_FOUND; i++) {
        e = look(f, rest[i]);
    }
    return e;
}

enum err relay_route_find(struct store *s, struct span destination, struct span sender,
                          account_id account, struct arena *a, struct relay_route *out)
{
    struct view v;
    struct find f = {.view = &v, .arena = a, .out = out};
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = find(&f, destination, sender, account);
        view_end(&v);
    }
    return e;
}
