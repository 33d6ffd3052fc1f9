// SPDX-License-Identifier: Apache-2.0
//
// Between lookup.c (questions) and lookup_setup.c (libunbound's contexts).
#ifndef COURIER_DNS_LOOKUP_INTERNAL_H
#define COURIER_DNS_LOOKUP_INTERNAL_H

#include <unbound.h>

#include "courier/dns/lookup.h"

// A context of libunbound with our options; `anchor`: the text of the trust anchor, or empty for
// none. ERR_INVALID, logged.
enum err lookup_context(const struct lookup_options *o, struct span anchor, struct ub_ctx **out);
// The text of the trust anchor's file. ERR_* is logged.
enum err lookup_read_anchor(const char *path, struct buf *out);

#endif
