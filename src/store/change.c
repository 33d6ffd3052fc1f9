// SPDX-License-Identifier: Apache-2.0
//
// Reads the change log.
#include "store/change.h"

#include <stdlib.h>

#include "store/store_internal.h"

#include "base/banned.h"

// Ranges of one record; a record never holds more (change_write.c splits it before).
#define RANGES_MAX (64u << 10)

struct change_scan {
    struct view *view;
    struct scan *scan;
    bool newest_first;
    modseq number; // of the entry being read
    uint16_t part, last_part;
    bool in_entry;
    struct change head;
    struct span rest;   // records not yet read
    struct arena arena; // ranges of the current record
};

enum err changes_known_since(struct view *v, modseq *out)
{
    *out = v->header.known_since;
    return ERR_OK;
}

enum err change_scan_open(struct view *v, modseq since, bool newest_first, struct change_scan **out)
{
    struct key from = key_change(since, UINT16_MAX), prefix = key_plain(KEY_CHANGE);
    struct key to = key_after(&prefix);
    struct change_scan *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->view = v;
    c->newest_first = newest_first;
    c->number = since;
    arena_init(&c->arena, RANGES_MAX * 2 * sizeof(struct uid_range));
    enum err e =
        scan_open(v->snapshot, v->account, key_span(&from), key_span(&to), newest_first, &c->scan);

    if (e != ERR_OK) {
        free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void change_scan_close(struct change_scan *c)
{
    if (c) {
        scan_close(c->scan);
        arena_finish(&c->arena);
        free(c);
    }
}

// Takes the head of a part off its front.
static enum err head_read(struct span *value, uint64_t *out_parts, struct change *out)
{
    uint64_t kind;
    bool has_device = value->n && value->p[0] == CHANGE_VERSION_DEVICE;
    enum err e = unpack_version_of(value, has_device ? CHANGE_VERSION_DEVICE : SCHEMA_VERSION);

    out->by.device_id = 0;
    out->by.entries = NULL;
    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(value, UINT16_MAX, out_parts) || !unpack_i64(value, &out->when_ms) ||
        !unpack_u64(value, UINT16_MAX, &kind) ||
        !unpack_str(value, DEVICE_BYTES_MAX, &out->by.device) ||
        !unpack_str(value, ORIGIN_BYTES_MAX, &out->by.origin) ||
        (has_device && !unpack_u32(value, &out->by.device_id))) {
        return ERR_CORRUPT;
    }
    out->by.kind = (enum actor_kind)kind;
    return ERR_OK;
}

// The next entry of the log; its parts after the first are fetched one by one.
static enum err entry_next(struct change_scan *c)
{
    struct span key, value;
    modseq number;
    uint16_t part;
    uint64_t parts;
    enum err e;

    do { // pass over the other parts of the entry that was read last
        e = scan_next(c->scan, &key, &value);
        if (e != ERR_OK) {
            return e;
        }
        if (!key_read_change(key, &number, &part)) {
            return ERR_CORRUPT;
        }
    } while (number == c->number);
    c->number = number;
    if (part != 0) {
        struct key first = key_change(number, 0);

        e = view_get(c->view, &first, &value);
        if (e != ERR_OK) {
            return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
        }
    }
    e = head_read(&value, &parts, &c->head);
    if (e == ERR_OK && (parts == 0 || (c->newest_first && parts != (uint64_t)part + 1))) {
        e = ERR_CORRUPT;
    }
    if (e != ERR_OK) {
        return e;
    }
    c->head.number = number;
    c->part = 0;
    c->last_part = (uint16_t)(parts - 1);
    c->rest = value;
    return ERR_OK;
}

static enum err part_next(struct change_scan *c)
{
    struct key k = key_change(c->number, ++c->part);
    struct change head;
    struct span value;
    uint64_t parts;
    enum err e = view_get(c->view, &k, &value);

    e = e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    e = e != ERR_OK ? e : head_read(&value, &parts, &head);
    if (e == ERR_OK) {
        c->rest = value;
    }
    return e;
}

static enum err ranges_read(struct change_scan *c, struct uid_set *out)
{
    uint64_t n, last = 0;

    if (!unpack_u64(&c->rest, RANGES_MAX, &n)) {
        return ERR_CORRUPT;
    }
    out->count = n;
    out->ranges = arena_zalloc(&c->arena, n ? n : 1, sizeof(*out->ranges));
    if (!out->ranges) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t gap, more;

        if (!unpack_u64(&c->rest, UINT32_MAX - last, &gap) ||
            !unpack_u64(&c->rest, UINT32_MAX - last - gap, &more) || gap == 0) {
            return ERR_CORRUPT;
        }
        out->ranges[i] = (struct uid_range){(uint32_t)(last + gap), (uint32_t)(last + gap + more)};
        last += gap + more;
    }
    return ERR_OK;
}

static enum err record_read(struct change_scan *c, struct change *out)
{
    uint64_t kind;

    arena_reset(&c->arena);
    *out = c->head;
    if (!unpack_u64(&c->rest, UINT16_MAX, &kind) || !unpack_u32(&c->rest, &out->mailbox) ||
        !unpack_u32(&c->rest, &out->other_mailbox) ||
        !unpack_u64(&c->rest, UINT64_MAX, &out->value)) {
        return ERR_CORRUPT;
    }
    out->kind = (enum change_kind)kind;
    enum err e = ranges_read(c, &out->uids);

    if (e != ERR_OK) {
        return e;
    }
    bool ok = unpack_str(&c->rest, ENGINE_VALUE_BYTES_MAX, &out->before) &&
              unpack_str(&c->rest, ENGINE_VALUE_BYTES_MAX, &out->after) &&
              unpack_str(&c->rest, ENGINE_VALUE_BYTES_MAX, &out->flags_before) &&
              unpack_str(&c->rest, ENGINE_VALUE_BYTES_MAX, &out->messages);

    return ok ? ERR_OK : ERR_CORRUPT;
}

enum err change_next(struct change_scan *c, struct change *out)
{
    struct change record;

    while (c->rest.n == 0) {
        bool more_parts = c->in_entry && c->part < c->last_part;
        enum err e = more_parts ? part_next(c) : entry_next(c);

        if (e != ERR_OK) {
            return e;
        }
        c->in_entry = true;
    }
    enum err e = record_read(c, &record);

    if (e == ERR_OK) {
        *out = record;
    }
    return e;
}

// ---- packed parts of a record -------------------------------------------------------------------

static bool flags_read(struct span *s, struct change_flags *out)
{
    uint64_t flags, more;

    if (!unpack_u64(s, UINT16_MAX, &flags) || !unpack_u64(s, UINT64_MAX, &out->keywords) ||
        !unpack_u64(s, KEYWORDS_PER_MESSAGE_MAX, &more)) {
        return false;
    }
    out->flags = (uint16_t)flags;
    out->more_count = (unsigned)more;
    for (unsigned i = 0; i < more; i++) {
        uint64_t n;

        if (!unpack_u64(s, KEYWORDS_PER_MAILBOX_MAX, &n)) {
            return false;
        }
        out->more[i] = (uint16_t)n;
    }
    return true;
}

bool change_flags_next(struct span *packed, struct change_flags *out)
{
    return unpack_u64(packed, UINT32_MAX, &out->count) && flags_read(packed, out);
}

bool change_flags_done(struct span after, struct change_flags_done *out)
{
    uint64_t how;

    if (!unpack_u64(&after, FLAGS_REMOVE, &how)) {
        return false;
    }
    out->how = (enum flag_change)how;
    out->what.count = 0;
    return flags_read(&after, &out->what);
}

bool change_messages_next(struct span *packed, message_id *last, message_id *out_first,
                          uint64_t *out_count)
{
    int64_t gap;

    if (!unpack_i64(packed, &gap) || !unpack_u64(packed, UINT32_MAX, out_count) || !*out_count) {
        return false;
    }
    *out_first = *last + (uint64_t)gap;
    *last = *out_first + *out_count - 1;
    return true;
}

// ---- what has gone ------------------------------------------------------------------------------

static int by_first(const void *a, const void *b)
{
    const struct uid_range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

struct range_list {
    struct arena *arena;
    struct uid_range *p;
    size_t n, cap;
};

static bool range_list_add(struct range_list *l, const struct uid_set *set)
{
    if (l->n + set->count > l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;

        cap = cap < l->n + set->count ? l->n + set->count : cap;
        struct uid_range *p = arena_alloc(l->arena, cap * sizeof(*p));

        if (!p) {
            return false;
        }
        if (l->n) {
            memcpy(p, l->p, l->n * sizeof(*p));
        }
        l->p = p;
        l->cap = cap;
    }
    memcpy(l->p + l->n, set->ranges, set->count * sizeof(*l->p));
    l->n += set->count;
    return true;
}

// As one set; the ranges may overlap.
static enum err range_list_set(struct range_list *l, struct uid_set *out)
{
    struct uid_builder b;
    uint64_t next = 1;

    uid_builder_init(&b, l->arena);
    if (l->n) {
        qsort(l->p, l->n, sizeof(*l->p), by_first);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->p[i].last >= next) {
            uid_builder_add(&b, l->p[i].first > next ? l->p[i].first : (uint32_t)next,
                            l->p[i].last);
            next = (uint64_t)l->p[i].last + 1;
        }
    }
    return uid_builder_finish(&b, out);
}

static enum err gone_by_log(struct view *v, mailbox_id mailbox, modseq since, struct arena *a,
                            struct uid_set *out)
{
    struct range_list gone = {.arena = a};
    struct change_scan *scan;
    struct change c;
    enum err e = change_scan_open(v, since, false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK) {
        bool left = c.kind == CHANGE_EXPUNGED || c.kind == CHANGE_MOVED_OUT;

        if (left && c.mailbox == mailbox && !range_list_add(&gone, &c.uids)) {
            e = ERR_NOMEM;
            break;
        }
    }
    change_scan_close(scan);
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    return range_list_set(&gone, out);
}

// Everything below UIDNEXT that is not there.
static enum err gone_by_absence(struct view *v, const struct mailbox_record *m, struct arena *a,
                                struct uid_set *out)
{
    struct uid_set there;
    struct uid_builder b;
    uint32_t next = 1;
    enum err e = view_uids(v, m->is.id, a, &there);

    if (e != ERR_OK) {
        return e;
    }
    uid_builder_init(&b, a);
    for (size_t i = 0; i < there.count; i++) {
        if (there.ranges[i].first > next) {
            uid_builder_add(&b, next, there.ranges[i].first - 1);
        }
        next = there.ranges[i].last + 1;
    }
    if (m->is.uid_next > next) {
        uid_builder_add(&b, next, m->is.uid_next - 1);
    }
    return uid_builder_finish(&b, out);
}

static enum err intersect(const struct uid_set *x, const struct uid_set *y, struct arena *a,
                          struct uid_set *out)
{
    struct uid_builder b;
    size_t i = 0, k = 0;

    uid_builder_init(&b, a);
    while (i < x->count && k < y->count) {
        const struct uid_range *r = &x->ranges[i], *s = &y->ranges[k];
        uint32_t first = r->first > s->first ? r->first : s->first;
        uint32_t last = r->last < s->last ? r->last : s->last;

        if (first <= last) {
            uid_builder_add(&b, first, last);
        }
        if (r->last < s->last) {
            i++;
        } else {
            k++;
        }
    }
    return uid_builder_finish(&b, out);
}

enum err view_vanished(struct view *v, mailbox_id mailbox, modseq since,
                       const struct uid_set *among, struct arena *a, struct uid_set *out)
{
    struct mailbox_record m;
    struct uid_set gone = {0};
    enum err e = view_mailbox_record(v, mailbox, &m);

    if (e != ERR_OK) {
        return e;
    }
    if (m.gone_modseq > since) {
        e = since < v->header.known_since ? gone_by_absence(v, &m, a, &gone)
                                          : gone_by_log(v, mailbox, since, a, &gone);
    }
    if (e == ERR_OK && among) {
        return intersect(&gone, among, a, out);
    }
    if (e == ERR_OK) {
        *out = gone;
    }
    return e;
}

// ---- what has changed ---------------------------------------------------------------------------

// Reading so many entries of the log is never more than looking at a mailbox.
#define ENTRIES_FREE 8

// A chunk of placements and an entry of the log take about as long to read.
static bool is_log_shorter(const struct view *v, const struct mailbox_record *m, modseq since)
{
    modseq entries = v->version - since;

    return since >= v->header.known_since && since <= v->version &&
           (entries <= ENTRIES_FREE || entries <= m->is.exists / (2 * CHUNK_RECORDS_MAX));
}

static bool range_list_take(struct range_list *l, const struct uid_set *set,
                            struct uid_range within)
{
    for (size_t i = 0; i < set->count; i++) {
        struct uid_range r = set->ranges[i];

        r.first = r.first > within.first ? r.first : within.first;
        r.last = r.last < within.last ? r.last : within.last;
        if (r.first <= r.last && !range_list_add(l, &(struct uid_set){&r, 1})) {
            return false;
        }
    }
    return true;
}

enum err view_changed_uids(struct view *v, mailbox_id mailbox, modseq since,
                           struct uid_range within, struct arena *a, struct uid_set *out)
{
    struct range_list changed = {.arena = a};
    struct mailbox_record m;
    struct change_scan *scan;
    struct change c;
    enum err e = view_mailbox_record(v, mailbox, &m);

    if (e == ERR_OK && !is_log_shorter(v, &m, since)) {
        e = ERR_LIMIT;
    }
    e = e == ERR_OK ? change_scan_open(v, since, false, &scan) : e;
    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK) {
        bool left = c.kind == CHANGE_EXPUNGED || c.kind == CHANGE_MOVED_OUT;

        // What was mended may be anything.
        if (c.kind == CHANGE_REPAIRED ||
            changed.n > m.is.exists / CHUNK_RECORDS_MAX + ENTRIES_FREE) {
            e = ERR_LIMIT;
            break;
        }
        if (!left && c.mailbox == mailbox && !range_list_take(&changed, &c.uids, within)) {
            e = ERR_NOMEM;
            break;
        }
    }
    change_scan_close(scan);
    return e == ERR_NOT_FOUND ? range_list_set(&changed, out) : e;
}
