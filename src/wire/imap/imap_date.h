// SPDX-License-Identifier: Apache-2.0
//
// IMAP's two date forms (RFC 9051 section 9): "date" in SEARCH (1-Feb-1994) and "date-time" in
// APPEND and INTERNALDATE ("17-Jul-1996 02:44:25 -0700"). Pure; any thread.
#ifndef WIRE_IMAP_IMAP_DATE_H
#define WIRE_IMAP_IMAP_DATE_H

#include "base/buf.h"

#define IMAP_DATE_TIME_BYTES 26 // of a formatted date-time, quotes not counted

struct imap_date_time {
    int64_t seconds;      // since 1970-01-01 00:00:00 UTC; may be negative
    int16_t zone_minutes; // east of UTC, -1439 .. 1439
};

// Days since 1970-01-01 of a date in the Gregorian calendar, and back. Years 1 .. 9999.
int32_t imap_days_from_date(int year, int month, int day);
void imap_date_from_days(int32_t days, int *out_year, int *out_month, int *out_day);

// "1-Feb-1994" or "01-Feb-1994", no quotes, to days since 1970-01-01. ERR_INVALID when it is not
// one or the day does not exist.
enum err imap_date_parse(struct span text, int32_t *out_days);

// The text between the quotes; the day may be " 1" or "01". ERR_INVALID as above.
enum err imap_date_time_parse(struct span text, struct imap_date_time *out);

// Appends the date (no quotes); days outside the years 1 .. 9999 are clamped.
void imap_date_write(struct buf *out, int32_t days);

// Appends the date-time (no quotes), always IMAP_DATE_TIME_BYTES; clamped as above.
void imap_date_time_write(struct buf *out, struct imap_date_time when);

#endif
