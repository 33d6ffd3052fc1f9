// SPDX-License-Identifier: Apache-2.0
#include "sieve/sieve_check_internal.h"
#include "sieve/sieve_compile_internal.h"
#include "sieve/sieve_mail.h"

#include "base/banned.h"

#define NAME_ARG(s) (int)((s).n < 60 ? (s).n : 60), (s).p

bool sieve_field_name_is_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= 32 || name.p[i] >= 127 || name.p[i] == ':') {
            return false;
        }
    }
    return name.n > 0 && name.n < 200;
}

bool sieve_field_has_addresses(struct span name)
{
    static const char *const names[] = {"from",
                                        "to",
                                        "cc",
                                        "bcc",
                                        "sender",
                                        "reply-to",
                                        "return-path",
                                        "delivered-to",
                                        "envelope-to",
                                        "x-envelope-to",
                                        "x-original-to",
                                        "original-recipient",
                                        "apparently-to",
                                        "errors-to",
                                        "mail-followup-to",
                                        "mail-reply-to",
                                        "disposition-notification-to",
                                        "return-receipt-to",
                                        "original-from",
                                        "for-approval",
                                        "x-original-from"};

    if (span_starts_nocase(name, SPAN("resent-"))) {
        name = span_skip(name, 7);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(name, span_from_str(names[i]))) {
            return true;
        }
    }
    return false;
}

bool sieve_zone_parse(struct span text, int *out_minutes)
{
    int v = 0;

    if (text.n != 5 || (text.p[0] != '+' && text.p[0] != '-')) {
        return false;
    }
    for (size_t i = 1; i < 5; i++) {
        if (!byte_is_digit(text.p[i])) {
            return false;
        }
        v = v * 10 + (text.p[i] - '0');
    }
    int minutes = v / 100 * 60 + v % 100;

    if (v % 100 >= 60 || minutes >= 1440) {
        return false;
    }
    *out_minutes = text.p[0] == '-' ? -minutes : minutes;
    return true;
}

enum sieve_date_part sieve_date_part_find(struct span name)
{
    static const char *const names[DATE__COUNT] = {"year",  "month",  "day",    "date", "julian",
                                                   "hour",  "minute", "second", "time", "iso8601",
                                                   "std11", "zone",   "weekday"};

    for (int i = 0; i < DATE__COUNT; i++) {
        if (span_eq_nocase(name, span_from_str(names[i]))) {
            return (enum sieve_date_part)i;
        }
    }
    return DATE__COUNT;
}

static bool wrong(struct compiler *c, struct sieve_place place, const char *text)
{
    sieve_problem_add(c->problems, c->out, place, "%s", text);
    return false;
}

static bool check_comparator(struct compiler *c, struct sieve_place place, struct sieve_call *call)
{
    static const struct {
        const char *name;
        enum sieve_comparator comparator;
        enum sieve_ext ext;
    } list[] = {
        {"i;octet", COMPARE_OCTET, EXT_COMPARATOR_OCTET},
        {"i;ascii-casemap", COMPARE_CASEMAP, EXT_COMPARATOR_CASEMAP},
        {"i;ascii-numeric", COMPARE_NUMERIC, EXT_COMPARATOR_NUMERIC},
        {"i;unicode-casemap", COMPARE_UNICODE, EXT_COMPARATOR_UNICODE},
    };
    const struct sieve_arg *arg = sieve_call_tag(call, TAG_COMPARATOR);
    struct span name = sieve_arg_constant(arg);

    if (!arg) {
        return true;
    }
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (name.p && span_eq(name, span_from_str(list[i].name))) {
            call->comparator = list[i].comparator;
            return sieve_needs(c, place, EXT_BIT(list[i].ext), "the comparator", name);
        }
    }
    if (!name.p) {
        return wrong(c, place, "the comparator must be named without variables");
    }
    sieve_soft_problem(c, place, "there is no comparator \"%.*s\"", NAME_ARG(name));
    return false;
}

static bool check_relation(struct compiler *c, struct sieve_place place,
                           const struct sieve_arg *arg, struct sieve_call *call)
{
    static const char *const names[] = {"eq", "ne", "gt", "ge", "lt", "le"};
    struct span name = sieve_arg_constant(arg);

    for (int i = 0; name.p && i < 6; i++) {
        if (span_eq_nocase(name, span_from_str(names[i]))) {
            call->relation = (enum sieve_relation)i;
            return true;
        }
    }
    return wrong(c, place,
                 "after \":value\" and \":count\" comes one of "
                 "\"gt\", \"ge\", \"lt\", \"le\", \"eq\", \"ne\"");
}

// The index of the argument that holds the keys: the last.
static const struct sieve_arg *keys_of(const struct sieve_call *call)
{
    const struct sieve_arg *keys = NULL;

    for (size_t i = 0; i < SIEVE_ARGS_MAX; i++) {
        keys = call->args[i].kind == VALUE_LIST || call->args[i].kind == VALUE_STRING
                   ? &call->args[i]
                   : keys;
    }
    return keys;
}

static bool check_regex(struct compiler *c, struct sieve_place place, struct sieve_call *call)
{
    const struct sieve_arg *keys = keys_of(call);
    const struct sieve_regex **list = arena_zalloc(c->out, keys ? keys->n : 0, sizeof(void *));

    if (!list) {
        c->failed = ERR_NOMEM;
        return false;
    }
    for (uint32_t i = 0; keys && i < keys->n; i++) {
        const char *problem = NULL;

        if (keys->strings[i].piece_n) {
            continue;
        }
        enum err e =
            sieve_regex_compile(c->out, keys->strings[i].text, call->comparator != COMPARE_OCTET,
                                call->comparator == COMPARE_OCTET, &list[i], &problem);

        if (e == ERR_NOMEM) {
            c->failed = e;
            return false;
        }
        if (e != ERR_OK) {
            sieve_problem_add(c->problems, c->out, place, "the regular expression \"%.*s\": %s",
                              NAME_ARG(keys->strings[i].text), problem);
            return false;
        }
    }
    call->regexes = list;
    return true;
}

bool sieve_check_match(struct compiler *c, struct sieve_place place, struct sieve_call *call)
{
    if (!check_comparator(c, place, call)) {
        return false;
    }
    for (uint32_t i = 0; i < call->tag_n; i++) {
        enum sieve_tag tag = (enum sieve_tag)call->tags[i].tag;

        if (sieve_tags[tag].group == GROUP_MATCH) {
            call->match = tag == TAG_CONTAINS  ? MATCH_CONTAINS
                          : tag == TAG_MATCHES ? MATCH_MATCHES
                          : tag == TAG_REGEX   ? MATCH_REGEX
                          : tag == TAG_COUNT   ? MATCH_COUNT
                          : tag == TAG_VALUE   ? MATCH_VALUE
                                               : MATCH_IS;
            if ((tag == TAG_COUNT || tag == TAG_VALUE) &&
                !check_relation(c, place, &call->tags[i], call)) {
                return false;
            }
        }
        if (sieve_tags[tag].group == GROUP_PART) {
            call->has_part = true;
            call->part = tag == TAG_LOCALPART ? PART_LOCALPART
                         : tag == TAG_DOMAIN  ? PART_DOMAIN
                         : tag == TAG_USER    ? PART_USER
                         : tag == TAG_DETAIL  ? PART_DETAIL
                                              : PART_ALL;
        }
    }
    if (call->comparator == COMPARE_NUMERIC &&
        (call->match == MATCH_CONTAINS || call->match == MATCH_MATCHES ||
         call->match == MATCH_REGEX)) {
        return wrong(c, place,
                     "the comparator \"i;ascii-numeric\" compares whole numbers: use "
                     "\":is\", \":value\" or \":count\" with it");
    }
    return call->match != MATCH_REGEX || check_regex(c, place, call);
}

// Every constant string of the argument passes the test.
static bool check_each(struct compiler *c, struct sieve_place place, const struct sieve_arg *arg,
                       bool (*is_valid)(struct span), const char *format)
{
    for (uint32_t i = 0; i < arg->n; i++) {
        struct span s = arg->strings[i].text;

        if (arg->strings[i].piece_n == 0 && !is_valid(s)) {
            sieve_problem_add(c->problems, c->out, place, format, NAME_ARG(s));
            return false;
        }
    }
    return true;
}

static bool is_address(struct span s)
{
    struct arena scratch;
    struct span out;

    arena_init(&scratch, 64 * 1024);
    enum err e = sieve_mail_address(&scratch, s, &out);

    arena_finish(&scratch);
    return e != ERR_INVALID;
}

static bool is_envelope_part(struct span s)
{
    return span_eq_nocase(s, SPAN("from")) || span_eq_nocase(s, SPAN("to"));
}

static bool is_dsn_part(struct span s)
{
    return span_eq_nocase(s, SPAN("notify")) || span_eq_nocase(s, SPAN("orcpt")) ||
           span_eq_nocase(s, SPAN("ret")) || span_eq_nocase(s, SPAN("envid"));
}

static bool is_date_part(struct span s)
{
    return sieve_date_part_find(s) != DATE__COUNT;
}

static bool is_zone(struct span s)
{
    int minutes;

    return sieve_zone_parse(s, &minutes);
}

static bool is_importance(struct span s)
{
    return s.n == 1 && s.p[0] >= '1' && s.p[0] <= '3';
}

#define FIELD_WRONG "\"%.*s\" is no name of a header field"

static bool check_header_tags(struct compiler *c, struct sieve_place place,
                              const struct sieve_call *call)
{
    const struct sieve_arg *index = sieve_call_tag(call, TAG_INDEX);

    index = index ? index : sieve_call_tag(call, TAG_EDIT_INDEX);
    if ((sieve_call_tag(call, TAG_LAST) || sieve_call_tag(call, TAG_EDIT_LAST)) && !index) {
        return wrong(c, place, "\":last\" says how to count for \":index\", which is missing");
    }
    if (index && index->number == 0) {
        return wrong(c, place, "\":index\" counts from 1");
    }
    for (uint32_t i = 0; i < call->tag_n; i++) {
        bool is_mime =
            call->tags[i].tag == TAG_ANYCHILD || sieve_tags[call->tags[i].tag].group == GROUP_MIME;

        if (is_mime && !sieve_call_tag(call, TAG_MIME)) {
            sieve_problem_add(c->problems, c->out, place, "\":%s\" works with \":mime\" only",
                              sieve_tags[call->tags[i].tag].name);
            return false;
        }
    }
    return true;
}

static bool check_envelope(struct compiler *c, struct sieve_place place,
                           const struct sieve_call *call)
{
    for (uint32_t i = 0; i < call->args[0].n; i++) {
        struct span s = call->args[0].strings[i].text;

        if (call->args[0].strings[i].piece_n || is_envelope_part(s)) {
            continue;
        }
        if (!is_dsn_part(s)) {
            sieve_problem_add(c->problems, c->out, place,
                              "the envelope has \"from\" and \"to\", but no \"%.*s\"", NAME_ARG(s));
            return false;
        }
        if (!sieve_needs(c, place, EXT_BIT(EXT_ENVELOPE_DSN), "the envelope part", s)) {
            return false;
        }
        if (call->has_part) {
            sieve_problem_add(c->problems, c->out, place,
                              "\"%.*s\" is no address: no part of it can be chosen", NAME_ARG(s));
            return false;
        }
    }
    return true;
}

static bool check_date(struct compiler *c, struct sieve_place place, const struct sieve_call *call)
{
    const struct sieve_arg *zone = sieve_call_tag(call, TAG_ZONE);
    const struct sieve_arg *part = &call->args[call->spec->id == ID_DATE];

    if (zone && !check_each(c, place, zone, is_zone,
                            "\"%.*s\" is no time zone: it is written like \"+0100\"")) {
        return false;
    }
    return check_each(c, place, part, is_date_part, "\"%.*s\" is no part of a date");
}

static bool check_fcc(struct compiler *c, struct sieve_place place, const struct sieve_call *call)
{
    static const uint8_t tags[] = {TAG_FLAGS, TAG_CREATE, TAG_SPECIALUSE, TAG_MAILBOXID};

    for (size_t i = 0; i < sizeof(tags) && !sieve_call_tag(call, TAG_FCC); i++) {
        if (sieve_call_tag(call, (enum sieve_tag)tags[i])) {
            sieve_problem_add(c->problems, c->out, place, "\":%s\" works with \":fcc\" only",
                              sieve_tags[tags[i]].name);
            return false;
        }
    }
    return true;
}

static bool check_mail(struct compiler *c, struct sieve_place place, const struct sieve_call *call)
{
    const struct sieve_arg *from = sieve_call_tag(call, TAG_FROM);
    const struct sieve_arg *importance = sieve_call_tag(call, TAG_IMPORTANCE);

    if (from && !check_each(c, place, from, is_address, "\"%.*s\" is no mail address")) {
        return false;
    }
    if (importance && !check_each(c, place, importance, is_importance,
                                  "\":importance\" is \"1\", \"2\" or \"3\", not \"%.*s\"")) {
        return false;
    }
    return check_fcc(c, place, call);
}

static bool check_replace(struct compiler *c, struct sieve_place place,
                          const struct sieve_call *call)
{
    if (sieve_call_tag(call, TAG_MIME_ENTITY) &&
        (sieve_call_tag(call, TAG_SUBJECT) || sieve_call_tag(call, TAG_FROM))) {
        return wrong(c, place,
                     "\":subject\" and \":from\" cannot be used with \":mime\", which "
                     "brings its own header");
    }
    return check_mail(c, place, call);
}

static bool check_flag_variable(struct compiler *c, struct sieve_place place,
                                const struct sieve_call *call)
{
    if (call->args[0].kind == VALUE_NONE) {
        return true;
    }
    return sieve_needs(c, place, EXT_BIT(EXT_VARIABLES), "the name of a variable in",
                       span_from_str(call->spec->name));
}

// The named variables of flags are ordinary variables.
static bool declare_flags(struct compiler *c, struct sieve_place place,
                          const struct sieve_call *call)
{
    uint32_t index;

    for (uint32_t i = 0; i < call->args[0].n; i++) {
        if (call->args[0].strings[i].piece_n) {
            return wrong(c, place, "the name of a variable must be written out");
        }
        if (!sieve_variable_find(c, place, call->args[0].strings[i].text, &index)) {
            return false;
        }
    }
    return true;
}

bool sieve_check_rules(struct compiler *c, struct sieve_place place, const struct sieve_call *call)
{
    const struct sieve_arg *first = &call->args[0];

    switch (call->spec->id) {
    case ID_ADDRESS:
        return check_header_tags(c, place, call) &&
               check_each(c, place, first,
                          sieve_call_tag(call, TAG_MIME) ? sieve_field_name_is_valid
                                                         : sieve_field_has_addresses,
                          "\"%.*s\" is no header field that holds addresses");
    case ID_HEADER:
    case ID_EXISTS:
    case ID_DELETEHEADER:
    case ID_ADDHEADER:
        return check_header_tags(c, place, call) &&
               check_each(c, place, first, sieve_field_name_is_valid, FIELD_WRONG);
    case ID_SIZE:
        return call->tag_n || wrong(c, place,
                                    "\"size\" needs \":over\" or \":under\" with a size, "
                                    "as in: size :over 100K");
    case ID_ENVELOPE:
        return check_envelope(c, place, call);
    case ID_DATE:
        return check_header_tags(c, place, call) && check_date(c, place, call) &&
               check_each(c, place, first, sieve_field_name_is_valid, FIELD_WRONG);
    case ID_CURRENTDATE:
        return check_date(c, place, call);
    case ID_REDIRECT:
        return check_each(c, place, first, is_address, "\"%.*s\" is no mail address");
    case ID_VACATION:
    case ID_NOTIFY:
        return check_mail(c, place, call);
    case ID_REPLACE:
        return check_replace(c, place, call);
    case ID_INCLUDE:
        return check_each(c, place, first, sieve_script_name_is_valid,
                          "\"%.*s\" cannot be the name of a script");
    case ID_HASFLAG:
    case ID_SETFLAG:
    case ID_ADDFLAG:
    case ID_REMOVEFLAG:
        return check_flag_variable(c, place, call) && declare_flags(c, place, call);
    default:
        return true;
    }
}
