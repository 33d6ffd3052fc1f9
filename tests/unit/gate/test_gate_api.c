// SPDX-License-Identifier: Apache-2.0
//
// /admin/api in the gate, without sockets: the table of operations, what a request says, and what
// becomes of what keep says, cut at every place.
#include <jansson.h>

#include "../test.h"
#include "admin/admin.h"
#include "admin/table/operation.h"
#include "base/bytes.h"
#include "dialogue_driver.h"
#include "gate/http/http.h"
#include "gate/http/http_answer.h"
#include "gate/http/http_credentials.h"
#include "gate/http/http_json.h"
#include "gate/http/http_keep.h"
#include "gate/http/http_lines.h"

static char why[HTTP_JSON_WHY_MAX];

// ---- the table ----------------------------------------------------------------------------------

static const struct operation *found(const char *method, const char *path)
{
    struct operation_match m;

    operation_find(span_from_str(method), span_from_str(path), &m);
    return m.operation;
}

static void test_every_operation_has_one_place(void **state)
{
    const char *const *names = admin_names();
    const struct operation *o;
    size_t i;

    (void)state;
    for (i = 0; (o = operation_at(i)); i++) {
        struct span rest = span_from_str(o->fields), all = rest;
        struct operation_field f, again;

        assert_string_equal(o->name, names[i]);
        assert_ptr_equal(found(o->method, o->path), o); // "{account}" is a value, too
        while (operation_field_next(&rest, &f)) {
            assert_true(operation_field_find(o, f.name, &again) && again.type == f.type);
            assert_ptr_equal(again.name.p, f.name.p); // no name twice
            assert_true(f.name.p >= all.p && f.name.p < all.p + all.n);
        }
    }
    assert_null(names[i]);
}

static void test_words_go_before_values(void **state)
{
    struct operation_match m;

    (void)state;
    assert_string_equal(found("GET", "/queue/messages")->name, "queue list");
    assert_string_equal(found("GET", "/queue/messages/messages")->name, "queue show");
    assert_string_equal(found("POST", "/domains/a/keys/activate")->name, "dkim activate");
    assert_null(found("GET", "/queue/messages/"));
    assert_null(found("GET", "/accounts//forward"));
    assert_null(found("GET", "accounts"));
    assert_null(found("GET", ""));
    assert_null(found("GET", "/"));
    operation_find(SPAN("GET"), SPAN("/accounts/a/forward"), &m);
    assert_null(m.operation);
    assert_string_equal(m.allow, "PUT");
    operation_find(SPAN("DELETE"), SPAN("/accounts/a@b/devices/phone"), &m);
    assert_int_equal(m.value_n, 2);
    assert_span(m.names[0], "account");
    assert_span(m.values[0], "a@b");
    assert_span(m.names[1], "device");
    assert_span(m.values[1], "phone");
}

// ---- what a request says ------------------------------------------------------------------------

static enum err json_of(const char *text)
{
    json_t *j = NULL;
    enum err e = http_json_object(span_from_str(text), &j, why);

    json_decref(j);
    return e;
}

static void test_json_is_held_to_limits(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "[]",
                                      "1",
                                      "\"a\"",
                                      "{",
                                      "{}{}",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":\"\xff\"}",
                                      "{'a':1}",
                                      "{\"a\":01}",
                                      "{\"a\":NaN}",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"a\":99999999999999999999}"};
    char much[HTTP_JSON_VALUES_MAX * 2 + 100] = "{\"a\":[1";
    size_t n = strlen(much);

    (void)state;
    assert_ok(json_of("{}"));
    assert_ok(json_of(" {\"a\":[[[[[[[\"[[[[[[[[[\\\"[\"]]]]]]]}\n"));
    assert_err(json_of("{\"a\":[[[[[[[[1]]]]]]]]}"), ERR_LIMIT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(json_of(bad[i]), ERR_INVALID);
        assert_true(why[0] != '\0');
    }
    for (int i = 0; i < HTTP_JSON_VALUES_MAX; i++) {
        much[n++] = ',';
        much[n++] = '1';
    }
    memcpy(much + n, "]}", 3);
    assert_err(json_of(much), ERR_LIMIT);
}

static void test_fields_have_types(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {"{\"account\":\"a\",\"bytes\":null,\"bare\":true}", true},
        {"{\"bytes\":0}", true},
        {"{\"bytes\":-1}", false},
        {"{\"bytes\":1.5}", false},
        {"{\"bytes\":\"1\"}", false},
        {"{\"bare\":1}", false},
        {"{\"bare\":null}", false},
        {"{\"account\":null}", false},
        {"{\"account\":[\"a\"]}", false},
        {"{\"other\":1}", false},
        {"{\"as\":\"a\"}", false},
    };
    const struct operation *o = found("POST", "/accounts");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *j = json_loads(rows[i].text, 0, NULL);

        assert_err(http_json_check(o, j, why), rows[i].is_good ? ERR_OK : ERR_INVALID);
        json_decref(j);
    }
    json_t *j = json_loads("{\"for\":[\"a\",1]}", 0, NULL);

    assert_err(http_json_check(found("POST", "/accounts/a/devices"), j, why), ERR_INVALID);
    json_decref(j);
}

static void query_is(const char *method, const char *path, const char *query, const char *want)
{
    struct arena a;
    json_t *j = json_object();

    arena_init(&a, 65536);
    enum err e = http_json_query(found(method, path), span_from_str(query), &a, j, why);
    char *text = json_dumps(j, JSON_COMPACT);

    if (want) {
        assert_ok(e);
        assert_string_equal(text, want);
    } else {
        assert_err(e, ERR_INVALID);
    }
    free(text);
    json_decref(j);
    arena_finish(&a);
}

static void test_queries(void **state)
{
    (void)state;
    query_is("GET", "/accounts", "", "{}");
    query_is("GET", "/accounts", "domain=a%2Eb+c%c3%a9", "{\"domain\":\"a.b cé\"}");
    query_is("GET", "/accounts", "domain=", "{\"domain\":\"\"}");
    query_is("GET", "/log", "server=true&last=5&since_ms=0",
             "{\"server\":true,\"last\":5,\"since_ms\":0}");
    query_is("DELETE", "/aliases/x", "targets=a&targets=b", "{\"targets\":[\"a\",\"b\"]}");
    query_is("GET", "/accounts", "domain=a&domain=b", NULL);
    query_is("GET", "/accounts", "x=a", NULL);
    query_is("GET", "/accounts", "=", NULL);
    query_is("GET", "/accounts", "domain=%", NULL);
    query_is("GET", "/accounts", "domain=%4", NULL);
    query_is("GET", "/accounts", "domain=%0", NULL);
    query_is("GET", "/accounts", "domain=a%00", NULL);
    query_is("GET", "/accounts", "domain=%ff", NULL);
    query_is("GET", "/accounts", "domain=%41", "{\"domain\":\"A\"}");
    query_is("GET", "/log", "server=yes", NULL);
    query_is("GET", "/log", "last=-1", NULL);
    query_is("GET", "/log", "last=99999999999999999999", NULL);
    query_is("GET", "/log", "last=", NULL);
}

static void test_credentials(void **state)
{
    static const struct {
        const char *value, *user, *password;
    } rows[] = {
        {"Basic YTpi", "a", "b"},   {"basic  YTpi ", "a", "b"},     {"Basic YTpiOmM=", "a", "b:c"},
        {"Bearer key", "", "key"},  {"Basic", NULL, NULL},          {"Basic YWI=", NULL, NULL},
        {"Basic OmI=", NULL, NULL}, {"Basic YQA6Yg==", NULL, NULL}, {"Bearer", NULL, NULL},
        {"", NULL, NULL},           {"Basic /zpi", NULL, NULL},     {"Digest a", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_credentials c;
        struct buf room;

        buf_init(&room, HTTP_CREDENTIALS_MAX);
        enum err e = http_credentials_read(span_from_str(rows[i].value), &room, &c);

        assert_err(e, rows[i].user ? ERR_OK : ERR_INVALID);
        if (rows[i].user) {
            assert_span(c.user, rows[i].user);
            assert_span(c.password, rows[i].password);
            assert_int_equal(c.is_key, rows[i].user[0] == '\0');
        }
        buf_finish(&room);
    }
}

// ---- what keep says -----------------------------------------------------------------------------

static void put_record(struct buf *out, char type, const char *payload)
{
    char header[5];

    header[0] = type;
    put_le32(header + 1, (uint32_t)strlen(payload));
    buf_put(out, span_of(header, 5));
    buf_put_str(out, payload);
}

// Records and a last word, in pieces; what is said then, or of the error.
static void answer_is(enum operation_kind kind, bool is_lines, struct span records,
                      enum control_kind end, const char *last, const char *want)
{
    for (size_t piece = 1; piece <= records.n + 1; piece++) {
        struct http_answer a = {.kind = OPERATION_PLAIN};

        http_answer_begin(&a, kind, is_lines);
        for (struct span rest = records; rest.n > 0; rest = span_skip(rest, piece)) {
            assert_ok(http_answer_put(&a, CONTROL_CHUNK, span_first(rest, piece)));
            assert_ok(http_answer_frame_end(&a, CONTROL_CHUNK));
        }
        assert_ok(http_answer_put(&a, end, span_from_str(last)));
        assert_ok(http_answer_frame_end(&a, end));
        assert_true(a.is_over && a.has_failed == (end == CONTROL_ERROR));
        assert_span(buf_span(&a.text), want);
        http_answer_finish(&a);
    }
}

static void test_answers_cut_anywhere(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    answer_is(OPERATION_PLAIN, false, SPAN(""), CONTROL_RESULT, "{\"a\":1}", "{\"a\":1}\n");
    answer_is(OPERATION_LIST, false, SPAN(""), CONTROL_RESULT, "{}",
              "{\"items\":[],\"result\":{}}\n");
    answer_is(OPERATION_LIST, true, SPAN(""), CONTROL_RESULT, "{}", "{\"result\":{}}\n");
    answer_is(OPERATION_TEXT_OUT, false, SPAN(""), CONTROL_RESULT, "{}",
              "{\"text\":\"\",\"result\":{}}\n");
    put_record(&b, 'I', "{\"a\":1}");
    put_record(&b, 'I', "{}");
    answer_is(OPERATION_LIST, false, buf_span(&b), CONTROL_RESULT, "{\"n\":2}",
              "{\"items\":[{\"a\":1},{}],\"result\":{\"n\":2}}\n");
    answer_is(OPERATION_LIST, true, buf_span(&b), CONTROL_ERROR,
              "{\"code\":\"not found\",\"text\":\"no \\\"x\\\"\"}",
              "{\"a\":1}\n{}\n{\"error\":{\"type\":\"about:blank\",\"title\":\"Not Found\","
              "\"status\":404,\"code\":\"not found\",\"detail\":\"no \\\"x\\\"\"}}\n");
    buf_clear(&b);
    put_record(&b, 'I', "{\"bytes\":5}");
    put_record(&b, 'D', "hell");
    put_record(&b, 'D', "o");
    put_record(&b, 'D', "");
    put_record(&b, 'D', "again");
    answer_is(OPERATION_LINES_OUT, true, buf_span(&b), CONTROL_RESULT, "{}",
              "{\"bytes\":5}\n{\"data\":\"aGVsbA==\"}\n{\"data\":\"bw==\"}\n{\"data\":\"\"}\n"
              "{\"data\":\"YWdhaW4=\"}\n{\"result\":{}}\n");
    buf_clear(&b);
    put_record(&b, 'D', "a\"\\\r\n\x01");
    put_record(&b, 'D', "\x7f\xc3\xa9");
    answer_is(OPERATION_TEXT_OUT, false, buf_span(&b), CONTROL_RESULT, "{}",
              "{\"text\":\"a\\\"\\\\\\r\\n\\u0001\\u007f\xc3\xa9\",\"result\":{}}\n");
    buf_finish(&b);
}

static void test_answers_that_keep_may_not_give(void **state)
{
    static const struct {
        enum operation_kind kind;
        struct span bytes;
    } rows[] = {
        {OPERATION_PLAIN, {"I\2\0\0\0{}", 7}},       {OPERATION_LIST, {"D\2\0\0\0{}", 7}},
        {OPERATION_LIST, {"X\2\0\0\0{}", 7}},        {OPERATION_LIST, {"I\1\0\0\0{", 6}},
        {OPERATION_LIST, {"I\1\0\4\0", 5}},          {OPERATION_TEXT_OUT, {"I\2\0\0\0{}", 7}},
        {OPERATION_LIST, {"I\377\377\377\377{", 6}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_answer a = {.kind = OPERATION_PLAIN};

        http_answer_begin(&a, rows[i].kind, false);
        assert_err(http_answer_put(&a, CONTROL_CHUNK, rows[i].bytes), ERR_INVALID);
        http_answer_finish(&a);
    }
    struct http_answer a = {.kind = OPERATION_PLAIN};

    http_answer_begin(&a, OPERATION_LIST, true); // the end within a record
    assert_ok(http_answer_put(&a, CONTROL_CHUNK, span_of("I\5\0\0\0{", 6)));
    assert_ok(http_answer_put(&a, CONTROL_RESULT, SPAN("{}")));
    assert_err(http_answer_frame_end(&a, CONTROL_RESULT), ERR_INVALID);
    http_answer_finish(&a);
}

// ---- lines --------------------------------------------------------------------------------------

// What keep gets of the lines, in pieces of any size; NULL: they are refused.
static void lines_give(const char *text, bool wants_data, const char *want)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct http_lines l = {.items = 0};
        struct span rest = span_from_str(text);
        struct buf out, records;
        enum err e = ERR_OK;

        buf_init(&out, 65536);
        buf_init(&records, 65536);
        http_lines_init(&l);
        while (rest.n > 0 && (e == ERR_OK || e == ERR_AGAIN)) {
            size_t bytes;

            e = http_lines_take(&l, span_first(rest, piece), wants_data, &bytes, &out, why);
            rest = span_skip(rest, bytes);
        }
        e = e == ERR_OK || e == ERR_AGAIN ? http_lines_end(&l, wants_data, &out, why) : e;
        assert_err(e, want ? ERR_OK : ERR_INVALID);
        for (size_t at = 0; at < out.n; at += 4 + get_le32(out.p + at)) {
            assert_int_equal(out.p[at + 4], CONTROL_CHUNK);
            struct span record = span_of(out.p + at + 5, get_le32(out.p + at) - 1);

            assert_int_equal(get_le32(record.p + 1), record.n - 5);
            buf_put_byte(&records, record.p[0]);
            buf_put(&records, span_skip(record, 5));
        }
        if (want) {
            assert_span(buf_span(&records), want);
        }
        http_lines_finish(&l);
        buf_finish(&out);
        buf_finish(&records);
    }
}

static void test_lines(void **state)
{
    (void)state;
    lines_give("", true, "");
    lines_give("\n \r\n", true, "");
    lines_give("{ \"a\" : 1 }\r\n{\"b\":2}", true, "I{\"a\":1}I{\"b\":2}");
    lines_give("{\"a\":1}\n{\"data\":\"aGVsbG8=\"}\n", true, "I{\"a\":1}Dhello");
    lines_give("{\"a\":1}\n{\"data\":\"aGVsbG8=\"}\n", false, "I{\"a\":1}");
    lines_give("{\"data\":1}\n", true, "I{\"data\":1}");
    lines_give("{\"data\":\"\"}\n", true, "");
    lines_give("{\"data\":\"a\"}\n", true, NULL);
    lines_give("{\"a\":1}\n[]\n", true, NULL);
    lines_give("{\"a\":\n1}\n", true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_has_one_place),
        cmocka_unit_test(test_words_go_before_values),
        cmocka_unit_test(test_json_is_held_to_limits),
        cmocka_unit_test(test_fields_have_types),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_answers_cut_anywhere),
        cmocka_unit_test(test_answers_that_keep_may_not_give),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
