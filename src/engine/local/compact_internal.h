// SPDX-License-Identifier: Apache-2.0
//
// Rewriting segments and packs. See docs/format/journal.md, "Compaction".
#ifndef ENGINE_LOCAL_COMPACT_INTERNAL_H
#define ENGINE_LOCAL_COMPACT_INTERNAL_H

#include "engine/local/local_internal.h"

void *compact_run(void *engine); // the thread

#endif
