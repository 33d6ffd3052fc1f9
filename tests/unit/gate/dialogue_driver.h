// SPDX-License-Identifier: Apache-2.0
//
// Drives a dialogue before login as the gate does, without sockets: bytes in, bytes out, steps
// noted. Shared by the unit tests and the fuzz target.
#ifndef TESTS_UNIT_GATE_DIALOGUE_DRIVER_H
#define TESTS_UNIT_GATE_DIALOGUE_DRIVER_H

#include "gate/dialogue/dialogue.h"

struct driver {
    struct settings *settings;
    struct dialogue d;
    struct buf said; // everything the server said
};

// `conf` as in mailkeep.conf.
void driver_open(struct driver *r, const struct dialogue_protocol *p, const char *conf);
void driver_close(struct driver *r);
// As the client sends it, in pieces of at most `piece` bytes (0: whole). What comes after the step
// has left DIALOGUE_READ stays unsent; the number of bytes taken is returned.
size_t driver_send(struct driver *r, struct span bytes, size_t piece);
// What was said since the last call; valid until the next.
struct span driver_hear(struct driver *r);

#endif
