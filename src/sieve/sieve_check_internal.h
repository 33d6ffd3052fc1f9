// SPDX-License-Identifier: Apache-2.0
//
// What the compiler checks of a call beyond the form of its arguments (sieve_check_rules.c), and
// the small readers that the interpreter uses on the same words.
#ifndef SIEVE_SIEVE_CHECK_INTERNAL_H
#define SIEVE_SIEVE_CHECK_INTERNAL_H

#include "sieve/sieve_parse_internal.h"
#include "sieve/sieve_program_internal.h"

struct compiler;

// Comparator, match type, relation, address part. False with a problem added.
bool sieve_check_match(struct compiler *c, struct sieve_place place, struct sieve_call *call);

// The rules of each command and test.
bool sieve_check_rules(struct compiler *c, struct sieve_place place, const struct sieve_call *call);

// A field name (RFC 5322 section 2.2).
bool sieve_field_name_is_valid(struct span name);

// A field that holds addresses; the address test reads no others (RFC 5228 section 5.1).
bool sieve_field_has_addresses(struct span name);

// "+hhmm" to minutes east of UTC.
bool sieve_zone_parse(struct span text, int *out_minutes);

enum sieve_date_part {
    DATE_YEAR,
    DATE_MONTH,
    DATE_DAY,
    DATE_DATE,
    DATE_JULIAN,
    DATE_HOUR,
    DATE_MINUTE,
    DATE_SECOND,
    DATE_TIME,
    DATE_ISO8601,
    DATE_STD11,
    DATE_ZONE,
    DATE_WEEKDAY,
    DATE__COUNT
};

// DATE__COUNT when it is none.
enum sieve_date_part sieve_date_part_find(struct span name);

#endif
