// SPDX-License-Identifier: Apache-2.0
//
// What a message by one of our users needs before it leaves (RFC 6409 sections 6.1 and 8): a From
// (and Sender, and Resent-From) that is the user's, a Date and a Message-ID, and no Bcc. Any
// thread; reads the store.
#ifndef KEEP_INBOUND_SUBMISSION_H
#define KEEP_INBOUND_SUBMISSION_H

#include "base/buf.h"
#include "store/route.h"

#define SUBMISSION_CUTS_MAX 32 // fields that are taken out

struct submission_facts {
    struct store *store;
    struct span separators, server;
    account_id account;
    struct span user; // its address
    bool check_from;
    int64_t now_ms; // since 1970
};

struct submission {
    struct { // of the header; in order
        size_t from, bytes;
    } cuts[SUBMISSION_CUTS_MAX];
    size_t cut_count;
};

// Appends the fields that are missing to `lines`. ERR_DENIED: a field names somebody else
// as its sender;
// ERR_INVALID: the header is not one that can be sent, with `*out_why` (static, for the client);
// and the store's errors.
enum err submission_prepare(const struct submission_facts *f, struct span header, struct buf *lines,
                            struct submission *out, const char **out_why);

#endif
