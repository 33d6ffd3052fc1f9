// SPDX-License-Identifier: Apache-2.0
//
// Finding mails and telling what happened to them. Nothing here reads more than is asked for: a
// range for each day, and a range for each mail.
#include "trail/trail_internal.h"

#include "base/banned.h"

struct finder {
    struct snapshot *snapshot;
    uint64_t hash;
    trail_id since, *out;
    size_t max, count;
};

// The newest day before `before` that has index keys. ERR_NOT_FOUND.
static enum err day_before(struct finder *f, uint64_t before, uint32_t *out)
{
    struct trail_key from = trail_key_index(0, 0, 0), to;
    struct span key, value, until;
    struct scan *scan;
    uint64_t hash;
    trail_id mail;

    if (before > UINT32_MAX) {
        until = SPAN("j"); // behind all of them
    } else {
        to = trail_key_index((uint32_t)before, 0, 0);
        until = trail_key_span(&to);
    }
    enum err e = scan_open(f->snapshot, TRAIL_ACCOUNT, trail_key_span(&from), until, true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, &value);
    if (e == ERR_OK && !trail_key_read_index(key, out, &hash, &mail)) {
        e = ERR_CORRUPT;
    }
    scan_close(scan);
    return e;
}

static enum err find_in_day(struct finder *f, uint32_t day)
{
    struct trail_key from = trail_key_index(day, f->hash, f->since),
                     to = trail_key_index(day, f->hash, UINT64_MAX);
    struct span key, value;
    struct scan *scan;
    uint64_t hash;
    enum err e = scan_open(f->snapshot, TRAIL_ACCOUNT, trail_key_span(&from), trail_key_span(&to),
                           true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (f->count < f->max && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (!trail_key_read_index(key, &day, &hash, &f->out[f->count])) {
            e = ERR_CORRUPT;
            break;
        }
        f->count++;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err trail_find(struct trail *t, enum trail_by by, struct span text, int64_t since_ms,
                    trail_id *out, size_t max, size_t *out_count)
{
    struct finder f = {.hash = trail_hash(by, text),
                       .since = since_ms > 0 ? (trail_id)since_ms * 1000 : 0,
                       .out = out,
                       .max = max};
    uint64_t before = (uint64_t)UINT32_MAX + 1;
    enum err e = snapshot_open(t->engine, &f.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && f.count < f.max) {
        uint32_t day;

        e = day_before(&f, before, &day);
        if (e != ERR_OK || day < trail_day(f.since)) {
            break;
        }
        e = find_in_day(&f, day);
        before = day;
    }
    snapshot_close(f.snapshot);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    *out_count = f.count;
    return ERR_OK;
}

enum err trail_each(struct trail *t, trail_id mail, trail_each_fn *fn, void *arg)
{
    struct trail_key from = trail_key_event(mail, 0), to = trail_key_event(mail, UINT64_MAX);
    struct snapshot *s;
    struct scan *scan;
    struct span key, value;
    struct trail_found f;
    bool more = true;
    enum err e = snapshot_open(t->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, TRAIL_ACCOUNT, trail_key_span(&from), trail_key_span(&to), false, &scan);
    if (e == ERR_OK) {
        while (more && (e = scan_next(scan, &key, &value)) == ERR_OK) {
            // One that cannot be read is passed over: trail_check names it.
            if (trail_key_read_event(key, &f.mail, &f.event) &&
                trail_event_decode(value, &f) == ERR_OK) {
                more = fn(arg, &f);
            }
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
