// SPDX-License-Identifier: Apache-2.0
//
// The line that begins a message in an mbox: "From " sender, blank, date. Every program wrote the
// date in its own way, so it is read by what its words are, not by their places. Pure; any thread.
#ifndef MAILFILE_MBOX_FROM_H
#define MAILFILE_MBOX_FROM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define MBOX_FROM_BYTES_MAX 1024 // a longer line is text

struct mbox_from {
    struct span sender; // "-" and the like are left as they are
    bool has_date;
    int64_t date; // seconds since 1970 UTC; a line without a zone is taken as UTC
    int16_t zone_minutes;
};

// Reads one line without its line end. False when it does not begin with "From ". A line without a
// believable date gives true and has_date false: whether that is a separator is the reader's call.
bool mbox_from_parse(struct span line, struct mbox_from *out);

// Appends "From sender Www Mmm dd hh:mm:ss yyyy\n", in UTC. A sender with blanks or nothing in it
// becomes MAILER-DAEMON.
void mbox_from_put(struct buf *out, struct span sender, int64_t date);

#endif
