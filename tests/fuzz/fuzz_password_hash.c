// SPDX-License-Identifier: Apache-2.0
//
// Hashes brought from elsewhere: any bytes are taken apart or refused with a reason, and what is
// taken is cheap enough and can be verified.
#include "auth/foreign_hash.h"
#include "auth/password.h"
#include "fuzz.h"

// Verifying takes real time: only what is quick is tried.
static bool is_quick(const struct foreign_hash *h)
{
    return h->kind == FOREIGN_SALTED || (h->kind == FOREIGN_PBKDF2 && h->rounds < 100) ||
           (h->kind == FOREIGN_CRYPT && span_starts(span_from_str(h->crypt), SPAN("$2y$04$")));
}

static void check_foreign(const struct foreign_hash *h)
{
    CHECK(h->kind == FOREIGN_CRYPT || (h->salt_bytes > 0 && h->salt_bytes <= sizeof(h->salt)));
    CHECK(h->kind == FOREIGN_CRYPT || (h->digest_bytes >= 20 && h->digest_bytes <= 64));
    CHECK(h->kind != FOREIGN_PBKDF2 || (h->rounds && h->rounds <= FOREIGN_PBKDF2_ROUNDS_MAX));
    CHECK(h->kind != FOREIGN_CRYPT || h->crypt[0] == '$');
    if (is_quick(h)) {
        enum err e = foreign_hash_verify(h, SPAN("correct horse"));

        CHECK(e == ERR_OK || e == ERR_DENIED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct password_params params = {.memory_kib = 64, .passes = 1, .lanes = 1};
    struct span text = span_of(data, n), stored;
    struct foreign_hash h;
    const char *why = NULL;
    enum err e = password_hash_accept(text, &params, &stored, &why);

    if (e != ERR_OK) {
        CHECK(e == ERR_INVALID || e == ERR_UNSUPPORTED || e == ERR_LIMIT);
        CHECK(why && why[0]);
    } else {
        CHECK(stored.n > 0 && stored.n <= PASSWORD_HASH_MAX);
        CHECK(stored.p + stored.n == text.p + text.n);
    }
    if (foreign_hash_read(text, &h, &why) == ERR_OK) {
        CHECK(e == ERR_OK); // nobody stores what the other would not read
        check_foreign(&h);
    }
    password_weakness(text, SPAN("anna@example.org"));
    return 0;
}
