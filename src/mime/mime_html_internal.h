// SPDX-License-Identifier: Apache-2.0
//
// HTML to text, byte by byte: a scanner without a stack, so depth means nothing to it. For
// mime_text only. Input and output are UTF-8; input may come in any pieces.
#ifndef MIME_MIME_HTML_INTERNAL_H
#define MIME_MIME_HTML_INTERNAL_H

#include "base/buf.h"

#define HTML_NAME_MAX   16
#define HTML_ENTITY_MAX 32

enum html_state {
    HTML_TEXT = 0,
    HTML_ENTITY,      // after '&'
    HTML_OPEN,        // after '<'
    HTML_NAME,        // in a tag's name
    HTML_TAG,         // behind the name, outside quotes
    HTML_VALUE,       // after '=': a quote may open
    HTML_QUOTED,      // in an attribute's quotes
    HTML_DECLARATION, // after "<!" or "<?": up to '>'
    HTML_COMMENT,     // up to "-->"
    HTML_RAW,         // in a script or style: up to its end tag
};

struct html {
    enum html_state state;
    char quote;
    char name[HTML_NAME_MAX]; // of the tag, lower case, cut off when longer
    size_t name_n;
    bool is_end_tag;
    char raw[HTML_NAME_MAX]; // the element that is skipped
    size_t raw_n, raw_at;    // its name, and how much of "</name" was seen
    char entity[HTML_ENTITY_MAX];
    size_t entity_n;
    unsigned dashes; // of "-->" or, in a declaration, of "<!--"
    size_t declaration_n;
    char pending; // a blank or line break owed before the next text, or NUL
    bool has_text;
};

void html_begin(struct html *h);
void html_feed(struct html *h, struct buf *out, struct span in);
void html_finish(struct html *h, struct buf *out);

#endif
