// SPDX-License-Identifier: Apache-2.0
//
// Names, rows, and looking at entries.
#include "store/metadata/metadata.h"

#include "base/log.h"
#include "store/metadata/metadata_internal.h"

#include "base/banned.h"

#define KEY_HEAD_BYTES 13

// ---- names --------------------------------------------------------------------------------------

// RFC 5464 section 3.2. What is left out of US-ASCII there is left out here, and DEL and all other
// control characters with it.
static bool levels_are_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c < 0x20 || c >= 0x7f || c == '*' || c == '%' ||
            (c == '/' && (i + 1 == name.n || name.p[i + 1] == '/'))) {
            return false;
        }
    }
    return true;
}

static bool is_below(struct span name, struct span above)
{
    return name.n > above.n && name.p[above.n] == '/' && span_starts_nocase(name, above);
}

static size_t level_count(struct span name)
{
    size_t n = 0;

    for (size_t i = 0; i < name.n; i++) {
        n += name.p[i] == '/';
    }
    return n;
}

bool metadata_name_is_valid(struct span name, bool root)
{
    static const struct span scopes[] = {{"/private", 8}, {"/shared", 7}};

    if (name.n > METADATA_NAME_BYTES_MAX || !levels_are_valid(name)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
        struct span rest = span_skip(name, scopes[i].n);

        if (span_eq_nocase(name, scopes[i])) {
            return root;
        }
        if (is_below(name, scopes[i])) {
            bool is_vendor =
                span_eq_nocase(rest, SPAN("/vendor")) || is_below(rest, SPAN("/vendor"));

            return root || !is_vendor || level_count(name) >= 4;
        }
    }
    return false;
}

bool metadata_name_is_private(struct span name)
{
    return span_starts_nocase(name, SPAN("/private"));
}

bool metadata_name_is_seen(struct span name)
{
    return span_eq_nocase(name, SPAN(METADATA_SEEN));
}

bool metadata_seen_is_good(struct span value)
{
    return !value.p || span_eq(value, SPAN(METADATA_SEEN_OWN)) ||
           span_eq(value, SPAN(METADATA_SEEN_SHARED));
}

// ---- rows ---------------------------------------------------------------------------------------

struct key metadata_key(struct metadata_where where, struct span name)
{
    struct key k = key_u64(KEY_METADATA, where.owner);

    ASSERT(name.n <= METADATA_NAME_BYTES_MAX);
    put_be32(k.p + 9, where.mailbox);
    for (size_t i = 0; i < name.n; i++) {
        k.p[KEY_HEAD_BYTES + i] = byte_lower(name.p[i]);
    }
    k.n = KEY_HEAD_BYTES + name.n;
    return k;
}

enum err metadata_decode(struct span key, struct span value, struct metadata_entry *out)
{
    struct metadata_entry entry;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (key.n <= KEY_HEAD_BYTES || !unpack_u64(&value, UINT64_MAX, &entry.changed) ||
        !unpack_str(&value, METADATA_NAME_BYTES_MAX, &entry.name) ||
        !unpack_str(&value, METADATA_VALUE_BYTES_MAX, &entry.value)) {
        return ERR_CORRUPT;
    }
    entry.where = (struct metadata_where){get_be64(key.p + 1), get_be32(key.p + 9)};
    struct key own = metadata_key(entry.where, entry.name);

    if (!metadata_name_is_valid(entry.name, false) || !span_eq(key_span(&own), key)) {
        return ERR_CORRUPT;
    }
    *out = entry;
    return ERR_OK;
}

uint64_t metadata_entry_bytes(const struct metadata_entry *entry)
{
    return METADATA_ENTRY_BYTES + entry->name.n + entry->value.n;
}

// ---- looking ------------------------------------------------------------------------------------

enum err view_metadata(struct view *v, struct metadata_where where, struct span name,
                       struct metadata_entry *out)
{
    struct key k = metadata_key(where, name);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? metadata_decode(key_span(&k), value, out) : e;
}

struct walk {
    size_t root_n; // bytes of the name that was asked for
    enum metadata_depth depth;
    metadata_fn *fn;
    void *arg;
};

static enum err walk_one(const struct walk *w, struct span key, struct span value)
{
    struct metadata_entry entry;

    if (metadata_decode(key, value, &entry) != ERR_OK) { // for the check to tell of
        return ERR_OK;
    }
    struct span rest = span_skip(entry.name, w->root_n + 1);
    bool is_too_deep = w->depth == METADATA_DEPTH_1 && span_find_byte(rest, '/') < rest.n;

    return is_too_deep ? ERR_OK : w->fn(w->arg, &entry);
}

static enum err walk_below(struct view *v, const struct walk *w, const struct key *from,
                           const struct key *to)
{
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(v->snapshot, v->account, key_span(from), key_span(to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = walk_one(w, key, value);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND || e == ERR_EOF ? ERR_OK : e;
}

enum err view_metadata_each(struct view *v, struct metadata_where where, struct span name,
                            enum metadata_depth depth, struct span after, metadata_fn *fn,
                            void *arg)
{
    struct walk w = {.root_n = name.n, .depth = depth, .fn = fn, .arg = arg};
    struct metadata_entry entry;
    enum err e = after.n ? ERR_NOT_FOUND : view_metadata(v, where, name, &entry);

    if (e == ERR_OK) {
        e = fn(arg, &entry);
    }
    if (e == ERR_EOF || (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_CORRUPT)) {
        return e == ERR_EOF ? ERR_OK : e;
    }
    if (depth == METADATA_DEPTH_0 || name.n + 1 > METADATA_NAME_BYTES_MAX) {
        return ERR_OK;
    }
    struct key from = metadata_key(where, name);

    from.p[from.n++] = '/';
    struct key to = key_after(&from);

    if (after.n > name.n) { // the first key behind that name
        from = metadata_key(where, after);
        from.p[from.n++] = '\0';
    }
    return walk_below(v, &w, &from, &to);
}

uint64_t view_metadata_bytes(const struct view *v)
{
    return v->header.metadata_bytes;
}

// ---- the change log -----------------------------------------------------------------------------

bool metadata_change_read(const struct change *c, struct metadata_changed *out)
{
    struct metadata_changed m = {.where = {c->value, c->mailbox}, .name = c->after};
    struct span before = c->before;
    uint64_t size;

    if (c->kind != CHANGE_METADATA || !unpack_u64(&before, METADATA_VALUE_BYTES_MAX + 1, &size) ||
        !unpack_str(&before, METADATA_BEFORE_BYTES_MAX, &m.before) ||
        (c->value && !unpack_u32(&before, &m.where.mailbox))) {
        return false;
    }
    m.was_there = size != 0;
    m.before_bytes = size ? size - 1 : 0;
    *out = m;
    return true;
}
