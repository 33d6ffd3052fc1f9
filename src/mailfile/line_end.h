// SPDX-License-Identifier: Apache-2.0
//
// Line ends on their way in and out. Mail has CRLF; files on most machines have LF. A stream can be
// cut anywhere. Pure; one thread at a time.
#ifndef MAILFILE_LINE_END_H
#define MAILFILE_LINE_END_H

#include "mailfile/mailfile.h"

// Writes bytes on with each LF that has no CR before it made CRLF. A lone CR stays what it is.
struct crlf_maker {
    struct mail_sink to;
    bool after_cr;
};
bool crlf_make(struct crlf_maker *m, struct span bytes);

// Watches a message go by: can its line ends be written as LF and be read back without loss? Not
// when it has an LF without CR, or CR CR LF.
struct line_end_watch {
    bool after_cr, after_cr_cr; // the bytes just before
    bool is_irregular;
};
void line_end_watch(struct line_end_watch *w, struct span bytes);

// Writes bytes on with each CRLF made LF. lf_make_end writes a CR that waited for its LF.
struct lf_maker {
    struct mail_sink to;
    bool after_cr;
};
bool lf_make(struct lf_maker *m, struct span bytes);
bool lf_make_end(struct lf_maker *m);

#endif
