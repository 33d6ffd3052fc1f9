// SPDX-License-Identifier: Apache-2.0
//
// Sort keys of headers, and what is read of damaged ones.
#include "../test.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "order/sort_keys.h"

static void pack(struct buf *out, const char *header)
{
    buf_init(out, SORT_KEYS_BYTES_MAX);
    sort_keys_pack(out, span_from_str(header));
    assert_false(out->failed);
}

static const struct {
    const char *header, *subject, *from, *cc, *to, *display_from, *display_to;
    bool is_reply;
} rows[] = {
    {"", "", "", "", "", "", "", false},
    {"Subject: Re: Lunch (fwd)\r\nFrom: Anna B <anna@x.example>\r\nTo: bob@x.example, c@d\r\n"
     "Cc: team: a@b, c@d;\r\n\r\n",
     "Lunch", "anna", "team", "bob", "Anna B", "bob@x.example", true},
    {"SUBJECT: =?utf-8?Q?[list]_=C3=A4_Plan?=\r\nFrom: =?utf-8?B?w4RubmU=?= <e@f>\r\n\r\n",
     "\xc3\xa4 Plan", "e", "", "", "\xc3\x84nne", "", false},
    {"From: local\r\nTo: \"\" <x@y>\r\n\r\n", "", "local", "", "x", "local", "x@y", false},
    {"From: =?utf-8?Q?=20?= <x@y>\r\nSubject: a\r\n b\r\n\r\n", "a b", "x", "", "", " ", "", false},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sort_keys k;
        struct buf packed;

        pack(&packed, rows[i].header);
        assert_err(sort_keys_unpack(buf_span(&packed), &k), ERR_OK);
        assert_span(k.subject, rows[i].subject);
        assert_span(k.from, rows[i].from);
        assert_span(k.cc, rows[i].cc);
        assert_span(k.to, rows[i].to);
        assert_span(k.display_from, rows[i].display_from);
        assert_span(k.display_to, rows[i].display_to);
        assert_int_equal(k.is_reply, rows[i].is_reply);
        assert_false(k.has_id);
        assert_int_equal(k.references.n, 0);
        buf_finish(&packed);
    }
}

static uint64_t id_of(const char *header, size_t *out_references)
{
    struct sort_keys k;
    struct buf packed;

    pack(&packed, header);
    assert_err(sort_keys_unpack(buf_span(&packed), &k), ERR_OK);
    *out_references = k.references.n / 8;
    uint64_t id = k.has_id ? k.id : 0;

    if (!k.has_id && k.references.n) {
        id = get_le64(k.references.p);
    }
    buf_finish(&packed);
    return id;
}

// One Message-ID in all its spellings, wherever it stands; and what is none.
static void test_ids(void **state)
{
    static const char *const same[] = {
        "Message-ID: <a.b@c>\r\n\r\n",        "Message-Id:<\"a.b\"@c>\r\n\r\n",
        "Message-ID: < a.b@\r\n c >\r\n\r\n", "Message-ID: x <a.b@c> <z@z>\r\n\r\n",
        "Message-ID: <\"a\\.b\"@c\r\n\r\n",
    };
    static const char *const references[] = {
        "References: <a.b@c>\r\n\r\n",
        "In-Reply-To: your mail <a.b@c> <z@z>\r\n\r\n",
        "References: nothing\r\nIn-Reply-To: <a.b@c>\r\n\r\n",
        "References: <bad> <a.b@c>\r\nIn-Reply-To: <z@z>\r\n\r\n",
    };
    static const char *const none[] = {
        "Message-ID: a.b@c\r\n\r\n", "Message-ID: <>\r\n\r\n",   "Message-ID: <ab>\r\n\r\n",
        "Message-ID: <@c>\r\n\r\n",  "Message-ID: <a@>\r\n\r\n",
    };
    size_t n;
    uint64_t id = id_of(same[0], &n);

    (void)state;
    assert_int_not_equal(id, 0);
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        assert_int_equal(id_of(same[i], &n), id);
        assert_int_equal(n, 0);
    }
    for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++) {
        assert_int_equal(id_of(references[i], &n), id);
        assert_int_equal(n, 1);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_int_equal(id_of(none[i], &n), 0);
    }
    assert_int_not_equal(id_of("Message-ID: <A.b@c>\r\n\r\n", &n), id);
}

// Of many references the first and the newest are kept, in order.
static void test_many_references(void **state)
{
    struct buf header, packed, one;
    struct sort_keys k, single;

    (void)state;
    buf_init(&header, 1u << 20);
    buf_put_str(&header, "References:");
    for (int i = 0; i < 250; i++) {
        buf_printf(&header, "\r\n <r%d@x>", i);
    }
    buf_put_str(&header, "\r\n\r\n");
    buf_init(&packed, SORT_KEYS_BYTES_MAX);
    sort_keys_pack(&packed, buf_span(&header));
    assert_err(sort_keys_unpack(buf_span(&packed), &k), ERR_OK);
    assert_int_equal(k.references.n, 8 * SORT_REFERENCES_MAX);
    for (size_t i = 0; i < SORT_REFERENCES_MAX; i++) {
        char text[60];

        snprintf(text, sizeof(text), "References: <r%zu@x>\r\n\r\n",
                 i ? 250 - SORT_REFERENCES_MAX + i : 0);
        pack(&one, text);
        assert_err(sort_keys_unpack(buf_span(&one), &single), ERR_OK);
        assert_memory_equal(single.references.p, k.references.p + 8 * i, 8);
        buf_finish(&one);
    }
    buf_finish(&header);
    buf_finish(&packed);
}

// The largest of everything fits; long subjects that differ late stay different.
static void test_long(void **state)
{
    struct buf header, packed[2];
    struct sort_keys k[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_init(&header, 1u << 20);
        buf_put_str(&header, "Subject: ");
        for (int n = 0; n < 1000; n++) {
            buf_put_str(&header, "\xc3\xa4");
        }
        buf_printf(&header, "%d\r\nFrom: \"", i);
        for (int n = 0; n < 500; n++) {
            buf_put_str(&header, "\xe2\x82\xac");
        }
        buf_put_str(&header, "\" <a@b>\r\n\r\n");
        buf_init(&packed[i], SORT_KEYS_BYTES_MAX);
        sort_keys_pack(&packed[i], buf_span(&header));
        assert_false(packed[i].failed);
        assert_err(sort_keys_unpack(buf_span(&packed[i]), &k[i]), ERR_OK);
        assert_int_equal(k[i].subject.n, SORT_SUBJECT_STORED_MAX);
        assert_int_equal(k[i].display_from.n, SORT_NAME_BYTES_MAX);
        buf_finish(&header);
    }
    assert_memory_equal(k[0].subject.p, k[1].subject.p, SORT_SUBJECT_BYTES_MAX);
    assert_false(span_eq(k[0].subject, k[1].subject));
    buf_finish(&packed[0]);
    buf_finish(&packed[1]);
}

static void test_damage(void **state)
{
    struct buf packed;
    struct sort_keys k;

    (void)state;
    pack(&packed, "Subject: s\r\nFrom: f@x\r\nMessage-ID: <a@b>\r\nReferences: <c@d>\r\n\r\n");
    for (size_t n = 0; n < packed.n; n++) {
        assert_err(sort_keys_unpack(span_of(packed.p, n), &k), ERR_CORRUPT);
    }
    packed.p[0] = 2;
    assert_err(sort_keys_unpack(buf_span(&packed), &k), ERR_UNSUPPORTED);
    buf_finish(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),           cmocka_unit_test(test_ids),
        cmocka_unit_test(test_many_references), cmocka_unit_test(test_long),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
