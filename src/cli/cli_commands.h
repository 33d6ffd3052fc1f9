// SPDX-License-Identifier: Apache-2.0
//
// The functions behind the rows of cli_table.c, one file per command or noun.
#ifndef CLI_CLI_COMMANDS_H
#define CLI_CLI_COMMANDS_H

#include "cli/cli.h"

cli_fn cli_serve;          // cli_serve.c
cli_fn cli_config_check;   // cli_config.c
cli_fn cli_config_show;    //
cli_fn cli_config_default; //
cli_fn cli_config_manual;  // not in the table's help: makes mailkeep.conf(5)

#endif
