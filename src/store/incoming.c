// SPDX-License-Identifier: Apache-2.0
//
// A message being received: its bytes go to the engine and through the MIME reader at once, so that
// it is never whole in memory.
#include <stdlib.h>

#include "base/log.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"
#include "mime/mime_reader.h"
#include "mime/mime_summary.h"
#include "store/append.h"
#include "store/sent_internal.h"

#include "base/banned.h"

enum err incoming_begin(struct store *s, struct incoming **out)
{
    struct incoming *m = calloc(1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    m->store = s;
    m->bytes_max = atomic_load(&s->message_bytes_max);
    enum err e = mime_reader_create(NULL, &m->reader);

    e = e != ERR_OK ? e : body_begin(s->engine, &m->writer);
    if (e != ERR_OK) {
        incoming_destroy(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

enum err incoming_write(struct incoming *m, struct span bytes)
{
    ASSERT(!m->is_finished);
    if (m->failed != ERR_OK) {
        return m->failed;
    }
    if (bytes.n > m->bytes_max - m->bytes) {
        m->failed = ERR_LIMIT;
        return ERR_LIMIT;
    }
    m->bytes += bytes.n;
    m->failed = body_write(m->writer, bytes);
    if (m->failed == ERR_OK) {
        m->failed = mime_reader_feed(m->reader, bytes);
    }
    return m->failed;
}

// Without memory the message comes without keys: they are made when they are asked for.
static void sort_keys_take(struct incoming *m, struct span header)
{
    struct buf keys;

    buf_init(&keys, SORT_KEYS_BYTES_MAX);
    sort_keys_pack(&keys, header);
    if (!keys.failed) {
        memcpy(m->sort_keys, keys.p, keys.n);
        m->sort_key_bytes = keys.n;
    }
    buf_finish(&keys);
}

// What the store itself wants to know of a message.
static void facts_take(struct incoming *m, const struct mime_message *message)
{
    struct span header = message->part_count ? message->parts[0].header : SPAN("");
    struct mime_date date;

    m->has_sent = mime_date_parse(mime_header_get(header, SPAN("Date")), &date);
    if (m->has_sent) {
        m->sent = date.unix_seconds;
    }
    m->thread_key_count = thread_keys_of(header, m->thread_keys);
    m->sent_id_bytes = sent_id_of(header, m->sent_id);
    sort_keys_take(m, header);
}

enum err incoming_finish(struct incoming *m)
{
    struct arena arena;
    struct buf summary;
    struct mime_message message;

    ASSERT(!m->is_finished);
    if (m->failed != ERR_OK) {
        return m->failed;
    }
    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    buf_init(&summary, MIME_SUMMARY_BYTES_MAX);
    enum err e = mime_reader_finish(m->reader, &arena, &message);

    e = e != ERR_OK ? e : mime_summary_build(&summary, &message);
    if (e == ERR_OK) {
        facts_take(m, &message);
        e = body_finish(m->writer, buf_span(&summary), &m->body);
    }
    buf_finish(&summary);
    arena_finish(&arena);
    mime_reader_destroy(m->reader);
    m->reader = NULL;
    m->failed = e;
    m->is_finished = true;
    return e;
}

body_id incoming_body(const struct incoming *m)
{
    ASSERT(m->is_finished && m->failed == ERR_OK);
    return m->body;
}

uint64_t incoming_bytes(const struct incoming *m)
{
    return m->bytes;
}

void incoming_destroy(struct incoming *m)
{
    if (m) {
        mime_reader_destroy(m->reader);
        body_writer_destroy(m->writer);
        free(m);
    }
}
