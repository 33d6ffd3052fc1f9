// SPDX-License-Identifier: Apache-2.0
//
// The name that this machine goes by among other servers: for greetings, trace headers and
// message ids. Reads /etc/hosts, so before a sandbox is entered; asks nobody.
#ifndef BASE_HOST_NAME_H
#define BASE_HOST_NAME_H

#include "base/span.h"

#define HOST_NAME_BYTES 256

// `wanted` when it is not empty; else the machine's name as it is, when it has a domain; else its
// full name in /etc/hosts; else with `domain` behind it, when that is not empty; else as it is.
// Lower case, with a NUL at its end. Blocks on the disk; any thread.
void host_name(struct span wanted, struct span domain, char out[HOST_NAME_BYTES]);

// The first name with a domain on a line of /etc/hosts (its text) that also has `name`; empty:
// none. Pure.
struct span host_name_in_hosts(struct span text, struct span name);

#endif
