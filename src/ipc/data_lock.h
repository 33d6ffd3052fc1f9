// SPDX-License-Identifier: Apache-2.0
//
// One server (or one offline command) per data directory: an flock on `server.lock` inside it,
// which holds the owner's process id. The lock ends with the last process that has the descriptor.
// Any thread.
#ifndef IPC_DATA_LOCK_H
#define IPC_DATA_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

// Waits for the lock up to `patience_ms`: a server that was killed holds it until the last of its
// processes has gone, and whoever looks whether it is taken holds it for a moment. ERR_EXISTS:
// somebody has it still, `*out_pid` says who (0 when unknown).
enum err data_lock_take(const char *data_dir, int64_t patience_ms, int *out_fd, int *out_pid);
// Looks only, does not wait, and makes no file. `*out_pid` as above when somebody has it.
bool data_lock_is_taken(const char *data_dir, int *out_pid);

#endif
