// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_json.h"

#include <stdio.h>

#include "base/random.h"
#include "base/utf8.h"
#include "wire/http/http_request.h"

#include "base/banned.h"

#define NAME_SHOWN_MAX 40

void http_json_start(void)
{
    uint32_t seed = 0;

    random_bytes(&seed, sizeof(seed));
    json_object_seed(seed | 1); // 0 would make it look for some itself
}

static enum err refuse(char why[HTTP_JSON_WHY_MAX], enum err e, const char *text)
{
    snprintf(why, HTTP_JSON_WHY_MAX, "%s", text);
    return e;
}

// What strangers call a field, fit to be said back.
static struct span shown(struct span name, char room[NAME_SHOWN_MAX])
{
    size_t n = name.n < NAME_SHOWN_MAX ? name.n : NAME_SHOWN_MAX;

    for (size_t i = 0; i < n; i++) {
        char c = name.p[i];

        room[i] = c;
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') {
            room[i] = '?';
        }
    }
    return span_of(room, n);
}

static enum err refuse_field(char why[HTTP_JSON_WHY_MAX], struct span name, const char *text)
{
    char room[NAME_SHOWN_MAX];
    struct span s = shown(name, room);

    snprintf(why, HTTP_JSON_WHY_MAX, "\"%.*s\" %s.", SPAN_ARG(s), text);
    return ERR_INVALID;
}

// ---- text to values -----------------------------------------------------------------------------

// The reader has no limits of its own that are as low, and would build what is too much first.
static enum err measure(struct span text, char why[HTTP_JSON_WHY_MAX])
{
    size_t depth = 0, values = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
            continue;
        }
        in_text = c == '"';
        values += c == ',' || c == '[' || c == '{';
        depth += c == '[' || c == '{';
        depth -= depth > 0 && (c == ']' || c == '}');
        if (depth > HTTP_JSON_DEPTH_MAX) {
            return refuse(why, ERR_LIMIT, "The JSON is nested too deeply.");
        }
        if (values > HTTP_JSON_VALUES_MAX) {
            return refuse(why, ERR_LIMIT, "The JSON has too many values.");
        }
    }
    return ERR_OK;
}

enum err http_json_object(struct span text, json_t **out, char why[HTTP_JSON_WHY_MAX])
{
    json_error_t error;
    enum err e = measure(text, why);

    if (e != ERR_OK) {
        return e;
    }
    json_t *j = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);

    if (!j) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return ERR_NOMEM;
        }
        snprintf(why, HTTP_JSON_WHY_MAX,
                 "This is no JSON as it is read here (UTF-8, no name twice, no NUL): line %d, "
                 "column %d.",
                 error.line, error.column);
        return ERR_INVALID;
    }
    if (!json_is_object(j)) {
        json_decref(j);
        return refuse(why, ERR_INVALID, "An object is wanted: {\"name\": value}.");
    }
    *out = j;
    return ERR_OK;
}

// ---- fields -------------------------------------------------------------------------------------

static bool is_count(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool is_texts(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!json_is_string(json_array_get(v, i))) {
            return false;
        }
    }
    return json_is_array(v);
}

static bool fits(enum operation_type type, const json_t *v)
{
    switch (type) {
    case OPERATION_TEXT:
        return json_is_string(v);
    case OPERATION_BOOL:
        return json_is_boolean(v);
    case OPERATION_NUMBER:
        return is_count(v);
    case OPERATION_LIMIT:
        return is_count(v) || json_is_null(v);
    case OPERATION_TEXTS:
        return is_texts(v);
    }
    return false;
}

static const char *const wanted[] = {
    [OPERATION_TEXT] = "must be a text",
    [OPERATION_BOOL] = "must be true or false",
    [OPERATION_NUMBER] = "must be a whole number, 0 or more",
    [OPERATION_LIMIT] = "must be a whole number, 0 or more, or null for no limit",
    [OPERATION_TEXTS] = "must be a list of texts",
};

enum err http_json_check(const struct operation *o, const json_t *object,
                         char why[HTTP_JSON_WHY_MAX])
{
    struct operation_field f;
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        struct span name = span_from_str(key);

        if (!operation_field_find(o, name, &f)) {
            return refuse_field(why, name, "is no field of this operation");
        }
        if (!fits(f.type, v)) {
            return refuse_field(why, name, wanted[f.type]);
        }
    }
    return ERR_OK;
}

enum err http_json_complete(const struct operation *o, const json_t *args,
                            char why[HTTP_JSON_WHY_MAX])
{
    struct span rest = span_from_str(o->fields);
    struct operation_field f;

    while (operation_field_next(&rest, &f)) {
        if (f.is_needed && !json_object_getn(args, f.name.p, f.name.n)) {
            return refuse_field(why, f.name, "is missing");
        }
    }
    return ERR_OK;
}

// ---- the query ----------------------------------------------------------------------------------

// Undoes escapes and "+".
static enum err undo(struct span s, struct arena *a, struct span *out)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;

    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] == '+' ? ' ' : s.p[i];

        if (c == '%') {
            int high = s.n - i > 2 ? byte_hex(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? byte_hex(s.p[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return ERR_INVALID;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        p[n++] = c;
    }
    *out = span_of(p, n);
    return utf8_is_valid(*out) && span_find_byte(*out, '\0') == n ? ERR_OK : ERR_INVALID;
}

// NULL: it does not fit, or there is no memory.
static json_t *value_of(enum operation_type type, struct span text)
{
    uint64_t n;

    switch (type) {
    case OPERATION_TEXT:
    case OPERATION_TEXTS:
        return json_stringn(text.n ? text.p : "", text.n);
    case OPERATION_BOOL:
        return span_eq(text, SPAN("true"))    ? json_true()
               : span_eq(text, SPAN("false")) ? json_false()
                                              : NULL;
    case OPERATION_LIMIT:
        if (span_eq(text, SPAN("null"))) {
            return json_null();
        }
        return span_to_u64(text, INT64_MAX, &n) ? json_integer((json_int_t)n) : NULL;
    case OPERATION_NUMBER:
        return span_to_u64(text, INT64_MAX, &n) ? json_integer((json_int_t)n) : NULL;
    }
    return NULL;
}

static enum err put_value(const struct operation_field *f, struct span text, json_t *args,
                          char why[HTTP_JSON_WHY_MAX])
{
    json_t *v = value_of(f->type, text), *there = json_object_getn(args, f->name.p, f->name.n);

    if (!v) {
        return refuse_field(why, f->name, wanted[f->type]);
    }
    if (there && f->type != OPERATION_TEXTS) {
        json_decref(v);
        return refuse_field(why, f->name, "is said twice");
    }
    if (f->type == OPERATION_TEXTS && !there) {
        there = json_array();
        if (json_object_setn_new(args, f->name.p, f->name.n, there) != 0) {
            json_decref(v);
            return ERR_NOMEM;
        }
    }
    int failed = f->type == OPERATION_TEXTS ? json_array_append_new(there, v)
                                            : json_object_setn_new(args, f->name.p, f->name.n, v);

    return failed ? ERR_NOMEM : ERR_OK;
}

enum err http_json_query(const struct operation *o, struct span query, struct arena *a,
                         json_t *args, char why[HTTP_JSON_WHY_MAX])
{
    struct operation_field f;
    enum err e = ERR_OK;

    while (query.n > 0 && e == ERR_OK) {
        struct span value = span_split(&query, '&');
        struct span name = span_split(&value, '='), text;

        if (undo(name, a, &name) != ERR_OK || undo(value, a, &text) != ERR_OK) {
            return refuse(why, ERR_INVALID, "The query has a broken escape, or is no UTF-8.");
        }
        if (!operation_field_find(o, name, &f)) {
            return refuse_field(why, name, "is no field of this operation");
        }
        e = put_value(&f, text, args, why);
    }
    return e;
}

// ---- values to text -----------------------------------------------------------------------------

void http_json_put_escaped(struct buf *out, struct span piece)
{
    for (size_t i = 0; i < piece.n; i++) {
        unsigned char c = (unsigned char)piece.p[i];

        static const char short_ones[] = "btn?fr"; // from 8 on

        if (c == '"' || c == '\\') {
            buf_put_byte(out, '\\');
            buf_put_byte(out, (char)c);
        } else if (c >= '\b' && c <= '\r' && c != '\v') {
            buf_put_byte(out, '\\');
            buf_put_byte(out, short_ones[c - '\b']);
        } else if (c < ' ' || c == 0x7f) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_put_byte(out, (char)c);
        }
    }
}

void http_json_put_text(struct buf *out, struct span text)
{
    buf_put_byte(out, '"');
    http_json_put_escaped(out, text);
    buf_put_byte(out, '"');
}
