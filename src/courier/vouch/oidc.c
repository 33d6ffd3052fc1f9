// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "courier/vouch/oidc_cache.h"
#include "courier/vouch/oidc_claims.h"
#include "courier/vouch/oidc_keeper.h"
#include "courier/vouch/oidc_token.h"

#include "base/banned.h"

#define CA_BYTES_MAX      (4u << 20)
#define SECRETS_BYTES_MAX 65536
#define ANSWER_BYTES_MAX  65536
#define FETCH_MS          10000

struct issuer {
    struct oidc_issuer rules;
    struct span secret; // of rules.client
    struct oidc_keeper *keeper;
};

struct oidc {
    struct https_client client;
    struct buf ca_pem, secrets;
    struct arena texts; // of the issuers
    struct issuer issuers[OIDC_ISSUERS_MAX];
    size_t count;
    struct oidc_cache *cache;
};

// One question on its way.
struct asking {
    struct oidc *oidc;
    const struct vouch_question *q;
    struct arena *arena;
    struct vouch_answer *out;
};

// ---- start and end ------------------------------------------------------------------------------

static enum err read_file(const char *setting, const char *path, struct buf *out)
{
    enum err e = path[0] ? file_read_whole(AT_FDCWD, path, out) : ERR_OK;

    if (e != ERR_OK) {
        log_error("%s = %s: %s", setting, log_text(span_from_str(path)).s, err_name(e));
    }
    return e;
}

static enum err add_issuer(struct oidc *o, struct span text, const struct oidc_options *options)
{
    struct issuer *i = &o->issuers[o->count];
    const char *why = "no memory";

    text = arena_dup(&o->texts, text);
    if (!text.p || oidc_issuer_read(text, &i->rules, &why) != ERR_OK) {
        log_error("oauth_issuers: %s: %s; it is not used", log_text(text).s, why);
        return ERR_OK;
    }
    i->rules.life_max_s = options->life_max_ms / 1000;
    i->secret = oidc_secret_find(buf_span(&o->secrets), i->rules.client);
    enum err e = oidc_keeper_create(&o->client, i->rules.url, options->check_ms, &i->keeper);

    o->count += e == ERR_OK;
    return e;
}

enum err oidc_create(const struct oidc_options *options, struct oidc **out)
{
    struct oidc *o = calloc(1, sizeof(*o));

    if (!o) {
        return ERR_NOMEM;
    }
    buf_init(&o->ca_pem, CA_BYTES_MAX);
    buf_init(&o->secrets, SECRETS_BYTES_MAX);
    arena_init(&o->texts, 1u << 20);
    enum err e = read_file("oauth_ca_file", options->ca_file, &o->ca_pem);

    e = e == ERR_OK ? read_file("oauth_secrets_file", options->secrets_file, &o->secrets) : e;
    e = e == ERR_OK ? oidc_cache_create(options->check_ms / 3, &o->cache) : e;
    // An issuer is somebody of our choice, often within the house: any address will do.
    o->client = (struct https_client){.lookup = options->lookup,
                                      .ca_pem = buf_span(&o->ca_pem),
                                      .allow_private = true,
                                      .timeout_ms = FETCH_MS};
    for (size_t i = 0; i < options->issuer_count && i < OIDC_ISSUERS_MAX && e == ERR_OK; i++) {
        e = add_issuer(o, options->issuers[i], options);
    }
    json_object_seed(0); // it reads a file, which the sandbox forbids later
    if (e != ERR_OK) {
        oidc_destroy(o);
        return e;
    }
    *out = o;
    return ERR_OK;
}

void oidc_destroy(struct oidc *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; i < o->count; i++) {
        oidc_keeper_destroy(o->issuers[i].keeper);
    }
    oidc_cache_destroy(o->cache);
    if (o->secrets.p) {
        OPENSSL_cleanse(o->secrets.p, o->secrets.cap);
    }
    buf_finish(&o->secrets);
    buf_finish(&o->ca_pem);
    arena_finish(&o->texts);
    free(o);
}

// ---- answers ------------------------------------------------------------------------------------

static void say(struct asking *k, enum ipc_vouch result, const struct issuer *i, const char *words)
{
    k->out->result = result;
    struct span url = i ? span_first(i->rules.url, 500) : SPAN("");

    snprintf(k->out->words, sizeof(k->out->words), "%.*s%s%s", SPAN_ARG(url), i ? ": " : "", words);
}

static void say_yes(struct asking *k, const struct issuer *i, struct span name, int64_t until_ms)
{
    k->out->name = arena_dup(k->arena, name);
    k->out->valid_until_ms = (uint64_t)until_ms;
    if (k->out->name.p) {
        say(k, IPC_VOUCH_YES, i, "");
    } else {
        say(k, IPC_VOUCH_UNAVAILABLE, i, "no memory");
    }
}

// ---- asking the issuer (RFC 7662) ---------------------------------------------------------------

// application/x-www-form-urlencoded, one value.
static void put_value(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (byte_is_alnum(c) || c == '-' || c == '.' || c == '_') {
            buf_put_byte(out, c);
        } else {
            buf_printf(out, "%%%02X", (unsigned char)c);
        }
    }
}

static enum err post(struct asking *k, const struct issuer *i, struct span url, struct buf *body,
                     char *problem)
{
    struct https_client client = k->oidc->client;
    int64_t left_ms = k->q->until_ms - clock_monotonic_ms();
    struct buf form, user, secret;

    buf_init(&form, 4 * OIDC_TOKEN_BYTES_MAX);
    buf_init(&user, 1024);
    buf_init(&secret, 1024);
    buf_put_str(&form, "token=");
    put_value(&form, k->q->secret);
    buf_put_str(&form, "&token_type_hint=access_token");
    put_value(&user, i->rules.client); // encoded in Basic, too: RFC 6749 section 2.3.1
    put_value(&secret, i->secret);
    if (!i->secret.n) {
        buf_put_str(&form, "&client_id=");
        buf_put(&form, buf_span(&user));
    }
    client.is_stopping = k->q->is_stopping;
    client.timeout_ms = left_ms < FETCH_MS ? (left_ms > 1 ? left_ms : 1) : FETCH_MS;
    const struct https_request r = {.url = url,
                                    .type = "application/json",
                                    .form = buf_span(&form),
                                    .user = i->secret.n ? buf_span(&user) : SPAN(""),
                                    .secret = buf_span(&secret)};
    enum err e = form.failed || user.failed || secret.failed
                     ? ERR_NOMEM
                     : https_fetch(&client, &r, body, problem);

    if (form.p) {
        OPENSSL_cleanse(form.p, form.cap);
    }
    if (secret.p) {
        OPENSSL_cleanse(secret.p, secret.cap);
    }
    buf_finish(&form);
    buf_finish(&user);
    buf_finish(&secret);
    return e;
}

// `is_signed`: what the token says has been checked; only whether it is still good is asked.
static const char *read_said(struct asking *k, const struct issuer *i, struct span body,
                             bool is_signed, struct oidc_said *out)
{
    json_t *said = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *active = json_object_get(said, "active");
    struct oidc_person person = {.name = SPAN("")};
    const char *why = NULL;

    *out = (struct oidc_said){.is_active = json_is_true(active), .name = SPAN("")};
    if (!json_is_boolean(active)) {
        why = "its answer about a token makes no sense";
    } else if (out->is_active && !is_signed) {
        why = oidc_claims_check(said, &i->rules, OIDC_FROM_ISSUER, clock_real_ms() / 1000, &person);
        out->name = arena_dup(k->arena, person.name);
        out->until_ms = person.until_ms;
        why = !why && !out->name.p ? "no memory" : why;
    }
    json_decref(said);
    return why;
}

// ERR_OK with `*out`; ERR_DENIED: it is not good (said); ERR_UNAVAILABLE (said).
static enum err ask_issuer(struct asking *k, size_t place, bool is_signed, struct oidc_said *out)
{
    const struct issuer *i = &k->oidc->issuers[place];
    char url[HTTPS_URL_BYTES_MAX + 1], problem[HTTPS_PROBLEM_BYTES] = "";
    struct buf body;
    const char *why = NULL;
    // What was said of a token that was checked by its signature has no name.
    size_t cached = place * 2 + is_signed;

    if (!oidc_cache_get(k->oidc->cache, cached, k->q->secret, k->arena, out)) {
        buf_init(&body, ANSWER_BYTES_MAX);
        enum err e = oidc_keeper_introspect_url(i->keeper, k->q->until_ms, url, problem);

        e = e == ERR_OK ? post(k, i, span_from_str(url), &body, problem) : e;
        if (e == ERR_OK) {
            why = read_said(k, i, buf_span(&body), is_signed, out);
        }
        buf_finish(&body);
        if (e != ERR_OK) {
            say(k, IPC_VOUCH_UNAVAILABLE, i, problem);
            return ERR_UNAVAILABLE;
        }
        if (why) {
            say(k, IPC_VOUCH_NO, i, why);
            return ERR_DENIED;
        }
        oidc_cache_put(k->oidc->cache, cached, k->q->secret, out);
    }
    if (!out->is_active) {
        say(k, IPC_VOUCH_NO, i, "it is not active: revoked, over or never given");
        return ERR_DENIED;
    }
    return ERR_OK;
}

// ---- the two kinds of tokens --------------------------------------------------------------------

static void judge_signed(struct asking *k, size_t place, const struct oidc_token *t)
{
    const struct issuer *i = &k->oidc->issuers[place];
    char problem[HTTPS_PROBLEM_BYTES] = "";
    struct oidc_person person;
    struct oidc_said said;

    if (t->alg != i->rules.alg) {
        say(k, IPC_VOUCH_NO, i, "a token signed in another way than the settings say (alg)");
        return;
    }
    enum err e = oidc_keeper_check(i->keeper, t->key_id, t->alg, t->signed_part, t->signature,
                                   k->q->until_ms, problem);

    if (e == ERR_DENIED || e == ERR_NOT_FOUND) {
        say(k, IPC_VOUCH_NO, i,
            e == ERR_DENIED ? "a token whose signature is wrong"
                            : "a token of a key it does not have");
        return;
    }
    if (e != ERR_OK) {
        say(k, IPC_VOUCH_UNAVAILABLE, i, problem);
        return;
    }
    const char *why =
        oidc_claims_check(t->claims, &i->rules, OIDC_FROM_JWT, clock_real_ms() / 1000, &person);

    if (why) {
        say(k, IPC_VOUCH_NO, i, why);
    } else if (!i->rules.client.n || ask_issuer(k, place, true, &said) == ERR_OK) {
        say_yes(k, i, person.name, person.until_ms);
    }
}

// Nobody but its issuer can read it, so those are asked that want to be, until one knows it.
static void judge_opaque(struct asking *k)
{
    bool is_unavailable = false;
    struct oidc_said said;

    say(k, IPC_VOUCH_NO, NULL, "a token that no issuer is asked about");
    for (size_t i = 0; i < k->oidc->count; i++) {
        if (!k->oidc->issuers[i].rules.client.n) {
            continue;
        }
        enum err e = ask_issuer(k, i, false, &said);

        if (e == ERR_OK) {
            say_yes(k, &k->oidc->issuers[i], said.name, said.until_ms);
            return;
        }
        is_unavailable |= e == ERR_UNAVAILABLE;
    }
    if (is_unavailable) { // it may be that one's: no no
        k->out->result = IPC_VOUCH_UNAVAILABLE;
    }
}

void oidc_answer(void *arg, const struct vouch_question *q, struct arena *a,
                 struct vouch_answer *out)
{
    struct asking k = {.oidc = arg, .q = q, .arena = a, .out = out};
    struct oidc_token token;
    const char *why = NULL;
    enum err e = oidc_token_read(q->secret, a, &token, &why);

    if (e == ERR_UNSUPPORTED) {
        judge_opaque(&k);
        return;
    }
    if (e != ERR_OK) {
        say(&k, e == ERR_INVALID ? IPC_VOUCH_NO : IPC_VOUCH_UNAVAILABLE, NULL, why ? why : "");
        return;
    }
    say(&k, IPC_VOUCH_NO, NULL, "a token of an issuer that is not in the settings");
    for (size_t i = 0; i < k.oidc->count; i++) {
        if (span_eq(token.issuer, k.oidc->issuers[i].rules.url)) {
            judge_signed(&k, i, &token);
            break;
        }
    }
    oidc_token_finish(&token);
}
