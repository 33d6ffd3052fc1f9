// SPDX-License-Identifier: Apache-2.0
//
// Writes reports for others. Pure; any thread.
#ifndef REPORT_REPORT_WRITE_H
#define REPORT_REPORT_WRITE_H

#include "report/report_seen.h"

struct report_author {
    struct span organization; // our name
    struct span contact;      // an address
    struct span id;           // of the report, never given twice
};

// Appends the XML of RFC 7489 appendix C: a day of a domain. ERR_LIMIT, ERR_NOMEM: no room.
enum err dmarc_report_write(const struct report_owed *o, const struct report_day *day,
                            const struct report_author *by, struct buf *out);

// Appends it as gzip (RFC 1952). ERR_LIMIT: no room; ERR_NOMEM.
enum err report_pack(struct span bytes, struct buf *out);

#endif
