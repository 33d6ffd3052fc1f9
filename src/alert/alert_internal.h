// SPDX-License-Identifier: Apache-2.0
//
// What the rules over the sign-in history share. Only files of this folder.
#ifndef ALERT_ALERT_INTERNAL_H
#define ALERT_ALERT_INTERNAL_H

#include "alert/alert.h"

struct look {
    const struct alert_settings *o;
    const struct alert_signin *rows;
    size_t n;
    uint64_t seen;
    int64_t since;
    int64_t places_known_until; // where somebody signed in from before it, is no news
    alert_found_fn *fn;
    void *arg;
};

// Until when everything is learnt: from the first sign-in, or the first one whose country is known.
// INT64_MAX: there is none.
int64_t alert_known_until(const struct look *l, bool with_country);
void alert_found_at(const struct look *l, enum alert_kind kind, const struct alert_signin *row,
                    uint64_t count, struct span words);

// alert_places.c: a country, or a place that nobody can have come to. True: it was found.
bool alert_look_at_place(const struct look *l, const struct alert_signin *row);
// "France", or "FR"; empty: not known.
struct span alert_country_words(const struct alert_signin *row);

#endif
