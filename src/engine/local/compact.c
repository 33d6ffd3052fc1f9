// SPDX-License-Identifier: Apache-2.0
#include "engine/local/compact_internal.h"

#include "base/banned.h"

void *compact_run(void *engine)
{
    struct local_engine *e = engine;

    lock_take(&e->state_lock);
    while (!e->compact_stop) {
        lock_cond_wait(&e->state_changed, &e->state_lock, -1);
    }
    lock_release(&e->state_lock);
    return NULL;
}
