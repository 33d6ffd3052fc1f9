// SPDX-License-Identifier: Apache-2.0
#include "auth/provision.h"

#include <openssl/evp.h>
#include <string.h>

#include "auth/readable.h"

#include "base/banned.h"

#define PREFIX "scim-"
#define CHARS  (PROVISION_TOKEN_BYTES - (sizeof(PREFIX) - 1))

void provision_token_make(char out[PROVISION_TOKEN_BYTES])
{
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    readable_make(out + sizeof(PREFIX) - 1, CHARS);
}

bool provision_token_is(struct span text)
{
    if (text.n != PROVISION_TOKEN_BYTES || !span_starts(text, SPAN(PREFIX))) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (!byte_is_alnum(text.p[i]) && text.p[i] != '-') {
            return false;
        }
    }
    return true;
}

enum err provision_token_digest(struct span text, unsigned char out[32])
{
    unsigned n = 0;

    return EVP_Digest(text.p, text.n, out, &n, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NOMEM;
}
