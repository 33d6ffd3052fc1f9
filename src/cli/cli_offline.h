// SPDX-License-Identifier: Apache-2.0
//
// Commands without a server: a child process takes the data directory's lock, becomes the
// directory's owner when we are root (so that no file in it ends up as root's), opens the store,
// and answers one operation over a socket in the control socket's own words. The parent keeps its
// rights, so that root can import what only root can read.
#ifndef CLI_CLI_OFFLINE_H
#define CLI_CLI_OFFLINE_H

#include "cli/cli.h"

struct cli_offline;

// An exit code; anything but CLI_OK was explained. `*out_fd` is the caller's end.
int cli_offline_start(struct cli *c, int *out_fd, struct cli_offline **out);
// After the descriptor was closed: waits for the child to close the store. NULL is allowed.
void cli_offline_end(struct cli_offline *o);

#endif
