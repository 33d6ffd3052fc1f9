// SPDX-License-Identifier: Apache-2.0
//
// Sessions by a device whose time is over (store/access/device.h) end, as they do when it is
// blocked. The store is asked before: the device of an app that refreshes its tokens gets more time
// meanwhile.
#ifndef KEEP_LOGIN_SESSION_OVER_H
#define KEEP_LOGIN_SESSION_OVER_H

#include "keep/login/keep_sessions.h"

// Ends those whose time has come. To be called every second or so. Blocks on the disk, and until
// they are gone: one thread at a time.
void session_over_check(struct store *s, struct keep_sessions *sessions, int64_t patience_ms);

#endif
