// SPDX-License-Identifier: Apache-2.0
//
// DMARC: does what SPF and DKIM proved belong to the domain a reader sees in From, and what does
// that domain ask to do when it does not? RFC 7489, with np= of RFC 9091 and RFC 8616. Like SPF it
// is run again where the resolver says ERR_AGAIN.
#ifndef SENDERAUTH_DMARC_H
#define SENDERAUTH_DMARC_H

#include "senderauth/dkim.h"
#include "senderauth/spf.h"

#define DMARC_FROM_ADDRESSES_MAX 100

enum dmarc_status {
    DMARC_NONE, // no policy, or no domain to have one
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR,
    DMARC_PERMERROR,
};

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_QUARANTINE, DMARC_REJECT };

// A record as values (RFC 7489 section 6.3).
struct dmarc_record {
    enum dmarc_policy policy, subdomain_policy, missing_policy; // p=, sp=, np=
    bool has_missing_policy;
    bool is_dkim_strict, is_spf_strict; // adkim=s, aspf=s
    unsigned percent;                   // pct=
    uint32_t interval_s;                // ri=
    struct span aggregate, failure;     // rua=, ruf=, as they stand
    struct span failure_options;        // fo=
};

// ERR_INVALID: not a DMARC record, or one to be ignored.
enum err dmarc_record_parse(struct span text, struct dmarc_record *out);

// What the From fields say.
enum dmarc_from {
    DMARC_FROM_ONE,     // one domain, perhaps of several addresses
    DMARC_FROM_MISSING, // no field or no address in it
    DMARC_FROM_SEVERAL, // several fields, or addresses of several domains
    DMARC_FROM_BROKEN,  // an address without a domain, or with one that is none
};

enum dmarc_from dmarc_from_domain(const struct auth_message *m, struct domain_name *out);

struct dmarc_question {
    struct auth_message *message;
    const struct spf_result *spf; // of MAIL FROM (or HELO when that was empty); NULL: not checked
    const struct dkim_result *dkim;
    size_t dkim_count;
    unsigned sample; // a random number below 100: whether pct= takes this message
};

struct dmarc_result {
    enum dmarc_status status;
    enum dmarc_from from;
    struct domain_name domain; // of From
    struct domain_name found;  // whose record applies; n 0 when there is none
    struct dmarc_record record;
    bool has_record;
    bool is_spf_aligned, is_dkim_aligned; // proved and belonging to From
    enum dmarc_policy published;          // what the record asks for a domain like this
    // What to do: NONE on pass; after pct= has been heard. A message whose From is missing, broken
    // or of several domains gives REJECT (RFC 7489 section 6.6.1), with status PERMERROR.
    enum dmarc_policy apply;
    bool is_sampled_out; // pct= made `apply` milder than `published`
    struct span words;   // one sentence for a person
};

const char *dmarc_status_name(enum dmarc_status s);
const char *dmarc_policy_name(enum dmarc_policy p); // "quarantine"

// ERR_AGAIN, ERR_NOMEM, or the error of a message that could not be read. Spans of the result live
// in `arena`.
enum err dmarc_check(const struct dmarc_question *q, const struct resolver *r, struct arena *arena,
                     struct dmarc_result *out);

// One address of rua= or ruf=: "mailto:" taken off, percent signs decoded; limit 0: none said.
struct dmarc_address {
    struct span address;
    uint64_t bytes_max;
};

// Takes the next mailto address off the front of `*list`; others are passed over. False at the end.
bool dmarc_next_address(struct arena *arena, struct span *list, struct dmarc_address *out);

// Whether `receiver`, the domain of a report address, wants reports about `domain` (section 7.1).
// Always when both are of one organization. ERR_AGAIN; ERR_DENIED: no; ERR_UNAVAILABLE: ask later.
enum err dmarc_report_is_wanted(const struct domain_name *domain,
                                const struct domain_name *receiver, const struct resolver *r);

#endif
