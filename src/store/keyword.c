// SPDX-License-Identifier: Apache-2.0
//
// Keywords: names to numbers of a mailbox, and sets of numbers.
#include "base/log.h"
#include "store/store_internal.h"

#include "base/banned.h"

enum err keyword_table_load(struct view *v, mailbox_id mailbox, struct keyword_table *out)
{
    struct key k = key_u32(KEY_KEYWORDS, mailbox);
    struct span value;
    uint64_t count;
    enum err e = view_get(v, &k, &value);

    if (e == ERR_NOT_FOUND) {
        *out = (struct keyword_table){.mailbox = mailbox};
        return ERR_OK;
    }
    e = e != ERR_OK ? e : unpack_version(&value);
    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, KEYWORDS_PER_MAILBOX_MAX, &count)) {
        return ERR_CORRUPT;
    }
    struct keyword_table t = {.mailbox = mailbox, .count = count, .cap = count + 8};

    t.names = arena_zalloc(&v->arena, t.cap, sizeof(*t.names));
    if (!t.names) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (!unpack_str(&value, KEYWORD_BYTES_MAX, &t.names[i])) {
            return ERR_CORRUPT;
        }
    }
    *out = t;
    return ERR_OK;
}

// ---- names to numbers ---------------------------------------------------------------------------

#define SLOTS_FROM 16 // fewer names are compared one by one

// FNV-1a of the name in small letters: keywords are ASCII.
static size_t name_hash(struct span name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
    }
    return (size_t)(h ^ h >> 32);
}

// The slot of the name, or the free one where it belongs.
static uint16_t *slot_of(const struct keyword_table *t, struct span name)
{
    size_t at = name_hash(name) & (t->slot_count - 1);

    while (t->slots[at] && !span_eq_nocase(t->names[t->slots[at] - 1], name)) {
        at = (at + 1) & (t->slot_count - 1);
    }
    return &t->slots[at];
}

// Of names that are there twice (damage) the first counts, as when they are compared one by one.
static enum err slots_make(struct edit *ed, struct keyword_table *t)
{
    size_t n = 2 * SLOTS_FROM;

    while (n < 2 * t->cap) {
        n *= 2;
    }
    t->slots = arena_zalloc(&ed->view.arena, n, sizeof(*t->slots));
    if (!t->slots) {
        return ERR_NOMEM;
    }
    t->slot_count = n;
    for (size_t i = 0; i < t->count; i++) {
        uint16_t *slot = slot_of(t, t->names[i]);

        *slot = *slot ? *slot : (uint16_t)(i + 1);
    }
    return ERR_OK;
}

// ERR_NOT_FOUND, ERR_NOMEM.
static enum err table_find(struct edit *ed, struct keyword_table *t, struct span name,
                           uint16_t *out)
{
    if (t->count >= SLOTS_FROM) {
        enum err e = t->slots ? ERR_OK : slots_make(ed, t);
        uint16_t number = e == ERR_OK ? *slot_of(t, name) : 0;

        if (number) {
            *out = (uint16_t)(number - 1);
            return ERR_OK;
        }
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (span_eq_nocase(t->names[i], name)) {
            *out = (uint16_t)i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err table_add(struct edit *ed, struct keyword_table *t, struct span name)
{
    if (t->count == KEYWORDS_PER_MAILBOX_MAX) {
        return ERR_LIMIT;
    }
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 8;
        struct span *names = arena_zalloc(&ed->view.arena, cap, sizeof(*names));

        if (!names) {
            return ERR_NOMEM;
        }
        if (t->count) {
            memcpy(names, t->names, t->count * sizeof(*names));
        }
        t->names = names;
        t->cap = cap;
        t->slots = NULL; // made anew for as many
    }
    t->names[t->count] = arena_dup(&ed->view.arena, name);
    if (!t->names[t->count].p) {
        return ERR_NOMEM;
    }
    t->count++;
    if (t->slots) {
        *slot_of(t, name) = (uint16_t)t->count;
    }
    return ERR_OK;
}

// ERR_NOT_FOUND when it is not there and not to be added.
static enum err keyword_number(struct edit *ed, struct edit_mailbox *m, struct span name, bool add,
                               uint16_t *out)
{
    struct keyword_table *t = &m->keywords;

    if (!m->has_keywords) {
        enum err e = keyword_table_load(&ed->view, m->record.is.id, t);

        if (e != ERR_OK) {
            return e;
        }
        m->has_keywords = true;
    }
    enum err e = table_find(ed, t, name, out);

    if (e != ERR_NOT_FOUND || !add) {
        return e;
    }
    e = table_add(ed, t, name);

    if (e == ERR_OK) {
        m->keywords_dirty = true;
        *out = (uint16_t)(t->count - 1);
    }
    return e;
}

// A flag-keyword of RFC 9051: an atom; and not longer than we keep.
static bool keyword_is_valid(struct span name)
{
    if (name.n == 0 || name.n > KEYWORD_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] > 126 ||
            memchr("(){%*\"\\]", name.p[i], 8)) {
            return false;
        }
    }
    return true;
}

// ---- sets ---------------------------------------------------------------------------------------

static unsigned set_size(const struct keyword_set *k)
{
    return (unsigned)__builtin_popcountll(k->low) + k->count;
}

static enum err set_insert(struct keyword_set *k, uint16_t number)
{
    unsigned at = 0;

    if (number < 64) {
        k->low |= 1ull << number;
        return set_size(k) > KEYWORDS_PER_MESSAGE_MAX ? ERR_LIMIT : ERR_OK;
    }
    while (at < k->count && k->more[at] < number) {
        at++;
    }
    if (at < k->count && k->more[at] == number) {
        return ERR_OK;
    }
    if (set_size(k) == KEYWORDS_PER_MESSAGE_MAX) {
        return ERR_LIMIT;
    }
    memmove(k->more + at + 1, k->more + at, (k->count - at) * sizeof(k->more[0]));
    k->more[at] = number;
    k->count++;
    return ERR_OK;
}

void keyword_set_of(const struct placement *p, struct keyword_set *out)
{
    out->low = p->keywords;
    out->count = p->more_keyword_count;
    ASSERT(out->count <= KEYWORDS_PER_MESSAGE_MAX);
    if (out->count) {
        memcpy(out->more, p->more_keywords, out->count * sizeof(out->more[0]));
    }
}

void keyword_set_to(const struct keyword_set *k, struct placement *p)
{
    p->keywords = k->low;
    p->more_keywords = k->more;
    p->more_keyword_count = (uint16_t)k->count;
}

enum err keyword_set_add(struct keyword_set *k, const struct keyword_set *more)
{
    enum err e = ERR_OK;

    k->low |= more->low;
    for (unsigned i = 0; i < more->count && e == ERR_OK; i++) {
        e = set_insert(k, more->more[i]);
    }
    return e != ERR_OK || set_size(k) > KEYWORDS_PER_MESSAGE_MAX ? ERR_LIMIT : ERR_OK;
}

void keyword_set_remove(struct keyword_set *k, const struct keyword_set *less)
{
    unsigned kept = 0, at = 0;

    k->low &= ~less->low;
    for (unsigned i = 0; i < k->count; i++) {
        while (at < less->count && less->more[at] < k->more[i]) {
            at++;
        }
        if (at == less->count || less->more[at] != k->more[i]) {
            k->more[kept++] = k->more[i];
        }
    }
    k->count = kept;
}

bool keyword_set_eq(const struct keyword_set *a, const struct keyword_set *b)
{
    return a->low == b->low && a->count == b->count &&
           memcmp(a->more, b->more, a->count * sizeof(a->more[0])) == 0;
}

// ---- names to sets ------------------------------------------------------------------------------

enum err edit_keywords(struct edit *ed, struct edit_mailbox *m, const struct span *names, size_t n,
                       bool add, struct keyword_set *out)
{
    out->low = 0;
    out->count = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t number;

        if (!keyword_is_valid(names[i])) {
            return ERR_INVALID;
        }
        enum err e = keyword_number(ed, m, names[i], add, &number);

        if (e == ERR_NOT_FOUND) {
            continue;
        }
        e = e != ERR_OK ? e : set_insert(out, number);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// ---- from one mailbox to another ----------------------------------------------------------------

enum err keyword_map_begin(struct keyword_map *k, struct edit *ed, mailbox_id from,
                           struct edit_mailbox *to)
{
    k->to = to;
    memset(k->numbers, 0, sizeof(k->numbers));
    return keyword_table_load(&ed->view, from, &k->from);
}

static enum err map_one(struct keyword_map *k, struct edit *ed, unsigned number,
                        struct keyword_set *out)
{
    if (number >= k->from.count) {
        return ERR_CORRUPT;
    }
    if (!k->numbers[number]) {
        uint16_t there;
        enum err e = keyword_number(ed, k->to, k->from.names[number], true, &there);

        if (e != ERR_OK) {
            return e;
        }
        k->numbers[number] = (uint16_t)(there + 1);
    }
    return set_insert(out, (uint16_t)(k->numbers[number] - 1));
}

enum err keyword_map_translate(struct keyword_map *k, struct edit *ed, const struct placement *p,
                               struct keyword_set *out)
{
    enum err e = ERR_OK;

    out->low = 0;
    out->count = 0;
    for (uint64_t low = p->keywords; low && e == ERR_OK; low &= low - 1) {
        e = map_one(k, ed, (unsigned)__builtin_ctzll(low), out);
    }
    for (unsigned i = 0; i < p->more_keyword_count && e == ERR_OK; i++) {
        e = map_one(k, ed, p->more_keywords[i], out);
    }
    return e;
}
