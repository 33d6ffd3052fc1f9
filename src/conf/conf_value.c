// SPDX-License-Identifier: Apache-2.0
//
// From the texts of a setting to its value: numbers with units, words, addresses, limits. Pure.
#include <arpa/inet.h>
#include <stdio.h>

#include "conf/conf_internal.h"

#include "base/banned.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},           {"b", 1},         {"bytes", 1},       {"kb", 1u << 10},    {"kib", 1u << 10},
    {"k", 1u << 10},   {"mb", 1u << 20}, {"mib", 1u << 20},  {"m", 1u << 20},     {"gb", 1u << 30},
    {"gib", 1u << 30}, {"g", 1u << 30},  {"tb", 1ull << 40}, {"tib", 1ull << 40}, {"t", 1ull << 40},
    {NULL, 0},
};

static const struct unit time_units[] = {
    {"ms", 1},       {"s", 1000},        {"sec", 1000},      {"seconds", 1000},
    {"min", 60000},  {"minutes", 60000}, {"h", 3600000},     {"hours", 3600000},
    {"d", 86400000}, {"day", 86400000},  {"days", 86400000}, {"weeks", 604800000},
    {NULL, 0},
};

static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

// A number and a unit, with or without spaces between. False when it is not one or overflows.
static bool number_parse(struct span text, const struct unit *units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t number;

    while (digits < text.n && byte_is_digit(text.p[digits])) {
        digits++;
    }
    if (!span_to_u64(span_first(text, digits), UINT64_MAX, &number)) {
        return false;
    }
    struct span unit = span_trim(span_skip(text, digits));

    if (number == 0 && unit.n == 0) {
        *out = 0; // nothing is nothing in every unit
        return true;
    }
    for (; units->name; units++) {
        if (span_eq_nocase(unit, span_from_str(units->name))) {
            return !__builtin_mul_overflow(number, units->factor, out);
        }
    }
    return false;
}

static bool bool_parse(struct span text, uint64_t *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true},    {"no", false}, {"true", true},
                 {"false", false}, {"on", true},  {"off", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (span_eq_nocase(text, span_from_str(words[i].word))) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

struct span conf_choice_word(const struct setting_row *row, unsigned i)
{
    struct span help = span_from_str(row->help);
    struct span inside = span_skip(help, span_find_byte(help, '{') + 1);

    inside = span_first(inside, span_find_byte(inside, '}'));
    while (i-- > 0) {
        span_split(&inside, ' ');
    }
    return span_split(&inside, ' ');
}

static bool choice_parse(const struct setting_row *row, struct span text, uint64_t *out)
{
    for (unsigned i = 0;; i++) {
        struct span word = conf_choice_word(row, i);

        if (span_is_empty(word)) {
            return false;
        }
        if (span_eq(word, text)) {
            *out = i;
            return true;
        }
    }
}

// "127.0.0.1:143", "[::1]:143", "*:143".
static bool address_is_valid(struct span text)
{
    struct span rest = text;
    char host[64];
    unsigned char binary[16];
    uint64_t port;
    size_t colon = text.n;

    while (colon > 0 && text.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !span_to_u64(span_skip(text, colon), 65535, &port) || port == 0) {
        return false;
    }
    rest = span_first(text, colon - 1);
    if (span_eq(rest, SPAN("*"))) {
        return true;
    }
    bool six = rest.n > 2 && rest.p[0] == '[' && rest.p[rest.n - 1] == ']';

    if (six) {
        rest = span_of(rest.p + 1, rest.n - 2);
    }
    if (rest.n >= sizeof(host) || span_find_byte(rest, '\0') < rest.n) {
        return false;
    }
    snprintf(host, sizeof(host), "%.*s", SPAN_ARG(rest));
    return inet_pton(six ? AF_INET6 : AF_INET, host, binary) == 1;
}

// "192.0.2.0/24", "2001:db8::/32", "192.0.2.1".
static bool network_is_valid(struct span text)
{
    size_t slash = span_find_byte(text, '/');
    struct span host = span_first(text, slash);
    bool six = span_find_byte(host, ':') < host.n;
    unsigned char binary[16];
    char copy[64];
    uint64_t bits;

    if (host.n >= sizeof(copy) || span_find_byte(host, '\0') < host.n ||
        (slash < text.n && !span_to_u64(span_skip(text, slash + 1), six ? 128 : 32, &bits))) {
        return false;
    }
    snprintf(copy, sizeof(copy), "%.*s", SPAN_ARG(host));
    return inet_pton(six ? AF_INET6 : AF_INET, copy, binary) == 1;
}

static bool item_is_valid(const struct setting_row *row, struct span text)
{
    return row->type == SETTING_TYPE_ADDRESSES  ? address_is_valid(text)
           : row->type == SETTING_TYPE_NETWORKS ? network_is_valid(text)
                                                : true;
}

static const char *type_wants(enum setting_type type)
{
    switch (type) {
    case SETTING_TYPE_BOOL:
        return "yes or no";
    case SETTING_TYPE_COUNT:
        return "a number";
    case SETTING_TYPE_BYTES:
        return "a size such as 50 MB";
    case SETTING_TYPE_TIME:
        return "a duration such as 30 min (ms, s, min, h, days)";
    case SETTING_TYPE_ADDRESSES:
        return "addresses such as 127.0.0.1:143, [::1]:143 or *:143";
    case SETTING_TYPE_NETWORKS:
        return "networks such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1";
    default:
        return "text";
    }
}

static void value_print_number(const struct setting_row *row, uint64_t number, char *out, size_t n)
{
    struct buf b;

    buf_init(&b, 64);
    if (row->type == SETTING_TYPE_TIME && number % 1000 == 0) {
        buf_printf(&b, "%llu s", (unsigned long long)(number / 1000));
    } else if (row->type == SETTING_TYPE_TIME) {
        buf_printf(&b, "%llu ms", (unsigned long long)number);
    } else if (row->type == SETTING_TYPE_BYTES && number >= 1u << 20 && number % (1u << 20) == 0) {
        buf_printf(&b, "%llu MB", (unsigned long long)(number >> 20));
    } else {
        buf_put_u64(&b, number);
    }
    snprintf(out, n, "%.*s", SPAN_ARG(buf_span(&b)));
    buf_finish(&b);
}

static enum err number_make(const struct setting_row *row, struct span text, struct conf_value *out,
                            char *problem, size_t bytes)
{
    const struct unit *units = row->type == SETTING_TYPE_COUNT   ? count_units
                               : row->type == SETTING_TYPE_BYTES ? size_units
                                                                 : time_units;
    char low[32], high[32];

    if (!number_parse(text, units, &out->number)) {
        snprintf(problem, bytes, "%s wants %s", row->name, type_wants(row->type));
        return ERR_INVALID;
    }
    if (out->number < row->min || out->number > row->max) {
        value_print_number(row, row->min, low, sizeof(low));
        value_print_number(row, row->max, high, sizeof(high));
        snprintf(problem, bytes, "%s must be between %s and %s%s", row->name, low, high,
                 out->number == 0 ? " (0 does not mean unlimited)" : "");
        return ERR_INVALID;
    }
    return ERR_OK;
}

static enum err text_make(struct settings *s, const struct setting_row *row, struct span text,
                          struct conf_value *out, char *problem, size_t bytes)
{
    if (text.n < row->min || text.n > row->max) {
        snprintf(problem, bytes, "%s must have between %llu and %llu bytes", row->name,
                 (unsigned long long)row->min, (unsigned long long)row->max);
        return ERR_INVALID;
    }
    if (span_find_byte(text, '\0') < text.n) {
        snprintf(problem, bytes, "%s may not contain a NUL", row->name);
        return ERR_INVALID;
    }
    out->text = span_of(arena_str(&s->arena, text), text.n);
    return out->text.p ? ERR_OK : ERR_NOMEM;
}

static enum err list_make(struct settings *s, const struct setting_row *row,
                          const struct conf_raw *raw, struct conf_value *out, char *problem,
                          size_t bytes, size_t *out_item)
{
    if (raw->n < row->min || raw->n > row->max) {
        snprintf(problem, bytes, "%s must have between %llu and %llu items", row->name,
                 (unsigned long long)row->min, (unsigned long long)row->max);
        return ERR_INVALID;
    }
    out->list = arena_zalloc(&s->arena, raw->n ? raw->n : 1, sizeof(*out->list));
    if (!out->list) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < raw->n; i++) {
        *out_item = i;
        if (!item_is_valid(row, raw->items[i])) {
            snprintf(problem, bytes, "%s wants %s", row->name, type_wants(row->type));
            return ERR_INVALID;
        }
        const char *copy = arena_str(&s->arena, raw->items[i]);

        if (!copy) {
            return ERR_NOMEM;
        }
        out->list[i] = span_of(copy, raw->items[i].n);
    }
    out->list_n = raw->n;
    return ERR_OK;
}

enum err conf_value_make(struct settings *s, const struct setting_row *row,
                         const struct conf_raw *raw, struct conf_value *out, char *problem,
                         size_t problem_bytes, size_t *out_item)
{
    *out_item = 0;
    if (setting_is_list(row)) {
        return list_make(s, row, raw, out, problem, problem_bytes, out_item);
    }
    struct span text = raw->n ? raw->items[0] : SPAN("");

    switch (row->type) {
    case SETTING_TYPE_TEXT:
        return text_make(s, row, text, out, problem, problem_bytes);
    case SETTING_TYPE_BOOL:
        if (bool_parse(text, &out->number)) {
            return ERR_OK;
        }
        snprintf(problem, problem_bytes, "%s wants yes or no", row->name);
        return ERR_INVALID;
    case SETTING_TYPE_CHOICE:
        if (choice_parse(row, text, &out->number)) {
            return ERR_OK;
        }
        const char *words = strchr(row->help, '{');

        snprintf(problem, problem_bytes, "%s wants one of %s", row->name, words ? words : "");
        return ERR_INVALID;
    default:
        return number_make(row, text, out, problem, problem_bytes);
    }
}
