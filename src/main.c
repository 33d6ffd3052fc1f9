// SPDX-License-Identifier: Apache-2.0
//
// One program for everything: the command line, and the processes that `mailkeep serve` starts.
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/server/cli_process.h"

#include "base/banned.h"

// JSON holds passwords on their way to an operation, and new ones on their way back.
static void free_wiped(void *p)
{
    if (p) {
        explicit_bzero(p, malloc_usable_size(p));
    }
    free(p);
}

int main(int argc, char **argv)
{
    int status;

    json_set_alloc_funcs(malloc, free_wiped);
    if (cli_process(argc, argv, &status)) {
        fflush(NULL);
        _exit(status); // exit handlers may want what the sandbox forbids
    }
    return cli_main(argc, argv);
}
