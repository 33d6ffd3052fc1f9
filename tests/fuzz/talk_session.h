// SPDX-License-Identifier: Apache-2.0
//
// One logged-in client for a fuzz target: it says anything at all to a session over a store with a
// few messages, and goes. Nothing may crash, and every line of an answer is whole.
#ifndef TESTS_FUZZ_TALK_SESSION_H
#define TESTS_FUZZ_TALK_SESSION_H

#include "../unit/keep_talk/talk_driver.h"

// `world` is open. Longer inputs than TALK_INPUT_BYTES_MAX are not worth their time.
#define TALK_INPUT_BYTES_MAX 4096
void talk_session_fuzz(struct talk_world *world, const struct session_protocol *protocol,
                       void *server, struct span input);
// A world with two messages in it.
void talk_session_world(struct talk_world *world);

#endif
