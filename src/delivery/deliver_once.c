// SPDX-License-Identifier: Apache-2.0
//
// The same once more. When a client did not hear that its message was taken, because the reply was
// lost or we ended between two commits, it sends it again (RFC 1047); what is tried from the queue
// begins anew after a crash. Each mailbox remembers what was delivered to it, and the queue what
// was put into it, so that a second time nothing of it is done twice, whatever the first left
// undone.
#include <xxhash.h>

#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define MESSAGE_ID_MAX 1000
#define ONCE_BYTES_MAX 4096

// Appends what tells the message from others: what the queue is told of it, or all that the client
// sent. Without Message-ID the same bytes twice may be two messages. False: nothing does.
static bool put_message(struct run *r, struct buf *out)
{
    struct span id = mime_header_get(r->message->header, SPAN("Message-ID"));

    if (r->env->once.n) {
        buf_put(out, r->env->once);
        return true;
    }
    if (!r->has_digest || id.n == 0 || r->is_retry || r->env->is_ours) {
        return false;
    }
    buf_put(out, span_of(r->digest, sizeof(r->digest)));
    buf_put(out, r->env->sender);
    buf_put_byte(out, ' ');
    buf_put(out, span_first(id, MESSAGE_ID_MAX));
    return true;
}

// Into a digest whose seed nobody outside knows: one part of what tells a thing.
static void add(XXH3_state_t *s, struct span part)
{
    uint64_t n = part.n;

    XXH3_128bits_update(s, &n, sizeof(n)); // so that no two parts look like two others
    if (part.n) {
        XXH3_128bits_update(s, part.p, part.n);
    }
}

static void finish(XXH3_state_t *s, unsigned char out[QUEUE_ONCE_BYTES])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(s));
    memcpy(out, &canonical, QUEUE_ONCE_BYTES);
}

// Sets r->same, once. Empty: the message cannot be told from others.
static enum err identify(struct run *r)
{
    XXH3_state_t *s = XXH3_createState();
    struct buf told;

    if (!s) {
        return ERR_NOMEM;
    }
    buf_init(&told, ONCE_BYTES_MAX);
    if (r->env->same.n == QUEUE_ONCE_BYTES) {
        memcpy(r->same_room, r->env->same.p, QUEUE_ONCE_BYTES);
        r->same = span_of(r->same_room, QUEUE_ONCE_BYTES);
    } else if (put_message(r, &told) && !told.failed) {
        XXH3_128bits_reset_withSeed(s, deliver_digest_seed(r));
        add(s, buf_span(&told));
        finish(s, r->same_room);
        r->same = span_of(r->same_room, QUEUE_ONCE_BYTES);
    }
    buf_finish(&told);
    XXH3_freeState(s);
    return ERR_OK;
}

static enum err need_same(struct run *r)
{
    return r->d->duplicates_s == 0 || r->same.n ? ERR_OK : identify(r);
}

// From the queue it may come at any time as long as it is tried there.
static uint32_t known_s(const struct run *r)
{
    uint32_t s = r->d->duplicates_s;
    bool is_queued = r->env->once.n || r->env->same.n;

    return is_queued && r->d->expire_s > s ? r->d->expire_s : s;
}

enum err deliver_once_here(struct run *r, struct deliver_part *p)
{
    enum err e = need_same(r);
    struct buf key;

    if (e != ERR_OK || !r->same.n) {
        return e;
    }
    buf_init(&key, ONCE_BYTES_MAX);
    buf_printf(&key, "delivered %d ", r->env->is_suspect);
    buf_put(&key, r->same);
    buf_put(&key, p->target->wanted);
    if (!key.failed) {
        p->to->once = arena_dup(&p->arena, buf_span(&key));
        p->to->once_until_s = clock_real_s() + known_s(r);
    }
    buf_finish(&key);
    return p->to->once.p ? ERR_OK : ERR_NOMEM;
}

enum err deliver_once_letter(struct run *r, const struct deliver_letter *l,
                             const struct queue_recipient *to, size_t count,
                             unsigned char room[QUEUE_ONCE_BYTES], struct queue_message *m)
{
    enum err e = l->why ? need_same(r) : ERR_OK;

    m->once = m->same = SPAN("");
    if (e != ERR_OK || !l->why || !r->same.n) {
        return e;
    }
    XXH3_state_t *s = XXH3_createState();

    if (!s) {
        return ERR_NOMEM;
    }
    XXH3_128bits_reset_withSeed(s, deliver_digest_seed(r));
    add(s, r->same);
    add(s, span_from_str(l->why));
    add(s, span_of(&l->nth, sizeof(l->nth)));
    add(s, l->forwarder);
    for (size_t i = 0; i < count; i++) {
        char state = (char)to[i].state;

        add(s, span_of(&state, 1));
        add(s, to[i].address);
        add(s, to[i].destination);
    }
    finish(s, room);
    XXH3_freeState(s);
    m->once = span_of(room, QUEUE_ONCE_BYTES);
    m->once_until_ms = clock_real_ms() + (int64_t)known_s(r) * 1000;
    if (l->is_itself) {
        m->same = r->same;
    }
    return ERR_OK;
}
