// SPDX-License-Identifier: Apache-2.0
//
// How many may wait to log in.
#include "../test.h"
#include "conf/conf.h"
#include "gate/limits.h"

static struct settings *settings_of(const char *conf)
{
    struct conf_report report;
    struct settings *s;

    assert_ok(conf_parse(span_from_str(conf), &report, &s));
    return s;
}

static struct address peer(const char *text)
{
    struct address a;

    assert_ok(address_parse(span_from_str(text), &a));
    return a;
}

static void test_by_address_and_network(void **state)
{
    struct settings *s = settings_of("login_connections_per_address = 2\n");
    static const struct {
        const char *peer;
        bool enters;
    } rows[] = {
        {"192.0.2.1:1000", true},      {"192.0.2.1:1001", true},  {"192.0.2.1:1002", false},
        {"192.0.2.2:1000", true},      {"[2001:db8::1]:1", true}, {"[2001:db8::ffff:1]:1", true},
        {"[2001:db8::2]:1", false}, // the same /64
        {"[2001:db8:0:1::1]:1", true},
    };
    struct limits l;
    enum dialogue_end why;

    (void)state;
    limits_init(&l, LIMITS_LOGIN);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a = peer(rows[i].peer);

        assert_err(limits_enter(&l, s, &a, &why), rows[i].enters ? ERR_OK : ERR_LIMIT);
        assert_true(rows[i].enters || why == DIALOGUE_TOO_MANY_FROM_ADDRESS);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a = peer(rows[i].peer);

        if (rows[i].enters) {
            limits_leave(&l, &a);
        }
    }
    assert_int_equal(l.total, 0);
    limits_finish(&l);
    settings_unref(s);
}

// An address at its own limit is told so even when all is full: it may push nobody out.
static void test_all_together(void **state)
{
    struct settings *s =
        settings_of("login_connections_per_address = 2\nlogin_connections_max = 3\n");
    struct address a = peer("192.0.2.1:1"), b = peer("192.0.2.2:1"), c = peer("192.0.2.3:1");
    struct limits l;
    enum dialogue_end why;

    (void)state;
    limits_init(&l, LIMITS_LOGIN);
    assert_ok(limits_enter(&l, s, &a, &why));
    assert_ok(limits_enter(&l, s, &a, &why));
    assert_ok(limits_enter(&l, s, &b, &why));
    assert_err(limits_enter(&l, s, &a, &why), ERR_LIMIT);
    assert_int_equal(why, DIALOGUE_TOO_MANY_FROM_ADDRESS);
    assert_err(limits_enter(&l, s, &c, &why), ERR_LIMIT);
    assert_int_equal(why, DIALOGUE_TOO_MANY_CLIENTS);
    limits_leave(&l, &a);
    assert_ok(limits_enter(&l, s, &c, &why));
    limits_leave(&l, &a);
    limits_leave(&l, &b);
    limits_leave(&l, &c);
    limits_finish(&l);
    settings_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_address_and_network),
        cmocka_unit_test(test_all_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
