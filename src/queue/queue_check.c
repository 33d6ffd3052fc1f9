// SPDX-License-Identifier: Apache-2.0
//
// Recounts the queue and names each difference, for `mailkeep check`: messages and their
// recipients, the keys they are found by when due, the counts, the bodies.
#include "base/log.h"
#include "base/problems.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

#define BODY_STEP_BYTES (1u << 20)

struct check {
    struct snapshot *snapshot;
    unsigned shard;
    bool read_bodies;
    struct queue_shard_counts counted;
    struct problems problems;
};

// ---- messages -----------------------------------------------------------------------------------

static enum err read_body(struct check *c, body_id id, uint64_t bytes)
{
    struct buf part;
    enum err e = ERR_OK;

    buf_init(&part, BODY_STEP_BYTES);
    for (uint64_t at = 0; at < bytes && e == ERR_OK; at += BODY_STEP_BYTES) {
        buf_clear(&part);
        e = body_read(c->snapshot, id, at, BODY_STEP_BYTES, &part);
    }
    buf_finish(&part);
    return e;
}

static enum err check_body(struct check *c, const struct queue_message *m)
{
    struct body_info info;
    struct queue_id_text id = queue_id_text(m->id);
    enum err e = body_info(c->snapshot, m->body, &info);

    if (e == ERR_OK && info.bytes != m->body_bytes) {
        problems_add(&c->problems, "message %s of the queue has %llu bytes, its body %llu", id.s,
                     (unsigned long long)m->body_bytes, (unsigned long long)info.bytes);
    }
    if (e == ERR_OK && c->read_bodies) {
        e = read_body(c, m->body, info.bytes);
    }
    if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
        problems_add(
            &c->problems,
            "message %s of the queue, from <%s>, has lost its text; `mailkeep queue remove "
            "%s --notify` tells its sender",
            id.s, log_text(m->sender).s, id.s);
        e = ERR_OK;
    }
    return e;
}

static enum err count_one(void *arg, const struct queue_recipient *r)
{
    (void)r;
    ++*(uint32_t *)arg;
    return ERR_OK;
}

static enum err check_message(struct check *c, struct span key, struct span value)
{
    struct queue_message m;
    queue_id id;
    uint32_t recipients = 0;

    c->counted.messages++;
    if (!queue_key_read_id(key, &id) || queue_message_decode(id, value, &m) != ERR_OK) {
        problems_add(&c->problems, "a message of the queue cannot be read");
        return ERR_OK;
    }
    struct queue_id_text name = queue_id_text(id);
    enum err e = queue_each_recipient(c->snapshot, id, count_one, &recipients);

    if (queue_shard_of(id) != c->shard) {
        problems_add(&c->problems, "message %s of the queue is filed in another shard", name.s);
    }
    if (e == ERR_OK && (recipients == 0 || recipients != m.recipients)) {
        problems_add(&c->problems, "message %s of the queue has %u recipients left, counted %u",
                     name.s, m.recipients, recipients);
    }
    return e == ERR_OK || e == ERR_CORRUPT ? check_body(c, &m) : e;
}

// ---- recipients ---------------------------------------------------------------------------------

static enum err check_recipient(struct check *c, struct span key, struct span value)
{
    struct queue_recipient r;
    struct span found;
    queue_id id;
    uint32_t number;

    c->counted.recipients++;
    if (!queue_key_read_recipient(key, &id, &number) ||
        queue_recipient_decode(number, value, &r) != ERR_OK) {
        problems_add(&c->problems, "a recipient of the queue cannot be read");
        return ERR_OK;
    }
    struct queue_id_text name = queue_id_text(id);
    struct queue_key message = queue_key_id(QUEUE_KEY_MESSAGE, id),
                     due = queue_key_due(r.destination, r.due_ms, id, number);
    account_id account = queue_shard_account(c->shard);
    enum err e = snapshot_get(c->snapshot, account, queue_key_span(&message), &found);

    if (e == ERR_NOT_FOUND) {
        problems_add(&c->problems, "recipient <%s> of the queue has no message %s",
                     log_text(r.address).s, name.s);
    }
    if (r.state == QUEUE_WAITING && (e == ERR_OK || e == ERR_NOT_FOUND)) {
        e = snapshot_get(c->snapshot, account, queue_key_span(&due), &found);
        if (e == ERR_NOT_FOUND) {
            problems_add(
                &c->problems,
                "message %s of the queue is never tried for <%s>; `mailkeep queue hold %s` "
                "and `mailkeep queue release %s` put that right",
                name.s, log_text(r.address).s, name.s, name.s);
        }
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_due(struct check *c, struct span key, struct span value)
{
    struct queue_due due;
    struct queue_recipient r;
    enum err e = ERR_NOT_FOUND;

    if (value.n != 1 || value.p[0] != QUEUE_SCHEMA_VERSION || !queue_due_read(key, &due)) {
        problems_add(&c->problems, "a due key of the queue cannot be read");
        return ERR_OK;
    }
    e = queue_get_recipient(c->snapshot, c->shard, due.id, due.number, &r);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && (r.state != QUEUE_WAITING || r.due_ms != due.due_ms ||
                                               !span_eq(r.destination, due.destination)))) {
        problems_add(&c->problems, "a due key of the queue, for %s, leads to nobody who waits",
                     log_text(due.destination).s);
    }
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e;
}

// ---- the rest -----------------------------------------------------------------------------------

static enum err check_notice(struct check *c, struct span key, struct span value)
{
    struct queue_key message;
    struct span found;
    queue_id id;

    if (value.n != 1 || value.p[0] != QUEUE_SCHEMA_VERSION || !queue_key_read_id(key, &id)) {
        problems_add(&c->problems, "a notice of the queue cannot be read");
        return ERR_OK;
    }
    message = queue_key_id(QUEUE_KEY_MESSAGE, id);
    enum err e =
        snapshot_get(c->snapshot, queue_shard_account(c->shard), queue_key_span(&message), &found);

    if (e == ERR_NOT_FOUND) {
        problems_add(&c->problems,
                     "a notice of the queue is owed for message %s, which is not there",
                     queue_id_text(id).s);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_crashes(struct check *c, struct span key, struct span value)
{
    struct queue_message m;
    queue_id id;
    uint32_t n;

    if (!queue_key_read_id(key, &id) || queue_crashes_decode(value, &n) != ERR_OK) {
        problems_add(&c->problems, "a count of crashes in the queue cannot be read");
        return ERR_OK;
    }
    enum err e = queue_get_message(c->snapshot, c->shard, id, &m);

    if (e == ERR_NOT_FOUND) {
        problems_add(&c->problems, "crashes are counted for message %s, which is not there",
                     queue_id_text(id).s);
    }
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT || e == ERR_UNSUPPORTED ? ERR_OK : e;
}

// What was taken in once: `o` and `u` name each other.
static enum err check_pair(struct check *c, const struct queue_key *other, bool *out_is_there)
{
    struct span found;
    enum err e =
        snapshot_get(c->snapshot, queue_shard_account(c->shard), queue_key_span(other), &found);

    *out_is_there = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_once(struct check *c, struct span key, struct span value)
{
    struct span once = span_skip(key, 1);
    int64_t until;
    bool is_there = false;

    if (once.n != QUEUE_ONCE_BYTES || queue_until_decode(value, &until) != ERR_OK) {
        problems_add(&c->problems, "a message that the queue knows cannot be read");
        return ERR_OK;
    }
    struct queue_key u = queue_key_until(until, once);
    enum err e = check_pair(c, &u, &is_there);

    if (e == ERR_OK && (!is_there || queue_once_shard(once) != c->shard)) {
        problems_add(&c->problems, "a message that the queue knows is never forgotten, or is "
                                   "filed in another shard");
    }
    return e;
}

static enum err check_until(struct check *c, struct span key, struct span value)
{
    struct queue_key o;
    struct span once;
    int64_t until;
    bool is_there = false;

    if (value.n != 1 || value.p[0] != QUEUE_SCHEMA_VERSION ||
        !queue_until_read(key, &until, &once)) {
        problems_add(&c->problems, "when the queue forgets a message cannot be read");
        return ERR_OK;
    }
    o = queue_key_once(once);
    enum err e = check_pair(c, &o, &is_there);

    if (e == ERR_OK && !is_there) {
        problems_add(&c->problems, "the queue is to forget a message that it does not know");
    }
    return e;
}

static enum err check_key(struct check *c, struct span key, struct span value)
{
    struct span reason;
    int64_t since;

    switch (key.n ? key.p[0] : 0) {
    case QUEUE_KEY_MESSAGE:
        return check_message(c, key, value);
    case QUEUE_KEY_RECIPIENT:
        return check_recipient(c, key, value);
    case QUEUE_KEY_DUE:
        return check_due(c, key, value);
    case QUEUE_KEY_NOTICE:
        return check_notice(c, key, value);
    case QUEUE_KEY_CRASHES:
        return check_crashes(c, key, value);
    case QUEUE_KEY_ONCE:
        return check_once(c, key, value);
    case QUEUE_KEY_UNTIL:
        return check_until(c, key, value);
    case QUEUE_KEY_COUNTS:
        return ERR_OK; // when all is counted
    case QUEUE_KEY_PAUSE:
        if (c->shard != 0 || queue_pause_decode(value, &since, &reason) != ERR_OK) {
            problems_add(&c->problems, "a destination on hold cannot be read");
        }
        return ERR_OK;
    default:
        problems_add(&c->problems, "the queue has a key of an unknown kind (byte %d)",
                     key.n ? (unsigned char)key.p[0] : -1);
        return ERR_OK;
    }
}

static enum err check_counts(struct check *c)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_COUNTS);
    struct queue_shard_counts noted = {0};
    struct span value;
    enum err e =
        snapshot_get(c->snapshot, queue_shard_account(c->shard), queue_key_span(&k), &value);

    if (e == ERR_OK) {
        e = queue_counts_decode(value, &noted);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_CORRUPT && e != ERR_UNSUPPORTED) {
        return e;
    }
    if (noted.messages != c->counted.messages || noted.recipients != c->counted.recipients) {
        problems_add(
            &c->problems,
            "shard %u of the queue has %llu messages for %llu recipients, counted %llu for "
            "%llu",
            c->shard, (unsigned long long)noted.messages, (unsigned long long)noted.recipients,
            (unsigned long long)c->counted.messages, (unsigned long long)c->counted.recipients);
    }
    return ERR_OK;
}

static enum err check_shard(struct check *c)
{
    struct scan *scan;
    struct span key, value;
    enum err e =
        scan_open(c->snapshot, queue_shard_account(c->shard), SPAN(""), SPAN(""), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = check_key(c, key, value);
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? check_counts(c) : e;
}

enum err queue_check(struct engine *engine, bool read_bodies, queue_problem_fn *fn, void *arg,
                     uint64_t *out_problems)
{
    struct check c = {.read_bodies = read_bodies, .problems = {fn, arg, 0}};
    enum err e = snapshot_open(engine, &c.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    for (; c.shard < QUEUE_SHARDS && e == ERR_OK; c.shard++) {
        c.counted = (struct queue_shard_counts){0};
        e = check_shard(&c);
    }
    snapshot_close(c.snapshot);
    if (e == ERR_OK) {
        *out_problems = c.problems.n;
    }
    return e;
}
