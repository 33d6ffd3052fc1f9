// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_recent.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"

#include "base/banned.h"

#define MAILBOXES_MAX 200000 // beyond it the table starts anew; nothing but \Recent is lost
#define KEY_BYTES     12

struct imap_recent {
    struct lock lock;
    struct map first; // account and mailbox -> first UID not told of, as a pointer's value
    int64_t started;  // seconds since 1970
};

enum err imap_recent_create(struct imap_recent **out)
{
    struct imap_recent *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    lock_init(&r->lock, LOCK_LEAF);
    map_init(&r->first);
    r->started = clock_real_s();
    *out = r;
    return ERR_OK;
}

void imap_recent_destroy(struct imap_recent *r)
{
    if (r) {
        map_finish(&r->first);
        lock_finish(&r->lock);
        free(r);
    }
}

// The first UID at or above `from` that was saved since the start, and whether the one at `from`
// (or the first after it) was.
static uint32_t first_saved_since(const struct imap_recent *r, struct view *v, mailbox_id mailbox,
                                  uint32_t from, uint32_t uid_next, bool *out_all)
{
    struct placement_scan *scan;
    struct placement p;
    uint32_t found = uid_next;
    bool all = true;

    if (placement_scan_open(v, mailbox, from, UINT32_MAX, 0, &scan)) {
        *out_all = false;
        return uid_next;
    }
    while (!placement_next(scan, &p)) {
        if (p.saved < r->started) {
            all = false;
            found = uid_next;
        } else if (found == uid_next) {
            found = p.uid;
        }
    }
    placement_scan_close(scan);
    *out_all = all;
    return found;
}

// Looks back from the end in growing steps, so that the cost goes with what is new.
static uint32_t guess_first(const struct imap_recent *r, struct view *v, mailbox_id mailbox,
                            uint32_t uid_next)
{
    uint32_t window = 64, first;
    bool all;

    for (;;) {
        uint32_t from = uid_next > window ? uid_next - window : 1;

        first = first_saved_since(r, v, mailbox, from, uid_next, &all);
        if (!all || from == 1) {
            return first;
        }
        window = window > UINT32_MAX / 4 ? UINT32_MAX : window * 4;
    }
}

static struct span table_key(char *bytes, struct view *v, mailbox_id mailbox)
{
    put_be64(bytes, view_account(v));
    put_be32(bytes + 8, mailbox);
    return span_of(bytes, KEY_BYTES);
}

static void table_put(struct imap_recent *r, struct span key, uint32_t uid)
{
    if (r->first.n >= MAILBOXES_MAX) {
        map_finish(&r->first);
        map_init(&r->first);
    }
    map_put(&r->first, key, (void *)(uintptr_t)uid, NULL); // without memory: \Recent twice
}

uint32_t imap_recent_first(struct imap_recent *r, struct view *v, mailbox_id mailbox,
                           uint32_t uid_next, bool take)
{
    char bytes[KEY_BYTES];
    struct span key = table_key(bytes, v, mailbox);

    lock_take(&r->lock);
    uint32_t first = (uint32_t)(uintptr_t)map_get(&r->first, key);

    lock_release(&r->lock);
    if (!first) {
        first = guess_first(r, v, mailbox, uid_next);
    }
    lock_take(&r->lock);
    uint32_t now = (uint32_t)(uintptr_t)map_get(&r->first, key);

    first = now > first ? now : first; // another session was quicker
    if (take || !now) {
        uint32_t put = take && uid_next > first ? uid_next : first;

        table_put(r, key, put ? put : 1);
    }
    lock_release(&r->lock);
    return first < uid_next ? first : uid_next;
}
