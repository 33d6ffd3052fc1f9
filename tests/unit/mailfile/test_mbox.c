// SPDX-License-Identifier: Apache-2.0
//
// mbox: "From " lines, reading in its dialects, writing, and there and back again.
#include "../test.h"
#include "mailfile/mbox_from.h"
#include "mailfile/mbox_reader.h"
#include "mailfile/mbox_writer.h"

#define D "From a@b Mon Nov 23 10:12:00 2026\n"

// ---- the "From " line ---------------------------------------------------------------------------

static void test_from(void **state)
{
    static const struct {
        const char *line, *sender;
        bool is_from, has_date;
        int64_t date;
    } cases[] = {
        {"From a@b Mon Nov 23 10:12:00 2026", "a@b", true, true, 1795428720},
        {"From a@b Mon Nov 23 10:12 2026", "a@b", true, true, 1795428720},
        {"From - Mon Nov 23 10:12:00 2026", "-", true, true, 1795428720},
        {"From a@b  Mon Nov  3 10:12:00 2026", "a@b", true, true, 1793700720},
        {"From 16@xxx Mon Nov 23 10:12:00 +0000 2026", "16@xxx", true, true, 1795428720},
        {"From a@b Mon Nov 23 11:12:00 2026 +0100", "a@b", true, true, 1795428720},
        {"From a@b Mon Nov 23 05:12:00 EST 2026", "a@b", true, true, 1795428720},
        {"From a@b Mon Nov 23 11:12:00 MET 2026", "a@b", true, true, 1795428720},
        {"From a@b Mon, 23 Nov 2026 10:12:00 +0000", "a@b", true, true, 1795428720},
        {"From \"a b\"@c d Mon Nov 23 10:12:00 2026", "\"a b\"@c d", true, true, 1795428720},
        {"From Mon Nov 23 10:12:00 2026", "", true, true, 1795428720},
        {"From a@b Mon Nov 23 10:12:00 2026 remote from x", "", true, false, 0},
        {"From here on Mon Nov 23 10:12:00 2026 we", "", true, false, 0},
        {"From here to eternity", "", true, false, 0},
        {"From a@b Mon Nov 33 10:12:00 2026", "", true, false, 0},
        {"From a@b Mon Nov 23 25:12:00 2026", "", true, false, 0},
        {"From ", "", true, false, 0},
        {"From: a@b", "", false, false, 0},
        {">From a@b Mon Nov 23 10:12:00 2026", "", false, false, 0},
        {"", "", false, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mbox_from f;
        bool is = mbox_from_parse(span_from_str(cases[i].line), &f);

        if (is != cases[i].is_from ||
            (is && (f.has_date != cases[i].has_date ||
                    (f.has_date && (f.date != cases[i].date ||
                                    !span_eq(f.sender, span_from_str(cases[i].sender))))))) {
            print_error("case %zu: %s: date %lld sender \"%.*s\"\n", i, cases[i].line,
                        (long long)f.date, SPAN_ARG(f.sender));
            fail();
        }
    }
}

static void test_from_put(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    mbox_from_put(&b, SPAN("a@b"), 1795428720);
    assert_span(buf_span(&b), "From a@b Mon Nov 23 10:12:00 2026\n");
    buf_clear(&b);
    mbox_from_put(&b, SPAN("a b\nFrom x"), 0);
    assert_span(buf_span(&b), "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    buf_clear(&b);
    mbox_from_put(&b, SPAN(""), INT64_MAX);
    assert_span(buf_span(&b), "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    buf_finish(&b);
}

// ---- reading ------------------------------------------------------------------------------------

struct bytes {
    struct span text;
    size_t step; // at most so many bytes a read
};

static enum err read_bytes(void *arg, uint64_t offset, void *out, size_t n, size_t *out_n)
{
    const struct bytes *b = arg;
    struct span rest = span_skip(b->text, offset > b->text.n ? b->text.n : (size_t)offset);

    rest = span_first(rest, n < b->step ? n : b->step);
    memcpy(out, rest.p, rest.n);
    *out_n = rest.n;
    return ERR_OK;
}

static bool to_buf(void *arg, struct span s)
{
    buf_put(arg, s);
    return !((struct buf *)arg)->failed;
}

// All messages, each followed by "|flags,keywords|".
static void read_all(struct span text, size_t step, enum mbox_dialect dialect, struct buf *out)
{
    struct bytes b = {text, step};
    struct mbox_reader *r;
    struct mbox_message m;
    enum err e = mbox_reader_create(read_bytes, &b, dialect, &r);

    buf_clear(out);
    if (e != ERR_OK) {
        buf_printf(out, "<%s>", err_name(e));
        return;
    }
    while ((e = mbox_reader_next(r, (struct mail_sink){to_buf, out}, &m)) == ERR_OK) {
        buf_printf(out, "|%x", (unsigned)m.meta.flags);
        for (size_t i = 0; i < m.meta.keyword_count; i++) {
            buf_printf(out, ",%.*s", SPAN_ARG(m.meta.keywords[i]));
        }
        buf_put_str(out, m.is_internal ? "!internal|" : m.is_gone ? "!gone|" : "|");
    }
    assert_err(e, ERR_NOT_FOUND);
    mbox_reader_destroy(r);
}

static void test_read(void **state)
{
    static const struct {
        const char *name, *text, *want;
        enum mbox_dialect dialect;
    } cases[] = {
        {"two", D "A: 1\n\nx\n\n" D "B: 2\n\ny\n\n", "A: 1\r\n\r\nx\r\n|0|B: 2\r\n\r\ny\r\n|0|", 0},
        {"no newline at the end", D "A: 1\n\nx", "A: 1\r\n\r\nx\r\n|0|", 0},
        {"crlf", "From a@b Mon Nov 23 10:12:00 2026\r\nA: 1\r\n\r\nx\r\n\r\n",
         "A: 1\r\n\r\nx\r\n|0|", 0},
        {"blank lines of the body stay", D "A: 1\n\nx\n\n\n\n" D "B: 2\n\n",
         "A: 1\r\n\r\nx\r\n\r\n\r\n|0|B: 2\r\n\r\n|0|", 0},
        {"From in a body without a date", D "A: 1\n\nx\n\nFrom here on\n\n",
         "A: 1\r\n\r\nx\r\n\r\nFrom here on\r\n|0|", 0},
        {"From with a date, but no empty line before", D "A: 1\n\nx\n" D "y\n\n",
         "A: 1\r\n\r\nx\r\nFrom a@b Mon Nov 23 10:12:00 2026\r\ny\r\n|0|", 0},
        {"unquoting", D "A: 1\n\n>From x\n>>From y\n>Fro\n > From\n\n",
         "A: 1\r\n\r\nFrom x\r\n>From y\r\n>Fro\r\n > From\r\n|0|", 0},
        {"unquoting mboxo", D "A: 1\n\n>From x\n>>From y\n\n",
         "A: 1\r\n\r\nFrom x\r\n>>From y\r\n|0|", MBOX_O},
        {"no unquoting in mboxcl2", D "A: 1\n\n>From x\n\n", "A: 1\r\n\r\n>From x\r\n|0|",
         MBOX_CL2},
        {"flags",
         D
         "Status: RO\nX-Status: AFTD\nA: 1\nX-Keywords: $Label1 Junk  junk (x \nX-UID: 7\n\nx\n\n",
         "A: 1\r\n\r\nx\r\n|1f,$Label1,Junk|", 0},
        {"folded keywords", D "X-Keywords: a\n b\n\tc\nA: 1\n\n\n", "A: 1\r\n\r\n|0,a,b,c|", 0},
        {"mozilla",
         "From - Mon Nov 23 10:12:00 2026\nX-Mozilla-Status: 0007\n"
         "X-Mozilla-Keys: $label2\n\nx\n"
         "From - Mon Nov 23 10:12:00 2026\nX-Mozilla-Status: 0008\n\ny\n",
         "\r\nx\r\n|7,$label2|\r\ny\r\n|0!gone|", 0},
        {"notes of a mail program",
         D "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n",
         "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n\r\nx\r\n|0!internal|", 0},
        {"true length", D "Content-Length: 47\n\nx\n\n" D "some more\n\n" D "B: 2\n\n",
         "\r\nx\r\n\r\nFrom a@b Mon Nov 23 10:12:00 2026\r\nsome more\r\n|0|B: 2\r\n\r\n|0|", 0},
        {"lying length", D "Content-Length: 20\n\nx\n\n" D "B: 2\n\ny\n\n",
         "\r\nx\r\n|0|B: 2\r\n\r\ny\r\n|0|", 0},
        {"length beyond the end", D "Content-Length: 4000000000000000000\n\nx\n\n" D "B: 2\n\n",
         "\r\nx\r\n|0|B: 2\r\n\r\n|0|", 0},
        {"length to the end", D "Content-Length: 42\n\nx\n\n" D "more\n",
         "\r\nx\r\n\r\nFrom a@b Mon Nov 23 10:12:00 2026\r\nmore\r\n|0|", 0},
        {"dates nowhere", "From x\nA: 1\n\nx\n\nFrom y\nB: 2\n\ny\n",
         "A: 1\r\n\r\nx\r\n|0|B: 2\r\n\r\ny\r\n|0|", 0},
        {"lone CR and NUL stay", D "A: 1\n\na\rb\r\r\n\n", "A: 1\r\n\r\na\rb\r\r\n|0|", 0},
        {"empty lines in front", "\n\r\n" D "A: 1\n\n\n", "A: 1\r\n\r\n|0|", 0},
        {"ends in the header", D "A: 1", "A: 1\r\n|0|", 0},
        {"only the line", D, "|0|", 0},
        {"empty", "", "<end of input>", 0},
        {"blank", "\n\n\n", "<end of input>", 0},
        {"no mbox", "A: 1\n\nx\n", "<invalid>", 0},
    };
    static const size_t steps[] = {1, 7, 1 << 20};
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t s = 0; s < 3; s++) {
            read_all(span_from_str(cases[i].text), steps[s], cases[i].dialect, &out);
            if (!span_eq(buf_span(&out), span_from_str(cases[i].want))) {
                print_error("%s, step %zu: got \"%.*s\"\nwant \"%s\"\n", cases[i].name, steps[s],
                            SPAN_ARG(buf_span(&out)), cases[i].want);
                fail();
            }
        }
    }
    buf_finish(&out);
}

// Lines longer than the reader's window go through in pieces, a CR at the border included.
static void test_long_lines(void **state)
{
    struct buf text, out, want;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_init(&want, 1 << 20);
    for (size_t n = 65520 - 40; n < 65560; n++) {
        buf_clear(&text);
        buf_clear(&want);
        buf_put_str(&text, D "A: 1\r\n\r\n");
        buf_put_str(&want, "A: 1\r\n\r\n");
        for (size_t i = 0; i < n; i++) {
            buf_put_byte(&text, 'x');
            buf_put_byte(&want, 'x');
        }
        buf_put_str(&text, "\r\nFrom y\n\n");
        buf_put_str(&want, "\r\nFrom y\r\n|0|");
        read_all(buf_span(&text), 1 << 20, MBOX_RD, &out);
        assert_true(span_eq(buf_span(&out), buf_span(&want)));
    }
    buf_finish(&text);
    buf_finish(&out);
    buf_finish(&want);
}

// ---- writing, and there and back ----------------------------------------------------------------

static void write_one(struct buf *out, struct span message, bool keep_crlf, size_t step,
                      const struct mail_meta *meta)
{
    struct mbox_writer w;

    assert_true(
        mbox_writer_begin(&w, (struct mail_sink){to_buf, out}, keep_crlf, SPAN("a@b"), meta));
    for (size_t at = 0; at < message.n; at += step) {
        assert_true(mbox_writer_put(&w, span_first(span_skip(message, at), step)));
    }
    assert_true(mbox_writer_end(&w));
}

static void test_write(void **state)
{
    struct mail_meta meta = {
        .flags = MAIL_SEEN | MAIL_FLAGGED, .has_date = true, .date = 1795428720};
    struct buf out;

    (void)state;
    mail_meta_add_keyword(&meta, SPAN("$Label1"));
    mail_meta_add_keyword(&meta, SPAN("b"));
    buf_init(&out, 4096);
    write_one(&out, SPAN("A: 1\r\n\r\nFrom x\r\n>From y\r\n>Fro"), false, 3, &meta);
    assert_span(buf_span(&out), D "X-Keywords: $Label1 b\nX-Status: F\nStatus: RO\n"
                                  "A: 1\n\n>From x\n>>From y\n>Fro\n\n");
    buf_finish(&out);
}

// What is read from what was written is what was written, however it is cut and whatever its lines.
static void test_round_trip(void **state)
{
    static const char *const messages[] = {
        "A: 1\r\n\r\nx\r\n",
        "A: 1\r\n\r\n",
        "A: 1\r\n\r\n\r\n\r\n",
        "A: 1\r\n\r\nFrom x\r\n>From y\r\n>>>>From z\r\nFrom\r\n>Fro\r\n",
        "A: 1\r\n\r\nx\r\n\r\nFrom a@b Mon Nov 23 10:12:00 2026\r\n\r\ny\r\n",
        "From a@b Mon Nov 23 10:12:00 2026\r\nA: 1\r\n\r\nx\r\n",
        "A: 1\r\n\r\nlone\rcr \r x\r\n",
        "\r\nno header\r\n",
        "\tbegins with a blank\r\nA: 1\r\n\r\nx\r\n",
        "A: 1\r\n continued\r\n\r\n>\r\n>>\r\nF\r\nFr\r\n",
        // Its own fields that look like ours.
        "Status: RO\r\nX-STATUS: AF\r\nA: 1\r\nX-Keywords: NotJunk\r\n "
        "more\r\nx-uid:1\r\n\r\nx\r\n",
        "X-Kept-Status: RO\r\nX-Kept-X-Kept-Status: O\r\nX-Kept-: a\r\nX-Kept-A: b\r\n\r\nx\r\n",
        "X-Mozilla-Status2: 0\r\nX-Mozilla-Status23456: 0\r\nX-Mozilla-Stat\r\nX\r\nS: "
        "s\r\n\r\nx\r\n",
        "Content-Length: 2\r\nContent-Length : 2\r\n\r\nx\r\n\r\nStatus: RO\r\nX-Kept-Status: "
        "R\r\n",
        "X-Kept-\r\nX-Kept->From \r\nX-Kept-From x\r\nX-Kept-X-IMAPbase: 1\r\n\r\nStatus: x\r\n",
        "\r\nStatus: x\r\n",
        "\rA: 1\r\nX-UID: 1\r\n\r\nStatus: x\r\n",
    };
    static const size_t steps[] = {1, 2, 5, 4096};
    struct mail_meta meta = {.flags = MAIL_ANSWERED};
    struct buf file, out, want;

    (void)state;
    buf_init(&file, 1 << 16);
    buf_init(&out, 1 << 16);
    buf_init(&want, 1 << 16);
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        for (int crlf = 0; crlf < 2; crlf++) {
            buf_clear(&file);
            buf_clear(&want);
            for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
                write_one(&file, span_from_str(messages[i]), crlf, steps[s], &meta);
                buf_put_str(&want, messages[i]);
                buf_put_str(&want, "|2|");
            }
            read_all(buf_span(&file), 1 << 16, MBOX_RD, &out);
            assert_true(span_eq(buf_span(&out), buf_span(&want)));
        }
    }
    buf_finish(&file);
    buf_finish(&out);
    buf_finish(&want);
}

static bool stop(void *arg, struct span s)
{
    (void)arg;
    (void)s;
    return false;
}

static void test_sink_stops(void **state)
{
    struct bytes b = {SPAN(D "A: 1\n\nx\n"), 100};
    struct mbox_reader *r;
    struct mbox_message m;

    (void)state;
    assert_ok(mbox_reader_create(read_bytes, &b, MBOX_RD, &r));
    assert_err(mbox_reader_next(r, (struct mail_sink){stop, NULL}, &m), ERR_IO);
    mbox_reader_destroy(r);
}

// Twice as many "From " lines, verified lengths and blank lines take about twice the reads.
static void test_reads_are_linear(void **state)
{
    struct buf text, out;

    (void)state;
    buf_init(&text, 16 << 20);
    buf_init(&out, 16 << 20);
    for (int i = 0; i < 20000; i++) {
        buf_put_str(&text, D "Content-Length: 2\n\nx\n\n");
    }
    read_all(buf_span(&text), 1 << 16, MBOX_RD, &out);
    assert_int_equal(out.n, 20000 * strlen("\r\nx\r\n|0|"));
    buf_finish(&text);
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from),       cmocka_unit_test(test_from_put),
        cmocka_unit_test(test_read),       cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_write),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sink_stops), cmocka_unit_test(test_reads_are_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
