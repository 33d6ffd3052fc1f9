// SPDX-License-Identifier: Apache-2.0
//
// Parts of the message: extracttext, replace and enclose (RFC 5703 section 5 to 7).
#include <stdlib.h>

#include "base/encode.h"
#include "mime/mime_date.h"
#include "mime/mime_text.h"
#include "sieve/sieve_mail.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define LINE_MAX_TEXT 900
#define DEPTH_PARTS   128

// The text of a text part, at most `max` bytes; nothing for other parts.
static void put_text(struct run *r, const struct loop *loop, struct buf *out)
{
    struct mime_text *text;
    struct span body = sieve_mail_part_body(loop->mail, loop->part);

    if (loop->part->kind != MIME_TEXT) {
        return;
    }
    body = span_first(body, SIEVE_VALUE_BYTES_MAX * 8); // enough for any encoding
    if (!sieve_spend(r, body.n)) {
        return;
    }
    if (mime_text_create(loop->part, &text) != ERR_OK) {
        r->error = ERR_NOMEM;
        return;
    }
    mime_text_feed(text, out, body);
    mime_text_finish(text, out);
    mime_text_destroy(text);
}

static struct span first_characters(struct span s, uint64_t n)
{
    size_t at = 0;

    while (at < s.n) {
        if (((unsigned char)s.p[at] & 0xc0) != 0x80 && n-- == 0) {
            break;
        }
        at++;
    }
    return span_first(s, at);
}

void sieve_act_extracttext(struct run *r, const struct sieve_call *call)
{
    const struct sieve_arg *first = sieve_call_tag(call, TAG_FIRST);
    struct loop *loop = sieve_loop(r);
    struct buf text;

    buf_init(&text, SIEVE_VALUE_BYTES_MAX * 32);
    if (loop) {
        put_text(r, loop, &text);
    }
    struct span value = buf_span(&text);

    value = first ? first_characters(value, first->number) : value;
    value = sieve_modify(r, call, value);
    TOLD_ACTION(r, "%zu bytes of the part's text go into the variable \"%.*s\"", value.n,
                SHOWN(r->frame->program->variables[call->variable].name));
    sieve_variable_set(r, call->variable, value);
    buf_finish(&text);
}

static bool needs_base64(struct span text)
{
    while (text.n) {
        struct span line = span_split(&text, '\n');

        if (line.n > LINE_MAX_TEXT || span_find_byte(line, '\0') < line.n) {
            return true;
        }
    }
    return false;
}

// Appends text with the message's line breaks.
static void put_lines(struct buf *out, struct span text, struct span line_break)
{
    while (text.n) {
        struct span line = span_split(&text, '\n');

        if (line.n && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        buf_put(out, line);
        buf_put(out, line_break);
    }
}

static void put_base64(struct buf *out, struct span text, struct span line_break)
{
    while (text.n) {
        base64_encode(out, span_first(text, 57));
        buf_put(out, line_break);
        text = span_skip(text, 57);
    }
}

// Appends a text/plain entity: the fields that describe it, an empty line, the text.
static void put_text_entity(struct buf *out, struct span text, struct span line_break)
{
    bool is_base64 = needs_base64(text);

    buf_put_str(out, "Content-Type: text/plain; charset=utf-8");
    buf_put(out, line_break);
    buf_put_str(out, is_base64 ? "Content-Transfer-Encoding: base64"
                               : "Content-Transfer-Encoding: 8bit");
    buf_put(out, line_break);
    buf_put(out, line_break);
    if (is_base64) {
        put_base64(out, text, line_break);
    } else {
        put_lines(out, text, line_break);
    }
}

// What replaces a part: header and body.
static struct span replacement(struct run *r, const struct sieve_call *call)
{
    struct span text = sieve_expand(r, &call->args[0].strings[0]);
    struct buf out;

    buf_init(&out, text.n * 4 + 1024);
    if (sieve_call_tag(call, TAG_MIME_ENTITY)) {
        put_lines(&out, text, sieve_mail_break(r));
    } else {
        put_text_entity(&out, text, sieve_mail_break(r));
    }
    struct span copy = out.failed ? (struct span){NULL, 0} : arena_dup(r->out, buf_span(&out));

    buf_finish(&out);
    if (!copy.p) {
        sieve_fail_memory(r);
        return SPAN("");
    }
    return copy;
}

static bool is_mime_field(struct span name)
{
    return span_starts_nocase(name, SPAN("Content-")) || span_eq_nocase(name, SPAN("MIME-Version"));
}

// Appends the fields of the message that stay when all of it is replaced; a Subject and From that
// are replaced stay under another name.
static void put_kept_fields(struct run *r, struct span subject, struct span from, struct buf *out)
{
    struct span rest = r->mail->version.header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        bool is_subject = subject.p && span_eq_nocase(f.name, SPAN("Subject"));
        bool is_from = from.p && span_eq_nocase(f.name, SPAN("From"));

        if (f.name.n == 0 || is_mime_field(f.name)) {
            continue;
        }
        if (is_subject || is_from) {
            buf_put_str(out, "Original-");
        }
        sieve_line_put(out, f.line, sieve_mail_break(r));
    }
}

static void replace_message(struct run *r, const struct sieve_call *call, struct span entity)
{
    struct span subject = sieve_expand_arg(r, sieve_call_tag(call, TAG_SUBJECT));
    struct span from = sieve_expand_arg(r, sieve_call_tag(call, TAG_FROM)), address;
    struct span rest = entity, line_break = sieve_mail_break(r);
    struct mime_field f;
    struct buf header;

    if (from.p && sieve_mail_address(&r->scratch, from, &address) != ERR_OK) {
        sieve_fail(r, "\"%.*s\" after \":from\" is no mail address", SHOWN(from));
        return;
    }
    buf_init(&header, SIEVE_SCRATCH_BYTES);
    put_kept_fields(r, subject, from, &header);
    if (subject.p) {
        sieve_field_put(&header, SPAN("Subject"), subject, line_break);
    }
    if (from.p) {
        sieve_field_put(&header, SPAN("From"), from, line_break);
    }
    buf_put_str(&header, "MIME-Version: 1.0");
    buf_put(&header, line_break);
    while (mime_header_next(&rest, &f)) {
        if (span_starts_nocase(f.name, SPAN("Content-"))) { // the rest is the message's own
            sieve_line_put(&header, f.line, line_break);
        }
    }
    size_t blank = span_starts(rest, SPAN("\r\n")) ? 2 : span_starts(rest, SPAN("\n")) ? 1 : 0;

    buf_put(&header, line_break);
    struct span copy =
        header.failed ? (struct span){NULL, 0} : arena_dup(r->out, buf_span(&header));

    buf_finish(&header);
    if (!copy.p) {
        sieve_fail_memory(r);
        return;
    }
    sieve_mail_edit(r, copy, span_skip(rest, blank), 0);
    r->pending_n = 0;
    r->generation++;
}

static void add_pending(struct run *r, const struct mime_part *part, struct span text)
{
    uint32_t path[DEPTH_PARTS], n = 0;

    for (const struct mime_part *p = part; p->parent && n < DEPTH_PARTS; p = p->parent) {
        path[n++] = (uint32_t)(p - p->parent->children);
    }
    if (r->pending_n == r->pending_cap) {
        uint32_t cap = r->pending_cap ? r->pending_cap * 2 : 8;
        struct pending *more = realloc(r->pending, cap * sizeof(*more));

        if (!more) {
            r->error = ERR_NOMEM;
            return;
        }
        r->pending = more;
        r->pending_cap = cap;
    }
    uint32_t *copy = arena_zalloc(&r->programs, n, sizeof(*copy));

    if (!copy) {
        sieve_fail_memory(r);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = path[n - 1 - i];
    }
    r->pending[r->pending_n++] = (struct pending){copy, n, text};
}

void sieve_act_replace(struct run *r, const struct sieve_call *call)
{
    struct loop *loop = sieve_loop(r);

    if (loop && loop->generation != r->generation) {
        NOTE(r, "the part is no longer in the message");
        return;
    }
    struct span entity = replacement(r, call);

    if (!sieve_is_on(r)) {
        return;
    }
    if (!loop || !loop->part->parent) {
        TOLD_ACTION(r, "the whole message is replaced");
        replace_message(r, call, entity);
    } else {
        TOLD_ACTION(r, "the part %.*s/%.*s is replaced", SHOWN(loop->part->type),
                    SHOWN(loop->part->subtype));
        add_pending(r, loop->part, entity);
    }
    if (loop) {
        loop->skips_children = true;
    }
}

// Copies the fields named, and those that tell the message's way.
static void put_copied_fields(struct run *r, struct sieve_strings names, struct buf *out)
{
    static const char *const trace[] = {"Return-Path", "Delivered-To", "X-Original-To", "Received",
                                        "Authentication-Results"};
    struct span rest = r->mail->version.header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        bool is_copied = false;

        for (size_t i = 0; i < sizeof(trace) / sizeof(trace[0]); i++) {
            is_copied |= span_eq_nocase(f.name, span_from_str(trace[i]));
        }
        for (size_t i = 0; i < names.n; i++) {
            is_copied |= span_eq_nocase(f.name, names.list[i]) && !is_mime_field(f.name) &&
                         !span_eq_nocase(f.name, SPAN("Subject"));
        }
        if (is_copied && f.name.n) {
            sieve_line_put(out, f.line, sieve_mail_break(r));
        }
    }
}

static bool is_listed(struct sieve_strings names, struct span name)
{
    for (size_t i = 0; i < names.n; i++) {
        if (span_eq_nocase(names.list[i], name)) {
            return true;
        }
    }
    return false;
}

static void put_enclosing_header(struct run *r, const struct sieve_call *call, struct span boundary,
                                 struct buf *out)
{
    struct sieve_strings names = sieve_expand_list(r, sieve_call_tag(call, TAG_HEADERS));
    struct span subject = sieve_expand_arg(r, sieve_call_tag(call, TAG_SUBJECT));
    struct span line_break = sieve_mail_break(r), header = r->mail->version.header;
    struct mime_field f;

    put_copied_fields(r, names, out);
    if (!is_listed(names, SPAN("Date"))) {
        buf_put_str(out, "Date: ");
        mime_date_put(out, r->env->now, r->env->zone_minutes);
        buf_put(out, line_break);
    }
    if (!is_listed(names, SPAN("From"))) {
        sieve_field_put(out, SPAN("From"),
                        r->env->addresses.n     ? r->env->addresses.list[0]
                        : r->env->envelope_to.p ? r->env->envelope_to
                                                : SPAN("MAILER-DAEMON"),
                        line_break);
    }
    if (subject.p) {
        sieve_field_put(out, SPAN("Subject"), subject, line_break);
    } else if (mime_header_find(&header, SPAN("Subject"), &f)) {
        sieve_line_put(out, f.line, line_break);
    }
    buf_put_str(out, "MIME-Version: 1.0");
    buf_put(out, line_break);
    buf_put_str(out, "Content-Type: multipart/mixed; boundary=\"");
    buf_put(out, boundary);
    buf_put_str(out, "\"");
    buf_put(out, line_break);
    buf_put(out, line_break);
}

static void put_enclosing_body(struct run *r, const struct sieve_call *call, struct span boundary,
                               struct buf *out)
{
    struct span line_break = sieve_mail_break(r);

    buf_put_str(out, "--");
    buf_put(out, boundary);
    buf_put(out, line_break);
    put_text_entity(out, sieve_expand(r, &call->args[0].strings[0]), line_break);
    buf_put(out, line_break);
    buf_put_str(out, "--");
    buf_put(out, boundary);
    buf_put(out, line_break);
    buf_put_str(out, "Content-Type: message/rfc822");
    buf_put(out, line_break);
    buf_put(out, line_break);
    buf_put(out, r->mail->version.header);
    buf_put(out, r->mail->version.body);
    buf_put(out, line_break);
    buf_put_str(out, "--");
    buf_put(out, boundary);
    buf_put_str(out, "--");
    buf_put(out, line_break);
}

void sieve_act_enclose(struct run *r, const struct sieve_call *call)
{
    struct buf header, body;

    sieve_mail_settle(r);
    if (!sieve_mail_is_whole(r)) {
        return;
    }
    struct mail *before = r->mail;
    // The hash of what is enclosed cannot stand in it by chance, nor by the sender's will: it would
    // have to contain its own hash.
    struct span parts[] = {before->version.header, before->version.body};
    struct span boundary =
        sieve_spend(r, sieve_mail_size(before)) ? sieve_hash(r, parts, 2) : SPAN("");

    if (!sieve_is_on(r)) {
        return;
    }
    buf_init(&header, SIEVE_SCRATCH_BYTES);
    buf_init(&body, SIEVE_RESULT_BYTES_MAX);
    put_enclosing_header(r, call, boundary, &header);
    put_enclosing_body(r, call, boundary, &body);
    struct span h = sieve_keep_span(r, buf_span(&header)), b = sieve_keep_span(r, buf_span(&body));

    if (header.failed || body.failed) {
        sieve_fail_memory(r);
    }
    if (sieve_is_on(r)) {
        TOLD_ACTION(r, "the message is enclosed in a new one");
        r->unenclosed = r->unenclosed ? r->unenclosed : before;
        sieve_mail_edit(r, h, b, 0);
        r->generation++;
    }
    buf_finish(&header);
    buf_finish(&body);
}
