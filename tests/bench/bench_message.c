// SPDX-License-Identifier: Apache-2.0
//
// The messages of the load generator. Owns no state: message i follows from i alone.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

void text_add(struct text *t, const void *p, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        t->cap = (t->n + n + 1) * 2;
        t->p = realloc(t->p, t->cap);
        if (!t->p)
            fail("out of memory");
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = 0;
}

void text_print(struct text *t, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line)
        fail("line too long: %.60s", line);
    text_add(t, line, (size_t)n);
}

uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

// xorshift64*, seeded by the message number.
static uint64_t dice(uint64_t *s)
{
    uint64_t x = *s;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *s = x;
    return x * 0x2545f4914f6cdd1du;
}

static const char *const words[] = {
    "harbour", "lantern", "meadow", "copper", "signal", "winter", "garden", "pencil", "ribbon",
    "saddle",  "timber",  "valley", "walnut", "yellow", "zephyr", "anchor", "basket", "candle",
    "dragon",  "ember",   "falcon", "island", "jacket", "kettle", "ledger", "mirror", "nectar",
    "orchid",  "pepper",  "quartz", "raven",  "silver", "tunnel", "velvet", "wicker", "of",
    "the",     "and",     "to",     "in",     "we",     "you",    "is",     "on",     "for",
    "with",    "as",      "at",     "by",     "from"};
#define WORDS (sizeof words / sizeof *words)

static void prose(struct text *t, uint64_t *seed, size_t size)
{
    char line[120];
    for (size_t done = 0; done < size;) {
        size_t n = 0;
        while (n < 66) {
            const char *w = words[dice(seed) % WORDS];
            size_t k = strlen(w);
            memcpy(line + n, w, k);
            n += k;
            line[n++] = ' ';
        }
        memcpy(line + n - 1, "\r\n", 2);
        text_add(t, line, n + 1);
        done += n + 1;
    }
}

static void base64_noise(struct text *t, uint64_t *seed, size_t size)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[78];
    for (size_t done = 0; done < size; done += 78) {
        for (int i = 0; i < 76; i += 4) {
            uint64_t x = dice(seed);
            for (int j = 0; j < 4; j++, x >>= 6)
                line[i + j] = set[x & 63];
        }
        memcpy(line + 76, "\r\n", 2);
        text_add(t, line, 78);
    }
}

unsigned message_subject(long i)
{
    return (unsigned)(i / SUBJECT_RUN % 100000);
}

unsigned message_sender(long i)
{
    return (unsigned)(i * 7 % 331);
}

bool message_marked(long i, unsigned *which)
{
    *which = (unsigned)(i / 25 % 2000);
    return i % 25 == 11;
}

long message_time(long i)
{
    return 1577836800L + i * 400;
}

void message_date(long i, char out[static 40])
{
    time_t at = message_time(i);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(out, 40, "%d-%b-%Y %H:%M:%S +0000", &tm);
}

static void headers(struct text *t, long i, uint64_t *seed)
{
    char date[64];
    time_t at = message_time(i);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    unsigned who = message_sender(i);
    text_print(t, "Return-Path: <person%u@bench.example>\r\n", who);
    text_print(t,
               "Received: from out%u.bench.example (out%u.bench.example [192.0.2.%u])\r\n"
               "\tby mx.example.com with ESMTPS id %08lx\r\n\tfor <reader@example.com>; %s\r\n",
               who % 7, who % 7, who % 200 + 1, (unsigned long)(dice(seed) & 0xffffffff), date);
    text_print(t,
               "Received: from laptop%u.local (unknown [198.51.100.%u])\r\n"
               "\tby out%u.bench.example with ESMTPSA; %s\r\n",
               who, who % 200 + 1, who % 7, date);
    text_print(t,
               "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=bench.example; s=k1;\r\n"
               "\th=from:to:subject:date:message-id; bh=%016llx%016llx=;\r\n\tb=",
               (unsigned long long)dice(seed), (unsigned long long)dice(seed));
    base64_noise(t, seed, 78);
    text_print(t, "Message-ID: <n%ld@bench.example>\r\nDate: %s\r\n", i, date);
    text_print(t, "From: \"%s %s\" <person%u@bench.example>\r\nTo: Reader <reader@example.com>",
               words[who % 35], words[(who + 11) % 35], who);
    for (unsigned k = 0; k < who % 4; k++)
        text_print(t, ",\r\n\tPerson %u <person%u@bench.example>", who + k, who + k);
    text_print(t, "\r\nSubject: %sjob%05u %s %s%s\r\n", i % SUBJECT_RUN ? "Re: " : "",
               message_subject(i), words[i / SUBJECT_RUN % 35], words[i / 3 % 35],
               who % 9 ? "" : " =?utf-8?q?sch=C3=B6n?=");
    if (i % SUBJECT_RUN)
        text_print(t, "In-Reply-To: <n%ld@bench.example>\r\nReferences: <n%ld@bench.example>\r\n",
                   i - 1, i - i % SUBJECT_RUN);
    text_print(t, "MIME-Version: 1.0\r\nUser-Agent: bench/1\r\n");
}

static void parts(struct text *t, long i, uint64_t *seed, size_t size, bool attachment,
                  const char *mark)
{
    char mark_line[80];
    snprintf(mark_line, sizeof mark_line, "%s", mark);
    text_print(t, "Content-Type: multipart/%s; boundary=\"bound%ld\"\r\n\r\n--bound%ld\r\n",
               attachment ? "mixed" : "alternative", i, i);
    text_print(t, "Content-Type: text/plain; charset=utf-8\r\n\r\n%s", mark_line);
    prose(t, seed, size * 4 / 10);
    text_print(t, "\r\n--bound%ld\r\n", i);
    if (attachment) {
        text_print(t,
                   "Content-Type: image/png; name=\"p%ld.png\"\r\nContent-Disposition: "
                   "attachment; filename=\"p%ld.png\"\r\nContent-Transfer-Encoding: "
                   "base64\r\n\r\n",
                   i % 90, i % 90);
        base64_noise(t, seed, size * 6 / 10);
    } else {
        text_print(t, "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>\r\n");
        prose(t, seed, size * 6 / 10);
        text_print(t, "</body></html>\r\n");
    }
    text_print(t, "\r\n--bound%ld--\r\n", i);
}

void message_make(struct text *t, long i, long size)
{
    uint64_t seed = 0x9e3779b97f4a7c15u ^ ((uint64_t)i * 0xd1342543de82ef95u + 1);
    dice(&seed);
    headers(t, i, &seed);
    // Sizes differ as mail's do: many small, few large; about `size` on average with the headers.
    double u = (double)(dice(&seed) % 1000) / 1000.0;
    double want = (double)size * (0.12 + 1.6 * u * u * u * 1.25) + 300;
    size_t body = (size_t)want;
    unsigned which;
    char mark[80] = "";
    if (message_marked(i, &which))
        snprintf(mark, sizeof mark, "Here is marker%04u in a line.\r\n", which);
    unsigned kind = (unsigned)(dice(&seed) % 10);
    if (kind < 4) {
        text_print(t, "Content-Type: text/plain; charset=utf-8\r\n\r\n%s", mark);
        prose(t, &seed, body);
    } else {
        parts(t, i, &seed, body, kind >= 7, mark);
    }
}
