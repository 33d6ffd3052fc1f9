// SPDX-License-Identifier: Apache-2.0
//
// A file is a search tree of pairs of records, one record for each value of a bit; 16 bytes; the
// values that its leaves point at; and a map of what the file is, behind a marker.
#include "courier/place/mmdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

#include "base/banned.h"

#define MARKER          "\xab\xcd\xefMaxMind.com"
#define MARKER_BYTES    (sizeof(MARKER) - 1)
#define METADATA_MAX    131072 // where the marker is looked for, from the end
#define SEPARATOR_BYTES 16
#define WINDOW_BYTES    512  // read at a time
#define VALUES_MAX      4096 // looked at in one lookup
#define POINTERS_MAX    4    // one after the other; the format has one
#define RADIUS_UNKNOWN  100
#define RADIUS_MAX      20100 // half way round

enum type {
    TYPE_EXTENDED,
    TYPE_POINTER,
    TYPE_TEXT,
    TYPE_DOUBLE,
    TYPE_BYTES,
    TYPE_U16,
    TYPE_U32,
    TYPE_MAP,
    TYPE_I32,
    TYPE_U64,
    TYPE_U128,
    TYPE_ARRAY,
    TYPE_CONTAINER,
    TYPE_END,
    TYPE_BOOL,
    TYPE_FLOAT,
};

// A place among values, and what was read around it.
struct cursor {
    const struct mmdb_source *source;
    uint64_t base, end; // pointers count from `base`; nothing is read from `end` on
    uint64_t at;
    unsigned values; // that may still be looked at
    uint64_t window_at;
    size_t window_n;
    char window[WINDOW_BYTES];
};

struct value {
    enum type type;
    uint64_t size; // bytes; of maps and arrays: entries; of a bool: what it is
};

// ---- bytes --------------------------------------------------------------------------------------

// The next `n` bytes, at most WINDOW_BYTES; good until the next call.
static enum err take(struct cursor *c, size_t n, const unsigned char **out)
{
    if (c->at < c->base || n > c->end - c->at || c->at > c->end) {
        return ERR_CORRUPT;
    }
    if (c->at < c->window_at || c->at + n > c->window_at + c->window_n) {
        uint64_t left = c->end - c->at;
        size_t all = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        enum err e = c->source->read(c->source->arg, c->at, all, c->window);

        c->window_n = e == ERR_OK ? all : 0;
        c->window_at = c->at;
        if (e != ERR_OK) {
            return e;
        }
    }
    *out = (const unsigned char *)c->window + (c->at - c->window_at);
    c->at += n;
    return ERR_OK;
}

// A big-endian number of `n` bytes, at most 8.
static enum err take_number(struct cursor *c, size_t n, uint64_t *out)
{
    const unsigned char *p = NULL;
    enum err e = n <= 8 ? take(c, n, &p) : ERR_CORRUPT;
    uint64_t v = 0;

    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        v = v << 8 | p[i];
    }
    *out = v;
    return e;
}

// ---- values -------------------------------------------------------------------------------------

// Where a pointer with this first byte leads; the bytes behind it are taken.
static enum err take_pointer(struct cursor *c, unsigned first, uint64_t *out)
{
    static const uint32_t added[] = {0, 2048, 526336, 0};
    unsigned size = first >> 3 & 3;
    uint64_t v;
    enum err e = take_number(c, size + 1, &v);

    if (size < 3) {
        v |= (uint64_t)(first & 7) << 8 * (size + 1);
    }
    *out = c->base + v + added[size];
    return e;
}

// The head of a value; of a pointer, size is where it leads.
static enum err take_head(struct cursor *c, struct value *out)
{
    static const uint32_t added[] = {29, 285, 65821};
    uint64_t first, more;

    if (c->values == 0) {
        return ERR_CORRUPT;
    }
    c->values--;
    enum err e = take_number(c, 1, &first);

    out->type = (enum type)(first >> 5);
    out->size = first & 31;
    if (e == ERR_OK && out->type == TYPE_POINTER) {
        return take_pointer(c, (unsigned)first, &out->size);
    }
    if (e == ERR_OK && out->type == TYPE_EXTENDED) {
        e = take_number(c, 1, &more);
        out->type = (enum type)(more + 7);
        if (e == ERR_OK && (more == 0 || out->type > TYPE_FLOAT)) {
            return ERR_CORRUPT;
        }
    }
    if (e == ERR_OK && out->size >= 29) {
        size_t n = (size_t)out->size - 28;

        e = take_number(c, n, &more);
        out->size = more + added[n - 1];
    }
    return e;
}

// The same, and where pointers lead.
static enum err take_value(struct cursor *c, struct value *out)
{
    enum err e = take_head(c, out);

    for (int i = 0; i < POINTERS_MAX && e == ERR_OK && out->type == TYPE_POINTER; i++) {
        c->at = out->size;
        e = take_head(c, out);
    }
    return e == ERR_OK && out->type == TYPE_POINTER ? ERR_CORRUPT : e;
}

// Behind the next value, with all that is in it.
static enum err skip(struct cursor *c)
{
    uint64_t left = 1;
    struct value v;

    while (left) {
        enum err e = take_head(c, &v);

        if (e != ERR_OK) {
            return e;
        }
        left--;
        if (v.type == TYPE_MAP || v.type == TYPE_ARRAY) {
            left += v.type == TYPE_MAP ? 2 * v.size : v.size;
            if (left > VALUES_MAX) {
                return ERR_CORRUPT;
            }
        } else if (v.type != TYPE_POINTER && v.type != TYPE_BOOL) {
            if (v.size > c->end - c->at) {
                return ERR_CORRUPT;
            }
            c->at += v.size;
        }
    }
    return ERR_OK;
}

static enum err take_text(struct cursor *c, char *out, size_t room)
{
    const unsigned char *p;
    struct value v;
    enum err e = take_value(c, &v);

    if (e == ERR_OK && v.type != TYPE_TEXT) {
        return ERR_CORRUPT;
    }
    size_t n = v.size < room - 1 ? (size_t)v.size : room - 1;

    e = e == ERR_OK ? take(c, n, &p) : e;
    if (e == ERR_OK) {
        memcpy(out, p, n);
        out[n] = '\0';
    }
    return e;
}

// A key is a text, or a pointer to one; the cursor ends behind what stands in the map.
static enum err key_is(struct cursor *c, const char *key, bool *out)
{
    struct cursor at = *c;
    char text[32] = "";
    enum err e = take_text(&at, text, sizeof(text));

    c->values = at.values;
    *out = e == ERR_OK && strcmp(text, key) == 0;
    return e == ERR_OK ? skip(c) : e;
}

// From a map at the cursor to the value of a key in it. ERR_NOT_FOUND.
static enum err enter(struct cursor *c, const char *key)
{
    struct value map;
    enum err e = take_value(c, &map);

    if (e == ERR_OK && map.type != TYPE_MAP) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; e == ERR_OK && i < map.size; i++) {
        bool is_it;

        e = key_is(c, key, &is_it);
        if (e == ERR_OK && is_it) {
            return ERR_OK;
        }
        e = e == ERR_OK ? skip(c) : e;
    }
    return e == ERR_OK ? ERR_NOT_FOUND : e;
}

// Some values below one, each by its path; `from` stays.
static enum err enter_path(const struct cursor *from, const char *const path[], struct cursor *out)
{
    enum err e = ERR_OK;

    *out = *from;
    for (size_t i = 0; path[i] && e == ERR_OK; i++) {
        e = enter(out, path[i]);
    }
    return e;
}

static enum err get_text(const struct cursor *from, const char *const path[], char *out,
                         size_t room)
{
    struct cursor c;
    enum err e = enter_path(from, path, &c);

    return e == ERR_OK ? take_text(&c, out, room) : e;
}

static enum err get_number(const struct cursor *from, const char *key, uint64_t max, uint64_t *out)
{
    const char *const path[] = {key, NULL};
    struct cursor c;
    struct value v;
    enum err e = enter_path(from, path, &c);

    e = e == ERR_OK ? take_value(&c, &v) : e;
    if (e == ERR_OK && v.type != TYPE_U16 && v.type != TYPE_U32 && v.type != TYPE_U64) {
        return ERR_CORRUPT;
    }
    e = e == ERR_OK ? take_number(&c, (size_t)v.size, out) : e;
    return e == ERR_OK && *out > max ? ERR_CORRUPT : e;
}

// A double, as hundredths. ERR_NOT_FOUND: it is none that is within the limit.
static enum err get_hundredths(const struct cursor *from, const char *key, int limit, int32_t *out)
{
    const char *const path[] = {"location", key, NULL};
    struct cursor c;
    struct value v;
    uint64_t bits;
    double d;
    enum err e = enter_path(from, path, &c);

    e = e == ERR_OK ? take_value(&c, &v) : e;
    if (e == ERR_OK && (v.type != TYPE_DOUBLE || v.size != 8)) {
        return ERR_CORRUPT;
    }
    e = e == ERR_OK ? take_number(&c, 8, &bits) : e;
    if (e != ERR_OK) {
        return e;
    }
    memcpy(&d, &bits, sizeof(d));
    if (!(d >= -limit && d <= limit)) { // nor is what is no number
        return ERR_NOT_FOUND;
    }
    *out = (int32_t)(d * 100);
    return ERR_OK;
}

static struct cursor cursor_at(const struct mmdb_source *source, uint64_t base, uint64_t end,
                               uint64_t at)
{
    return (struct cursor){
        .source = source, .base = base, .end = end, .at = at, .values = VALUES_MAX};
}

// ---- the tree -----------------------------------------------------------------------------------

// One of a node's two records: another node, `nodes` (nothing), or a place among the values.
static enum err record_of(const struct mmdb *m, uint32_t node, unsigned bit, uint32_t *out)
{
    unsigned char b[8] = {0};
    size_t n = m->record_bits / 4;
    enum err e = m->source.read(m->source.arg, (uint64_t)node * n, n, (char *)b);
    const unsigned char *p = b + (bit ? n / 2 : 0);

    if (m->record_bits == 24) {
        *out = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    } else if (m->record_bits == 32) {
        *out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    } else if (bit) { // of 28 bits the highest four are in the byte between them
        *out = (uint32_t)(b[3] & 15) << 24 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 8 | b[6];
    } else {
        *out = (uint32_t)(b[3] >> 4) << 24 | (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
    }
    return e;
}

// Down the tree by the bits of an address, from a record on.
static enum err descend(const struct mmdb *m, uint32_t record, const unsigned char *address,
                        unsigned bits, uint32_t *out)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < bits && record < m->nodes && e == ERR_OK; i++) {
        e = record_of(m, record, address[i / 8] >> (7 - i % 8) & 1, &record);
    }
    *out = record;
    return e;
}

// ---- opening ------------------------------------------------------------------------------------

// Behind the last marker.
static enum err find_metadata(const struct mmdb_source *s, uint64_t *out)
{
    size_t n = s->size < METADATA_MAX ? (size_t)s->size : METADATA_MAX;
    char *tail = malloc(n ? n : 1);
    enum err e = tail ? s->read(s->arg, s->size - n, n, tail) : ERR_NOMEM;
    size_t i = n;

    if (e == ERR_OK) {
        e = ERR_INVALID;
        for (; i >= MARKER_BYTES && e != ERR_OK; i--) {
            if (memcmp(tail + i - MARKER_BYTES, MARKER, MARKER_BYTES) == 0) {
                *out = s->size - n + i;
                e = ERR_OK;
            }
        }
    }
    free(tail);
    return e;
}

static enum err read_metadata(struct mmdb *m, uint64_t at)
{
    static const char *const type[] = {"database_type", NULL};
    const struct cursor c = cursor_at(&m->source, at, m->source.size, at);
    uint64_t version = 0, nodes = 0, bits = 0, ip_version = 0, built = 0;
    enum err e = get_number(&c, "binary_format_major_version", UINT64_MAX, &version);

    if (e == ERR_OK && version != 2) {
        return ERR_UNSUPPORTED;
    }
    e = e == ERR_OK ? get_number(&c, "node_count", UINT32_MAX, &nodes) : e;
    e = e == ERR_OK ? get_number(&c, "record_size", 32, &bits) : e;
    e = e == ERR_OK ? get_number(&c, "ip_version", 6, &ip_version) : e;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    if (get_number(&c, "build_epoch", INT32_MAX, &built) == ERR_OK) {
        m->built = (int64_t)built;
    }
    if (get_text(&c, type, m->type, sizeof(m->type)) != ERR_OK ||
        !utf8_is_valid(span_from_str(m->type))) {
        m->type[0] = '\0';
    }
    m->nodes = (uint32_t)nodes;
    m->record_bits = (unsigned)bits;
    m->ip_version = (unsigned)ip_version;
    m->data = nodes * (bits / 4) + SEPARATOR_BYTES;
    m->data_end = at - MARKER_BYTES;
    bool is_good = nodes > 0 && (bits == 24 || bits == 28 || bits == 32) &&
                   (ip_version == 4 || ip_version == 6) && m->data <= m->data_end;

    return is_good ? ERR_OK : ERR_CORRUPT;
}

enum err mmdb_open(const struct mmdb_source *source, struct mmdb *out)
{
    static const unsigned char none[12];
    struct mmdb m = {.source = *source};
    uint64_t at = 0;
    enum err e = find_metadata(source, &at);

    e = e == ERR_OK ? read_metadata(&m, at) : e;
    if (e == ERR_OK && m.ip_version == 6) { // IPv4 lies in ::/96
        e = descend(&m, 0, none, 96, &m.four);
    }
    if (e == ERR_OK) {
        *out = m;
    }
    return e;
}

// ---- looking up ---------------------------------------------------------------------------------

// What is shown to people: cut at a whole character, without controls.
static void clean_name(char *name)
{
    size_t n = strlen(name);

    while (n && !utf8_is_valid(span_of(name, n))) {
        n--;
    }
    name[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 32 || name[i] == 127) {
            name[0] = '\0';
            return;
        }
    }
}

static bool is_code(const char *s)
{
    return s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] == '\0';
}

// ERR_NOT_FOUND: no country is said under that name.
static enum err read_country(const struct cursor *c, const char *which, struct mmdb_place *out)
{
    const char *const code[] = {which, "iso_code", NULL};
    const char *const name[] = {which, "names", "en", NULL};
    char text[4];
    enum err e = get_text(c, code, text, sizeof(text));

    if (e != ERR_OK) {
        return e;
    }
    if (!is_code(text)) {
        return ERR_NOT_FOUND;
    }
    memcpy(out->country, text, sizeof(out->country));
    e = get_text(c, name, out->name, sizeof(out->name));
    clean_name(out->name);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err read_position(const struct cursor *c, struct mmdb_place *out)
{
    static const char *const location[] = {"location", NULL};
    uint64_t radius = RADIUS_UNKNOWN;
    struct cursor at;
    enum err e = get_hundredths(c, "latitude", 90, &out->latitude);

    e = e == ERR_OK ? get_hundredths(c, "longitude", 180, &out->longitude) : e;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = enter_path(c, location, &at);
    e = e == ERR_OK ? get_number(&at, "accuracy_radius", UINT64_MAX, &radius) : e;
    out->radius_km = radius < RADIUS_MAX ? (uint32_t)radius : RADIUS_MAX;
    out->has_position = e == ERR_OK || e == ERR_NOT_FOUND;
    return out->has_position ? ERR_OK : e;
}

enum err mmdb_find(const struct mmdb *m, bool is_six, const unsigned char *address,
                   struct mmdb_place *out)
{
    struct mmdb_place place = {.has_position = false};
    uint32_t record = 0;

    if (is_six && m->ip_version == 4) {
        return ERR_NOT_FOUND;
    }
    enum err e = descend(m, is_six ? 0 : m->four, address, is_six ? 128 : 32, &record);

    if (e != ERR_OK || record <= m->nodes) {
        return e == ERR_OK ? ERR_NOT_FOUND : e;
    }
    const struct cursor c = cursor_at(&m->source, m->data, m->data_end,
                                      m->data + (record - m->nodes) - SEPARATOR_BYTES);

    e = read_country(&c, "country", &place);
    if (e == ERR_NOT_FOUND) { // of networks that are everywhere: whose they are
        e = read_country(&c, "registered_country", &place);
    }
    e = e == ERR_OK ? read_position(&c, &place) : e;
    if (e == ERR_OK) {
        *out = place;
    }
    return e;
}
