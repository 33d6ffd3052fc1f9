// SPDX-License-Identifier: Apache-2.0
//
// Filters applied to resources (RFC 7644 section 3.4.2.2).
#include <stdio.h>

#include "wire/scim/scim.h"

#include "base/banned.h"

json_t *scim_member(const json_t *object, struct span name)
{
    const char *key;
    json_t *v;

    if (!json_is_object(object)) {
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        if (span_eq_nocase(span_from_str(key), name)) {
            return v;
        }
    }
    return NULL;
}

static struct span text_of(const json_t *v)
{
    return span_of(json_string_value(v), json_string_length(v));
}

// ---- moments ------------------------------------------------------------------------------------

// Two digits, or four. False: they are none.
static bool take_digits(struct span *s, size_t n, int *out)
{
    int v = 0;

    if (s->n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!byte_is_digit(s->p[i])) {
            return false;
        }
        v = v * 10 + (s->p[i] - '0');
    }
    *s = span_skip(*s, n);
    *out = v;
    return true;
}

static bool take_byte(struct span *s, const char *any_of)
{
    if (s->n == 0 || s->p[0] == '\0' || !strchr(any_of, s->p[0])) {
        return false;
    }
    *s = span_skip(*s, 1);
    return true;
}

// Days since 1970 of the Gregorian calendar.
static int64_t days_of(int y, int m, int d)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = y - 1;
    bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return past * 365 + past / 4 - past / 100 + past / 400 - 719162 + before[m - 1] +
           (m > 2 && is_leap) + d - 1;
}

// "2026-11-27T13:00:00.5+01:00" (RFC 7643 section 2.3.5), in seconds since 1970.
static bool read_moment(struct span s, double *out)
{
    int y, mo, d, h, mi, se, zone_h = 0, zone_m = 0;
    double fraction = 0, place = 0.1;

    if (!take_digits(&s, 4, &y) || !take_byte(&s, "-") || !take_digits(&s, 2, &mo) ||
        !take_byte(&s, "-") || !take_digits(&s, 2, &d) || !take_byte(&s, "Tt") ||
        !take_digits(&s, 2, &h) || !take_byte(&s, ":") || !take_digits(&s, 2, &mi) ||
        !take_byte(&s, ":") || !take_digits(&s, 2, &se) || y < 1 || mo < 1 || mo > 12) {
        return false;
    }
    if (take_byte(&s, ".")) {
        for (; s.n > 0 && byte_is_digit(s.p[0]); s = span_skip(s, 1), place /= 10) {
            fraction += (s.p[0] - '0') * place;
        }
    }
    bool is_west = span_starts(s, SPAN("-"));

    if (!take_byte(&s, "Zz") && (!take_byte(&s, "+-") || !take_digits(&s, 2, &zone_h) ||
                                 !take_byte(&s, ":") || !take_digits(&s, 2, &zone_m))) {
        return false;
    }
    int64_t zone = (int64_t)(zone_h * 60 + zone_m) * 60;

    *out =
        (double)(days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + se - (is_west ? -zone : zone)) +
        fraction;
    return s.n == 0;
}

// ---- one value ----------------------------------------------------------------------------------

static int compare(struct span a, struct span b, bool is_exact)
{
    if (is_exact) {
        return span_cmp(a, b);
    }
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        unsigned char x = (unsigned char)byte_lower(a.p[i]), y = (unsigned char)byte_lower(b.p[i]);

        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static bool contains(struct span s, struct span part, bool is_exact)
{
    for (size_t i = 0; i + part.n <= s.n; i++) {
        if (compare(span_first(span_skip(s, i), part.n), part, is_exact) == 0) {
            return true;
        }
    }
    return false;
}

static bool fits_order(enum scim_op op, int order)
{
    return op == SCIM_EQ   ? order == 0
           : op == SCIM_NE ? order != 0
           : op == SCIM_GT ? order > 0
           : op == SCIM_GE ? order >= 0
           : op == SCIM_LT ? order < 0
                           : order <= 0;
}

static bool text_fits(enum scim_op op, struct span v, struct span than, bool is_exact, bool is_time)
{
    double a, b;

    switch (op) {
    case SCIM_CO:
        return contains(v, than, is_exact);
    case SCIM_SW:
        return compare(span_first(v, than.n), than, is_exact) == 0;
    case SCIM_EW:
        return v.n >= than.n && compare(span_skip(v, v.n - than.n), than, is_exact) == 0;
    default:
        break;
    }
    if (is_time && read_moment(v, &a) && read_moment(than, &b)) {
        return fits_order(op, a < b ? -1 : a > b);
    }
    return fits_order(op, compare(v, than, is_exact));
}

// "True" is said where true is meant.
static bool bool_fits(enum scim_op op, bool v, const struct scim_value *than)
{
    bool is_true = than->type == SCIM_TRUE ||
                   (than->type == SCIM_TEXT && span_eq_nocase(than->text, SPAN("true")));
    bool is_false = than->type == SCIM_FALSE ||
                    (than->type == SCIM_TEXT && span_eq_nocase(than->text, SPAN("false")));

    if (op == SCIM_NE) {
        return !(v ? is_true : is_false);
    }
    return op == SCIM_EQ && (v ? is_true : is_false);
}

static bool scalar_fits(const struct scim_filter *f, const json_t *v, bool is_exact, bool is_time)
{
    if (json_is_boolean(v)) {
        return bool_fits(f->op, json_is_true(v), &f->value);
    }
    if (json_is_string(v) && f->value.type == SCIM_TEXT) {
        return text_fits(f->op, text_of(v), f->value.text, is_exact, is_time);
    }
    if (json_is_number(v) && f->value.type == SCIM_NUMBER) {
        double n = json_number_value(v), than = f->value.number;

        return f->op != SCIM_CO && f->op != SCIM_SW && f->op != SCIM_EW &&
               fits_order(f->op, n < than ? -1 : n > than);
    }
    return f->op == SCIM_NE;
}

static bool absent_fits(const struct scim_filter *f)
{
    bool is_null = f->value.type == SCIM_NULL;

    return f->node == SCIM_COMPARE &&
           ((f->op == SCIM_NE && !is_null) || (f->op == SCIM_EQ && is_null));
}

static bool is_absent(const json_t *v)
{
    return !v || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

// Of one value: itself, or its sub-attribute ("value" when none is named).
static bool one_fits(const struct scim_filter *f, const json_t *v, bool is_exact)
{
    bool is_time = span_eq_nocase(f->attr.name, SPAN("meta"));

    if (json_is_object(v)) {
        v = scim_member(v, f->attr.sub.n > 0 ? f->attr.sub : SPAN("value"));
    }
    if (is_absent(v)) {
        return absent_fits(f);
    }
    return f->node == SCIM_PRESENT || scalar_fits(f, v, is_exact, is_time);
}

static bool attr_fits(const struct scim_filter *f, const json_t *v)
{
    bool is_exact = span_eq_nocase(f->attr.name, SPAN("id")) ||
                    span_eq_nocase(f->attr.name, SPAN("externalId")) ||
                    span_eq_nocase(f->attr.name, SPAN("meta"));

    if (is_absent(v)) {
        return absent_fits(f);
    }
    if (f->node == SCIM_PRESENT && f->attr.sub.n == 0) {
        return true;
    }
    if (!json_is_array(v)) {
        return one_fits(f, v, is_exact);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (one_fits(f, json_array_get(v, i), is_exact)) {
            return true;
        }
    }
    return false;
}

// ---- trees --------------------------------------------------------------------------------------

// What an attribute means: of another schema it is none that is here.
static const json_t *find(const struct scim_attr *a, const json_t *resource, struct span urn)
{
    return a->urn.n == 0 || span_eq_nocase(a->urn, urn) ? scim_member(resource, a->name) : NULL;
}

static bool where_fits(const struct scim_filter *f, const json_t *v)
{
    if (!json_is_array(v)) {
        return json_is_object(v) && scim_match_value(f->a, v);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (scim_match_value(f->a, json_array_get(v, i))) {
            return true;
        }
    }
    return false;
}

// As deep as the tree, which its reader has bounded.
bool scim_match(const struct scim_filter *f, const json_t *resource, struct span urn)
{
    switch (f->node) {
    case SCIM_AND:
        return scim_match(f->a, resource, urn) && scim_match(f->b, resource, urn);
    case SCIM_OR:
        return scim_match(f->a, resource, urn) || scim_match(f->b, resource, urn);
    case SCIM_NOT:
        return !scim_match(f->a, resource, urn);
    case SCIM_WHERE:
        return where_fits(f, find(&f->attr, resource, urn));
    case SCIM_PRESENT:
    case SCIM_COMPARE:
        return attr_fits(f, find(&f->attr, resource, urn));
    }
    return false;
}

bool scim_match_value(const struct scim_filter *f, const json_t *value)
{
    json_t *plain = json_is_object(value) ? NULL : json_pack("{s:O}", "value", value);
    bool fits = scim_match(f, plain ? plain : value, SPAN(""));

    json_decref(plain);
    return fits;
}

// ---- what is wanted -----------------------------------------------------------------------------

static bool is_always(const char *key)
{
    return strcmp(key, "id") == 0 || strcmp(key, "schemas") == 0;
}

// Is the attribute named, and with which sub-attribute? "emails" and "emails.value" may both be.
static bool is_named(const json_t *names, const char *key, const char *sub)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        struct span s = text_of(json_array_get(names, i));
        size_t colon = s.n;

        while (colon > 0 && s.p[colon - 1] != ':') {
            colon--;
        }
        s = span_skip(s, colon);
        struct span name = span_split(&s, '.');

        if (span_eq_nocase(name, span_from_str(key)) &&
            (s.n == 0 ? !sub : sub && span_eq_nocase(s, span_from_str(sub)))) {
            return true;
        }
    }
    return false;
}

static void project_subs(json_t *object, const char *name, const json_t *names, bool keep)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(object, next, key, v)
    {
        if (is_named(names, name, key) != keep) {
            json_object_del(object, key);
        }
    }
}

static void project_value(json_t *v, const char *name, const json_t *names, bool keep)
{
    if (json_is_object(v)) {
        project_subs(v, name, names, keep);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        project_subs(json_array_get(v, i), name, names, keep);
    }
}

static bool has_sub(const json_t *names, const char *name, const json_t *v)
{
    const json_t *one = json_is_array(v) ? json_array_get(v, 0) : v;
    const char *key;
    json_t *ignored;

    json_object_foreach((json_t *)(uintptr_t)one, key, ignored)
    {
        if (is_named(names, name, key)) {
            return true;
        }
    }
    return false;
}

void scim_project(json_t *resource, const json_t *attributes, const json_t *excluded)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(resource, next, key, v)
    {
        if (is_always(key)) {
            continue;
        }
        if (json_array_size(attributes) > 0 && !is_named(attributes, key, NULL)) {
            if (!has_sub(attributes, key, v)) {
                json_object_del(resource, key);
                continue;
            }
            project_value(v, key, attributes, true);
        }
        if (is_named(excluded, key, NULL)) {
            json_object_del(resource, key);
        } else {
            project_value(v, key, excluded, false);
        }
    }
}
