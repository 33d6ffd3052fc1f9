// SPDX-License-Identifier: Apache-2.0
//
// MAIL FROM:<path> and its parameters.
#include <time.h>

#include "wire/smtp/smtp_parse_internal.h"
#include "wire/smtp/smtp_xtext.h"

#include "base/banned.h"

static enum err read_size(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    for (size_t i = 0; i < value.n; i++) {
        if (!byte_is_digit(value.p[i]) || i >= 20) { // RFC 1870 section 3
            return smtp_refuse_argument(c, "SIZE is a number of at most 20 digits");
        }
    }
    out->mail.has_size = true;
    if (!span_to_u64(value, UINT64_MAX, &out->mail.size)) {
        out->mail.size = UINT64_MAX;
    }
    return ERR_OK;
}

static enum err read_body(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    static const struct {
        const char *name;
        enum smtp_body body;
        uint32_t needs;
    } bodies[] = {
        {"7BIT", SMTP_BODY_7BIT, SMTP_EXT_8BITMIME},
        {"8BITMIME", SMTP_BODY_8BITMIME, SMTP_EXT_8BITMIME},
        {"BINARYMIME", SMTP_BODY_BINARYMIME, SMTP_EXT_BINARYMIME},
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (span_eq_nocase(value, span_from_str(bodies[i].name)) &&
            c->options->offers & bodies[i].needs) {
            out->mail.body = bodies[i].body;
            return ERR_OK;
        }
    }
    return smtp_refuse_argument(c, "this BODY is not known or not offered");
}

static enum err read_utf8(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    (void)c;
    (void)value;
    out->mail.utf8 = true;
    return ERR_OK;
}

static enum err read_requiretls(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    (void)c;
    (void)value;
    out->mail.requiretls = true;
    return ERR_OK;
}

static enum err read_ret(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    bool full = span_eq_nocase(value, SPAN("FULL"));

    if (!full && !span_eq_nocase(value, SPAN("HDRS"))) {
        return smtp_refuse_argument(c, "RET is FULL or HDRS");
    }
    out->mail.ret = full ? SMTP_RET_FULL : SMTP_RET_HDRS;
    return ERR_OK;
}

static enum err decode(struct smtp_cursor *c, struct span value, const char *why, struct span *out)
{
    enum err e = smtp_xtext_decode(value, c->arena, out);

    return e == ERR_NOMEM ? smtp_refuse_memory(c) : e ? smtp_refuse_argument(c, why) : ERR_OK;
}

// RFC 3461 section 4.4: printable US-ASCII once decoded.
static enum err read_envid(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    const char *why = "ENVID is xtext of at most 100 printable characters";

    if (value.n > SMTP_ENVID_BYTES_MAX) {
        return smtp_refuse_argument(c, why);
    }
    TRY(decode(c, value, why, &out->mail.envid));
    for (size_t i = 0; i < out->mail.envid.n; i++) {
        if ((unsigned char)out->mail.envid.p[i] > 126) {
            return smtp_refuse_argument(c, why);
        }
    }
    return ERR_OK;
}

// RFC 4954 section 5: "<>" or a mailbox, as xtext.
static enum err read_auth(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    const char *why = "AUTH is <> or an address in xtext";
    struct span text;

    TRY(decode(c, value, why, &text));
    out->mail.has_auth = true;
    if (span_eq(text, SPAN("<>"))) {
        return ERR_OK;
    }
    enum err e = smtp_mailbox_parse(text, c->arena, &out->mail.auth, &why);

    return e == ERR_NOMEM ? smtp_refuse_memory(c) : e ? smtp_refuse_argument(c, why) : ERR_OK;
}

static enum err hold_once(struct smtp_cursor *c, struct smtp_command *out, enum smtp_hold hold)
{
    if (out->mail.hold != SMTP_HOLD_NONE) {
        return smtp_refuse_argument(c, "HOLDFOR and HOLDUNTIL do not go together");
    }
    out->mail.hold = hold;
    return ERR_OK;
}

static enum err read_holdfor(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    uint64_t seconds;

    if (value.n > 9 || !span_to_u64(value, SMTP_HOLD_SECONDS_MAX, &seconds) || seconds == 0) {
        return smtp_refuse_argument(c, "HOLDFOR is a number of seconds, up to 9 digits");
    }
    out->mail.hold_value = (int64_t)seconds;
    return hold_once(c, out, SMTP_HOLD_FOR);
}

// Digits of `text` at `at` as a number of at most `max`; false when they are none.
static bool number_at(struct span text, size_t at, size_t n, unsigned max, int *out)
{
    uint64_t v;

    if (!span_to_u64(span_first(span_skip(text, at), n), max, &v)) {
        return false;
    }
    *out = (int)v;
    return true;
}

// "Z", "+hh:mm" or "-hh:mm" to seconds east of UTC.
static bool read_zone(struct span zone, int *out)
{
    int hours, minutes;

    if (zone.n == 1 && byte_lower(zone.p[0]) == 'z') {
        *out = 0;
        return true;
    }
    if (zone.n != 6 || (zone.p[0] != '+' && zone.p[0] != '-') || zone.p[3] != ':' ||
        !number_at(zone, 1, 2, 23, &hours) || !number_at(zone, 4, 2, 59, &minutes)) {
        return false;
    }
    *out = (hours * 60 + minutes) * (zone.p[0] == '-' ? -60 : 60);
    return true;
}

// Drops ".123" in front of the zone; false when a dot has no digits.
static bool skip_fraction(struct span *zone)
{
    size_t n = 1;

    if (zone->n == 0 || zone->p[0] != '.') {
        return true;
    }
    while (n < zone->n && byte_is_digit(zone->p[n])) {
        n++;
    }
    *zone = span_skip(*zone, n);
    return n > 1;
}

// "2026-11-25T15:00:00Z" (RFC 3339) to seconds since 1970. The day must exist.
static bool read_moment(struct span text, int64_t *out)
{
    struct tm tm = {.tm_isdst = 0};
    struct span zone = span_skip(text, 19);
    int offset, day;

    if (text.n < 20 || text.p[4] != '-' || text.p[7] != '-' || byte_lower(text.p[10]) != 't' ||
        text.p[13] != ':' || text.p[16] != ':' || !number_at(text, 0, 4, 9999, &tm.tm_year) ||
        !number_at(text, 5, 2, 12, &tm.tm_mon) || !number_at(text, 8, 2, 31, &tm.tm_mday) ||
        !number_at(text, 11, 2, 23, &tm.tm_hour) || !number_at(text, 14, 2, 59, &tm.tm_min) ||
        !number_at(text, 17, 2, 60, &tm.tm_sec) || !skip_fraction(&zone) ||
        !read_zone(zone, &offset) || tm.tm_mon == 0 || tm.tm_mday == 0) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    tm.tm_sec -= tm.tm_sec == 60; // a leap second
    day = tm.tm_mday;
    *out = timegm(&tm) - offset;
    return tm.tm_mday == day;
}

static enum err read_holduntil(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    if (!read_moment(value, &out->mail.hold_value)) {
        return smtp_refuse_argument(c, "HOLDUNTIL is a date like 2026-11-25T15:00:00Z");
    }
    return hold_once(c, out, SMTP_HOLD_UNTIL);
}

// RFC 6710 section 4.1: -9 .. 9, one digit.
static enum err read_priority(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    bool negative = value.p[0] == '-';
    uint64_t v;

    value = span_skip(value, negative);
    if (value.n != 1 || !span_to_u64(value, 9, &v) || (negative && v == 0)) {
        return smtp_refuse_argument(c, "MT-PRIORITY is a number from -9 to 9");
    }
    out->mail.has_priority = true;
    out->mail.priority = negative ? -(int)v : (int)v;
    return ERR_OK;
}

static const struct smtp_param_row params[] = {
    {"SIZE", SMTP_EXT_SIZE, true, read_size},
    {"BODY", SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME, true, read_body},
    {"SMTPUTF8", SMTP_EXT_SMTPUTF8, false, read_utf8},
    {"REQUIRETLS", SMTP_EXT_REQUIRETLS, false, read_requiretls},
    {"RET", SMTP_EXT_DSN, true, read_ret},
    {"ENVID", SMTP_EXT_DSN, true, read_envid},
    {"AUTH", SMTP_EXT_AUTH, true, read_auth},
    {"HOLDFOR", SMTP_EXT_FUTURERELEASE, true, read_holdfor},
    {"HOLDUNTIL", SMTP_EXT_FUTURERELEASE, true, read_holduntil},
    {"MT-PRIORITY", SMTP_EXT_MT_PRIORITY, true, read_priority},
    {NULL, 0, false, NULL},
};

enum err smtp_parse_mail(struct smtp_cursor *c, struct smtp_command *out)
{
    size_t from = c->at;

    out->mail = (struct smtp_mail){.auth.local = SPAN("")};
    TRY(smtp_take_path(c, SPAN("FROM:"), "expected FROM:<address>", "5.1.7", &out->mail.from));
    TRY(smtp_take_params(c, params, out));
    if (out->mail.from.local.n && out->mail.from.domain.kind == SMTP_DOMAIN_NONE) {
        c->at = from;
        return smtp_refuse(c, 501, "5.1.7", "the address has no @ and domain");
    }
    if (out->mail.from.utf8 && !out->mail.utf8) {
        c->at = from;
        return smtp_refuse(c, 553, "5.6.7", "an address with characters above 127 needs SMTPUTF8");
    }
    return ERR_OK;
}
