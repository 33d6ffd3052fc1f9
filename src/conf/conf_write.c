// SPDX-License-Identifier: Apache-2.0
//
// Settings back to text: a value, a file, the default file, the manual page.
#include "conf/conf_internal.h"

#include "base/banned.h"

static void print_bytes(uint64_t n, struct buf *out)
{
    static const char *const units[] = {"", " KB", " MB", " GB", " TB"};
    unsigned u = 0;

    while (u < 4 && n >= 1024 && n % 1024 == 0) {
        n /= 1024;
        u++;
    }
    buf_put_u64(out, n);
    buf_put_str(out, units[u]);
}

static void print_time(uint64_t ms, struct buf *out)
{
    static const struct {
        uint64_t factor;
        const char *unit;
    } units[] = {{86400000, " days"}, {3600000, " h"}, {60000, " min"}, {1000, " s"}, {1, " ms"}};
    size_t u = 0;

    while (u < 4 && (ms == 0 || ms % units[u].factor != 0)) {
        u++;
    }
    if (ms == 0) {
        u = 3;
    }
    buf_put_u64(out, ms / units[u].factor);
    buf_put_str(out, units[u].unit);
}

static void print_quoted(struct span text, struct buf *out)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, text.p[i]);
    }
    buf_put_byte(out, '"');
}

static void print_list(const struct conf_value *v, struct buf *out)
{
    buf_put_byte(out, '[');
    for (size_t i = 0; i < v->list_n; i++) {
        buf_put_str(out, i ? ", " : "");
        print_quoted(v->list[i], out);
    }
    buf_put_byte(out, ']');
}

void conf_value_print(const struct settings *s, enum setting_id id, struct buf *out)
{
    const struct setting_row *row = setting_row(id);
    const struct conf_value *v = &s->values[id];

    switch (row->type) {
    case SETTING_TYPE_BOOL:
        buf_put_str(out, v->number ? "yes" : "no");
        break;
    case SETTING_TYPE_COUNT:
        buf_put_u64(out, v->number);
        break;
    case SETTING_TYPE_BYTES:
        print_bytes(v->number, out);
        break;
    case SETTING_TYPE_TIME:
        print_time(v->number, out);
        break;
    case SETTING_TYPE_TEXT:
        print_quoted(v->text, out);
        break;
    case SETTING_TYPE_CHOICE:
        buf_put(out, conf_choice_word(row, (unsigned)v->number));
        break;
    case SETTING_TYPE_LIST:
    case SETTING_TYPE_ADDRESSES:
    case SETTING_TYPE_NETWORKS:
        print_list(v, out);
        break;
    }
}

void conf_write(const struct settings *s, struct buf *out)
{
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        if (s->values[i].line) {
            buf_printf(out, "%s = ", setting_row((enum setting_id)i)->name);
            conf_value_print(s, (enum setting_id)i, out);
            buf_put_byte(out, '\n');
        }
    }
}

// Help texts mark the words of a choice with braces; people need not see them.
static void put_help(struct span help, const char *line_start, struct buf *out)
{
    size_t column = 0;

    while (help.n) {
        struct span word = span_split(&help, ' ');

        if (column && column + word.n > 90) {
            buf_put_byte(out, '\n');
            column = 0;
        }
        buf_put_str(out, column ? " " : line_start);
        for (size_t i = 0; i < word.n; i++) {
            if (word.p[i] != '{' && word.p[i] != '}') {
                buf_put_byte(out, word.p[i]);
            }
        }
        column += word.n + 1;
    }
    buf_put_byte(out, '\n');
}

static bool settings_defaults(struct settings **out)
{
    return conf_settings_create(out) == ERR_OK;
}

void conf_write_default(struct buf *out)
{
    struct settings *s;

    if (!settings_defaults(&s)) {
        out->failed = true;
        return;
    }
    buf_put_str(out,
                "# Settings of Mailkeep. Every line below is the default; see mailkeep.conf(5).\n"
                "# After a change: mailkeep reload, which also says what is wrong.\n");
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        const struct setting_row *row = setting_row((enum setting_id)i);

        buf_put_byte(out, '\n');
        put_help(span_from_str(row->help), "# ", out);
        buf_printf(out, "#%s = ", row->name);
        conf_value_print(s, (enum setting_id)i, out);
        buf_put_byte(out, '\n');
    }
    settings_unref(s);
}

static const char *type_word(enum setting_type t)
{
    static const char *const words[] = {"yes or no", "number", "size",      "duration", "text",
                                        "word",      "list",   "addresses", "networks"};

    return words[t];
}

static bool has_limits(const struct setting_row *row)
{
    return row->type == SETTING_TYPE_COUNT || row->type == SETTING_TYPE_BYTES ||
           row->type == SETTING_TYPE_TIME;
}

static void put_limit(const struct setting_row *row, uint64_t limit, struct buf *out)
{
    if (row->type == SETTING_TYPE_BYTES) {
        print_bytes(limit, out);
    } else if (row->type == SETTING_TYPE_TIME) {
        print_time(limit, out);
    } else {
        buf_put_u64(out, limit);
    }
}

void conf_write_manual(struct buf *out)
{
    struct settings *s;

    if (!settings_defaults(&s)) {
        out->failed = true;
        return;
    }
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        const struct setting_row *row = setting_row((enum setting_id)i);

        buf_printf(out, ".TP\n.B %s\n", row->name);
        put_help(span_from_str(row->help), "", out);
        buf_printf(out, ".br\nA %s", type_word(row->type));
        if (has_limits(row)) {
            buf_put_str(out, " from ");
            put_limit(row, row->min, out);
            buf_put_str(out, " to ");
            put_limit(row, row->max, out);
        }
        buf_put_str(out, "; default ");
        conf_value_print(s, (enum setting_id)i, out);
        buf_put_str(out, row->when == SETTING_WHEN_LIVE ? "; a reload applies it.\n"
                                                        : "; takes a restart.\n");
    }
    settings_unref(s);
}

void conf_changes(const struct settings *now, const struct settings *next, conf_change_fn *fn,
                  void *arg)
{
    struct buf before, after;

    buf_init(&before, CONF_FILE_BYTES_MAX);
    buf_init(&after, CONF_FILE_BYTES_MAX);
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        buf_clear(&before);
        buf_clear(&after);
        conf_value_print(now, (enum setting_id)i, &before);
        conf_value_print(next, (enum setting_id)i, &after);
        if (!span_eq(buf_span(&before), buf_span(&after))) {
            fn(arg, setting_row((enum setting_id)i), buf_span(&before), buf_span(&after));
        }
    }
    buf_finish(&before);
    buf_finish(&after);
}

// Texts are copied: the two sets live and die apart.
static enum err value_copy(struct settings *to, const struct conf_value *from,
                           struct conf_value *out)
{
    struct conf_value v = *from;

    if (from->text.p) {
        v.text.p = arena_str(&to->arena, from->text); // with its NUL
        if (!v.text.p) {
            return ERR_NOMEM;
        }
    }
    if (from->list_n) {
        v.list = arena_alloc(&to->arena, from->list_n * sizeof(*v.list));
        for (size_t i = 0; v.list && i < from->list_n; i++) {
            v.list[i] = arena_dup(&to->arena, from->list[i]);
            if (!v.list[i].p) {
                return ERR_NOMEM;
            }
        }
    }
    if (from->list_n && !v.list) {
        return ERR_NOMEM;
    }
    *out = v;
    return ERR_OK;
}

enum err conf_keep_start_values(const struct settings *now, struct settings *next)
{
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        if (setting_row((enum setting_id)i)->when == SETTING_WHEN_START) {
            enum err e = value_copy(next, &now->values[i], &next->values[i]);

            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return ERR_OK;
}
