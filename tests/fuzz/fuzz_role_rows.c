// SPDX-License-Identifier: Apache-2.0
//
// R06. Rows of roles as they may stand on a disk: whatever is read of them, nobody gets rights over
// everything by a list of domains, and what the rights come to agrees with itself. The first byte
// says what is read, the key's rest comes next.
#include <string.h>

#include "fuzz.h"
#include "store/directory/role.h"
#include "store/rules_internal.h"

static void role(struct span input)
{
    struct span name = span_split(&input, '\0');
    char key[70] = "e";
    struct role r;

    if (name.n > ROLE_NAME_BYTES_MAX + 1) {
        return;
    }
    memcpy(key + 1, name.p, name.n);
    if (role_decode(span_of(key, 1 + name.n), input, &r) == ERR_OK) {
        CHECK((r.rights & ~ROLE_RIGHTS_ALL) == 0 && r.words.n <= ROLE_WORDS_BYTES_MAX);
        CHECK(role_name_is_good(r.name) && !r.is_builtin);
    }
}

// What a holder of these grants may do, each role being another right.
static void weigh(struct role_holder *h)
{
    uint32_t everywhere = 0, anywhere = 0;

    for (size_t i = 0; i < h->count; i++) {
        struct role_grant *g = (struct role_grant *)(uintptr_t)&h->grants[i];

        g->rights = 1u << (i % ROLE_RIGHTS);
        CHECK(role_name_is_good(g->role) && g->is_everywhere == (g->domain_count == 0));
        CHECK(g->domain_count <= ROLE_DOMAINS_MAX);
        everywhere |= g->is_everywhere ? g->rights : 0;
        anywhere |= g->rights;
    }
    CHECK(role_rights_everywhere(h) == everywhere && role_rights_anywhere(h) == anywhere);
    // Any name that is not in a row may be guessed by the fuzzer; this one is in none.
    CHECK(role_rights_over(h, SPAN("")) == everywhere);
    CHECK(role_covers(h, h) && !role_covers(&(struct role_holder){.count = 0}, h));
    for (size_t i = 0; i < h->count; i++) {
        for (size_t d = 0; d < h->grants[i].domain_count; d++) {
            struct span domain = h->grants[i].domains[d];

            CHECK(domain.n > 0 && (role_rights_over(h, domain) & h->grants[i].rights));
            CHECK((role_rights_over(h, domain) & ~anywhere) == 0);
        }
    }
}

static void holder(struct span input)
{
    struct role_holder h;
    struct arena a;
    char key[9] = "B";

    if (input.n < 8) {
        return;
    }
    memcpy(key + 1, input.p, 8);
    arena_init(&a, 1u << 20);
    enum err e = role_holder_decode(span_of(key, 9), span_skip(input, 8), &a, &h);

    CHECK(e == ERR_OK || e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
    if (e == ERR_OK) {
        CHECK(h.count > 0 && h.count <= ROLE_GRANTS_MAX);
        weigh(&h);
    }
    arena_finish(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        struct span rest = span_of(data + 1, size - 1);

        if (data[0] == 'e') {
            role(rest);
        } else {
            holder(rest);
        }
    }
    return 0;
}
