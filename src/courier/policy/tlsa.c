// SPDX-License-Identifier: Apache-2.0
#include "courier/policy/tlsa.h"

#include "base/banned.h"

enum err tlsa_read(struct span record, struct tlsa *out)
{
    if (record.n < 4) {
        return ERR_INVALID;
    }
    *out = (struct tlsa){.usage = (uint8_t)record.p[0],
                         .selector = (uint8_t)record.p[1],
                         .matching = (uint8_t)record.p[2],
                         .data = span_skip(record, 3)};
    return ERR_OK;
}

bool tlsa_is_usable(const struct tlsa *t)
{
    static const size_t digest_bytes[] = {0, 32, 64}; // none, SHA-256, SHA-512

    return (t->usage == 2 || t->usage == 3) && t->selector <= 1 && t->matching <= 2 &&
           (t->matching == 0 || t->data.n == digest_bytes[t->matching]);
}
