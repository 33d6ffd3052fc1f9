// SPDX-License-Identifier: Apache-2.0
//
// APPEND (RFC 9051 section 6.3.12, RFC 3502, 3516, 6855), REPLACE (RFC 8508), CATENATE (RFC 4469).
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

static enum err take_date_time(struct imap_cursor *c, struct imap_append_message *out)
{
    size_t from = c->at;
    struct span text;

    TRY(imap_take_string(c, "expected a date in quotes", &text));
    if (imap_date_time_parse(text, &out->date)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "expected a date such as \"17-Jul-1996 02:44:25 -0700\"");
    }
    out->has_date = true;
    return ERR_OK;
}

// "{n}", "{n+}" or "~{n}", which the text ends with.
static enum err take_announcement(struct imap_cursor *c, enum imap_append_next next,
                                  const char *expected, struct imap_append_message *out)
{
    out->next = next;
    out->literal8 = next != IMAP_APPEND_URL && imap_take(c, '~');
    if (out->utf8 && !out->literal8) {
        return imap_expected(c, "expected a literal8 in UTF8 (...)");
    }
    TRY(imap_take_byte(c, '{', expected));
    TRY(imap_take_number(c, 0, UINT64_MAX - 1, "expected the literal's size in bytes",
                         &out->bytes));
    out->sync = !imap_take(c, '+');
    TRY(imap_take_byte(c, '}', "expected \"}\" after the literal's size"));
    return imap_at_end(c) ? ERR_OK : imap_expected(c, "expected the literal's bytes next");
}

// "UTF8 (" if it is there; a literal8 must follow then.
static enum err take_utf8(struct imap_cursor *c, struct imap_append_message *out)
{
    out->utf8 = imap_take_word(c, SPAN("UTF8"));
    if (out->utf8) {
        TRY(imap_take_space(c, "expected a space after UTF8"));
        TRY(imap_take_byte(c, '(', "expected \"(\" after UTF8"));
    }
    return ERR_OK;
}

// One cat-part. A URL in place goes on the list; a literal ends the text.
static enum err take_part(struct imap_cursor *c, struct imap_list_builder *urls,
                          struct imap_append_message *out)
{
    TRY(take_utf8(c, out));
    if (out->utf8 || imap_take_word(c, SPAN("TEXT"))) {
        if (!out->utf8) {
            TRY(imap_take_space(c, "expected a space after TEXT"));
        }
        return take_announcement(c, IMAP_APPEND_TEXT, "expected the text as a literal", out);
    }
    if (!imap_take_word(c, SPAN("URL"))) {
        return imap_expected(c, "expected TEXT or URL");
    }
    TRY(imap_take_space(c, "expected a space after URL"));
    if (imap_peek(c) == '{') {
        return take_announcement(c, IMAP_APPEND_URL, "", out);
    }
    void *item;

    TRY(imap_list_add(c, urls, "there are over 1000 URLs", &item));
    return imap_take_astring(c, "expected a URL", item);
}

// From the first part on, to a literal or to ")".
static enum err take_parts(struct imap_cursor *c, struct imap_append_message *out)
{
    struct imap_list_builder urls;
    bool end = false;

    imap_list_begin(&urls, sizeof(struct span), IMAP_APPEND_URLS_MAX);
    out->is_catenate = true;
    out->next = IMAP_APPEND_WHOLE;
    while (!end) {
        TRY(take_part(c, &urls, out));
        if (out->next != IMAP_APPEND_WHOLE) {
            break;
        }
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the URL", &end));
    }
    out->urls = urls.items;
    out->url_n = urls.n;
    return ERR_OK;
}

// Hands the text behind a whole message over.
static enum err leave_rest(struct imap_cursor *c, struct imap_append_message *out)
{
    if (out->next == IMAP_APPEND_WHOLE) {
        out->rest = span_skip(c->text, c->at);
        c->at = c->text.n;
    }
    return ERR_OK;
}

// From the space before a message's flags on.
static enum err take_message(struct imap_cursor *c, struct imap_append_message *out)
{
    TRY(imap_take_space(c, "expected a space before the message"));
    if (imap_peek(c) == '(') {
        TRY(imap_take_flags(c, false, &out->flags));
        TRY(imap_take_space(c, "expected a space after the flags"));
    }
    if (imap_peek(c) == '"') {
        TRY(take_date_time(c, out));
        TRY(imap_take_space(c, "expected a space after the date"));
    }
    if (imap_take_word(c, SPAN("CATENATE"))) {
        TRY(imap_take_space(c, "expected a space after CATENATE"));
        TRY(imap_take_byte(c, '(', "expected \"(\" after CATENATE"));
        TRY(take_parts(c, out));
        return leave_rest(c, out);
    }
    TRY(take_utf8(c, out));
    return take_announcement(c, IMAP_APPEND_MESSAGE, "expected the message as a literal", out);
}

enum err imap_parse_append(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space after APPEND"));
    TRY(imap_take_mailbox(c, false, &out->append.mailbox));
    return take_message(c, &out->append.first);
}

// RFC 8508 section 5.
enum err imap_parse_replace(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_seqset *set = &out->append.replaced;
    size_t from;

    TRY(imap_take_space(c, "expected a space and a message number"));
    from = c->at;
    TRY(imap_take_seqset(c, set));
    bool is_last = !set->n && set->star_from == UINT32_MAX;
    bool is_one = set->n == 1 && !set->star_from && set->ranges[0].first == set->ranges[0].last;

    if (set->saved || !(is_last || is_one)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "expected the number of one message");
    }
    TRY(imap_take_space(c, "expected a space after the message number"));
    TRY(imap_take_mailbox(c, false, &out->append.mailbox));
    return take_message(c, &out->append.first);
}

// What follows a part of CATENATE that came as a literal.
static enum err take_more_parts(struct imap_cursor *c, struct imap_append_message *out)
{
    bool end;

    out->is_continued = true;
    TRY(imap_take_next_or_close(c, "expected a space or \")\" after the part", &end));
    if (end) {
        out->is_catenate = true;
        out->next = IMAP_APPEND_WHOLE;
    } else {
        TRY(take_parts(c, out));
    }
    return leave_rest(c, out);
}

static enum err parse_next(struct imap_cursor *c, const struct imap_append_message *previous,
                           bool *out_end, struct imap_append_message *out)
{
    *out_end = false;
    if (previous->utf8) {
        TRY(imap_take_byte(c, ')', "expected \")\" after the message"));
    }
    if (previous->is_catenate && previous->next != IMAP_APPEND_WHOLE) {
        return take_more_parts(c, out);
    }
    // Some clients end their APPEND with a space.
    size_t from = c->at;

    while (imap_take(c, ' ')) {
    }
    *out_end = imap_at_end(c);
    c->at = *out_end ? c->at : from;
    return *out_end ? ERR_OK : take_message(c, out);
}

enum err imap_parse_append_next(struct span text, struct arena *arena,
                                const struct imap_parse_options *options,
                                const struct imap_append_message *previous, bool *out_end,
                                struct imap_append_message *out, struct imap_parse_error *error)
{
    struct imap_cursor c;
    struct imap_append_message message = {.bytes = 0};
    bool end;

    imap_cursor_begin(&c, text, arena, options, error);
    TRY(parse_next(&c, previous, &end, &message));
    *out_end = end;
    if (!end) {
        *out = message;
    }
    return ERR_OK;
}
