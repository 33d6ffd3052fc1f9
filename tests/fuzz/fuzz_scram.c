// SPDX-License-Identifier: Apache-2.0
//
// SCRAM: the first line is the client's first message, the second its last. Whatever is in them,
// nobody without the key gets in, and a name has one spelling.
#include "fuzz.h"
#include "wire/sasl/saslprep.h"
#include "wire/sasl/scram.h"

static const struct scram_channel channel = {SPAN("0123456789"), SPAN("abcdefghij")};

static bool is_inside(struct span outer, struct span inner)
{
    return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

static void check_first(struct arena *arena, struct span message)
{
    struct scram_first first;
    struct span again;

    if (scram_first_parse(arena, message, &first)) {
        return;
    }
    CHECK(first.header.n + first.bare.n == message.n && is_inside(message, first.nonce));
    CHECK(first.name.n > 0 && first.name.n <= SCRAM_NAME_BYTES_MAX);
    CHECK(first.authzid.n <= SCRAM_NAME_BYTES_MAX && first.nonce.n > 0);
    CHECK(saslprep(arena, first.name, SASLPREP_QUERY, &again) == ERR_OK);
    CHECK(span_eq(again, first.name));
    bool is_plus = first.binding > SCRAM_BINDING_NOT_OFFERED;

    CHECK(scram_first_check(&first, !is_plus, &channel) == ERR_INVALID);
    (void)scram_first_check(&first, is_plus, &channel);
}

static void check_final(struct arena *arena, struct span message)
{
    struct scram_final final;

    if (scram_final_parse(arena, message, &final) == ERR_OK) {
        CHECK(is_inside(message, final.nonce) && is_inside(message, final.without_proof));
        CHECK(final.nonce.n > 0 && final.without_proof.n < message.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct scram_keys keys[2] = {{{1}, {2}}, {{3}, {4}}};
    struct span rest = span_of(data, n);
    struct span first = span_split(&rest, '\n');
    struct scram_exchange x;
    struct arena arena;
    struct buf out;
    size_t which = 2;

    arena_init(&arena, 1 << 20);
    buf_init(&out, 4096);
    check_first(&arena, first);
    check_final(&arena, rest);
    if (scram_begin(&x, &arena, first, SPAN("d"), SPAN("saltsalt"), 4096) == ERR_OK) {
        CHECK(scram_end(&x, rest, &channel, keys, 2, &which, &out) != ERR_OK);
        CHECK(which == 2 && out.n == 0);
    }
    buf_finish(&out);
    arena_finish(&arena);
    return 0;
}
