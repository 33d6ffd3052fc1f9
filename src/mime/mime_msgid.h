// SPDX-License-Identifier: Apache-2.0
//
// Message identifiers (RFC 5322 section 3.6.4) in Message-ID, In-Reply-To and References.
// Pure; any thread; linear.
#ifndef MIME_MIME_MSGID_H
#define MIME_MIME_MSGID_H

#include "base/span.h"

// Takes the next identifier off the front of `*rest` (a raw field body) without its angle brackets
// and the blanks around it; other text is passed over. A field without any '<' gives its words that
// contain '@'. False when there are no more. An identifier that was folded still holds the fold.
bool mime_msgid_next(struct span *rest, struct span *out);

#endif
