// SPDX-License-Identifier: Apache-2.0
#include "admin/table/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define OPERATION(name, run, rights, on, arg, method, path, fields, kind)                          \
    {name, method, path, fields, kind},
static const struct operation operations[] = {
#include "admin/table/operation_table.h"
};
#undef OPERATION

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

const struct operation *operation_at(size_t i)
{
    return i < OPERATIONS ? &operations[i] : NULL;
}

// ---- fields -------------------------------------------------------------------------------------

static const char *const type_names[] = {
    [OPERATION_TEXT] = "text",   [OPERATION_BOOL] = "bool",   [OPERATION_NUMBER] = "number",
    [OPERATION_LIMIT] = "limit", [OPERATION_TEXTS] = "texts",
};
#define TYPES (sizeof(type_names) / sizeof(type_names[0]))

const char *operation_type_name(enum operation_type t)
{
    return type_names[t];
}

bool operation_field_next(struct span *rest, struct operation_field *out)
{
    struct span word = span_split(rest, ' ');
    struct span name = span_split(&word, ':');

    if (name.n == 0) {
        return false;
    }
    *out =
        (struct operation_field){.type = OPERATION_TEXT, .is_needed = span_ends(name, SPAN("!"))};
    out->name = span_first(name, name.n - out->is_needed);
    for (size_t i = 0; i < TYPES; i++) {
        if (span_eq(word, span_from_str(type_names[i]))) {
            out->type = (enum operation_type)i;
        }
    }
    return true;
}

bool operation_field_find(const struct operation *o, struct span name, struct operation_field *out)
{
    struct span rest = span_from_str(o->fields);

    while (operation_field_next(&rest, out)) {
        if (span_eq(out->name, name)) {
            return true;
        }
    }
    return false;
}

// ---- paths --------------------------------------------------------------------------------------

static bool path_fits(struct span form, struct span path, struct operation_match *m)
{
    m->value_n = 0;
    while (form.n > 0 && path.n > 0) {
        struct span want = span_split(&form, '/'), have = span_split(&path, '/');

        if (span_starts(want, SPAN("{"))) {
            if (have.n == 0 || m->value_n == OPERATION_VALUES_MAX) {
                return false;
            }
            m->names[m->value_n] = span_of(want.p + 1, want.n - 2);
            m->values[m->value_n++] = have;
        } else if (!span_eq(want, have)) {
            return false;
        }
        if ((form.n == 0) != (path.n == 0)) {
            return false;
        }
    }
    return form.n == 0 && path.n == 0;
}

static bool has_value(const char *path)
{
    return strchr(path, '{') != NULL;
}

static void note_other(struct operation_match *m, const char *method)
{
    size_t n = strlen(m->allow);

    m->others++;
    if (!strstr(m->allow, method)) {
        snprintf(m->allow + n, sizeof(m->allow) - n, "%s%s", n > 0 ? ", " : "", method);
    }
}

void operation_find(struct span method, struct span path, struct operation_match *out)
{
    struct operation_match m;

    *out = (struct operation_match){.others = 0};
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *o = &operations[i];

        if (!span_starts(path, SPAN("/")) || span_ends(path, SPAN("/")) ||
            !path_fits(span_from_str(o->path), path, &m)) {
            continue;
        }
        if (!span_eq(method, span_from_str(o->method))) {
            note_other(out, o->method);
        } else if (!out->operation || !has_value(o->path)) { // a word goes before a value
            out->operation = o;
            out->value_n = m.value_n;
            memcpy(out->names, m.names, sizeof(m.names));
            memcpy(out->values, m.values, sizeof(m.values));
        }
    }
}
