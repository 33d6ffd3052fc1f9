// SPDX-License-Identifier: Apache-2.0
//
// Sets of addresses: what is one, and who is in it.
#include "../test.h"
#include "net/network.h"

static void test_who_is_in(void **state)
{
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255:1", true},
        {"192.0.2.0/24", "192.0.3.0:1", false},
        {"192.0.2.1", "192.0.2.1:1", true},
        {"192.0.2.1", "192.0.2.2:1", false},
        {"192.0.2.128/25", "192.0.2.128:1", true},
        {"192.0.2.128/25", "192.0.2.127:1", false},
        {"0.0.0.0/0", "198.51.100.1:1", true},
        {"0.0.0.0/0", "[::1]:1", false},
        {"::/0", "[2001:db8::1]:1", true},
        {"::/0", "127.0.0.1:1", false},
        {"2001:db8::/33", "[2001:db8:7fff::1]:1", true},
        {"2001:db8::/33", "[2001:db8:8000::1]:1", false},
        {"::1", "[::1]:1", true},
        {"::1/128", "[::2]:1", false},
        {"127.0.0.0/8", "127.255.0.1:1", true},
        {"127.0.0.0/8", "128.0.0.1:1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct network n;
        struct address a;

        assert_ok(network_parse(span_from_str(rows[i].network), &n));
        assert_ok(address_parse(span_from_str(rows[i].address), &a));
        assert_int_equal(network_has(&n, &a), rows[i].has);
    }
}

static void test_what_is_none(void **state)
{
    static const char *const rows[] = {"",          "192.0.2.0/33", "192.0.2.0/", "192.0.2",
                                       "::/129",    "/8",           "[::1]",      "*",
                                       "1.2.3.4:5", "1.2.3.4/-1",   "name",       "1.2.3.4/8/8"};
    struct network n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_err(network_parse(span_from_str(rows[i]), &n), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_in),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
