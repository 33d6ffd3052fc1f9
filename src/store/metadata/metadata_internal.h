// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/metadata/ do for each other.
#ifndef STORE_METADATA_INTERNAL_H
#define STORE_METADATA_INTERNAL_H

#include "store/belongings_internal.h"
#include "store/metadata/metadata.h"

// `v` owner u64, mailbox u32, name in lower case; without a name the start of a mailbox's rows.
struct key metadata_key(struct metadata_where where, struct span name);

#endif
