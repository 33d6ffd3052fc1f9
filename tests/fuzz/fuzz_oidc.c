// SPDX-License-Identifier: Apache-2.0
//
// What the courier reads about tokens of foreign issuers (L19). The first byte says what the rest
// is.
#include "courier/vouch/oidc_claims.h"
#include "courier/vouch/oidc_document.h"
#include "courier/vouch/oidc_token.h"
#include "fuzz.h"

#define ISSUER "https://id.example.org"

enum { READ_TOKEN, READ_CLAIMS, READ_KEYS, READ_DOCUMENT, READ_SETTING, READ_KINDS };

static void read_claims(const json_t *claims)
{
    static const char *const settings[] = {ISSUER " aud=mail", ISSUER " aud=mail azp=p scope=mail",
                                           ISSUER " client=c azp=p claim=sub"};

    for (unsigned i = 0; i < 6; i++) {
        struct oidc_issuer issuer;
        struct oidc_person person = {.name = {NULL, 0}};
        const char *why;

        CHECK(oidc_issuer_read(span_from_str(settings[i / 2]), &issuer, &why) == ERR_OK);
        why = oidc_claims_check(claims, &issuer, i & 1 ? OIDC_FROM_ISSUER : OIDC_FROM_JWT,
                                1800000000, &person);
        if (!why) {
            CHECK(person.name.n > 0 && person.name.n <= OIDC_NAME_BYTES_MAX);
            CHECK(person.until_ms == 0 || person.until_ms > 1800000000000);
        }
    }
}

static void read_token(struct span text)
{
    struct oidc_token t;
    struct arena arena;
    const char *why = NULL;

    arena_init(&arena, 1u << 17);
    enum err e = oidc_token_read(text, &arena, &t, &why);

    CHECK(e != ERR_INVALID || why);
    if (e == ERR_OK) {
        CHECK(t.signed_part.n < text.n && t.alg < OIDC_ALG__COUNT);
        read_claims(t.claims);
        oidc_token_finish(&t);
    }
    arena_finish(&arena);
}

static void read_keys(struct span text)
{
    struct oidc_keys keys;

    if (oidc_keys_read(text, &keys) != ERR_OK) {
        return;
    }
    CHECK(keys.n <= OIDC_KEYS_MAX);
    for (size_t i = 0; i < keys.n; i++) {
        const struct oidc_key *k = &keys.items[i];

        CHECK(k->pkey && k->algs);
        for (unsigned a = 0; a < OIDC_ALG__COUNT; a++) {
            CHECK(oidc_signature_check(k, (enum oidc_alg)a, SPAN("a.b"), SPAN("no signature")) !=
                  ERR_OK);
        }
        CHECK(!k->id.p || oidc_keys_find(&keys, k->id, (enum oidc_alg)__builtin_ctz(k->algs)));
    }
    oidc_keys_finish(&keys);
}

static void check_url(const char *text)
{
    struct https_url u;

    CHECK(!text[0] || (https_url_parse(span_from_str(text), &u) == ERR_OK && u.host.n && u.port));
}

static void read_document(struct span text)
{
    struct oidc_document d;
    const char *why = NULL;

    if (oidc_document_read(text, SPAN(ISSUER), &d, &why) == ERR_OK) {
        check_url(d.keys_url);
        check_url(d.introspect_url);
    } else {
        CHECK(why);
    }
}

static void read_setting(struct span text)
{
    struct oidc_issuer o;
    struct https_url u;
    struct buf url;
    const char *why = NULL;

    if (oidc_issuer_read(text, &o, &why) != ERR_OK) {
        CHECK(why);
        return;
    }
    CHECK(https_url_parse(o.url, &u) == ERR_OK);
    CHECK(o.audiences.n || (o.client.n && o.parties.n));
    buf_init(&url, 4096);
    oidc_document_url(o.url, true, &url);
    CHECK(!url.failed && span_starts_nocase(buf_span(&url), SPAN("https://")));
    buf_finish(&url);
    oidc_secret_find(text, o.client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1 || n > 1u << 16) {
        return 0;
    }
    struct span text = span_of(data + 1, n - 1);

    switch (data[0] % READ_KINDS) {
    case READ_TOKEN:
        read_token(text);
        break;
    case READ_CLAIMS: {
        json_t *claims = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);

        read_claims(claims);
        json_decref(claims);
        break;
    }
    case READ_KEYS:
        read_keys(text);
        break;
    case READ_DOCUMENT:
        read_document(text);
        break;
    default:
        read_setting(text);
        break;
    }
    return 0;
}
