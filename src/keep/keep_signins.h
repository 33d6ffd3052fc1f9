// SPDX-License-Identifier: Apache-2.0
//
// The thread that writes the sign-in history: a first sign-in from a network at once, the rest
// within seconds.
#ifndef KEEP_KEEP_SIGNINS_H
#define KEEP_KEEP_SIGNINS_H

#include "keep/login/keep_places.h"
#include "keep/login/signin_log.h"

struct keep_signins;

// `places` and `default_domain` must stay; `keep_ms`: how long the history reaches back.
enum err keep_signins_start(struct store *s, struct keep_places *places, struct span default_domain,
                            int64_t keep_ms, struct keep_signins **out);
struct signin_log *keep_signins_log(struct keep_signins *k);
void keep_signins_set(struct keep_signins *k, int64_t keep_ms); // any thread
// Writes what was counted and ends the thread. NULL is allowed.
void keep_signins_stop(struct keep_signins *k);

#endif
