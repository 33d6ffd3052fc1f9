// SPDX-License-Identifier: Apache-2.0
//
// What our own authorization server is told by strangers, and its rows as they may stand on a disk.
// The first byte says what is read.
#include <string.h>

#include "auth/oauth/oauth_rules.h"
#include "auth/oauth/oauth_token.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "store/access/oauth_client.h"

static void family(struct span input)
{
    struct oauth_family f;
    char key[9] = "o";

    if (input.n < 8) {
        return;
    }
    memcpy(key + 1, input.p, 8);
    if (oauth_family_decode(span_of(key, 9), span_skip(input, 8), &f) != ERR_OK) {
        return;
    }
    CHECK(f.id > 0 && f.device > 0 && f.generation > 0 && f.generation <= OAUTH_GENERATION_MAX);
    CHECK(f.access_count <= OAUTH_ACCESS_MAX && (f.refresh.n || f.access_count == 0));
    for (size_t i = 0; i < f.access_count; i++) {
        CHECK(f.access[i].digest.n == OAUTH_DIGEST_BYTES);
    }
}

static void client(struct span input)
{
    struct span redirects[OAUTH_REDIRECTS_MAX], id = span_split(&input, '\0');
    struct oauth_client c;
    char key[66] = "O";

    id = span_first(id, 65);
    memcpy(key + 1, id.p, id.n);
    if (oauth_client_decode(span_of(key, 1 + id.n), input, redirects, &c) != ERR_OK) {
        return;
    }
    CHECK(oauth_client_id_is_valid(c.id) && utf8_is_valid(c.name) && c.name.n > 0);
    for (size_t i = 0; i < c.redirect_count; i++) {
        CHECK(oauth_redirect_matches(c.redirects[i], c.redirects[i]));
    }
}

// Nothing that could leave a header line or an attribute of a page.
static void redirect(struct span input)
{
    static const struct span loopback = {"http://127.0.0.1/cb", 19};

    if (oauth_redirect_is_valid(input)) {
        for (size_t i = 0; i < input.n; i++) {
            CHECK((unsigned char)input.p[i] > 32 && (unsigned char)input.p[i] < 127);
            CHECK(!strchr("\"<>\\^`{|}#*", input.p[i]));
        }
        CHECK(oauth_redirect_matches(input, input));
        CHECK(!span_starts(input, SPAN("http:")) || oauth_redirect_is_loopback(input));
    }
    if (oauth_redirect_matches(loopback, input)) {
        CHECK(span_starts(input, SPAN("http://127.0.0.1")) && span_ends(input, SPAN("/cb")));
        CHECK(input.n <= loopback.n + 6);
    }
}

static void scope(struct span input)
{
    unsigned one, two;
    struct buf b;

    if (oauth_scope_read(input, &one)) {
        CHECK((one & DEVICE_MAIL) && !(one & DEVICE_WEB));
        buf_init(&b, 100);
        oauth_scope_put(&b, one);
        CHECK(!b.failed && oauth_scope_read(buf_span(&b), &two) && one == two);
        CHECK(oauth_scope_is_within(one, one));
        buf_finish(&b);
    }
}

static void token(struct span input)
{
    static const char key[OAUTH_KEY_BYTES] = "0123456789abcde";
    enum oauth_token_kind kind;
    struct oauth_place place;

    if (oauth_token_read(key, input, &kind, &place) == ERR_OK) {
        CHECK(place.account > 0 && place.family > 0 && place.generation > 0);
        CHECK(oauth_token_is_own(input) == (kind == OAUTH_ACCESS_TOKEN));
    }
}

static void typed(struct span input)
{
    char code[OAUTH_USER_CODE_CHARS], again[OAUTH_USER_CODE_CHARS];
    char shown[OAUTH_USER_CODE_TEXT_BYTES];

    if (oauth_user_code_read(input, code)) {
        oauth_user_code_show(code, shown);
        CHECK(oauth_user_code_read(span_of(shown, sizeof(shown)), again));
        CHECK(memcmp(code, again, sizeof(code)) == 0);
    }
    struct span verifier = span_split(&input, '\n');

    CHECK(!oauth_verifier_fits(verifier, input) || oauth_challenge_is_valid(input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct span) = {family, client, redirect, scope, token, typed};

    if (size > 0) {
        readers[data[0] % 6](span_of(data + 1, size - 1));
    }
    return 0;
}
