// SPDX-License-Identifier: Apache-2.0
//
// The process that starts the others: reads settings and keys, opens the listening sockets, takes
// the data directory's lock, starts gate and keep, watches them, starts them again, tells them to
// reload and to stop. It never reads a byte from the network.
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>

#include "conf/settings.h"

struct supervisor_options {
    const char *config_path;   // read again at a reload
    bool config_optional;      // without that file a reload reads only certificate and key
    struct settings *settings; // one reference, the supervisor's from now on
    bool self_signed;          // make a certificate when the files are missing
    bool background;           // return to the caller's parent once it serves
};

// Runs until stopped; returns the exit status. Blocks. Called on the only thread there is.
int supervisor_main(const struct supervisor_options *o);

#endif
