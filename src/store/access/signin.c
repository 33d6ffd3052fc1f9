// SPDX-License-Identifier: Apache-2.0
#include "store/access/signin.h"

#include "base/log.h"
#include "store/rules_internal.h"

#include "base/banned.h"

#define VALUE_BYTES_MAX 160
#define SIGNIN_DAY_S    86400
#define FORGET_AT_ONCE  1000
#define KEY_FIXED       10 // letter, day, device, service

// ---- rows as bytes ------------------------------------------------------------------------------

static uint32_t day_of(int64_t when)
{
    return when > 0 ? (uint32_t)(when / SIGNIN_DAY_S) : 0;
}

// One day, one that a key can name.
static bool times_are_of(int64_t first, int64_t last, uint32_t day)
{
    int64_t start = (int64_t)day * SIGNIN_DAY_S;

    return first >= start && first <= last && last - start < SIGNIN_DAY_S;
}

static struct key row_key(const struct signin *i)
{
    struct key k = key_u32(KEY_SIGNIN, day_of(i->last));
    struct span network = span_first(i->network, SIGNIN_NETWORK_BYTES_MAX),
                client = span_first(i->client, SIGNIN_CLIENT_BYTES_MAX);

    _Static_assert(KEY_FIXED + SIGNIN_NETWORK_BYTES_MAX + 1 + SIGNIN_CLIENT_BYTES_MAX <=
                       sizeof(k.p),
                   "a key has room for its texts");
    put_be32(k.p + 5, i->device);
    k.p[9] = (char)i->service;
    k.n = KEY_FIXED;
    memcpy(k.p + k.n, network.p, network.n);
    k.n += network.n;
    k.p[k.n++] = '\0';
    memcpy(k.p + k.n, client.p, client.n);
    k.n += client.n;
    return k;
}

// Behind the rest, and only when it is known: rows of before there were places have nothing there.
static void place_pack(struct pack *p, const struct signin_place *place)
{
    if (!place->code[0]) {
        return;
    }
    pack_str(p, span_of(place->code, sizeof(place->code)));
    pack_str(p, signin_place_name(place));
    pack_u64(p, place->has_position ? place->radius_km + 1ull : 0);
    if (place->has_position) {
        pack_i64(p, place->latitude);
        pack_i64(p, place->longitude);
    }
}

static bool place_unpack(struct span *value, struct signin_place *out)
{
    struct span code, name;
    uint64_t radius;
    int64_t latitude = 0, longitude = 0;

    if (!value->n) {
        return true;
    }
    if (!unpack_str(value, sizeof(out->code), &code) ||
        !unpack_str(value, SIGNIN_COUNTRY_BYTES_MAX, &name) ||
        !unpack_u64(value, UINT32_MAX, &radius) || code.n != sizeof(out->code) || !code.p[0]) {
        return false;
    }
    if (radius &&
        (!unpack_i64(value, &latitude) || !unpack_i64(value, &longitude) || latitude < -9000 ||
         latitude > 9000 || longitude < -18000 || longitude > 18000)) {
        return false;
    }
    *out = (struct signin_place){.code = {code.p[0], code.p[1]},
                                 .name_n = (uint8_t)name.n,
                                 .has_position = radius > 0,
                                 .latitude = (int32_t)latitude,
                                 .longitude = (int32_t)longitude,
                                 .radius_km = radius ? (uint32_t)(radius - 1) : 0};
    memcpy(out->name_text, name.p, name.n);
    return true;
}

static enum err row_write(struct edit *ed, const struct key *k, const struct signin *i)
{
    char room[VALUE_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_i64(&p, i->first);
    pack_i64(&p, i->last);
    pack_u64(&p, i->count);
    pack_u64(&p, i->failures);
    pack_u64(&p, ed->modseq);
    place_pack(&p, &i->place);
    return edit_put(ed, k, pack_span(&p));
}

static bool key_decode(struct span key, struct signin *out, uint32_t *out_day)
{
    if (key.n <= KEY_FIXED) {
        return false;
    }
    struct span texts = span_skip(key, KEY_FIXED);
    size_t end = span_find_byte(texts, '\0');

    *out_day = get_be32(key.p + 1);
    out->device = get_be32(key.p + 5);
    out->service = (enum signin_service)key.p[9];
    out->network = span_first(texts, end);
    out->client = span_skip(texts, end + 1);
    return end < texts.n && key.p[9] >= SIGNIN_IMAP && key.p[9] <= SIGNIN_WEB &&
           out->network.n <= SIGNIN_NETWORK_BYTES_MAX && out->client.n <= SIGNIN_CLIENT_BYTES_MAX;
}

enum err signin_decode(struct span key, struct span value, struct signin *out)
{
    struct signin i = {.count = 0};
    uint32_t day;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!key_decode(key, &i, &day) || !unpack_i64(&value, &i.first) ||
        !unpack_i64(&value, &i.last) || !unpack_u64(&value, INT64_MAX, &i.count) ||
        !unpack_u64(&value, INT64_MAX, &i.failures) ||
        !unpack_u64(&value, UINT64_MAX, &i.changed) || !times_are_of(i.first, i.last, day) ||
        (!i.count && !i.failures) || !place_unpack(&value, &i.place)) {
        return ERR_CORRUPT;
    }
    *out = i;
    return ERR_OK;
}

// ---- making room --------------------------------------------------------------------------------

// What an edit knows of the account's rows; what is there is learnt when a first new row comes.
struct room {
    struct edit *ed;
    int64_t keep_from;
    bool is_known;
    size_t rows, too_old;
    uint32_t day; // failed_today is of
    size_t failed_today;
    // The oldest that may go, in order: those that only failed, and all. `next`: not gone yet.
    struct key failed[SIGNIN_AT_ONCE], any[SIGNIN_AT_ONCE];
    size_t failed_n, any_n, failed_next, any_next;
    // Rows this edit has written, which the view does not show: two names may be one account's.
    struct key done[SIGNIN_AT_ONCE];
    struct signin done_rows[SIGNIN_AT_ONCE];
    size_t done_n;
};

static void candidate(struct key *list, size_t *n, struct span key)
{
    if (*n < SIGNIN_AT_ONCE && key.n <= sizeof(list->p)) {
        memcpy(list[*n].p, key.p, key.n);
        list[(*n)++].n = key.n;
    }
}

static enum err room_learn_one(void *arg, struct span key, struct span value)
{
    struct room *r = arg;
    struct signin i;
    enum err e = signin_decode(key, value, &i);

    if (e == ERR_OK && i.last < r->keep_from) {
        return ++r->too_old > FORGET_AT_ONCE ? ERR_OK : batch_delete(r->ed->batch, key);
    }
    r->rows++;
    if (e == ERR_OK && i.count == 0) {
        r->failed_today += day_of(i.last) == r->day && i.network.n > 0;
        candidate(r->failed, &r->failed_n, key);
    } else {
        candidate(r->any, &r->any_n, key);
    }
    return ERR_OK;
}

static enum err room_learn(struct room *r, uint32_t day)
{
    struct key prefix = key_plain(KEY_SIGNIN);

    if (r->is_known) {
        return ERR_OK;
    }
    r->is_known = true;
    r->day = day;
    return view_each(&r->ed->view, &prefix, room_learn_one, r);
}

static enum err make_room(struct room *r)
{
    struct key *k = NULL;

    if (r->rows < SIGNIN_ROWS_MAX) {
        r->rows++;
        return ERR_OK;
    }
    if (r->failed_next < r->failed_n) {
        k = &r->failed[r->failed_next++];
    } else if (r->any_next < r->any_n) {
        k = &r->any[r->any_next++];
    }
    return k ? edit_delete(r->ed, k) : ERR_OK;
}

// ---- recording ----------------------------------------------------------------------------------

struct record {
    const struct signin *items;
    size_t n;
    int64_t keep_from;
};

static struct signin *find_done(struct room *r, const struct key *k)
{
    for (size_t i = 0; i < r->done_n; i++) {
        if (span_eq(key_span(&r->done[i]), key_span(k))) {
            return &r->done_rows[i];
        }
    }
    return NULL;
}

static enum err row_put(struct room *r, const struct key *k, const struct signin *i)
{
    struct signin *done = find_done(r, k);

    if (!done) {
        r->done[r->done_n] = *k;
        done = &r->done_rows[r->done_n++];
    }
    *done = *i;
    return row_write(r->ed, k, i);
}

// `i` becomes what the row will be; ERR_NOT_FOUND: there is none yet.
static enum err merge(struct room *r, const struct key *k, struct signin *i)
{
    const struct signin *done = find_done(r, k);
    struct signin old = done ? *done : (struct signin){.count = 0};
    struct span value;
    enum err e = done ? ERR_OK : view_get(&r->ed->view, k, &value);

    if (!done && e == ERR_OK) {
        e = signin_decode(key_span(k), value, &old);
    }
    if (e != ERR_OK) {
        return e == ERR_CORRUPT ? ERR_NOT_FOUND : e;
    }
    i->first = old.first < i->first ? old.first : i->first;
    i->last = old.last > i->last ? old.last : i->last;
    i->count += old.count;
    i->failures += old.failures;
    i->place = i->place.code[0] ? i->place : old.place;
    return ERR_OK;
}

static enum err put_new(struct room *r, struct key *k, struct signin *i)
{
    enum err e = room_learn(r, day_of(i->last));
    bool failed = i->count == 0;

    if (e == ERR_OK && failed && day_of(i->last) == r->day &&
        r->failed_today >= SIGNIN_FAILED_ROWS_MAX) {
        i->network = i->client = SPAN("");
        i->place = (struct signin_place){.name_n = 0};
        i->device = 0;
        *k = row_key(i);
        e = merge(r, k, i);
        e = e == ERR_NOT_FOUND ? make_room(r) : e;
    } else if (e == ERR_OK) {
        r->failed_today += failed;
        e = make_room(r);
    }
    return e == ERR_OK ? row_put(r, k, i) : e;
}

static enum err record_edit(struct edit *ed, void *arg)
{
    const struct record *a = arg;
    struct room *r = arena_zalloc(&ed->view.arena, 1, sizeof(*r));
    enum err e = r ? ERR_OK : ERR_NOMEM;

    if (r) {
        r->ed = ed;
        r->keep_from = (int64_t)day_of(a->keep_from) * SIGNIN_DAY_S;
    }
    for (size_t n = 0; n < a->n && e == ERR_OK; n++) {
        struct signin i = a->items[n];
        struct key k;

        i.first = day_of(i.first) == day_of(i.last) ? i.first : i.last;
        k = row_key(&i);
        e = merge(r, &k, &i);
        e = e == ERR_NOT_FOUND ? put_new(r, &k, &i) : e == ERR_OK ? row_put(r, &k, &i) : e;
    }
    ed->is_changed = true; // the entry of the change log has no record: nothing of the mail changed
    return e;
}

enum err signin_record(struct store *s, account_id account, const struct signin *items, size_t n,
                       int64_t keep_from)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM, .device = {"sign-ins", 8}};
    struct record a = {items, n, keep_from};

    ASSERT(n <= SIGNIN_AT_ONCE);
    return n ? store_edit(s, account, &by, record_edit, &a, NULL) : ERR_OK;
}

// ---- reading ------------------------------------------------------------------------------------

static enum err each(struct view *v, int64_t since, signin_fn *fn, void *arg)
{
    struct key from = key_u32(KEY_SIGNIN, day_of(since)), kind = key_plain(KEY_SIGNIN),
               to = key_after(&kind);
    struct scan *scan;
    struct span key, value;
    struct signin i;
    enum err e = scan_open(v->snapshot, v->account, key_span(&from), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (signin_decode(key, value, &i) == ERR_OK && !fn(arg, &i)) { // else the check names it
            e = ERR_NOT_FOUND;
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err signin_list(struct store *s, account_id account, int64_t since, signin_fn *fn, void *arg)
{
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e == ERR_OK) {
        e = each(&v, since, fn, arg);
        view_end(&v);
    }
    return e;
}

// ---- upkeep -------------------------------------------------------------------------------------

struct forget {
    struct edit *ed;
    struct key until;
    size_t count;
};

static enum err forget_one(void *arg, struct span key, struct span value)
{
    struct forget *f = arg;

    (void)value;
    if (span_cmp(key, key_span(&f->until)) >= 0 || f->count == FORGET_AT_ONCE) {
        return ERR_EOF;
    }
    f->count++;
    f->ed->is_changed = true;
    return batch_delete(f->ed->batch, key);
}

static enum err forget_edit(struct edit *ed, void *arg)
{
    struct key prefix = key_plain(KEY_SIGNIN);
    struct forget *f = arg;

    f->ed = ed;
    f->count = 0;
    return view_each(&ed->view, &prefix, forget_one, f);
}

enum err signin_forget(struct store *s, account_id account, int64_t keep_from)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM, .device = {"sign-ins", 8}};
    struct forget f = {.until = key_u32(KEY_SIGNIN, day_of(keep_from))};
    enum err e;

    do {
        e = store_edit(s, account, &by, forget_edit, &f, NULL);
    } while (e == ERR_OK && f.count == FORGET_AT_ONCE);
    return e;
}
