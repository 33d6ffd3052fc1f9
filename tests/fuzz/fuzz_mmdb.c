// SPDX-License-Identifier: Apache-2.0
//
// A file that says where networks are, asked for some of them (L59).
#include <string.h>

#include "base/utf8.h"
#include "courier/place/mmdb.h"
#include "fuzz.h"

struct bytes {
    const uint8_t *p;
    size_t n, reads;
};

static enum err read_bytes(void *arg, uint64_t offset, size_t n, char *out)
{
    struct bytes *b = arg;

    b->reads++;
    if (offset > b->n || n > b->n - offset) {
        return ERR_EOF;
    }
    memcpy(out, b->p + offset, n);
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char addresses[][16] = {
        {2, 1, 2, 3}, {177, 0, 0, 1},     {81, 2, 69, 200},      {1, 0, 0, 1}, {45, 0, 2, 1},
        {0},          {0x2a, 0x01, 0xc0}, {0x28, 0x04, 0xff, 1},
    };
    struct bytes b = {data, size, 0};
    const struct mmdb_source s = {.read = read_bytes, .arg = &b, .size = size};
    struct mmdb m;
    struct mmdb_place p;

    if (mmdb_open(&s, &m) != ERR_OK) {
        return 0;
    }
    CHECK(utf8_is_valid(span_from_str(m.type)));
    for (size_t i = 0; i < 8; i++) {
        b.reads = 0;
        if (mmdb_find(&m, i > 5, addresses[i], &p) == ERR_OK) {
            CHECK(strlen(p.country) == 2 && utf8_is_valid(span_from_str(p.name)));
            CHECK(!p.has_position || (p.latitude >= -9000 && p.latitude <= 9000 &&
                                      p.longitude >= -18000 && p.longitude <= 18000));
        }
        CHECK(b.reads < 50000);
    }
    return 0;
}
