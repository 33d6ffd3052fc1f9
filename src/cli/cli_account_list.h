// SPDX-License-Identifier: Apache-2.0
//
// Many accounts from a file; see `mailkeep account add --list`.
#ifndef CLI_CLI_ACCOUNT_LIST_H
#define CLI_CLI_ACCOUNT_LIST_H

#include "cli/cli.h"

// Adds an account for each line "address password" of the file ("-": standard input); `args` are
// the arguments they share. An exit code; goes on after accounts that could not be added.
int cli_account_add_list(struct cli *c, const char *path, json_t *args);

#endif
