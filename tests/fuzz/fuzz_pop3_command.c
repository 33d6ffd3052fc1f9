// SPDX-License-Identifier: Apache-2.0
//
// POP3 commands; the same bytes as a text of responses, and through TOP in two cuts.
#include "fuzz.h"
#include "wire/pop3/pop3_command.h"

static size_t top(struct span in, uint32_t lines, size_t cut)
{
    struct pop3_top t;

    pop3_top_begin(&t, lines);
    size_t n = pop3_top_take(&t, span_first(in, cut)).n;

    return n + pop3_top_take(&t, span_skip(in, cut)).n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pop3_command c;
    const char *why = NULL;
    struct span in = span_of(data, n);
    struct buf b;

    if (pop3_parse(in, &c, &why) == ERR_OK) {
        CHECK(pop3_command_states(c.id) != 0);
        CHECK(c.id != POP3_RETR || c.number > 0);
    } else {
        CHECK(why != NULL);
    }
    buf_init(&b, 4096);
    pop3_err_put(&b, "AUTH", in, n % 2);
    CHECK(b.n <= POP3_RESPONSE_BYTES_MAX && span_find_byte(buf_span(&b), '\n') == b.n - 1);
    buf_finish(&b);
    CHECK(top(in, n % 5, 0) == top(in, n % 5, n / 2));
    return 0;
}
