// SPDX-License-Identifier: Apache-2.0
#include "delivery/notice.h"

#include <stdio.h>

#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "delivery/delivery.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"
#include "mime/mime_word.h"
#include "wire/smtp/smtp_xtext.h"

#include "base/banned.h"

#define SUBJECT_BYTES_MAX 400

// ---- words --------------------------------------------------------------------------------------

// By enhanced status code (RFC 3463), the class left out. The first that fits.
static const struct {
    int subject, detail; // -1: any
    const char *what, *advice;
} explanations[] = {
    {1, 1, "There is no mailbox with this address there.",
     "Look for typing mistakes in the address, or ask the person for the right one."},
    {1, 2, "The part of the address behind the @ does not exist.",
     "Look for typing mistakes in the address."},
    {1, 3, "The other server does not accept the address as it is written.",
     "Look for typing mistakes in the address."},
    {1, 6, "The person has moved, and left no new address there.", "Ask for the new address."},
    {1, 10, "This domain says that it takes no mail at all.",
     "Look for typing mistakes in the address."},
    {1, -1, "The other server does not accept the address.",
     "Look for typing mistakes in the address, or reach the person another way."},
    {2, 1, "The mailbox is there but switched off.", "Reach the person another way."},
    {2, 2, "The mailbox is full.",
     "Try again later, or reach the person another way so that room can be made."},
    {2, 3, "The message is larger than this mailbox accepts.",
     "Send it without the attachments, or send a link to them."},
    {3, 4, "The message is larger than the other server accepts.",
     "Send it without the attachments, or send a link to them."},
    {4, 4, "No server could be found that takes mail for this address.",
     "Look for typing mistakes in the address."},
    {4, 6, "The message went round in circles between servers.",
     "Somebody forwards to an address that forwards back. Tell the person, or the administrator "
     "there."},
    {4, 7, "The other server could not be reached in all that time.",
     "Try again later; the server may be out of order."},
    {4, -1, "The other server could not be reached.",
     "Try again later; the server may be out of order."},
    {6, -1, "The other server cannot handle a message of this form.",
     "Send it as plain text, without special characters in the address."},
    {7, 20, "The other server could not check who sent the message.",
     "Tell your administrator: the signature of outgoing mail (DKIM) may be broken."},
    {7, 23, "The other server does not believe that the message comes from your domain (SPF).",
     "Tell your administrator."},
    {7, 26, "The other server does not believe that the message comes from your domain.",
     "Tell your administrator."},
    {7, 30, "A safe connection was demanded, and the other server has none.",
     "Send it without that demand, or reach the person another way."},
    {7, -1, "The other server refused the message because of its rules, often against spam.",
     "Read its words below. If they do not help, ask your administrator."},
};

// Reads "5.1.1" anywhere in the reply's first words. False: there is none.
static bool enhanced_code(struct span reply, int *out_subject, int *out_detail)
{
    struct span rest = span_first(reply, 64);

    while (rest.n) {
        struct span word = span_split(&rest, ' ');
        struct span klass = span_split(&word, '.'), subject = span_split(&word, '.');
        uint64_t s, d, k;

        if (span_to_u64(klass, 5, &k) && k >= 2 && span_to_u64(subject, 999, &s) &&
            span_to_u64(word, 999, &d)) {
            *out_subject = (int)s;
            *out_detail = (int)d;
            return true;
        }
    }
    return false;
}

void notice_explain(struct span reply, const char **out_what, const char **out_advice)
{
    int subject = -2, detail = -2;

    *out_what = "The other server did not accept the message.";
    *out_advice = "Read its words below. If they do not help, ask your administrator.";
    if (!enhanced_code(reply, &subject, &detail)) {
        return;
    }
    for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++) {
        if (explanations[i].subject == subject &&
            (explanations[i].detail == detail || explanations[i].detail < 0)) {
            *out_what = explanations[i].what;
            *out_advice = explanations[i].advice;
            return;
        }
    }
}

// ---- pieces -------------------------------------------------------------------------------------

enum notice_about { ABOUT_FAILED, ABOUT_LATE, ABOUT_DELIVERED };

// RFC 3464 section 2.3.3: what exactly was achieved.
static const char *action_of(const struct queue_recipient *r)
{
    if (r->state != QUEUE_DELIVERED) {
        return r->state == QUEUE_FAILED ? "failed" : "delayed";
    }
    return span_eq(r->destination, SPAN(DELIVERY_HERE))    ? "delivered"
           : span_eq(r->destination, SPAN(DELIVERY_GROUP)) ? "expanded"
                                                           : "relayed";
}

static enum notice_about about_of(const struct queue_recipient *r)
{
    return r->state == QUEUE_FAILED      ? ABOUT_FAILED
           : r->state == QUEUE_DELIVERED ? ABOUT_DELIVERED
                                         : ABOUT_LATE;
}

// What matters most names the notice.
static enum notice_about about_job(const struct queue_job *job)
{
    enum notice_about most = ABOUT_DELIVERED;

    for (size_t i = 0; i < job->count; i++) {
        enum notice_about a = about_of(&job->recipients[i]);

        most = a < most ? a : most;
    }
    return most;
}

// Without what could end a line or hide text; bytes that are no UTF-8 are replaced.
static void put_clean(struct buf *out, struct span s)
{
    uint32_t c;

    while (s.n) {
        c = utf8_next(&s, &c) ? c : UTF8_REPLACEMENT;
        if (c < 32 || c == 127) {
            buf_put_byte(out, c == '\t' ? ' ' : '?');
        } else {
            utf8_put(out, c);
        }
    }
}

// Any address in UTF-8 makes it RFC 6533's form.
static bool needs_utf8(const struct queue_job *job)
{
    bool ascii = utf8_is_ascii(job->message.sender);

    for (size_t i = 0; i < job->count; i++) {
        ascii &=
            utf8_is_ascii(job->recipients[i].address) && utf8_is_ascii(job->recipients[i].orcpt);
    }
    return !ascii;
}

static void put_address(struct buf *out, struct span address, bool utf8)
{
    buf_put_str(out, utf8 && !utf8_is_ascii(address) ? "utf-8;" : "rfc822;");
    put_clean(out, address);
}

// ---- the header ---------------------------------------------------------------------------------

static void put_subject(struct buf *out, const struct notice_facts *f, enum notice_about about)
{
    static const char *const words[] = {
        [ABOUT_FAILED] = "Not delivered: ",
        [ABOUT_LATE] = "Delayed: ",
        [ABOUT_DELIVERED] = "Delivered: ",
    };
    struct span field = mime_header_get(f->header, SPAN("Subject"));
    struct buf text;

    buf_init(&text, SUBJECT_BYTES_MAX);
    buf_put_str(&text, words[about]);
    if (field.p && field.n) {
        struct buf subject;

        buf_init(&subject, 4096);
        mime_header_text(&subject, span_first(field, 2000));
        buf_put(&text, span_first(buf_span(&subject), SUBJECT_BYTES_MAX - text.n));
        buf_finish(&subject);
    } else {
        buf_put_str(&text, "your message");
    }
    buf_put_str(out, "Subject: ");
    mime_word_encode(out, buf_span(&text));
    buf_put_str(out, "\r\n");
    buf_finish(&text);
}

static void put_header(struct buf *out, const struct queue_job *job, const struct notice_facts *f,
                       struct span boundary)
{
    struct span original = mime_header_get(f->header, SPAN("Message-ID"));
    bool utf8 = needs_utf8(job);

    buf_put_str(out, "Date: ");
    mime_date_put(out, f->now_ms / 1000, 0);
    buf_printf(out, "\r\nFrom: Mail delivery <postmaster@%.*s>\r\nTo: <", SPAN_ARG(f->server));
    put_clean(out, job->message.sender);
    buf_put_str(out, ">\r\n");
    put_subject(out, f, about_job(job));
    buf_printf(out, "Message-ID: %.*s\r\n", SPAN_ARG(f->message_id));
    if (original.n && original.n < 900 && utf8_is_ascii(original)) {
        buf_put_str(out, "In-Reply-To: ");
        mime_header_unfold(out, original);
        buf_put_str(out, "\r\nReferences: ");
        mime_header_unfold(out, original);
        buf_put_str(out, "\r\n");
    }
    buf_put_str(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: multipart/report;\r\n report-type=");
    buf_put_str(out, utf8 ? "global-delivery-status" : "delivery-status");
    buf_printf(out, ";\r\n boundary=\"%.*s\"\r\n\r\n", SPAN_ARG(boundary));
}

// ---- part one: for people -----------------------------------------------------------------------

static void put_ago(struct buf *out, int64_t ms)
{
    int64_t minutes = ms / 60000;

    if (minutes >= 2880) {
        buf_printf(out, "%lld days", (long long)(minutes / 1440));
    } else if (minutes >= 120) {
        buf_printf(out, "%lld hours", (long long)(minutes / 60));
    } else {
        buf_printf(out, "%lld minutes", (long long)(minutes < 2 ? 2 : minutes));
    }
}

static void put_why(struct buf *out, const struct queue_recipient *r)
{
    const char *what, *advice;

    notice_explain(r->reply, &what, &advice);
    buf_printf(out, "    %s\r\n    %s\r\n", what, advice);
    if (r->reply.n) {
        buf_put_str(out, r->host.n ? "    The words of " : "    The reason in full: ");
        if (r->host.n) {
            put_clean(out, r->host);
            buf_put_str(out, ": ");
        }
        put_clean(out, r->reply);
        buf_put_str(out, "\r\n");
    }
}

static const char *words_of_success(const struct queue_recipient *r)
{
    if (span_eq(r->destination, SPAN(DELIVERY_HERE))) {
        return "    It is in the mailbox.\r\n";
    }
    if (span_eq(r->destination, SPAN(DELIVERY_GROUP))) {
        return "    This address stands for several; the message was sent on to them, and there\r\n"
               "    will be no word from each.\r\n";
    }
    return "    It arrived at the server that is responsible for this address.\r\n";
}

static void put_recipient_words(struct buf *out, const struct queue_job *job,
                                const struct notice_facts *f, const struct queue_recipient *r)
{
    buf_put_str(out, "\r\n  ");
    put_clean(out, r->address);
    buf_put_str(out, "\r\n");
    switch (about_of(r)) {
    case ABOUT_FAILED:
        put_why(out, r);
        break;
    case ABOUT_LATE:
        buf_put_str(out, "    Tried for ");
        put_ago(out, f->now_ms - job->message.accepted_ms);
        buf_put_str(out, ", and not given up: the server tries again by itself for ");
        put_ago(out, job->message.expires_ms - f->now_ms);
        buf_put_str(out, " more.\r\n    You need not send it again.\r\n");
        if (r->reply.n) {
            buf_put_str(out, "    The reason so far: ");
            put_clean(out, r->reply);
            buf_put_str(out, "\r\n");
        }
        break;
    case ABOUT_DELIVERED:
        buf_put_str(out, words_of_success(r));
        break;
    }
}

static void put_words(struct buf *out, const struct queue_job *job, const struct notice_facts *f)
{
    static const char *const first[] = {
        [ABOUT_FAILED] = "Your message could not be delivered to:\r\n",
        [ABOUT_LATE] = "Your message has not arrived yet at:\r\n",
        [ABOUT_DELIVERED] = "As you asked to be told: your message was delivered to:\r\n",
    };
    const char *separator = "";

    for (enum notice_about a = ABOUT_FAILED; a <= ABOUT_DELIVERED; a++) {
        bool said = false;

        for (size_t i = 0; i < job->count; i++) {
            if (about_of(&job->recipients[i]) != a) {
                continue;
            }
            if (!said) {
                buf_put_str(out, separator);
                buf_put_str(out, first[a]);
                separator = "\r\n";
                said = true;
            }
            put_recipient_words(out, job, f, &job->recipients[i]);
        }
    }
    buf_printf(out,
               "\r\nThis note was written by the mail server %.*s, not by a person.\r\n"
               "Below is, for mail programs, the same once more, and what you had sent.\r\n",
               SPAN_ARG(f->server));
}

// ---- part two: for programs (RFC 3464 section 2) ------------------------------------------------

static void put_status(struct buf *out, const struct queue_recipient *r)
{
    static const char *const klass[] = {
        [ABOUT_FAILED] = "5", [ABOUT_LATE] = "4", [ABOUT_DELIVERED] = "2"};
    int subject = 0, detail = 0;

    if (!enhanced_code(r->reply, &subject, &detail)) {
        subject = detail = 0;
    }
    buf_printf(out, "Status: %s.%d.%d\r\n", klass[about_of(r)], subject, detail);
}

// "550 5.1.1 no", and not a reason of ours, "5.1.1 no".
static bool is_smtp_reply(struct span s)
{
    return s.n >= 3 && byte_is_digit(s.p[0]) && byte_is_digit(s.p[1]) && byte_is_digit(s.p[2]);
}

static void put_recipient_fields(struct buf *out, const struct queue_job *job,
                                 const struct queue_recipient *r, bool utf8)
{
    buf_put_str(out, "\r\n");
    if (r->orcpt.n) {
        buf_put_str(out, "Original-Recipient: ");
        put_clean(out, r->orcpt);
        buf_put_str(out, "\r\n");
    }
    buf_put_str(out, "Final-Recipient: ");
    put_address(out, r->address, utf8);
    buf_printf(out, "\r\nAction: %s\r\n", action_of(r));
    put_status(out, r);
    if (r->host.n) {
        buf_put_str(out, "Remote-MTA: dns;");
        put_clean(out, r->host);
        buf_put_str(out, "\r\n");
    }
    if (is_smtp_reply(r->reply)) {
        buf_put_str(out, "Diagnostic-Code: smtp;");
        put_clean(out, r->reply);
        buf_put_str(out, "\r\n");
    }
    if (r->tried_ms) {
        buf_put_str(out, "Last-Attempt-Date: ");
        mime_date_put(out, r->tried_ms / 1000, 0);
        buf_put_str(out, "\r\n");
    }
    if (about_of(r) == ABOUT_LATE) {
        buf_put_str(out, "Will-Retry-Until: ");
        mime_date_put(out, job->message.expires_ms / 1000, 0);
        buf_put_str(out, "\r\n");
    }
}

static void put_fields(struct buf *out, const struct queue_job *job, const struct notice_facts *f,
                       bool utf8)
{
    if (job->message.envid.n) {
        buf_put_str(out, "Original-Envelope-Id: ");
        smtp_xtext_put(out, job->message.envid);
        buf_put_str(out, "\r\n");
    }
    buf_printf(out, "Reporting-MTA: dns;%.*s\r\nArrival-Date: ", SPAN_ARG(f->server));
    mime_date_put(out, job->message.accepted_ms / 1000, 0);
    buf_put_str(out, "\r\n");
    for (size_t i = 0; i < job->count; i++) {
        put_recipient_fields(out, job, &job->recipients[i], utf8);
    }
}

// ---- part three: what was sent ------------------------------------------------------------------

// Lines end in CR LF, whatever the original has; no line can be taken for the boundary, which
// nobody could know before.
static void put_lines(struct buf *out, struct span text)
{
    while (text.n) {
        size_t n = span_find_byte(text, '\n');
        struct span line = span_first(text, n);

        while (line.n && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        for (size_t i = 0; i < line.n; i++) {
            buf_put_byte(out, line.p[i] == '\r' || line.p[i] == '\0' ? ' ' : line.p[i]);
        }
        buf_put_str(out, "\r\n");
        text = span_skip(text, n + 1);
    }
}

static void put_returned(struct buf *out, const struct queue_job *job, const struct notice_facts *f)
{
    bool full = job->message.flags & QUEUE_RET_FULL && f->whole.n;
    struct span text = full ? f->whole : f->header;
    bool ascii = utf8_is_ascii(text);

    buf_put_str(out, full    ? ascii ? "message/rfc822" : "message/global"
                     : ascii ? "text/rfc822-headers"
                             : "message/global-headers");
    buf_printf(out, "\r\nContent-Transfer-Encoding: %s\r\n\r\n", ascii ? "7bit" : "8bit");
    put_lines(out, text);
}

enum err notice_write(const struct queue_job *job, const struct notice_facts *f, struct buf *out)
{
    char boundary_text[64];
    struct span boundary;
    bool utf8 = needs_utf8(job);
    int n = snprintf(boundary_text, sizeof(boundary_text), "=_notice_%016llx_%016llx",
                     (unsigned long long)random_u64(), (unsigned long long)random_u64());

    ASSERT(job->count > 0);
    boundary = span_of(boundary_text, (size_t)n);
    put_header(out, job, f, boundary);
    buf_printf(out,
               "--%.*s\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: 8bit\r\n\r\n",
               SPAN_ARG(boundary));
    put_words(out, job, f);
    buf_printf(out, "\r\n--%.*s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n",
               SPAN_ARG(boundary), utf8 ? "global-" : "",
               utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    put_fields(out, job, f, utf8);
    buf_printf(out, "\r\n--%.*s\r\nContent-Type: ", SPAN_ARG(boundary));
    put_returned(out, job, f);
    buf_printf(out, "\r\n--%.*s--\r\n", SPAN_ARG(boundary));
    return buf_result(out);
}
