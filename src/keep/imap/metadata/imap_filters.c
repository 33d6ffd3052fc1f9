// SPDX-License-Identifier: Apache-2.0
//
// FILTER keys (RFC 5466): each is replaced by the search that its name stands for, in the tree of
// the command's keys. A filter may name others; one that is reached through more than so many is
// as one that is not there, so that a circle ends.
#include "keep/imap/metadata/imap_metadata.h"

#include "base/banned.h"

#define PASSES_MAX  10
#define NODES_FIRST 64

static const struct span roots[] = {{"/private/filters/values/", 24},
                                    {"/shared/filters/values/", 23}};

struct filter {
    struct filter *next;
    struct span name;
    struct imap_search search;
};

struct expansion {
    struct imap_session *s;
    struct arena *arena;
    struct filter *filters; // read so far
    struct imap_search_node *nodes;
    size_t n, cap;
    bool uses_modseq;
    struct span name; // of the filter that is not there, or is none
    const char *why;  // it is none
};

// ---- entries ------------------------------------------------------------------------------------

bool filter_entry(struct span entry, struct span *out_name)
{
    for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
        if (span_starts_nocase(entry, roots[i])) {
            *out_name = span_skip(entry, roots[i].n);
            return true;
        }
    }
    return false;
}

static enum err parse(struct imap_session *s, struct arena *a, struct span text,
                      struct imap_search *out, const char **out_why)
{
    struct imap_parse_options options;
    struct imap_parse_error error = {.expected = "it is too large"};

    imap_parse_options_of(s, &options);
    enum err e = imap_parse_search_keys(text, a, &options, out, &error);

    *out_why = error.expected;
    return e;
}

bool filter_is_good(struct imap_session *s, struct span name, struct span value,
                    const char **out_why)
{
    static const char prefix[] = "FILTER ";
    struct imap_search search;
    struct buf key;

    buf_init(&key, sizeof(prefix) + METADATA_NAME_BYTES_MAX);
    buf_put_str(&key, prefix);
    buf_put(&key, name);
    struct span text = arena_dup(&s->arena, buf_span(&key));

    buf_finish(&key);
    if (!text.p || parse(s, &s->arena, text, &search, out_why) || search.n != 2 ||
        !search.uses_filters) {
        *out_why = "A filter's name is an atom without \"/\"";
        return false;
    }
    if (parse(s, &s->arena, value, &search, out_why)) {
        *out_why = "The value is no search that SEARCH would take";
        return false;
    }
    return true;
}

// ---- reading ------------------------------------------------------------------------------------

static enum err read_value(struct expansion *x, account_id account, struct span root,
                           struct span name, struct span *out)
{
    struct metadata_where where = {0};
    struct metadata_entry entry;
    char path[METADATA_NAME_BYTES_MAX];
    struct view *v;

    if (name.n > sizeof(path) - root.n) {
        return ERR_NOT_FOUND;
    }
    memcpy(path, root.p, root.n);
    memcpy(path + root.n, name.p, name.n);
    enum err e = imap_view_open(x->s, account, &v);

    if (e) {
        return e;
    }
    e = view_metadata(v, where, span_of(path, root.n + name.n), &entry);
    if (!e) {
        *out = arena_dup(x->arena, entry.value);
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    view_close(v);
    return e;
}

// One's own comes before that of all (section 3.2).
static enum err load(struct expansion *x, struct span name, struct filter **out)
{
    struct filter *f = x->filters;
    struct span value;

    while (f && !span_eq_nocase(f->name, name)) {
        f = f->next;
    }
    if (f) {
        *out = f;
        return ERR_OK;
    }
    x->name = name;
    enum err e = read_value(x, x->s->account, roots[0], name, &value);

    e = e == ERR_NOT_FOUND ? read_value(x, 0, roots[1], name, &value) : e;
    if (e) {
        return e;
    }
    f = arena_zalloc(x->arena, 1, sizeof(*f));
    if (!f) {
        return ERR_NOMEM;
    }
    f->name = name;
    if (parse(x->s, x->arena, value, &f->search, &x->why)) {
        return ERR_INVALID;
    }
    f->next = x->filters;
    x->filters = f;
    *out = f;
    return ERR_OK;
}

// ---- putting in ---------------------------------------------------------------------------------

static enum err add_node(struct expansion *x, const struct imap_search_node *node)
{
    if (x->n == IMAP_SEARCH_KEYS_MAX) {
        return ERR_LIMIT;
    }
    if (x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : NODES_FIRST;
        struct imap_search_node *nodes = arena_zalloc(x->arena, cap, sizeof(*nodes));

        if (!nodes) {
            return ERR_NOMEM;
        }
        if (x->n) {
            memcpy(nodes, x->nodes, x->n * sizeof(*nodes));
        }
        x->nodes = nodes;
        x->cap = cap;
    }
    x->nodes[x->n] = *node;
    x->nodes[x->n++].size = 1;
    return ERR_OK;
}

static enum err add_tree(struct expansion *x, const struct imap_search_node *nodes, size_t i,
                         unsigned depth, unsigned passes);

static enum err add_filter(struct expansion *x, const struct imap_search_node *node, unsigned depth,
                           unsigned passes)
{
    struct filter *f;
    size_t at = x->n;

    x->name = node->text;
    enum err e = passes == PASSES_MAX ? ERR_NOT_FOUND : load(x, node->text, &f);

    if (e) {
        return e;
    }
    x->uses_modseq |= f->search.uses_modseq;
    e = add_tree(x, f->search.nodes, 0, depth, passes + 1);
    if (!e) {
        x->nodes[at].negated = node->negated;
    }
    return e;
}

// Depth counts as the parser counts it, through all filters.
static enum err add_tree(struct expansion *x, const struct imap_search_node *nodes, size_t i,
                         unsigned depth, unsigned passes)
{
    const struct imap_search_node *node = &nodes[i];
    size_t at = x->n;

    if (node->key == IMAP_SEARCH_FILTER) {
        return add_filter(x, node, depth, passes);
    }
    bool has_children = node->key == IMAP_SEARCH_AND || node->key == IMAP_SEARCH_OR;
    enum err e = has_children && depth == IMAP_SEARCH_DEPTH_MAX ? ERR_LIMIT : add_node(x, node);

    for (size_t k = i + 1; has_children && !e && k < i + node->size; k += nodes[k].size) {
        e = add_tree(x, nodes, k, depth + 1, passes);
    }
    if (!e) {
        x->nodes[at].size = (uint32_t)(x->n - at);
    }
    return e;
}

static enum imap_step refuse(struct expansion *x, enum err e)
{
    struct imap_session *s = x->s;

    switch (e) {
    case ERR_NOT_FOUND:
        return imap_answer(s, IMAP_NO, imap_text(s, "UNDEFINED-FILTER %.*s", SPAN_ARG(x->name)),
                           SPAN("There is no such filter, or it is part of itself"));
    case ERR_INVALID:
        return imap_answer(
            s, IMAP_NO, SPAN("CANNOT"),
            imap_text(s, "The filter %.*s is no search: %s", SPAN_ARG(x->name), x->why));
    case ERR_LIMIT:
        return imap_answer_no(s, "LIMIT",
                              "With its filters the search has too many keys, or they "
                              "are nested too deep");
    default:
        return imap_answer_err(s, e);
    }
}

enum imap_step filters_expand(struct imap_session *s, struct arena *a, struct imap_search *search)
{
    struct expansion x = {.s = s, .arena = a};

    if (!search->uses_filters) {
        return STEP_MORE;
    }
    if (search->charset.n && !span_eq_nocase(search->charset, SPAN("UTF-8")) &&
        !span_eq_nocase(search->charset, SPAN("US-ASCII"))) {
        return imap_answer(s, IMAP_BAD, SPAN("BADCHARSET (UTF-8 US-ASCII)"),
                           SPAN("With FILTER the charset is UTF-8"));
    }
    enum err e = add_tree(&x, search->nodes, 0, 0, 0);

    if (e) {
        return refuse(&x, e);
    }
    search->charset = SPAN("UTF-8");
    search->nodes = x.nodes;
    search->n = x.n;
    search->uses_modseq |= x.uses_modseq;
    search->uses_filters = false;
    return STEP_MORE;
}
