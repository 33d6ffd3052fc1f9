// SPDX-License-Identifier: Apache-2.0
//
// What was seen of one message whose domain wants to be told (RFC 7489 section 7.2), and how a day
// of that is added up. docs/format/reports.md says how it lies on the disk.
#ifndef REPORT_REPORT_SEEN_H
#define REPORT_REPORT_SEEN_H

#include "report/report.h"

#define REPORT_DOMAIN_BYTES_MAX 253
#define REPORT_CHECKS_BYTES_MAX 1000
#define REPORT_SEEN_BYTES_MAX   4096
#define REPORT_FOLD_BYTES_MAX   (32u << 20) // of one domain's day in memory

enum report_policy { REPORT_POLICY_NONE, REPORT_POLICY_QUARANTINE, REPORT_POLICY_REJECT };

struct report_seen {
    struct span domain;                             // where the record was found, in lower case
    unsigned policy, subdomain_policy, disposition; // enum report_policy
    unsigned percent;
    unsigned strict;                        // alignment: 1 of DKIM, 2 of SPF
    unsigned aligned;                       // 1 by DKIM, 2 by SPF
    struct span source;                     // address of the client
    struct span header_from, envelope_from; // domains
    struct span reason;                     // RFC 7489 appendix C, PolicyOverrideType; or empty
    struct span checks; // lines: method, result, domain, selector or scope, a tab between them
};

// The row of a message: key and value in `room` of REPORT_SEEN_BYTES_MAX bytes. False: a text is
// longer than it may be. `mail`: its number in the trail.
bool report_seen_row(const struct report_seen *s, uint64_t mail, char *room, struct span *out_key,
                     struct span *out_value);

// ---- a day of a domain --------------------------------------------------------------------------

struct report_owed {
    enum report_kind kind;
    uint32_t day; // since 1970, UTC
    size_t domain_n;
    char domain[REPORT_DOMAIN_BYTES_MAX];
};
// The first day and domain behind `after` (NULL: of all) with observations of a kind of before that
// day. ERR_NOT_FOUND: nothing is owed. Blocks on the disk, as all that follow.
enum err report_owed_next(struct reports *r, enum report_kind kind, const struct report_owed *after,
                          uint32_t before_day, struct report_owed *out);

struct report_count {
    struct report_seen seen;
    uint64_t count;
};
struct report_day {
    struct arena arena; // all that follows
    struct report_count *rows;
    size_t n;
    uint64_t messages, left_out; // messages in no row: there are too many rows
    struct report_seen policy;   // of the latest
};
// Adds it up; finish it in any case.
enum err report_day_read(struct reports *r, const struct report_owed *o, struct report_day *out);
void report_day_finish(struct report_day *d);

// *out: it was sent, or was not to be sent.
enum err report_is_sent(struct reports *r, const struct report_owed *o, bool *out);
// From here on it is. `mail`: the report, in the trail; 0: none was sent.
enum err report_set_sent(struct reports *r, const struct report_owed *o, uint64_t messages,
                         uint64_t mail);
// Forgets the observations, in commits of bounded size.
enum err report_forget_seen(struct reports *r, const struct report_owed *o);
// Forgets what was sent before that day.
enum err report_trim_sent(struct reports *r, enum report_kind kind, uint32_t before_day);

#endif
