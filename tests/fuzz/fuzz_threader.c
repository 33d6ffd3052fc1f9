// SPDX-License-Identifier: Apache-2.0
//
// Threads of any references: every message is in the answer once, brackets pair, and nobody is
// below two. Input: a byte for the algorithm and the budget of a step; then for each message four
// bytes (Message-ID, subject, date, number of references) and one for each reference. Message-IDs
// are few, so that loops and doubles abound.
#include "base/bytes.h"
#include "fuzz.h"
#include "order/threader.h"

static bool take(const uint8_t **data, size_t *n, uint8_t *out)
{
    if (*n == 0) {
        return false;
    }
    *out = *(*data)++;
    --*n;
    return true;
}

static void fill(struct threader *t, const uint8_t *data, size_t n)
{
    uint8_t id, subject, date, count, reference;

    for (uint32_t uid = 1; take(&data, &n, &id) && take(&data, &n, &subject) &&
                           take(&data, &n, &date) && take(&data, &n, &count);
         uid += 1 + date % 3) {
        struct thread_message m = {.id = id % 64,
                                   .has_id = id != 255,
                                   .subject = subject % 16,
                                   .is_reply = subject & 128,
                                   .date = date,
                                   .uid = uid};
        char packed[8 * 8];
        size_t k = 0;

        for (; k < count % 8u && take(&data, &n, &reference); k++) {
            put_le64(packed + 8 * k, reference % 64);
        }
        CHECK(threader_add(t, &m, span_of(packed, 8 * k)) == ERR_OK);
    }
}

static void check_answer(const struct threader *t)
{
    size_t depth = 0, numbers = 0;
    uint8_t *seen = calloc(t->n + 1, 1);

    for (size_t i = 0; i < t->token_n; i++) {
        uint32_t token = t->tokens[i];

        if (token == THREAD_OPEN) {
            depth++;
        } else if (token == THREAD_CLOSE) {
            CHECK(depth && t->tokens[i - 1] != THREAD_OPEN);
            depth--;
        } else {
            CHECK(depth);
            size_t low = 0, high = t->n;

            while (low < high) {
                size_t middle = (low + high) / 2;

                low = t->messages[middle].uid < token ? middle + 1 : low;
                high = t->messages[middle].uid < token ? high : middle;
            }
            CHECK(low < t->n && t->messages[low].uid == token && !seen[low]);
            seen[low] = 1;
            numbers++;
        }
    }
    CHECK(depth == 0 && numbers == t->n);
    free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct threader t;
    enum err e;

    if (n == 0) {
        return 0;
    }
    threader_init(&t, (enum thread_algorithm)(data[0] % THREAD__COUNT));
    fill(&t, data + 1, n - 1);
    while ((e = threader_step(&t, 1 + data[0] / 3)) == ERR_AGAIN) {
    }
    CHECK(e == ERR_OK);
    check_answer(&t);
    threader_finish(&t);
    return 0;
}
