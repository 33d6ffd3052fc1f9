// SPDX-License-Identifier: Apache-2.0
//
// TLS as the client of another mail server, and what decides how much of it is demanded. See
// docs/protocol/smtp.md for the order: DANE (RFC 7672), MTA-STS (RFC 8461), whatever is there.
#ifndef COURIER_RELAY_HOP_TLS_H
#define COURIER_RELAY_HOP_TLS_H

#include "courier/relay/hop.h"

enum hop_level {
    HOP_TRY,     // TLS when it works, in the clear when not; nobody's certificate is checked
    HOP_ENCRYPT, // TLS, whose certificate is not checked (TLSA records that cannot be used)
    HOP_PKIX,    // TLS, the certificate is the host's and comes from somebody we trust
    HOP_DANE,    // TLS, the certificate is one that TLSA records name
};

#define HOP_TLSA_MAX 32 // records used; more are left out

struct hop_policy {
    enum hop_level level;
    bool is_implicit;      // TLS from the first byte
    const char *demand;    // who demands it, in words: "DANE", "MTA-STS"; for HOP_TRY ""
    const char *name;      // of the host, for SNI and the certificate; empty: an address literal
    const char *next_name; // DANE: another name that may be in the certificate; may be NULL
    struct span tlsa[HOP_TLSA_MAX];
    size_t tlsa_n;
};

struct hop_tls;

// Loads the certificates of `ca_file`, or the system's when it is empty. ERR_INVALID (logged).
enum err hop_tls_create(const char *ca_file, struct hop_tls **out);
void hop_tls_destroy(struct hop_tls *t); // NULL is allowed

// The handshake, right now. On an error the words say why: ERR_DENIED when the certificate is not
// what the policy wants, ERR_IO and ERR_TIMEOUT when there was none. h->tls is set on success.
enum err hop_tls_start(struct hop_tls *t, struct hop *h, const struct hop_policy *p);

#endif
