// SPDX-License-Identifier: Apache-2.0
//
// What comes from the gate's administrators' listener: each API pair is one conversation of the
// control protocol, run on threads of its own, so that neither the command line nor logins wait for
// it. The figures for /metrics anybody may have whom the gate lets ask; an operation runs for
// whoever the pair's ticket was given to, with the roles they have at that moment.
#ifndef KEEP_ADMIN_KEEP_API_H
#define KEEP_ADMIN_KEEP_API_H

#include "admin/admin.h"
#include "ipc/control_server.h"
#include "ipc/message.h"
#include "keep/admin/keep_metrics.h"

struct keep_api;

struct keep_api_options {
    struct keep_metrics metrics;
    struct store *store;
    // Runs the call's operation; on a thread of the API's. May block.
    void (*run)(void *arg, struct control_call *call, const struct admin_caller *by);
    void *run_arg;
};

// What the options point to must outlive the API.
enum err keep_api_create(const struct keep_api_options *o, struct keep_api **out);
// Takes over the descriptor. ERR_UNSUPPORTED, ERR_DENIED (the descriptor stays): there is no such
// kind, or nobody has logged in. The loop's thread.
enum err keep_api_take(struct keep_api *a, const struct ipc_api *m,
                       const struct keep_link_login *login, int fd);
// Ends what runs and waits for it. NULL is allowed.
void keep_api_destroy(struct keep_api *a);

#endif
