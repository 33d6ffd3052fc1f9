// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "wire/sasl/saslprep.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

// The first five rows are RFC 4013 section 3.
static void test_one_spelling(void **state)
{
    static const struct {
        struct span in;
        enum err query, stored;
        const char *want;
    } rows[] = {
        {BYTES("I\xc2\xadX"), ERR_OK, ERR_OK, "IX"},
        {BYTES("user"), ERR_OK, ERR_OK, "user"},
        {BYTES("USER"), ERR_OK, ERR_OK, "USER"},
        {BYTES("\xc2\xaa"), ERR_OK, ERR_OK, "a"},
        {BYTES("\xe2\x85\xa8"), ERR_OK, ERR_OK, "IX"},
        {BYTES("\x07"), ERR_INVALID, ERR_INVALID, ""},
        {BYTES("\xd8\xa7\x31"), ERR_INVALID, ERR_INVALID, ""}, // ends from left to right
        {BYTES("\xd8\xa7\x31\xd8\xa8"), ERR_OK, ERR_OK, "\xd8\xa7\x31\xd8\xa8"},
        {BYTES("\xd8\xa7z\xd8\xa8"), ERR_INVALID, ERR_INVALID, ""}, // both directions
        {BYTES("e\xcc\x81"), ERR_OK, ERR_OK, "\xc3\xa9"},           // composed
        {BYTES("a\xc2\xa0\xe3\x80\x80z"), ERR_OK, ERR_OK, "a  z"},  // spaces of all kinds
        {BYTES("a\xe2\x80\x8bz"), ERR_OK, ERR_OK, "az"},            // one without width
        {BYTES("\xc2\xad"), ERR_OK, ERR_OK, ""},                    // nothing is left
        {BYTES(""), ERR_OK, ERR_OK, ""},
        {BYTES("a\0z"), ERR_INVALID, ERR_INVALID, ""},
        {BYTES("a\x7f"), ERR_INVALID, ERR_INVALID, ""},
        {BYTES("\xc2\x85"), ERR_INVALID, ERR_INVALID, ""},         // C1 control
        {BYTES("\xee\x80\x80"), ERR_INVALID, ERR_INVALID, ""},     // private use
        {BYTES("\xe2\x80\xae"), ERR_INVALID, ERR_INVALID, ""},     // turns the direction
        {BYTES("\xef\xbf\xbd"), ERR_INVALID, ERR_INVALID, ""},     // U+FFFD
        {BYTES("\xf0\x9f\xbf\xbe"), ERR_INVALID, ERR_INVALID, ""}, // U+1FFFE
        {BYTES("\xf3\xa0\x80\x81"), ERR_INVALID, ERR_INVALID, ""}, // a tag
        {BYTES("\xe2\xbf\xb0"), ERR_INVALID, ERR_INVALID, ""},     // describes a character
        {BYTES("\xcd\xb8"), ERR_OK, ERR_INVALID, "\xcd\xb8"},      // U+0378: unassigned
        {BYTES("\xff"), ERR_INVALID, ERR_INVALID, ""},
        {BYTES("\xed\xa0\x80"), ERR_INVALID, ERR_INVALID, ""}, // a surrogate
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct span out = SPAN("");

        arena_init(&arena, 16384);
        enum err query = saslprep(&arena, rows[i].in, SASLPREP_QUERY, &out);

        if (query != rows[i].query) {
            fail_msg("row %zu: %s", i, err_name(query));
        }
        assert_span(out, rows[i].want);
        assert_err(saslprep(&arena, rows[i].in, SASLPREP_STORED, &out), rows[i].stored);
        arena_finish(&arena);
    }
}

static void test_has_a_limit(void **state)
{
    char text[SASLPREP_BYTES_MAX + 1];
    struct arena arena;
    struct span out;

    (void)state;
    arena_init(&arena, 16384);
    memset(text, 'x', sizeof(text));
    assert_ok(saslprep(&arena, span_of(text, SASLPREP_BYTES_MAX), SASLPREP_STORED, &out));
    assert_int_equal(out.n, SASLPREP_BYTES_MAX);
    assert_err(saslprep(&arena, span_of(text, sizeof(text)), SASLPREP_STORED, &out), ERR_LIMIT);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_has_a_limit),
    };

    return cmocka_run_group_tests_name("saslprep", tests, NULL, NULL);
}
