// SPDX-License-Identifier: Apache-2.0
//
// The server's copies of what was sent, for those who append (sent.c). Only store/ includes this.
#ifndef STORE_SENT_INTERNAL_H
#define STORE_SENT_INTERNAL_H

#include "store/store_internal.h"

// What the change log says of a copy that the server files.
#define SENT_FILED_WORDS "a copy of what was sent, filed by the server"

// A copy that the server has filed, and that gives way to its program's.
struct sent_filed {
    uint32_t uid;
    uint16_t flags;              // that go over to the other
    struct keyword_set keywords; // these too; of the same mailbox
    struct key key;              // of the record about it
};

// The Message-ID of a header block without its angle brackets and folds, into `room`
// (SENT_ID_BYTES_MAX); 0: there is none, or it is too long.
size_t sent_id_of(struct span header, char *room);

// The copies that these items replace in `m`, by item, in the view's arena; NULL where there is
// none, and in *out when there is none at all. Removes them from the mailbox, with an entry in
// the change log: nothing of the mailbox's chunks may be changed before, and a placer begins fresh
// after it.
enum err sent_replace(struct edit *ed, struct edit_mailbox *m, const struct append_item *items,
                      size_t count, struct sent_filed ***out);

#endif
