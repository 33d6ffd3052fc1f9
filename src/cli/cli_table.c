// SPDX-License-Identifier: Apache-2.0
//
// Every command, in the order in which `mailkeep help` lists them.
#include "cli/cli_commands.h"

#include "base/banned.h"

const struct cli_command cli_commands[] = {
    {"serve", "[--self-signed] [--background]", "Run the server", cli_serve},
    {"config check", "", "Check the settings file and name every problem", cli_config_check},
    {"config show", "[SETTING]", "Print the settings in use and where they come from",
     cli_config_show},
    {"config default", "", "Print a settings file with every setting at its default",
     cli_config_default},
    {"config manual", "", "Print the settings' part of mailkeep.conf(5)", cli_config_manual},
    {0},
};
