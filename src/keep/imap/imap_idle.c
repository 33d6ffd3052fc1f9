// SPDX-License-Identifier: Apache-2.0
//
// IDLE (RFC 2177, RFC 9051 section 6.3.13): the session waits, and is woken by the store's watcher
// when the account changes.
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

#define DONE_LINE_MAX 64

static enum imap_step idle_begin(struct imap_session *s)
{
    if (imap_input_release(s)) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    OUT(s, "+ idling\r\n");
    s->state = s; // begun
    atomic_store(&s->is_watching, true);
    return STEP_MORE;
}

static enum imap_step idle_line(struct imap_session *s, const struct imap_frame *f)
{
    bool is_done = f->kind == IMAP_FRAME_LINE && span_eq_nocase(f->text, SPAN("DONE"));

    if (f->kind == IMAP_FRAME_TOO_LONG) {
        OUT(s, "* BYE The line is too long\r\n");
        return STEP_CLOSE;
    }
    imap_input_consume(s, f->bytes);
    if (f->kind == IMAP_FRAME_LINE && !f->text.n) { // some programs send one behind IDLE
        return STEP_MORE;
    }
    atomic_store(&s->is_watching, s->notify != NULL);
    return is_done ? imap_answer_ok(s, "IDLE completed")
                   : imap_answer_bad(s, "Expected DONE to end IDLE");
}

enum imap_step imap_run_idle(struct imap_session *s)
{
    struct imap_frame f;

    if (!s->state) {
        return idle_begin(s);
    }
    // Cleared before looking, so that a change after the look wakes the session again.
    atomic_store(&s->was_woken, false);
    enum imap_step step = imap_tell(s, TELL_ALL);

    if (step != STEP_DONE) {
        return step;
    }
    if (s->selected && s->selected->is_gone) {
        OUT(s, "* BYE The selected mailbox was deleted\r\n");
        return STEP_CLOSE;
    }
    enum err e = imap_input_frame(s, DONE_LINE_MAX, &f);

    if (e == ERR_AGAIN) {
        imap_wait_lightly(s);
        return STEP_INPUT;
    }
    return e ? STEP_CLOSE : idle_line(s, &f);
}
