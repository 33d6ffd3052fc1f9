// SPDX-License-Identifier: Apache-2.0
#include "store/placement/sort_scan.h"

#include <stdlib.h>

#include "mime/mime_summary.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define BLOCK_BYTES_MAX (1u << 20)

// ---- reading ------------------------------------------------------------------------------------

// Records that are passed over one by one before it is cheaper to look for the next.
#define STEPS_MAX 16

struct sort_scan {
    struct view *v;
    struct scan *scan; // of message records, behind `at`
    message_id at;
    struct span value;
    struct buf packed, lines; // of messages without keys
};

enum err sort_scan_open(struct view *v, struct sort_scan **out)
{
    struct sort_scan *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->v = v;
    buf_init(&c->packed, SORT_KEYS_BYTES_MAX);
    buf_init(&c->lines, BLOCK_BYTES_MAX);
    *out = c;
    return ERR_OK;
}

void sort_scan_close(struct sort_scan *c)
{
    if (c) {
        scan_close(c->scan);
        buf_finish(&c->packed);
        buf_finish(&c->lines);
        free(c);
    }
}

static enum err scan_seek(struct sort_scan *c, message_id id)
{
    struct key from = key_u64(KEY_MESSAGE, id), all = key_plain(KEY_MESSAGE), to = key_after(&all);

    scan_close(c->scan);
    c->scan = NULL;
    c->at = 0;
    return scan_open(view_snapshot(c->v), view_account(c->v), key_span(&from), key_span(&to), false,
                     &c->scan);
}

static enum err scan_record(struct sort_scan *c, message_id id, struct message_record *out)
{
    struct span key;
    enum err e = ERR_OK;

    if (!c->scan || c->at > id) {
        e = scan_seek(c, id);
    }
    for (unsigned i = 0; !e && c->at < id; i++) {
        if (i == STEPS_MAX) {
            e = scan_seek(c, id);
        }
        e = e ? e : scan_next(c->scan, &key, &c->value);
        if (!e && !key_read_u64(key, &c->at)) {
            e = ERR_CORRUPT;
        }
    }
    if (e == ERR_NOT_FOUND) { // the end: nothing more can be read from it
        scan_close(c->scan);
        c->scan = NULL;
    }
    return e ? e : c->at == id ? message_decode(c->value, out) : ERR_NOT_FOUND;
}

enum err sort_keys_of_body(struct view *v, body_id body, struct buf *lines, struct buf *out)
{
    static const char *const names[] = {"Subject",    "From",        "To",        "Cc",
                                        "Message-ID", "In-Reply-To", "References"};
    struct mime_summary summary;
    struct mime_summary_facts facts = {.header_size = BLOCK_BYTES_MAX};
    struct span bytes;
    mime_fields fields = 0;
    enum err e = body_summary(view_snapshot(v), body, &bytes);

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        fields |= mime_fields_bit(span_from_str(names[i]));
    }
    buf_clear(lines);
    buf_clear(out);
    e = e ? e : mime_summary_open(bytes, &summary);
    if (!e && mime_summary_fields(&summary, fields, lines)) {
        mime_summary_facts(&summary, &facts);
        e = ERR_UNSUPPORTED;
    }
    if (e == ERR_UNSUPPORTED) { // the summary does not have them
        buf_clear(lines);
        e = body_read(view_snapshot(v), body, 0,
                      facts.header_size < BLOCK_BYTES_MAX ? (size_t)facts.header_size
                                                          : BLOCK_BYTES_MAX,
                      lines);
    }
    if (!e) {
        sort_keys_pack(out, buf_span(lines));
    }
    return e ? e : buf_result(out);
}

enum err sort_scan_get(struct sort_scan *c, message_id message, struct sort_keys *out)
{
    struct message_record m;
    struct sort_keys k;
    enum err e = scan_record(c, message, &m);

    if (e) {
        return e;
    }
    e = m.sort_keys.n ? sort_keys_unpack(m.sort_keys, &k) : ERR_UNSUPPORTED;
    if (e == ERR_UNSUPPORTED) {
        e = sort_keys_of_body(c->v, m.body, &c->lines, &c->packed);
        if (e && e != ERR_NOMEM) { // what cannot be read sorts as if it said nothing
            buf_clear(&c->packed);
            sort_keys_pack(&c->packed, SPAN(""));
            e = ERR_OK;
        }
        e = e ? e : sort_keys_unpack(buf_span(&c->packed), &k);
    }
    if (!e) {
        k.sent = m.sent;
        *out = k;
    }
    return e;
}
