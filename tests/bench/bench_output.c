// SPDX-License-Identifier: Apache-2.0
//
// One JSON line for each thing measured. A row whose answers were wrong carries "wrong" and no
// value: a fast wrong answer is not a result.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

int rows_wrong;

void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "mailbench: [%s] ", opt.label);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

const char *wrong_text(const char *fmt, ...)
{
    static char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 32)
            *p = '\'';
    return text;
}

void sample(struct samples *s, double v)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->v = realloc(s->v, (size_t)s->cap * sizeof *s->v);
        if (!s->v)
            fail("out of memory");
    }
    s->v[s->n++] = v;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double percentile(struct samples *s, double p)
{
    if (!s->n)
        return 0;
    qsort(s->v, (size_t)s->n, sizeof *s->v, by_size);
    return s->v[(long)(p * (double)(s->n - 1) + 0.5)];
}

struct row row_begin(void)
{
    struct row r = {.server0 = server_cpu(), .client0 = client_cpu()};
    r.t0 = now();
    return r;
}

void row_end(const struct row *r, const char *name, const char *unit, double value,
             struct samples *latency, const char *wrong)
{
    double seconds = now() - r->t0, client = client_cpu() - r->client0, server = server_cpu();
    printf("{\"server\":\"%s\",\"row\":\"%s\"", opt.label, name);
    if (wrong) {
        printf(",\"wrong\":\"%s\"}\n", wrong);
        rows_wrong++;
    } else {
        printf(",\"value\":%.6g,\"unit\":\"%s\",\"seconds\":%.4f,\"client_cpu\":%.3f", value, unit,
               seconds, client);
        if (server >= 0 && r->server0 >= 0)
            printf(",\"server_cpu\":%.3f", server - r->server0);
        if (latency)
            printf(",\"p50_ms\":%.3f,\"p99_ms\":%.3f", percentile(latency, .5) * 1e3,
                   percentile(latency, .99) * 1e3);
        printf("}\n");
    }
    fflush(stdout);
}

void row_value(const char *name, const char *unit, double value)
{
    printf("{\"server\":\"%s\",\"row\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", opt.label, name,
           value, unit);
    fflush(stdout);
}
