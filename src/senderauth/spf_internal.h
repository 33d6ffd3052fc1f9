// SPDX-License-Identifier: Apache-2.0
//
// Between the parts of SPF: the record as terms, and macros.
#ifndef SENDERAUTH_SPF_INTERNAL_H
#define SENDERAUTH_SPF_INTERNAL_H

#include "base/buf.h"
#include "senderauth/spf.h"

#define SPF_TERMS_MAX  1000 // a record with more is a permanent error
#define SPF_RECORD_MAX 16384

enum spf_mechanism {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
};

struct spf_term {
    enum spf_mechanism mechanism;
    enum spf_status qualifier; // what a match gives
    struct span spec;          // the domain-spec with its macros; empty: the domain itself
    struct ip_address network; // ip4, ip6
    uint8_t prefix4, prefix6;  // bits
    struct span text;          // the whole term
};

struct spf_record {
    struct spf_term *terms;
    size_t n;
    struct span redirect, explain; // domain-specs; p NULL when absent
};

// The whole record, "v=spf1" too. ERR_INVALID: any syntax error anywhere; ERR_NOMEM.
enum err spf_record_parse(struct arena *arena, struct span text, struct spf_record *out);

// The record is an SPF record at all (RFC 7208 section 4.5).
bool spf_record_is_spf(struct span text);

// A domain-spec (or, `is_text`, an explain-string) keeps to the grammar of section 7.1.
bool spf_macro_is_valid(struct span spec, bool is_text);

// An evaluation on its way.
struct spf_run {
    const struct spf_question *q;
    const struct resolver *resolver;
    struct arena *arena;
    struct span local; // "postmaster" when there was none
    struct domain_name sender_domain;
    struct domain_name helo;
    unsigned lookups, voids, queries;
    bool is_over_limit; // lookups, voids or queries: a permanent error
    bool has_names, has_used_names;
    struct domain_name *names; // spf_validated_names
    size_t name_count;
    struct span explanation, mechanism;
    struct span trouble; // the domain whose record is broken or not to be had
    const char *why;     // what is wrong with it
};

// Expands a valid `spec` for `domain` into `out`. ERR_NOT_FOUND: a local
// part that is not ASCII is used (RFC 8616 section 4); ERR_AGAIN.
enum err spf_macro_expand(struct spf_run *run, struct span spec, struct span domain,
                          struct buf *out);

// Asks and counts; DNS_NXDOMAIN in `*out` once the questions are used up.
enum err spf_ask(struct spf_run *run, struct span name, enum dns_type type,
                 const struct dns_answer **out);

// Puts the names of the client that lead back to it (section 5.5) into run->names.
enum err spf_validated_names(struct spf_run *run);

// One more term that asks the DNS; false, and run->is_over_limit, beyond SPF_LOOKUPS_MAX.
bool spf_count_lookup(struct spf_run *run);

// The first `bits` bits agree. `data` is an A or AAAA record.
bool spf_in_network(const struct ip_address *ip, const uint8_t *data, unsigned bits);

// "1.2.3.4" or dotted nibbles; what %{i} gives.
void spf_put_dotted(struct buf *out, const struct ip_address *ip);

// The name below which an address's own names are found: "1.2.0.192.in-addr.arpa".
#define SPF_ARPA_BYTES_MAX 80
void spf_put_arpa(struct buf *out, const struct ip_address *ip);

// One sentence about the result.
struct span spf_words(struct arena *arena, const struct spf_run *run, const struct spf_result *r);

#endif
