// SPDX-License-Identifier: Apache-2.0
//
// When a message arrived, by its own header, for files that do not say it otherwise.
#ifndef MAILFILE_MAIL_DATE_H
#define MAILFILE_MAIL_DATE_H

#include "mailfile/mailfile.h"

// Looks at the front of a message: the newest Received field's date, else the Date field. Sets
// date, zone and has_date; false (and nothing set) when neither can be read. Pure; any thread.
bool mail_date_guess(struct span front, struct mail_meta *m);

#endif
