// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "mime/mime_content_internal.h"
#include "mime/mime_param.h"
#include "mime/mime_tree_internal.h"

#include "base/banned.h"

#define KEPT_SLACK (4u << 20) // what one part may take over kept_bytes_max

enum err tree_init(struct tree *t, const struct mime_limits *limits)
{
    *t = (struct tree){.limits = *limits};
    arena_init(&t->arena,
               (size_t)limits->kept_bytes_max + 3 * (size_t)limits->header_bytes_max + KEPT_SLACK);
    for (int i = 0; i < TREE_EXCERPTS; i++) {
        buf_init(&t->excerpt[i], limits->excerpt_bytes_max);
    }
    t->open = calloc((size_t)limits->depth_max + 2, sizeof(*t->open));
    tree_reset(t);
    return t->open ? ERR_OK : ERR_NOMEM;
}

void tree_finish(struct tree *t)
{
    arena_finish(&t->arena);
    for (int i = 0; i < TREE_EXCERPTS; i++) {
        buf_finish(&t->excerpt[i]);
    }
    free(t->nodes);
    free(t->open);
}

void tree_reset(struct tree *t)
{
    arena_reset(&t->arena);
    t->node_n = t->open_n = t->active = 0;
    t->in_header = t->is_stopped = t->is_limited = t->is_root_cut = false;
    t->sink = NULL;
    for (int i = 0; i < TREE_EXCERPTS; i++) {
        buf_clear(&t->excerpt[i]);
        t->excerpt_node[i] = TREE_NONE;
    }
}

static struct tree_node *new_node(struct tree *t)
{
    if (t->node_n == t->node_cap) {
        uint32_t cap = t->node_cap ? t->node_cap * 2 : 8;
        struct tree_node *nodes = realloc(t->nodes, cap * sizeof(*nodes));

        if (!nodes) {
            return NULL;
        }
        t->nodes = nodes;
        t->node_cap = cap;
    }
    struct tree_node *n = &t->nodes[t->node_n++];

    *n = (struct tree_node){
        .parent = TREE_NONE, .first = TREE_NONE, .last = TREE_NONE, .next = TREE_NONE};
    return n;
}

static void link_child(struct tree *t, uint32_t parent, uint32_t child)
{
    struct tree_node *p = &t->nodes[parent], *c = &t->nodes[child];

    if (p->first == TREE_NONE) {
        p->first = child;
    } else {
        t->nodes[p->last].next = child;
    }
    p->last = child;
    p->part.child_count++;
    c->parent = parent;
    c->part.depth = p->part.depth + 1;
    c->part.is_message_root = p->part.kind == MIME_MESSAGE;
}

enum err tree_begin(struct tree *t, struct tree_place at)
{
    uint32_t parent = t->open_n ? t->open[t->open_n - 1] : TREE_NONE;
    uint32_t child = t->node_n;
    struct tree_node *n = new_node(t);

    if (!n) {
        return ERR_NOMEM;
    }
    n->part.header_offset = n->part.body_offset = at.offset;
    n->part.is_message_root = true;
    n->lines_start = at.lines;
    if (parent != TREE_NONE) {
        link_child(t, parent, child);
    }
    t->open[t->open_n++] = child;
    t->in_header = true;
    t->sink = NULL;
    if (t->node_n >= t->limits.parts_max && t->node_n > 1) {
        mime_content_opaque(&n->part);
        t->in_header = false;
        t->is_stopped = t->is_limited = true;
    }
    return ERR_OK;
}

// Starts an excerpt of the first text of each sort that is not an attachment.
static void begin_excerpt(struct tree *t, uint32_t index)
{
    const struct mime_part *p = &t->nodes[index].part;
    int i = span_eq_nocase(p->subtype, SPAN("plain"))  ? 0
            : span_eq_nocase(p->subtype, SPAN("html")) ? 1
                                                       : -1;

    if (p->kind == MIME_TEXT && !p->is_attachment && i >= 0 && t->excerpt_node[i] == TREE_NONE) {
        t->excerpt_node[i] = index;
        t->sink = &t->excerpt[i];
    }
}

static void set_boundary(struct tree *t, struct tree_node *n)
{
    struct span b = mime_param_get(n->part.params, SPAN("boundary"));

    while (b.n && byte_is_space(b.p[b.n - 1])) { // as blanks at the end of a delimiter line
        b.n--;
    }
    if (b.n && b.n <= t->limits.boundary_bytes_max) {
        n->boundary = b;
        t->active++;
    }
}

static bool is_digest_child(const struct tree *t, const struct tree_node *n)
{
    const struct mime_part *p = n->parent == TREE_NONE ? NULL : &t->nodes[n->parent].part;

    return p && p->kind == MIME_MULTIPART && span_eq_nocase(p->subtype, SPAN("digest"));
}

// Keeps what the header says. Over the limits the part becomes a leaf without inner life.
static enum err interpret(struct tree *t, struct tree_node *n, struct span header)
{
    bool has_room = t->arena.used <= t->limits.kept_bytes_max + (size_t)t->limits.header_bytes_max;
    enum err e = ERR_OK;

    if (has_room) {
        e = mime_content_read(&t->arena, header, is_digest_child(t, n), &n->part);
    }
    if (e == ERR_OK && has_room && n->part.is_message_root && n->parent != TREE_NONE) {
        e = mime_content_keep_envelope(&t->arena, header, &n->part);
    } else if (e == ERR_OK && n->parent == TREE_NONE) {
        n->part.header = arena_dup(&t->arena, header);
        e = n->part.header.p ? ERR_OK : ERR_NOMEM;
    }
    bool has_inside = n->part.kind == MIME_MULTIPART || n->part.kind == MIME_MESSAGE;

    if (!has_room || (has_inside && n->part.depth >= t->limits.depth_max)) {
        mime_content_opaque(&n->part);
        t->is_limited = true;
    }
    return e;
}

enum err tree_end_header(struct tree *t, struct span header, bool is_cut, struct tree_place at)
{
    uint32_t index = t->open[t->open_n - 1];
    struct tree_node *n = &t->nodes[index];
    enum err e = interpret(t, n, header);

    if (e != ERR_OK) {
        return e;
    }
    t->is_limited |= is_cut;
    t->is_root_cut |= is_cut && index == 0;
    n->part.header_size = at.offset - n->part.header_offset;
    n->part.header_lines = (uint32_t)(at.lines - n->lines_start);
    n->part.body_offset = at.offset;
    n->lines_start = at.lines;
    t->in_header = false;
    if (n->part.kind == MIME_MESSAGE) {
        return tree_begin(t, at);
    }
    if (n->part.kind == MIME_MULTIPART) {
        set_boundary(t, n);
    } else {
        begin_excerpt(t, index);
    }
    return ERR_OK;
}

// A text of blanks only leaves the place to the next one.
static void end_excerpt(struct tree *t, int i, uint64_t body_size)
{
    struct buf *b = &t->excerpt[i];

    if (b->n > body_size) {
        b->n = (size_t)body_size; // the delimiter's break was among it
    }
    if (span_trim(buf_span(b)).n == 0 && b->n == body_size) {
        buf_clear(b);
        t->excerpt_node[i] = TREE_NONE;
    }
}

void tree_close(struct tree *t, struct tree_place end)
{
    uint32_t index = t->open[--t->open_n];
    struct tree_node *n = &t->nodes[index];

    if (end.offset > n->part.body_offset) {
        n->part.body_size = end.offset - n->part.body_offset;
        n->part.body_lines = (uint32_t)(end.lines - n->lines_start);
    }
    if (n->boundary.n && !n->is_closed) {
        t->active--;
    }
    for (int i = 0; i < TREE_EXCERPTS; i++) {
        if (t->excerpt_node[i] == index) {
            end_excerpt(t, i, n->part.body_size);
        }
    }
    t->sink = NULL;
    t->in_header = false;
}

uint32_t tree_match(struct tree *t, struct span line, bool *out_is_end)
{
    struct span text = span_skip(line, 2);

    while (text.n && byte_is_space(text.p[text.n - 1])) {
        text.n--;
    }
    for (uint32_t i = t->open_n; i-- > 0 && !t->is_stopped;) {
        const struct tree_node *n = &t->nodes[t->open[i]];
        struct span b = n->boundary;

        if (b.n == 0 || n->is_closed || text.n < b.n || memcmp(text.p, b.p, b.n) != 0) {
            continue;
        }
        *out_is_end = text.n == b.n + 2 && text.p[b.n] == '-' && text.p[b.n + 1] == '-';
        if (*out_is_end || text.n == b.n) {
            return i;
        }
    }
    return TREE_NONE;
}

// A multipart without any part gets one that covers its body, so that people see what is there and
// IMAP has the part its grammar asks for.
static void put_synthetic(const struct mime_part *parent, struct mime_part *out)
{
    *out = (struct mime_part){
        .header_offset = parent->body_offset,
        .body_offset = parent->body_offset,
        .body_size = parent->body_size,
        .body_lines = parent->body_lines,
        .depth = parent->depth + 1,
        .is_synthetic = true,
        .parent = parent,
    };
    mime_content_default(false, out);
}

static uint32_t count_synthetic(const struct tree *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->node_n; i++) {
        n += t->nodes[i].part.kind == MIME_MULTIPART && t->nodes[i].first == TREE_NONE;
    }
    return n;
}

// Breadth first: `from` says which node a part was, TREE_NONE for a synthetic one.
static void lay_out(const struct tree *t, struct mime_part *parts, uint32_t *from)
{
    uint32_t n = 1;

    from[0] = 0;
    parts[0] = t->nodes[0].part;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t child = from[i] == TREE_NONE ? TREE_NONE : t->nodes[from[i]].first;

        parts[i].children = &parts[n];
        if (child == TREE_NONE && parts[i].kind == MIME_MULTIPART) {
            parts[i].child_count = 1;
            from[n] = TREE_NONE;
            put_synthetic(&parts[i], &parts[n++]);
        }
        for (; child != TREE_NONE; child = t->nodes[child].next) {
            from[n] = child;
            parts[n] = t->nodes[child].part;
            parts[n++].parent = &parts[i];
        }
        if (parts[i].child_count == 0) {
            parts[i].children = NULL;
        }
    }
}

static enum err put_excerpt(const struct tree *t, int i, const struct mime_part *parts,
                            const uint32_t *from, struct arena *arena, struct mime_excerpt *out)
{
    *out = (struct mime_excerpt){0};
    if (t->excerpt_node[i] == TREE_NONE) {
        return ERR_OK;
    }
    uint32_t at = 0;

    while (from[at] != t->excerpt_node[i]) {
        at++;
    }
    out->part = &parts[at];
    out->bytes = arena_dup(arena, buf_span(&t->excerpt[i]));
    return out->bytes.p ? ERR_OK : ERR_NOMEM;
}

enum err tree_result(struct tree *t, struct arena *arena, struct mime_message *out)
{
    uint32_t n = t->node_n + count_synthetic(t);
    struct mime_part *parts = arena_zalloc(arena, n, sizeof(*parts));
    uint32_t *from = arena_zalloc(arena, n, sizeof(*from));
    struct mime_message m = {.parts = parts,
                             .part_count = n,
                             .is_limited = t->is_limited,
                             .is_header_truncated = t->is_root_cut};
    enum err e = parts && from ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK) {
        lay_out(t, parts, from);
    }
    for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
        e = mime_content_copy(arena, &parts[i]);
    }
    if (e == ERR_OK) {
        e = put_excerpt(t, 0, parts, from, arena, &m.plain);
    }
    if (e == ERR_OK) {
        e = put_excerpt(t, 1, parts, from, arena, &m.html);
    }
    if (e == ERR_OK) {
        *out = m;
    }
    return e;
}
