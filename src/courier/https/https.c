// SPDX-License-Identifier: Apache-2.0
#include "courier/https/https.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/log.h"

#include "base/banned.h"

// What one transfer needs; curl keeps pointers into it.
struct transfer {
    const struct https_client *client;
    const struct https_request *request;
    struct https_url url;
    char url_text[HTTPS_URL_BYTES_MAX + 1];
    struct buf *out;
    char words[CURL_ERROR_SIZE];
    struct curl_slist *addresses, *fields;
};

enum err https_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? ERR_OK : ERR_UNAVAILABLE;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct buf *out = arg;

    buf_put(out, span_of(p, size * n));
    return out->failed ? 0 : size * n; // fewer than given: the transfer ends
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const atomic_bool *is_stopping = arg;

    (void)a, (void)b, (void)c, (void)d;
    return is_stopping && atomic_load(is_stopping);
}

// "host:443:addr,addr" for curl, so that it asks nobody itself.
static struct curl_slist *pin_addresses(const struct transfer *t)
{
    char text[HTTPS_URL_BYTES_MAX + LOOKUP_ADDRESSES_MAX * (ADDRESS_TEXT_MAX + 2)];
    struct lookup_addresses found;
    unsigned usable = 0;

    lookup_addresses(t->client->lookup, t->url.host, t->url.port, &found);
    int n = snprintf(text, sizeof(text), "%.*s:%u:", SPAN_ARG(t->url.host), t->url.port);

    for (size_t i = 0; i < found.n; i++) {
        const struct address *a = &found.items[i];
        bool six = a->u.sa.sa_family == AF_INET6;

        if (address_is_public(a) || t->client->allow_private) {
            n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s%s%s", usable++ ? "," : "",
                          six ? "[" : "", address_host_text(a).s, six ? "]" : "");
        }
    }
    return usable ? curl_slist_append(NULL, text) : NULL;
}

#define SET(option, value) ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK

static bool add_field(struct transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->fields, line);

    t->fields = more ? more : t->fields;
    return more != NULL;
}

// What is sent beside the question itself.
static bool set_up_request(CURL *c, struct transfer *t)
{
    const struct https_request *r = t->request;
    const struct span body = r->json.p ? r->json : r->form;
    char accept[80];
    bool ok = true;

    snprintf(accept, sizeof(accept), "Accept: %s", r->type ? r->type : "*/*");
    ok = add_field(t, accept) &&
         (!r->json.p || (add_field(t, "Content-Type: application/json") && add_field(t, r->field)));
    SET(CURLOPT_HTTPHEADER, t->fields);
    if (body.p) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE, (long)body.n);
        SET(CURLOPT_POSTFIELDS, body.p);
    }
    if (r->user.n) {
        char name[256], secret[256];

        ok = ok && r->user.n < sizeof(name) && r->secret.n < sizeof(secret);
        span_copy_text(r->user, name, sizeof(name));
        span_copy_text(r->secret, secret, sizeof(secret));
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, name);
        SET(CURLOPT_PASSWORD, secret);
        explicit_bzero(secret, sizeof(secret));
    }
    return ok;
}

static bool set_up(CURL *c, struct transfer *t)
{
    const struct https_client *o = t->client;
    bool ok = true;

    SET(CURLOPT_URL, t->url_text);
    SET(CURLOPT_RESOLVE, t->addresses);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_MAXFILESIZE, (long)t->out->max);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_ERRORBUFFER, t->words);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, t->out);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, (void *)(uintptr_t)o->is_stopping);
    if (o->ca_pem.n) {
        // Bytes, since the sandbox lets nobody open the file any more.
        struct curl_blob pem = {
            .data = (void *)(uintptr_t)o->ca_pem.p, .len = o->ca_pem.n, .flags = CURL_BLOB_NOCOPY};

        SET(CURLOPT_CAINFO_BLOB, &pem);
        SET(CURLOPT_CAPATH, NULL);
    }
    return ok && set_up_request(c, t);
}

#undef SET

static bool is_type(const char *type, const char *wanted)
{
    struct span s = span_from_str(type ? type : "");

    return span_eq_nocase(span_trim(span_first(s, span_find_byte(s, ';'))), span_from_str(wanted));
}

static enum err judge(CURL *c, CURLcode r, struct transfer *t)
{
    long status = 0;
    char *type = NULL;

    if (t->out->failed) {
        snprintf(t->words, sizeof(t->words), "larger than %zu bytes", t->out->max);
        return ERR_UNAVAILABLE;
    }
    if (r == CURLE_PEER_FAILED_VERIFICATION) {
        return ERR_DENIED; // the words are there
    }
    if (r != CURLE_OK) {
        if (!t->words[0]) {
            snprintf(t->words, sizeof(t->words), "%s", curl_easy_strerror(r));
        }
        return ERR_UNAVAILABLE;
    }
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    if (t->request->type ? status != 200 : status / 100 != 2) {
        snprintf(t->words, sizeof(t->words), "HTTP status %ld", status);
        return status / 100 == 4 ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
    }
    if (t->request->type && !is_type(type, t->request->type) &&
        !(t->request->other_type && is_type(type, t->request->other_type))) {
        snprintf(t->words, sizeof(t->words), "not %s", t->request->type);
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

// The URL is whole and the host has addresses.
static enum err run(struct transfer *t, char *problem)
{
    CURL *c = curl_easy_init();
    enum err e = ERR_UNAVAILABLE;

    snprintf(problem, HTTPS_PROBLEM_BYTES, "no memory");
    if (c && set_up(c, t)) {
        CURLcode r = curl_easy_perform(c);

        e = judge(c, r, t);
        snprintf(problem, HTTPS_PROBLEM_BYTES, "%s", t->words);
    }
    curl_easy_cleanup(c);
    curl_slist_free_all(t->fields);
    return e;
}

enum err https_fetch(const struct https_client *client, const struct https_request *r,
                     struct buf *out, char problem[HTTPS_PROBLEM_BYTES])
{
    struct transfer t = {.client = client, .request = r, .out = out};

    if (https_url_parse(r->url, &t.url) != ERR_OK) {
        snprintf(problem, HTTPS_PROBLEM_BYTES, "not an https URL that can be used");
        return ERR_INVALID;
    }
    span_copy_text(r->url, t.url_text, sizeof(t.url_text));
    t.addresses = pin_addresses(&t);
    if (!t.addresses) {
        snprintf(problem, HTTPS_PROBLEM_BYTES, "%.200s has no address to connect to",
                 log_text(t.url.host).s);
        return ERR_UNAVAILABLE;
    }
    enum err e = run(&t, problem);

    curl_slist_free_all(t.addresses);
    return e;
}
