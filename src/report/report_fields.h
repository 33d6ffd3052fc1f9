// SPDX-License-Identifier: Apache-2.0
//
// What an aggregate report says, whoever made it: DMARC (RFC 7489 appendix C) and SMTP TLS (RFC
// 8460 section 4), as values. Plain data.
#ifndef REPORT_REPORT_FIELDS_H
#define REPORT_REPORT_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define REPORT_TEXT_BYTES_MAX 1000
#define REPORT_COUNT_MAX      1000000000000ull // of one row; more is no number of messages

enum report_kind { REPORT_DMARC = 1, REPORT_TLS = 2 };

enum report_text {
    REPORT_ORGANIZATION = 1, // that reports
    REPORT_CONTACT,
    REPORT_ID,     // the report's, there
    REPORT_DOMAIN, // reported on
    REPORT_POLICY, // in words
    REPORT_SENDER, // of the letter
    // of rows
    REPORT_SOURCE, // address that sent
    REPORT_HEADER_FROM,
    REPORT_ENVELOPE_FROM,
    REPORT_CHECKS, // what DKIM and SPF found
    REPORT_REASON, // why less was done than the policy says
    REPORT_RESULT, // RFC 8460 section 4.3
    REPORT_HOST,   // that was to take the mail
    REPORT_POLICY_TYPE,
    REPORT_DETAILS,
    REPORT_TEXTS,
};

enum report_disposition { REPORT_NONE, REPORT_QUARANTINE, REPORT_REJECT };

// Texts: n 0 when not there; valid UTF-8 without control characters, at most
// REPORT_TEXT_BYTES_MAX bytes.
struct report_row {
    uint64_t count;
    enum report_disposition disposition; // DMARC
    bool is_dkim_pass, is_spf_pass;      // DMARC: aligned
    bool is_good;                        // TLS: sessions as the policy wants them
    struct span texts[REPORT_TEXTS];
};

struct report {
    enum report_kind kind;
    int64_t received_ms;    // since 1970
    int64_t begin_s, end_s; // the time reported on
    uint64_t good, bad;     // messages that passed and failed; sessions
    uint64_t rows, rows_left_out;
    uint64_t mail; // the letter, in the trail; 0: none
    struct span texts[REPORT_TEXTS];
};

// Who takes the rows while a report is read; an error ends the reading. Spans live for the call.
struct report_sink {
    enum err (*row)(void *arg, const struct report_row *row);
    void *arg;
};

#endif
