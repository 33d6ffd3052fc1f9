// SPDX-License-Identifier: Apache-2.0
//
// Every key and value of the queue, as bytes and as structs (docs/format/queue.md). Pure; any
// thread. Only queue/ includes this.
#ifndef QUEUE_QUEUE_SCHEMA_INTERNAL_H
#define QUEUE_QUEUE_SCHEMA_INTERNAL_H

#include "base/pack.h"
#include "queue/queue.h"

#define QUEUE_SHARDS         8
#define QUEUE_SCHEMA_VERSION 1
#define QUEUE_TEXT_BYTES_MAX 1024 // message-id, device, origin, host, reason

enum queue_key_kind {
    QUEUE_KEY_COUNTS = 'h',
    QUEUE_KEY_MESSAGE = 'q',
    QUEUE_KEY_RECIPIENT = 'r',
    QUEUE_KEY_DUE = 'd',
    QUEUE_KEY_NOTICE = 'n',
    QUEUE_KEY_PAUSE = 'p',
    QUEUE_KEY_CRASHES = 'x',
    QUEUE_KEY_ONCE = 'o',
    QUEUE_KEY_UNTIL = 'u',
};

struct queue_key {
    size_t n;
    char p[300];
};
static inline struct span queue_key_span(const struct queue_key *k)
{
    return span_of(k->p, k->n);
}
struct queue_key queue_key_plain(enum queue_key_kind kind);
struct queue_key queue_key_id(enum queue_key_kind kind, queue_id id); // q, n, x, start of r
struct queue_key queue_key_recipient(queue_id id, uint32_t number);
// A due key, or where they start for a destination (due 0, id 0).
struct queue_key queue_key_due(struct span destination, int64_t due_ms, queue_id id,
                               uint32_t number);
struct queue_key queue_key_pause(struct span destination);
// `once` has QUEUE_ONCE_BYTES.
struct queue_key queue_key_once(struct span once);
struct queue_key queue_key_until(int64_t until_ms, struct span once);
bool queue_until_read(struct span key, int64_t *out_until_ms, struct span *out_once);
// The first key after all those that start with this one.
struct queue_key queue_key_after(struct queue_key k);

struct queue_due {
    struct span destination; // points into the key
    int64_t due_ms;
    queue_id id;
    uint32_t number;
};
bool queue_due_read(struct span key, struct queue_due *out);
bool queue_key_read_id(struct span key, queue_id *out);
bool queue_key_read_recipient(struct span key, queue_id *out, uint32_t *out_number);

// Values. Encoding gives ERR_LIMIT for a text that is too long; decoded spans point into the value.
#define QUEUE_MESSAGE_BYTES_MAX   (QUEUE_PREFIX_BYTES_MAX + 8 * QUEUE_TEXT_BYTES_MAX)
#define QUEUE_RECIPIENT_BYTES_MAX (6 * QUEUE_TEXT_BYTES_MAX)
enum err queue_message_encode(const struct queue_message *m, char *room, struct span *out);
enum err queue_message_decode(queue_id id, struct span value, struct queue_message *out);
enum err queue_recipient_encode(const struct queue_recipient *r, char *room, struct span *out);
enum err queue_recipient_decode(uint32_t number, struct span value, struct queue_recipient *out);

struct queue_shard_counts {
    uint64_t messages, recipients;
};
#define QUEUE_COUNTS_BYTES_MAX 32
struct span queue_counts_encode(const struct queue_shard_counts *c, char *room);
enum err queue_counts_decode(struct span value, struct queue_shard_counts *out);

#define QUEUE_PAUSE_BYTES_MAX (QUEUE_TEXT_BYTES_MAX + 32)
struct span queue_pause_encode(int64_t since_ms, struct span reason, char *room);
enum err queue_pause_decode(struct span value, int64_t *out_since_ms, struct span *out_reason);

#define QUEUE_CRASHES_BYTES_MAX 16
struct span queue_crashes_encode(uint32_t n, char *room);
enum err queue_crashes_decode(struct span value, uint32_t *out);

#define QUEUE_UNTIL_BYTES_MAX 16
struct span queue_until_encode(int64_t until_ms, char *room);
enum err queue_until_decode(struct span value, int64_t *out_ms);

#endif
