// SPDX-License-Identifier: Apache-2.0
//
// The base subject, which threading and sorting compare (RFC 5256 section 2.1). Pure; any thread;
// linear.
#ifndef MIME_MIME_SUBJECT_H
#define MIME_MIME_SUBJECT_H

#include "base/buf.h"

// Appends the base of a Subject's text (already decoded, UTF-8). `out_is_reply` says that a reply
// or forward mark was taken off; may be NULL.
void mime_subject_base(struct buf *out, struct span text, bool *out_is_reply);

#endif
