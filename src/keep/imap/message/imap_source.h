// SPDX-License-Identifier: Apache-2.0
//
// The bytes that an IMAP URL names: of a message, a part of it, or a range of either (RFC 5092), as
// FETCH BODY[...] would give them. They are read in pieces; between two pieces nothing of the store
// is open. Whose URL it is and what they may read is asked where the URL is looked up, and only
// there.
#ifndef KEEP_IMAP_SOURCE_H
#define KEEP_IMAP_SOURCE_H

#include "keep/imap/imap_place.h"
#include "keep/imap/message/imap_fetch.h"
#include "wire/imap/imap_url.h"

struct imap_url_source {
    account_id account;       // whose message it is
    struct imap_fetcher part; // its body and size; what is not there as it is lies in `scratch`
    bool is_scratch;
    uint64_t offset, left; // of the body, or of the scratch buffer
};

// The mailbox of a URL as `who` has it; they need the right to read it. ERR_NOT_FOUND: there is no
// such mailbox for them, or it has another UIDVALIDITY; that is also said of a name that cannot be,
// and where a right is missing. With an error nothing is left open. See imap_place_open.
enum err imap_source_place(struct imap_session *s, const struct imap_who *who,
                           const struct imap_url *url, struct imap_place *out);

// Finds the message and the part in a mailbox that is open. ERR_NOT_FOUND: not there. Pair with
// imap_source_close, also after an error.
enum err imap_source_open(const struct imap_place *p, const struct imap_url *url,
                          struct imap_url_source *out);
void imap_source_close(struct imap_url_source *src);

// Appends at most `max` bytes (and 64 KiB) to `out`. `v`: a view of src->account. ERR_CORRUPT,
// ERR_LIMIT, and what reading gives. Not to be called when nothing is left.
enum err imap_source_read(struct imap_url_source *src, struct view *v, uint64_t max,
                          struct buf *out);

#endif
