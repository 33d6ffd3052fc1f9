// SPDX-License-Identifier: Apache-2.0
//
// Reads an mbox, message by message, in bounded memory: one window of the file and one header
// field. There are many dialects of mbox; this reader bears all of them:
//   - a message begins at a "From " line with a believable date that stands at the beginning or
//     after an empty line (files whose first line has no date are taken at their word);
//   - Content-Length (mboxcl) is believed when the file really goes on with a message there;
//   - ">From " is unquoted by one '>' (mboxrd; see enum mbox_dialect);
//   - the header fields in which mbox programs keep flags are read and left out: Status, X-Status,
//     X-Keywords, X-UID, X-IMAP, X-IMAPbase, Content-Length, X-Mozilla-Status, -Status2, -Keys;
//   - what mbox_writer has put in front of a message's own fields of these names is taken off.
// Bytes come out as mail has them: each line ends in CRLF, also the last one.
//
// The reader never opens anything: it reads through a callback, so it can be fuzzed alone. One
// thread at a time.
#ifndef MAILFILE_MBOX_READER_H
#define MAILFILE_MBOX_READER_H

#include "base/err.h"
#include "mailfile/mailfile.h"

enum mbox_dialect {
    MBOX_RD,  // any number of '>' before "From " loses one; also right for nearly every mboxo file
    MBOX_O,   // only ">From " is unquoted
    MBOX_CL2, // nothing was quoted: Content-Length says where messages end
};

// Reads up to `n` bytes at `offset`; `*out_n` 0 at the end of the file.
typedef enum err mbox_read_fn(void *arg, uint64_t offset, void *out, size_t n, size_t *out_n);

struct mbox_message {
    uint64_t offset; // of its "From " line
    struct mail_meta meta;
    bool is_internal; // not a message: a mail program's notes at the front of the file
    bool is_gone;     // deleted in Thunderbird, not yet removed from the file
};

struct mbox_reader;

// ERR_INVALID: the file does not begin with a "From " line. ERR_EOF: it is empty or blank.
enum err mbox_reader_create(mbox_read_fn *read, void *arg, enum mbox_dialect dialect,
                            struct mbox_reader **out);
void mbox_reader_destroy(struct mbox_reader *r); // NULL is allowed

// Writes the next message to the sink. Spans in `out` live until the next call. ERR_NOT_FOUND:
// there are no more. ERR_IO: the sink said stop, or the file cannot be read.
enum err mbox_reader_next(struct mbox_reader *r, struct mail_sink to, struct mbox_message *out);

// Bytes of the file behind us, for progress.
uint64_t mbox_reader_offset(const struct mbox_reader *r);

#endif
