// SPDX-License-Identifier: Apache-2.0
//
// Setting an account's limits. What is used is counted by whoever places messages (placement.c).
#include "store/quota.h"

#include "store/store_internal.h"

#include "base/banned.h"

struct quota_args {
    uint64_t bytes_max, messages_max;
};

static void limit_put(struct buf *b, uint64_t max, const char *unit)
{
    if (max == UINT64_MAX) {
        buf_printf(b, "no limit in %s", unit);
    } else {
        buf_printf(b, "%llu %s", (unsigned long long)max, unit);
    }
}

static void quota_words(struct buf *b, uint64_t bytes_max, uint64_t messages_max)
{
    limit_put(b, bytes_max, "bytes");
    buf_put_str(b, ", ");
    limit_put(b, messages_max, "messages");
}

static enum err quota_edit(struct edit *ed, void *arg)
{
    const struct quota_args *a = arg;
    struct header *h = &ed->header;
    struct buf before, after;
    struct change c = {.kind = CHANGE_QUOTA};

    if (h->bytes_max == a->bytes_max && h->messages_max == a->messages_max) {
        return ERR_OK;
    }
    buf_init(&before, 256);
    buf_init(&after, 256);
    quota_words(&before, h->bytes_max, h->messages_max);
    quota_words(&after, a->bytes_max, a->messages_max);
    h->bytes_max = a->bytes_max;
    h->messages_max = a->messages_max;
    c.before = buf_span(&before);
    c.after = buf_span(&after);
    enum err e = change_put(ed, &c);

    buf_finish(&before);
    buf_finish(&after);
    return e;
}

enum err quota_set(struct store *s, account_id account, const struct actor *by, uint64_t bytes_max,
                   uint64_t messages_max)
{
    struct quota_args a = {.bytes_max = bytes_max, .messages_max = messages_max};

    return store_edit(s, account, by, quota_edit, &a, NULL);
}
