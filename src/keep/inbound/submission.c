// SPDX-License-Identifier: Apache-2.0
#include "keep/inbound/submission.h"

#include "base/random.h"
#include "keep/inbound/sender_right.h"
#include "mime/mime_address.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define NAMED_MAX         20 // addresses of one field
#define NAMING_FIELDS_MAX 20 // fields that say who has written or sent it
#define ADDRESS_BYTES_MAX 1024
#define ARENA_BYTES_MAX   (1u << 20)

// What the header has.
struct seen {
    unsigned from, sender, date, message_id;
    struct span naming[NAMING_FIELDS_MAX]; // bodies of those that must name the user
    size_t naming_n;
};

static bool is_name(const struct mime_field *f, const char *name)
{
    return span_eq_nocase(f->name, span_from_str(name));
}

// Who has written it, who has sent it, and who has sent it once more (RFC 5322 sections 3.6.2 and
// 3.6.6): mail programs show each of them as where it is from.
static bool names_sender(const struct mime_field *f)
{
    return is_name(f, "From") || is_name(f, "Sender") || is_name(f, "Resent-From") ||
           is_name(f, "Resent-Sender");
}

static enum err look_at(struct span header, struct seen *seen, struct submission *out,
                        const char **out_why)
{
    struct span rest = header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        if (names_sender(&f)) {
            if (seen->naming_n == NAMING_FIELDS_MAX) {
                *out_why = "The message has too many fields that name its sender";
                return ERR_INVALID;
            }
            seen->naming[seen->naming_n++] = f.body;
            seen->from += is_name(&f, "From");
            seen->sender += is_name(&f, "Sender");
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

// Everybody named there, in groups, too, must be who has logged in.
static enum err check_named(const struct submission_facts *f, struct span body,
                            const char **out_why)
{
    struct mime_address *list;
    struct arena arena;
    size_t n = 0, named = 0;

    arena_init(&arena, ARENA_BYTES_MAX);
    enum err e = mime_address_list(&arena, body, NAMED_MAX, &list, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (list[i].kind == MIME_MAILBOX) {
            named++;
            e = check_address(f, &list[i]);
        }
    }
    arena_finish(&arena);
    if (e == ERR_LIMIT || (e == ERR_OK && !named)) {
        *out_why = e == ERR_OK ? "A field that names the sender has no address"
                               : "A field that names the sender has too many addresses";
        e = ERR_INVALID;
    }
    return e;
}

static enum err check_all_named(const struct submission_facts *f, const struct seen *seen,
                                const char **out_why)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < seen->naming_n && e == ERR_OK; i++) {
        e = check_named(f, seen->naming[i], out_why);
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

    if (e == ERR_OK && (seen.from > 1 || seen.sender > 1 || seen.date > 1 || seen.message_id > 1)) {
        *out_why = "From, Sender, Date and Message-ID may be there once only";
        e = ERR_INVALID;
    }
    if (e == ERR_OK && f->check_from) {
        e = check_all_named(f, &seen, out_why);
    }
    if (e == ERR_OK) {
        put_missing(f, &seen, lines);
        e = buf_result(lines);
    }
    return e;
}
