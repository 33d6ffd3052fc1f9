// SPDX-License-Identifier: Apache-2.0
#include "keep/login/session_deflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/log.h"

#include "base/banned.h"

#define WINDOW_BITS  15 // the client may look back so far: 2^15 bytes
#define WINDOW_BYTES (1u << WINDOW_BITS)
#define LEVEL        5
#define MEMORY_LEVEL 8 // with it a compressor is 256 KiB
// An answer of a few lines needs no more than 32 KiB of compressor.
#define SMALL_BYTES        4096
#define SMALL_WINDOW_BITS  12
#define SMALL_MEMORY_LEVEL 5
#define READ_BYTES         (16u << 10) // decompressed at a time
#define WRITE_BYTES        (16u << 10) // compressed at a time

struct session_deflate {
    z_stream in_stream, out_stream;
    bool has_in, has_out; // the streams are there
    bool has_more;        // decompressed bytes wait inside
    bool is_ended;        // the client's last block has come
    char *window;         // what the client has said last, while has_in is false; or NULL
    unsigned window_n;
    struct buf in, out;
    size_t in_at;    // consumed of `in`
    struct buf cuts; // size_t: offsets of `out` before which nothing may be looked back at
    bool is_apart;   // nothing was written since the last such place
    size_t zlib_bytes;
};

// ---- memory -------------------------------------------------------------------------------------

// Each block knows its size, so that what zlib holds can be said.
static void *stream_alloc(void *arg, unsigned items, unsigned size)
{
    struct session_deflate *d = arg;
    size_t n = (size_t)items * size, head = sizeof(max_align_t);
    char *p = malloc(head + n);

    if (!p) {
        return NULL;
    }
    memcpy(p, &n, sizeof(n));
    d->zlib_bytes += n;
    return p + head;
}

static void stream_free(void *arg, void *block)
{
    struct session_deflate *d = arg;
    char *p = (char *)block - sizeof(max_align_t);
    size_t n;

    memcpy(&n, p, sizeof(n));
    d->zlib_bytes -= n;
    free(p);
}

enum err session_deflate_create(size_t in_max, size_t out_max, struct session_deflate **out)
{
    struct session_deflate *d = calloc(1, sizeof(*d));

    if (!d) {
        return ERR_NOMEM;
    }
    buf_init(&d->in, in_max);
    buf_init(&d->out, out_max);
    buf_init(&d->cuts, out_max);
    d->is_apart = true;
    *out = d;
    return ERR_OK;
}

static void input_close(struct session_deflate *d)
{
    if (d->has_in) {
        inflateEnd(&d->in_stream);
    }
    d->has_in = false;
}

static void output_close(struct session_deflate *d)
{
    if (d->has_out) {
        deflateEnd(&d->out_stream);
    }
    d->has_out = false;
    d->is_apart = true; // a new one knows of nothing
}

void session_deflate_destroy(struct session_deflate *d)
{
    if (d) {
        input_close(d);
        output_close(d);
        buf_finish(&d->in);
        buf_finish(&d->out);
        buf_finish(&d->cuts);
        free(d->window);
        free(d);
    }
}

size_t session_deflate_memory(const struct session_deflate *d)
{
    return sizeof(*d) + d->zlib_bytes + d->window_n + d->in.cap + d->out.cap + d->cuts.cap;
}

// ---- input --------------------------------------------------------------------------------------

static enum err input_open(struct session_deflate *d)
{
    if (d->has_in) {
        return ERR_OK;
    }
    d->in_stream = (z_stream){.zalloc = stream_alloc, .zfree = stream_free, .opaque = d};
    if (inflateInit2(&d->in_stream, -WINDOW_BITS) != Z_OK) {
        return ERR_NOMEM;
    }
    d->has_in = true;
    if (d->window &&
        inflateSetDictionary(&d->in_stream, (const Bytef *)d->window, d->window_n) != Z_OK) {
        input_close(d);
        return ERR_NOMEM;
    }
    free(d->window);
    d->window = NULL;
    d->window_n = 0;
    return ERR_OK;
}

// Room for what comes next in `in`; 0: there is none.
static size_t make_room(struct session_deflate *d)
{
    if (d->in_at && d->in.cap - d->in.n < READ_BYTES) {
        buf_consume(&d->in, d->in_at);
        d->in_at = 0;
    }
    size_t left = d->in.max - d->in.n, want = left < READ_BYTES ? left : READ_BYTES;

    return want && buf_reserve(&d->in, want) ? want : 0;
}

enum err session_deflate_read(struct session_deflate *d, struct span raw, size_t *out_taken)
{
    *out_taken = 0;
    if (d->is_ended) {
        return ERR_EOF;
    }
    if (!raw.n && !d->has_more) {
        return ERR_AGAIN;
    }
    size_t room = make_room(d);

    if (!room) {
        return ERR_LIMIT;
    }
    enum err e = input_open(d);

    if (e) {
        return e;
    }
    z_stream *z = &d->in_stream;

    raw = span_first(raw, WINDOW_BYTES);
    z->next_in = (z_const Bytef *)(uintptr_t)raw.p;
    z->avail_in = (uInt)raw.n;
    z->next_out = (Bytef *)d->in.p + d->in.n;
    z->avail_out = (uInt)room;
    int result = inflate(z, Z_SYNC_FLUSH);
    size_t got = room - z->avail_out;

    *out_taken = raw.n - z->avail_in;
    d->in.n += got;
    d->has_more = z->avail_out == 0;
    d->is_ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR) {
        return ERR_NOMEM;
    }
    if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) {
        return ERR_INVALID;
    }
    return got ? ERR_OK : d->is_ended ? ERR_EOF : ERR_AGAIN;
}

struct span session_deflate_input(const struct session_deflate *d)
{
    return span_skip(buf_span(&d->in), d->in_at);
}

void session_deflate_consume(struct session_deflate *d, size_t n)
{
    ASSERT(n <= d->in.n - d->in_at);
    d->in_at += n;
    if (d->in_at == d->in.n) {
        buf_clear(&d->in);
        d->in_at = 0;
    }
}

// ---- output -------------------------------------------------------------------------------------

struct buf *session_deflate_output(struct session_deflate *d)
{
    return &d->out;
}

void session_deflate_part(struct session_deflate *d)
{
    size_t at = d->out.n;

    if (at || !d->is_apart) {
        buf_put(&d->cuts, span_of(&at, sizeof(at)));
    }
}

static enum err output_open(struct session_deflate *d, bool is_small)
{
    if (d->has_out) {
        return ERR_OK;
    }
    d->out_stream = (z_stream){.zalloc = stream_alloc, .zfree = stream_free, .opaque = d};
    if (deflateInit2(&d->out_stream, LEVEL, Z_DEFLATED,
                     is_small ? -SMALL_WINDOW_BITS : -WINDOW_BITS,
                     is_small ? SMALL_MEMORY_LEVEL : MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        return ERR_NOMEM;
    }
    d->has_out = d->is_apart = true;
    return ERR_OK;
}

static enum err squeeze(struct session_deflate *d, struct span text, int flush, struct buf *to)
{
    z_stream *z = &d->out_stream;

    z->next_in = (z_const Bytef *)(uintptr_t)text.p;
    z->avail_in = (uInt)text.n;
    d->is_apart = flush == Z_FULL_FLUSH || (d->is_apart && !text.n);
    do {
        char *p = buf_reserve(to, WRITE_BYTES);

        if (!p) {
            return ERR_LIMIT;
        }
        z->next_out = (Bytef *)p;
        z->avail_out = WRITE_BYTES;
        int result = deflate(z, flush);

        ASSERT(result == Z_OK || result == Z_BUF_ERROR);
        to->n += WRITE_BYTES - z->avail_out;
    } while (!z->avail_out);
    return ERR_OK;
}

// Up to each cut, and then the rest.
static enum err squeeze_parts(struct session_deflate *d, bool flush, struct buf *to)
{
    struct span text = buf_span(&d->out);
    size_t done = 0;

    for (size_t i = 0; i < d->cuts.n; i += sizeof(size_t)) {
        size_t at;

        memcpy(&at, d->cuts.p + i, sizeof(at));
        at = at < text.n ? at : text.n;
        enum err e =
            at < done ? ERR_OK
                      : squeeze(d, span_first(span_skip(text, done), at - done), Z_FULL_FLUSH, to);

        if (e) {
            return e;
        }
        done = at > done ? at : done;
    }
    return squeeze(d, span_skip(text, done), flush ? Z_SYNC_FLUSH : Z_NO_FLUSH, to);
}

enum err session_deflate_write(struct session_deflate *d, bool flush, struct buf *to)
{
    // A compressor that is there may hold back what it was given without a flush.
    if (!d->out.n && !(flush && d->has_out)) {
        return ERR_OK;
    }
    // Without this mark a part of what was to be said apart would be looked back at.
    enum err e = d->cuts.failed ? ERR_NOMEM : output_open(d, flush && d->out.n <= SMALL_BYTES);

    e = e ? e : squeeze_parts(d, flush, to);
    buf_clear(&d->cuts);
    buf_clear(&d->out);
    if (flush) {
        output_close(d);
    }
    return e;
}

// ---- between runs -------------------------------------------------------------------------------

// At the end of a block and of a byte nothing is needed but what can be looked back at. zlib says
// both in data_type.
static bool input_is_between(const struct session_deflate *d)
{
    return (d->in_stream.data_type & (128 | 63)) == 128 && !d->has_more;
}

static void input_rest(struct session_deflate *d)
{
    unsigned n = 0;

    if (!d->has_in || !input_is_between(d) ||
        inflateGetDictionary(&d->in_stream, NULL, &n) != Z_OK) {
        return;
    }
    char *window = n ? malloc(n) : NULL;

    if (n && (!window || inflateGetDictionary(&d->in_stream, (Bytef *)window, &n) != Z_OK)) {
        free(window);
        return;
    }
    d->window = window;
    d->window_n = n;
    input_close(d);
}

void session_deflate_rest(struct session_deflate *d)
{
    input_rest(d);
    if (!session_deflate_input(d).n) {
        buf_release(&d->in);
        d->in_at = 0;
    }
    if (!d->out.n) {
        buf_release(&d->out);
        buf_release(&d->cuts);
    }
}
