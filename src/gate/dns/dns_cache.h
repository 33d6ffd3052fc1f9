// SPDX-License-Identifier: Apache-2.0
//
// Answers of the courier's, kept for as long as they may be (RFC 1035 section 3.2.1, RFC 2308), so
// that one message after another from the same host and domain needs no way through another
// process. The courier has a cache, too; this one saves the way there. Bounded in entries and
// bytes: what was used longest ago goes first. No lock: one thread.
#ifndef GATE_DNS_DNS_CACHE_H
#define GATE_DNS_DNS_CACHE_H

#include "ipc/message.h"
#include "senderauth/resolver.h"

struct dns_cache;

#define DNS_CACHE_ENTRIES_MAX 1024
#define DNS_CACHE_BYTES_MAX   (1u << 20)
#define DNS_CACHE_RECORDS_MAX 8192 // bytes of one answer's records; a larger one is not kept
#define DNS_CACHE_TTL_S       300  // longer ones are asked again
#define DNS_CACHE_FAILURE_S   1    // of a failure: RFC 9520 section 3.2 wants at least that

enum err dns_cache_create(struct dns_cache **out); // ERR_NOMEM only
void dns_cache_destroy(struct dns_cache *c);       // NULL is allowed

// Keeps a copy; one that is there already is replaced. What has no time to live, and what there is
// no memory for, is not kept. `name`: as struct resolver has it, at most 253 bytes.
void dns_cache_put(struct dns_cache *c, struct span name, enum dns_type type,
                   const struct ipc_dns_answer *answer, int64_t now_ms);
// The answer with the time it has left, until the next call; `id` means nothing. NULL: not known.
const struct ipc_dns_answer *dns_cache_get(struct dns_cache *c, struct span name,
                                           enum dns_type type, int64_t now_ms);

#endif
