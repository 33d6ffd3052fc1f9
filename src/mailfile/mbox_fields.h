// SPDX-License-Identifier: Apache-2.0
//
// The header fields in which mbox programs keep what is not part of the message: flags, keywords,
// the length. Pure; any thread.
#ifndef MAILFILE_MBOX_FIELDS_H
#define MAILFILE_MBOX_FIELDS_H

#include "base/arena.h"
#include "mailfile/mailfile.h"

enum mbox_field {
    MBOX_FIELD_NONE, // part of the message
    MBOX_FIELD_STATUS,
    MBOX_FIELD_X_STATUS,
    MBOX_FIELD_KEYWORDS, // X-Keywords, X-Mozilla-Keys
    MBOX_FIELD_MOZILLA,
    MBOX_FIELD_LENGTH,
    MBOX_FIELD_IMAP,   // X-IMAP: the message may be a mail program's notes
    MBOX_FIELD_IGNORED // X-UID and the like: left out unread
};

// Which one a header line begins.
enum mbox_field mbox_field_find(struct span line);

// A message may have such fields of its own: sent along by somebody, or left by another program.
// mbox_writer puts this in front of their names, and mbox_reader takes it off again (one of them,
// as with '>' before "From "), so that they are not lost and nobody's flags.
#define MBOX_KEPT "X-Kept-"

// Whether the line begins a field that must lose one MBOX_KEPT.
bool mbox_field_is_kept(struct span line);

struct mbox_fields {
    struct mail_meta meta;
    bool has_length, has_imap, is_gone;
    uint64_t length;
};

// Takes in one field's line (unfolded, with its name). Keywords are copied into the arena; what
// does not fit is left out.
void mbox_field_read(struct mbox_fields *f, enum mbox_field field, struct span line,
                     struct arena *a);

#endif
