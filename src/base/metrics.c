// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include "base/banned.h"

static const char *const types[] = {[METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge"};

static const struct {
    uint64_t us;
    const char *le; // in seconds
} buckets[METRICS_BUCKETS] = {
    {100, "0.0001"}, {300, "0.0003"}, {1000, "0.001"},  {3000, "0.003"},
    {10000, "0.01"}, {30000, "0.03"}, {100000, "0.1"},  {300000, "0.3"},
    {1000000, "1"},  {3000000, "3"},  {10000000, "10"},
};

static size_t words_of(const struct metrics_label *l)
{
    return l->name ? l->count : 1;
}

void metrics_add(const struct metrics_family *f, size_t a, size_t b, int64_t by)
{
    if (a < words_of(&f->a) && b < words_of(&f->b)) {
        atomic_fetch_add_explicit(&f->values[a * words_of(&f->b) + b], by, memory_order_relaxed);
    }
}

void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// Words with a LF or a quote in them would break the line (a version, a name from outside).
static void put_word(struct buf *out, const char *word)
{
    for (; *word; word++) {
        if (*word == '\n') {
            buf_put_str(out, "\\n");
            continue;
        }
        if (*word == '"' || *word == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, *word);
    }
}

static void put_labels(struct buf *out, const char *a, const char *a_word, const char *b,
                       const char *b_word)
{
    if (a) {
        buf_printf(out, "{%s=\"", a);
        put_word(out, a_word);
        if (b) {
            buf_printf(out, "\",%s=\"", b);
            put_word(out, b_word);
        }
        buf_put_str(out, "\"}");
    }
}

void metrics_put_sample(struct buf *out, const char *name, const char *label, const char *word,
                        uint64_t value)
{
    buf_put_str(out, name);
    put_labels(out, label, word, NULL, NULL);
    buf_put_byte(out, ' ');
    buf_put_u64(out, value);
    buf_put_byte(out, '\n');
}

void metrics_put_one(struct buf *out, const char *name, enum metrics_type type, const char *help,
                     uint64_t value)
{
    metrics_put_head(out, name, types[type], help);
    metrics_put_sample(out, name, NULL, NULL, value);
}

void metrics_put(struct buf *out, const struct metrics_family *f)
{
    metrics_put_head(out, f->name, types[f->type], f->help);
    for (size_t i = 0; i < words_of(&f->a); i++) {
        for (size_t k = 0; k < words_of(&f->b); k++) {
            int64_t v =
                atomic_load_explicit(&f->values[i * words_of(&f->b) + k], memory_order_relaxed);

            buf_put_str(out, f->name);
            put_labels(out, f->a.name, f->a.name ? f->a.words[i] : NULL, f->b.name,
                       f->b.name ? f->b.words[k] : NULL);
            buf_printf(out, " %lld\n", (long long)v);
        }
    }
}

void metrics_time(struct metrics_times *t, int64_t us)
{
    uint64_t n = us > 0 ? (uint64_t)us : 0;
    size_t i = 0;

    while (i < METRICS_BUCKETS && n > buckets[i].us) {
        i++;
    }
    atomic_fetch_add_explicit(&t->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->sum_us, n, memory_order_relaxed);
}

void metrics_put_times(struct buf *out, const char *name, const char *help, struct metrics_times *t)
{
    uint64_t sum = atomic_load_explicit(&t->sum_us, memory_order_relaxed), n = 0;

    metrics_put_head(out, name, "histogram", help);
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        n += atomic_load_explicit(&t->counts[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{le=\"%s\"} %llu\n", name,
                   i < METRICS_BUCKETS ? buckets[i].le : "+Inf", (unsigned long long)n);
    }
    buf_printf(out, "%s_sum %llu.%06llu\n%s_count %llu\n", name,
               (unsigned long long)(sum / 1000000), (unsigned long long)(sum % 1000000), name,
               (unsigned long long)n);
}
