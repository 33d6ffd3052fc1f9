// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_issuer.h"

#include "courier/https/https_url.h"

#include "base/banned.h"

// The next word; empty at the end.
static struct span next_word(struct span *rest)
{
    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
        *rest = span_skip(*rest, 1);
    }
    size_t n = 0;

    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') {
        n++;
    }
    struct span word = span_first(*rest, n);

    *rest = span_skip(*rest, n);
    return word;
}

static const char *add_value(struct oidc_values *v, struct span value)
{
    if (v->n == OIDC_VALUES_MAX) {
        return "too many values of aud or azp";
    }
    v->items[v->n++] = value;
    return NULL;
}

// NULL, or what is wrong with the word.
static const char *take_word(struct oidc_issuer *o, struct span word)
{
    struct span value = word, key;

    if (span_eq(word, SPAN("unverified"))) {
        o->must_be_verified = false;
        return NULL;
    }
    if (span_find_byte(word, '=') >= word.n - 1) {
        return "a word that is nothing here; see mailkeep.conf(5)";
    }
    key = span_split(&value, '=');
    if (span_eq(key, SPAN("aud"))) {
        return add_value(&o->audiences, value);
    }
    if (span_eq(key, SPAN("azp"))) {
        return add_value(&o->parties, value);
    }
    if (span_eq(key, SPAN("alg"))) {
        return oidc_alg_from_name(value, &o->alg) == ERR_OK
                   ? NULL
                   : "alg is one of RS256, PS256, ES256 and EdDSA";
    }
    struct span *one = span_eq(key, SPAN("claim"))    ? &o->claim
                       : span_eq(key, SPAN("scope"))  ? &o->scope
                       : span_eq(key, SPAN("client")) ? &o->client
                                                      : NULL;

    if (!one) {
        return "a word that is nothing here; see mailkeep.conf(5)";
    }
    *one = value;
    return NULL;
}

enum err oidc_issuer_read(struct span text, struct oidc_issuer *out, const char **out_why)
{
    struct oidc_issuer o = {.alg = OIDC_RS256, .claim = SPAN("email"), .must_be_verified = true};
    struct https_url url;
    struct span word;
    const char *why = NULL;

    o.url = next_word(&text);
    if (https_url_parse(o.url, &url) != ERR_OK || span_find_byte(o.url, '?') < o.url.n) {
        why = "not an https URL";
    }
    while (!why && (word = next_word(&text)).n) {
        why = take_word(&o, word);
    }
    if (!why && !o.audiences.n && !(o.client.n && o.parties.n)) {
        why = "aud= is missing: what its tokens must be for";
    }
    if (why) {
        *out_why = why;
        return ERR_INVALID;
    }
    *out = o;
    return ERR_OK;
}

struct span oidc_secret_find(struct span file, struct span client)
{
    while (file.n) {
        struct span line = span_trim(span_split(&file, '\n'));
        struct span name = next_word(&line);

        if (name.n && span_eq(name, client)) {
            return next_word(&line);
        }
    }
    return SPAN("");
}
