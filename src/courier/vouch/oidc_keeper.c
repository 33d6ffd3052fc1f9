// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_keeper.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define FAILED_AGAIN_MS 5000 // between fetches that fail

struct oidc_keeper {
    const struct https_client *client;
    struct span issuer;
    int64_t again_ms;
    struct lock lock; // guards the rest
    pthread_cond_t fetched;
    bool is_fetching, has_document, has_keys;
    struct oidc_document document;
    struct oidc_keys keys;
    int64_t fetched_ms; // monotonic, when it went well
    int64_t tried_ms;   // the last time
    char problem[HTTPS_PROBLEM_BYTES];
};

enum err oidc_keeper_create(const struct https_client *client, struct span issuer, int64_t again_ms,
                            struct oidc_keeper **out)
{
    struct oidc_keeper *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->client = client;
    k->issuer = issuer;
    k->again_ms = again_ms;
    k->tried_ms = -OIDC_KEYS_STALE_MS;
    lock_init(&k->lock, LOCK_LEAF);
    lock_cond_init(&k->fetched);
    *out = k;
    return ERR_OK;
}

void oidc_keeper_destroy(struct oidc_keeper *k)
{
    if (!k) {
        return;
    }
    if (k->has_keys) {
        oidc_keys_finish(&k->keys);
    }
    pthread_cond_destroy(&k->fetched);
    lock_finish(&k->lock);
    free(k);
}

// ---- fetching, without the lock -----------------------------------------------------------------

static enum err get(const struct https_client *client, struct span url, struct buf *out,
                    char *problem)
{
    const struct https_request r = {
        .url = url, .type = "application/json", .other_type = "application/jwk-set+json"};

    return https_fetch(client, &r, out, problem);
}

static enum err fetch_document(const struct oidc_keeper *k, const struct https_client *client,
                               struct oidc_document *out, char *problem)
{
    struct buf url, body;
    const char *why;
    enum err e = ERR_NOT_FOUND;

    buf_init(&url, 2 * HTTPS_URL_BYTES_MAX);
    buf_init(&body, OIDC_DOCUMENT_BYTES_MAX);
    for (int i = 0; i < 2 && e == ERR_NOT_FOUND; i++) {
        buf_clear(&url);
        buf_clear(&body);
        oidc_document_url(k->issuer, i == 1, &url);
        e = get(client, buf_span(&url), &body, problem);
    }
    if (e == ERR_OK) {
        e = oidc_document_read(buf_span(&body), k->issuer, out, &why);
        if (e != ERR_OK) {
            snprintf(problem, HTTPS_PROBLEM_BYTES, "its discovery document: %s", why);
        }
    }
    buf_finish(&url);
    buf_finish(&body);
    return e;
}

static enum err fetch_keys(const struct https_client *client, const struct oidc_document *document,
                           struct oidc_keys *out, char *problem)
{
    struct buf body;

    *out = (struct oidc_keys){.n = 0};
    if (!document->keys_url[0]) { // it signs nothing: it is to be asked
        return ERR_OK;
    }
    buf_init(&body, OIDC_KEYS_BYTES_MAX);
    enum err e = get(client, span_from_str(document->keys_url), &body, problem);

    if (e == ERR_OK) {
        e = oidc_keys_read(buf_span(&body), out);
        if (e != ERR_OK) {
            snprintf(problem, HTTPS_PROBLEM_BYTES, "its keys cannot be read (%s)", err_name(e));
        }
    }
    buf_finish(&body);
    return e;
}

// ---- remembering, with the lock -----------------------------------------------------------------

static void fetch(struct oidc_keeper *k, int64_t until_ms)
{
    struct oidc_document document;
    struct oidc_keys keys;
    struct https_client client = *k->client;
    char problem[HTTPS_PROBLEM_BYTES] = "";
    int64_t left_ms = until_ms - clock_monotonic_ms();

    client.timeout_ms = left_ms / 2 < client.timeout_ms ? left_ms / 2 : client.timeout_ms;
    k->is_fetching = true;
    lock_release(&k->lock);
    enum err e = fetch_document(k, &client, &document, problem);

    e = e == ERR_OK ? fetch_keys(&client, &document, &keys, problem) : e;
    if (e != ERR_OK) {
        log_warn("the issuer %s cannot be used now: %s", log_text(k->issuer).s,
                 log_text(span_from_str(problem)).s);
    }
    lock_take(&k->lock);
    k->is_fetching = false;
    k->tried_ms = clock_monotonic_ms();
    if (e == ERR_OK) {
        if (k->has_keys) {
            oidc_keys_finish(&k->keys);
        }
        k->keys = keys;
        k->document = document;
        k->has_keys = k->has_document = true;
        k->fetched_ms = k->tried_ms;
    } else {
        memcpy(k->problem, problem, sizeof(k->problem));
    }
    pthread_cond_broadcast(&k->fetched);
}

static bool is_younger(const struct oidc_keeper *k, int64_t ms)
{
    return k->has_document && clock_monotonic_ms() - k->fetched_ms < ms;
}

// Sees to it that something is there. `wants_new`: what is there was looked at and lacks a key.
static void refresh(struct oidc_keeper *k, bool wants_new, int64_t until_ms)
{
    int64_t asked_ms = clock_monotonic_ms();

    while (k->is_fetching && clock_monotonic_ms() < until_ms) {
        lock_cond_wait(&k->fetched, &k->lock, until_ms);
    }
    int64_t now = clock_monotonic_ms();
    bool is_new = k->fetched_ms >= asked_ms && k->has_document; // somebody else's, just now
    bool is_due = wants_new
                      ? !is_new && now - k->tried_ms >= k->again_ms
                      : !is_younger(k, OIDC_KEYS_FRESH_MS) && now - k->tried_ms >= FAILED_AGAIN_MS;

    // less than that is no time to fetch anything
    if (is_due && !k->is_fetching && until_ms - now > 200) {
        fetch(k, until_ms);
    }
}

static enum err unavailable(const struct oidc_keeper *k, char *problem)
{
    snprintf(problem, HTTPS_PROBLEM_BYTES, "%s",
             k->problem[0] ? k->problem : "it does not answer in time");
    return ERR_UNAVAILABLE;
}

enum err oidc_keeper_check(struct oidc_keeper *k, struct span key_id, enum oidc_alg alg,
                           struct span bytes, struct span signature, int64_t until_ms,
                           char problem[HTTPS_PROBLEM_BYTES])
{
    enum err e = ERR_NOT_FOUND;

    lock_take(&k->lock);
    refresh(k, false, until_ms);
    if (!is_younger(k, OIDC_KEYS_STALE_MS)) {
        e = unavailable(k, problem);
    }
    for (int round = 0; round < 2 && e == ERR_NOT_FOUND; round++) {
        const struct oidc_key *key = oidc_keys_find(&k->keys, key_id, alg);

        if (key) {
            e = oidc_signature_check(key, alg, bytes, signature);
        } else if (round == 0) { // they may have got new ones
            refresh(k, true, until_ms);
        }
    }
    lock_release(&k->lock);
    return e;
}

enum err oidc_keeper_introspect_url(struct oidc_keeper *k, int64_t until_ms,
                                    char out[HTTPS_URL_BYTES_MAX + 1],
                                    char problem[HTTPS_PROBLEM_BYTES])
{
    enum err e = ERR_OK;

    lock_take(&k->lock);
    refresh(k, false, until_ms);
    if (!is_younger(k, OIDC_KEYS_STALE_MS)) {
        e = unavailable(k, problem);
    } else if (!k->document.introspect_url[0]) {
        snprintf(problem, HTTPS_PROBLEM_BYTES, "it names no introspection_endpoint");
        e = ERR_UNAVAILABLE;
    } else {
        memcpy(out, k->document.introspect_url, sizeof(k->document.introspect_url));
    }
    lock_release(&k->lock);
    return e;
}
