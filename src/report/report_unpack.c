// SPDX-License-Identifier: Apache-2.0
#include "report/report_unpack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/bytes.h"

#include "base/banned.h"

#define PIECE_BYTES 16384
#define ZIP_HEAD    30 // bytes of a local file header without name and extra field

// Of a local file header, 4.3.7 and 4.4.4 of the zip format's description.
enum { ZIP_ENCRYPTED = 1, ZIP_SIZES_FOLLOW = 8, ZIP_STRONG = 64 };
enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

enum state {
    STATE_START,   // what it is shows in the first bytes
    STATE_ZIP_TO,  // name and extra field of the file, `left` bytes
    STATE_PLAIN,   //
    STATE_INFLATE, //
    STATE_STORED,  // `left` bytes
    STATE_OVER,    // the report is whole
};

struct report_unpack {
    report_bytes_fn *fn;
    void *arg;
    enum state state;
    char head[ZIP_HEAD]; // collected at the start
    size_t head_n;
    uint64_t left, file_bytes; // zip: bytes of the file as stored
    uint64_t out_bytes;
    uint16_t method; // zip
    bool is_zip, has_stream;
    z_stream z;
    unsigned char piece[PIECE_BYTES];
};

enum err report_unpack_create(report_bytes_fn *fn, void *arg, struct report_unpack **out)
{
    struct report_unpack *u = calloc(1, sizeof(*u));

    if (!u) {
        return ERR_NOMEM;
    }
    u->fn = fn;
    u->arg = arg;
    *out = u;
    return ERR_OK;
}

void report_unpack_destroy(struct report_unpack *u)
{
    if (u) {
        if (u->has_stream) {
            inflateEnd(&u->z);
        }
        free(u);
    }
}

static enum err give(struct report_unpack *u, struct span bytes)
{
    u->out_bytes += bytes.n;
    if (u->out_bytes > REPORT_INFLATED_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return bytes.n ? u->fn(u->arg, bytes) : ERR_OK;
}

static enum err begin_inflate(struct report_unpack *u, int window_bits)
{
    if (inflateInit2(&u->z, window_bits) != Z_OK) {
        return ERR_NOMEM;
    }
    u->has_stream = true;
    u->state = STATE_INFLATE;
    return ERR_OK;
}

// ---- zip ----------------------------------------------------------------------------------------

static enum err zip_read_head(struct report_unpack *u)
{
    uint16_t flags = get_le16(u->head + 6);

    u->is_zip = true;
    u->method = get_le16(u->head + 8);
    u->file_bytes = get_le32(u->head + 18);
    u->left = (uint64_t)get_le16(u->head + 26) + get_le16(u->head + 28);
    if (flags & (ZIP_ENCRYPTED | ZIP_STRONG)) {
        return ERR_INVALID;
    }
    // Where a stored file ends can only be told from its size.
    bool known =
        u->method == ZIP_DEFLATED || (u->method == ZIP_STORED && !(flags & ZIP_SIZES_FOLLOW));

    u->state = STATE_ZIP_TO;
    return known ? ERR_OK : ERR_INVALID;
}

static enum err zip_begin_file(struct report_unpack *u)
{
    if (u->method == ZIP_DEFLATED) {
        return begin_inflate(u, -MAX_WBITS);
    }
    u->left = u->file_bytes;
    u->state = STATE_STORED;
    if (!u->left) { // a folder, as some programs put in front
        u->state = STATE_START;
        u->head_n = 0;
    }
    return ERR_OK;
}

// ---- the first bytes ----------------------------------------------------------------------------

static enum err begin_plain(struct report_unpack *u)
{
    u->state = STATE_PLAIN;
    return give(u, span_of(u->head, u->head_n));
}

static enum err inflate_some(struct report_unpack *u, struct span *rest);

// Takes bytes into `head` until they say what it is.
static enum err start(struct report_unpack *u, struct span *rest)
{
    static const char zip[4] = {'P', 'K', 3, 4}, gzip[2] = {'\x1f', '\x8b'};

    u->head[u->head_n++] = rest->p[0];
    *rest = span_skip(*rest, 1);
    struct span have = span_of(u->head, u->head_n);

    if (u->head_n == sizeof(gzip) && span_eq(have, span_of(gzip, sizeof(gzip)))) {
        struct span head = have;
        enum err e = begin_inflate(u, MAX_WBITS + 16);

        return e == ERR_OK ? inflate_some(u, &head) : e;
    }
    if (!span_eq(span_first(have, sizeof(zip)), span_first(span_of(zip, sizeof(zip)), have.n)) &&
        !span_eq(have, span_of(gzip, 1))) {
        return u->is_zip ? ERR_INVALID : begin_plain(u);
    }
    return u->head_n == ZIP_HEAD ? zip_read_head(u) : ERR_OK;
}

// ---- what is packed -----------------------------------------------------------------------------

// One piece of output; `*out_more`: there may be more without further input.
static enum err inflate_piece(struct report_unpack *u, bool *out_more)
{
    u->z.next_out = u->piece;
    u->z.avail_out = sizeof(u->piece);
    int r = inflate(&u->z, Z_NO_FLUSH);

    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) {
        return r == Z_MEM_ERROR ? ERR_NOMEM : ERR_INVALID;
    }
    u->state = r == Z_STREAM_END ? STATE_OVER : u->state;
    *out_more = r == Z_OK && (u->z.avail_out == 0 || u->z.avail_in > 0);
    return give(u, span_of(u->piece, sizeof(u->piece) - u->z.avail_out));
}

static enum err inflate_some(struct report_unpack *u, struct span *rest)
{
    bool more = true;
    enum err e = ERR_OK;

    u->z.next_in = (unsigned char *)(uintptr_t)rest->p; // zlib's type knows no const
    u->z.avail_in = (uInt)rest->n;
    while (more && e == ERR_OK) {
        e = inflate_piece(u, &more);
    }
    if (e == ERR_OK && u->state != STATE_OVER && u->z.avail_in > 0) {
        e = ERR_INVALID; // it takes no more, and is not whole
    }
    *rest = span_skip(*rest, rest->n - u->z.avail_in);
    return e;
}

static enum err take(struct report_unpack *u, struct span *rest)
{
    struct span now = *rest;
    enum err e;

    switch (u->state) {
    case STATE_START:
        return start(u, rest);
    case STATE_INFLATE:
        return inflate_some(u, rest);
    case STATE_ZIP_TO:
        now = span_first(now, u->left < now.n ? (size_t)u->left : now.n);
        *rest = span_skip(*rest, now.n);
        u->left -= now.n;
        return u->left ? ERR_OK : zip_begin_file(u);
    case STATE_STORED:
        now = span_first(now, u->left < now.n ? (size_t)u->left : now.n);
        *rest = span_skip(*rest, now.n);
        u->left -= now.n;
        e = give(u, now);
        u->state = u->left ? u->state : STATE_OVER;
        return e;
    case STATE_PLAIN:
        *rest = span_skip(*rest, now.n);
        return give(u, now);
    default:
        *rest = span_skip(*rest, now.n);
        return ERR_OK;
    }
}

enum err report_unpack_feed(struct report_unpack *u, struct span bytes)
{
    enum err e = ERR_OK;

    while (bytes.n && e == ERR_OK) {
        struct span piece = span_first(bytes, 1u << 30), rest = piece;

        e = take(u, &rest);
        bytes = span_skip(bytes, piece.n - rest.n);
    }
    return e;
}

enum err report_unpack_end(struct report_unpack *u)
{
    if (u->state == STATE_START && u->head_n && u->head_n < 4 && !u->is_zip) {
        return begin_plain(u); // two or three bytes that might have been something else
    }
    return u->state == STATE_PLAIN || u->state == STATE_OVER ? ERR_OK : ERR_INVALID;
}
