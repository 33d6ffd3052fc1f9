// SPDX-License-Identifier: Apache-2.0
//
// The parts of a message while it is read: which are open, what their headers said, where they end.
// For mime_reader only, which finds the lines; see there.
#ifndef MIME_MIME_TREE_INTERNAL_H
#define MIME_MIME_TREE_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/mime_reader.h"

#define TREE_NONE     UINT32_MAX
#define TREE_EXCERPTS 2 // text/plain, text/html

// A part while it is read, and its place in the tree.
struct tree_node {
    struct mime_part part;
    struct span boundary;       // of a multipart that has one
    bool is_closed;             // its end delimiter was seen
    uint32_t parent;            // TREE_NONE for the message
    uint32_t first, last, next; // children, next sibling
    uint64_t lines_start;       // LF before the header, later before the body
};

// A place between two lines.
struct tree_place {
    uint64_t offset, lines; // bytes and LF before it
};

struct tree {
    struct mime_limits limits;
    struct arena arena; // strings of the parts
    struct tree_node *nodes;
    uint32_t node_n, node_cap;
    uint32_t *open; // stack of nodes being read, the message first
    uint32_t open_n;
    uint32_t active; // open multiparts that have a boundary and are not closed
    bool in_header;  // of the newest open node
    bool is_stopped; // the last part allowed was begun: it takes the rest
    bool is_limited;
    bool is_root_cut; // the message's own header is kept in part only
    uint32_t excerpt_node[TREE_EXCERPTS];
    struct buf excerpt[TREE_EXCERPTS];
    struct buf *sink; // the excerpt that bytes of the body go to, or NULL
};

enum err tree_init(struct tree *t, const struct mime_limits *limits);
void tree_finish(struct tree *t);
void tree_reset(struct tree *t);

static inline struct tree_node *tree_top(struct tree *t)
{
    return &t->nodes[t->open[t->open_n - 1]];
}

// Begins the message (nothing open) or a child of the newest open part, in its header.
enum err tree_begin(struct tree *t, struct tree_place at);

// The header of the newest open part is `header` (cut off at the limit if `is_cut`); its body
// starts at `at`. Begins the message inside when there is one, which then is the newest open part.
enum err tree_end_header(struct tree *t, struct span header, bool is_cut, struct tree_place at);

// Ends the newest open part, whose header is over.
void tree_close(struct tree *t, struct tree_place end);

// The open multipart that `line` delimits, as an index into the stack; TREE_NONE when it is no
// delimiter. `line` is complete and starts with "--".
uint32_t tree_match(struct tree *t, struct span line, bool *out_is_end);

// Copies the finished tree, breadth first, into `arena`.
enum err tree_result(struct tree *t, struct arena *arena, struct mime_message *out);

#endif
