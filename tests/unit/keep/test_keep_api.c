// SPDX-License-Identifier: Apache-2.0
//
// Operations that administrators ask for by HTTP, on keep's side: for whom they run, and that a
// grant counts at that moment and not at its sign-in. And whose an API key without a name is.
#include <sys/socket.h>

#include "../store/support.h"
#include "auth/app_password.h"
#include "ipc/control_client.h"
#include "keep/admin/keep_api.h"
#include "keep/login/api_key.h"
#include "store/access/device.h"
#include "store/directory/role.h"

static struct bench b;
static struct keep_api *api;
static struct {
    unsigned runs;
    struct admin_caller by;
    char address[64];
} ran;

// On the API's thread; the conversation's end comes after.
static void run(void *arg, struct control_call *call, const struct admin_caller *by)
{
    (void)arg;
    ran.runs++;
    ran.by = *by;
    span_copy_text(by->address, ran.address, sizeof(ran.address));
    control_reply(call, NULL);
}

static int setup(void **state)
{
    (void)state;
    memset(&ran, 0, sizeof(ran));
    bench_open(&b);
    const struct keep_api_options o = {.store = b.store, .run = run};

    assert_ok(keep_api_create(&o, &api));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    keep_api_destroy(api);
    bench_close(&b);
    return 0;
}

static struct device device_make(const char *name, unsigned scope, char chars[APP_PASSWORD_CHARS])
{
    static unsigned char digests[4][DEVICE_DIGEST_BYTES];
    static unsigned n;
    char text[APP_PASSWORD_TEXT_BYTES];
    unsigned char *digest = digests[n++ % 4];
    struct device d = {.scope = scope, .name = span_from_str(name)};

    app_password_make(text);
    assert_true(app_password_read(span_of(text, sizeof(text)), chars));
    assert_ok(app_password_digest(chars, digest));
    d.secret = span_of(digest, DEVICE_DIGEST_BYTES);
    assert_ok(device_add(b.store, b.account, &tester, &d, &d.id));
    assert_ok(device_get(b.store, b.account, d.id, &b.arena, &d));
    return d;
}

static struct keep_link_login login_of(const struct device *d)
{
    return (struct keep_link_login){
        .grant = {.account = b.account, .device = d->id, .mark = auth_device_mark(d)}};
}

// The code of the error that was given, or "" for a result.
static const char *asked(const struct keep_link_login *login)
{
    static char code[64];
    const struct ipc_api m = {.kind = IPC_API_ADMIN, .remote = SPAN("192.0.2.7")};
    struct control_client *c;
    struct control_event e = {.kind = CONTROL_PROGRESS};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_ok(keep_api_take(api, &m, login, ends[1]));
    assert_ok(control_client_adopt(ends[0], &c));
    assert_ok(control_request(c, "status", NULL));
    assert_ok(control_next(c, &e));
    const char *text = json_string_value(json_object_get(e.json, "code"));

    snprintf(code, sizeof(code), "%s", text ? text : "");
    control_disconnect(c);
    return code;
}

static void test_nobody_and_void_tickets_are_refused(void **state)
{
    const struct ipc_api admin = {.kind = IPC_API_ADMIN}, other = {.kind = 99};
    char chars[APP_PASSWORD_CHARS];
    struct device d = device_make("key", DEVICE_WEB, chars);
    struct keep_link_login none = {.is_void = false}, is_void = login_of(&d);

    (void)state;
    is_void.is_void = true;
    assert_err(keep_api_take(api, &admin, &none, -1), ERR_DENIED);
    assert_err(keep_api_take(api, &admin, &is_void, -1), ERR_DENIED);
    assert_err(keep_api_take(api, &other, &none, -1), ERR_UNSUPPORTED);
    assert_int_equal(ran.runs, 0);
}

static void test_who_asks_is_handed_on(void **state)
{
    char chars[APP_PASSWORD_CHARS];
    struct device d = device_make("key", DEVICE_WEB, chars);
    struct keep_link_login login = login_of(&d);

    (void)state;
    login.grant.is_read_only = true;
    assert_string_equal(asked(&login), "");
    assert_int_equal(ran.runs, 1);
    assert_false(ran.by.is_local_root);
    assert_true(ran.by.only_looks && ran.by.account == b.account);
    assert_int_equal(ran.by.proof, ADMIN_BY_APP_PASSWORD);
    assert_string_equal(ran.address, "192.0.2.7");
}

static void test_a_device_blocked_since_the_sign_in_counts(void **state)
{
    char chars[APP_PASSWORD_CHARS];
    struct device d = device_make("key", DEVICE_WEB, chars);
    struct keep_link_login login = login_of(&d);

    (void)state;
    assert_ok(device_set_state(b.store, b.account, &tester, d.id, DEVICE_BLOCKED));
    assert_string_equal(asked(&login), err_name(ERR_DENIED));
    assert_int_equal(ran.runs, 0);
    assert_ok(device_remove(b.store, b.account, &tester, d.id));
    assert_string_equal(asked(&login), err_name(ERR_DENIED));
    assert_int_equal(ran.runs, 0);
}

static void test_a_key_without_a_name_is_an_administrators(void **state)
{
    char chars[APP_PASSWORD_CHARS], others[APP_PASSWORD_CHARS];
    struct span name;

    (void)state;
    device_make("key", DEVICE_WEB, chars);
    memcpy(others, chars, sizeof(others));
    others[0] = chars[0] == 'b' ? 'c' : 'b';
    assert_ok(api_key_owner(b.store, span_of(chars, sizeof(chars)), &b.arena, &name));
    assert_int_equal(name.n, 0); // without a role
    assert_ok(role_grant(b.store, &tester, b.account, SPAN("owner"), NULL, 0, NULL));
    assert_ok(api_key_owner(b.store, span_of(chars, sizeof(chars)), &b.arena, &name));
    assert_span(name, "u1@example.org");
    assert_ok(api_key_owner(b.store, span_of(others, sizeof(others)), &b.arena, &name));
    assert_int_equal(name.n, 0);
    assert_ok(api_key_owner(b.store, SPAN("garden-gate-77"), &b.arena, &name));
    assert_int_equal(name.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_and_void_tickets_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_asks_is_handed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_device_blocked_since_the_sign_in_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_key_without_a_name_is_an_administrators, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
