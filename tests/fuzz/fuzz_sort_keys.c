// SPDX-License-Identifier: Apache-2.0
//
// Sort keys: made of a header they must fit, be read back and hold UTF-8; bytes that are none must
// be refused or stay inside themselves. Input: a byte that chooses, the header or the bytes.
#include "base/utf8.h"
#include "fuzz.h"
#include "order/sort_keys.h"

static void read_keys(struct span packed, bool is_ours)
{
    struct sort_keys k;
    enum err e = sort_keys_unpack(packed, &k);

    CHECK(!is_ours || e == ERR_OK);
    if (e) {
        return;
    }
    const struct span texts[] = {k.subject, k.from, k.cc, k.to, k.display_from, k.display_to};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CHECK(!texts[i].n ||
              (texts[i].p >= packed.p && texts[i].p + texts[i].n <= packed.p + packed.n));
        CHECK(!is_ours || utf8_is_valid(texts[i]));
    }
    CHECK(k.references.n % 8 == 0 && k.references.n <= 8 * SORT_REFERENCES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0) {
        return 0;
    }
    struct span in = span_of(data + 1, n - 1);
    struct buf packed;

    if (data[0] & 1) {
        read_keys(in, false);
        return 0;
    }
    buf_init(&packed, SORT_KEYS_BYTES_MAX);
    sort_keys_pack(&packed, in);
    CHECK(!packed.failed);
    read_keys(buf_span(&packed), true);
    buf_finish(&packed);
    return 0;
}
