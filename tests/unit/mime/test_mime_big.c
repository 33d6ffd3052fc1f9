// SPDX-License-Identifier: Apache-2.0
//
// Inputs made to take a careless reader quadratic time, endless memory or a deep stack. Each is
// read at one size and at four times that size; the processor time of the larger must stay within a
// wide factor, and a hard ceiling, of the smaller. Linear code takes 4 times as long, quadratic 16.
#include <time.h>

#include "../test.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"
#include "mime/mime_imap.h"
#include "mime/mime_msgid.h"
#include "mime/mime_reader.h"
#include "mime/mime_subject.h"
#include "mime/mime_summary.h"
#include "mime/mime_text.h"
#include "mime/mime_word.h"

#define FACTOR_MAX 10 // for 4 times the input; the noise of a busy machine included
#define NOISE_NS   20000000
#define CEILING_NS 20000000000 // a whole case under sanitizers

struct big {
    const char *name, *before, *unit, *after;
    int count;
};

static const struct big cases[] = {
    {"To: lines", "", "To: a@b\n", "\nbody", 250000},
    {"addresses in one field", "To: ", "a@b, ", "\n\nbody", 250000},
    {"continuation lines", "To: a@b\n", " x\n", "\nbody", 500000},
    {"Received fields", "", "Received: from a by b\n", "\nbody", 50000},
    {"open comments", "To: ", "(", "\n\nbody", 500000},
    {"comments with blanks", "Content-Type: text/plain; x=y", " (", "\n\nbody", 250000},
    {"comments between semicolons", "Content-Type: text/plain", ";(", "\n\nbody", 250000},
    {"closed comments", "To: ", "(a) ", "a@b\n\nbody", 250000},
    {"quotes", "To: ", "\"a\" ", "\n\nbody", 250000},
    {"quotes with one not closed", "To: \"", "\\\"", "\n\nbody", 250000},
    {"angle brackets", "To: ", "<a ", "\n\nbody", 250000},
    {"square brackets", "To: ", "@[a", "\n\nbody", 250000},
    {"groups", "To: ", "a:b;", "\n\nbody", 250000},
    {"routes", "To: <", "@a,", "\n\nbody", 250000},
    {"words and at signs", "To: ", "a <b> c ", "\n\nbody", 100000},
    {"encoded words", "Subject: ", "=?utf-8?q?a?= ", "\n\nbody", 500000},
    {"words never closed", "Subject: ", "=?utf-8?q?a", "\n\nbody", 250000},
    {"words of other charsets", "Subject: ", "=?koi8-r?q?a?= =?gb2312?q?b?=", "\n\nb", 10000},
    {"identifiers", "References: ", "<a@b>", "\n\nbody", 250000},
    {"identifiers never closed", "References: ", "<a", "\n\nbody", 250000},
    {"subject blobs", "Subject: ", "[a] ", "x\n\nbody", 250000},
    {"subject replies", "Subject: ", "Re: ", "x\n\nbody", 250000},
    {"subject brackets", "Subject: ", "[fwd: ", "x\n\nbody", 100000},
    {"parameters", "Content-Type: text/plain", "; a*0=b", "\n\nbody", 250000},
    {"RFC 2231 sections", "Content-Type: text/plain", ";n*1*=a", "\n\nbody", 50000},
    {"header junk", "", "junk\n \n", "\nbody", 150000},
    {"alternating junk", "", "a: b\njunk\n", "\nbody", 150000},
    {"boundary near-misses", "Content-Type: multipart/x; boundary=aaaaaaaaaaaaaaab\n\n",
     "--aaaaaaaaaaaaaaaa\n", "", 500000},
    {"dashes", "Content-Type: multipart/x; boundary=a\n\n", "--\n", "", 1500000},
    {"parts", "Content-Type: multipart/x; boundary=a\n\n", "--a\n\n\n", "", 250000},
    {"nested multiparts", "", "Content-Type: multipart/x; boundary=a\n\n--a\n", "", 50000},
    {"nested messages", "", "Content-Type: message/rfc822\n\n", "", 50000},
    {"nested and closed", "", "Content-Type: multipart/x; boundary=a\n--a\n--a--\n", "", 50000},
    {"html depth", "Content-Type: text/html\n\n", "<div>", "", 500000},
    {"html entities", "Content-Type: text/html\n\n", "&nosuch;", "", 250000},
    {"html never closed", "Content-Type: text/html\n\n", "<a b=\"", "", 250000},
    {"html comments", "Content-Type: text/html\n\n", "<!--", "", 250000},
    {"html scripts", "Content-Type: text/html\n\n", "<script></", "", 250000},
    {"long line", "\n", "x", "", 2500000},
    {"base64", "Content-Transfer-Encoding: base64\n\n", "=", "", 1500000},
    {"quoted-printable blanks", "Content-Transfer-Encoding: quoted-printable\n\n", " ", "",
     3000000},
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void use_header(struct span header, struct buf *out)
{
    struct mime_address_reader r;
    struct mime_address a;
    struct mime_field f;
    struct span id, refs = mime_header_get(header, SPAN("References"));
    size_t n = 0;

    while (mime_header_find(&header, SPAN("To"), &f)) {
        mime_address_begin(&r, f.body);
        while (mime_address_next(&r, &a)) {
            n++;
        }
        mime_address_finish(&r);
    }
    while (mime_msgid_next(&refs, &id)) {
        n++;
    }
    buf_put_u64(out, n);
}

static void use_subject(struct span header, struct buf *out)
{
    struct buf text;

    buf_init(&text, 64 << 20);
    mime_header_text(&text, mime_header_get(header, SPAN("Subject")));
    mime_subject_base(out, buf_span(&text), NULL);
    buf_finish(&text);
}

static void use_text(const struct mime_message *m, struct span message, struct buf *out)
{
    struct mime_text *t;
    struct span body = span_skip(message, m->parts[0].body_offset);

    assert_ok(mime_text_create(&m->parts[0], &t));
    mime_text_feed(t, out, body);
    mime_text_finish(t, out);
    mime_text_destroy(t);
}

// Does everything the server does with a message.
static int64_t use(const struct big *c, int count)
{
    struct buf message, out;
    struct arena arena;
    struct mime_message m;

    buf_init(&message, 256 << 20);
    buf_put_str(&message, c->before);
    for (int i = 0; i < count; i++) {
        buf_put_str(&message, c->unit);
    }
    buf_put_str(&message, c->after);
    int64_t start = now_ns();

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    buf_init(&out, 256 << 20);
    assert_ok(mime_read(buf_span(&message), NULL, &arena, &m));
    assert_true(m.part_count <= 2 * 10000);
    assert_ok(mime_summary_build(&out, &m));
    // Whole, though the reader keeps only the first part of a long header.
    struct span header = span_first(buf_span(&message), m.parts[0].header_size);

    use_header(header, &out);
    use_subject(header, &out);
    if (m.parts[0].kind == MIME_TEXT) {
        use_text(&m, buf_span(&message), &out);
    }
    mime_imap_envelope(&out, header);
    int64_t spent = now_ns() - start;

    buf_finish(&out);
    buf_finish(&message);
    arena_finish(&arena);
    return spent;
}

static void test_time_is_linear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t small = use(&cases[i], cases[i].count / 4), large = use(&cases[i], cases[i].count);

        if (large > CEILING_NS || (large > NOISE_NS && large / FACTOR_MAX > small + NOISE_NS)) {
            fail_msg("%s: %lld ms, a quarter of it %lld ms", cases[i].name,
                     (long long)(large / 1000000), (long long)(small / 1000000));
        }
        if (getenv("MK_BIG_TIMES")) {
            print_message("%-30s %6lld ms, a quarter %6lld ms\n", cases[i].name,
                          (long long)(large / 1000000), (long long)(small / 1000000));
        }
    }
}

static void test_fifty_megabytes_in_pieces_keep_little(void **state)
{
    static char piece[65536];
    struct mime_reader *r;
    struct arena arena;
    struct mime_message m;

    (void)state;
    for (size_t i = 0; i < sizeof(piece); i++) {
        piece[i] = i % 77 == 76 ? '\n' : 'A';
    }
    arena_init(&arena, 1 << 20);
    assert_ok(mime_reader_create(NULL, &r));
    assert_ok(mime_reader_feed(r, SPAN("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n")));
    for (int i = 0; i < 800; i++) {
        assert_ok(mime_reader_feed(r, span_of(piece, sizeof(piece))));
    }
    assert_ok(mime_reader_feed(r, SPAN("\n--b--\n")));
    assert_ok(mime_reader_finish(r, &arena, &m)); // fits the small arena
    assert_int_equal(m.parts[1].body_size, 800 * sizeof(piece));
    mime_reader_destroy(r);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_linear),
        cmocka_unit_test(test_fifty_megabytes_in_pieces_keep_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
