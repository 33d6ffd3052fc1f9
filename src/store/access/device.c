// SPDX-License-Identifier: Apache-2.0
#include "store/access/device.h"

#include "base/ip_network.h"
#include "base/utf8.h"
#include "store/access/access_internal.h"

#include "base/banned.h"

#define SCRAM_KEYS_BYTES (2 * DEVICE_DIGEST_BYTES)
#define VALUE_BYTES_MAX                                                                            \
    (DEVICE_NAME_BYTES_MAX + DEVICE_DIGEST_BYTES + SCRAM_KEYS_BYTES +                              \
     DEVICE_NETWORKS_MAX * (DEVICE_NETWORK_BYTES_MAX + 2) + 128)

// ---- what is one --------------------------------------------------------------------------------

bool device_name_is_valid(struct span name)
{
    if (name.n == 0 || name.n > DEVICE_NAME_BYTES_MAX || !utf8_is_valid(name) || name.p[0] == ' ' ||
        name.p[name.n - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (byte_is_ctl(name.p[i])) {
            return false;
        }
    }
    return true;
}

bool device_network_is_valid(struct span network)
{
    struct network n;

    return network.n <= DEVICE_NETWORK_BYTES_MAX && network_parse(network, &n) == ERR_OK;
}

bool device_is_valid(const struct device *d)
{
    bool ok = device_name_is_valid(d->name) && !(d->scope & ~(unsigned)DEVICE_SCOPES) &&
              (d->scope & (DEVICE_MAIL | DEVICE_WEB)) && d->until >= 0 &&
              d->network_count <= DEVICE_NETWORKS_MAX;

    for (size_t i = 0; ok && i < d->network_count; i++) {
        ok = device_network_is_valid(d->networks[i]);
    }
    return ok;
}

static struct span encode(const struct device *d, char *room)
{
    struct pack k = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, d->state);
    pack_u64(&k, d->scope);
    pack_i64(&k, d->created);
    pack_i64(&k, d->until);
    pack_i64(&k, d->blocked);
    pack_str(&k, d->name);
    pack_str(&k, d->secret);
    pack_str(&k, d->scram_keys);
    pack_u64(&k, d->network_count);
    for (size_t i = 0; i < d->network_count; i++) {
        pack_str(&k, d->networks[i]);
    }
    return pack_span(&k);
}

enum err device_decode(struct span key, struct span value, struct span *networks,
                       struct device *out)
{
    struct device d = {.networks = networks};
    uint64_t state, scope, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok =
        key_read_u32(key, &d.id) && d.id > 0 && unpack_u64(&value, DEVICE_BLOCKED, &state) &&
        state >= DEVICE_ACTIVE && unpack_u64(&value, DEVICE_SCOPES, &scope) &&
        unpack_i64(&value, &d.created) && unpack_i64(&value, &d.until) &&
        unpack_i64(&value, &d.blocked) && unpack_str(&value, DEVICE_NAME_BYTES_MAX, &d.name) &&
        unpack_str(&value, DEVICE_DIGEST_BYTES, &d.secret) && d.secret.n == DEVICE_DIGEST_BYTES &&
        unpack_str(&value, SCRAM_KEYS_BYTES, &d.scram_keys) &&
        (d.scram_keys.n == 0 || d.scram_keys.n == SCRAM_KEYS_BYTES) &&
        unpack_u64(&value, DEVICE_NETWORKS_MAX, &count);

    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_str(&value, DEVICE_NETWORK_BYTES_MAX, &networks[i]);
    }
    if (!ok) {
        return ERR_CORRUPT;
    }
    d.state = (enum device_state)state;
    d.scope = (unsigned)scope;
    d.network_count = count;
    *out = d;
    return device_is_valid(&d) && (d.state == DEVICE_BLOCKED) == (d.blocked != 0) ? ERR_OK
                                                                                  : ERR_CORRUPT;
}

// ---- looking ------------------------------------------------------------------------------------

static enum err find(struct view *v, uint32_t id, struct span *networks, struct device *out)
{
    struct key k = key_u32(KEY_DEVICE, id);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? device_decode(key_span(&k), value, networks, out) : e;
}

struct by_name {
    struct span name;
    struct span *networks;
    struct device found; // id 0: none
    size_t count;        // of all
};

static enum err match_name(void *arg, struct span key, struct span value)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct by_name *b = arg;
    struct device d;
    enum err e = device_decode(key, value, networks, &d);

    if (e != ERR_OK) {
        return e;
    }
    b->count++;
    if (span_eq(d.name, b->name)) {
        b->found = d;
        if (b->networks) {
            memcpy(b->networks, networks, sizeof(networks));
        }
        b->found.networks = b->networks;
    }
    return ERR_OK;
}

static enum err find_name(struct view *v, struct by_name *b)
{
    struct key prefix = key_plain(KEY_DEVICE);

    return view_each(v, &prefix, match_name, b);
}

// A copy whose spans live in the arena.
static enum err copy(const struct device *d, struct arena *a, struct device *out)
{
    struct span *networks = arena_zalloc(a, DEVICE_NETWORKS_MAX, sizeof(*networks));
    struct device c = *d;
    bool ok = networks != NULL;

    c.name = arena_dup(a, d->name);
    c.secret = arena_dup(a, d->secret);
    c.scram_keys = arena_dup(a, d->scram_keys);
    for (size_t i = 0; ok && i < d->network_count; i++) {
        networks[i] = arena_dup(a, d->networks[i]);
        ok = networks[i].p != NULL;
    }
    c.networks = networks;
    if (!ok || !c.name.p || !c.secret.p || !c.scram_keys.p) {
        return ERR_NOMEM;
    }
    *out = c;
    return ERR_OK;
}

enum err device_get(struct store *s, account_id account, uint32_t id, struct arena *a,
                    struct device *out)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct device d;
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = find(&v, id, networks, &d);
    e = e == ERR_OK ? copy(&d, a, out) : e;
    view_end(&v);
    return e;
}

enum err device_by_name(struct store *s, account_id account, struct span name, struct arena *a,
                        struct device *out)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct by_name b = {.name = name, .networks = networks};
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = find_name(&v, &b);
    e = e == ERR_OK && !b.found.id ? ERR_NOT_FOUND : e;
    e = e == ERR_OK ? copy(&b.found, a, out) : e;
    view_end(&v);
    return e;
}

struct list_args {
    device_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    const struct list_args *l = arg;
    struct device d;
    enum err e = device_decode(key, value, networks, &d);

    if (e != ERR_OK) {
        return e;
    }
    return l->fn(l->arg, &d) ? ERR_OK : ERR_EOF;
}

enum err device_list(struct store *s, account_id account, device_fn *fn, void *arg)
{
    struct list_args l = {fn, arg};
    struct key prefix = key_plain(KEY_DEVICE);
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = view_each(&v, &prefix, list_one, &l);
    view_end(&v);
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

enum err device_edit_note(struct edit *ed, uint32_t id, const char *words, struct span name)
{
    struct change c = {.kind = CHANGE_DEVICE, .value = id};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_printf(&text, "device \"%.*s\" %s", SPAN_ARG(name), words);
    c.after = buf_span(&text);
    enum err e = text.failed ? ERR_NOMEM : change_put(ed, &c);

    buf_finish(&text);
    return e;
}

enum err device_edit_put(struct edit *ed, const struct device *d)
{
    struct key k = key_u32(KEY_DEVICE, d->id);
    char room[VALUE_BYTES_MAX];

    return edit_put(ed, &k, encode(d, room));
}

enum err device_edit_find(struct edit *ed, uint32_t id, struct span *networks, struct device *out)
{
    return find(&ed->view, id, networks, out);
}

enum err device_edit_add(struct edit *ed, struct device *d)
{
    struct by_name b = {.name = d->name};
    enum err e = find_name(&ed->view, &b);

    if (e != ERR_OK || b.found.id) {
        return e != ERR_OK ? e : ERR_EXISTS;
    }
    if (b.count >= DEVICES_MAX || ed->header.next_device == UINT32_MAX) {
        return ERR_LIMIT;
    }
    d->id = ed->header.next_device++;
    d->state = DEVICE_ACTIVE;
    d->blocked = 0;
    d->created = edit_now_s(ed);
    e = device_edit_put(ed, d);
    return e == ERR_OK ? device_edit_note(ed, d->id, "added", d->name) : e;
}

static enum err add_edit(struct edit *ed, void *arg)
{
    return device_edit_add(ed, arg);
}

enum err device_add(struct store *s, account_id account, const struct actor *by,
                    const struct device *d, uint32_t *out_id)
{
    struct device new = *d;

    if (!device_is_valid(d) || d->secret.n != DEVICE_DIGEST_BYTES ||
        (d->scram_keys.n && d->scram_keys.n != SCRAM_KEYS_BYTES)) {
        return ERR_INVALID;
    }
    enum err e = account ? store_edit(s, account, by, add_edit, &new, NULL) : ERR_NOT_FOUND;

    if (e == ERR_OK) {
        *out_id = new.id;
    }
    return e;
}

static enum err state_set(struct edit *ed, uint32_t id, enum device_state state)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct device d;
    enum err e = find(&ed->view, id, networks, &d);

    if (e != ERR_OK || d.state == state) {
        return e;
    }
    d.state = state;
    d.blocked = state == DEVICE_BLOCKED ? edit_now_s(ed) : 0;
    e = device_edit_put(ed, &d);
    return e != ERR_OK
               ? e
               : device_edit_note(ed, d.id, d.blocked ? "blocked" : "not blocked any more", d.name);
}

enum err device_edit_block(struct edit *ed, uint32_t id)
{
    return state_set(ed, id, DEVICE_BLOCKED);
}

struct state_args {
    uint32_t id;
    enum device_state state;
};

static enum err state_edit(struct edit *ed, void *arg)
{
    const struct state_args *a = arg;

    return state_set(ed, a->id, a->state);
}

enum err device_set_state(struct store *s, account_id account, const struct actor *by, uint32_t id,
                          enum device_state state)
{
    struct state_args a = {id, state};

    return account ? store_edit(s, account, by, state_edit, &a, NULL) : ERR_NOT_FOUND;
}

static enum err change_edit(struct edit *ed, void *arg)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    const struct device *to = arg;
    struct by_name b = {.name = to->name};
    struct device d;
    enum err e = find(&ed->view, to->id, networks, &d);

    e = e == ERR_OK ? find_name(&ed->view, &b) : e;
    if (e == ERR_OK && b.found.id && b.found.id != to->id) {
        e = ERR_EXISTS;
    }
    if (e != ERR_OK) {
        return e;
    }
    struct span name_before = d.name;
    bool is_renamed = !span_eq(d.name, to->name);

    d.name = to->name;
    d.scope = to->scope;
    d.until = to->until;
    d.networks = to->networks;
    d.network_count = to->network_count;
    e = device_edit_put(ed, &d);
    if (e == ERR_OK && is_renamed) {
        e = device_edit_note(ed, d.id, "renamed", name_before);
    }
    return e != ERR_OK ? e
                       : device_edit_note(
                             ed, d.id, "set anew: what it may do, from where, until when", d.name);
}

enum err device_change(struct store *s, account_id account, const struct actor *by,
                       const struct device *d)
{
    struct device to = *d;

    if (!device_is_valid(d)) {
        return ERR_INVALID;
    }
    return account ? store_edit(s, account, by, change_edit, &to, NULL) : ERR_NOT_FOUND;
}

enum err device_edit_remove(struct edit *ed, uint32_t id)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct key k = key_u32(KEY_DEVICE, id);
    struct device d;
    enum err e = find(&ed->view, id, networks, &d);

    e = e == ERR_OK ? oauth_edit_forget(ed, id) : e;
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? device_edit_note(ed, id, "removed", d.name) : e;
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const uint32_t *id = arg;

    return device_edit_remove(ed, *id);
}

enum err device_remove(struct store *s, account_id account, const struct actor *by, uint32_t id)
{
    return account ? store_edit(s, account, by, remove_edit, &id, NULL) : ERR_NOT_FOUND;
}
