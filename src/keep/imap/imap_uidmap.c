// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_uidmap.h"

#include <stdlib.h>

#include "base/banned.h"

#define RUNS_FIRST 4

void uid_map_init(struct uid_map *m)
{
    *m = (struct uid_map){0};
}

void uid_map_finish(struct uid_map *m)
{
    free(m->runs);
    uid_map_init(m);
}

// Sequence number just after run `i`.
static uint32_t run_end(const struct uid_map *m, size_t i)
{
    return i + 1 < m->count ? m->runs[i + 1].seq : m->exists + 1;
}

static uint32_t run_length(const struct uid_map *m, size_t i)
{
    return run_end(m, i) - m->runs[i].seq;
}

static enum err map_reserve(struct uid_map *m, size_t n)
{
    if (n <= m->cap) {
        return ERR_OK;
    }
    size_t cap = m->cap ? m->cap * 2 : RUNS_FIRST;

    if (cap < n) {
        cap = n;
    }
    struct uid_run *runs = realloc(m->runs, cap * sizeof(*runs));

    if (!runs) {
        return ERR_NOMEM;
    }
    m->runs = runs;
    m->cap = cap;
    return ERR_OK;
}

enum err uid_map_set(struct uid_map *m, struct uid_set uids)
{
    struct uid_map fresh;

    uid_map_init(&fresh);
    enum err e = map_reserve(&fresh, uids.count ? uids.count : 1);

    for (size_t i = 0; !e && i < uids.count; i++) {
        e = uid_map_append(&fresh, uids.ranges[i].first, uids.ranges[i].last);
    }
    if (e) {
        uid_map_finish(&fresh);
        return e;
    }
    uid_map_finish(m);
    *m = fresh;
    return ERR_OK;
}

enum err uid_map_append(struct uid_map *m, uint32_t first, uint32_t last)
{
    if (!m->count || uid_map_last(m) + 1 != first) {
        enum err e = map_reserve(m, m->count + 1);

        if (e) {
            return e;
        }
        m->runs[m->count++] = (struct uid_run){first, m->exists + 1};
    }
    m->exists += last - first + 1;
    return ERR_OK;
}

enum err uid_map_remove(struct uid_map *m, struct uid_set gone)
{
    struct uid_map left;
    size_t g = 0;
    enum err e = ERR_OK;

    uid_map_init(&left);
    for (size_t i = 0; !e && i < m->count; i++) {
        uint64_t at = m->runs[i].uid, end = at + run_length(m, i); // exclusive

        while (!e && at < end) {
            while (g < gone.count && gone.ranges[g].last < at) {
                g++;
            }
            uint64_t hole = g < gone.count ? gone.ranges[g].first : UINT64_MAX;
            uint64_t stop = hole < end ? hole : end;

            if (at < stop) {
                e = uid_map_append(&left, (uint32_t)at, (uint32_t)(stop - 1));
            }
            at = stop < end ? (uint64_t)gone.ranges[g].last + 1 : end;
        }
    }
    if (e) {
        uid_map_finish(&left);
        return e;
    }
    uid_map_finish(m);
    *m = left;
    return ERR_OK;
}

// Index of the last run whose uid is <= `uid`; m->count when there is none.
static size_t run_of_uid(const struct uid_map *m, uint32_t uid)
{
    size_t lo = 0, hi = m->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (m->runs[mid].uid <= uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo ? lo - 1 : m->count;
}

static size_t run_of_seq(const struct uid_map *m, uint32_t seq)
{
    size_t lo = 0, hi = m->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (m->runs[mid].seq <= seq) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo ? lo - 1 : m->count;
}

uint32_t uid_map_seq(const struct uid_map *m, uint32_t uid)
{
    size_t i = run_of_uid(m, uid);

    if (i == m->count || uid - m->runs[i].uid >= run_length(m, i)) {
        return 0;
    }
    return m->runs[i].seq + (uid - m->runs[i].uid);
}

uint32_t uid_map_uid(const struct uid_map *m, uint32_t seq)
{
    if (!seq || seq > m->exists) {
        return 0;
    }
    size_t i = run_of_seq(m, seq);

    return m->runs[i].uid + (seq - m->runs[i].seq);
}

uint32_t uid_map_last(const struct uid_map *m)
{
    if (!m->count) {
        return 0;
    }
    return m->runs[m->count - 1].uid + run_length(m, m->count - 1) - 1;
}

uint32_t uid_map_rank(const struct uid_map *m, uint32_t uid)
{
    size_t i = run_of_uid(m, uid);

    if (i == m->count) {
        return 0;
    }
    uint32_t into = uid - m->runs[i].uid, length = run_length(m, i);

    return m->runs[i].seq - 1 + (into < length ? into : length);
}

enum err uid_map_known(const struct uid_map *m, struct uid_set set, struct arena *a,
                       struct uid_set *out)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;
    size_t i = 0;

    uid_set_builder_init(&b, a);
    for (size_t r = 0; !e && r < set.count; r++) {
        uint32_t first = set.ranges[r].first, last = set.ranges[r].last;

        if (r == 0) {
            i = run_of_uid(m, first);
            i = i == m->count ? 0 : i;
        }
        while (i < m->count && m->runs[i].uid + (run_length(m, i) - 1) < first) {
            i++;
        }
        for (size_t k = i; !e && k < m->count && m->runs[k].uid <= last; k++) {
            uint32_t from = m->runs[k].uid, to = from + run_length(m, k) - 1;

            e = uid_set_add(&b, from > first ? from : first, to < last ? to : last);
            i = k;
        }
    }
    if (!e) {
        *out = b.set;
    }
    return e;
}

enum err uid_map_add_seqs(const struct uid_map *m, uint32_t first, uint32_t last,
                          struct uid_set_builder *out)
{
    if (last > m->exists) {
        last = m->exists;
    }
    if (!first || first > last) {
        return ERR_OK;
    }
    for (size_t i = run_of_seq(m, first); i < m->count && m->runs[i].seq <= last; i++) {
        uint32_t from = m->runs[i].seq > first ? m->runs[i].seq : first;
        uint32_t to = run_end(m, i) - 1 < last ? run_end(m, i) - 1 : last;
        uint32_t base = m->runs[i].uid - m->runs[i].seq;
        enum err e = uid_set_add(out, from + base, to + base);

        if (e) {
            return e;
        }
    }
    return ERR_OK;
}

uint32_t uid_map_seq_at(const struct uid_map *m, struct uid_cursor *c, uint32_t uid)
{
    while (c->run + 1 < m->count && m->runs[c->run + 1].uid <= uid) {
        c->run++;
    }
    if (c->run >= m->count || uid < m->runs[c->run].uid ||
        uid - m->runs[c->run].uid >= run_length(m, c->run)) {
        return 0;
    }
    return m->runs[c->run].seq + (uid - m->runs[c->run].uid);
}

// ---- sets ---------------------------------------------------------------------------------------

void uid_set_builder_init(struct uid_set_builder *b, struct arena *a)
{
    *b = (struct uid_set_builder){.arena = a};
}

enum err uid_set_add(struct uid_set_builder *b, uint32_t first, uint32_t last)
{
    struct uid_range *tail = b->set.count ? &b->set.ranges[b->set.count - 1] : NULL;

    if (tail && (tail->last == UINT32_MAX || first <= tail->last + 1)) {
        tail->last = last > tail->last ? last : tail->last;
        return ERR_OK;
    }
    if (b->set.count == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 8;
        struct uid_range *ranges = arena_zalloc(b->arena, cap, sizeof(*ranges));

        if (!ranges) {
            return ERR_NOMEM;
        }
        if (b->set.count) {
            memcpy(ranges, b->set.ranges, b->set.count * sizeof(*ranges));
        }
        b->set.ranges = ranges;
        b->cap = cap;
    }
    b->set.ranges[b->set.count++] = (struct uid_range){first, last};
    return ERR_OK;
}

// Index of the first range whose last is >= `uid`.
static size_t range_at(struct uid_set set, uint32_t uid)
{
    size_t lo = 0, hi = set.count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (set.ranges[mid].last < uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool uid_set_has(struct uid_set set, uint32_t uid)
{
    size_t i = range_at(set, uid);

    return i < set.count && set.ranges[i].first <= uid;
}

uint64_t uid_set_size(struct uid_set set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set.count; i++) {
        n += (uint64_t)set.ranges[i].last - set.ranges[i].first + 1;
    }
    return n;
}

enum err uid_set_without(struct uid_set a, struct uid_set b, struct arena *arena,
                         struct uid_set *out)
{
    struct uid_set_builder left;
    enum err e = ERR_OK;
    size_t g = 0;

    uid_set_builder_init(&left, arena);
    for (size_t i = 0; !e && i < a.count; i++) {
        uint64_t at = a.ranges[i].first, end = (uint64_t)a.ranges[i].last + 1;

        while (!e && at < end) {
            while (g < b.count && b.ranges[g].last < at) {
                g++;
            }
            uint64_t hole = g < b.count ? b.ranges[g].first : UINT64_MAX;
            uint64_t stop = hole < end ? hole : end;

            if (at < stop) {
                e = uid_set_add(&left, (uint32_t)at, (uint32_t)(stop - 1));
            }
            at = stop < end ? (uint64_t)b.ranges[g].last + 1 : end;
        }
    }
    if (!e) {
        *out = left.set;
    }
    return e;
}

enum err uid_set_from(struct uid_set set, uint32_t first, struct arena *arena, struct uid_set *out)
{
    size_t i = range_at(set, first);

    set.ranges += i;
    set.count -= i;
    if (set.count && set.ranges[0].first < first) {
        struct uid_range *copy = arena_zalloc(arena, set.count, sizeof(*copy));

        if (!copy) {
            return ERR_NOMEM;
        }
        memcpy(copy, set.ranges, set.count * sizeof(*copy));
        copy[0].first = first;
        set.ranges = copy;
    }
    *out = set;
    return ERR_OK;
}

enum err uid_set_union(struct uid_set x, struct uid_set y, struct arena *a, struct uid_set *out)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;
    size_t i = 0, k = 0;

    uid_set_builder_init(&b, a);
    while (!e && (i < x.count || k < y.count)) {
        bool from_x = k == y.count || (i < x.count && x.ranges[i].first <= y.ranges[k].first);
        struct uid_range r = from_x ? x.ranges[i++] : y.ranges[k++];

        e = uid_set_add(&b, r.first, r.last);
    }
    if (!e) {
        *out = b.set;
    }
    return e;
}
