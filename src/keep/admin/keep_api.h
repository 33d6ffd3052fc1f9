// SPDX-License-Identifier: Apache-2.0
//
// What comes from the gate's administrators' listener: each API pair is one conversation of the
// control protocol, run on threads of its own, so that neither the command line nor logins wait for
// it.
#ifndef KEEP_ADMIN_KEEP_API_H
#define KEEP_ADMIN_KEEP_API_H

#include "ipc/message.h"
#include "keep/admin/keep_metrics.h"

struct keep_api;

// `metrics` is copied; what it points to must outlive the API.
enum err keep_api_create(const struct keep_metrics *metrics, struct keep_api **out);
// Takes over the descriptor. ERR_UNSUPPORTED (the descriptor stays): there is no such kind. The
// loop's thread.
enum err keep_api_take(struct keep_api *a, const struct ipc_api *m, int fd);
// Ends what runs and waits for it. NULL is allowed.
void keep_api_destroy(struct keep_api *a);

#endif
