// SPDX-License-Identifier: Apache-2.0
#include "store/access/oauth_family.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "store/access/access_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX                                                                            \
    (OAUTH_CLIENT_BYTES_MAX + (1 + OAUTH_ACCESS_MAX) * (OAUTH_DIGEST_BYTES + 16) + 128)

// ---- rows ---------------------------------------------------------------------------------------

bool oauth_client_id_is_valid(struct span id)
{
    for (size_t i = 0; i < id.n; i++) {
        if (!byte_is_alnum(id.p[i]) && id.p[i] != '-' && id.p[i] != '.' && id.p[i] != '_') {
            return false;
        }
    }
    return id.n > 0 && id.n <= OAUTH_CLIENT_BYTES_MAX;
}

static struct span encode(const struct oauth_family *f, char *room)
{
    struct pack k = pack_record(room, VALUE_BYTES_MAX, SCHEMA_VERSION);

    pack_u64(&k, f->device);
    pack_u64(&k, f->generation);
    pack_i64(&k, f->created);
    pack_i64(&k, f->changed);
    pack_i64(&k, f->until);
    pack_str(&k, f->client);
    pack_str(&k, f->refresh);
    pack_u64(&k, f->access_count);
    for (size_t i = 0; i < f->access_count; i++) {
        pack_i64(&k, f->access[i].until);
        pack_str(&k, f->access[i].digest);
    }
    return pack_span(&k);
}

static bool unpack_digest(struct span *value, struct span *out)
{
    return unpack_str(value, OAUTH_DIGEST_BYTES, out) && out->n == OAUTH_DIGEST_BYTES;
}

enum err oauth_family_decode(struct span key, struct span value, struct oauth_family *out)
{
    struct oauth_family f = {.id = 0};
    uint64_t generation, count = 0;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    bool ok =
        key_read_u64(key, &f.id) && f.id > 0 && f.id <= OAUTH_FAMILY_MAX &&
        unpack_u32(&value, &f.device) && f.device > 0 &&
        unpack_u64(&value, OAUTH_GENERATION_MAX, &generation) && generation > 0 &&
        unpack_i64(&value, &f.created) && unpack_i64(&value, &f.changed) &&
        unpack_i64(&value, &f.until) && unpack_str(&value, OAUTH_CLIENT_BYTES_MAX, &f.client) &&
        oauth_client_id_is_valid(f.client) && unpack_str(&value, OAUTH_DIGEST_BYTES, &f.refresh) &&
        (f.refresh.n == 0 || f.refresh.n == OAUTH_DIGEST_BYTES) &&
        unpack_u64(&value, f.refresh.n ? OAUTH_ACCESS_MAX : 0, &count);

    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_i64(&value, &f.access[i].until) && unpack_digest(&value, &f.access[i].digest);
    }
    if (!ok) {
        return ERR_CORRUPT;
    }
    f.generation = (uint32_t)generation;
    f.access_count = count;
    *out = f;
    return ERR_OK;
}

static struct key row_key(uint64_t id)
{
    return key_u64(KEY_TOKENS, id);
}

static enum err find(struct view *v, uint64_t id, struct oauth_family *out)
{
    struct key k = row_key(id);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? oauth_family_decode(key_span(&k), value, out) : e;
}

static enum err put(struct edit *ed, const struct oauth_family *f)
{
    struct key k = row_key(f->id);
    char room[VALUE_BYTES_MAX];

    ed->is_changed = true;
    return edit_put(ed, &k, encode(f, room));
}

enum err oauth_family_get(struct store *s, account_id account, uint64_t id, struct arena *a,
                          struct oauth_family *out)
{
    struct oauth_family f;
    struct view v;
    enum err e = account ? view_begin(&v, s, account) : ERR_NOT_FOUND;

    if (e != ERR_OK) {
        return e;
    }
    e = find(&v, id, &f);
    if (e == ERR_OK) {
        f.client = arena_dup(a, f.client);
        f.refresh = arena_dup(a, f.refresh);
        e = f.client.p && f.refresh.p ? ERR_OK : ERR_NOMEM;
    }
    for (size_t i = 0; e == ERR_OK && i < f.access_count; i++) {
        f.access[i].digest = arena_dup(a, f.access[i].digest);
        e = f.access[i].digest.p ? ERR_OK : ERR_NOMEM;
    }
    view_end(&v);
    if (e == ERR_OK) {
        *out = f;
    }
    return e;
}

// ---- a new one ----------------------------------------------------------------------------------

struct add_args {
    const struct device *device;
    struct oauth_family family;
};

// "Thunderbird", "Thunderbird 2" and so on, up to the first name that is free.
static enum err add_device(struct edit *ed, const struct device *wanted, uint32_t *out)
{
    char name[DEVICE_NAME_BYTES_MAX + 1];
    struct device d = *wanted;
    enum err e = device_edit_add(ed, &d);

    for (unsigned i = 2; e == ERR_EXISTS && i <= DEVICES_MAX + 1; i++) {
        int n = snprintf(name, sizeof(name), "%.*s %u", SPAN_ARG(wanted->name), i);

        if (n <= 0 || n > DEVICE_NAME_BYTES_MAX) {
            return ERR_INVALID;
        }
        d = *wanted;
        d.name = span_of(name, (size_t)n);
        e = device_edit_add(ed, &d);
    }
    *out = d.id;
    return e;
}

static enum err add_edit(struct edit *ed, void *arg)
{
    struct add_args *a = arg;
    struct oauth_family old;
    enum err e = find(&ed->view, a->family.id, &old);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK || e == ERR_CORRUPT ? ERR_EXISTS : e;
    }
    a->family.created = a->family.changed = edit_now_s(ed);
    a->family.generation = 1;
    e = add_device(ed, a->device, &a->family.device);
    return e == ERR_OK ? put(ed, &a->family) : e;
}

enum err oauth_family_add(struct store *s, account_id account, const struct actor *by,
                          const struct device *d, const struct oauth_family *f,
                          uint32_t *out_device)
{
    struct add_args a = {.device = d, .family = *f};

    if (f->id == 0 || f->id > OAUTH_FAMILY_MAX || !oauth_client_id_is_valid(f->client) ||
        f->refresh.n != OAUTH_DIGEST_BYTES || f->access_count != 1 ||
        f->access[0].digest.n != OAUTH_DIGEST_BYTES || !device_is_valid(d) ||
        d->secret.n != DEVICE_DIGEST_BYTES) {
        return ERR_INVALID;
    }
    enum err e = account ? store_edit(s, account, by, add_edit, &a, NULL) : ERR_NOT_FOUND;

    if (e == ERR_OK) {
        *out_device = a.family.device;
    }
    return e;
}

// ---- its end ------------------------------------------------------------------------------------

static enum err end(struct edit *ed, struct oauth_family *f)
{
    f->refresh = SPAN("");
    f->access_count = 0;
    f->changed = edit_now_s(ed);
    enum err e = put(ed, f);

    e = e == ERR_OK ? device_edit_block(ed, f->device) : e;
    return e == ERR_NOT_FOUND ? ERR_OK : e; // there is no device any more
}

static enum err end_edit(struct edit *ed, void *arg)
{
    const uint64_t *id = arg;
    struct oauth_family f;
    enum err e = find(&ed->view, *id, &f);

    return e != ERR_OK || !f.refresh.n ? e : end(ed, &f);
}

enum err oauth_family_end(struct store *s, account_id account, const struct actor *by, uint64_t id)
{
    return account ? store_edit(s, account, by, end_edit, &id, NULL) : ERR_NOT_FOUND;
}

struct forget {
    struct edit *ed;
    uint32_t device;
};

static enum err forget_one(void *arg, struct span key, struct span value)
{
    const struct forget *x = arg;
    struct oauth_family f;

    if (oauth_family_decode(key, value, &f) != ERR_OK || f.device != x->device) {
        return ERR_OK;
    }
    return batch_delete(x->ed->batch, key);
}

enum err oauth_edit_forget(struct edit *ed, uint32_t device)
{
    struct key all = key_plain(KEY_TOKENS);
    struct forget x = {ed, device};

    return view_each(&ed->view, &all, forget_one, &x);
}

// ---- the next generation ------------------------------------------------------------------------

struct rotate_args {
    const struct oauth_rotation *is;
    enum oauth_rotated result;
    uint32_t device;
};

static bool is_present(const struct oauth_family *f, const struct oauth_rotation *r)
{
    return f->generation == r->generation &&
           CRYPTO_memcmp(f->refresh.p, r->presented.p, OAUTH_DIGEST_BYTES) == 0;
}

// The newest access token before stays good until its time is over.
static void take_over(struct oauth_family *f, const struct oauth_rotation *r, int64_t now)
{
    struct oauth_access last = {.until = 0};

    if (f->access_count && f->access[f->access_count - 1].until > now) {
        last = f->access[f->access_count - 1];
    }
    f->access_count = 0;
    if (last.until) {
        f->access[f->access_count++] = last;
    }
    f->access[f->access_count++] = r->access;
    f->refresh = r->refresh;
    f->generation++;
    f->until = r->until;
    f->changed = now;
}

static enum err rotate(struct edit *ed, struct rotate_args *a, struct oauth_family *f)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    int64_t now = edit_now_s(ed);
    struct device d;
    enum err e = device_edit_find(ed, f->device, networks, &d);

    if (e != ERR_OK) {
        return e;
    }
    if (d.state != DEVICE_ACTIVE || (d.until && d.until <= now) || f->until <= now ||
        f->generation == OAUTH_GENERATION_MAX) {
        return ERR_NOT_FOUND;
    }
    if (d.until == f->until) {
        d.until = a->is->until;
        e = device_edit_put(ed, &d);
    }
    take_over(f, a->is, now);
    a->result = OAUTH_ROTATED;
    return e == ERR_OK ? put(ed, f) : e;
}

// ERR_NOT_FOUND: refused.
static enum err rotate_edit(struct edit *ed, void *arg)
{
    struct rotate_args *a = arg;
    struct oauth_family f;
    enum err e = find(&ed->view, a->is->id, &f);

    if (e == ERR_OK && (!f.refresh.n || !span_eq(f.client, a->is->client))) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        return e;
    }
    a->device = f.device;
    if (is_present(&f, a->is)) {
        return rotate(ed, a, &f);
    }
    if (a->is->generation >= f.generation) {
        return ERR_NOT_FOUND; // none that we ever gave away
    }
    a->result = OAUTH_REUSED;
    return end(ed, &f);
}

enum err oauth_family_rotate(struct store *s, account_id account, const struct actor *by,
                             const struct oauth_rotation *r, enum oauth_rotated *out,
                             uint32_t *out_device)
{
    struct rotate_args a = {.is = r};

    if (r->presented.n != OAUTH_DIGEST_BYTES || r->refresh.n != OAUTH_DIGEST_BYTES ||
        r->access.digest.n != OAUTH_DIGEST_BYTES) {
        return ERR_INVALID;
    }
    enum err e = account ? store_edit(s, account, by, rotate_edit, &a, NULL) : ERR_NOT_FOUND;

    if (e == ERR_NOT_FOUND) {
        *out = OAUTH_REFUSED;
        return ERR_OK;
    }
    if (e == ERR_OK) {
        *out = a.result;
        *out_device = a.device;
    }
    return e;
}
