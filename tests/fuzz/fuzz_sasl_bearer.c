// SPDX-License-Identifier: Apache-2.0
//
// A client's message with a token: first byte even OAUTHBEARER, odd XOAUTH2.
#include "fuzz.h"
#include "wire/sasl/sasl_bearer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sasl_credentials c;
    struct arena arena;
    struct buf out;

    if (n < 1) {
        return 0;
    }
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
    bool is_xoauth2 = data[0] % 2;
    struct span message = span_of(data + 1, n - 1);
    enum err e =
        is_xoauth2 ? sasl_xoauth2_parse(message, &c) : sasl_oauthbearer_parse(message, &arena, &c);

    if (e == ERR_OK) {
        CHECK(c.password.n && c.password.n <= SASL_TOKEN_BYTES_MAX);
        CHECK(c.authcid.n <= SASL_NAME_BYTES_MAX && (c.authcid.n || !is_xoauth2));
        for (size_t i = 0; i < c.password.n; i++) {
            CHECK(c.password.p[i] > ' ' && c.password.p[i] <= '~' && c.password.p[i] != '"');
        }
    }
    sasl_bearer_error_put(&out, is_xoauth2, message, message);
    for (size_t i = 0; i < out.n; i++) {
        CHECK(out.p[i] >= ' ' && out.p[i] <= '~' && out.p[i] != '\\');
    }
    buf_finish(&out);
    arena_finish(&arena);
    return 0;
}
