// SPDX-License-Identifier: Apache-2.0
//
// RETR and TOP: the message goes out in bounded steps. Each step opens a view, copies a batch and
// closes it, so a client that reads slowly costs a buffer and nothing else.
#include "base/log.h"
#include "keep/pop3/pop3_session_internal.h"

#include "base/banned.h"

#define PIECE_BYTES (16u << 10)

static enum pop3_step retrieve_step(struct pop3_session *s);

static enum err find_message(struct pop3_session *s, uint32_t index)
{
    struct view *v;
    enum err e = view_open(s->server->store, s->account, &v);

    if (e) {
        return e;
    }
    e = pop3_list_find(v, &s->list, index, &s->body);
    view_close(v);
    return e;
}

enum pop3_step pop3_retrieve_begin(struct pop3_session *s)
{
    struct pop3_item *item = pop3_message_of(s);

    if (!item) {
        return POP3_STEP_DONE;
    }
    enum err e = find_message(s, s->command.number - 1);

    if (e == ERR_NOT_FOUND) {
        pop3_say_err(s, NULL, "Another program has removed that message meanwhile");
        return POP3_STEP_DONE;
    }
    if (e) {
        return pop3_say_failure(s, e);
    }
    s->offset = 0;
    dot_writer_init(&s->writer, DOT_MEND);
    pop3_top_begin(&s->top, s->command.lines);
    if (s->command.id == POP3_TOP) {
        pop3_say_ok(s, "The top follows");
    } else {
        buf_printf(s->out, "+OK %llu octets\r\n", (unsigned long long)item->bytes);
    }
    s->step = retrieve_step;
    return POP3_STEP_MORE;
}

// One piece; ERR_EOF: that was the last.
static enum err send_piece(struct pop3_session *s, struct view *v, struct buf *piece)
{
    buf_clear(piece);
    enum err e = body_read(view_snapshot(v), s->body, s->offset, PIECE_BYTES, piece);

    if (e) {
        return e;
    }
    struct span text = buf_span(piece);

    s->offset += text.n;
    if (s->command.id == POP3_TOP) {
        text = pop3_top_take(&s->top, text);
    }
    session_meter_add(&s->meter, text.n);
    e = dot_write(&s->writer, text, s->out);
    return e ? e : piece->n < PIECE_BYTES || s->top.done ? ERR_EOF : ERR_OK;
}

static enum err send_batch(struct pop3_session *s)
{
    size_t end = s->out->n + POP3_BATCH_BYTES;
    struct buf piece;
    struct view *v;
    enum err e = view_open(s->server->store, s->account, &v);

    if (e) {
        return e;
    }
    buf_init(&piece, PIECE_BYTES);
    while (!e && s->out->n < end) {
        e = send_piece(s, v, &piece);
    }
    buf_finish(&piece);
    view_close(v);
    return e;
}

static enum pop3_step retrieve_step(struct pop3_session *s)
{
    enum err e = send_batch(s);

    if (e == ERR_OK) {
        return POP3_STEP_MORE;
    }
    if (e != ERR_EOF) {
        log_error("pop3: %s: a message could not be read: %s", s->user, err_name(e));
        return POP3_STEP_CLOSE; // half a message must not look whole
    }
    dot_write_end(&s->writer, s->out);
    if (session_meter_is_full(&s->meter)) {
        pop3_meter_tell(s);
    }
    if (s->command.id == POP3_RETR) {
        s->list.items[s->command.number - 1].marks |= POP3_RETRIEVED;
    }
    return POP3_STEP_DONE;
}
