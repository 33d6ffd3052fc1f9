// SPDX-License-Identifier: Apache-2.0
//
// SASL dialogues: the first byte is the mechanism, the lines after it the base64 of responses.
#include "fuzz.h"
#include "wire/sasl/sasl_bearer.h"

static void check_credentials(enum sasl_mechanism mechanism, const struct sasl_credentials *c)
{
    size_t max = sasl_is_bearer(mechanism) ? SASL_TOKEN_BYTES_MAX : SASL_PASSWORD_BYTES_MAX;

    CHECK(c->authcid.n <= SASL_NAME_BYTES_MAX);
    CHECK(c->authcid.n > 0 || mechanism == SASL_OAUTHBEARER || mechanism == SASL_EXTERNAL);
    CHECK(c->authzid.n <= SASL_NAME_BYTES_MAX);
    CHECK(sasl_is_scram(mechanism) || mechanism == SASL_EXTERNAL
              ? c->password.n == 0
              : c->password.n > 0 && c->password.n <= max);
    CHECK(span_find_byte(c->authcid, '\0') == c->authcid.n);
    CHECK(span_find_byte(c->password, '\0') == c->password.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sasl_dialogue d;
    struct sasl_credentials c;
    struct arena arena;
    struct span challenge, rest;
    struct buf response;
    enum sasl_verdict v = SASL_CHALLENGE;

    if (n < 1) {
        return 0;
    }
    arena_init(&arena, 1 << 20);
    buf_init(&response, SASL_MESSAGE_BYTES_MAX);
    sasl_begin(&d, (enum sasl_mechanism)(data[0] % SASL_MECHANISM__COUNT), &arena);
    rest = span_of(data + 1, n - 1);
    for (int i = 0; i < 4 && v == SASL_CHALLENGE && rest.n; i++) {
        struct span line = span_split(&rest, '\n');

        buf_clear(&response);
        if (sasl_decode(line, i == 0, &response)) {
            break;
        }
        struct span bytes = buf_span(&response);

        v = sasl_step(&d, line.n ? &bytes : NULL, &challenge, &c);
    }
    if (v == SASL_COMPLETE) {
        check_credentials(d.mechanism, &c);
        sasl_wipe(&c);
    }
    buf_finish(&response);
    arena_finish(&arena);
    return 0;
}
