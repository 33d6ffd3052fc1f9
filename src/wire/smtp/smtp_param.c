// SPDX-License-Identifier: Apache-2.0
//
// The parameters behind a path (RFC 5321 section 4.1.2, "Mail-parameters"), by a table.
#include "base/utf8.h"
#include "wire/smtp/smtp_parse_internal.h"

#include "base/banned.h"

static bool is_keyword(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!byte_is_alnum(name.p[i]) && (name.p[i] != '-' || i == 0)) {
            return false;
        }
    }
    return name.n > 0;
}

// esmtp-value: no space, no "=", no control character (those were refused before).
static bool is_value(struct span value)
{
    return span_find_byte(value, '=') == value.n && utf8_is_valid(value);
}

static size_t find_row(const struct smtp_param_row *rows, struct span name)
{
    size_t i = 0;

    while (rows[i].name && !span_eq_nocase(name, span_from_str(rows[i].name))) {
        i++;
    }
    return i;
}

static enum err read_param(struct smtp_cursor *c, const struct smtp_param_row *row,
                           const struct smtp_param *p, struct smtp_command *out)
{
    if (!row->name || !(c->options->offers & row->needs)) {
        return smtp_refuse(c, 555, "5.5.4", "this parameter is not known or not offered");
    }
    if (p->has_value != row->wants_value || (p->has_value && p->value.n == 0)) {
        return smtp_refuse_argument(c, row->wants_value ? "the parameter needs a value"
                                                        : "the parameter takes no value");
    }
    return row->read(c, p->value, out);
}

static enum err take_param(struct smtp_cursor *c, const struct smtp_param_row *rows, uint32_t *seen,
                           struct smtp_command *out)
{
    size_t from = c->at;
    struct smtp_param p = {.value = smtp_take_word(c)};
    size_t next = c->at, name_n = span_find_byte(p.value, '=');

    p.has_value = name_n < p.value.n;
    p.name = span_first(p.value, name_n);
    p.value = span_skip(p.value, name_n + 1);
    c->at = from;
    if (!is_keyword(p.name) || !is_value(p.value)) {
        return smtp_refuse_argument(c, "expected parameters like NAME or NAME=value");
    }
    size_t row = find_row(rows, p.name);

    if (*seen >> row & 1) {
        return smtp_refuse_argument(c, "a parameter is given twice");
    }
    *seen |= 1u << row;
    TRY(read_param(c, &rows[row], &p, out));
    c->at = next;
    return ERR_OK;
}

enum err smtp_take_params(struct smtp_cursor *c, const struct smtp_param_row *rows,
                          struct smtp_command *out)
{
    uint32_t seen = 0;

    if (c->at < c->text.n && c->text.p[c->at] != ' ') {
        return smtp_refuse_argument(c, "expected a space after the address");
    }
    smtp_skip_spaces(c);
    while (c->at < c->text.n) {
        TRY(take_param(c, rows, &seen, out));
    }
    return ERR_OK;
}

enum err smtp_take_path(struct smtp_cursor *c, struct span word, const char *missing,
                        const char *enhanced, struct smtp_address *out)
{
    size_t bytes = 0;
    const char *why = "";

    if (!span_starts_nocase(span_skip(c->text, c->at), word)) {
        return smtp_refuse_argument(c, missing);
    }
    c->at += word.n;
    smtp_skip_spaces(c); // wrong, and common
    enum err e = smtp_path_parse(span_skip(c->text, c->at), c->arena, out, &bytes, &why);

    c->at += bytes;
    return e == ERR_INVALID ? smtp_refuse(c, 501, enhanced, why) : e ? smtp_refuse_memory(c) : e;
}
