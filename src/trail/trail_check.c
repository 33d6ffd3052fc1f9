// SPDX-License-Identifier: Apache-2.0
//
// Looks at the whole trail, for `mailkeep check`: events that can be read, and keys by which each
// of them is found, and nothing else.
#include "base/problems.h"
#include "trail/trail_internal.h"

#include "base/banned.h"

struct check {
    struct snapshot *snapshot;
    struct problems problems;
};

static enum err check_index_of(struct check *c, const struct trail_found *f)
{
    uint64_t hashes[TRAIL_HASHES_MAX];
    size_t n = trail_hashes(&f->is, hashes);
    struct span value;
    enum err e = ERR_OK;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct trail_key k = trail_key_index(trail_day(f->mail), hashes[i], f->mail);

        e = snapshot_get(c->snapshot, TRAIL_ACCOUNT, trail_key_span(&k), &value);
        if (e == ERR_NOT_FOUND) {
            problems_add(&c->problems,
                         "mail %llu of the trail is not found by all that it should be found by",
                         (unsigned long long)f->mail);
            e = ERR_OK;
        }
    }
    return e;
}

static enum err check_event(struct check *c, struct span key, struct span value)
{
    struct trail_found f;

    if (!trail_key_read_event(key, &f.mail, &f.event) || trail_event_decode(value, &f) != ERR_OK) {
        problems_add(&c->problems, "an event of the trail cannot be read");
        return ERR_OK;
    }
    return check_index_of(c, &f);
}

static enum err check_index(struct check *c, struct span key, struct span value)
{
    struct span event, found;
    struct scan *scan;
    uint32_t day;
    uint64_t hash;
    trail_id mail;

    if (!trail_key_read_index(key, &day, &hash, &mail) || value.n != 1 ||
        value.p[0] != TRAIL_SCHEMA_VERSION) {
        problems_add(&c->problems, "an index key of the trail cannot be read");
        return ERR_OK;
    }
    struct trail_key from = trail_key_event(mail, 0), to = trail_key_event(mail, UINT64_MAX);
    enum err e = scan_open(c->snapshot, TRAIL_ACCOUNT, trail_key_span(&from), trail_key_span(&to),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &event, &found);
    scan_close(scan);
    if (e == ERR_NOT_FOUND || day != trail_day(mail)) {
        problems_add(&c->problems,
                     "an index key of the trail leads to mail %llu, which is not there",
                     (unsigned long long)mail);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_all(struct check *c)
{
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(c->snapshot, TRAIL_ACCOUNT, SPAN(""), SPAN(""), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        char kind = key.n ? key.p[0] : '\0';

        if (kind == TRAIL_KEY_EVENT) {
            e = check_event(c, key, value);
        } else if (kind == TRAIL_KEY_INDEX) {
            e = check_index(c, key, value);
        } else if (kind < TRAIL_OTHERS_FIRST || kind > TRAIL_OTHERS_LAST) {
            problems_add(&c->problems, "the trail has a key of an unknown kind");
        }
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err trail_check(struct engine *engine, trail_problem_fn *fn, void *arg, uint64_t *out_problems)
{
    struct check c = {.problems = {fn, arg, 0}};
    enum err e = snapshot_open(engine, &c.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = check_all(&c);
    snapshot_close(c.snapshot);
    if (e == ERR_OK) {
        *out_problems = c.problems.n;
    }
    return e;
}
