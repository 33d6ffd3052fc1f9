// SPDX-License-Identifier: Apache-2.0
//
// One server (or one offline command) per data directory: an flock on `server.lock` inside it,
// which holds the owner's process id. The lock ends with the last process that has the descriptor.
// Any thread; does not wait for the lock.
#ifndef IPC_DATA_LOCK_H
#define IPC_DATA_LOCK_H

#include <stdbool.h>

#include "base/err.h"

// ERR_EXISTS: somebody has it, `*out_pid` says who (0 when unknown).
enum err data_lock_take(const char *data_dir, int *out_fd, int *out_pid);
// Looks only, and makes no file. `*out_pid` as above when somebody has it.
bool data_lock_is_taken(const char *data_dir, int *out_pid);

#endif
