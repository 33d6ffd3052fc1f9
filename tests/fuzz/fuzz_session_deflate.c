// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as what a client that compresses says. The first byte chooses how they are cut; between
// two cuts the layer gives its memory back. What comes out is what zlib makes of all of them at
// once, and what is said comes back the same.
#include <zlib.h>

#include "fuzz.h"
#include "keep/login/session_deflate.h"

#define OUT_MAX (1u << 20)

// What one decompressor makes of it all. True: it is good to its end.
static bool model(const uint8_t *data, size_t n, struct buf *out)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)data, .avail_in = (uInt)n};
    int result = Z_OK;

    CHECK(inflateInit2(&z, -15) == Z_OK);
    while (result == Z_OK && out->n < OUT_MAX) {
        char *p = buf_reserve(out, 4096);

        z.next_out = (Bytef *)p;
        z.avail_out = 4096;
        result = inflate(&z, Z_SYNC_FLUSH);
        out->n += 4096 - z.avail_out;
        if (z.avail_out && !z.avail_in) {
            break;
        }
    }
    inflateEnd(&z);
    return result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END;
}

static enum err feed(struct session_deflate *d, struct span raw, struct buf *got)
{
    for (;;) {
        size_t taken;
        enum err e = session_deflate_read(d, raw, &taken);

        CHECK(taken <= raw.n);
        raw = span_skip(raw, taken);
        struct span in = session_deflate_input(d);

        buf_put(got, in);
        session_deflate_consume(d, in.n);
        if (got->n >= OUT_MAX || (e && e != ERR_AGAIN) || (e == ERR_AGAIN && !raw.n)) {
            return e;
        }
    }
}

static void echo(struct session_deflate *d, struct span text, size_t cut)
{
    struct buf raw, heard;

    buf_init(&raw, 4 * OUT_MAX);
    buf_init(&heard, 4 * OUT_MAX);
    for (size_t at = 0; at < text.n; at += cut) {
        buf_put(session_deflate_output(d), span_first(span_skip(text, at), cut));
        if (at % 3 == 0) {
            session_deflate_part(d);
        }
        CHECK(!session_deflate_write(d, at % 2 == 0, &raw));
    }
    CHECK(!session_deflate_write(d, true, &raw));
    CHECK(model((const uint8_t *)raw.p, raw.n, &heard) && span_eq(buf_span(&heard), text));
    buf_finish(&raw);
    buf_finish(&heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct session_deflate *d;
    struct buf got, want;
    enum err e = ERR_AGAIN;

    if (n < 2 || n > 65536) {
        return 0;
    }
    size_t cut = 1 + data[0];
    struct span raw = span_of(data + 1, n - 1);

    buf_init(&got, 2 * OUT_MAX);
    buf_init(&want, 2 * OUT_MAX);
    CHECK(!session_deflate_create(1u << 20, 4u << 20, &d));
    bool is_good = model(data + 1, n - 1, &want);

    for (size_t at = 0; at < raw.n && e == ERR_AGAIN && got.n < OUT_MAX; at += cut) {
        e = feed(d, span_first(span_skip(raw, at), cut), &got);
        session_deflate_rest(d);
        CHECK(session_deflate_memory(d) < 64u << 10);
    }
    if (got.n < OUT_MAX && want.n < OUT_MAX) {
        CHECK(is_good == (e != ERR_INVALID));
        CHECK(!is_good || span_eq(buf_span(&got), buf_span(&want)));
    }
    echo(d, span_first(raw, 2000), 1 + data[0] % 64);
    session_deflate_destroy(d);
    buf_finish(&got);
    buf_finish(&want);
    return 0;
}
