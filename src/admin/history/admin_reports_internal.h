// SPDX-License-Identifier: Apache-2.0
//
// What admin_reports.c (finding and adding up) and admin_reports_words.c (sentences) share.
#ifndef ADMIN_HISTORY_ADMIN_REPORTS_INTERNAL_H
#define ADMIN_HISTORY_ADMIN_REPORTS_INTERNAL_H

#include "admin/admin_internal.h"

// What all reports together say of one sender, or of one kind of trouble with TLS.
struct reports_sum {
    enum report_kind kind;
    struct span texts[REPORT_TEXTS]; // of the row that opened it
    uint64_t good, bad;              // messages, sessions
    uint64_t dkim, spf, quarantined, rejected;
    struct span organization; // that met the trouble
};

json_t *reports_head_json(uint64_t number, const struct report *r);
json_t *reports_row_json(const struct report *r, const struct report_row *w);
// With a sentence.
json_t *reports_sum_json(const struct reports_sum *s);

#endif
