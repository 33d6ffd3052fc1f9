// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "base/buf.h"
#include "mime/mime_reader.h"

// "type/subtype header|body" with CR as '^', LF as '/', NUL as '0'; children in brackets.
static void put_bytes(struct buf *out, struct span message, uint64_t offset, uint64_t size)
{
    assert_true(offset + size <= message.n);
    struct span s = span_first(span_skip(message, offset), size);

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        buf_put_byte(out, (char)(c == '\r' ? '^' : c == '\n' ? '/' : c == '\0' ? '0' : c));
    }
}

static void put_part(struct buf *out, struct span message, const struct mime_part *p)
{
    buf_printf(out, "%.*s%s ", SPAN_ARG(p->subtype), p->is_synthetic ? "*" : "");
    put_bytes(out, message, p->header_offset, p->header_size);
    buf_put_byte(out, '|');
    if (p->child_count == 0) {
        put_bytes(out, message, p->body_offset, p->body_size);
        buf_printf(out, "|%u", p->body_lines);
    }
    for (uint32_t i = 0; i < p->child_count; i++) {
        buf_put_str(out, i ? " " : "[");
        put_part(out, message, &p->children[i]);
        assert_ptr_equal(p->children[i].parent, p);
    }
    buf_put_str(out, p->child_count ? "]" : "");
}

static void describe(struct buf *out, struct span message, size_t piece)
{
    struct mime_reader *r;
    struct mime_message m;
    struct arena arena;

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_reader_create(NULL, &r));
    for (size_t at = 0; at < message.n; at += piece) {
        assert_ok(mime_reader_feed(r, span_first(span_skip(message, at), piece)));
    }
    assert_ok(mime_reader_finish(r, &arena, &m));
    mime_reader_destroy(r);
    assert_int_equal(m.size, message.n);
    put_part(out, message, &m.parts[0]);
    arena_finish(&arena);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n"
#define M     "mixed Content-Type: multipart/mixed; boundary=b/"

static const struct {
    const char *in, *want;
} messages[] = {
    // One part, and headers of all sorts.
    {"", "plain ||0"},
    {"\n", "plain /||0"},
    {"\r\n", "plain ^/||0"},
    {"\r\n\r\n", "plain ^/|^/|1"},
    {"A: b\n\nbody\n", "plain A: b//|body/|1"},
    {"A: b\r\n\r\nbody\r\nmore", "plain A: b^/^/|body^/more|1"},
    {"A: b\n\r\nbody", "plain A: b/^/|body|0"},
    {"A: b", "plain A: b||0"},
    {"A: b\n", "plain A: b/||0"},
    {"A: b\n c\n\tA: d\n\nbody", "plain A: b/ c/\tA: d//|body|0"},
    {"A : b\n\nbody", "plain A : b//|body|0"},
    {"\nA: b\n\nx", "plain /|A: b//x|2"},
    {"body only", "plain |body only|0"},
    {"body\nonly\n", "plain |body/only/|2"},
    {"body\n\nA: b\n", "plain |body//A: b/|3"},
    {"A: b\nbody line\nmore body\n", "plain A: b/|body line/more body/|2"},
    {"A: b\njunk\nC: d\n\nbody", "plain A: b/junk/C: d//|body|0"},
    {"A: b\njunk\n cont\nC: d\n\nbody", "plain A: b/junk/ cont/C: d//|body|0"},
    {"A: b\njunk\n\nbody", "plain A: b/|junk//body|2"},
    {"A: b\njunk", "plain A: b/|junk|0"},
    {" A: b\nC: d\n\nbody", "plain  A: b/C: d//|body|0"},
    {"From joe Mon Jan\nA: b\n\nx", "plain From joe Mon Jan/A: b//|x|0"},
    {">From joe Mon Jan\nA: b\n\nx", "plain >From joe Mon Jan/A: b//|x|0"},
    {"A: b\rC: d\r\n\r\nx", "plain A: b^C: d^/^/|x|0"},
    {"A: \xc3\xa9\n\xc3\xa9: x\n\nbody", "plain A: \xc3\xa9/|\xc3\xa9: x//body|2"},
    {"A: b\n--x\ny\n", "plain A: b/|--x/y/|2"},
    // Multiparts.
    {MIXED "\n--b\n\none\n--b\n\ntwo\n--b--\n", M "/|[plain /|one|0 plain /|two|0]"},
    {MIXED "\npre\n--b\n\none\n\n--b--\npost\n", M "/|[plain /|one/|1]"},
    {MIXED "\n--b\r\n\r\none\r\n--b--\r\n", M "/|[plain ^/|one|0]"},
    {MIXED "\n--b \t\n\none\n--b--  \n", M "/|[plain /|one|0]"},
    {MIXED "\n--b\n\n--b--\n", M "/|[plain /||0]"},
    {MIXED "\n--b\n\n\n--b--\n", M "/|[plain /||0]"},
    {MIXED "\n--b\n--b--\n", M "/|[plain ||0]"},
    {MIXED "\n--b\nA: b\n--b\n\nx\n--b--\n", M "/|[plain A: b/||0 plain /|x|0]"},
    {MIXED "\n--b\nhello\n--b--\n", M "/|[plain |hello|0]"},
    {MIXED "\n--b\nhello\nworld\n--b--\n", M "/|[plain |hello/world|1]"},
    {MIXED "\n--b\n\none", M "/|[plain /|one|0]"},
    {MIXED "\n--b\n\none\n", M "/|[plain /|one/|1]"},
    {MIXED "\n--b", M "/|[plain ||0]"},
    {MIXED "\n--bb\n-b\n --b\n--b x\nb\n", M "/|[plain* |--bb/-b/ --b/--b x/b/|5]"},
    {MIXED "\n--b\n\none\n--b--x\ntwo\n", M "/|[plain /|one/--b--x/two/|3]"},
    {MIXED "\nno parts\n", M "/|[plain* |no parts/|1]"},
    {MIXED "\n", M "/|[plain* ||0]"},
    {MIXED, M "|[plain* ||0]"},
    {MIXED "--b\n\none\n--b--\n", M "|[plain /|one|0]"},
    {MIXED "\n--b--\n--b\n\nlate\n", M "/|[plain* |--b--/--b//late/|4]"},
    {MIXED "\n--b\n\none\n--b--\n--b\n\nlate\n", M "/|[plain /|one|0]"},
    {"Content-Type: multipart/mixed\n\n--b\n\nx\n",
     "mixed Content-Type: multipart/mixed//|[plain* |--b//x/|3]"},
    {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
     "mixed Content-Type: multipart/mixed; boundary=\"\"//|[plain* |--//x/----/|4]"},
    {"Content-Type: multipart/mixed; boundary=\"b  \"\n\n--b\n\nx\n--b--\n",
     "mixed Content-Type: multipart/mixed; boundary=\"b  \"//|[plain /|x|0]"},
    {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nS: t\n\nx\n--b--\n",
     "digest Content-Type: multipart/digest; boundary=b//|[rfc822 /|[plain S: t//|x|0]]"},
    {MIXED "\n--b\nContent-Type: multipart/x; boundary=bc\n\n--bc\n\none\n--bc--\n--b--\n",
     M "/|[x Content-Type: multipart/x; boundary=bc//|[plain /|one|0]]"},
    {MIXED "\n--b\nContent-Type: multipart/x; boundary=bc\n\n--bc\n\none\n--b\n\ntwo\n--b--\n",
     M "/|[x Content-Type: multipart/x; boundary=bc//|[plain /|one|0] plain /|two|0]"},
    {MIXED "\n--b\nContent-Type: multipart/x; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--\n",
     M "/|[x Content-Type: multipart/x; boundary=b//|[plain /|one|0] plain /|two|0]"},
    // Messages inside.
    {MIXED "\n--b\nContent-Type: message/rfc822\n\nS: t\n\nin\n--b--\n",
     M "/|[rfc822 Content-Type: message/rfc822//|[plain S: t//|in|0]]"},
    {MIXED "\n--b\nContent-Type: message/rfc822\n\n--b--\n",
     M "/|[rfc822 Content-Type: message/rfc822//|[plain ||0]]"},
    {MIXED "\n--b\nContent-Type: message/rfc822\n--b--\n",
     M "/|[rfc822 Content-Type: message/rfc822/|[plain ||0]]"},
    {MIXED "\n--b\nContent-Type: message/global\n\nnot\na message\n--b--\n",
     M "/|[global Content-Type: message/global//|[plain |not/a message|1]]"},
    {MIXED "\n--b\nContent-Type: message/rfc822\nnot\na message\n--b--\n",
     M "/|[rfc822 Content-Type: message/rfc822/|[plain |not/a message|1]]"},
    {MIXED "\n--b\nContent-Type: message/rfc822\n\nS: t\njunk\n--b--\n",
     M "/|[rfc822 Content-Type: message/rfc822//|[plain S: t/|junk|0]]"},
    {"Content-Type: message/rfc822\n\nFrom x\nContent-Type: message/rfc822\n\nA: b\n\nz",
     "rfc822 Content-Type: message/rfc822//|[rfc822 From x/Content-Type: message/rfc822//|"
     "[plain A: b//|z|0]]"},
    {"Content-Type: message/delivery-status\n\nA: b\n\nC: d\n",
     "delivery-status Content-Type: message/delivery-status//|A: b//C: d/|3"},
    // Broken types.
    {"Content-Type: text\n\nx", "plain Content-Type: text//|x|0"},
    {"Content-Type: \n\nx", "plain Content-Type: //|x|0"},
    {"Content-Type: text/\n\nx", "plain Content-Type: text///|x|0"},
    {"Content-Type: multipart; boundary=b\n\n--b\n\nx\n--b--",
     "mixed Content-Type: multipart; boundary=b//|[plain /|x|0]"},
    {"Content-Type: text/html charset=x\n\nx", "html Content-Type: text/html charset=x//|x|0"},
    {"Content-Type: text/html\nContent-Type: text/x\n\nx",
     "html Content-Type: text/html/Content-Type: text/x//|x|0"},
};

static void test_structure_in_any_pieces(void **state)
{
    static const size_t pieces[] = {100000, 1, 2, 3, 5, 7, 11};

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            struct buf got;

            buf_init(&got, 100000);
            describe(&got, span_from_str(messages[i].in), pieces[k]);
            if (!span_eq(buf_span(&got), span_from_str(messages[i].want))) {
                print_error("row %zu, pieces of %zu:\n got %.*s\nwant %s\n", i, pieces[k],
                            SPAN_ARG(buf_span(&got)), messages[i].want);
                fail();
            }
            buf_finish(&got);
        }
    }
}

static void test_nul_is_a_byte(void **state)
{
    static const char text[] = "A: \0b\n\n\0body\0\n";
    struct buf got;

    (void)state;
    buf_init(&got, 1000);
    describe(&got, span_of(text, sizeof(text) - 1), 4);
    assert_span(buf_span(&got), "plain A: 0b//|0body0/|1");
    buf_finish(&got);
}

static void read_all(const char *text, const struct mime_limits *limits, struct arena *arena,
                     struct mime_message *m)
{
    arena_init(arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_read(span_from_str(text), limits, arena, m));
}

static void test_content_fields(void **state)
{
    struct arena arena;
    struct mime_message m;

    (void)state;
    read_all("Content-Type: Image/PNG (x); name=\"a.png\"\n"
             "Content-Transfer-Encoding: BASE64\n"
             "Content-ID: <1@x>\nContent-Description:  a\n  picture \n"
             "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\nContent-Location: http://x/\n"
             "Content-Disposition: Attachment; filename=b.png\n"
             "Content-Language: en, de (c), \n\nx",
             NULL, &arena, &m);
    const struct mime_part *p = &m.parts[0];

    assert_int_equal(p->kind, MIME_LEAF);
    assert_span(p->type, "Image");
    assert_span(p->subtype, "PNG");
    assert_int_equal(p->encoding, MIME_BASE64);
    assert_span(p->id, "<1@x>");
    assert_span(p->description, "a  picture");
    assert_span(p->md5, "Q2hlY2sgSW50ZWdyaXR5IQ==");
    assert_span(p->location, "http://x/");
    assert_span(p->disposition, "Attachment");
    assert_true(p->is_attachment);
    assert_span(p->disposition_params.list[0].value, "b.png");
    assert_int_equal(p->language_count, 2);
    assert_span(p->languages[1], "de");
    arena_finish(&arena);
    read_all("Content-ID:\nContent-Disposition:\n\n", NULL, &arena, &m);
    assert_null(m.parts[0].id.p);
    assert_null(m.parts[0].disposition.p);
    arena_finish(&arena);
}

static void test_excerpts(void **state)
{
    static const struct {
        const char *in, *plain, *html;
    } rows[] = {
        {"\nhello\n", "hello\n", ""},
        {"just text", "just text", ""},
        {"A: b\nbody here\nmore", "body here\nmore", ""},
        {"Content-Type: text/html\n\n<p>", "", "<p>"},
        {MIXED "\n--b\n\none\n--b\n\ntwo\n--b--\n", "one", ""},
        {MIXED "\n--b\n\n \n--b\n\ntwo\n--b--\n", "two", ""},
        {MIXED "\n--b\nno header\nhere\n--b--\n", "no header\nhere", ""},
        {MIXED "\n--b\nContent-Type: text/html\n\n<i>\n--b\n\ntwo\n--b--\n", "two", "<i>"},
        {MIXED "\n--b\nContent-Disposition: attachment\n\none\n--b\n\ntwo", "two", ""},
        {"Content-Type: message/rfc822\nS: t\nin\nside", "in\nside", ""},
        {MIXED "\nno parts", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct mime_message m;

        read_all(rows[i].in, NULL, &arena, &m);
        if (!span_eq(m.plain.bytes, span_from_str(rows[i].plain)) ||
            !span_eq(m.html.bytes, span_from_str(rows[i].html))) {
            fail_msg("row %zu: \"%.*s\" \"%.*s\"", i, SPAN_ARG(m.plain.bytes),
                     SPAN_ARG(m.html.bytes));
        }
        arena_finish(&arena);
    }
}

static void test_parts_over_the_limit_are_one_leaf(void **state)
{
    struct mime_limits limits = mime_limits_default;
    struct arena arena;
    struct mime_message m;

    (void)state;
    limits.parts_max = 3;
    read_all(MIXED "\n--b\n\n1\n--b\n\n2\n--b\n\n3\n--b--\n", &limits, &arena, &m);
    assert_int_equal(m.part_count, 3);
    assert_true(m.is_limited);
    assert_true(m.parts[2].is_opaque);
    assert_span(m.parts[2].type, "application");
    assert_int_equal(m.parts[2].header_size, 0);
    assert_int_equal(m.parts[2].body_offset + m.parts[2].body_size, m.size);
    arena_finish(&arena);
}

static void test_depth_over_the_limit_is_a_leaf(void **state)
{
    struct mime_limits limits = mime_limits_default;
    struct arena arena;
    struct mime_message m;

    (void)state;
    limits.depth_max = 1;
    read_all(MIXED "\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\n1\n--c--\n--b--\n",
             &limits, &arena, &m);
    assert_int_equal(m.part_count, 2);
    assert_true(m.parts[1].is_opaque);
    assert_span(m.parts[1].subtype, "octet-stream");
    arena_finish(&arena);
    limits.depth_max = 0;
    read_all("Content-Type: message/rfc822\n\nA: b\n\n", &limits, &arena, &m);
    assert_int_equal(m.part_count, 1);
    assert_true(m.parts[0].is_opaque);
    arena_finish(&arena);
}

static void test_header_over_the_limit_is_cut(void **state)
{
    struct mime_limits limits = mime_limits_default;
    struct arena arena;
    struct mime_message m;

    (void)state;
    limits.header_bytes_max = 10;
    read_all("A: b\nB: c\nContent-Type: text/html\n\nbody", &limits, &arena, &m);
    assert_true(m.is_header_truncated);
    assert_true(m.is_limited);
    assert_span(m.parts[0].subtype, "plain");
    assert_int_equal(m.parts[0].header_size, 35);
    assert_span(m.parts[0].header, "A: b\nB: c\n");
    arena_finish(&arena);
}

static void test_a_reader_is_used_again(void **state)
{
    struct mime_reader *r;
    struct arena arena;
    struct mime_message m;

    (void)state;
    assert_ok(mime_reader_create(NULL, &r));
    for (int i = 0; i < 3; i++) {
        arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
        assert_ok(mime_reader_feed(r, SPAN(MIXED "\n--b\n\none\n--b\n\nun")));
        if (i == 1) { // left in the middle
            mime_reader_reset(r);
            assert_ok(mime_reader_feed(r, SPAN(MIXED "\n--b\n\none\n--b\n\nun")));
        }
        assert_ok(mime_reader_finish(r, &arena, &m));
        assert_int_equal(m.part_count, 3);
        assert_span(m.plain.bytes, "one");
        mime_reader_reset(r);
        arena_finish(&arena);
    }
    mime_reader_destroy(r);
    mime_reader_destroy(NULL);
}

static void test_an_arena_too_small_is_told(void **state)
{
    struct arena arena;
    struct mime_message m;

    (void)state;
    arena_init(&arena, 100);
    assert_err(mime_read(SPAN("A: b\n\nx"), NULL, &arena, &m), ERR_NOMEM);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure_in_any_pieces),
        cmocka_unit_test(test_nul_is_a_byte),
        cmocka_unit_test(test_content_fields),
        cmocka_unit_test(test_excerpts),
        cmocka_unit_test(test_parts_over_the_limit_are_one_leaf),
        cmocka_unit_test(test_depth_over_the_limit_is_a_leaf),
        cmocka_unit_test(test_header_over_the_limit_is_cut),
        cmocka_unit_test(test_a_reader_is_used_again),
        cmocka_unit_test(test_an_arena_too_small_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
