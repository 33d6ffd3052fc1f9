// SPDX-License-Identifier: Apache-2.0
//
// A gate without listeners and without keep: one worker, real TCP connections.
#ifndef TESTS_UNIT_GATE_GATE_WORLD_H
#define TESTS_UNIT_GATE_GATE_WORLD_H

#include "../test.h"
#include "gate/gate_internal.h"
#include "gate/worker.h"

struct gate_world {
    struct gate gate;
    struct gate_worker *worker;
    int listener;
};

void gate_world_open(struct gate_world *w, const char *conf);
void gate_world_close(struct gate_world *w);
// A TCP connection: the client's end is returned.
int gate_world_pair(struct gate_world *w, int *out_server);
// A client of the service ("imap", "imaps"); its end of the connection is returned.
int gate_world_connect(struct gate_world *w, const char *service);
// Waits until the gate holds so many connections.
void gate_world_wait(struct gate_world *w, unsigned connections);

void say(int fd, const char *text);
// Reads up to and with `text`, which must come.
void hear(int fd, const char *text);
// What is said until the end, which must be orderly. The buffer is static.
const char *hear_all(int fd);

#endif
