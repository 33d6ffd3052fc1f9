// SPDX-License-Identifier: Apache-2.0
//
// Threads from small tables: what is said of each message, and the answer as IMAP writes it.
#include "../test.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "order/threader.h"

// "id subject date refs": id 0 is none, subject 0 empty and negative a reply.
struct said {
    uint64_t id;
    int subject, date;
    uint64_t references[6]; // ends with 0
};

static void add(struct threader *t, uint32_t uid, const struct said *m)
{
    struct thread_message message = {
        .id = m->id,
        .has_id = m->id != 0,
        .subject = (uint64_t)abs(m->subject),
        .date = m->date,
        .uid = uid,
        .is_reply = m->subject < 0,
    };
    char packed[48];
    size_t n = 0;

    for (; m->references[n]; n++) {
        put_le64(packed + 8 * n, m->references[n]);
    }
    assert_err(threader_add(t, &message, span_of(packed, 8 * n)), ERR_OK);
}

static void write_tokens(struct buf *out, const struct threader *t)
{
    bool after_number = false;

    for (size_t i = 0; i < t->token_n; i++) {
        uint32_t token = t->tokens[i];
        bool is_number = token != THREAD_OPEN && token != THREAD_CLOSE;

        buf_put_str(out, after_number && token != THREAD_CLOSE ? " " : "");
        if (is_number) {
            buf_put_u64(out, token);
        } else {
            buf_put_byte(out, token == THREAD_OPEN ? '(' : ')');
        }
        after_number = is_number;
    }
}

static void check(int line, enum thread_algorithm algorithm, const struct said *messages, size_t n,
                  const char *want)
{
    struct threader t;
    struct buf out;
    enum err e;

    threader_init(&t, algorithm);
    for (size_t i = 0; i < n; i++) {
        add(&t, (uint32_t)i + 1, &messages[i]);
    }
    while ((e = threader_step(&t, 2)) == ERR_AGAIN) {
    }
    assert_err(e, ERR_OK);
    buf_init(&out, 1000);
    write_tokens(&out, &t);
    if (!span_eq(buf_span(&out), span_from_str(want))) {
        print_error("line %d: got %.*s, want %s\n", line, (int)out.n, out.p, want);
        fail();
    }
    buf_finish(&out);
    threader_finish(&t);
}

#define CHECK(algorithm, want, ...)                                                                \
    do {                                                                                           \
        static const struct said m_[] = {__VA_ARGS__};                                             \
        check(__LINE__, algorithm, m_, sizeof(m_) / sizeof(*m_), want);                            \
    } while (0)

static void test_references(void **state)
{
    (void)state;
    check(__LINE__, THREAD_REFERENCES, NULL, 0, "");
    CHECK(THREAD_REFERENCES, "(1)", {1, 0, 1, {0}});
    // A chain, a fork, and the order of siblings by date.
    CHECK(THREAD_REFERENCES, "(1 2 3)", {1, 0, 1, {0}}, {2, 0, 2, {1}}, {3, 0, 3, {1, 2}});
    CHECK(THREAD_REFERENCES, "(1 (3)(2))", {1, 0, 1, {0}}, {2, 0, 9, {1}}, {3, 0, 3, {1}});
    // Two answers to what is not there are siblings under a dummy; one takes its place.
    CHECK(THREAD_REFERENCES, "((1)(2))", {1, 0, 1, {7}}, {2, 0, 2, {7}});
    CHECK(THREAD_REFERENCES, "(1)", {1, 0, 1, {7}});
    // A dummy inside goes, its children move up; one below another at the top stays one.
    CHECK(THREAD_REFERENCES, "(1 (2)(3))", {1, 0, 1, {0}}, {2, 0, 2, {1, 7}}, {3, 0, 3, {1, 7}});
    CHECK(THREAD_REFERENCES, "((1)(2)(3))", {1, 0, 1, {7, 8}}, {2, 0, 2, {7, 8}}, {3, 0, 3, {7}});
    // The same Message-ID twice: the first has it.
    CHECK(THREAD_REFERENCES, "(1 3)(2)", {1, 0, 1, {0}}, {1, 0, 2, {0}}, {3, 0, 3, {1}});
    // Its own parent; each other's parent; a circle of three in References.
    CHECK(THREAD_REFERENCES, "(1)", {1, 0, 1, {1}});
    CHECK(THREAD_REFERENCES, "(2 1)", {1, 0, 1, {2}}, {2, 0, 2, {1}});
    CHECK(THREAD_REFERENCES, "(1 2)(3)", {1, 0, 1, {3, 2, 1}}, {2, 0, 2, {1}}, {3, 0, 3, {0}});
    // Who has a parent keeps it, whatever References of others say later.
    CHECK(THREAD_REFERENCES, "(1 (3)(4))(2)", {7, 0, 1, {0}}, {9, 0, 2, {0}}, {3, 0, 3, {7, 8}},
          {4, 0, 4, {9, 8}});
    // What its own references say of a message counts more than others' References.
    CHECK(THREAD_REFERENCES, "(2)(3 1)", {3, 0, 3, {1, 2}}, {1, 0, 1, {0}}, {2, 0, 2, {0}});
    CHECK(THREAD_REFERENCES, "(1 (2)(3))", {1, 0, 1, {0}}, {2, 0, 2, {1}}, {3, 0, 3, {2, 1}});
}

static void test_subjects(void **state)
{
    (void)state;
    // A reply without references hangs below what it answers, whichever came first.
    CHECK(THREAD_REFERENCES, "(1 2)", {1, 5, 1, {0}}, {2, -5, 2, {0}});
    CHECK(THREAD_REFERENCES, "(2 1)", {1, -5, 1, {0}}, {2, 5, 2, {0}});
    // Two that are no replies, and two replies, become siblings under a dummy.
    CHECK(THREAD_REFERENCES, "((1)(2))", {1, 5, 1, {0}}, {2, 5, 2, {0}});
    CHECK(THREAD_REFERENCES, "((1)(2)(3))", {1, -5, 1, {0}}, {2, -5, 2, {0}}, {3, -5, 3, {0}});
    // Empty subjects are not gathered.
    CHECK(THREAD_REFERENCES, "(1)(2)", {1, 0, 1, {0}}, {2, 0, 2, {0}});
    // A dummy speaks by its first child, and others join it.
    CHECK(THREAD_REFERENCES, "((1)(2)(3))", {1, 5, 1, {7}}, {2, 6, 2, {7}}, {3, -5, 3, {0}});
    CHECK(THREAD_REFERENCES, "((1)(2)(3)(4))", {1, 5, 1, {7}}, {2, 6, 2, {7}}, {3, 5, 3, {8}},
          {4, 6, 4, {8}});
    // The place of a dummy is its first child's, also after others have joined.
    CHECK(THREAD_REFERENCES, "((4)(1)(2))(3)", {1, 5, 3, {7}}, {2, 5, 4, {7}}, {3, 6, 2, {0}},
          {4, 5, 1, {0}});
}

static void test_ordered_subject(void **state)
{
    (void)state;
    check(__LINE__, THREAD_ORDEREDSUBJECT, NULL, 0, "");
    CHECK(THREAD_ORDEREDSUBJECT, "(1)(2 3)", {1, 5, 1, {0}}, {2, 6, 2, {0}}, {3, -6, 3, {0}});
    CHECK(THREAD_ORDEREDSUBJECT, "(3 (2)(1))", {1, 5, 3, {2}}, {2, 5, 2, {0}}, {3, 5, 1, {0}});
    CHECK(THREAD_ORDEREDSUBJECT, "(1 3)(2)", {1, 0, 1, {0}}, {2, 5, 1, {0}}, {3, 0, 1, {0}});
}

static void test_refs(void **state)
{
    (void)state;
    // No subjects; threads in order of their newest message.
    CHECK(THREAD_REFS, "(1)(2)", {1, 5, 1, {0}}, {2, -5, 2, {0}});
    CHECK(THREAD_REFS, "(2)(1 3)", {1, 0, 1, {0}}, {2, 0, 2, {0}}, {3, 0, 3, {1}});
    CHECK(THREAD_REFS, "(2)((3)(1))", {1, 0, 9, {7}}, {2, 0, 8, {0}}, {3, 0, 3, {7}});
}

// A chain in every order of arrival is one thread; and one so deep that walking up it each time
// would never end.
static void check_chain(uint32_t n, uint32_t stride)
{
    struct threader t;
    enum err e;

    threader_init(&t, THREAD_REFERENCES);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = (uint32_t)((uint64_t)i * stride % n);
        struct said m = {place + 1, 0, (int)place, {place, 0}};

        add(&t, place + 1, &m);
    }
    while ((e = threader_step(&t, 1000)) == ERR_AGAIN) {
    }
    assert_err(e, ERR_OK);
    assert_int_equal(t.token_n, n + 2);
    for (uint32_t i = 1; i <= n; i++) {
        assert_int_equal(t.tokens[i], i);
    }
    if (stride == 1) { // the way up grows with each; backwards it is never walked
        assert_true(!t.splays == (n < 200));
    }
    threader_finish(&t);
}

// The first of a long chain says that it answers the last: that link is not made.
static void check_deep_loop(uint32_t n)
{
    struct threader t;
    enum err e;

    threader_init(&t, THREAD_REFERENCES);
    for (uint32_t i = 1; i <= n; i++) {
        struct said m = {i % n + 1, 0, (int)i, {i, 0}};

        add(&t, i, &m);
    }
    while ((e = threader_step(&t, 1000)) == ERR_AGAIN) {
    }
    assert_err(e, ERR_OK);
    assert_int_equal(t.token_n, n + 2);
    assert_int_equal(t.tokens[1], n);
    assert_int_equal(t.tokens[2], 1);
    assert_int_equal(t.tokens[n], n - 1);
    threader_finish(&t);
}

static void test_chains(void **state)
{
    (void)state;
    check_deep_loop(100);
    check_deep_loop(2000);
    check_chain(150, 1);
    check_chain(150, 149);
    check_chain(5003, 1);
    check_chain(5003, 5002);
    check_chain(5003, 1999);
    check_chain(100003, 61803);
}

static void test_limits(void **state)
{
    struct threader t;
    static char many[8 * (THREAD_REFERENCES_MAX + 1)];
    struct thread_message m = {.uid = 1};

    (void)state;
    threader_init(&t, THREAD_REFERENCES);
    assert_err(threader_add(&t, &m, span_of(many, sizeof(many))), ERR_LIMIT);
    assert_err(threader_add(&t, &m, span_of(many, sizeof(many) - 8)), ERR_OK);
    threader_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),      cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_ordered_subject), cmocka_unit_test(test_refs),
        cmocka_unit_test(test_chains),          cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
