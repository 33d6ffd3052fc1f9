// SPDX-License-Identifier: Apache-2.0
//
// One program for everything: the command line, and the processes that `mailkeep serve` starts.
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/server/cli_process.h"

#include "base/banned.h"

int main(int argc, char **argv)
{
    int status;

    if (cli_process(argc, argv, &status)) {
        fflush(NULL);
        _exit(status); // exit handlers may want what the sandbox forbids
    }
    return cli_main(argc, argv);
}
