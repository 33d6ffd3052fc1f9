// SPDX-License-Identifier: Apache-2.0
#include "cli/cli_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/utf8.h"

#include "base/banned.h"

#define TABLE_BYTES_MAX (256u << 20)

int cli_words_check(struct cli *c, int *argc, char **argv, int min, int max)
{
    int n = 0;
    bool only_words = false;

    for (int i = 1; i < *argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            cli_fail(c, CLI_USAGE, "there is no option \"%s\"", argv[i]);
            return cli_usage(c);
        }
        argv[++n] = argv[i];
    }
    *argc = n + 1;
    argv[*argc] = NULL;
    if (n < min || n > max) {
        cli_fail(c, CLI_USAGE, n < min ? "something is missing" : "\"%s\" is one word too many",
                 n > max ? argv[max + 1] : "");
        return cli_usage(c);
    }
    return CLI_OK;
}

// ---- sizes --------------------------------------------------------------------------------------

static const char units[] = "BKMGT";

bool cli_size_parse(const char *text, uint64_t *out)
{
    struct span s = span_trim(span_from_str(text));
    size_t n = 0;
    uint64_t v;

    if (span_eq_nocase(s, SPAN("none"))) {
        *out = UINT64_MAX;
        return true;
    }
    while (n < s.n && byte_is_digit(s.p[n])) {
        n++;
    }
    struct span unit = span_trim(span_skip(s, n));
    unsigned shift = 0;

    if (unit.n > 0) {
        const char *u = strchr(units, byte_upper(unit.p[0]));
        bool is_unit = u && *u && (unit.n == 1 || (unit.n == 2 && byte_upper(unit.p[1]) == 'B'));

        if (!is_unit) {
            return false;
        }
        shift = (unsigned)(u - units) * 10;
    }
    if (!span_to_u64(span_first(s, n), (uint64_t)INT64_MAX >> shift, &v)) {
        return false;
    }
    *out = v << shift;
    return true;
}

struct cli_size cli_size_text(uint64_t bytes)
{
    struct cli_size out;
    double v = (double)bytes;
    int unit = 0;

    while (v >= 1000 && units[unit + 1]) {
        v /= 1024;
        unit++;
    }
    if (unit == 0) {
        snprintf(out.s, sizeof(out.s), "%u B", (unsigned)bytes);
    } else {
        snprintf(out.s, sizeof(out.s), v < 10 ? "%.1f %cB" : "%.0f %cB", v, units[unit]);
    }
    return out;
}

// ---- times --------------------------------------------------------------------------------------

struct cli_time cli_time_text(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct cli_time out;
    struct tm tm;

    if (!localtime_r(&t, &tm) || strftime(out.s, sizeof(out.s), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
        snprintf(out.s, sizeof(out.s), "?");
    }
    return out;
}

// "2h", "30 min", "3d": that long before now.
static bool ago_parse(struct span s, int64_t now, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } unit_seconds[] = {{"s", 1},     {"sec", 1},     {"m", 60},       {"min", 60},  {"h", 3600},
                        {"d", 86400}, {"day", 86400}, {"days", 86400}, {"w", 604800}};
    size_t n = 0;
    uint64_t v;

    while (n < s.n && byte_is_digit(s.p[n])) {
        n++;
    }
    struct span unit = span_trim(span_skip(s, n));

    if (!span_to_u64(span_first(s, n), 1000000, &v)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(unit_seconds) / sizeof(unit_seconds[0]); i++) {
        if (span_eq_nocase(unit, span_from_str(unit_seconds[i].unit))) {
            *out = now - (int64_t)v * unit_seconds[i].seconds;
            return true;
        }
    }
    return false;
}

static int64_t midnight(int64_t now, int days_before)
{
    time_t t = (time_t)now;
    struct tm tm = {.tm_mday = 1};

    localtime_r(&t, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday -= days_before;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm);
}

bool cli_time_parse(const char *text, int64_t now, int64_t *out)
{
    static const char *const forms[] = {"%Y-%m-%d",          "%Y-%m-%d %H:%M",
                                        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"};

    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        *out = midnight(now, text[0] == 'y');
        return true;
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);

        if (end && *end == '\0') {
            *out = (int64_t)(forms[i][strlen(forms[i]) - 1] == 'Z' ? timegm(&tm) : mktime(&tm));
            return true;
        }
    }
    return ago_parse(span_trim(span_from_str(text)), now, out);
}

// ---- tables -------------------------------------------------------------------------------------

struct cli_table {
    const char *const *heads;
    size_t columns, cells;
    size_t width[CLI_TABLE_COLUMNS];
    struct buf text; // the cells, each with a NUL behind it
};

// Characters, not bytes: good enough for the names people have.
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

struct cli_table *cli_table_create(const char *const *heads)
{
    struct cli_table *t = calloc(1, sizeof(*t));

    if (t) {
        t->heads = heads;
        buf_init(&t->text, TABLE_BYTES_MAX);
        while (t->columns < CLI_TABLE_COLUMNS && heads[t->columns]) {
            t->width[t->columns] = width_of(heads[t->columns] + (heads[t->columns][0] == '>'));
            t->columns++;
        }
    }
    return t;
}

void cli_table_cell(struct cli_table *t, const char *text)
{
    char plain[1100];

    if (t) {
        size_t *width = &t->width[t->cells++ % t->columns], n;

        cli_plain(text, plain, sizeof(plain));
        n = width_of(plain);
        *width = n > *width ? n : *width;
        buf_put_str(&t->text, plain);
        buf_put_byte(&t->text, '\0');
    }
}

static void print_cell(const struct cli_table *t, size_t column, const char *text)
{
    bool is_right = t->heads[column][0] == '>', is_last = column + 1 == t->columns;
    int pad = (int)(t->width[column] - width_of(text));

    printf("%*s%s%*s%s", is_right ? pad : 0, "", text, is_right || is_last ? 0 : pad, "",
           is_last ? "\n" : "  ");
}

void cli_table_print(struct cli_table *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->columns && t->cells > 0; i++) {
        print_cell(t, i, t->heads[i] + (t->heads[i][0] == '>'));
    }
    const char *cell = t->text.p;

    for (size_t i = 0; i < t->cells && !t->text.failed; i++, cell += strlen(cell) + 1) {
        print_cell(t, i % t->columns, cell);
    }
    buf_finish(&t->text);
    free(t);
}

const char *cli_plain(const char *text, char *into, size_t size)
{
    struct span s = span_from_str(text);
    size_t n = 0;
    uint32_t c;

    while (s.n > 0 && n + 5 < size) {
        struct span before = s;

        if (utf8_next(&s, &c) && c >= ' ' && (c < 0x7f || c >= 0xa0) &&
            !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)) {
            memcpy(into + n, before.p, before.n - s.n);
            n += before.n - s.n;
        } else {
            into[n++] = '?';
        }
    }
    into[n] = '\0';
    return into;
}

const char *cli_get_text(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));

    return s ? s : "";
}

uint64_t cli_get_number(const json_t *j, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(j, name));
}
