// SPDX-License-Identifier: Apache-2.0
#include "senderauth/tag_list.h"

#include "base/banned.h"

static bool is_name(struct span s)
{
    if (s.n == 0 || !byte_is_alpha(s.p[0])) {
        return false;
    }
    for (size_t i = 1; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '_') {
            return false;
        }
    }
    return true;
}

static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i]) && !byte_is_space(s.p[i])) {
            return false;
        }
    }
    return true;
}

static bool is_known(const struct tag_list *list, struct span name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (span_eq(list->tags[i].name, name)) {
            return true;
        }
    }
    return false;
}

enum err tag_list_parse(struct span text, struct tag_list *out)
{
    struct span rest = text;

    out->n = 0;
    while (span_trim(rest).n) {
        struct span element = span_split(&rest, ';');
        size_t equals = span_find_byte(element, '=');
        struct tag t = {.name = span_trim(span_first(element, equals)),
                        .raw = span_skip(element, equals + 1)};

        t.value = span_trim(t.raw);
        if (equals == element.n || !is_name(t.name) || !is_value(t.value) ||
            is_known(out, t.name)) {
            return ERR_INVALID;
        }
        if (out->n == TAGS_MAX) {
            return ERR_LIMIT;
        }
        out->tags[out->n++] = t;
    }
    return out->n ? ERR_OK : ERR_INVALID;
}

const struct tag *tag_list_find(const struct tag_list *list, const char *name)
{
    struct span wanted = span_from_str(name);

    for (size_t i = 0; i < list->n; i++) {
        if (span_eq(list->tags[i].name, wanted)) {
            return &list->tags[i];
        }
    }
    return NULL;
}

struct span tag_list_get(const struct tag_list *list, const char *name)
{
    const struct tag *t = tag_list_find(list, name);

    return t ? t->value : (struct span){NULL, 0};
}

void tag_put_squeezed(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (!byte_is_space(value.p[i])) {
            buf_put_byte(out, value.p[i]);
        }
    }
}

bool tag_next_item(struct span *rest, bool *started, struct span *out)
{
    if (*started && rest->n == 0) {
        return false;
    }
    size_t colon = span_find_byte(*rest, ':');
    bool is_last = colon == rest->n;

    *out = span_trim(span_first(*rest, colon));
    *rest = span_skip(*rest, colon + 1);
    *started = true;
    if (!is_last && rest->n == 0) {
        *rest = SPAN(" "); // "a:" has an empty item at its end
    }
    return true;
}

bool tag_has_item(struct span value, struct span word)
{
    bool started = false;
    struct span item;

    while (tag_next_item(&value, &started, &item)) {
        if (span_eq_nocase(item, word)) {
            return true;
        }
    }
    return false;
}
