// SPDX-License-Identifier: Apache-2.0
#include "delivery/report_send.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/random.h"
#include "delivery/report_send_internal.h"
#include "mime/mime_date.h"
#include "report/report_write.h"

#include "base/banned.h"

#define XML_BYTES_MAX  (32u << 20)
#define LINE_BYTES     57  // of base64: 76 characters
#define RECORDS_MAX    50  // of a name
#define ADDRESSES_SEEN 100 // of a record that are looked at

// ---- the DNS ------------------------------------------------------------------------------------

// Records as sign_keys_ask has them: u16 length, text.
static size_t read_records(struct span records, struct dns_record *out, size_t max)
{
    size_t n = 0;

    while (records.n >= 2 && n < max) {
        size_t bytes = get_le16(records.p);

        out[n++] = (struct dns_record){.data = span_first(span_skip(records, 2), bytes)};
        records = span_skip(records, 2 + bytes);
    }
    return n;
}

static enum err ask(void *context, struct span name, enum dns_type type,
                    const struct dns_answer **out_answer)
{
    struct sender *s = context;
    struct dns_answer *a = arena_zalloc(&s->arena, 1, sizeof(*a));
    struct dns_record *records = arena_zalloc(&s->arena, RECORDS_MAX, sizeof(*records));
    struct span text;

    if (!a || !records || type != DNS_TXT) {
        return ERR_NOMEM;
    }
    enum err e = s->o->ask(s->o->arg, name, &s->arena, &text);

    a->records = records;
    a->n = e == ERR_OK ? read_records(text, records, RECORDS_MAX) : 0;
    a->status = e != ERR_OK ? DNS_TEMPFAIL : a->n ? DNS_OK : DNS_NODATA;
    *out_answer = a;
    return ERR_OK;
}

// ---- whom to tell -------------------------------------------------------------------------------

// The record as it is now. ERR_NOT_FOUND: there is none; ERR_UNAVAILABLE: ask later.
static enum err find_record(struct sender *s, struct dmarc_record *out)
{
    const struct dns_answer *a;
    struct buf name;
    unsigned found = 0;

    buf_init(&name, 1024);
    buf_put_str(&name, "_dmarc.");
    buf_put(&name, sender_domain(s));
    enum err e = resolver_ask(&s->resolver, buf_span(&name), DNS_TXT, &a);

    buf_finish(&name);
    if (e != ERR_OK || a->status == DNS_TEMPFAIL) {
        return ERR_UNAVAILABLE;
    }
    for (size_t i = 0; i < a->n; i++) {
        struct dmarc_record record;

        if (dmarc_record_parse(a->records[i].data, &record) == ERR_OK) {
            *out = record;
            found++;
        }
    }
    return found == 1 ? ERR_OK : ERR_NOT_FOUND;
}

static bool has_address(const struct sender *s, struct span address)
{
    for (size_t i = 0; i < s->to_n; i++) {
        if (span_eq_nocase(s->to[i].address, address)) {
            return true;
        }
    }
    return false;
}

bool sender_takes(const struct sender *s, struct span address, struct domain_name *out_domain)
{
    size_t at = address.n;

    while (at && address.p[at - 1] != '@') {
        at--;
    }
    for (size_t i = 0; i < address.n; i++) {
        if (byte_is_ctl(address.p[i]) || byte_is_space(address.p[i]) ||
            strchr("<>,;\"", address.p[i])) {
            return false;
        }
    }
    return at >= 2 && address.n <= QUEUE_ADDRESS_BYTES_MAX && !has_address(s, address) &&
           domain_name_parse(span_skip(address, at), out_domain) == ERR_OK;
}

// An address that can be written to and wants it. ERR_UNAVAILABLE: ask later.
static enum err add_address(struct sender *s, const struct domain_name *domain,
                            const struct dmarc_address *a)
{
    struct domain_name theirs;

    if (!sender_takes(s, a->address, &theirs)) {
        return ERR_OK;
    }
    enum err e = dmarc_report_is_wanted(domain, &theirs, &s->resolver);

    if (e == ERR_OK) {
        s->to[s->to_n++] = *a;
    }
    return e == ERR_DENIED ? ERR_OK : e;
}

static enum err find_addresses(struct sender *s)
{
    struct domain_name domain;
    struct dmarc_record record;
    struct dmarc_address a;
    enum err e = find_record(s, &record);

    s->to_n = 0;
    if (e != ERR_OK || domain_name_parse(sender_domain(s), &domain) != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct span list = arena_dup(&s->arena, record.aggregate);

    for (unsigned i = 0; i < ADDRESSES_SEEN && s->to_n < REPORT_ADDRESSES_MAX && e == ERR_OK &&
                         dmarc_next_address(&s->arena, &list, &a);
         i++) {
        e = add_address(s, &domain, &a);
    }
    return e;
}

// ---- the letter ---------------------------------------------------------------------------------

void sender_put_file_name(struct sender *s, struct buf *out)
{
    struct span us = span_skip(s->o->from, span_find_byte(s->o->from, '@') + 1);
    long long begin = (long long)s->owed.day * 86400;

    buf_printf(out, "%.*s!%.*s!%lld!%lld!%s", SPAN_ARG(us), SPAN_ARG(sender_domain(s)), begin,
               begin + 86399, s->id);
}

void sender_put_header(struct sender *s, struct buf *out)
{
    bool tls = s->owed.kind == REPORT_TLS;

    buf_put_str(out, "Date: ");
    mime_date_put(out, clock_real_s(), 0);
    buf_printf(out, "\r\nFrom: %s reports <%.*s>\r\nTo: ", tls ? "TLS" : "DMARC",
               SPAN_ARG(s->o->from));
    for (size_t i = 0; i < s->to_n; i++) {
        buf_printf(out, "%s<%.*s>", i ? ",\r\n " : "", SPAN_ARG(s->to[i].address));
    }
    buf_printf(out,
               "\r\nMessage-ID: <%s.%s@%.*s>\r\nAuto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n",
               tls ? "tls" : "dmarc", s->id, SPAN_ARG(s->o->server));
}

void sender_put_base64(struct span bytes, struct buf *out)
{
    while (bytes.n) {
        base64_encode(out, span_first(bytes, LINE_BYTES));
        buf_put_str(out, "\r\n");
        bytes = span_skip(bytes, LINE_BYTES);
    }
}

static void put_attachment(struct sender *s, struct span packed, struct buf *out)
{
    buf_printf(out,
               "--report-%s\r\nContent-Type: application/gzip\r\n"
               "Content-Transfer-Encoding: base64\r\n"
               "Content-Disposition: attachment;\r\n filename=\"",
               s->id);
    sender_put_file_name(s, out);
    buf_put_str(out, ".xml.gz\"\r\n\r\n");
    sender_put_base64(packed, out);
    buf_printf(out, "--report-%s--\r\n", s->id);
}

static enum err put_message(struct sender *s, const struct report_day *day, struct span packed,
                            struct buf *out)
{
    sender_put_header(s, out);
    buf_printf(out,
               "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%s@%.*s>\r\n"
               "Content-Type: multipart/mixed; boundary=\"report-%s\"\r\n\r\n",
               SPAN_ARG(sender_domain(s)), SPAN_ARG(s->o->server), s->id, SPAN_ARG(s->o->server),
               s->id);
    buf_printf(
        out,
        "--report-%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is a DMARC aggregate report by %.*s about mail that came here\r\nin the name of "
        "%.*s: %llu %s. It is made for programs to read.\r\n\r\n",
        s->id, SPAN_ARG(s->o->server), SPAN_ARG(sender_domain(s)),
        (unsigned long long)day->messages, day->messages == 1 ? "message" : "messages");
    put_attachment(s, packed, out);
    return buf_result(out);
}

// ---- sending ------------------------------------------------------------------------------------

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    buf_put(out, span_first(span_skip(*(struct span *)arg, offset), n));
    return buf_result(out);
}

// With the null path: nobody is told of what becomes of it, and nobody answers.
static enum err deliver(struct sender *s, struct span text, trail_id mail, struct span what)
{
    struct delivery_recipient to[REPORT_ADDRESSES_MAX];
    struct delivery_envelope env = {.sender = SPAN(""),
                                    .flags = QUEUE_INTERNAL,
                                    .device = SPAN("Mailkeep"),
                                    .origin = SPAN(""),
                                    .allow_remote = true,
                                    .is_ours = true,
                                    .mail = mail,
                                    .written = what,
                                    .recipients = to,
                                    .count = s->to_n};
    struct delivery_message m = {.prefix = SPAN(""),
                                 .read = read_text,
                                 .arg = &text,
                                 .bytes = text.n,
                                 .header = span_first(text, span_find(text, SPAN("\r\n\r\n")) + 2)};

    for (size_t i = 0; i < s->to_n; i++) {
        to[i] =
            (struct delivery_recipient){.address = s->to[i].address, .notify = QUEUE_NOTIFY_NEVER};
    }
    return delivery_run(s->delivery, &env, &m);
}

// Drops those for whom it is too large (RFC 7489 section 6.2).
static void drop_small(struct sender *s, uint64_t bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < s->to_n; i++) {
        if (!s->to[i].bytes_max || bytes <= s->to[i].bytes_max) {
            s->to[n++] = s->to[i];
        }
    }
    s->to_n = n;
}

static enum err write_report(struct sender *s, const struct report_day *day, struct buf *xml,
                             struct buf *packed)
{
    char full[400];
    int n = snprintf(full, sizeof(full), "%s@%.*s", s->id, SPAN_ARG(s->o->server));
    const struct report_author by = {
        .organization = s->o->server, .contact = s->o->from, .id = span_of(full, (size_t)n)};
    enum err e = dmarc_report_write(&s->owed, day, &by, xml);

    return e == ERR_OK ? report_pack(buf_span(xml), packed) : e;
}

// Written down before it is sent: never twice.
enum err sender_send(struct sender *s, uint64_t count, struct span text, struct span what)
{
    trail_id mail = s->to_n ? trail_number(s->delivery->trail) : 0;
    enum err e = report_set_sent(s->reports, &s->owed, count, mail);

    e = e == ERR_OK && s->to_n ? deliver(s, text, mail, what) : e;
    if (e == ERR_OK && s->to_n) {
        s->result.sent++;
        log_info("%.*s on %.*s goes to %s%s", SPAN_ARG(what), SPAN_ARG(sender_domain(s)),
                 log_text(s->to[0].address).s, s->to_n > 1 ? " and others" : "");
    }
    return e;
}

static enum err send_to(struct sender *s, const struct report_day *day, struct span packed)
{
    struct buf text;

    buf_init(&text, REPORT_MESSAGE_BYTES_MAX);
    enum err e = s->to_n ? put_message(s, day, packed, &text) : ERR_OK;

    e = e == ERR_OK ? sender_send(s, day->messages, buf_span(&text), SPAN("a DMARC report")) : e;
    buf_finish(&text);
    return e;
}

static enum err send_report(struct sender *s)
{
    struct report_day day;
    struct buf xml, packed;
    enum err e = report_day_read(s->reports, &s->owed, &day);

    buf_init(&xml, XML_BYTES_MAX);
    buf_init(&packed, REPORT_PACKED_BYTES_MAX);
    if (e == ERR_OK && s->to_n && day.messages) {
        e = write_report(s, &day, &xml, &packed);
    }
    if (e == ERR_LIMIT) { // nobody takes that much
        s->to_n = 0;
        e = ERR_OK;
    }
    drop_small(s, packed.n);
    s->to_n = day.messages ? s->to_n : 0;
    e = e == ERR_OK ? send_to(s, &day, buf_span(&packed)) : e;
    buf_finish(&xml);
    buf_finish(&packed);
    report_day_finish(&day);
    return e;
}

// ---- all that is owed ---------------------------------------------------------------------------

static enum err send_one(struct sender *s)
{
    bool sent;
    enum err e = report_is_sent(s->reports, &s->owed, &sent);

    if (e == ERR_OK && !sent && s->owed.day + REPORT_SEND_DAYS >= s->o->today) {
        bool tls = s->owed.kind == REPORT_TLS;

        snprintf(s->id, sizeof(s->id), "%u.%016llx", s->owed.day, (unsigned long long)random_u64());
        e = tls ? sender_find_tls_addresses(s) : find_addresses(s);
        if (e == ERR_UNAVAILABLE || e == ERR_AGAIN) {
            s->result.waiting++;
            return ERR_OK;
        }
        e = e != ERR_OK ? e : tls ? sender_send_tls(s) : send_report(s);
    }
    return e == ERR_OK ? report_forget_seen(s->reports, &s->owed) : e;
}

static enum err send_kind(struct sender *s, enum report_kind kind)
{
    struct report_owed after;
    bool is_first = true;
    enum err e = ERR_OK;

    while (e == ERR_OK && !s->o->is_stopping(s->o->arg)) {
        e = report_owed_next(s->reports, kind, is_first ? NULL : &after, s->o->today, &s->owed);
        if (e == ERR_OK) {
            after = s->owed;
            is_first = false;
            arena_init(&s->arena, 1u << 20);
            e = send_one(s);
            arena_finish(&s->arena);
        }
    }
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    return e == ERR_OK && s->o->today > REPORT_SENT_DAYS
               ? report_trim_sent(s->reports, kind, s->o->today - REPORT_SENT_DAYS)
               : e;
}

enum err report_send_all(struct delivery *d, struct reports *r, const struct report_send_options *o,
                         struct report_send_result *out)
{
    struct sender *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    *s = (struct sender){.delivery = d, .reports = r, .o = o, .resolver = {ask, s}};
    enum err e = send_kind(s, REPORT_DMARC);

    e = e == ERR_OK ? send_kind(s, REPORT_TLS) : e;
    *out = s->result;
    free(s);
    return e;
}
