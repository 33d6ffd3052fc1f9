// SPDX-License-Identifier: Apache-2.0
//
// The text of mailkeep.conf, line by line. Reads on after a problem, so that one run names them
// all.
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/conf_internal.h"

#include "base/banned.h"

#define NAME_BYTES_MAX   64
#define ARENA_BYTES      (4u << 20)
#define NEAREST_DISTANCE 3

struct reader {
    struct span text;
    size_t at;
    unsigned line;
    size_t line_start;
    char section[NAME_BYTES_MAX]; // "imap_", or empty
    struct settings *settings;
    struct conf_report *report;
    struct arena *scratch; // unquoted texts
    enum err failed;       // ERR_NOMEM ends everything
};

void conf_problem(struct conf_report *r, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list ap;

    if (r->count == CONF_PROBLEMS_MAX) {
        r->dropped++;
        return;
    }
    struct conf_problem *p = &r->problems[r->count++];

    p->line = line;
    p->column = column;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof(p->text), fmt, ap);
    va_end(ap);
}

// Edits needed to turn one into the other, by rows of the usual table; both are short.
static unsigned edit_distance(struct span a, struct span b)
{
    unsigned row[NAME_BYTES_MAX + 1];

    if (a.n > NAME_BYTES_MAX || b.n > NAME_BYTES_MAX) {
        return NAME_BYTES_MAX;
    }
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned above = row[j], best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            best = above + 1 < best ? above + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
        }
    }
    return row[b.n];
}

const char *conf_nearest_name(struct span name)
{
    unsigned best = NEAREST_DISTANCE + 1;
    const char *found = NULL;

    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        const char *candidate = setting_row((enum setting_id)i)->name;
        unsigned d = edit_distance(name, span_from_str(candidate));

        if (d < best) {
            best = d;
            found = candidate;
        }
    }
    return found;
}

static bool at_end(const struct reader *r)
{
    return r->at >= r->text.n;
}

static char look(const struct reader *r)
{
    return at_end(r) ? '\n' : r->text.p[r->at];
}

static unsigned column(const struct reader *r)
{
    return (unsigned)(r->at - r->line_start) + 1;
}

static void step(struct reader *r)
{
    if (look(r) == '\n') {
        r->line++;
        r->line_start = r->at + 1;
    }
    r->at++;
}

static void skip_blanks(struct reader *r)
{
    while (!at_end(r) && (look(r) == ' ' || look(r) == '\t' || look(r) == '\r')) {
        step(r);
    }
}

// To the newline that ends this line (not past it).
static void skip_line(struct reader *r)
{
    while (!at_end(r) && look(r) != '\n') {
        step(r);
    }
}

// Blanks, and comments up to the end of the line.
static void skip_comment(struct reader *r)
{
    skip_blanks(r);
    if (look(r) == '#') {
        skip_line(r);
    }
}

static bool read_quoted(struct reader *r, struct span *out)
{
    unsigned line = r->line, start = column(r);
    size_t room = 0;

    step(r);
    while (r->at + room < r->text.n && r->text.p[r->at + room] != '\n') {
        room++;
    }
    char *copy = arena_alloc(r->scratch, room + 1);
    size_t n = 0;

    if (!copy) {
        r->failed = ERR_NOMEM;
        return false;
    }
    while (look(r) != '"' && look(r) != '\n') {
        if (look(r) == '\\') {
            step(r);
            if (look(r) != '"' && look(r) != '\\') {
                conf_problem(r->report, r->line, column(r),
                             "after a backslash only \" or \\ may follow");
                return false;
            }
        }
        copy[n++] = look(r);
        step(r);
    }
    if (look(r) != '"' || at_end(r)) {
        conf_problem(r->report, line, start, "the quoted text is not closed on its line");
        return false;
    }
    step(r);
    *out = span_of(copy, n);
    return true;
}

// A text without quotes: up to the line's end, a comment, or one of `stops` (not inside brackets of
// its own, as in [::1]:143); blanks at the end are cut.
static struct span read_bare(struct reader *r, const char *stops)
{
    size_t start = r->at;
    unsigned open = 0;

    while (look(r) != '\n' && (open || !strchr(stops, look(r)))) {
        open += look(r) == '[';
        open -= look(r) == ']' && open;
        if (look(r) == '#' && r->at > start && byte_is_space(r->text.p[r->at - 1])) {
            break;
        }
        step(r);
    }
    return span_trim(span_of(r->text.p + start, r->at - start));
}

static bool read_item(struct reader *r, const char *stops, struct conf_raw *raw)
{
    struct span text;
    unsigned line = r->line, start = column(r);

    if (raw->n == CONF_LIST_ITEMS_MAX) {
        conf_problem(r->report, line, start, "the list has more than %d items",
                     CONF_LIST_ITEMS_MAX);
        return false;
    }
    if (look(r) == '"') {
        if (!read_quoted(r, &text)) {
            return false;
        }
    } else {
        text = read_bare(r, stops);
    }
    raw->items[raw->n] = text;
    raw->lines[raw->n] = line;
    raw->columns[raw->n++] = start;
    return true;
}

// Blanks, comments and line ends inside brackets.
static void skip_in_brackets(struct reader *r)
{
    for (;;) {
        skip_comment(r);
        if (at_end(r) || look(r) != '\n') {
            return;
        }
        step(r);
    }
}

static bool read_bracket_list(struct reader *r, struct conf_raw *raw)
{
    unsigned line = r->line, start = column(r);

    step(r);
    for (;;) {
        skip_in_brackets(r);
        if (at_end(r)) {
            conf_problem(r->report, line, start, "the list is not closed: ] is missing");
            return false;
        }
        if (look(r) == ']') {
            step(r);
            return true;
        }
        if (look(r) == ',') {
            conf_problem(r->report, r->line, column(r), "an item is missing before the comma");
            return false;
        }
        if (!read_item(r, ",]", raw)) {
            return false;
        }
        skip_in_brackets(r);
        if (look(r) == ',') {
            step(r);
        } else if (look(r) != ']' && !at_end(r)) {
            conf_problem(r->report, r->line, column(r), "a comma or ] is missing");
            return false;
        }
    }
}

static bool read_line_list(struct reader *r, struct conf_raw *raw)
{
    skip_comment(r);
    if (look(r) == '\n') {
        return true; // an empty list
    }
    for (;;) {
        skip_blanks(r);
        if (look(r) == ',' || look(r) == '\n' || look(r) == '#') {
            conf_problem(r->report, r->line, column(r), "an item is missing");
            return false;
        }
        if (!read_item(r, ",", raw)) {
            return false;
        }
        skip_blanks(r);
        if (look(r) != ',') {
            return true;
        }
        step(r);
    }
}

static bool read_value(struct reader *r, bool list, struct conf_raw *raw)
{
    bool ok;

    skip_blanks(r);
    if (list) {
        ok = look(r) == '[' ? read_bracket_list(r, raw) : read_line_list(r, raw);
    } else {
        ok = read_item(r, "", raw);
    }
    if (!ok) {
        return false;
    }
    skip_comment(r);
    if (look(r) != '\n') {
        conf_problem(r->report, r->line, column(r), "nothing may follow the value");
        return false;
    }
    return true;
}

static void apply(struct reader *r, enum setting_id id, const struct conf_raw *raw)
{
    char problem[200] = "";
    struct conf_value value = {0};
    size_t item;
    struct conf_value *slot = &r->settings->values[id];
    unsigned line = raw->n ? raw->lines[0] : r->line, at = raw->n ? raw->columns[0] : column(r);
    enum err e =
        conf_value_make(r->settings, setting_row(id), raw, &value, problem, sizeof(problem), &item);

    if (e == ERR_NOMEM) {
        r->failed = ERR_NOMEM;
    } else if (e != ERR_OK) {
        conf_problem(r->report, raw->n ? raw->lines[item] : line, raw->n ? raw->columns[item] : at,
                     "%s", problem);
    } else if (slot->line) {
        conf_problem(r->report, line, at, "%s is set a second time; the first is in line %u",
                     setting_row(id)->name, slot->line);
    } else {
        value.line = line;
        value.column = at;
        *slot = value;
    }
}

static void unknown_name(struct reader *r, unsigned line, unsigned at, struct span name)
{
    const char *near = conf_nearest_name(name);

    conf_problem(r->report, line, at, "there is no setting %s%s%s%s",
                 log_text(span_first(name, NAME_BYTES_MAX)).s, near ? "; did you mean " : "",
                 near ? near : "", near ? "?" : "");
}

static bool byte_is_name(char c)
{
    return byte_is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static struct span read_name(struct reader *r)
{
    size_t start = r->at;

    while (!at_end(r) && byte_is_name(look(r))) {
        step(r);
    }
    return span_of(r->text.p + start, r->at - start);
}

static void read_section(struct reader *r)
{
    unsigned at = column(r);

    step(r);
    skip_blanks(r);
    struct span name = read_name(r);

    skip_blanks(r);
    if (look(r) != ']' || name.n + 2 > NAME_BYTES_MAX) {
        conf_problem(r->report, r->line, at, "a section is written [name], or [] to end one");
        skip_line(r);
        return;
    }
    snprintf(r->section, sizeof(r->section), "%.*s%s", SPAN_ARG(name), name.n ? "_" : "");
    step(r);
    skip_comment(r);
    if (look(r) != '\n') {
        conf_problem(r->report, r->line, column(r), "nothing may follow the section's name");
    }
    skip_line(r);
}

static void read_setting(struct reader *r)
{
    unsigned line = r->line, at = column(r);
    struct span name = read_name(r);
    char full[NAME_BYTES_MAX * 2];
    enum setting_id id;
    struct conf_raw raw = {.n = 0};

    snprintf(full, sizeof(full), "%s%.*s", r->section, (int)(name.n < 64 ? name.n : 64), name.p);
    bool known = setting_find(span_from_str(full), &id) || setting_find(name, &id);

    if (name.n == 0) {
        conf_problem(r->report, line, at, "a line is `name = value`, `[section]` or `# comment`");
    } else if (!known) {
        unknown_name(r, line, at, name);
    } else {
        skip_blanks(r);
        if (look(r) != '=') {
            conf_problem(r->report, r->line, column(r), "an = is missing after %s", full);
        } else {
            step(r);
            if (read_value(r, setting_is_list(setting_row(id)), &raw)) {
                apply(r, id, &raw);
            }
        }
    }
    skip_line(r);
}

static void read_all(struct reader *r)
{
    if (span_starts(r->text, SPAN("\xef\xbb\xbf"))) {
        r->at = r->line_start = 3; // some editors put a byte order mark there
    }
    while (!at_end(r) && r->failed == ERR_OK) {
        skip_comment(r);
        if (at_end(r)) {
            return;
        }
        if (look(r) == '[') {
            read_section(r);
        } else if (look(r) != '\n') {
            read_setting(r);
        }
        step(r);
    }
}

// Defaults are texts of the same table, so that they are shown as they would be written.
static enum err apply_default(struct settings *s, enum setting_id id)
{
    const struct setting_row *row = setting_row(id);
    struct conf_raw raw = {.n = 0};
    struct span rest = span_from_str(row->default_text);
    char problem[200] = "";
    size_t item;

    while (!setting_is_list(row) || rest.n) {
        raw.items[raw.n++] = setting_is_list(row) ? span_trim(span_split(&rest, ',')) : rest;
        if (!setting_is_list(row)) {
            break;
        }
    }
    enum err e = conf_value_make(s, row, &raw, &s->values[id], problem, sizeof(problem), &item);

    if (e == ERR_INVALID) {
        log_panic("bug: default of %s: %s", row->name, problem);
    }
    return e;
}

enum err conf_settings_create(struct settings **out)
{
    struct settings *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    atomic_init(&s->refs, 1);
    arena_init(&s->arena, ARENA_BYTES);
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        if (apply_default(s, (enum setting_id)i) != ERR_OK) {
            settings_unref(s);
            return ERR_NOMEM;
        }
    }
    *out = s;
    return ERR_OK;
}

// Problems are in the report; *out is set in spite of them.
static enum err parse(struct span text, struct conf_report *report, struct settings **out)
{
    struct settings *s;
    struct arena scratch;
    enum err e = conf_settings_create(&s);

    if (e != ERR_OK) {
        return e;
    }
    arena_init(&scratch, ARENA_BYTES);
    struct reader r = {
        .text = text, .line = 1, .settings = s, .report = report, .scratch = &scratch};

    read_all(&r);
    arena_finish(&scratch);
    if (r.failed == ERR_OK && report->count == 0) {
        conf_check_conflicts(s, report);
    }
    if (r.failed != ERR_OK) {
        settings_unref(s);
        return r.failed;
    }
    *out = s;
    return ERR_OK;
}

enum err conf_parse(struct span text, struct conf_report *report, struct settings **out)
{
    struct settings *s;

    *report = (struct conf_report){.count = 0};
    if (text.n > CONF_FILE_BYTES_MAX) {
        conf_problem(report, 0, 0, "the file is larger than %u KB", CONF_FILE_BYTES_MAX >> 10);
        return ERR_INVALID;
    }
    enum err e = parse(text, report, &s);

    if (e != ERR_OK) {
        return e;
    }
    if (report->count) {
        settings_unref(s);
        return ERR_INVALID;
    }
    *out = s;
    return ERR_OK;
}

// Appends the file to `text`; what keeps it from being read goes into the report.
static enum err read_file(const char *path, struct conf_report *report, struct buf *text)
{
    *report = (struct conf_report){.count = 0};
    enum err e = file_read_whole(AT_FDCWD, path, text);

    if (e == ERR_LIMIT) {
        conf_problem(report, 0, 0, "the file is larger than %u KB", CONF_FILE_BYTES_MAX >> 10);
    } else if (e != ERR_OK) {
        conf_problem(report, 0, 0, "cannot be read: %s", err_name(e));
    }
    return e;
}

enum err conf_load(const char *path, struct conf_report *report, struct settings **out)
{
    struct buf text;

    buf_init(&text, CONF_FILE_BYTES_MAX);
    enum err e = read_file(path, report, &text);

    if (e == ERR_OK) {
        e = conf_parse(buf_span(&text), report, out);
    }
    buf_finish(&text);
    return e;
}

enum err conf_load_partly(const char *path, struct conf_report *report, struct settings **out)
{
    struct buf text;

    buf_init(&text, CONF_FILE_BYTES_MAX);
    enum err e = read_file(path, report, &text);

    e = parse(e == ERR_OK ? buf_span(&text) : SPAN(""), report, out);
    buf_finish(&text);
    return e;
}
