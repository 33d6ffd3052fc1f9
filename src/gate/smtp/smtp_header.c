// SPDX-License-Identifier: Apache-2.0
#include "gate/smtp/smtp_header.h"

#include "base/banned.h"

static void take(struct smtp_header *h, struct span part)
{
    for (size_t i = 0; i < part.n && h->line_bytes + i < sizeof(h->start); i++) {
        h->start[h->line_bytes + i] = part.p[i];
    }
    h->has_colon |= span_find_byte(part, ':') < part.n;
    h->line_bytes += part.n;
    h->bytes += part.n;
}

static bool is_continuation(const struct smtp_header *h)
{
    return (h->start[0] == ' ' || h->start[0] == '\t') && h->fields;
}

// A whole line, or as much of it as matters: part of the field before, a field, or the end.
static void end_line(struct smtp_header *h)
{
    struct span start = span_of(h->start, h->line_bytes < sizeof(h->start) ? (size_t)h->line_bytes
                                                                           : sizeof(h->start));

    if (is_continuation(h)) {
        h->field_bytes += h->line_bytes;
    } else if (!h->has_colon) {
        h->is_over = true; // the empty line, or a body without one before it
    } else {
        h->fields++;
        h->field_bytes = h->line_bytes;
        h->received += span_starts_nocase(start, SPAN("Received:"));
    }
    if (h->field_bytes > h->largest) {
        h->largest = h->field_bytes;
    }
    h->line_bytes = 0;
    h->has_colon = false;
}

void smtp_header_put(struct smtp_header *h, struct span piece)
{
    while (!h->is_over && piece.n) {
        size_t n = span_find_byte(piece, '\n');
        bool ends = n < piece.n;

        n += ends;
        take(h, span_first(piece, n));
        piece = span_skip(piece, n);
        if (ends) {
            end_line(h);
        }
    }
}

bool smtp_header_is_refused(const struct smtp_header *h, uint64_t received_max,
                            struct smtp_refusal *out)
{
    if (h->received > received_max) {
        *out = (struct smtp_refusal){554, "5.4.6",
                                     "The message has been through too many servers; a mail loop"};
    } else if (h->fields > SMTP_FIELDS_MAX) {
        *out = (struct smtp_refusal){554, "5.6.0", "The message has too many header fields"};
    } else if (h->largest > SMTP_FIELD_BYTES_MAX) {
        *out = (struct smtp_refusal){554, "5.6.0", "A header field of the message is too large"};
    } else if (h->bytes > SMTP_HEADER_BYTES_MAX) {
        *out = (struct smtp_refusal){554, "5.6.0", "The header of the message is too large"};
    } else {
        return false;
    }
    return true;
}
