// SPDX-License-Identifier: Apache-2.0
//
// What became of TLS with another server (RFC 8460 section 4), and how a day of that is added up.
#ifndef REPORT_REPORT_SESSION_H
#define REPORT_REPORT_SESSION_H

#include "report/report_seen.h"

#define REPORT_SESSION_POLICIES 3  // as enum ipc_tls_policy: none, TLSA, MTA-STS
#define REPORT_SESSION_RESULTS  13 // as enum ipc_tls_result; 1: good
#define REPORT_SESSION_GOOD     1
#define REPORT_POLICY_BYTES_MAX 2000
#define REPORT_NAME_BYTES_MAX   255
#define REPORT_SESSION_ROWS_MAX 1000 // of one report; more is only counted

struct report_session {
    struct span domain; // the recipients', in A-labels
    unsigned policy, result;
    struct span policy_text;           // a line for each part
    struct span host, address, source; // the MX, its address, ours
    struct span reason;                // of a failure
};

// The row of a session, as report_seen_row.
bool report_session_row(const struct report_session *s, uint64_t number, char *room,
                        struct span *out_key, struct span *out_value);
// "certificate-expired"; "" for a good one.
const char *report_session_result(unsigned result);

struct report_session_count {
    struct report_session session;
    uint64_t count;
};
struct report_session_day {
    struct arena arena;                // all that follows
    struct report_session_count *rows; // of one policy they lie together
    size_t n;
    uint64_t sessions, left_out;
};
// As report_day_read.
enum err report_session_day_read(struct reports *r, const struct report_owed *o,
                                 struct report_session_day *out);
void report_session_day_finish(struct report_session_day *d);

#endif
