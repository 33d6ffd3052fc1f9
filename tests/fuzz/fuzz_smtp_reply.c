// SPDX-License-Identifier: Apache-2.0
//
// Replies of a hostile server, in pieces (the first byte says how large), and what is made of them
// again by the writer.
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/smtp/smtp_reply.h"

static void check_reply(const struct smtp_reply *reply)
{
    struct smtp_capabilities c;
    struct smtp_reply_reader r;
    struct smtp_reply again;
    struct buf b;

    CHECK(reply->code >= 200 && reply->code < 600 && reply->lines > 0);
    CHECK(utf8_is_valid(reply->text));
    for (size_t i = 0; i < reply->text.n; i++) {
        CHECK(reply->text.p[i] == '\n' || !byte_is_ctl(reply->text.p[i]));
    }
    smtp_capabilities_read(reply, &c);
    CHECK(c.mechanism_n <= SMTP_MECHANISMS_MAX);
    buf_init(&b, 1 << 20);
    smtp_reply_put(&b, reply->code, "5.1.1", reply->text, true);
    CHECK(!b.failed);
    if (b.n <= SMTP_REPLY_BYTES_MAX) {
        struct span in = buf_span(&b);

        smtp_reply_reader_init(&r);
        CHECK(smtp_reply_read(&r, &in, &again) == ERR_OK && in.n == 0);
        CHECK(again.code == reply->code);
        smtp_reply_reader_finish(&r);
    }
    buf_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct smtp_reply_reader r;
    struct smtp_reply reply;
    size_t at = 0, have = 0, step;
    enum err e = ERR_AGAIN;

    if (n < 1) {
        return 0;
    }
    struct span all = span_of(data + 1, n - 1);

    step = 1u + data[0];
    smtp_reply_reader_init(&r);
    while (e == ERR_OK || (e == ERR_AGAIN && have < all.n)) {
        have = e == ERR_AGAIN ? (have + step < all.n ? have + step : all.n) : have;
        struct span in = span_of(all.p + at, have - at);

        e = smtp_reply_read(&r, &in, &reply);
        at = have - in.n;
        if (e == ERR_OK) {
            check_reply(&reply);
        }
    }
    smtp_reply_reader_finish(&r);
    return 0;
}
