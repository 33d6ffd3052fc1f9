// SPDX-License-Identifier: Apache-2.0
//
// The framer: a stream is turned into a transcript of what was framed, once in one piece and then
// cut in every way that matters; the transcripts must be the same.
#include "../test.h"
#include "base/buf.h"
#include "wire/imap/imap_framer.h"

static const struct imap_framer_limits small = {
    .line_bytes = 40,
    .literal_bytes = 20,
    .nonsync_bytes = 10,
    .message_bytes = 30,
    .stream_append = true,
};

static const struct imap_framer_limits no_append = {
    .line_bytes = 40,
    .literal_bytes = 20,
    .nonsync_bytes = 20,
};

static const char *const kind_names[] = {
    [IMAP_FRAME_MORE] = "MORE",           [IMAP_FRAME_CONTINUE] = "CONTINUE",
    [IMAP_FRAME_COMMAND] = "COMMAND",     [IMAP_FRAME_APPEND_HEAD] = "HEAD",
    [IMAP_FRAME_APPEND_NEXT] = "NEXT",    [IMAP_FRAME_APPEND_END] = "END",
    [IMAP_FRAME_LINE] = "LINE",           [IMAP_FRAME_TOO_LONG] = "TOO_LONG",
    [IMAP_FRAME_LITERAL_TOO_BIG] = "BIG", [IMAP_FRAME_BAD_LINE] = "BAD",
};

static void put_visible(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        buf_put_byte(out, c == '\r' ? '^' : c == '\n' ? '|' : c == '\0' ? '@' : c);
    }
}

static void describe(struct buf *out, const struct imap_frame *f)
{
    buf_printf(out, "%s", kind_names[f->kind]);
    if (f->kind != IMAP_FRAME_CONTINUE && f->kind != IMAP_FRAME_TOO_LONG) {
        buf_put_byte(out, '<');
        put_visible(out, f->text);
        buf_put_byte(out, '>');
    }
    if (f->kind == IMAP_FRAME_APPEND_HEAD || f->kind == IMAP_FRAME_APPEND_NEXT ||
        f->kind == IMAP_FRAME_LITERAL_TOO_BIG) {
        buf_printf(out, "%llu%s%s", (unsigned long long)f->literal_bytes, f->sync ? "" : "+",
                   f->literal8 ? "~" : "");
    }
    buf_put_byte(out, ' ');
}

// A connection: what has come, and how much of it a message being taken still wants.
struct session {
    struct imap_framer framer;
    struct buf in, transcript;
    uint64_t message_left;
    bool in_message, closed;
};

static void take_message(struct session *s)
{
    size_t n = s->in.n < s->message_left ? s->in.n : (size_t)s->message_left;

    buf_consume(&s->in, n);
    s->message_left -= n;
    if (s->message_left == 0) {
        s->in_message = false;
        imap_framer_literal_done(&s->framer);
    }
}

static void run(struct session *s)
{
    while (!s->closed) {
        struct imap_frame f;

        if (s->in_message) {
            take_message(s);
            if (s->in_message) {
                return;
            }
        }
        imap_framer_next(&s->framer, buf_span(&s->in), &f);
        if (f.kind == IMAP_FRAME_MORE) {
            return;
        }
        describe(&s->transcript, &f);
        if (f.kind == IMAP_FRAME_TOO_LONG || (f.kind == IMAP_FRAME_LITERAL_TOO_BIG && !f.sync)) {
            s->closed = true;
        } else if (f.kind == IMAP_FRAME_APPEND_HEAD || f.kind == IMAP_FRAME_APPEND_NEXT) {
            s->in_message = true;
            s->message_left = f.literal_bytes;
        }
        if (f.kind != IMAP_FRAME_CONTINUE) {
            buf_consume(&s->in, f.bytes);
        }
    }
}

static void session_init(struct session *s, const struct imap_framer_limits *limits)
{
    *s = (struct session){.in_message = false};
    imap_framer_init(&s->framer, limits);
    buf_init(&s->in, 1 << 20);
    buf_init(&s->transcript, 1 << 20);
}

static void session_finish(struct session *s)
{
    buf_finish(&s->in);
    buf_finish(&s->transcript);
}

static void feed(struct session *s, struct span bytes)
{
    buf_put(&s->in, bytes);
    run(s);
}

struct row {
    struct span in;
    const char *want;
};

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define ROW(in, want)                                                                              \
    {                                                                                              \
        {in, sizeof(in) - 1}, want                                                                 \
    }

static const struct row rows[] = {
    ROW("a NOOP\r\nb NOOP\r\n", "COMMAND<a NOOP> COMMAND<b NOOP> "),
    ROW("a NOOP\nb NOOP\r\n", "COMMAND<a NOOP> COMMAND<b NOOP> "),
    ROW("\r\n\n", "COMMAND<> COMMAND<> "),
    ROW("a NOOP", ""),
    ROW("a NOOP\r", ""),
    ROW("a LOGIN {2}\r\nab {3}\r\ncde\r\n", "CONTINUE CONTINUE COMMAND<a LOGIN {2}^|ab {3}^|cde> "),
    ROW("a LOGIN {2+}\r\nab {3+}\r\ncde\r\nb X\r\n",
        "COMMAND<a LOGIN {2+}^|ab {3+}^|cde> COMMAND<b X> "),
    ROW("a L {2+}\nab {0}\r\n\r\n", "CONTINUE COMMAND<a L {2+}|ab {0}^|> "),
    ROW("a L {4+}\r\n{1}\n\r\n", "COMMAND<a L {4+}^|{1}|> "),
    ROW("a L {6+}\r\n{1}\r\n!\r\n", "COMMAND<a L {6+}^|{1}^|!> "),
    // What only looks like a literal.
    ROW("a {-1}\r\nb {}\r\nc {5-}\r\nd 5}\r\ne {+}\r\n",
        "COMMAND<a {-1}> COMMAND<b {}> COMMAND<c {5-}> COMMAND<d 5}> COMMAND<e {+}> "),
    ROW("a {3} \r\n", "COMMAND<a {3} > "),
    ROW("}\r\n+}\r\n{1}\r\n", "COMMAND<}> COMMAND<+}> CONTINUE "),
    // Limits.
    ROW("a L {20}\r\n12345678901234567890\r\n",
        "CONTINUE COMMAND<a L {20}^|12345678901234567890> "),
    ROW("a L {21}\r\nb X\r\n", "BIG<a L {21}>21 COMMAND<b X> "),
    ROW("a L {15}\r\n123456789012345 {6}\r\nb X\r\n",
        "CONTINUE BIG<a L {15}^|123456789012345 {6}>6 COMMAND<b X> "),
    ROW("a L {4294967296}\r\nb X\r\n", "BIG<a L {4294967296}>4294967296 COMMAND<b X> "),
    ROW("a L {99999999999999999999}\r\nb X\r\n",
        "BIG<a L {99999999999999999999}>18446744073709551615 COMMAND<b X> "),
    ROW("a L {2147483647+}\r\nb X\r\n", "BIG<a L {2147483647+}>2147483647+ "),
    ROW("a L {11+}\r\nb X\r\n", "BIG<a L {11+}>11+ "),
    ROW("a L {10+}\r\n1234567890\r\n", "COMMAND<a L {10+}^|1234567890> "),
    ROW("a L ~{21}\r\nb X\r\n", "BIG<a L ~{21}>21~ COMMAND<b X> "),
    ROW("1234567890123456789012345678901234567890\n",
        "COMMAND<1234567890123456789012345678901234567890> "),
    ROW("12345678901234567890123456789012345678901\n", "TOO_LONG "),
    ROW("12345678901234567890123456789012345678901", "TOO_LONG "),
    ROW("{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n", "TOO_LONG "),
    // NUL and bare CR.
    ROW("a NO\0OP\r\nb X\r\n", "BAD<a NO@OP> COMMAND<b X> "),
    ROW("a NO\rOP\r\nb X\r\n", "BAD<a NO^OP> COMMAND<b X> "),
    ROW("a \0{3}\r\nb X\r\n", "BAD<a @{3}> COMMAND<b X> "),
    ROW("a \0{3+}\r\nxyz\r\nb X\r\n", "BAD<a @{3+}^|xyz> COMMAND<b X> "),
    ROW("a {3+}\r\nx\0z\r\nb X\r\n", "COMMAND<a {3+}^|x@z> COMMAND<b X> "),
    // APPEND.
    ROW("a APPEND x {5}\r\n12345\r\nb X\r\n", "HEAD<a APPEND x {5}>5 END<> COMMAND<b X> "),
    ROW("a append x (\\Seen) {5+}\r\n12345\r\nb X\r\n",
        "HEAD<a append x (\\Seen) {5+}>5+ END<> COMMAND<b X> "),
    ROW("a APPEND {3}\r\nbox {5}\r\n12345\r\n", "CONTINUE HEAD<a APPEND {3}^|box {5}>5 END<> "),
    ROW("a APPEND {8+}\r\n APPEND  {5}\r\n12345\r\n", "HEAD<a APPEND {8+}^| APPEND  {5}>5 END<> "),
    ROW("a APPEND x ~{5}\r\n1\0\r\n5\r\n", "HEAD<a APPEND x ~{5}>5~ END<> "),
    ROW("a APPEND x UTF8 (~{5+}\r\n12345)\r\n", "HEAD<a APPEND x UTF8 (~{5+}>5+~ END<)> "),
    ROW("a APPEND x {2}\r\n12 {3+}\r\n123 () {0}\r\n\r\nb X\r\n",
        "HEAD<a APPEND x {2}>2 NEXT< {3+}>3+ NEXT< () {0}>0 END<> COMMAND<b X> "),
    ROW("a APPEND x {31}\r\nb X\r\n", "BIG<a APPEND x {31}>31 COMMAND<b X> "),
    ROW("a APPEND x {11+}\r\nb X\r\n", "BIG<a APPEND x {11+}>11+ "),
    ROW("a APPEND x {2}\r\n12 {31}\r\nb X\r\n", "HEAD<a APPEND x {2}>2 BIG< {31}>31 COMMAND<b X> "),
    ROW("a APPEND x\r\nb X\r\n", "COMMAND<a APPEND x> COMMAND<b X> "),
    ROW("a UID APPEND {1}\r\nx {2}\r\nyz\r\n",
        "CONTINUE CONTINUE COMMAND<a UID APPEND {1}^|x {2}^|yz> "),
    ROW(" APPEND {1}\r\nx\r\n", "CONTINUE COMMAND< APPEND {1}^|x> "),
};

static void test_frames_a_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct session s;

        session_init(&s, &small);
        feed(&s, rows[i].in);
        if (!span_eq(buf_span(&s.transcript), span_from_str(rows[i].want))) {
            print_error("row %zu: got %.*s\n        want %s\n", i,
                        SPAN_ARG(buf_span(&s.transcript)), rows[i].want);
            fail();
        }
        session_finish(&s);
    }
}

// Cut after every `step` bytes, and in two at every place.
static void test_cuts_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t cut = 0; cut < rows[i].in.n; cut++) {
            struct session s;

            session_init(&s, &small);
            if (cut == 0) {
                for (size_t k = 0; k < rows[i].in.n; k++) {
                    feed(&s, span_of(rows[i].in.p + k, 1));
                }
            } else {
                feed(&s, span_first(rows[i].in, cut));
                feed(&s, span_skip(rows[i].in, cut));
            }
            if (!span_eq(buf_span(&s.transcript), span_from_str(rows[i].want))) {
                print_error("row %zu cut %zu: got %.*s\n        want %s\n", i, cut,
                            SPAN_ARG(buf_span(&s.transcript)), rows[i].want);
                fail();
            }
            session_finish(&s);
        }
    }
}

static void test_append_is_like_others_before_login(void **state)
{
    struct session s;

    (void)state;
    session_init(&s, &no_append);
    feed(&s, SPAN("a APPEND x {3}\r\nabc\r\nb APPEND x {21}\r\nc X\r\n"));
    assert_span(buf_span(&s.transcript),
                "CONTINUE COMMAND<a APPEND x {3}^|abc> BIG<b APPEND x {21}>21 COMMAND<c X> ");
    session_finish(&s);
}

static void test_refusing_at_a_continuation(void **state)
{
    struct imap_framer f;
    struct imap_frame frame;

    (void)state;
    imap_framer_init(&f, &small);
    assert_true(imap_framer_is_idle(&f));
    imap_framer_next(&f, SPAN("a X {3}\r\n"), &frame);
    assert_int_equal(frame.kind, IMAP_FRAME_CONTINUE);
    assert_int_equal(frame.bytes, 9);
    assert_false(imap_framer_is_idle(&f));
    imap_framer_refuse(&f);
    assert_true(imap_framer_is_idle(&f));
    imap_framer_next(&f, SPAN("b X\r\n"), &frame);
    assert_int_equal(frame.kind, IMAP_FRAME_COMMAND);
    imap_framer_next(&f, SPAN("a APPEND x {3}\r\n"), &frame);
    assert_int_equal(frame.kind, IMAP_FRAME_APPEND_HEAD);
    imap_framer_refuse(&f);
    imap_framer_next(&f, SPAN("c X\r\n"), &frame);
    assert_int_equal(frame.kind, IMAP_FRAME_COMMAND);
}

static void test_raw_lines(void **state)
{
    static const struct {
        struct span in;
        enum imap_frame_kind kind;
        const char *text;
        size_t bytes;
    } lines[] = {
        {BYTES("DONE\r\nx"), IMAP_FRAME_LINE, "DONE", 6},
        {BYTES("*\n"), IMAP_FRAME_LINE, "*", 2},
        {BYTES("\r\n"), IMAP_FRAME_LINE, "", 2},
        {BYTES("1234567890\r\n"), IMAP_FRAME_LINE, "1234567890", 12},
        {BYTES("12345678901\r\n"), IMAP_FRAME_TOO_LONG, "", 0},
        {BYTES("12345678901\n"), IMAP_FRAME_TOO_LONG, "", 0},
        {BYTES("123456789012"), IMAP_FRAME_TOO_LONG, "", 0},
        {BYTES("abc{3}\r\n"), IMAP_FRAME_LINE, "abc{3}", 8},
        {BYTES("a\0c\r\n"), IMAP_FRAME_BAD_LINE, NULL, 5},
        {BYTES("DON"), IMAP_FRAME_MORE, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (size_t cut = 0; cut < lines[i].in.n; cut++) {
            struct imap_framer f;
            struct imap_frame frame;

            imap_framer_init(&f, &small);
            imap_framer_line(&f, span_first(lines[i].in, cut), 10, &frame);
            if (frame.kind == IMAP_FRAME_MORE) {
                imap_framer_line(&f, lines[i].in, 10, &frame);
            }
            if (frame.kind != lines[i].kind || frame.bytes != lines[i].bytes ||
                (lines[i].text && !span_eq(frame.text, span_from_str(lines[i].text)))) {
                fail_msg("line %zu cut %zu: kind %d bytes %zu", i, cut, (int)frame.kind,
                         frame.bytes);
            }
        }
    }
}

// A megabyte a byte at a time: quadratic work would take minutes.
static void test_cost_is_linear(void **state)
{
    static const struct imap_framer_limits large = {
        .line_bytes = 1u << 20, .literal_bytes = 1u << 20, .nonsync_bytes = 1u << 20};
    static char input[1u << 20];
    struct imap_framer f;
    struct imap_frame frame;

    (void)state;
    memset(input, 'x', sizeof(input));
    memcpy(input, "a {500000+}\r\n", 13);
    input[sizeof(input) - 1] = '\n';
    imap_framer_init(&f, &large);
    for (size_t n = 1; n < sizeof(input); n++) {
        imap_framer_next(&f, span_of(input, n), &frame);
        assert_int_equal(frame.kind, IMAP_FRAME_MORE);
    }
    imap_framer_next(&f, span_of(input, sizeof(input)), &frame);
    assert_int_equal(frame.kind, IMAP_FRAME_COMMAND);
    assert_int_equal(frame.bytes, sizeof(input));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_a_stream),
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_append_is_like_others_before_login),
        cmocka_unit_test(test_refusing_at_a_continuation),
        cmocka_unit_test(test_raw_lines),
        cmocka_unit_test(test_cost_is_linear),
    };

    return cmocka_run_group_tests_name("imap_framer", tests, NULL, NULL);
}
