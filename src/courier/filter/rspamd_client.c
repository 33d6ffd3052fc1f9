// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/rspamd_client.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/clock.h"
#include "courier/filter/rspamd_answer.h"

#include "base/banned.h"

#define CONNECT_MS 5000

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
    return atomic_load(is_stopping);
}

// "Name: value", what would end the line left out.
static bool add_field(struct curl_slist **list, const char *name, struct span value)
{
    char line[1200];
    int n = snprintf(line, sizeof(line), "%s: ", name);
    size_t at = (size_t)n;

    for (size_t i = 0; i < value.n && at < sizeof(line) - 1; i++) {
        if (!byte_is_ctl(value.p[i])) {
            line[at++] = value.p[i];
        }
    }
    line[at] = '\0';
    if (value.n == 0) {
        return true;
    }
    struct curl_slist *longer = curl_slist_append(*list, line);

    *list = longer ? longer : *list;
    return longer != NULL;
}

static bool add_fields(struct curl_slist **list, const struct filter_message *m)
{
    bool ok = add_field(list, "IP", m->remote) && add_field(list, "Helo", m->helo) &&
              add_field(list, "From", m->sender.n ? m->sender : SPAN("<>")) &&
              add_field(list, "MTA-Name", m->server_name) &&
              add_field(list, "Content-Type", SPAN("application/octet-stream"));

    for (size_t i = 0; i < m->recipient_count && ok; i++) {
        ok = add_field(list, "Rcpt", m->recipients[i]);
    }
    struct curl_slist *longer = ok ? curl_slist_append(*list, "Expect:") : NULL;

    *list = longer ? longer : *list;
    return longer != NULL;
}

static bool set_up(CURL *c, const char *url, struct curl_slist *fields,
                   const struct filter_message *m, const struct filter_limits *limits,
                   struct buf *out)
{
    int64_t left = limits->until_ms - clock_monotonic_ms();
    bool ok = left > 0;

#define SET(option, value) ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)left);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(left < CONNECT_MS ? left : CONNECT_MS));
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTPHEADER, fields);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->bytes.n);
    SET(CURLOPT_POSTFIELDS, m->bytes.n ? m->bytes.p : "");
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, out);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, (void *)(uintptr_t)limits->is_stopping);
#undef SET
    return ok;
}

static enum err ask(CURL *c, const char *url, struct curl_slist *fields,
                    const struct filter_message *m, const struct filter_limits *limits,
                    struct buf *answer, char words[128])
{
    long status = 0;

    if (!set_up(c, url, fields, m, limits, answer)) {
        snprintf(words, 128, "away (no time or no memory)");
        return ERR_NOMEM;
    }
    CURLcode r = curl_easy_perform(c);

    if (r != CURLE_OK) {
        snprintf(words, 128, "away (%.100s)", curl_easy_strerror(r));
        return ERR_UNAVAILABLE;
    }
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    snprintf(words, 128, "away (HTTP status %ld)", status);
    return status == 200 ? ERR_OK : ERR_UNAVAILABLE;
}

enum err rspamd_client_run(const struct filter *f, const struct filter_message *m,
                           const struct filter_limits *limits, struct filter_result *out)
{
    char url[FILTER_URL_BYTES_MAX + 16], words[128] = "away (no memory)";
    struct curl_slist *fields = NULL;
    CURL *c = curl_easy_init();
    struct buf answer;
    enum err e = c && add_fields(&fields, m) ? ERR_OK : ERR_NOMEM;

    buf_init(&answer, RSPAMD_ANSWER_BYTES_MAX);
    snprintf(url, sizeof(url), "%s/checkv2", f->url);
    e = e == ERR_OK ? ask(c, url, fields, m, limits, &answer, words) : e;
    if (e == ERR_OK) {
        snprintf(words, sizeof(words), "away (its answer makes no sense)");
        e = rspamd_answer_read(buf_span(&answer), f, out);
    }
    if (e != ERR_OK) {
        filter_result_say(out, f, span_from_str(words));
    }
    buf_finish(&answer);
    curl_slist_free_all(fields);
    curl_easy_cleanup(c);
    return e;
}
