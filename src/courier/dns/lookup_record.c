// SPDX-License-Identifier: Apache-2.0
#include "courier/dns/lookup_record.h"

#include "base/bytes.h"

#include "base/banned.h"

#define WIRE_NAME_BYTES_MAX 255
#define LABEL_BYTES_MAX     63

static void put_label(struct buf *out, struct span label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = byte_lower(label.p[i]);

        if (byte_is_alnum(c) || c == '-' || c == '_') {
            buf_put_byte(out, c);
        } else {
            buf_printf(out, "\\%03u", (unsigned)(unsigned char)c);
        }
    }
}

enum err lookup_name_put(struct buf *out, struct span *in)
{
    struct span rest = *in, length, label;
    size_t start = out->n;

    while (bytes_take(&rest, 1, &length)) {
        size_t n = (unsigned char)length.p[0];

        if (n == 0) {
            *in = rest;
            return buf_result(out);
        }
        if (n > LABEL_BYTES_MAX || !bytes_take(&rest, n, &label) ||
            in->n - rest.n >= WIRE_NAME_BYTES_MAX) {
            break;
        }
        if (out->n > start) {
            buf_put_byte(out, '.');
        }
        put_label(out, label);
    }
    out->n = start;
    return ERR_INVALID;
}

// All strings of a TXT record, joined.
static enum err put_strings(struct buf *out, struct span rdata)
{
    struct span length, text;

    while (rdata.n) {
        if (!bytes_take(&rdata, 1, &length) ||
            !bytes_take(&rdata, (unsigned char)length.p[0], &text)) {
            return ERR_INVALID;
        }
        buf_put(out, text);
    }
    return ERR_OK;
}

static enum err put_only_name(struct buf *out, struct span rdata)
{
    enum err e = lookup_name_put(out, &rdata);

    return e == ERR_OK && rdata.n ? ERR_INVALID : e;
}

static enum err put_mx(struct buf *out, struct span rdata)
{
    struct span preference;
    char little[2];

    if (!bytes_take(&rdata, 2, &preference)) {
        return ERR_INVALID;
    }
    put_le16(little, get_be16(preference.p));
    buf_put(out, span_of(little, 2));
    return put_only_name(out, rdata);
}

static enum err put_data(struct buf *out, uint16_t type, struct span rdata)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        buf_put(out, rdata);
        return rdata.n == (type == DNS_A ? 4 : 16) ? ERR_OK : ERR_INVALID;
    case DNS_MX:
        return put_mx(out, rdata);
    case DNS_TXT:
        return put_strings(out, rdata);
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        return put_only_name(out, rdata);
    default:
        buf_put(out, rdata);
        return ERR_OK;
    }
}

enum err lookup_record_put(struct buf *out, uint16_t type, struct span rdata)
{
    size_t start = out->n;

    buf_put(out, SPAN("\0\0")); // the length's place
    enum err e = put_data(out, type, rdata);

    if (e == ERR_OK) {
        e = out->n - start - 2 > UINT16_MAX ? ERR_INVALID : buf_result(out);
    }
    if (e != ERR_OK) {
        out->n = start;
        return e;
    }
    put_le16(out->p + start, (uint16_t)(out->n - start - 2));
    return ERR_OK;
}

bool lookup_record_next(struct span *records, struct span *out)
{
    struct span length;

    return bytes_take(records, 2, &length) && bytes_take(records, get_le16(length.p), out);
}

enum err lookup_mx_read(struct span record, uint16_t *out_preference, struct span *out_host)
{
    if (record.n < 2) {
        return ERR_INVALID;
    }
    *out_preference = get_le16(record.p);
    *out_host = span_skip(record, 2);
    return ERR_OK;
}
