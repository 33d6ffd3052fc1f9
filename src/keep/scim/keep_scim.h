// SPDX-License-Identifier: Apache-2.0
//
// SCIM 2.0 (RFC 7643, 7644): what is decided. The gate reads requests, filters and paths and holds
// them to limits; each request is one conversation of the control protocol over an API pair, the
// command "scim" with what it asks for and the provider's token (docs/protocol/scim.md). Whatever
// changes an account is an operation of admin/, run for the token. On threads of its own, where it
// may block on hashes and on the disk.
#ifndef KEEP_SCIM_H
#define KEEP_SCIM_H

#include "admin/admin.h"

struct keep_scim_options {
    // What operations work with now; its settings are given with a reference. Any thread.
    void (*lend)(void *arg, struct admin *out);
    void *arg;
};

struct keep_scim;
enum err keep_scim_create(const struct keep_scim_options *o, struct keep_scim **out);
// Ends what runs and waits for it. NULL is allowed.
void keep_scim_destroy(struct keep_scim *k);
// Serves one conversation; the descriptor is taken over. The loop's thread.
void keep_scim_take(struct keep_scim *k, int fd);

#endif
