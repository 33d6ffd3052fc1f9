// SPDX-License-Identifier: Apache-2.0
//
// Dates in headers (RFC 5322 section 3.3, obsolete forms of 4.3) and what mailers write instead:
// no weekday, no seconds, two-digit years, zone names, asctime and ISO 8601 order, dashes.
// Pure; any thread.
#ifndef MIME_MIME_DATE_H
#define MIME_MIME_DATE_H

#include "base/buf.h"

struct mime_date {
    int64_t unix_seconds; // UTC
    int zone_minutes;     // east of UTC, -1439 to 1439
    bool has_zone;        // false: none said, or "-0000"; then zone_minutes is 0
};

struct mime_civil {
    int year, month, day; // month 1 to 12
    int hour, minute, second;
    int weekday; // 0 Sunday
};

// Reads a Date field's body. False when no date can be made of it.
bool mime_date_parse(struct span body, struct mime_date *out);

// Appends "Mon, 02 Jan 2006 15:04:05 -0700".
void mime_date_put(struct buf *out, int64_t unix_seconds, int zone_minutes);

// Calendar arithmetic, proleptic Gregorian, without time zones or leap seconds.
int64_t mime_date_from_civil(const struct mime_civil *c);
struct mime_civil mime_date_to_civil(int64_t unix_seconds);

#endif
