// SPDX-License-Identifier: Apache-2.0
//
// SCRAM over the link between gate and keep: request, challenge, response, result (L06).
#include <pthread.h>
#include <sys/socket.h>

#include "../auth/scram_client.h"
#include "auth/app_password.h"
#include "auth/scram_credentials.h"
#include "engine/memory/memory.h"
#include "ipc/channel.h"
#include "keep/login/keep_link.h"

#define PATIENCE_MS 20000
#define FIRST       "n,,n=anna@x.example,r=fyko"

static struct {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    struct keep_tickets *tickets;
    struct loop *loop;
    struct keep_link *link;
    pthread_t thread;
    int gate; // our end
    struct buf in;
    char password[APP_PASSWORD_TEXT_BYTES];
} w;

static void add_device(account_id account)
{
    static const struct actor admin = {.kind = ACTOR_ADMIN};
    char chars[APP_PASSWORD_CHARS], keys[SCRAM_KEY_PAIR_BYTES];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct account a = {.id = account, .name = SPAN("anna@x.example")};
    uint32_t id;

    app_password_make(w.password);
    assert_true(app_password_read(span_of(w.password, sizeof(w.password)), chars));
    assert_ok(app_password_digest(chars, digest));
    assert_ok(scram_device_keys(w.store, &a, span_of(w.password, sizeof(w.password)), keys));
    struct device d = {.scope = DEVICE_MAIL,
                       .name = SPAN("phone"),
                       .secret = span_of(digest, sizeof(digest)),
                       .scram_keys = span_of(keys, sizeof(keys))};

    assert_ok(device_add(w.store, account, &admin, &d, &id));
}

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(w.loop);
    return NULL;
}

static int setup(void **state)
{
    static const struct actor admin = {.kind = ACTOR_ADMIN};
    struct store_options so;
    struct auth_options ao;
    account_id anna;
    int pair[2];

    (void)state;
    store_options_default(&so);
    auth_options_default(&ao);
    ao.params = (struct password_params){.memory_kib = 64, .passes = 1, .lanes = 1};
    assert_ok(engine_memory_open(&w.engine));
    assert_ok(store_open(w.engine, &so, &w.store));
    assert_ok(directory_domain_add(w.store, &admin, SPAN("x.example")));
    assert_ok(
        directory_account_add(w.store, &admin, SPAN("anna@x.example"), SPAN(""), false, &anna));
    add_device(anna);
    assert_ok(auth_create(w.store, &ao, &w.auth));
    assert_ok(keep_tickets_create(&w.tickets));
    assert_ok(loop_create(&w.loop));
    const struct keep_link_options o = {.loop = w.loop,
                                        .store = w.store,
                                        .auth = w.auth,
                                        .tickets = w.tickets,
                                        .auth_threads = 2,
                                        .auth_queue_max = 500};

    assert_ok(keep_link_create(&o, &w.link));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_ok(keep_link_attach(w.link, pair[1]));
    w.gate = pair[0];
    buf_init(&w.in, IPC_FRAME_BYTES_MAX);
    assert_int_equal(pthread_create(&w.thread, NULL, run_loop, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(w.loop);
    pthread_join(w.thread, NULL);
    keep_link_destroy(w.link);
    keep_tickets_destroy(w.tickets);
    loop_destroy(w.loop);
    auth_destroy(w.auth);
    store_close(w.store);
    engine_close(w.engine);
    buf_finish(&w.in);
    close(w.gate);
    return 0;
}

static void ask(uint64_t conversation)
{
    const struct ipc_auth_request m = {.conversation = conversation,
                                       .protocol = IPC_IMAP,
                                       .mechanism = SPAN("SCRAM-SHA-256"),
                                       .authzid = SPAN(""),
                                       .user = SPAN("anna@x.example"),
                                       .password = SPAN(""),
                                       .remote = SPAN("192.0.2.1"),
                                       .response = SPAN(FIRST),
                                       .binding = SPAN("")};
    struct buf frame;

    buf_init(&frame, 16384);
    assert_ok(ipc_auth_request_encode(&m, 0, &frame));
    assert_ok(channel_send_blocking(w.gate, buf_span(&frame), NULL, 0));
    buf_finish(&frame);
}

static void respond(uint64_t conversation, bool is_given_up, struct span bytes)
{
    const struct ipc_auth_response m = {
        .conversation = conversation, .is_given_up = is_given_up, .bytes = bytes};
    struct buf frame;

    buf_init(&frame, 16384);
    assert_ok(ipc_auth_response_encode(&m, 0, &frame));
    assert_ok(channel_send_blocking(w.gate, buf_span(&frame), NULL, 0));
    buf_finish(&frame);
}

// The next frame; what its spans point into is there until the next call.
static struct ipc_frame hear(void)
{
    static size_t heard;
    struct ipc_frame frame;
    int fds[IPC_FDS_MAX];

    buf_consume(&w.in, w.in.n < heard ? w.in.n : heard);
    assert_ok(channel_receive_blocking(w.gate, PATIENCE_MS, &w.in, &frame, fds));
    heard = frame.bytes;
    return frame;
}

static struct ipc_auth_challenge hear_challenge(void)
{
    struct ipc_auth_challenge m;
    struct ipc_frame frame = hear();

    assert_int_equal(frame.type, IPC_AUTH_CHALLENGE);
    assert_ok(ipc_auth_challenge_decode(frame.fields, &m));
    return m;
}

static struct ipc_auth_result hear_result(void)
{
    struct ipc_auth_result m;
    struct ipc_frame frame = hear();

    assert_int_equal(frame.type, IPC_AUTH_RESULT);
    assert_ok(ipc_auth_result_decode(frame.fields, &m));
    return m;
}

static void answer(uint64_t conversation, struct span challenge, struct span password)
{
    struct buf last;

    buf_init(&last, 4096);
    scram_answer(SPAN(FIRST), 3, SPAN(""), challenge, password, &last);
    respond(conversation, false, buf_span(&last));
    buf_finish(&last);
}

static void test_in_four_messages(void **state)
{
    struct auth_grant grant;

    (void)state;
    ask(7);
    struct ipc_auth_challenge c = hear_challenge();

    assert_int_equal(c.conversation, 7);
    answer(7, c.bytes, span_of(w.password, sizeof(w.password)));
    struct ipc_auth_result r = hear_result();

    assert_int_equal(r.conversation, 7);
    assert_int_equal(r.result, IPC_AUTH_OK);
    assert_true(span_starts(r.text, SPAN("v=")));
    assert_ok(keep_tickets_redeem(w.tickets, r.ticket, &grant));
    assert_int_equal(grant.device, 1);
}

static void test_what_is_no_answer(void **state)
{
    (void)state;
    respond(1, false, SPAN("x")); // to nothing
    assert_int_equal(hear_result().result, IPC_AUTH_UNAVAILABLE);
    ask(2);
    struct ipc_auth_challenge c = hear_challenge();

    answer(2, c.bytes, SPAN("wrong"));
    struct ipc_auth_result r = hear_result();

    assert_int_equal(r.result, IPC_AUTH_BAD);
    assert_int_equal(r.text.n + r.ticket.n, 0);
    respond(2, false, SPAN("x")); // it is over
    assert_int_equal(hear_result().result, IPC_AUTH_UNAVAILABLE);
    ask(3);
    hear_challenge();
    respond(3, true, SPAN("")); // given up: nothing comes, and the exchange is gone
    respond(3, false, SPAN("x"));
    assert_int_equal(hear_result().result, IPC_AUTH_UNAVAILABLE);
}

// Results come between challenges, as they are ready.
static void test_many_at_once(void **state)
{
    enum { MANY = 100 };
    unsigned challenges = 0, results = 0;

    (void)state;
    for (uint64_t i = 1; i <= MANY; i++) {
        ask(i);
    }
    while (challenges < MANY || results < MANY / 2) {
        struct ipc_frame frame = hear();
        struct ipc_auth_challenge c;
        struct ipc_auth_result r;

        if (frame.type == IPC_AUTH_CHALLENGE) {
            assert_ok(ipc_auth_challenge_decode(frame.fields, &c));
            respond(c.conversation, c.conversation % 2, SPAN("c=biws,r=x,p=x"));
            challenges++;
        } else {
            assert_int_equal(frame.type, IPC_AUTH_RESULT);
            assert_ok(ipc_auth_result_decode(frame.fields, &r));
            assert_int_not_equal(r.result, IPC_AUTH_OK);
            assert_int_equal(r.conversation % 2, 0); // whoever has given up hears nothing
            results++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_four_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
    };

    return cmocka_run_group_tests_name("keep_scram", tests, NULL, NULL);
}
