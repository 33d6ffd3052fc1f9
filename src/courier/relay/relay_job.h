// SPDX-License-Identifier: Apache-2.0
//
// One transaction as keep tells it, over its socket pair: read, and answered. Blocks (in a worker
// thread); whatever breaks the rules ends it.
#ifndef COURIER_RELAY_RELAY_JOB_H
#define COURIER_RELAY_RELAY_JOB_H

#include "base/arena.h"
#include "courier/relay/hop_route.h"
#include "courier/relay/hop_send.h"
#include "courier/relay/tls_note.h"

#define RELAY_JOB_RCPTS_MAX 1000

struct relay_job {
    int fd;
    struct buf in;      // the frame that is being read
    struct arena arena; // all spans, the recipients
    uint64_t id;
    struct hop_destination destination;
    struct span user, password, sender; // of the route; of the envelope, as given
    struct hop_message message;
    const _Atomic(int64_t) *stop_at_ms;
};

// Reads RELAY_JOB and the recipients. ERR_INVALID, ERR_EOF, ERR_TIMEOUT, ERR_NOMEM.
enum err relay_job_read(struct relay_job *j, int fd, const _Atomic(int64_t) *stop_at_ms);
// Tells the results (everybody has one), what became of TLS on the way to `domain`, and the end.
enum err relay_job_answer(struct relay_job *j, const struct tls_notes *notes, const char *domain,
                          const char *tls, const char *problem);
// Closes the pair and wipes the password.
void relay_job_finish(struct relay_job *j);

#endif
