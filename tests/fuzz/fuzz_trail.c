// SPDX-License-Identifier: Apache-2.0
//
// An event of the trail as it may stand on a disk: read, found by something, written again and read
// as the same.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "trail/trail_schema_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct trail_event *a, const struct trail_event *b)
{
    bool same = a->kind == b->kind && a->when_ms == b->when_ms && a->account == b->account &&
                a->queue == b->queue && a->other == b->other && a->number == b->number &&
                a->next_ms == b->next_ms && a->is_junk == b->is_junk &&
                a->recipient_count == b->recipient_count;

    for (unsigned i = 0; i < TRAIL_WHATS && same; i++) {
        same = (a->texts[i].p == NULL) == (b->texts[i].p == NULL);
    }
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trail_found first, again;
    uint64_t hashes[TRAIL_HASHES_MAX];

    if (trail_event_decode(span_of(data, size), &first) != ERR_OK) {
        return 0;
    }
    size_t n = trail_hashes(&first.is, hashes), bound = trail_event_bound(&first.is);
    char *room = malloc(bound);

    if (!room) {
        return 0;
    }
    struct span value = trail_event_encode(&first.is, room);

    ASSERT(n <= TRAIL_HASHES_MAX && value.n <= bound);
    ASSERT(trail_event_decode(value, &again) == ERR_OK && is_same(&first.is, &again.is));
    free(room);
    return 0;
}
