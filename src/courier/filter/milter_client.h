// SPDX-License-Identifier: Apache-2.0
//
// One message before a milter (the protocol of Sendmail's libmilter, version 6): everything from
// the connection to the end of the body is told at once, since the message is whole. The filter may
// add header fields, change Subject, refuse, put off, and quarantine or discard (both become Junk).
// It may not change recipients, sender, body or other fields: those actions are not offered, and
// changes of other fields are left undone.
#ifndef COURIER_FILTER_MILTER_CLIENT_H
#define COURIER_FILTER_MILTER_CLIENT_H

#include "courier/filter/filter.h"

// Blocks. On an error the filter is away; its words are in *out.
enum err milter_client_run(const struct filter *f, const struct filter_message *m,
                           const struct filter_limits *limits, struct filter_result *out);

#endif
