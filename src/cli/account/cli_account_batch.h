// SPDX-License-Identifier: Apache-2.0
//
// Many accounts from a file: `mailkeep account add --batch FILE`.
#ifndef CLI_ACCOUNT_CLI_ACCOUNT_BATCH_H
#define CLI_ACCOUNT_CLI_ACCOUNT_BATCH_H

#include "cli/cli.h"

// Adds an account for each line "ADDRESS PASSWORD" or "ADDRESS" of the file ("-": standard input);
// `args` are the arguments they share, among them the password of those that have none of their
// own; with `has_hashes` what stands behind an address is the hash of its password. Goes on after
// accounts that could not be added. An exit code.
int cli_account_batch(struct cli *c, const char *path, bool has_hashes, json_t *args);

#endif
