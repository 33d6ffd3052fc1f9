// SPDX-License-Identifier: Apache-2.0
#include "delivery/rules/rules_reply.h"

#include "base/utf8.h"
#include "mime/mime_address.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"
#include "mime/mime_word.h"
#include "sieve/sieve_mail.h"

#include "base/banned.h"

#define SUBJECT_BYTES_MAX    900
#define REFERENCES_BYTES_MAX 4000
#define WORD_BYTES_MAX       900 // so that no line is longer than 998 bytes
#define QP_LINE              75

// ---- whether ------------------------------------------------------------------------------------

bool rules_may_answer(const struct rules_reply *r, const struct sieve_vacation *v,
                      const char **out_why)
{
    struct span own[] = {r->owner, r->recipient.n ? r->recipient : r->owner};
    struct sieve_strings lists[] = {{own, 2}, v->addresses};

    if (r->sender.n == 0 || sieve_mail_is_robot(r->sender)) {
        *out_why = "no person sent it";
    } else if (sieve_mail_automatic(r->header) == SIEVE_LIST) {
        *out_why = "it came from a mailing list";
    } else if (sieve_mail_automatic(r->header) != SIEVE_PERSONAL) {
        *out_why = "a program sent it";
    } else if (span_eq_nocase(r->sender, r->owner) || span_eq_nocase(r->sender, own[1])) {
        *out_why = "it is from the owner";
    } else if (!sieve_mail_names(r->header, lists, 2)) {
        *out_why = "it is not addressed to the owner";
    } else {
        return true;
    }
    return false;
}

bool rules_may_notify(const struct rules_reply *r)
{
    struct span value = mime_header_get(r->header, SPAN("Auto-Submitted"));
    struct span word = span_trim(span_split(&value, ';'));

    return !span_starts_nocase(word, SPAN("auto-notified")) &&
           !span_starts_nocase(word, SPAN("auto-replied"));
}

// ---- the header ---------------------------------------------------------------------------------

// "Name: value"; what could end the line becomes a blank, what is not ASCII encoded words, and
// long values are folded at blanks.
static void put_field(struct buf *out, const char *name, struct span value)
{
    struct buf clean, coded;
    size_t column = strlen(name) + 1;

    buf_init(&clean, 16384);
    buf_init(&coded, 65536);
    for (size_t i = 0; i < value.n; i++) {
        buf_put_byte(&clean, byte_is_ctl(value.p[i]) ? ' ' : value.p[i]);
    }
    mime_word_encode(&coded, span_trim(buf_span(&clean)));
    struct span rest = buf_span(&coded);

    buf_printf(out, "%s:", name);
    while (rest.n) {
        struct span word = span_first(span_split(&rest, ' '), WORD_BYTES_MAX);

        if (word.n) {
            bool folds = column + 1 + word.n > 76 && column > strlen(name) + 1;

            buf_put_str(out, folds ? "\r\n " : " ");
            buf_put(out, word);
            column = (folds ? 0 : column) + 1 + word.n;
        }
    }
    buf_put_str(out, "\r\n");
    buf_finish(&clean);
    buf_finish(&coded);
}

static bool is_one_id(struct span s)
{
    return s.n > 2 && s.n < 900 && s.p[0] == '<' && s.p[s.n - 1] == '>' && utf8_is_ascii(s);
}

// An address with its display name, as a script gave it: the name is encoded, the address is not.
static void put_from(struct buf *out, const char *name, struct span text)
{
    struct mime_address_reader reader;
    struct mime_address a;
    struct buf value;

    buf_init(&value, 8192);
    mime_address_begin(&reader, text);
    if (mime_address_next(&reader, &a) && a.kind == MIME_MAILBOX) {
        struct buf shown;

        buf_init(&shown, 4096);
        mime_header_text(&shown, a.name);
        if (shown.n && utf8_is_ascii(buf_span(&shown))) {
            buf_put_byte(&value, '"');
            for (size_t i = 0; i < shown.n; i++) {
                bool escape = shown.p[i] == '"' || shown.p[i] == '\\';

                buf_put_str(&value, escape ? "\\" : "");
                buf_put_byte(&value, shown.p[i]);
            }
            buf_put_str(&value, "\" ");
        } else if (shown.n) {
            mime_word_encode(&value, buf_span(&shown));
            buf_put_byte(&value, ' ');
        }
        buf_put_byte(&value, '<');
        mime_address_put(&value, a.local, a.domain);
        buf_put_byte(&value, '>');
        buf_finish(&shown);
    }
    buf_printf(out, "%s: ", name);
    buf_put(out, buf_span(&value));
    buf_put_str(out, "\r\n");
    mime_address_finish(&reader);
    buf_finish(&value);
}

static void put_addresses(struct buf *out, const char *name, struct sieve_strings list)
{
    if (list.n == 0) {
        return;
    }
    buf_printf(out, "%s:", name);
    for (size_t i = 0; i < list.n; i++) {
        buf_put_str(out, i ? ",\r\n " : " ");
        buf_put(out, list.list[i]);
    }
    buf_put_str(out, "\r\n");
}

static void put_start(struct buf *out, const struct rules_reply *r, struct span from)
{
    buf_put_str(out, "Date: ");
    mime_date_put(out, r->now_s, r->zone_minutes);
    buf_put_str(out, "\r\n");
    put_from(out, "From", from.p && from.n ? from : r->owner);
    buf_put_str(out, "Message-ID: ");
    buf_put(out, r->message_id);
    buf_put_str(out, "\r\n");
}

// The thread goes on (RFC 5230 section 5.8): the references of the message, and the message.
static void put_references(struct buf *out, const struct rules_reply *r)
{
    struct span id = mime_header_get(r->header, SPAN("Message-ID"));
    struct span before = mime_header_get(r->header, SPAN("References"));
    struct buf list;

    if (!is_one_id(id)) {
        return;
    }
    put_field(out, "In-Reply-To", id);
    buf_init(&list, REFERENCES_BYTES_MAX + 1000);
    if (before.n && before.n < REFERENCES_BYTES_MAX && utf8_is_ascii(before)) {
        mime_header_unfold(&list, before);
        buf_put_byte(&list, ' ');
    }
    buf_put(&list, id);
    put_field(out, "References", buf_span(&list));
    buf_finish(&list);
}

static void put_subject(struct buf *out, const char *prefix, struct span given,
                        const struct rules_reply *r)
{
    struct buf text;

    buf_init(&text, SUBJECT_BYTES_MAX + 16384);
    if (given.p) {
        buf_put(&text, span_first(given, SUBJECT_BYTES_MAX));
    } else {
        struct span subject = mime_header_get(r->header, SPAN("Subject"));

        buf_put_str(&text, prefix);
        mime_header_text(&text, span_first(subject, SUBJECT_BYTES_MAX));
    }
    put_field(out, "Subject", buf_span(&text));
    buf_finish(&text);
}

// ---- the text -----------------------------------------------------------------------------------

static bool needs_coding(struct span text)
{
    size_t line = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        line = c == '\n' ? 0 : line + 1;
        if (line > 900 || c > 126 || (c < 32 && !byte_is_space((char)c)) ||
            (c == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n'))) {
            return true;
        }
    }
    return false;
}

static void put_qp(struct buf *out, struct span line)
{
    size_t column = 0;

    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        bool last = i + 1 == line.n;
        bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !last);

        if (column + (plain ? 1 : 3) > QP_LINE) {
            buf_put_str(out, "=\r\n");
            column = 0;
        }
        if (plain) {
            buf_put_byte(out, (char)c);
        } else {
            buf_printf(out, "=%02X", c);
        }
        column += plain ? 1 : 3;
    }
}

// Lines end in CR LF whatever the script has.
static void put_lines(struct buf *out, struct span text, bool coded)
{
    while (text.n) {
        struct span line = span_split(&text, '\n');

        if (line.n && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        if (coded) {
            put_qp(out, line);
        } else {
            buf_put(out, line);
        }
        buf_put_str(out, "\r\n");
    }
}

static void put_text(struct buf *out, struct span text)
{
    bool coded = needs_coding(text);

    buf_printf(out,
               "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: %s\r\n\r\n",
               coded ? "quoted-printable" : "7bit");
    put_lines(out, text, coded);
}

// A MIME entity of the script: of its header only what describes its content.
static void put_entity(struct buf *out, struct span entity)
{
    struct mime_field f;

    buf_put_str(out, "MIME-Version: 1.0\r\n");
    while (mime_header_next(&entity, &f)) {
        if (span_starts_nocase(f.name, SPAN("Content-"))) {
            put_lines(out, f.line, false);
        }
    }
    buf_put_str(out, "\r\n");
    if (span_starts(entity, SPAN("\r\n"))) {
        entity = span_skip(entity, 2);
    } else if (span_starts(entity, SPAN("\n"))) {
        entity = span_skip(entity, 1);
    }
    put_lines(out, entity, false);
}

// ---- both ---------------------------------------------------------------------------------------

enum err rules_answer_write(const struct rules_reply *r, const struct sieve_vacation *v,
                            struct buf *out)
{
    struct sieve_strings to = {&r->sender, 1};

    put_start(out, r, v->from);
    put_addresses(out, "To", to);
    put_subject(out, "Auto: ", v->subject, r);
    put_references(out, r);
    buf_put_str(out, "Auto-Submitted: auto-replied (vacation)\r\n");
    if (v->is_mime) {
        put_entity(out, v->reason);
    } else {
        put_text(out, v->reason);
    }
    return buf_result(out);
}

enum err rules_notify_write(const struct rules_reply *r, const struct sieve_notify *n,
                            struct buf *out)
{
    static const char *const importance[] = {"high", "normal", "low"};
    struct span subject = n->message.p && n->message.n ? n->message : n->subject;
    struct span from = mime_header_get(r->header, SPAN("From"));

    put_start(out, r, n->from);
    put_addresses(out, "To", n->to);
    put_addresses(out, "Cc", n->cc);
    put_subject(out, "New mail: ", subject, r);
    for (size_t i = 0; i < n->header_names.n; i++) {
        char name[128];
        struct span s = span_first(n->header_names.list[i], sizeof(name) - 1);

        memcpy(name, s.p, s.n);
        name[s.n] = '\0';
        put_field(out, name, n->header_values.list[i]);
    }
    buf_put_str(out, "Auto-Submitted: auto-notified; owner-email=\"");
    buf_put(out, r->owner);
    buf_printf(out, "\"\r\nImportance: %s\r\n", importance[n->importance - '1']);
    if (n->body.p) {
        put_text(out, n->body);
        return buf_result(out);
    }
    struct buf text;

    buf_init(&text, 8192);
    buf_put_str(&text, "A message has arrived");
    if (from.n) {
        buf_put_str(&text, " from ");
        mime_header_text(&text, span_first(from, 2000));
    }
    buf_put_str(&text, ".\n");
    put_text(out, buf_span(&text));
    buf_finish(&text);
    return buf_result(out);
}
