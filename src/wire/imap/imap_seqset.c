// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_seqset.h"

#include <stdlib.h>

#include "base/banned.h"

// One element being read: first and last, 0 standing for "*".
struct element {
    uint32_t first, last;
};

size_t imap_seqset_length(struct span text)
{
    size_t n = 0;

    while (n < text.n && (byte_is_digit(text.p[n]) || memchr(",:*$", text.p[n], 4))) {
        n++;
    }
    return n;
}

// A number of 1 .. 2^32-1 without leading zero, or "*" (gives 0).
static bool read_number(struct span text, size_t *at, uint32_t *out)
{
    uint64_t v = 0;
    size_t i = *at;

    if (i < text.n && text.p[i] == '*') {
        *at = i + 1;
        *out = 0;
        return true;
    }
    if (i == text.n || !byte_is_digit(text.p[i]) || text.p[i] == '0') {
        return false;
    }
    while (i < text.n && byte_is_digit(text.p[i])) {
        v = v * 10 + (uint64_t)(text.p[i] - '0');
        if (v > UINT32_MAX) {
            return false;
        }
        i++;
    }
    *at = i;
    *out = (uint32_t)v;
    return true;
}

static bool read_element(struct span text, size_t *at, struct element *out)
{
    if (!read_number(text, at, &out->first)) {
        return false;
    }
    out->last = out->first;
    if (*at < text.n && text.p[*at] == ':') {
        ++*at;
        return read_number(text, at, &out->last);
    }
    return true;
}

static void add_element(struct imap_seqset *set, struct imap_range *ranges, struct element e)
{
    if (e.first && e.last) {
        ranges[set->n++] = (struct imap_range){e.first, e.last};
        return;
    }
    uint32_t from = e.first ? e.first : e.last ? e.last : UINT32_MAX;

    if (!set->star_from || from < set->star_from) {
        set->star_from = from;
    }
}

// Reads all elements; false with *at where it stopped.
static bool read_elements(struct span text, struct imap_seqset *set, struct imap_range *ranges,
                          size_t *at)
{
    for (;;) {
        struct element e;

        if (*at < text.n && text.p[*at] == '$') {
            set->saved = true;
            ++*at;
        } else if (read_element(text, at, &e)) {
            add_element(set, ranges, e);
        } else {
            return false;
        }
        if (*at == text.n) {
            return true;
        }
        if (text.p[*at] != ',') {
            return false;
        }
        ++*at;
    }
}

enum err imap_seqset_parse(struct span text, struct arena *arena, struct imap_seqset *out,
                           size_t *out_position)
{
    struct imap_seqset set = {.n = 0};
    size_t at = 0, count = 1;

    for (size_t i = 0; i < text.n; i++) {
        count += text.p[i] == ',';
    }
    if (count > IMAP_SEQSET_RANGES_MAX) {
        return ERR_LIMIT;
    }
    struct imap_range *ranges = arena_alloc(arena, count * sizeof(*ranges));

    if (!ranges) {
        return ERR_NOMEM;
    }
    if (!read_elements(text, &set, ranges, &at)) {
        *out_position = at;
        return ERR_INVALID;
    }
    set.n = imap_ranges_normalise(ranges, set.n);
    set.ranges = ranges;
    *out = set;
    return ERR_OK;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

size_t imap_ranges_normalise(struct imap_range *ranges, size_t n)
{
    bool sorted = true;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (ranges[i].first > ranges[i].last) {
            ranges[i] = (struct imap_range){ranges[i].last, ranges[i].first};
        }
        sorted &= i == 0 || ranges[i - 1].first <= ranges[i].first;
    }
    if (!sorted) {
        qsort(ranges, n, sizeof(*ranges), compare_ranges);
    }
    for (size_t i = 0; i < n; i++) {
        struct imap_range *last = kept ? &ranges[kept - 1] : NULL;

        if (last && (last->last == UINT32_MAX || ranges[i].first <= last->last + 1)) {
            last->last = ranges[i].last > last->last ? ranges[i].last : last->last;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

enum err imap_seqset_resolve(const struct imap_seqset *set, uint32_t max, struct arena *arena,
                             struct imap_seqset *out)
{
    struct imap_seqset r = *set;

    r.star_from = 0;
    if (set->star_from && max) {
        struct imap_range *ranges = arena_alloc(arena, (set->n + 1) * sizeof(*ranges));

        if (!ranges) {
            return ERR_NOMEM;
        }
        if (set->n) {
            memcpy(ranges, set->ranges, set->n * sizeof(*ranges));
        }
        ranges[set->n] = (struct imap_range){set->star_from < max ? set->star_from : max, max};
        r.n = imap_ranges_normalise(ranges, set->n + 1);
        r.ranges = ranges;
    }
    *out = r;
    return ERR_OK;
}

bool imap_seqset_contains(const struct imap_seqset *set, uint32_t max, uint32_t id)
{
    size_t low = 0, high = set->n;

    if (set->star_from && max && id <= max && (id >= set->star_from || id == max)) {
        return true;
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (id < set->ranges[mid].first) {
            high = mid;
        } else if (id > set->ranges[mid].last) {
            low = mid + 1;
        } else {
            return true;
        }
    }
    return false;
}

uint64_t imap_seqset_count(const struct imap_seqset *set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        n += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
    }
    return n;
}

uint32_t imap_seqset_next(const struct imap_seqset *set, size_t *cursor, uint32_t after)
{
    while (*cursor < set->n && set->ranges[*cursor].last <= after) {
        ++*cursor;
    }
    if (*cursor == set->n) {
        return 0;
    }
    uint32_t first = set->ranges[*cursor].first;

    return first > after ? first : after + 1;
}

static void write_range(struct buf *out, bool comma, uint32_t first, uint32_t last)
{
    if (comma) {
        buf_put_byte(out, ',');
    }
    buf_put_u64(out, first);
    if (last != first) {
        buf_put_byte(out, ':');
        buf_put_u64(out, last);
    }
}

void imap_seqset_write(struct buf *out, const struct imap_seqset *set)
{
    for (size_t i = 0; i < set->n; i++) {
        write_range(out, i > 0, set->ranges[i].first, set->ranges[i].last);
    }
    if (set->star_from) {
        if (set->n) {
            buf_put_byte(out, ',');
        }
        if (set->star_from != UINT32_MAX) {
            buf_put_u64(out, set->star_from);
            buf_put_byte(out, ':');
        }
        buf_put_byte(out, '*');
    }
    if (set->saved) {
        buf_put_str(out, set->n || set->star_from ? ",$" : "$");
    }
}

void imap_seqset_write_ids(struct buf *out, const uint32_t *ids, size_t n)
{
    struct imap_seqset_writer w;

    imap_seqset_writer_init(&w, out);
    for (size_t i = 0; i < n; i++) {
        imap_seqset_writer_put(&w, ids[i]);
    }
    imap_seqset_writer_end(&w);
}

void imap_seqset_writer_init(struct imap_seqset_writer *w, struct buf *out)
{
    *w = (struct imap_seqset_writer){.out = out};
}

void imap_seqset_writer_put(struct imap_seqset_writer *w, uint32_t id)
{
    if (w->first && (id == w->last || (w->last != UINT32_MAX && id == w->last + 1))) {
        w->last = id;
        return;
    }
    imap_seqset_writer_end(w);
    w->first = w->last = id;
}

void imap_seqset_writer_end(struct imap_seqset_writer *w)
{
    if (w->first) {
        write_range(w->out, w->any, w->first, w->last);
        w->any = true;
        w->first = 0;
    }
}
