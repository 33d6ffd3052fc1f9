// SPDX-License-Identifier: Apache-2.0
//
// What a session goes without: capabilities that are not announced to it and not taken from it,
// because the account's mail program makes a mess of them. Two places say so: the account
// (store/access/imap_without.h) and the setting imap_client_without, by what the program calls
// itself in its ID (RFC 2971). docs/protocol/imap-clients.md says when that is of use.
#ifndef KEEP_IMAP_WITHOUT_H
#define KEEP_IMAP_WITHOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define IMAP_CAPABILITIES_MAX 128

// By place among the announced capabilities (imap_capability_at).
struct imap_without {
    uint64_t bits[IMAP_CAPABILITIES_MAX / 64];
};

// The announced capabilities, in order; false behind the last (imap_capability.c).
bool imap_capability_at(size_t i, struct span *out);

// Adds a capability in any case of letters, with those that are nothing without it (QUOTA takes
// QUOTA=RES-STORAGE along, CONDSTORE QRESYNC). A name that is not announced, and IMAP4rev1, change
// nothing.
void imap_without_add(struct imap_without *w, struct span name);
bool imap_without_has(const struct imap_without *w, size_t i);
bool imap_without_is_empty(const struct imap_without *w);

// ---- by the program's name ----------------------------------------------------------------------

#define IMAP_CLIENT_RULES_MAX 64
// Rules "PATTERN: CAPABILITY CAPABILITY". The pattern is compared with the ID's name and version
// ("Outlook 16.0"), without case; "*" stands for anything. Never changed once made; any thread.
struct imap_clients;
// What is no rule is left out (conf/ has refused it). ERR_NOMEM.
enum err imap_clients_create(const struct span *rules, size_t n, struct imap_clients **out);
void imap_clients_destroy(struct imap_clients *c); // NULL is allowed
// Adds what the rules say of this program; NULL: there are none.
void imap_clients_add(const struct imap_clients *c, struct span program, struct imap_without *w);

#endif
