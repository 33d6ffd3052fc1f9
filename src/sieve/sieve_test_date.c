// SPDX-License-Identifier: Apache-2.0
//
// Dates (RFC 5260). A time zone is a fixed offset: a script cannot name one that changes.
#include <stdio.h>
#include <stdlib.h>

#include "mime/mime_date.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define JULIAN_OF_1970 40587 // Modified Julian Day

struct moment {
    int64_t seconds; // UTC
    int zone;        // minutes east
};

static int64_t day_number(int64_t local)
{
    return (local >= 0 ? local : local - 86399) / 86400;
}

static void put_part(struct buf *out, struct moment m, enum sieve_date_part part)
{
    int64_t local = m.seconds + (int64_t)m.zone * 60;
    struct mime_civil c = mime_date_to_civil(local);
    char sign = m.zone < 0 ? '-' : '+';
    int zone = abs(m.zone);

    switch (part) {
    case DATE_YEAR:
        buf_printf(out, "%04d", c.year);
        break;
    case DATE_MONTH:
        buf_printf(out, "%02d", c.month);
        break;
    case DATE_DAY:
        buf_printf(out, "%02d", c.day);
        break;
    case DATE_DATE:
        buf_printf(out, "%04d-%02d-%02d", c.year, c.month, c.day);
        break;
    case DATE_JULIAN:
        buf_printf(out, "%lld", (long long)(day_number(local) + JULIAN_OF_1970));
        break;
    case DATE_HOUR:
        buf_printf(out, "%02d", c.hour);
        break;
    case DATE_MINUTE:
        buf_printf(out, "%02d", c.minute);
        break;
    case DATE_SECOND:
        buf_printf(out, "%02d", c.second);
        break;
    case DATE_TIME:
        buf_printf(out, "%02d:%02d:%02d", c.hour, c.minute, c.second);
        break;
    case DATE_ISO8601:
        buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute,
                   c.second);
        if (m.zone == 0) {
            buf_put_byte(out, 'Z');
        } else {
            buf_printf(out, "%c%02d:%02d", sign, zone / 60, zone % 60);
        }
        break;
    case DATE_STD11:
        mime_date_put(out, m.seconds, m.zone);
        break;
    case DATE_ZONE:
        buf_printf(out, "%c%02d%02d", sign, zone / 60, zone % 60);
        break;
    case DATE_WEEKDAY:
        buf_printf(out, "%d", c.weekday);
        break;
    case DATE__COUNT:
        break;
    }
}

// The zone to show a moment in; false when the script names none that is one.
static bool set_zone(struct run *r, const struct sieve_call *call, struct moment *m, int original)
{
    const struct sieve_arg *zone = sieve_call_tag(call, TAG_ZONE);
    struct span text = sieve_expand_arg(r, zone);

    if (sieve_call_tag(call, TAG_ORIGINALZONE)) {
        m->zone = original;
        return true;
    }
    m->zone = r->env->zone_minutes;
    if (zone && !sieve_zone_parse(text, &m->zone)) {
        return sieve_fail(r, "\"%.*s\" is no time zone: it is written like \"+0100\"", SHOWN(text));
    }
    return true;
}

static void match_moment(struct matcher *m, struct span part, struct moment moment)
{
    enum sieve_date_part p = sieve_date_part_find(part);
    struct buf text;

    if (p == DATE__COUNT) {
        NOTE(m->r, "\"%.*s\" is no part of a date", SHOWN(part));
        return;
    }
    buf_init(&text, 200);
    put_part(&text, moment, p);
    sieve_match_value(m, buf_span(&text));
    buf_finish(&text);
}

struct found_date {
    struct run *r;
    bool is_found;
    struct mime_date date;
};

// The field itself, or what follows its last semicolon (as in Received).
static bool take_date(void *context, const struct mime_field *field)
{
    struct found_date *f = context;
    struct span body = field->body;

    for (size_t i = body.n; i > 0; i--) {
        if (body.p[i - 1] == ';') {
            body = span_skip(body, i);
            break;
        }
    }
    sieve_spend(f->r, body.n);
    f->is_found = mime_date_parse(body, &f->date);
    return true; // the first field only
}

bool sieve_test_date(struct run *r, const struct sieve_call *call)
{
    struct span name = sieve_expand(r, &call->args[0].strings[0]);
    struct span part = sieve_expand(r, &call->args[1].strings[0]);
    struct found_date found = {.r = r};
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[2]);
    sieve_fields(r, call, (struct sieve_strings){&name, 1}, take_date, &found);
    if (found.is_found && sieve_is_on(r)) {
        struct moment moment = {.seconds = found.date.unix_seconds};

        if (set_zone(r, call, &moment, found.date.zone_minutes)) {
            match_moment(&m, part, moment);
        }
    }
    return sieve_match_end(&m);
}

bool sieve_test_currentdate(struct run *r, const struct sieve_call *call)
{
    struct span part = sieve_expand(r, &call->args[0].strings[0]);
    struct moment moment = {.seconds = r->env->now};
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[1]);
    if (sieve_is_on(r) && set_zone(r, call, &moment, r->env->zone_minutes)) {
        match_moment(&m, part, moment);
    }
    return sieve_match_end(&m);
}
