// SPDX-License-Identifier: Apache-2.0
#include "store/access/oauth_client.h"

#include "base/utf8.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX                                                                            \
    (OAUTH_CLIENT_NAME_MAX + OAUTH_REDIRECTS_MAX * (OAUTH_REDIRECT_BYTES_MAX + 3) + 64)
#define KIND_ADDED 1

// ---- the built-in ones --------------------------------------------------------------------------

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct span thunderbird_redirects[] = {
    TEXT("https://localhost"),
    TEXT("http://localhost"),
    TEXT("http://localhost/"),
    TEXT("http://127.0.0.1/"),
    TEXT("net.thunderbird.android:/oauth2redirect"),
    TEXT("net.thunderbird.android.beta:/oauth2redirect"),
    TEXT("com.fsck.k9:/oauth2redirect"),
};

static const struct span native_redirects[] = {
    TEXT("http://127.0.0.1/"), TEXT("http://127.0.0.1/callback"),
    TEXT("http://[::1]/"),     TEXT("http://[::1]/callback"),
    TEXT("http://localhost/"), TEXT("http://localhost/callback"),
};

#define BUILTIN(id_, name_, list)                                                                  \
    {                                                                                              \
        .id = TEXT(id_), .name = TEXT(name_), .is_builtin = true,                                  \
        .redirect_count = sizeof(list) / sizeof((list)[0]), .redirects = (list)                    \
    }

static const struct oauth_client builtin[] = {
    BUILTIN("thunderbird", "Thunderbird", thunderbird_redirects),
    BUILTIN("native", "A mail program on this computer", native_redirects),
};

const struct oauth_client *oauth_client_builtin(size_t i)
{
    return i < sizeof(builtin) / sizeof(builtin[0]) ? &builtin[i] : NULL;
}

static const struct oauth_client *find_builtin(struct span id)
{
    const struct oauth_client *c;

    for (size_t i = 0; (c = oauth_client_builtin(i)); i++) {
        if (span_eq(c->id, id)) {
            return c;
        }
    }
    return NULL;
}

// ---- addresses to come back to ------------------------------------------------------------------

// Splits "scheme:rest"; the scheme of RFC 3986, in lower case only.
static bool split_scheme(struct span uri, struct span *scheme, struct span *rest)
{
    size_t at = span_find_byte(uri, ':');

    if (at == 0 || at >= uri.n || uri.p[0] < 'a' || uri.p[0] > 'z') {
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        char c = uri.p[i];

        if (!(c >= 'a' && c <= 'z') && !byte_is_digit(c) && c != '.' && c != '-' && c != '+') {
            return false;
        }
    }
    *scheme = span_first(uri, at);
    *rest = span_skip(uri, at + 1);
    return true;
}

// The characters of a URI (RFC 3986 section 2), but for those with which a reader could be misled.
static bool has_uri_bytes(struct span uri)
{
    static const char more[] = "-._~:/?[]@!$&'()+,;=%";

    for (size_t i = 0; i < uri.n; i++) {
        if (!byte_is_alnum(uri.p[i]) &&
            (uri.p[i] == '\0' || !memchr(more, uri.p[i], sizeof(more) - 1))) {
            return false;
        }
    }
    return true;
}

// Of "//host:port/path": host with its port, and the rest. False: it has none, or a user's name.
static bool split_authority(struct span rest, struct span *authority, struct span *path)
{
    if (!span_starts(rest, SPAN("//"))) {
        return false;
    }
    rest = span_skip(rest, 2);
    size_t n = 0;

    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
        n++;
    }
    *authority = span_first(rest, n);
    *path = span_skip(rest, n);
    return n > 0 && span_find_byte(*authority, '@') >= n;
}

// The host without its port. False: what stands behind the colon is no port.
static bool split_port(struct span authority, struct span *host)
{
    size_t from = authority.p[0] == '[' ? span_find_byte(authority, ']') : 0;
    size_t colon = from + span_find_byte(span_skip(authority, from), ':');
    uint64_t port;

    *host = span_first(authority, colon < authority.n ? colon : authority.n);
    return colon >= authority.n ||
           (span_to_u64(span_skip(authority, colon + 1), 65535, &port) && port > 0);
}

static bool is_loopback_host(struct span host)
{
    return span_eq(host, SPAN("127.0.0.1")) || span_eq(host, SPAN("[::1]")) ||
           span_eq(host, SPAN("localhost"));
}

static bool split_loopback(struct span uri, struct span *host, struct span *path)
{
    struct span scheme, rest, authority;

    return split_scheme(uri, &scheme, &rest) && span_eq(scheme, SPAN("http")) &&
           split_authority(rest, &authority, path) && split_port(authority, host) &&
           is_loopback_host(*host);
}

bool oauth_redirect_is_loopback(struct span uri)
{
    struct span host, path;

    return split_loopback(uri, &host, &path);
}

bool oauth_redirect_is_valid(struct span uri)
{
    struct span scheme, rest, authority, path, host;

    if (uri.n > OAUTH_REDIRECT_BYTES_MAX || !has_uri_bytes(uri) ||
        !split_scheme(uri, &scheme, &rest)) {
        return false;
    }
    if (span_eq(scheme, SPAN("https"))) {
        return split_authority(rest, &authority, &path) && split_port(authority, &host) &&
               host.n > 0;
    }
    return span_eq(scheme, SPAN("http")) ? oauth_redirect_is_loopback(uri)
                                         : span_find_byte(scheme, '.') < scheme.n && rest.n > 0;
}

bool oauth_redirect_matches(struct span registered, struct span asked)
{
    struct span host, path, asked_host, asked_path;

    if (!oauth_redirect_is_valid(asked)) {
        return false;
    }
    if (!split_loopback(registered, &host, &path)) {
        return span_eq(registered, asked);
    }
    return split_loopback(asked, &asked_host, &asked_path) && span_eq(host, asked_host) &&
           span_eq(path, asked_path);
}

bool oauth_client_has_redirect(const struct oauth_client *c, struct span asked)
{
    for (size_t i = 0; i < c->redirect_count; i++) {
        if (oauth_redirect_matches(c->redirects[i], asked)) {
            return true;
        }
    }
    return false;
}

// ---- rows ---------------------------------------------------------------------------------------

static bool is_valid(const struct oauth_client *c)
{
    bool ok = oauth_client_id_is_valid(c->id) && device_name_is_valid(c->name) &&
              c->name.n <= OAUTH_CLIENT_NAME_MAX && c->redirect_count <= OAUTH_REDIRECTS_MAX;

    for (size_t i = 0; ok && i < c->redirect_count; i++) {
        ok = oauth_redirect_is_valid(c->redirects[i]);
    }
    return ok;
}

enum err oauth_client_decode(struct span key, struct span value, struct span *redirects,
                             struct oauth_client *out)
{
    struct oauth_client c = {.id = span_skip(key, 1), .redirects = redirects};
    uint64_t kind, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_u64(&value, UINT64_MAX, &kind) && kind == KIND_ADDED &&
              unpack_i64(&value, &c.created) &&
              unpack_str(&value, OAUTH_CLIENT_NAME_MAX, &c.name) &&
              unpack_u64(&value, OAUTH_REDIRECTS_MAX, &count);

    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_str(&value, OAUTH_REDIRECT_BYTES_MAX, &redirects[i]);
    }
    if (!ok) {
        return ERR_CORRUPT;
    }
    c.redirect_count = count;
    if (!is_valid(&c) || find_builtin(c.id)) {
        return ERR_CORRUPT;
    }
    *out = c;
    return ERR_OK;
}

static enum err find(struct view *v, struct span id, struct span *redirects,
                     struct oauth_client *out)
{
    struct key k = key_text(KEY_OAUTH_CLIENT, id);
    struct span value;
    enum err e = view_get(v, &k, &value);

    e = e == ERR_OK ? oauth_client_decode(key_span(&k), value, redirects, out) : e;
    if (e == ERR_OK) {
        out->id = id;
    }
    return e;
}

static enum err copy(const struct oauth_client *c, struct arena *a, struct oauth_client *out)
{
    struct span *redirects = arena_zalloc(a, OAUTH_REDIRECTS_MAX, sizeof(*redirects));
    struct oauth_client n = *c;
    bool ok = redirects != NULL;

    n.id = arena_dup(a, c->id);
    n.name = arena_dup(a, c->name);
    for (size_t i = 0; ok && i < c->redirect_count; i++) {
        redirects[i] = arena_dup(a, c->redirects[i]);
        ok = redirects[i].p != NULL;
    }
    n.redirects = redirects;
    if (!ok || !n.id.p || !n.name.p) {
        return ERR_NOMEM;
    }
    *out = n;
    return ERR_OK;
}

enum err oauth_client_get(struct store *s, struct span id, struct arena *a,
                          struct oauth_client *out)
{
    const struct oauth_client *own = find_builtin(id);
    struct span redirects[OAUTH_REDIRECTS_MAX];
    struct oauth_client c;
    struct view v;

    if (own) {
        *out = *own;
        return ERR_OK;
    }
    enum err e = oauth_client_id_is_valid(id) ? view_begin(&v, s, 0) : ERR_NOT_FOUND;

    if (e != ERR_OK) {
        return e;
    }
    e = find(&v, id, redirects, &c);
    e = e == ERR_OK ? copy(&c, a, out) : e;
    view_end(&v);
    return e;
}

struct list_args {
    oauth_client_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    struct span redirects[OAUTH_REDIRECTS_MAX];
    const struct list_args *l = arg;
    struct oauth_client c;
    enum err e = oauth_client_decode(key, value, redirects, &c);

    return e != ERR_OK ? e : l->fn(l->arg, &c) ? ERR_OK : ERR_EOF;
}

enum err oauth_client_list(struct store *s, oauth_client_fn *fn, void *arg)
{
    struct key all = key_plain(KEY_OAUTH_CLIENT);
    struct list_args l = {fn, arg};
    const struct oauth_client *c;

    for (size_t i = 0; (c = oauth_client_builtin(i)); i++) {
        if (!fn(arg, c)) {
            return ERR_OK;
        }
    }
    return store_each(s, &all, list_one, &l);
}

// ---- changing -----------------------------------------------------------------------------------

static enum err note(struct edit *ed, struct span id, const char *what)
{
    struct change c = {.kind = CHANGE_ACCOUNT};
    struct buf b;

    buf_init(&b, 256);
    buf_printf(&b, "OAuth client %.*s %s", SPAN_ARG(id), what);
    c.after = buf_span(&b);
    enum err e = b.failed ? ERR_NOMEM : change_put(ed, &c);

    buf_finish(&b);
    return e;
}

static enum err put(struct edit *ed, const struct oauth_client *c)
{
    struct key k = key_text(KEY_OAUTH_CLIENT, c->id);
    char *room = arena_alloc(&ed->view.arena, VALUE_BYTES_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    struct pack value = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&value, KIND_ADDED);
    pack_i64(&value, edit_now_s(ed));
    pack_str(&value, c->name);
    pack_u64(&value, c->redirect_count);
    for (size_t i = 0; i < c->redirect_count; i++) {
        pack_str(&value, c->redirects[i]);
    }
    return edit_put(ed, &k, pack_span(&value));
}

static enum err add_edit(struct edit *ed, void *arg)
{
    struct key all = key_plain(KEY_OAUTH_CLIENT);
    const struct oauth_client *c = arg;
    struct key k = key_text(KEY_OAUTH_CLIENT, c->id);
    struct span value;
    size_t count = 0;
    enum err e = view_get(&ed->view, &k, &value);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = view_count(&ed->view, &all, &count);
    if (e == ERR_OK && count >= OAUTH_CLIENTS_MAX) {
        e = ERR_LIMIT;
    }
    e = e == ERR_OK ? put(ed, c) : e;
    return e == ERR_OK ? note(ed, c->id, "added") : e;
}

enum err oauth_client_add(struct store *s, const struct actor *by, const struct oauth_client *c)
{
    struct oauth_client new = *c;

    if (!is_valid(c)) {
        return ERR_INVALID;
    }
    return find_builtin(c->id) ? ERR_EXISTS : store_edit(s, 0, by, add_edit, &new, NULL);
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct span *id = arg;
    struct key k = key_text(KEY_OAUTH_CLIENT, *id);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note(ed, *id, "removed") : e;
}

enum err oauth_client_remove(struct store *s, const struct actor *by, struct span id)
{
    if (find_builtin(id)) {
        return ERR_DENIED;
    }
    return oauth_client_id_is_valid(id) ? store_edit(s, 0, by, remove_edit, &id, NULL)
                                        : ERR_NOT_FOUND;
}
