// SPDX-License-Identifier: Apache-2.0
#include "keep/inbound/submission.h"

#include "base/random.h"
#include "keep/inbound/sender_right.h"
#include "mime/mime_address.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define FROM_MAX          20 // addresses
#define ADDRESS_BYTES_MAX 1024
#define ARENA_BYTES_MAX   (1u << 20)

// What the header has.
struct seen {
    unsigned from, date, message_id;
    struct span from_body;
};

static bool is_name(const struct mime_field *f, const char *name)
{
    return span_eq_nocase(f->name, span_from_str(name));
}

static enum err look_at(struct span header, struct seen *seen, struct submission *out,
                        const char **out_why)
{
    struct span rest = header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        if (is_name(&f, "From")) {
            seen->from++;
            seen->from_body = f.body;
        } else if (is_name(&f, "Date")) {
            seen->date++;
        } else if (is_name(&f, "Message-ID")) {
            seen->message_id++;
        } else if (is_name(&f, "Bcc") || is_name(&f, "Resent-Bcc")) {
            if (out->cut_count == SUBMISSION_CUTS_MAX) {
                *out_why = "The message has too many Bcc fields";
                return ERR_INVALID;
            }
            out->cuts[out->cut_count].from = (size_t)(f.line.p - header.p);
            out->cuts[out->cut_count++].bytes = f.line.n;
        }
    }
    return ERR_OK;
}

static bool has_ctl(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return true;
        }
    }
    return false;
}

// Control bytes are left out of an address that is written anew, so one with them would be taken
// for another than the one that leaves.
static enum err check_address(const struct submission_facts *f, const struct mime_address *a)
{
    struct buf address;
    bool may = false;
    enum err e = ERR_OK;

    if (has_ctl(a->local) || has_ctl(a->domain)) {
        return ERR_DENIED;
    }
    buf_init(&address, ADDRESS_BYTES_MAX);
    mime_address_put(&address, a->local, a->domain);
    if (!address.failed) { // no address of ours is that long
        e = sender_right(f->store, f->separators, f->account, buf_span(&address), &may);
    }
    buf_finish(&address);
    return e == ERR_OK && !may ? ERR_DENIED : e;
}

// Everybody named as author must be who has logged in.
static enum err check_from(const struct submission_facts *f, struct span body, const char **out_why)
{
    struct mime_address *list;
    struct arena arena;
    size_t n = 0, authors = 0;

    arena_init(&arena, ARENA_BYTES_MAX);
    enum err e = mime_address_list(&arena, body, FROM_MAX, &list, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (list[i].kind == MIME_MAILBOX) {
            authors++;
            e = check_address(f, &list[i]);
        }
    }
    arena_finish(&arena);
    if (e == ERR_LIMIT || (e == ERR_OK && !authors)) {
        *out_why =
            e == ERR_OK ? "The field From has no address" : "The field From has too many addresses";
        e = ERR_INVALID;
    }
    return e;
}

static void put_missing(const struct submission_facts *f, const struct seen *seen,
                        struct buf *lines)
{
    if (!seen->date) {
        buf_put_str(lines, "Date: ");
        mime_date_put(lines, f->now_ms / 1000, 0);
        buf_put_str(lines, "\r\n");
    }
    if (!seen->from) {
        buf_printf(lines, "From: %.*s\r\n", SPAN_ARG(f->user));
    }
    if (!seen->message_id) {
        buf_printf(lines, "Message-ID: <%016llx.%016llx@%.*s>\r\n",
                   (unsigned long long)random_u64(), (unsigned long long)random_u64(),
                   SPAN_ARG(f->server));
    }
}

enum err submission_prepare(const struct submission_facts *f, struct span header, struct buf *lines,
                            struct submission *out, const char **out_why)
{
    struct seen seen = {.from = 0};
    enum err e = ERR_OK;

    if (header.n && (header.p[0] == ' ' || header.p[0] == '\t')) { // it would go on with `lines`
        *out_why = "The message begins with a continuation line";
        e = ERR_INVALID;
    }
    e = e == ERR_OK ? look_at(header, &seen, out, out_why) : e;

    if (e == ERR_OK && (seen.from > 1 || seen.date > 1 || seen.message_id > 1)) {
        *out_why = "From, Date and Message-ID may be there once only";
        e = ERR_INVALID;
    }
    if (e == ERR_OK && seen.from && f->check_from) {
        e = check_from(f, seen.from_body, out_why);
    }
    if (e == ERR_OK) {
        put_missing(f, &seen, lines);
        e = buf_result(lines);
    }
    return e;
}
