// SPDX-License-Identifier: Apache-2.0
//
// One message before rspamd: POST to /checkv2 over HTTP.
#ifndef COURIER_FILTER_RSPAMD_CLIENT_H
#define COURIER_FILTER_RSPAMD_CLIENT_H

#include "courier/filter/filter.h"

// Blocks. On an error the filter is away; its words are in *out. https_init (curl's start)
// has been called.
enum err rspamd_client_run(const struct filter *f, const struct filter_message *m,
                           const struct filter_limits *limits, struct filter_result *out);

#endif
