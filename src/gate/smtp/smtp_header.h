// SPDX-License-Identifier: Apache-2.0
//
// The header of a message on its way through: how large it is, how many fields, how many servers it
// has been through. Not a reader of headers (that is mime/'s), only what must be known before a
// message is taken. Where the pieces are cut makes no difference; linear, no allocation. Pure.
#ifndef GATE_SMTP_SMTP_HEADER_H
#define GATE_SMTP_SMTP_HEADER_H

#include <stdint.h>

#include "base/span.h"

#define SMTP_HEADER_BYTES_MAX (1u << 20)
#define SMTP_FIELD_BYTES_MAX  (100u << 10) // of one field with its continuations
#define SMTP_FIELDS_MAX       1000

struct smtp_header {
    bool is_over;      // a line that is no field was seen
    uint64_t bytes;    // of the header
    uint64_t largest;  // field
    unsigned fields;   // in all
    unsigned received; // fields of that name
    // private
    uint64_t field_bytes, line_bytes;
    char start[9]; // of the line
    bool has_colon;
};

// Starts as a struct of zeros.
void smtp_header_put(struct smtp_header *h, struct span piece);

// Why the message is refused for its header, as a reply; false when it is not.
struct smtp_refusal {
    unsigned code;
    const char *enhanced, *text; // static
};
bool smtp_header_is_refused(const struct smtp_header *h, uint64_t received_max,
                            struct smtp_refusal *out);

#endif
