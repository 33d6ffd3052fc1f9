// SPDX-License-Identifier: Apache-2.0
//
// An introsort whose recursion is an array, so that it can stop after any partition and go on
// later.
#include "order/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#include "base/banned.h"

#define SMALL 24 // entries sorted by insertion

void sorter_init(struct sorter *s, size_t texts_max)
{
    *s = (struct sorter){0};
    buf_init(&s->texts, texts_max);
}

void sorter_finish(struct sorter *s)
{
    free(s->entries);
    buf_finish(&s->texts);
    s->entries = NULL;
    s->n = s->cap = 0;
}

size_t sorter_memory(const struct sorter *s)
{
    return s->cap * sizeof(*s->entries) + s->texts.cap;
}

enum err sorter_reserve(struct sorter *s, size_t n)
{
    if (n > UINT32_MAX) {
        return ERR_LIMIT;
    }
    if (n > s->cap) {
        struct sort_entry *p = reallocarray(s->entries, n, sizeof(*p));

        if (!p) {
            return ERR_NOMEM;
        }
        s->entries = p;
        s->cap = n;
    }
    return ERR_OK;
}

struct sort_entry *sorter_add(struct sorter *s, uint32_t uid)
{
    struct sort_entry *e = &s->entries[s->n++];

    *e = (struct sort_entry){.uid = uid, .is_tied = true};
    return e;
}

// ---- keys ---------------------------------------------------------------------------------------

void sorter_criterion(struct sorter *s, bool reverse)
{
    buf_clear(&s->texts);
    s->reverse = reverse;
}

void sorter_set_number(struct sorter *s, struct sort_entry *e, int64_t number)
{
    uint64_t key = (uint64_t)number ^ 1ull << 63;

    e->key = s->reverse ? ~key : key;
    e->text = 0;
}

enum err sorter_set_text(struct sorter *s, struct sort_entry *e, struct span collated)
{
    uint64_t key = 0;
    char length[4];

    for (size_t i = 0; i < 8; i++) {
        key = key << 8 | (i < collated.n ? (unsigned char)collated.p[i] : 0);
    }
    e->key = s->reverse ? ~key : key;
    e->text = 0;
    if (collated.n <= 8) {
        return ERR_OK;
    }
    if (s->texts.n >= UINT32_MAX - 1) {
        return ERR_LIMIT;
    }
    e->text = (uint32_t)s->texts.n + 1;
    put_le32(length, (uint32_t)(collated.n - 8));
    buf_put(&s->texts, span_of(length, sizeof(length)));
    buf_put(&s->texts, span_skip(collated, 8));
    return buf_result(&s->texts);
}

// ---- order --------------------------------------------------------------------------------------

static struct span text_of(const struct sorter *s, const struct sort_entry *e)
{
    const char *p = s->texts.p + e->text - 1;

    return e->text ? span_of(p + 4, get_le32(p)) : (struct span){0};
}

// What comes after the first eight bytes.
static int compare_texts(const struct sorter *s, const struct sort_entry *a,
                         const struct sort_entry *b)
{
    struct span x = text_of(s, a), y = text_of(s, b);
    size_t n = x.n < y.n ? x.n : y.n;
    int order = n ? memcmp(x.p, y.p, n) : 0;

    order = order ? order : x.n < y.n ? -1 : x.n > y.n;
    return s->reverse ? -order : order;
}

static int compare(const struct sorter *s, const struct sort_entry *a, const struct sort_entry *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return a->text | b->text ? compare_texts(s, a, b) : 0;
}

static bool is_less(const struct sorter *s, const struct sort_entry *a, const struct sort_entry *b)
{
    int order = compare(s, a, b);

    return order ? order < 0 : a->uid < b->uid;
}

static void swap(struct sort_entry *a, struct sort_entry *b)
{
    struct sort_entry t = *a;

    *a = *b;
    *b = t;
}

// ---- sorting ------------------------------------------------------------------------------------

static void insertion(const struct sorter *s, struct sort_entry *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_entry x = e[i];
        size_t k = i;

        for (; k && is_less(s, &x, &e[k - 1]); k--) {
            e[k] = e[k - 1];
        }
        e[k] = x;
    }
}

static void sift(const struct sorter *s, struct sort_entry *e, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; at = child, child = 2 * at + 1) {
        if (child + 1 < n && is_less(s, &e[child], &e[child + 1])) {
            child++;
        }
        if (!is_less(s, &e[at], &e[child])) {
            return;
        }
        swap(&e[at], &e[child]);
    }
}

static void heap(const struct sorter *s, struct sort_entry *e, size_t n)
{
    for (size_t i = n / 2; i--;) {
        sift(s, e, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        swap(&e[0], &e[i]);
        sift(s, e, 0, i);
    }
}

// The middle one of three, to a place.
static void median(const struct sorter *s, struct sort_entry *a, struct sort_entry *b,
                   struct sort_entry *c, struct sort_entry *to)
{
    struct sort_entry *m = is_less(s, a, b) ? (is_less(s, b, c)   ? b
                                               : is_less(s, a, c) ? c
                                                                  : a)
                                            : (is_less(s, a, c)   ? a
                                               : is_less(s, b, c) ? c
                                                                  : b);
    swap(m, to);
}

// Splits e[0..n) around the entry put at the front; where that one is then.
static size_t partition(const struct sorter *s, struct sort_entry *e, size_t n)
{
    size_t i = 0, k = n;

    if (n > 1000) {
        size_t d = n / 9;

        for (size_t part = 0; part < 3; part++) {
            struct sort_entry *p = e + d * (3 * part + 1);

            median(s, p - d + 1, p, p + d, p);
        }
        median(s, e + d, e + 4 * d, e + 7 * d, e);
    } else {
        median(s, e + 1, e + n / 2, e + n - 1, e);
    }
    for (;;) {
        while (++i < n && is_less(s, &e[i], &e[0])) {
        }
        while (is_less(s, &e[0], &e[--k])) {
        }
        if (i >= k) {
            break;
        }
        swap(&e[i], &e[k]);
    }
    swap(&e[0], &e[k]);
    return k;
}

static bool is_sorted(const struct sorter *s)
{
    for (size_t i = 1; i < s->n; i++) {
        if (!is_less(s, &s->entries[i - 1], &s->entries[i])) {
            return false;
        }
    }
    return true;
}

void sorter_begin(struct sorter *s)
{
    uint32_t depth = 2;

    for (size_t n = s->n; n > 1; n /= 2) {
        depth += 2;
    }
    s->part_count = 0;
    if (!is_sorted(s)) {
        s->parts[s->part_count++] = (struct sort_part){0, (uint32_t)s->n, depth};
    }
}

// The larger half waits: so the parts are never more than log2(n).
static void split(struct sorter *s, struct sort_part p)
{
    size_t n = p.to - p.from, at = p.from + partition(s, s->entries + p.from, n);
    struct sort_part low = {p.from, (uint32_t)at, p.depth - 1},
                     high = {(uint32_t)at + 1, p.to, p.depth - 1};
    bool low_is_larger = at - p.from > p.to - at;

    s->parts[s->part_count++] = low_is_larger ? low : high;
    s->parts[s->part_count++] = low_is_larger ? high : low;
}

bool sorter_step(struct sorter *s, size_t budget)
{
    size_t done = 0;

    while (s->part_count && done < budget) {
        struct sort_part p = s->parts[--s->part_count];
        size_t n = p.to - p.from;

        done += n;
        if (n <= SMALL) {
            insertion(s, s->entries + p.from, n);
        } else if (p.depth == 0) {
            heap(s, s->entries + p.from, n);
        } else {
            split(s, p);
        }
    }
    return s->part_count == 0;
}

bool sorter_rank(struct sorter *s)
{
    bool any = false;
    uint32_t before = 0;

    for (size_t i = 0; i < s->n;) {
        size_t to = i + 1;

        while (to < s->n && compare(s, &s->entries[i], &s->entries[to]) == 0) {
            to++;
        }
        bool is_tied = to - i > 1;

        any |= is_tied;
        before = (uint32_t)i;
        for (; i < to; i++) {
            s->entries[i].is_tied = is_tied;
            s->entries[i].key = before; // the rank; put there once all are compared
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        s->entries[i].rank = (uint32_t)s->entries[i].key;
        s->entries[i].key = 0;
        s->entries[i].text = 0;
    }
    return any;
}

void sorter_begin_by_uid(struct sorter *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct sort_entry *e = &s->entries[i];

        e->key = e->rank;
        e->rank = e->uid;
        e->text = 0;
    }
    sorter_begin(s);
}

void sorter_end_by_uid(struct sorter *s)
{
    for (size_t i = 0; i < s->n; i++) {
        s->entries[i].rank = (uint32_t)s->entries[i].key;
        s->entries[i].key = 0;
    }
}
