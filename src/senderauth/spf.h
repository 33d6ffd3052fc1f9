// SPDX-License-Identifier: Apache-2.0
//
// SPF: may this host send mail for that domain? RFC 7208 whole, RFC 8616 for names in other
// scripts. An evaluation keeps nothing between calls: where the resolver says ERR_AGAIN it stops,
// and is run again. Never blocks unless the resolver does; one thread at a time for each resolver.
#ifndef SENDERAUTH_SPF_H
#define SENDERAUTH_SPF_H

#include "base/arena.h"
#include "base/err.h"
#include "senderauth/domain_name.h"
#include "senderauth/resolver.h"

#define SPF_LOOKUPS_MAX           10 // terms that ask the DNS, RFC 7208 section 4.6.4
#define SPF_VOIDS_MAX             2  // of them, those that may find nothing
#define SPF_HOSTS_MAX             10 // hosts of one mx, names of one ptr
#define SPF_QUERIES_MAX           40 // questions in all; ours, the RFC would allow more than 100
#define SPF_EXPLANATION_BYTES_MAX 512

enum spf_status {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
};

struct ip_address {
    bool is_ip6;
    uint8_t bytes[16]; // the first 4 for IPv4
};

// "192.0.2.1", "2001:db8::1"; IPv4 in IPv6 becomes IPv4. ERR_INVALID.
enum err ip_address_parse(struct span text, struct ip_address *out);

struct spf_question {
    struct ip_address ip; // of the client
    struct span helo;     // as the client said it
    // MAIL FROM. With an empty domain ("<>") or `is_helo` the question is about the HELO name.
    struct span local, domain;
    bool is_helo;
    struct span receiver; // our name, for %{r} in explanations; may be empty
    int64_t unix_seconds; // for %{t}
};

struct spf_result {
    enum spf_status status;
    bool is_helo;              // the HELO name was judged
    struct domain_name domain; // the name that was judged; n 0 when there is none
    struct span mechanism;     // the term that decided, as published; empty for the default
    // What the domain's owner says about a fail: printable ASCII written by a stranger; may be
    // empty. Say whose words they are when showing them.
    struct span explanation;
    struct span words; // one sentence for a person
    unsigned lookups, voids, queries;
};

const char *spf_status_name(enum spf_status s); // "softfail", as RFC 8601 writes it

// ERR_AGAIN: an answer is missing. ERR_NOMEM. Spans of the result live in `arena` or the question.
enum err spf_check(const struct spf_question *q, const struct resolver *r, struct arena *arena,
                   struct spf_result *out);

#endif
