// SPDX-License-Identifier: Apache-2.0
//
// ARC (RFC 8617): the chain of those who handled a message and vouch for what they saw. Verifying
// and sealing work on a message read by auth_message. One thread at a time for each message.
#ifndef SENDERAUTH_ARC_H
#define SENDERAUTH_ARC_H

#include "senderauth/dkim.h"

#define ARC_SETS_MAX 50

enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL };

struct arc_set {
    struct domain_name sealer; // d= of the ARC-Seal
    struct span selector;
    struct span results; // ARC-Authentication-Results after "i=n;": for auth_results_parse
};

struct arc_result {
    enum arc_status status;
    bool is_temporary;          // failed only because a key could not be looked up now
    bool is_over;               // no further seal may be added (one says cv=fail)
    const struct arc_set *sets; // oldest first, when the chain is whole; n 0 otherwise
    size_t n;
    struct span words; // one sentence for a person
};

const char *arc_status_name(enum arc_status s); // "pass"

// ERR_AGAIN (all keys have been asked for), ERR_NOMEM, or the error of a message that could not be
// read. A pass says that nobody altered the chain, not that its members are honest: whose seal
// counts is for the caller to know.
enum err arc_verify(struct auth_message *m, const struct resolver *r, struct arena *arena,
                    struct arc_result *out);

// Appends ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, to be put before the
// message (which is sealed as it was read). `found` is the status arc_verify gave; `results` is
// "authserv-id; method=result ..." as it stands in an Authentication-Results field. s->identity and
// s->expires_after_s are not used. ERR_DENIED: the chain is over; ERR_LIMIT: it has 50 sets
// already, or the buffer's cap; ERR_INVALID: `found` does not fit the message.
enum err arc_seal(struct auth_message *m, const struct dkim_signer *s, enum arc_status found,
                  struct span results, struct buf *out);

#endif
