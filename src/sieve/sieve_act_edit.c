// SPDX-License-Identifier: Apache-2.0
//
// Changes of the header (RFC 5293). Fields that say where a message came from, or that stop loops,
// stay what they are: such a change is passed over, as the RFC wants.
#include "mime/mime_word.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define LINE_SOFT 76
#define LINE_HARD 998

// Neither added nor deleted.
static bool is_protected(struct span name)
{
    static const char *const names[] = {"Received",
                                        "Auto-Submitted",
                                        "Return-Path",
                                        "Delivered-To",
                                        "X-Original-To",
                                        "Authentication-Results",
                                        "Received-SPF",
                                        "DKIM-Signature",
                                        "ARC-Seal",
                                        "ARC-Message-Signature",
                                        "ARC-Authentication-Results",
                                        "Original-Subject",
                                        "Original-From"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(name, span_from_str(names[i]))) {
            return true;
        }
    }
    return false;
}

// Breaks a long line at blanks; without one it goes on up to the hard limit.
static void put_folded(struct buf *out, size_t column, struct span text, struct span line_break)
{
    while (text.n && column + text.n > LINE_SOFT) {
        size_t at = column < LINE_SOFT ? LINE_SOFT - column : 0;

        at = at < text.n ? at : text.n - 1;
        while (at > 0 && text.p[at] != ' ') {
            at--;
        }
        if (at == 0) { // no blank before the limit: the next one
            at = 1;
            while (at < text.n && text.p[at] != ' ') {
                at++;
            }
        }
        if (at >= text.n) {
            break;
        }
        buf_put(out, span_first(text, at));
        buf_put(out, line_break);
        text = span_skip(text, at);
        column = 0;
    }
    buf_put(out, text);
}

void sieve_field_put(struct buf *out, struct span name, struct span value, struct span line_break)
{
    struct buf clean, coded;

    buf_init(&clean, value.n + 16);
    buf_init(&coded, value.n * 8 + 256);
    for (size_t i = 0; i < value.n; i++) { // nothing may end the line
        buf_put_byte(&clean, byte_is_ctl(value.p[i]) ? ' ' : value.p[i]);
    }
    mime_word_encode(&coded, span_trim(buf_span(&clean)));
    buf_put(out, name);
    buf_put_str(out, ": ");
    put_folded(out, name.n + 2, buf_span(&coded), line_break);
    buf_put(out, line_break);
    out->failed |= clean.failed || coded.failed;
    buf_finish(&coded);
    buf_finish(&clean);
}

// The header without the empty line.
static struct span fields_of(struct span header)
{
    struct span rest = header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
    }
    return span_first(header, header.n - rest.n);
}

static bool has_long_line(struct span s)
{
    while (s.n) {
        if (span_split(&s, '\n').n > LINE_HARD + 1) {
            return true;
        }
    }
    return false;
}

void sieve_line_put(struct buf *out, struct span line, struct span line_break)
{
    buf_put(out, line);
    if (line.n && line.p[line.n - 1] != '\n') { // the message ends in its header
        buf_put(out, line_break);
    }
}

// Makes the fields and an empty line the message's header.
static void set_header(struct run *r, const struct span *fields, size_t n)
{
    struct buf b;

    buf_init(&b, SIEVE_SCRATCH_BYTES);
    for (size_t i = 0; i < n; i++) {
        sieve_line_put(&b, fields[i], sieve_mail_break(r));
    }
    buf_put(&b, sieve_mail_break(r));
    sieve_spend(r, b.n / 8);
    if (b.failed) {
        sieve_fail_memory(r);
    } else if (sieve_is_on(r)) {
        struct span header = sieve_keep_span(r, buf_span(&b));

        if (sieve_is_on(r)) {
            sieve_mail_edit(r, header, r->mail->version.body, r->mail->version.rest);
        }
    }
    buf_finish(&b);
}

void sieve_act_addheader(struct run *r, const struct sieve_call *call)
{
    struct span name = sieve_expand(r, &call->args[0].strings[0]);
    struct span value = sieve_expand(r, &call->args[1].strings[0]);

    if (!sieve_field_name_is_valid(name)) {
        sieve_fail(r, "\"%.*s\" is no name of a header field", SHOWN(name));
        return;
    }
    if (is_protected(name)) {
        NOTE(r, "the field \"%.*s\" may not be added by a script", SHOWN(name));
        return;
    }
    sieve_mail_settle(r);
    struct span header = fields_of(r->mail->version.header);
    bool is_last = sieve_call_tag(call, TAG_ADD_LAST) != NULL;
    struct buf field;

    buf_init(&field, SIEVE_TEXT_BYTES_MAX * 10);
    sieve_field_put(&field, name, value, sieve_mail_break(r));
    if (has_long_line(buf_span(&field))) {
        sieve_fail(r, "the value of \"%.*s\" has a word that is too long for a header",
                   SHOWN(name));
    }
    struct span parts[] = {is_last ? header : buf_span(&field),
                           is_last ? buf_span(&field) : header};

    TOLD_ACTION(r, "the field \"%.*s\" is added", SHOWN(name));
    set_header(r, parts, 2);
    buf_finish(&field);
}

struct deletion {
    struct run *r;
    const struct sieve_call *call;
    struct span name;
    uint64_t index, count; // the occurrence wanted (0: all), and how many there are
    bool has_patterns;
    uint64_t deleted;
};

static bool value_matches(struct deletion *d, struct span body)
{
    struct matcher m;
    struct buf text;

    if (!d->has_patterns) {
        return true;
    }
    buf_init(&text, body.n * 4 + 64);
    mime_header_text(&text, body);
    sieve_match_begin(&m, d->r, d->call, &d->call->args[1]);
    sieve_match_value(&m, buf_span(&text));
    bool is_hit = sieve_match_end(&m);

    buf_finish(&text);
    return is_hit;
}

static uint64_t count_fields(struct span header, struct span name)
{
    struct mime_field f;
    uint64_t n = 0;

    while (mime_header_find(&header, name, &f)) {
        n++;
    }
    return n;
}

// Appends the header without the fields to delete.
static void put_rest(struct deletion *d, struct span header, struct buf *out)
{
    struct mime_field f;
    uint64_t seen = 0;

    while (mime_header_next(&header, &f) && sieve_is_on(d->r)) {
        bool is_named = f.name.n && span_eq_nocase(f.name, d->name);

        seen += is_named;
        if (is_named && (d->index == 0 || d->index == seen) && value_matches(d, f.body)) {
            d->deleted++;
        } else {
            buf_put(out, f.line);
        }
    }
}

void sieve_act_deleteheader(struct run *r, const struct sieve_call *call)
{
    const struct sieve_arg *index = sieve_call_tag(call, TAG_EDIT_INDEX);
    struct deletion d = {.r = r, .call = call, .has_patterns = call->args[1].n > 0};
    struct buf out;

    d.name = sieve_expand(r, &call->args[0].strings[0]);
    if (!sieve_field_name_is_valid(d.name)) {
        sieve_fail(r, "\"%.*s\" is no name of a header field", SHOWN(d.name));
        return;
    }
    if (is_protected(d.name)) {
        NOTE(r, "the field \"%.*s\" may not be deleted by a script", SHOWN(d.name));
        return;
    }
    sieve_mail_settle(r);
    struct span header = r->mail->version.header;

    d.count = count_fields(header, d.name);
    d.index = index ? index->number : 0;
    if (index && sieve_call_tag(call, TAG_EDIT_LAST)) {
        d.index = d.index <= d.count ? d.count - d.index + 1 : d.count + 1;
    }
    if (d.count == 0 || !sieve_spend(r, header.n / 2)) {
        return;
    }
    buf_init(&out, header.n + 16);
    put_rest(&d, header, &out);
    struct span part = buf_span(&out);

    TOLD_ACTION(r, "%llu of the fields \"%.*s\" are deleted", (unsigned long long)d.deleted,
                SHOWN(d.name));
    if (d.deleted && sieve_is_on(r)) {
        set_header(r, &part, 1);
    }
    buf_finish(&out);
}
