// SPDX-License-Identifier: Apache-2.0
//
// After login a TLS connection stays here and is relayed: what the client says, decrypted, to keep
// over a socket pair, and back. Buffers are bounded and freed when empty, so that an idle relay
// holds none; a side that does not read holds the other side back. On the worker's thread.
#ifndef GATE_RELAY_H
#define GATE_RELAY_H

#include "gate/worker.h"
#include "net/stream.h"

struct relay;

// Takes over the stream (and leaves it empty) and, on success, `pair_fd`. ERR_NOMEM.
enum err relay_start(struct gate_worker *w, struct stream *s, int pair_fd);
void relay_destroy(struct relay *r);
struct relay *relay_of_link(struct list *l);

#endif
