// SPDX-License-Identifier: Apache-2.0
//
// What tagged answers say, and the small conversions all commands share.
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/imap/imap_notify.h"
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

enum imap_step imap_answer(struct imap_session *s, enum imap_condition condition, struct span code,
                           struct span text)
{
    s->result = (struct imap_result){condition, code, text};
    return STEP_DONE;
}

enum imap_step imap_answer_ok(struct imap_session *s, const char *text)
{
    return imap_answer(s, IMAP_OK, (struct span){0}, span_from_str(text));
}

enum imap_step imap_answer_no(struct imap_session *s, const char *code, const char *text)
{
    return imap_answer(s, IMAP_NO, span_from_str(code), span_from_str(text));
}

enum imap_step imap_answer_bad(struct imap_session *s, const char *text)
{
    return imap_answer(s, IMAP_BAD, (struct span){0}, span_from_str(text));
}

enum imap_step imap_answer_err(struct imap_session *s, enum err e)
{
    static const struct {
        enum err e;
        const char *code, *text;
    } answers[] = {
        {ERR_NOT_FOUND, "NONEXISTENT", "There is no such thing"},
        {ERR_EXISTS, "ALREADYEXISTS", "The name is taken"},
        {ERR_CONFLICT, "INUSE", "Somebody else is changing this; try again"},
        {ERR_INVALID, "CANNOT", "That cannot be done"},
        {ERR_LIMIT, "LIMIT", "A limit was reached"},
        {ERR_QUOTA, "OVERQUOTA", "The quota would be exceeded"},
        {ERR_DENIED, "NOPERM", "Not allowed"},
        {ERR_NOMEM, "UNAVAILABLE", "Not enough memory now; try again later"},
        {ERR_IO, "UNAVAILABLE", "The disk failed; whether this was done is not known"},
        {ERR_NOSPACE, "UNAVAILABLE", "The disk is full; nothing was changed"},
        {ERR_CORRUPT, "CORRUPTION", "What is on disk is damaged; the operator must look at it"},
        {ERR_UNAVAILABLE, "UNAVAILABLE", "Changes are not possible now; try again later"},
        {ERR_TIMEOUT, "UNAVAILABLE", "It took too long; try again later"},
    };

    if (e == ERR_IO || e == ERR_CORRUPT) {
        log_error("imap: %s: %s failed: %s", s->user, imap_command_name(s->command.id),
                  err_name(e));
    }
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        if (answers[i].e == e) {
            return imap_answer_no(s, answers[i].code, answers[i].text);
        }
    }
    return imap_answer_no(s, "SERVERBUG", "Unexpected failure");
}

enum imap_step imap_answer_no_mailbox(struct imap_session *s, bool try_create)
{
    return imap_answer_no(s, try_create ? "TRYCREATE" : "NONEXISTENT", "There is no such mailbox");
}

// A tag with "]" would end the code: NIL stands for it (RFC 9585 section 4).
void imap_progress(struct imap_session *s, uint64_t done, uint64_t goal)
{
    int64_t now_ms = clock_monotonic_ms();
    struct span tag = s->command.tag;

    if (now_ms < s->progress_due_ms || done >= goal || goal > UINT32_MAX) {
        return;
    }
    s->progress_due_ms = now_ms + s->options.progress_ms;
    OUT(s, "* OK [INPROGRESS (");
    if (span_find_byte(tag, ']') < tag.n) {
        OUT(s, "NIL");
    } else {
        imap_write_string(s->out, tag, false);
    }
    buf_put_byte(s->out, ' ');
    buf_put_u64(s->out, done);
    buf_put_byte(s->out, ' ');
    buf_put_u64(s->out, goal);
    OUT(s, ")] Still working\r\n");
}

struct span imap_text(struct imap_session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);

    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(&s->arena, (size_t)n + 1);

    if (!p) {
        return (struct span){0};
    }
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return span_of(p, (size_t)n);
}

void *imap_state(struct imap_session *s, size_t bytes)
{
    s->state = arena_zalloc(&s->arena, 1, bytes);
    return s->state;
}

struct actor imap_actor(const struct imap_session *s)
{
    struct actor by =
        session_actor(&s->device, s->client_n ? span_of(s->client, s->client_n) : SPAN("IMAP"),
                      span_of(s->origin, s->origin_n));

    by.entries = imap_notify_entries(s);
    return by;
}

uint16_t imap_flags_to_store(uint32_t bits)
{
    return (uint16_t)((bits & IMAP_FLAG_SEEN ? FLAG_SEEN : 0) |
                      (bits & IMAP_FLAG_ANSWERED ? FLAG_ANSWERED : 0) |
                      (bits & IMAP_FLAG_FLAGGED ? FLAG_FLAGGED : 0) |
                      (bits & IMAP_FLAG_DELETED ? FLAG_DELETED : 0) |
                      (bits & IMAP_FLAG_DRAFT ? FLAG_DRAFT : 0));
}

// ---- names --------------------------------------------------------------------------------------

// The store separates levels by '/'. When clients are shown another separator the two change
// places, so that every name of one side is exactly one name of the other.
struct span imap_name_shown(struct imap_session *s, struct span name)
{
    char shown = s->options.separator;
    struct span copy = shown == '/' ? name : arena_dup(&s->arena, name);

    if (shown == '/' || !copy.p) {
        return copy;
    }
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n; i++) {
        p[i] = p[i] == shown ? '/' : p[i] == '/' ? shown : p[i];
    }
    return copy;
}

enum err imap_name_in(struct imap_session *s, struct span wire, struct span *out,
                      const char **out_why)
{
    struct span name = imap_name_shown(s, wire);

    *out_why = "no memory";
    return name.p ? mailbox_name_check(&s->arena, name, out, out_why) : ERR_NOMEM;
}

void imap_name_out(struct imap_session *s, struct span name)
{
    imap_write_mailbox(s->out, imap_name_shown(s, name), imap_is_utf8(s));
}
