// SPDX-License-Identifier: Apache-2.0
//
// Any charset mail uses to UTF-8. US-ASCII, UTF-8, ISO-8859-1 and windows-1252 are done here;
// others by iconv, from a fixed list: a name from a message is never handed to libc as it is.
// Bytes that are malformed become U+FFFD, one each. A converter belongs to one thread at a time.
#ifndef MIME_MIME_CHARSET_H
#define MIME_MIME_CHARSET_H

#include "base/buf.h"

struct mime_charset {
    int kind;
    void *iconv;   // an iconv_t
    char tail[32]; // an unfinished character between two feeds
    size_t tail_n;
};

// Loads what iconv loads from files, so that a process can convert after its sandbox forbids that.
// Call once, at start; costs some milliseconds. Safe to leave out where files may be opened.
void mime_charset_preload(void);

// The charset is one we convert.
bool mime_charset_is_known(struct span name);

// Starts a conversion. An empty name means US-ASCII; unknown ones are read as UTF-8 where they are
// and as windows-1252 where not. False when the name was unknown; the conversion works all the
// same.
bool mime_charset_begin(struct mime_charset *c, struct span name);

// Appends what is complete so far. Output is at most four times the input.
void mime_charset_feed(struct mime_charset *c, struct buf *out, struct span in);

// Appends U+FFFD for an unfinished character and frees the converter.
void mime_charset_finish(struct mime_charset *c, struct buf *out);

// All at once.
void mime_charset_convert(struct buf *out, struct span name, struct span in);

// Bytes without a charset: as they are when they are UTF-8, otherwise read as windows-1252.
void mime_charset_guess(struct buf *out, struct span in);

#endif
