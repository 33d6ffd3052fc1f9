// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_claims.h"

#include "base/utf8.h"

#include "base/banned.h"

#define TIME_MAX_S 253402300799 // the year 9999

static struct span text_of(const json_t *v)
{
    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : (struct span){NULL, 0};
}

static struct span claim_of(const json_t *claims, const char *name)
{
    return text_of(json_object_get(claims, name));
}

static bool is_one_of(struct span s, const struct oidc_values *v)
{
    for (size_t i = 0; s.p && i < v->n; i++) {
        if (span_eq(s, v->items[i])) {
            return true;
        }
    }
    return false;
}

// "aud" is a text or a list of them.
static bool is_for_us(const json_t *aud, const struct oidc_values *wanted)
{
    bool found = is_one_of(text_of(aud), wanted);

    for (size_t i = 0; i < json_array_size(aud); i++) {
        found |= is_one_of(text_of(json_array_get(aud, i)), wanted);
    }
    return found;
}

// Seconds, maybe with a fraction. False: there is no such claim, or it is none.
static bool time_of(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);
    double d = json_number_value(v);

    if (!json_is_number(v) || !(d >= 0 && d <= (double)TIME_MAX_S)) {
        return false;
    }
    *out = (int64_t)d;
    return true;
}

// Whoever signs and is not asked cannot take back what they have signed, so it is good for a time
// of ours since it was issued, whatever it says.
static const char *check_life(const json_t *claims, int64_t max_s, int64_t now_s, int64_t *until_ms)
{
    int64_t iat;

    if (!time_of(claims, "iat", &iat)) {
        return "it does not say when it was issued (iat), and nobody is asked about it";
    }
    int64_t end = iat + max_s + OIDC_SKEW_S;

    if (end <= now_s) {
        return "it is older than oauth_token_life_max";
    }
    *until_ms = *until_ms && *until_ms < end * 1000 ? *until_ms : end * 1000;
    return NULL;
}

static const char *check_times(const json_t *claims, bool must_end, int64_t now_s,
                               int64_t *until_ms)
{
    int64_t exp, at;

    *until_ms = 0;
    if (time_of(claims, "exp", &exp)) {
        if (exp + OIDC_SKEW_S <= now_s) {
            return "it has expired";
        }
        *until_ms = (exp + OIDC_SKEW_S) * 1000;
    } else if (must_end || json_object_get(claims, "exp")) {
        return "it has no end (exp)";
    }
    if (json_object_get(claims, "nbf") &&
        (!time_of(claims, "nbf", &at) || at > now_s + OIDC_SKEW_S)) {
        return "it is not valid yet (nbf)";
    }
    if (json_object_get(claims, "iat") &&
        (!time_of(claims, "iat", &at) || at > now_s + OIDC_SKEW_S)) {
        return "it was issued in the future (iat)";
    }
    return NULL;
}

// A blank between scopes (RFC 6749 section 3.3), or a list as some issuers have it.
static bool has_scope(const json_t *claims, struct span wanted)
{
    const json_t *list = json_object_get(claims, "scp");
    struct span rest = claim_of(claims, "scope");

    if (!rest.p) {
        list = list ? list : json_object_get(claims, "scope");
        rest = text_of(list);
    }
    while (rest.n) {
        if (span_eq(span_split(&rest, ' '), wanted)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (span_eq(text_of(json_array_get(list, i)), wanted)) {
            return true;
        }
    }
    return false;
}

// For whom it is: which server, and which program of theirs.
static const char *check_parties(const json_t *claims, const struct oidc_issuer *issuer)
{
    struct span party = claim_of(claims, "azp");

    party = party.p ? party : claim_of(claims, "client_id");
    if (issuer->audiences.n && !is_for_us(json_object_get(claims, "aud"), &issuer->audiences)) {
        return "it is not for us (aud)";
    }
    if (issuer->parties.n && !is_one_of(party, &issuer->parties)) {
        return "it is another program's (azp)";
    }
    if (issuer->scope.n && !has_scope(claims, issuer->scope)) {
        return "it lacks the scope";
    }
    return NULL;
}

// What looks like an access token and is none that may be carried (RFC 8725 section 3.12).
static const char *check_kind(const json_t *claims)
{
    if (json_object_get(claims, "cnf")) {
        return "it is bound to a key that its bearer does not show (cnf)"; // RFC 9449 section 7.1
    }
    if (json_object_get(claims, "nonce") || json_object_get(claims, "at_hash") ||
        json_object_get(claims, "c_hash") || json_object_get(claims, "events")) {
        return "an ID token or an event, which gives nobody access";
    }
    return NULL;
}

// Microsoft and some others write booleans as texts.
static bool is_true(const json_t *v)
{
    return json_is_true(v) || span_eq_nocase(text_of(v), SPAN("true"));
}

static const char *take_name(const json_t *claims, const struct oidc_issuer *issuer,
                             struct span *out)
{
    char name[64];
    struct span s;

    if (issuer->claim.n >= sizeof(name)) {
        return "the settings name no claim";
    }
    span_copy_text(issuer->claim, name, sizeof(name));
    s = claim_of(claims, name);
    if (!s.n || s.n > OIDC_NAME_BYTES_MAX || !utf8_is_valid(s)) {
        return "it does not say whose it is";
    }
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return "it does not say whose it is";
        }
    }
    if (issuer->must_be_verified && span_eq(issuer->claim, SPAN("email")) &&
        !is_true(json_object_get(claims, "email_verified"))) {
        return "its address was not verified (email_verified)";
    }
    *out = s;
    return NULL;
}

const char *oidc_claims_check(const json_t *claims, const struct oidc_issuer *issuer,
                              enum oidc_source source, int64_t now_s, struct oidc_person *out)
{
    const json_t *iss = json_object_get(claims, "iss");
    bool is_jwt = source == OIDC_FROM_JWT;
    struct oidc_person p;

    if ((iss || is_jwt) && !span_eq(text_of(iss), issuer->url)) {
        return "it is another issuer's (iss)";
    }
    if (is_jwt && !issuer->audiences.n) {
        return "the settings do not say what it must be for (aud)";
    }
    const char *why = check_kind(claims);

    why = why ? why : check_times(claims, is_jwt, now_s, &p.until_ms);
    if (!why && is_jwt && !issuer->client.n && issuer->life_max_s) {
        why = check_life(claims, issuer->life_max_s, now_s, &p.until_ms);
    }
    why = why ? why : check_parties(claims, issuer);
    why = why ? why : take_name(claims, issuer, &p.name);
    if (!why) {
        *out = p;
    }
    return why;
}
