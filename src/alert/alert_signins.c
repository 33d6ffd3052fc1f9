// SPDX-License-Identifier: Apache-2.0
//
// Rules over the sign-in history: a network nobody signed in from before, and a right password
// after many wrong ones.
#include <xxhash.h>

#include "alert/alert_internal.h"
#include "base/bytes.h"
#include "base/ip_network.h"

#include "base/banned.h"

#define DAY_S      86400
#define WIDE_FOUR  2 // bytes: a /16
#define WIDE_SIX   4 // a /32
#define WIDE_BYTES (IP_NETWORK_BYTES_MAX + 1)

// The bytes that tell a network from others; 0: it is no network ("many others").
static size_t wide(struct span network, unsigned char out[WIDE_BYTES])
{
    struct span address = span_first(network, span_find_byte(network, '/'));
    size_t n = ip_network(address, WIDE_FOUR, WIDE_SIX, out);

    return n;
}

bool alert_same_network(struct span a, struct span b, bool exact)
{
    unsigned char x[WIDE_BYTES], y[WIDE_BYTES];

    if (exact || span_eq(a, b)) {
        return span_eq(a, b);
    }
    size_t n = wide(a, x), m = wide(b, y);

    return n && n == m && memcmp(x, y, n) == 0;
}

uint32_t alert_network_salt(struct span network, bool exact)
{
    unsigned char b[WIDE_BYTES];
    size_t n = exact ? 0 : wide(network, b);
    uint64_t hash = n ? XXH3_64bits(b, n) : XXH3_64bits(network.p ? network.p : "", network.n);

    return (uint32_t)hash;
}

int64_t alert_known_until(const struct look *l, bool with_country)
{
    int64_t first = INT64_MAX, until;

    for (size_t i = 0; i < l->n; i++) {
        if (l->rows[i].count && l->rows[i].first < first &&
            (!with_country || l->rows[i].country.n)) {
            first = l->rows[i].first;
        }
    }
    until = first < INT64_MAX - l->o->learn_s ? first + l->o->learn_s : INT64_MAX;
    // With nothing to learn the very first one is still nobody's surprise.
    until = until > first || first == INT64_MAX ? until : first + 1;
    return l->since > until ? l->since : until;
}

// Was there a sign-in from the network of a row that changed, apart from what changed with it?
static bool is_known(const struct look *l, const struct alert_signin *row, int64_t known_until)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *r = &l->rows[i];

        if (r->count && alert_same_network(r->network, row->network, l->o->exact_networks) &&
            (r->changed <= l->seen || r->first < known_until)) {
            return true;
        }
    }
    return false;
}

void alert_found_at(const struct look *l, enum alert_kind kind, const struct alert_signin *row,
                    uint64_t count, struct span words)
{
    struct alert a = {
        .kind = kind,
        .trigger = row->changed,
        .salt = alert_network_salt(row->network, l->o->exact_networks),
        .when_ms = row->last * 1000,
        .count = count,
        .network = row->network,
        .client = row->client,
        .words = words,
    };

    l->fn(l->arg, &a);
}

// Wrong passwords from the same network in the day before; and whether somebody had signed in from
// there before they began: then it is a forgotten password, or a program that has the old one.
static uint64_t failures_before(const struct look *l, const struct alert_signin *row,
                                bool *out_known)
{
    uint64_t failures = 0;
    int64_t began = INT64_MAX;

    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *r = &l->rows[i];

        if (r->failures && r->last > row->last - DAY_S && r->first <= row->last &&
            span_eq(r->network, row->network)) {
            failures += r->failures;
            began = r->first < began ? r->first : began;
        }
    }
    *out_known = false;
    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *r = &l->rows[i];

        *out_known |= r->count && r->last < began &&
                      alert_same_network(r->network, row->network, l->o->exact_networks);
    }
    return failures;
}

static void look_at_row(const struct look *l, const struct alert_signin *row, int64_t known_until)
{
    bool known_before;
    uint64_t failures = failures_before(l, row, &known_before);

    if (failures >= l->o->failures && !known_before) {
        alert_found_at(l, ALERT_GUESSED, row, failures, alert_country_words(row));
    } else if (!alert_look_at_place(l, row) && !is_known(l, row, known_until)) {
        alert_found_at(l, ALERT_NEW_NETWORK, row, 0, alert_country_words(row));
    }
}

void alert_signins(const struct alert_settings *o, const struct alert_signin *rows, size_t n,
                   uint64_t seen, int64_t since, alert_found_fn *fn, void *arg)
{
    struct look l = {o, rows, n, seen, since, 0, fn, arg};
    int64_t known_until = alert_known_until(&l, false);

    l.places_known_until = alert_known_until(&l, true);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].count && rows[i].changed > seen && rows[i].network.n) {
            look_at_row(&l, &rows[i], known_until);
        }
    }
}
