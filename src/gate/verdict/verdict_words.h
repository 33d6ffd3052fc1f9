// SPDX-License-Identifier: Apache-2.0
//
// What the checks found, written three times: header fields, a line for the change log and the log,
// and the answer to a client that is refused. Nothing a stranger wrote breaks out of its place.
// Pure; any thread.
#ifndef GATE_VERDICT_VERDICT_WORDS_H
#define GATE_VERDICT_VERDICT_WORDS_H

#include "gate/verdict/verdict_policy.h"

// Appends Authentication-Results and, `is_spf`, Received-SPF (RFC 7208 section 9.1): one or two
// whole fields. Where the results are too long for `out` only what was judged is said, not of what.
// ERR_NOMEM; ERR_LIMIT: not even that has room.
enum err words_put_fields(struct buf *out, const struct sender_question *q,
                          const struct sender_result *s, bool is_spf, bool is_utf8,
                          struct arena *arena);

// Appends a line; what has no room in `out` is left out.
void words_put_log(struct buf *out, const struct sender_result *s, const struct policy_decision *d);

// Appends a line of printable ASCII for REJECT and TEMPORARY; `out` has VERDICT_TEXT_BYTES_MAX.
void words_put_answer(struct buf *out, const struct sender_question *q,
                      const struct sender_result *s, const struct policy_decision *d);

#endif
