// SPDX-License-Identifier: Apache-2.0
//
// The hidden entry for the processes of `mailkeep serve`: `--process=NAME --channel=FD` as the
// supervisor starts them.
#ifndef CLI_SERVER_CLI_PROCESS_H
#define CLI_SERVER_CLI_PROCESS_H

#include <stdbool.h>

// True when argv is such a call; *out_status is then the process's exit status.
bool cli_process(int argc, char **argv, int *out_status);

#endif
