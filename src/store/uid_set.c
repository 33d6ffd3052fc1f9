// SPDX-License-Identifier: Apache-2.0
//
// Sets of UIDs: built in ascending order, asked in ascending order. Pure.
#include "store/chunk_internal.h"

#include "base/banned.h"

static struct uid_range every_uid[] = {{1, UINT32_MAX}};
const struct uid_set uid_set_all = {every_uid, 1};

void uid_builder_init(struct uid_builder *b, struct arena *a)
{
    *b = (struct uid_builder){.arena = a};
}

static bool builder_grow(struct uid_builder *b)
{
    size_t cap = b->cap ? b->cap * 2 : 8;
    struct uid_range *ranges = arena_alloc(b->arena, cap * sizeof(*ranges));

    if (!ranges) {
        b->failed = true;
        return false;
    }
    if (b->set.count) {
        memcpy(ranges, b->set.ranges, b->set.count * sizeof(*ranges));
    }
    b->set.ranges = ranges;
    b->cap = cap;
    return true;
}

void uid_builder_add(struct uid_builder *b, uint32_t first, uint32_t last)
{
    b->uids += (uint64_t)last - first + 1;
    if (b->set.count && b->set.ranges[b->set.count - 1].last + 1 == first) {
        b->set.ranges[b->set.count - 1].last = last;
        return;
    }
    if (b->set.count == b->cap && !builder_grow(b)) {
        return;
    }
    b->set.ranges[b->set.count++] = (struct uid_range){first, last};
}

enum err uid_builder_finish(struct uid_builder *b, struct uid_set *out)
{
    if (b->failed) {
        return ERR_NOMEM;
    }
    *out = b->set;
    return ERR_OK;
}

bool uid_cursor_has(struct uid_cursor *c, uint32_t uid)
{
    if (!c->set) {
        return true;
    }
    while (c->at < c->set->count && c->set->ranges[c->at].last < uid) {
        c->at++;
    }
    return c->at < c->set->count && c->set->ranges[c->at].first <= uid;
}
