// SPDX-License-Identifier: Apache-2.0
//
// Writes one message of an mbox (the mboxrd dialect): the "From " line, X-Keywords, X-Status and
// Status, then the message with every line that begins with any number of '>' and "From "
// quoted by one more '>', and with header fields that mbox programs would take for theirs (a Status
// of its own, say) under a name that begins with MBOX_KEPT. mbox_reader reads back the same bytes,
// except that a message always ends in a line end and has an empty line after its header.
#ifndef MAILFILE_MBOX_WRITER_H
#define MAILFILE_MBOX_WRITER_H

#include "mailfile/line_end.h"

struct mbox_writer {
    struct mail_sink to; // where the file's bytes go
    bool keep_crlf;      // CRLF is left as it is; otherwise lines end in LF
    struct lf_maker lf;
    bool at_line_start;
    unsigned matched; // bytes of "From " seen at the line's start, held back

    bool in_header, in_name; // in_name: the line's start may be a field of mbox programs
    bool is_blank, is_cr;    // of the line so far: nothing in it; a CR and nothing else
    char name[20];           // the start of a field's name, held back
    unsigned name_bytes;

    bool ends_line; // the last byte written was LF
};

// Begins a message. `sender` may be empty. False: the sink said stop (so do the others).
bool mbox_writer_begin(struct mbox_writer *w, struct mail_sink to, bool keep_crlf,
                       struct span sender, const struct mail_meta *meta);
bool mbox_writer_put(struct mbox_writer *w, struct span bytes);
// Ends it: the last line's end and the empty line.
bool mbox_writer_end(struct mbox_writer *w);

#endif
