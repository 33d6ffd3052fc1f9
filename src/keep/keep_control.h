// SPDX-License-Identifier: Apache-2.0
//
// The control socket's commands: what admin/ can do, asked for by `mailkeep <command>` while the
// server runs. All functions on the loop's thread.
#ifndef KEEP_KEEP_CONTROL_H
#define KEEP_KEEP_CONTROL_H

#include "admin/admin.h"
#include "ipc/control_server.h"

struct keep_control;

// Serves on the socket from control_socket_open (taken over on success). `admin` is copied; what it
// points to must outlive the server.
enum err keep_control_start(struct loop *l, int fd, const struct admin *admin,
                            struct keep_control **out);
// For a reload: what commands work with from now on. Any thread.
void keep_control_set(struct keep_control *k, const struct admin *admin);
// What they work with now, with a reference to its settings: the caller's, settings_unref. Any
// thread.
void keep_control_lend(struct keep_control *k, struct admin *out);
// Runs the call's operation for somebody else than root. On a control thread.
void keep_control_run(struct keep_control *k, struct control_call *call,
                      const struct admin_caller *by);
// Ends running commands and waits for them. NULL is allowed.
void keep_control_stop(struct keep_control *k);

#endif
