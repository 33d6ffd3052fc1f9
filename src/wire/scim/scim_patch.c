// SPDX-License-Identifier: Apache-2.0
//
// PATCH (RFC 7644 section 3.5.2), as it is written there and as identity providers send it: ops in
// any case, objects without a path whose members are paths ("name.givenName"), a list of one object
// where a text belongs.
#include <stdio.h>

#include "wire/scim/scim.h"

#include "base/banned.h"

enum shape {
    SHAPE_ONE,   // a text or a truth value
    SHAPE_GROUP, // an object of sub-attributes
    SHAPE_MANY,  // a list
    SHAPE_FIXED, // the server's; nobody writes it
};

// The core schema of users (RFC 7643 section 4.1) and what all resources have (section 3.1).
static const struct attribute {
    const char *name;
    enum shape shape;
    bool is_needed;
} attributes[] = {
    {"schemas", SHAPE_FIXED, true},
    {"id", SHAPE_FIXED, true},
    {"meta", SHAPE_FIXED, true},
    {"groups", SHAPE_FIXED, false},
    {"externalId", SHAPE_ONE, false},
    {"userName", SHAPE_ONE, true},
    {"name", SHAPE_GROUP, false},
    {"displayName", SHAPE_ONE, false},
    {"nickName", SHAPE_ONE, false},
    {"profileUrl", SHAPE_ONE, false},
    {"title", SHAPE_ONE, false},
    {"userType", SHAPE_ONE, false},
    {"preferredLanguage", SHAPE_ONE, false},
    {"locale", SHAPE_ONE, false},
    {"timezone", SHAPE_ONE, false},
    {"active", SHAPE_ONE, true},
    {"password", SHAPE_ONE, false},
    {"emails", SHAPE_MANY, false},
    {"phoneNumbers", SHAPE_MANY, false},
    {"ims", SHAPE_MANY, false},
    {"photos", SHAPE_MANY, false},
    {"addresses", SHAPE_MANY, false},
    {"entitlements", SHAPE_MANY, false},
    {"roles", SHAPE_MANY, false},
    {"x509Certificates", SHAPE_MANY, false},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

enum op { OP_ADD, OP_REPLACE, OP_REMOVE };

struct patch {
    json_t *resource;
    struct arena *arena;
    struct scim_error *error;
};

static const struct attribute *attribute_of(struct span name)
{
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        if (span_eq_nocase(name, span_from_str(attributes[i].name))) {
            return &attributes[i];
        }
    }
    return NULL;
}

static struct span text_of(const json_t *v)
{
    return span_of(json_string_value(v), json_string_length(v));
}

static enum err refuse_path(struct patch *p, struct span name, const char *words)
{
    return scim_fail(p->error, 400, "invalidPath", "\"%s\" %s.", scim_shown(name).s, words);
}

static enum err refuse_value(struct patch *p, const char *name, const char *words)
{
    return scim_fail(p->error, 400, "invalidValue", "\"%s\" must be %s.", name, words);
}

// ---- reading ------------------------------------------------------------------------------------

static const char *op_of(struct span text)
{
    static const char *const ops[] = {"add", "replace", "remove"};

    for (size_t i = 0; i < 3; i++) {
        if (span_eq_nocase(text, span_from_str(ops[i]))) {
            return ops[i];
        }
    }
    return NULL;
}

static enum err read_path(const json_t *path, struct arena *a, json_t *into,
                          struct scim_error *error)
{
    struct scim_path p;
    struct buf text;

    if (!json_is_string(path)) {
        return scim_fail(error, 400, "invalidPath", "A path is a text.");
    }
    enum err e = scim_path_read(text_of(path), a, &p);

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return scim_fail(error, 400, "invalidPath", "\"%s\" is no path.",
                         scim_shown(text_of(path)).s);
    }
    buf_init(&text, SCIM_FILTER_BYTES_MAX * 2);
    if (e == ERR_OK) {
        scim_path_put(&text, &p);
        json_t *v = json_stringn(text.p, text.n);

        e = !text.failed && v && json_object_set(into, "path", v) == 0 ? ERR_OK : ERR_NOMEM;
        json_decref(v);
    }
    buf_finish(&text);
    return e;
}

static enum err read_one(const json_t *o, struct arena *a, json_t *list, struct scim_error *error)
{
    const json_t *path = scim_member(o, SPAN("path"));
    json_t *value = scim_member(o, SPAN("value"));
    const char *op = op_of(text_of(scim_member(o, SPAN("op"))));

    if (!op) {
        return scim_fail(error, 400, "invalidSyntax",
                         "Each operation says \"op\": add, replace or remove.");
    }
    if (strcmp(op, "remove") != 0 && !value) {
        return scim_fail(error, 400, "invalidValue", "To %s there must be a \"value\".", op);
    }
    json_t *made = json_pack("{s:s, s:O*}", "op", op, "value", value);

    if (!made || json_array_append_new(list, made) != 0) {
        return ERR_NOMEM;
    }
    bool has_path = path && !json_is_null(path) && (!json_is_string(path) || text_of(path).n > 0);

    if (!has_path && strcmp(op, "remove") == 0) {
        return scim_fail(error, 400, "noTarget", "To remove there must be a \"path\".");
    }
    return has_path ? read_path(path, a, made, error) : ERR_OK;
}

enum err scim_patch_read(const json_t *body, struct arena *a, json_t **out,
                         struct scim_error *error)
{
    const json_t *given = scim_member(body, SPAN("Operations"));
    size_t n = json_array_size(given);
    json_t *list;
    enum err e = ERR_OK;

    if (!json_is_array(given) || n == 0) {
        return scim_fail(error, 400, "invalidSyntax",
                         "A PATCH is an object with a list of \"Operations\".");
    }
    if (n > SCIM_OPERATIONS_MAX) {
        return scim_fail(error, 413, "tooMany", "More than %d operations are too many.",
                         SCIM_OPERATIONS_MAX);
    }
    list = json_array();
    for (size_t i = 0; i < n && list && e == ERR_OK; i++) {
        e = read_one(json_array_get(given, i), a, list, error);
    }
    e = list ? e : ERR_NOMEM;
    if (e == ERR_OK) {
        *out = list;
    } else {
        json_decref(list);
    }
    return e;
}

// ---- values -------------------------------------------------------------------------------------

// A copy under the name of the schema, or what is under it in another case.
static enum err set(json_t *object, const char *name, const json_t *value)
{
    json_t *copy = json_deep_copy(value);
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(object, next, key, v)
    {
        if (span_eq_nocase(span_from_str(key), span_from_str(name))) {
            json_object_del(object, key);
        }
    }
    return copy && json_object_set_new(object, name, copy) == 0 ? ERR_OK : ERR_NOMEM;
}

static void unset(json_t *object, struct span name)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(object, next, key, v)
    {
        if (span_eq_nocase(span_from_str(key), name)) {
            json_object_del(object, key);
        }
    }
}

static enum err set_span(json_t *object, struct span name, const json_t *value)
{
    json_t *copy = json_deep_copy(value);

    unset(object, name);
    return copy && json_object_setn_new(object, name.p, name.n, copy) == 0 ? ERR_OK : ERR_NOMEM;
}

// Members of `from` over those of `into`.
static enum err merge(json_t *into, const json_t *from)
{
    const char *key;
    json_t *v;
    enum err e = ERR_OK;

    json_object_foreach((json_t *)(uintptr_t)from, key, v)
    {
        e = e == ERR_OK ? set_span(into, span_from_str(key), v) : e;
    }
    return e;
}

// [{"value": x}] for x.
static const json_t *unwrap(const json_t *v)
{
    if (json_is_array(v) && json_array_size(v) == 1) {
        v = json_array_get(v, 0);
    }
    const json_t *inner = json_is_object(v) ? scim_member(v, SPAN("value")) : NULL;

    return inner ? inner : v;
}

static bool is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_boolean(v) || json_is_number(v) || json_is_null(v);
}

// ---- attributes of one value --------------------------------------------------------------------

static enum err change_one(struct patch *p, enum op op, const struct attribute *a,
                           const struct scim_path *path, const json_t *value)
{
    if (path->attr.sub.n > 0 || path->where) {
        return refuse_path(p, path->attr.name, "has no parts");
    }
    if (op == OP_REMOVE) {
        unset(p->resource, path->attr.name);
        return ERR_OK;
    }
    value = unwrap(value);
    return is_scalar(value) ? set(p->resource, a->name, value)
                            : refuse_value(p, a->name, "one value");
}

static enum err change_group(struct patch *p, enum op op, const struct attribute *a,
                             const struct scim_path *path, const json_t *value)
{
    json_t *group = scim_member(p->resource, path->attr.name);
    struct span sub = path->attr.sub;

    if (path->where) {
        return refuse_path(p, path->attr.name, "is no list");
    }
    if (op == OP_REMOVE) {
        if (sub.n == 0) {
            unset(p->resource, path->attr.name);
        } else if (json_is_object(group)) {
            unset(group, sub);
        }
        return ERR_OK;
    }
    if (sub.n == 0 && !json_is_object(value)) {
        return refuse_value(p, a->name, "an object");
    }
    if (!json_is_object(group)) {
        group = json_object();
        unset(p->resource, path->attr.name);
        if (json_object_set_new(p->resource, a->name, group) != 0) {
            return ERR_NOMEM;
        }
    }
    if (sub.n == 0) {
        return merge(group, value);
    }
    value = unwrap(value);
    return is_scalar(value) ? set_span(group, sub, value) : refuse_value(p, a->name, "texts");
}

// ---- lists --------------------------------------------------------------------------------------

// An item of a list as an object: "x" is {"value": "x"}. A new reference.
static json_t *item_of(const json_t *v)
{
    return json_is_object(v) ? json_deep_copy(v) : json_pack("{s:o}", "value", json_deep_copy(v));
}

static bool is_same(const json_t *a, const json_t *b)
{
    const json_t *x = scim_member(a, SPAN("value")), *y = scim_member(b, SPAN("value"));

    return json_is_string(x) && json_is_string(y) ? span_eq_nocase(text_of(x), text_of(y))
                                                  : json_equal(a, b);
}

static size_t find_same(const json_t *list, const json_t *item)
{
    size_t i = 0;

    while (i < json_array_size(list) && !is_same(json_array_get(list, i), item)) {
        i++;
    }
    return i;
}

// One of a list is the primary one; the newest says so.
static void keep_one_primary(json_t *list, const json_t *newest)
{
    if (!json_is_true(scim_member(newest, SPAN("primary")))) {
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);

        if (v != newest && json_is_true(scim_member(v, SPAN("primary")))) {
            unset(v, SPAN("primary"));
        }
    }
}

// What is there already is not added again, but what is said of it is taken over.
static enum err list_add(json_t *list, const json_t *value)
{
    json_t *item = item_of(value);
    size_t at = find_same(list, item);
    json_t *there = json_array_get(list, at);
    enum err e = item ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK && there) {
        e = merge(there, item);
        keep_one_primary(list, there);
    } else if (e == ERR_OK && json_array_size(list) >= SCIM_VALUES_MAX) {
        e = ERR_LIMIT;
    } else if (e == ERR_OK) {
        e = json_array_append(list, item) == 0 ? ERR_OK : ERR_NOMEM;
        keep_one_primary(list, item);
    }
    json_decref(item);
    return e;
}

static enum err list_add_all(json_t *list, const json_t *value)
{
    enum err e = ERR_OK;

    if (!json_is_array(value)) {
        return list_add(list, value);
    }
    for (size_t i = 0; i < json_array_size(value) && e == ERR_OK; i++) {
        e = list_add(list, json_array_get(value, i));
    }
    return e;
}

static void list_remove_all(json_t *list, const json_t *value)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; i < n; i++) {
        json_t *item = item_of(json_is_array(value) ? json_array_get(value, i) : value);

        json_array_remove(list, find_same(list, item));
        json_decref(item);
    }
}

// What a value must have to fit the filter: of rows of `eq` that can be said, else false.
static bool value_for(const struct scim_filter *f, json_t *into)
{
    if (f->node == SCIM_AND) {
        return value_for(f->a, into) && value_for(f->b, into);
    }
    if (f->node != SCIM_COMPARE || f->op != SCIM_EQ || f->attr.sub.n > 0 || f->attr.urn.n > 0) {
        return false;
    }
    json_t *v = f->value.type == SCIM_TEXT    ? json_stringn(f->value.text.p, f->value.text.n)
                : f->value.type == SCIM_TRUE  ? json_true()
                : f->value.type == SCIM_FALSE ? json_false()
                                              : NULL;

    return v && json_object_setn_new(into, f->attr.name.p, f->attr.name.n, v) == 0;
}

// A sub-attribute of a value, or several.
static enum err change_item(struct patch *p, enum op op, const struct attribute *a, json_t *item,
                            struct span sub, const json_t *value)
{
    if (sub.n == 0) {
        return json_is_object(value) ? merge(item, value) : set_span(item, SPAN("value"), value);
    }
    if (op == OP_REMOVE) {
        unset(item, sub);
        return ERR_OK;
    }
    value = unwrap(value);
    return is_scalar(value) ? set_span(item, sub, value) : refuse_value(p, a->name, "texts");
}

// None fits: a new one that does, where the filter says what it is.
static enum err make_item(struct patch *p, enum op op, const struct attribute *a, json_t *list,
                          const struct scim_path *path, const json_t *value)
{
    json_t *item = json_object();
    bool is_kept = strcmp(a->name, "emails") == 0;

    if (op == OP_REMOVE || !item) {
        json_decref(item);
        return item ? ERR_OK : ERR_NOMEM;
    }
    if (path->where && ((op == OP_REPLACE && is_kept) || !value_for(path->where, item))) {
        json_decref(item);
        return scim_fail(p->error, 400, "noTarget", "None of \"%s\" fits the path.", a->name);
    }
    enum err e = change_item(p, op, a, item, path->attr.sub, value);

    e = e == ERR_OK ? list_add(list, item) : e;
    json_decref(item);
    return e;
}

// Those that fit the path, or all.
static enum err change_items(struct patch *p, enum op op, const struct attribute *a, json_t *list,
                             const struct scim_path *path, const json_t *value)
{
    bool any = false;
    enum err e = ERR_OK;

    for (size_t i = json_array_size(list); i-- > 0 && e == ERR_OK;) {
        json_t *item = json_array_get(list, i);

        if (path->where && !scim_match_value(path->where, item)) {
            continue;
        }
        any = true;
        if (op == OP_REMOVE && path->attr.sub.n == 0) {
            json_array_remove(list, i);
            continue;
        }
        e = json_is_object(item) ? change_item(p, op, a, item, path->attr.sub, value) : ERR_OK;
        keep_one_primary(list, item);
    }
    return e == ERR_OK && !any ? make_item(p, op, a, list, path, value) : e;
}

static enum err change_many(struct patch *p, enum op op, const struct attribute *a,
                            const struct scim_path *path, const json_t *value)
{
    json_t *list = scim_member(p->resource, path->attr.name);
    bool is_whole = !path->where && path->attr.sub.n == 0;
    enum err e = ERR_OK;

    if (is_whole && op == OP_REMOVE && (!value || json_is_null(value))) {
        unset(p->resource, path->attr.name);
        return ERR_OK;
    }
    if (!json_is_array(list)) {
        list = json_array();
        unset(p->resource, path->attr.name);
        if (json_object_set_new(p->resource, a->name, list) != 0) {
            return ERR_NOMEM;
        }
    }
    if (!is_whole) {
        e = change_items(p, op, a, list, path, value);
    } else if (op == OP_REMOVE) {
        list_remove_all(list, value);
    } else {
        if (op == OP_REPLACE) {
            json_array_clear(list);
        }
        e = json_is_null(value) ? ERR_OK : list_add_all(list, value);
    }
    return e == ERR_LIMIT
               ? scim_fail(p->error, 400, "invalidValue", "\"%s\" has too many values.", a->name)
               : e;
}

// ---- operations ---------------------------------------------------------------------------------

static enum err change(struct patch *p, enum op op, const struct scim_path *path,
                       const json_t *value)
{
    const struct attribute *a = attribute_of(path->attr.name);

    if (path->attr.urn.n > 0 && !span_eq_nocase(path->attr.urn, SPAN(SCIM_URN_USER))) {
        return ERR_OK; // of an extension, none of which is kept
    }
    if (!a) {
        return refuse_path(p, path->attr.name, "is no attribute of users");
    }
    if (a->shape == SHAPE_FIXED || (op == OP_REMOVE && a->is_needed)) {
        return scim_fail(p->error, 400, "mutability", "\"%s\" cannot be %s.", a->name,
                         op == OP_REMOVE ? "removed" : "changed");
    }
    return a->shape == SHAPE_ONE     ? change_one(p, op, a, path, value)
           : a->shape == SHAPE_GROUP ? change_group(p, op, a, path, value)
                                     : change_many(p, op, a, path, value);
}

// A member of an object that came without a path: its name is one. What the server writes itself is
// passed over, because whole resources are sent this way.
static enum err change_member(struct patch *p, enum op op, const char *key, const json_t *value)
{
    struct span name = span_from_str(key);
    struct scim_path path;
    enum err e;

    if (json_is_object(value) && span_starts_nocase(name, SPAN("urn:"))) {
        return ERR_OK; // an extension
    }
    e = scim_path_read(name, p->arena, &path);
    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return refuse_path(p, name, "is no path");
    }
    const struct attribute *a = e == ERR_OK ? attribute_of(path.attr.name) : NULL;

    if (a && a->shape == SHAPE_FIXED) {
        return ERR_OK;
    }
    return e == ERR_OK ? change(p, op, &path, value) : e;
}

static enum err apply_object(struct patch *p, enum op op, const json_t *value)
{
    const char *key;
    json_t *v;
    enum err e = ERR_OK;

    if (!json_is_object(value)) {
        return scim_fail(p->error, 400, "invalidValue",
                         "Without a \"path\" the \"value\" is an object of attributes.");
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, v)
    {
        e = e == ERR_OK ? change_member(p, op, key, v) : e;
    }
    return e;
}

static enum err apply_one(struct patch *p, const json_t *o)
{
    const json_t *path_text = json_object_get(o, "path"), *value = json_object_get(o, "value");
    const char *name = json_string_value(json_object_get(o, "op"));
    enum op op = name && strcmp(name, "add") == 0      ? OP_ADD
                 : name && strcmp(name, "remove") == 0 ? OP_REMOVE
                                                       : OP_REPLACE;
    struct scim_path path;

    if (!path_text && op != OP_REMOVE) {
        return apply_object(p, op, value);
    }
    enum err e = scim_path_read(text_of(path_text), p->arena, &path);

    if (e != ERR_OK || (op != OP_REMOVE && !value)) {
        return e == ERR_NOMEM ? e
                              : scim_fail(p->error, 400, "invalidSyntax", "That is no operation.");
    }
    return change(p, op, &path, value);
}

enum err scim_patch_apply(json_t *resource, const json_t *operations, struct arena *a,
                          struct scim_error *error)
{
    struct patch p = {.resource = resource, .arena = a, .error = error};
    enum err e = ERR_OK;

    for (size_t i = 0; i < json_array_size(operations) && e == ERR_OK; i++) {
        e = apply_one(&p, json_array_get(operations, i));
    }
    return e;
}

// ---- PUT ----------------------------------------------------------------------------------------

static enum err overlay_one(struct patch *p, const struct attribute *a, const json_t *value)
{
    struct scim_path path = {
        .attr = {.urn = SPAN(""), .name = span_from_str(a->name), .sub = SPAN("")}};

    if (json_is_null(value)) {
        if (!a->is_needed) {
            unset(p->resource, path.attr.name);
        }
        return ERR_OK;
    }
    if (a->shape == SHAPE_GROUP) {
        unset(p->resource, path.attr.name);
    }
    return change(p, OP_REPLACE, &path, value);
}

enum err scim_overlay(json_t *resource, const json_t *body, struct scim_error *error)
{
    struct patch p = {.resource = resource, .error = error};
    const char *key;
    json_t *v;
    enum err e = ERR_OK;

    json_object_foreach((json_t *)(uintptr_t)body, key, v)
    {
        const struct attribute *a = attribute_of(span_from_str(key));

        if (e == ERR_OK && a && a->shape != SHAPE_FIXED) {
            e = overlay_one(&p, a, v);
        }
    }
    return e;
}
