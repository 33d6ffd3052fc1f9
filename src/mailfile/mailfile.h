// SPDX-License-Identifier: Apache-2.0
//
// Mail as other programs keep it in files: what a message found in an mbox, a Maildir or a folder
// of .eml files comes with. This folder reads and writes such files; it knows nothing of the store.
#ifndef MAILFILE_MAILFILE_H
#define MAILFILE_MAILFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

// The same bits as the store's, so that nothing has to be translated twice.
enum mail_flag {
    MAIL_SEEN = 1 << 0,
    MAIL_ANSWERED = 1 << 1,
    MAIL_FLAGGED = 1 << 2,
    MAIL_DELETED = 1 << 3,
    MAIL_DRAFT = 1 << 4,
};

#define MAIL_KEYWORDS_MAX      64 // of one message; more are left out
#define MAIL_KEYWORD_BYTES_MAX 64

// What a message file says about a message beside its bytes.
struct mail_meta {
    uint16_t flags; // enum mail_flag
    struct span keywords[MAIL_KEYWORDS_MAX];
    size_t keyword_count;
    bool has_date;
    int64_t date; // when it arrived, seconds since 1970 UTC
    int16_t zone_minutes;
};

// Bytes on their way somewhere. False: stop, the receiver has failed.
struct mail_sink {
    bool (*write)(void *arg, struct span bytes);
    void *arg;
};

// Adds a keyword when it is one IMAP can carry (an atom) and not there yet; the span is kept as is.
void mail_meta_add_keyword(struct mail_meta *m, struct span keyword);

#endif
