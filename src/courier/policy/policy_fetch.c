// SPDX-License-Identifier: Apache-2.0
#include "courier/policy/policy_fetch.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/log.h"

#include "base/banned.h"

#define URL_BYTES_MAX 600

enum err policy_fetch_init(void)
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
static struct curl_slist *pin_addresses(const struct policy_fetch_options *o, struct span host)
{
    char text[URL_BYTES_MAX + LOOKUP_ADDRESSES_MAX * (ADDRESS_TEXT_MAX + 2)];
    struct lookup_addresses found;
    unsigned usable = 0;

    lookup_addresses(o->lookup, host, o->port, &found);
    int n = snprintf(text, sizeof(text), "%.*s:%u:", SPAN_ARG(host), o->port);

    for (size_t i = 0; i < found.n; i++) {
        const struct address *a = &found.items[i];
        bool six = a->u.sa.sa_family == AF_INET6;

        if (address_is_public(a) || o->allow_private) {
            n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s%s%s", usable++ ? "," : "",
                          six ? "[" : "", address_host_text(a).s, six ? "]" : "");
        }
    }
    return usable ? curl_slist_append(NULL, text) : NULL;
}

static bool set_up(CURL *c, const struct policy_fetch_options *o, struct curl_slist *addresses,
                   const char *url, struct buf *out, char *problem)
{
    bool ok = true;

#define SET(option, value) ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK
    SET(CURLOPT_URL, url);
    SET(CURLOPT_RESOLVE, addresses);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_MAXFILESIZE, (long)out->max);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_ERRORBUFFER, problem);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, out);
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
#undef SET
    return ok;
}

static bool is_plain_text(const char *type)
{
    struct span s = span_from_str(type);

    return span_eq_nocase(span_trim(span_first(s, span_find_byte(s, ';'))), SPAN("text/plain"));
}

static enum err judge(CURL *c, CURLcode r, const struct buf *out, char *problem)
{
    long status = 0;
    char *type = NULL;

    if (out->failed) {
        snprintf(problem, POLICY_PROBLEM_BYTES, "larger than %zu bytes", out->max);
        return ERR_UNAVAILABLE;
    }
    if (r == CURLE_PEER_FAILED_VERIFICATION) {
        return ERR_DENIED; // the words are there
    }
    if (r != CURLE_OK) {
        if (!problem[0]) {
            snprintf(problem, POLICY_PROBLEM_BYTES, "%s", curl_easy_strerror(r));
        }
        return ERR_UNAVAILABLE;
    }
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    if (status != 200) {
        snprintf(problem, POLICY_PROBLEM_BYTES, "HTTP status %ld", status);
        return ERR_UNAVAILABLE;
    }
    if (!is_plain_text(type)) {
        snprintf(problem, POLICY_PROBLEM_BYTES, "not text/plain");
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

enum err policy_fetch(const struct policy_fetch_options *o, struct span host, struct span path,
                      struct buf *out, char problem[POLICY_PROBLEM_BYTES])
{
    char url[URL_BYTES_MAX], words[CURL_ERROR_SIZE] = "";
    struct curl_slist *addresses = pin_addresses(o, host);
    CURL *c = addresses ? curl_easy_init() : NULL;
    enum err e = ERR_UNAVAILABLE;

    snprintf(problem, POLICY_PROBLEM_BYTES, "%.200s has no address to connect to",
             log_text(host).s);
    if (o->port == 443) {
        snprintf(url, sizeof(url), "https://%.*s%.*s", SPAN_ARG(host), SPAN_ARG(path));
    } else {
        snprintf(url, sizeof(url), "https://%.*s:%u%.*s", SPAN_ARG(host), o->port, SPAN_ARG(path));
    }
    if (c && set_up(c, o, addresses, url, out, words)) {
        CURLcode r = curl_easy_perform(c);

        e = judge(c, r, out, words);
        snprintf(problem, POLICY_PROBLEM_BYTES, "%s", words);
    }
    curl_easy_cleanup(c);
    curl_slist_free_all(addresses);
    return e;
}
