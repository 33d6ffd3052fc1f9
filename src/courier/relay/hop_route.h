// SPDX-License-Identifier: Apache-2.0
//
// Where mail for a destination goes: the hosts to try, in their order (RFC 5321 section 5.1), and
// what each of them must show before it gets anything. Blocks (asks the DNS, fetches policies).
#ifndef COURIER_RELAY_HOP_ROUTE_H
#define COURIER_RELAY_HOP_ROUTE_H

#include "courier/dns/lookup_host.h"
#include "courier/policy/sts.h"
#include "courier/relay/hop_tls.h"
#include "ipc/message.h"

#define HOP_TARGETS_MAX 20 // hosts tried for one message

struct hop_destination {
    struct span domain;     // or an address literal; U-labels are turned into A-labels
    struct span route_host; // not empty: this host instead of the MX
    uint16_t route_port;
    enum ipc_relay_tls route_tls;
    struct span helo; // our own name: never sent to
    bool requiretls;  // RFC 8689
};

struct hop_target {
    char name[256];
    uint16_t preference;
    uint32_t dice; // order among equals
};

struct hop_route {
    struct hop_target targets[HOP_TARGETS_MAX];
    size_t n;
    bool is_by_mx;
    bool mx_secure;                  // who the hosts are was validated with DNSSEC
    char domain[256];                // in A-labels
    struct sts_policy sts;           // of the domain
    enum ipc_tls_result sts_problem; // why it could not be had; IPC_TLS_NONE
    // When n is 0: what that means for the recipients, and why.
    enum ipc_relay_outcome outcome;
    char words[HOP_WORDS_BYTES_MAX];
};

// Always fills *out, to be given to hop_route_finish.
void hop_route_find(struct lookup *k, struct sts *sts, const struct hop_destination *d,
                    struct hop_route *out);
void hop_route_finish(struct hop_route *r);

// What a host has and must show. Records that the policy points to are in `tlsa`.
struct hop_target_facts {
    struct lookup_addresses addresses;
    struct lookup_answer tlsa;
    struct hop_policy policy;
    char tlsa_base[256];
    enum ipc_tls_result failure; // why the host cannot be used, when that has to do with TLS
};

// ERR_UNAVAILABLE (with words): the host cannot be used now; ERR_DENIED: a policy forbids it.
// Fills *out in any case, to be given to hop_target_facts_finish.
enum err hop_target_look(struct lookup *k, const struct hop_destination *d,
                         const struct hop_route *r, const struct hop_target *t, uint16_t port,
                         struct hop_target_facts *out, char words[HOP_WORDS_BYTES_MAX]);
void hop_target_facts_finish(struct hop_target_facts *f);

#endif
