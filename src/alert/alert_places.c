// SPDX-License-Identifier: Apache-2.0
//
// Rules over where people sign in from: a country nobody signed in from before, and two places
// that are further apart than anybody travels in the time between.
//
// A place is where a network's provider says it is, or where a VPN comes out. So: what lies within
// 500 km is one place, and the radius within which an address is said to be is given to the owner's
// favour; a place that was signed in from before is no news, whatever the time; and an account that
// has been in two far places at once before, by a VPN or a service that fetches its mail, is not
// told that it is in one of these and elsewhere: a new country is what is told of it.
#include <math.h>
#include <stdio.h>

#include "alert/alert_internal.h"

#include "base/banned.h"

#define EARTH_KM       6371.0
#define HALF_WAY_KM    20037 // nobody is further away than that
#define SECONDS_MAX    (10 * 86400)
#define CANDIDATES_MAX 8 // sign-ins elsewhere that are looked at closely
#define WORDS_BYTES    400

uint32_t alert_apart_km(const struct alert_signin *a, const struct alert_signin *b)
{
    const double degree = 3.14159265358979 / 180 / 100;
    double y = (b->latitude - a->latitude) * degree, x = (b->longitude - a->longitude) * degree;
    double h = sin(y / 2) * sin(y / 2) +
               cos(a->latitude * degree) * cos(b->latitude * degree) * sin(x / 2) * sin(x / 2);
    uint64_t km = (uint64_t)(2 * EARTH_KM * asin(sqrt(h > 1 ? 1 : h)));
    uint64_t radii = (uint64_t)a->radius_km + b->radius_km;

    return km > radii ? (uint32_t)(km - radii) : 0;
}

struct span alert_country_words(const struct alert_signin *row)
{
    return row->country_name.n ? row->country_name : row->country;
}

// It counts as a place that somebody was at.
static bool has_place(const struct alert_signin *r)
{
    return r->count && r->has_position && !r->is_limited;
}

// Had somebody been there before `row`? What came first is news itself, and needs to be told once.
static bool is_old(const struct look *l, const struct alert_signin *r,
                   const struct alert_signin *row)
{
    return r->changed <= l->seen || r->first < l->places_known_until || r->first < row->first;
}

static bool are_near(const struct alert_signin *a, const struct alert_signin *b)
{
    return alert_apart_km(a, b) < ALERT_NEAR_KM;
}

// Seconds between two sign-ins of the rows; of each, the first and the last are known.
static int64_t gap(const struct alert_signin *a, const struct alert_signin *b)
{
    const int64_t x[] = {a->first, a->last}, y[] = {b->first, b->last};
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < 4; i++) {
        int64_t g = x[i / 2] > y[i % 2] ? x[i / 2] - y[i % 2] : y[i % 2] - x[i / 2];

        least = g < least ? g : least;
    }
    return least;
}

// Further apart than anybody travels in the time between? 0: no.
static uint32_t leap(const struct look *l, const struct alert_signin *a,
                     const struct alert_signin *b)
{
    uint64_t seconds = (uint64_t)gap(a, b);

    // Before all that is expensive: the least speed that can be set takes nobody longer.
    if (seconds > SECONDS_MAX || seconds * l->o->speed / 3600 >= HALF_WAY_KM) {
        return 0;
    }
    uint32_t km = alert_apart_km(a, b);

    return km >= ALERT_NEAR_KM && km > seconds * l->o->speed / 3600 ? km : 0;
}

// Has the account been where `other` is and in a third place at once before?
static bool leaps_anyway(const struct look *l, const struct alert_signin *other,
                         const struct alert_signin *row)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *x = &l->rows[i];

        if (!has_place(x) || !is_old(l, x, row) || !are_near(x, other)) {
            continue;
        }
        for (size_t j = 0; j < l->n; j++) {
            const struct alert_signin *y = &l->rows[j];

            if (has_place(y) && is_old(l, y, row) && leap(l, x, y)) {
                return true;
            }
        }
    }
    return false;
}

static void found_travel(const struct look *l, const struct alert_signin *row,
                         const struct alert_signin *other, uint32_t km)
{
    char words[WORDS_BYTES];
    unsigned long long minutes = (unsigned long long)gap(row, other) / 60 + 1;
    int n = snprintf(words, sizeof(words), "%.*s and %.*s, at least %u km apart, within %llu %s",
                     SPAN_ARG(alert_country_words(other)), SPAN_ARG(alert_country_words(row)), km,
                     minutes < 120 ? minutes : minutes / 60, minutes < 120 ? "minutes" : "hours");

    alert_found_at(l, ALERT_TRAVEL, row, km,
                   n > 0 && (size_t)n < sizeof(words) ? span_of(words, (size_t)n) : SPAN(""));
}

static bool look_at_travel(const struct look *l, const struct alert_signin *row)
{
    size_t candidates = 0;

    if (!has_place(row)) {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *r = &l->rows[i];

        if (r->count && r->has_position && is_old(l, r, row) && are_near(r, row)) {
            return false; // it is known
        }
    }
    for (size_t i = l->n; i-- > 0 && candidates < CANDIDATES_MAX;) { // the newest days first
        const struct alert_signin *r = &l->rows[i];
        uint32_t km = has_place(r) ? leap(l, row, r) : 0;

        if (km) {
            candidates++;
            if (!leaps_anyway(l, r, row)) {
                found_travel(l, row, r, km);
                return true;
            }
        }
    }
    return false;
}

static bool is_new_country(const struct look *l, const struct alert_signin *row)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct alert_signin *r = &l->rows[i];

        if (r->count && span_eq(r->country, row->country) && is_old(l, r, row)) {
            return false;
        }
    }
    return true;
}

static bool is_on(const struct look *l, enum alert_kind kind)
{
    return !(l->o->off & 1u << kind);
}

bool alert_look_at_place(const struct look *l, const struct alert_signin *row)
{
    if (!row->country.n || row->is_limited) {
        return false;
    }
    if (is_on(l, ALERT_TRAVEL) && look_at_travel(l, row)) {
        return true;
    }
    if (is_on(l, ALERT_NEW_COUNTRY) && is_new_country(l, row)) {
        alert_found_at(l, ALERT_NEW_COUNTRY, row, 0, alert_country_words(row));
        return true;
    }
    return false;
}
