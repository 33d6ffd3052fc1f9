// SPDX-License-Identifier: Apache-2.0
//
// The words of a text part: transfer encoding off, charset to UTF-8, HTML to plain text; streaming,
// linear, memory bounded. For previews and for search. One thread at a time.
#ifndef MIME_MIME_TEXT_H
#define MIME_MIME_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "mime/mime_part.h"

struct mime_text;

// Starts on a part of kind MIME_TEXT (text/html is stripped of its markup). ERR_NOMEM only.
enum err mime_text_create(const struct mime_part *part, struct mime_text **out_text);
void mime_text_destroy(struct mime_text *t); // NULL is allowed

// Body bytes as stored, in any pieces; appends UTF-8. The buffer may be emptied between calls.
void mime_text_feed(struct mime_text *t, struct buf *out, struct span body);
void mime_text_finish(struct mime_text *t, struct buf *out);

// HTML in UTF-8 to text at once: no tags, scripts or styles, entities decoded, blocks on lines of
// their own, runs of blanks one.
void mime_text_from_html(struct buf *out, struct span html);

// Appends the preview (RFC 8970): at most `chars` characters of the first words, quoted lines and
// blank ones left out, runs of blanks one. From the excerpts of the message.
void mime_text_preview(struct buf *out, const struct mime_message *m, size_t chars);

#endif
