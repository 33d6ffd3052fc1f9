// SPDX-License-Identifier: Apache-2.0
//
// The sender rewriting scheme: mail that is forwarded leaves with a sender of ours, so that SPF at
// the next server passes, and what bounces finds its way back. SRS0=hash=day=domain=local@ours; the
// hash keeps strangers from sending through it, the day ends its use after three weeks. An SRS
// address of somebody else becomes SRS1, which points to the first that rewrote it. Pure; any
// thread. No RFC; the scheme that other forwarders use (SRS0/SRS1 with '=').
#ifndef DELIVERY_SRS_H
#define DELIVERY_SRS_H

#include "base/arena.h"
#include "base/err.h"

#define SRS_KEY_BYTES 32
#define SRS_DAYS_MAX  21

// `*out` in the arena. The null path and addresses without a domain stay as they are. ERR_LIMIT:
// the local part would be longer than 64 bytes and can be shortened by nobody: use the null path or
// the forwarder's own address instead; ERR_NOMEM.
enum err srs_rewrite(const char key[SRS_KEY_BYTES], struct span sender, struct span our_domain,
                     int64_t now_s, struct arena *a, struct span *out);

// The address behind a local part of ours that starts with SRS0 or SRS1. ERR_NOT_FOUND: it is no
// such name; ERR_DENIED: the hash is wrong or its time is over.
enum err srs_restore(const char key[SRS_KEY_BYTES], struct span local, int64_t now_s,
                     struct arena *a, struct span *out);

#endif
