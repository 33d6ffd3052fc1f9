// SPDX-License-Identifier: Apache-2.0
//
// What rspamd answers to /checkv2: JSON. Pure; any thread.
#ifndef COURIER_FILTER_RSPAMD_ANSWER_H
#define COURIER_FILTER_RSPAMD_ANSWER_H

#include "courier/filter/filter.h"

#define RSPAMD_ANSWER_BYTES_MAX (1u << 20)

// The action, the new subject, X-Spam fields and those that rspamd's milter_headers module wants.
// ERR_INVALID: no such answer.
enum err rspamd_answer_read(struct span json, const struct filter *f, struct filter_result *out);

#endif
