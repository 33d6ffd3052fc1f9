// SPDX-License-Identifier: Apache-2.0
#include "keep/login/signin_log.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip_network.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/utf8.h"
#include "store/directory.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 254  // an address; a longer name is nobody's
#define RECENT         4096 // networks seen lately, a power of two; one may push out another
#define DAY_S          86400

// One row to be, with all that happened since the last flush.
struct entry {
    account_id account; // 0: look the name up
    struct signin row;
    uint8_t name_n, network_n, client_n;
    char name[NAME_BYTES_MAX], network[SIGNIN_NETWORK_BYTES_MAX], client[SIGNIN_CLIENT_BYTES_MAX];
};

_Static_assert(SIGNIN_NETWORK_BYTES_MAX == IP_NETWORK_TEXT_MAX, "a row has room for a network");

struct signin_log {
    struct signin_log_options o;
    _Atomic int64_t keep_ms;
    struct lock lock; // LOCK_LEAF; what follows
    struct map entries;
    uint64_t left_out;
    uint64_t recent[RECENT];
};

// ---- what an event says -------------------------------------------------------------------------

// The value of "name" in a list like ("name" "Thunderbird" "version" "128"), whose strings are all
// quoted; empty when there is none that can be shown.
static uint8_t client_text(struct span id, char out[SIGNIN_CLIENT_BYTES_MAX])
{
    size_t n = 0, i = 0;

    while (i + 8 < id.n && !span_eq_nocase(span_first(span_skip(id, i), 8), SPAN("\"name\" \""))) {
        i++;
    }
    for (i += 8; i < id.n && id.p[i] != '"' && n < SIGNIN_CLIENT_BYTES_MAX; i++) {
        i += id.p[i] == '\\' && i + 1 < id.n;
        if (byte_is_ctl(id.p[i])) {
            return 0;
        }
        out[n++] = id.p[i];
    }
    while (n && !utf8_is_valid(span_of(out, n))) { // cut within a character, or nonsense
        n--;
    }
    return (uint8_t)n;
}

static void entry_fill(struct entry *x, const struct signin_event *e)
{
    *x = (struct entry){.account = e->account};
    x->row.service = e->service;
    x->row.first = x->row.last = clock_real_s();
    x->network_n = (uint8_t)ip_network_text(e->remote, x->network);
    x->row.count = !e->has_failed;
    x->row.failures = e->has_failed;
    if (e->account) {
        x->row.device = e->device;
        x->client_n = client_text(e->client_id, x->client);
        if (e->reader.n) {
            struct span reader = span_first(e->reader, SIGNIN_CLIENT_BYTES_MAX);

            x->row.device = SIGNIN_BY_READER;
            memcpy(x->client, reader.p, reader.n);
            x->client_n = (uint8_t)reader.n;
        }
    } else {
        memcpy(x->name, e->name.p, e->name.n);
        x->name_n = (uint8_t)e->name.n;
    }
}

// Equal for what is one row; the texts have their length in front of them.
static struct span entry_key(const struct entry *x, char room[512])
{
    size_t n = 0;

    put_be64(room, x->account);
    put_be32(room + 8, x->row.device);
    put_be32(room + 12, (uint32_t)(x->row.last / DAY_S));
    room[16] = (char)x->row.service;
    room[17] = (char)x->name_n;
    room[18] = (char)x->network_n;
    n = 19;
    memcpy(room + n, x->name, x->name_n);
    n += x->name_n;
    memcpy(room + n, x->network, x->network_n);
    n += x->network_n;
    memcpy(room + n, x->client, x->client_n);
    return span_of(room, n + x->client_n);
}

// ---- counting -----------------------------------------------------------------------------------

// With the lock held: whether account and network come up for the first time lately.
static bool is_new_network(struct signin_log *l, const struct entry *x)
{
    char room[8 + SIGNIN_NETWORK_BYTES_MAX];

    put_be64(room, x->account);
    memcpy(room + 8, x->network, x->network_n);
    uint64_t hash = map_hash(span_of(room, 8u + x->network_n)), *slot = &l->recent[hash % RECENT];
    bool is_new = *slot != hash;

    *slot = hash;
    return is_new;
}

// With the lock held.
static bool entry_count(struct signin_log *l, const struct entry *x)
{
    char room[512];
    struct span key = entry_key(x, room);
    struct entry *had = map_get(&l->entries, key);
    size_t max = x->row.count ? SIGNIN_LOG_ENTRIES_MAX : SIGNIN_LOG_ENTRIES_MAX / 2;

    if (had) {
        had->row.last = x->row.last > had->row.last ? x->row.last : had->row.last;
        had->row.count += x->row.count;
        had->row.failures += x->row.failures;
        return true;
    }
    struct entry *one = l->entries.n < max ? malloc(sizeof(*one)) : NULL;

    if (one) {
        *one = *x;
        if (map_put(&l->entries, key, one, NULL) == ERR_OK) {
            return true;
        }
        free(one);
    }
    l->left_out++;
    return false;
}

void signin_log_note(struct signin_log *l, const struct signin_event *e)
{
    struct entry x;

    if (!l || (!e->account && (e->name.n == 0 || e->name.n > NAME_BYTES_MAX))) {
        return;
    }
    entry_fill(&x, e);
    lock_take(&l->lock);
    bool is_urgent = !e->has_failed && is_new_network(l, &x);

    entry_count(l, &x);
    lock_release(&l->lock);
    l->o.wake(l->o.arg, is_urgent);
}

// ---- writing ------------------------------------------------------------------------------------

// The account of a name that failed. False: it is nobody's, and nobody is told of it.
static bool entry_resolve(struct signin_log *l, struct entry *x)
{
    struct arena arena;
    struct span name;

    arena_init(&arena, 65536);
    bool found = directory_name_check(&arena, span_of(x->name, x->name_n), l->o.default_domain,
                                      &name, NULL) == ERR_OK &&
                 directory_id_by_name(l->o.store, name, &x->account) == ERR_OK;

    arena_finish(&arena);
    return found;
}

static int by_account(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;

    return (*x)->account < (*y)->account ? -1 : (*x)->account > (*y)->account;
}

static void write_some(struct signin_log *l, struct entry **list, size_t n)
{
    struct signin items[SIGNIN_AT_ONCE];

    for (size_t i = 0; i < n; i++) {
        items[i] = list[i]->row;
        items[i].network = span_of(list[i]->network, list[i]->network_n);
        items[i].client = span_of(list[i]->client, list[i]->client_n);
        if (items[i].count && l->o.place) {
            l->o.place(l->o.place_arg, items[i].network, &items[i].place);
        }
    }
    enum err e = signin_record(l->o.store, list[0]->account, items, n,
                               clock_real_s() - atomic_load(&l->keep_ms) / 1000);

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_warn("sign-ins of account %llu could not be noted: %s",
                 (unsigned long long)list[0]->account, err_name(e));
    }
}

static void write_all(struct signin_log *l, struct entry **list, size_t n)
{
    qsort(list, n, sizeof(struct entry *), by_account);
    for (size_t from = 0, to; from < n; from = to) {
        to = from + 1;
        while (to < n && to - from < SIGNIN_AT_ONCE && list[to]->account == list[from]->account) {
            to++;
        }
        write_some(l, list + from, to - from);
    }
}

void signin_log_flush(struct signin_log *l)
{
    struct map entries;
    size_t cursor = 0, n = 0;
    struct span key;
    void *one;

    lock_take(&l->lock);
    entries = l->entries;
    uint64_t left_out = l->left_out;

    map_init(&l->entries);
    l->left_out = 0;
    lock_release(&l->lock);
    struct entry **list = entries.n ? malloc(entries.n * sizeof(struct entry *)) : NULL;

    while (map_next(&entries, &cursor, &key, &one)) {
        struct entry *x = one;

        if (list && (x->account || entry_resolve(l, x))) {
            list[n++] = x;
        } else {
            left_out += !list;
            free(x);
        }
    }
    map_finish(&entries);
    write_all(l, list, n);
    for (size_t i = 0; i < n; i++) {
        free(list[i]);
    }
    free(list);
    if (left_out) {
        log_warn("%llu sign-ins or failures are not in the sign-in history: too many at once",
                 (unsigned long long)left_out);
    }
}

// ---- life ---------------------------------------------------------------------------------------

enum err signin_log_create(const struct signin_log_options *o, struct signin_log **out)
{
    struct signin_log *l = calloc(1, sizeof(*l));

    if (!l) {
        return ERR_NOMEM;
    }
    l->o = *o;
    l->keep_ms = o->keep_ms;
    lock_init(&l->lock, LOCK_LEAF);
    map_init(&l->entries);
    *out = l;
    return ERR_OK;
}

void signin_log_destroy(struct signin_log *l)
{
    size_t cursor = 0;
    struct span key;
    void *one;

    if (!l) {
        return;
    }
    while (map_next(&l->entries, &cursor, &key, &one)) {
        free(one);
    }
    map_finish(&l->entries);
    lock_finish(&l->lock);
    free(l);
}

void signin_log_set_keep(struct signin_log *l, int64_t keep_ms)
{
    atomic_store(&l->keep_ms, keep_ms);
}
