// SPDX-License-Identifier: Apache-2.0
//
// Transactions against a server that behaves well, and against servers that do not: silence,
// endless replies, codes that are none, TLS that is no TLS, half of a pipeline. The test plays
// keep.
#include "../test.h"
#include "fake_mx.h"
#include "ipc/message.h"

#define ALL "SIZE_1000000 PIPELINING 8BITMIME SMTPUTF8 DSN CHUNKING BINARYMIME ENHANCEDSTATUSCODES"

static struct test_courier courier;  // patient
static struct test_courier hasty;    // half a second for each answer
static struct test_courier trusting; // checks certificates by the system's list, where ours is not

static int setup(void **state)
{
    struct test_courier_options o = {.keep_open_ms = 0}, quick = {.timeout_ms = 500};

    (void)state;
    test_certificate_make("localhost,127.0.0.1,mx.example.test");
    test_courier_start(&courier, &o);
    test_courier_start(&hasty, &quick);
    o.no_ca = true;
    test_courier_start(&trusting, &o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_courier_stop(&courier);
    test_courier_stop(&hasty);
    test_courier_stop(&trusting);
    test_certificate_remove();
    return 0;
}

static void send_to(struct test_courier *c, struct fake_mx *mx, struct test_mail *m)
{
    m->route_host = "127.0.0.1";
    m->route_port = mx->port;
    test_send(c, m);
    assert_true(m->ended);
}

static void assert_fared(const struct test_mail *m, unsigned i, int outcome, const char *words)
{
    if (m->outcome[i] != outcome || !strstr(m->reply[i], words)) {
        print_error("recipient %u: %d \"%s\" of \"%s\", want %d \"%s\"\n", i, m->outcome[i],
                    m->reply[i], m->host[i], outcome, words);
        fail();
    }
}

// ---- well-behaved -------------------------------------------------------------------------------

static void script_all(struct fake_talk *t)
{
    be_good(t, ALL);
}

static void test_delivers(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.flags = 2 | 16,
                          .envid = "id+1",
                          .to = {"ben@example.test", "ida@example.test"},
                          .orcpt = {"rfc822;ben@old.test"},
                          .notify = {1 | 4}};

    (void)state;
    fake_mx_start(&mx, script_all, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250 2.0.0 taken");
    assert_fared(&m, 1, IPC_RELAY_DELIVERED, "250 2.0.0 taken");
    assert_string_equal(m.host[0], "127.0.0.1 [127.0.0.1]");
    assert_string_equal(m.problem, "");
    assert_true(fake_mx_heard(&mx, "EHLO out.example.org"));
    assert_true(fake_mx_heard(&mx, "MAIL FROM:<anna@example.org> SIZE=43 BODY=8BITMIME RET=FULL "
                                   "ENVID=id+2B1"));
    assert_true(fake_mx_heard(&mx, "RCPT TO:<ben@example.test> NOTIFY=SUCCESS,DELAY "
                                   "ORCPT=rfc822;ben@old.test"));
    assert_true(fake_mx_heard(&mx, "..a line with a dot"));
    for (int i = 0; i < 10000 && !fake_mx_heard(&mx, "QUIT"); i++) {
        usleep(1000); // said before the result, heard whenever the server comes to it
    }
    assert_true(fake_mx_heard(&mx, "QUIT"));
    fake_mx_stop(&mx);
}

static void script_plain(struct fake_talk *t)
{
    be_good(t, "");
}

static void script_helo(struct fake_talk *t)
{
    say(t, "220 old");
    hear(t);
    say(t, "500 what?");
    hear(t);
    say(t, "250 hello");
    while (hear(t) && strcmp(t->line, "DATA") != 0) {
        say(t, "250 ok");
    }
    say(t, "354 go");
    hear_data(t);
    say(t, "250 thanks");
    hear(t);
}

static void test_says_only_what_was_offered(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.flags = 16, .envid = "x", .notify = {1}};

    (void)state;
    fake_mx_start(&mx, script_plain, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250");
    assert_true(fake_mx_heard(&mx, "MAIL FROM:<anna@example.org>"));
    assert_false(fake_mx_heard(&mx, "MAIL FROM:<anna@example.org> "));
    assert_false(fake_mx_heard(&mx, "RCPT TO:<ben@example.test> "));
    fake_mx_stop(&mx);
    fake_mx_start(&mx, script_helo, 0);
    struct test_mail old = {.sender = ""};

    send_to(&courier, &mx, &old);
    assert_fared(&old, 0, IPC_RELAY_DELIVERED, "250 thanks");
    assert_true(fake_mx_heard(&mx, "HELO out.example.org"));
    assert_true(fake_mx_heard(&mx, "MAIL FROM:<>"));
    fake_mx_stop(&mx);
}

static void test_lacks_are_told_in_words(void **state)
{
    static const struct {
        unsigned flags;
        const char *sender, *words;
    } cases[] = {
        {1, NULL, "5.6.7"},  {0, "j\xc3\xbcrg@example.org", "5.6.7"},
        {2, NULL, "5.6.3"},  {4, NULL, "5.6.3"},
        {8, NULL, "5.7.30"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_mx mx;
        struct test_mail m = {.flags = cases[i].flags, .sender = cases[i].sender};

        fake_mx_start(&mx, script_plain, 0);
        send_to(&courier, &mx, &m);
        if (cases[i].flags != 8) {
            assert_fared(&m, 0, IPC_RELAY_FAILED, cases[i].words);
        } else {
            assert_true(m.outcome[0] == IPC_RELAY_UNTRIED); // no TLS at all here
        }
        assert_false(fake_mx_heard(&mx, "MAIL"));
        fake_mx_stop(&mx);
    }
}

static void script_small(struct fake_talk *t)
{
    be_good(t, "SIZE_10");
}

static void test_size(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.flags = 0};

    (void)state;
    fake_mx_start(&mx, script_small, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_FAILED, "5.3.4");
    fake_mx_stop(&mx);
}

static void test_binary_goes_by_bdat(void **state)
{
    static const char body[] = "A: b\r\n\r\n\0\r\n.\r\nbare\nend";
    struct fake_mx mx;
    struct test_mail m = {.flags = 4, .body = body, .body_n = sizeof(body) - 1};

    (void)state;
    fake_mx_start(&mx, script_all, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250 2.0.0 chunk");
    pthread_mutex_lock(&mx.lock);
    bool whole = span_find(buf_span(&mx.heard), span_of(body, sizeof(body) - 1)) < mx.heard.n;

    pthread_mutex_unlock(&mx.lock);
    assert_true(whole);
    assert_true(fake_mx_heard(&mx, "BDAT 22 LAST"));
    fake_mx_stop(&mx);
}

// S02: what a server could take for the end of the message leaves as nothing at all.
static void test_bare_line_ends_do_not_leave(void **state)
{
    static const char *const bodies[] = {"a\n.\r\nMAIL FROM:<x>\r\n", "a\r.\r\n", "a\n.\n",
                                         "a\r\n.\r"};

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct fake_mx mx;
        struct test_mail m = {.body = bodies[i]};

        fake_mx_start(&mx, script_all, 0);
        send_to(&courier, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_FAILED, "5.6.0");
        assert_false(fake_mx_heard(&mx, "MAIL FROM:<x>"));
        fake_mx_stop(&mx);
    }
}

// ---- refusals -----------------------------------------------------------------------------------

static const char *partial_reply(const char *line)
{
    return strstr(line, "TO:<ida")     ? "550 5.1.1 no such user"
           : strstr(line, "TO:<tom")   ? "451 4.2.2 later"
           : strstr(line, "TO:<many")  ? "552 too many"
           : strcmp(line, "DATA") == 0 ? "354 go"
                                       : "250 ok";
}

static void script_partial(struct fake_talk *t)
{
    say(t, "220 hi");
    hear(t);
    say(t, "250-x");
    say(t, t->mx->kind ? "250 PIPELINING" : "250 HELP");
    while (hear(t)) {
        say(t, partial_reply(t->line));
        if (strcmp(t->line, "DATA") == 0 && hear_data(t)) {
            say(t, "250 taken");
        }
    }
}

static void test_each_recipient_fares_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fake_mx mx;
        struct test_mail m = {
            .to = {"ida@x.test", "ben@x.test", "tom@x.test", "many@x.test", "no address"}};

        fake_mx_start(&mx, script_partial, i);
        send_to(&courier, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_FAILED, "550 5.1.1 no such user");
        assert_fared(&m, 1, IPC_RELAY_DELIVERED, "250 taken");
        assert_fared(&m, 2, IPC_RELAY_DEFERRED, "451 4.2.2 later");
        assert_fared(&m, 3, IPC_RELAY_DEFERRED, "552");
        assert_fared(&m, 4, IPC_RELAY_FAILED, "5.1.3");
        fake_mx_stop(&mx);
        struct test_mail nobody = {.to = {"ida@x.test"}};

        fake_mx_start(&mx, script_partial, i);
        send_to(&courier, &mx, &nobody);
        assert_fared(&nobody, 0, IPC_RELAY_FAILED, "550 5.1.1");
        assert_int_equal(fake_mx_heard(&mx, "DATA"), i); // may be on its way already, but
        assert_false(fake_mx_heard(&mx, "Subject"));
        fake_mx_stop(&mx);
    }
}

// One state of a conversation where something goes wrong, by number.
enum { AT_GREETING, AT_EHLO, AT_MAIL, AT_RCPT, AT_DATA, AT_END, STATES };

static void go_until(struct fake_talk *t, int state, void (*then)(struct fake_talk *))
{
    static const char *const words[STATES] = {"", "EHLO", "MAIL", "RCPT", "DATA", ""};

    if (state == AT_GREETING) {
        then(t);
        return;
    }
    say(t, "220 hi");
    while (hear(t)) {
        if (words[state][0] && strncmp(t->line, words[state], strlen(words[state])) == 0) {
            then(t);
            return;
        }
        if (strcmp(t->line, "DATA") == 0) {
            say(t, "354 go");
            hear_data(t);
            then(t);
            return;
        }
        say(t, "250 ok");
    }
}

static void say_421(struct fake_talk *t)
{
    say(t, "421 4.3.2 going down");
}

static void script_421(struct fake_talk *t)
{
    go_until(t, t->mx->kind, say_421);
}

static void script_silence(struct fake_talk *t)
{
    go_until(t, t->mx->kind, stay_silent);
}

static void hang_up(struct fake_talk *t)
{
    (void)t;
}

static void script_hang_up(struct fake_talk *t)
{
    go_until(t, t->mx->kind, hang_up);
}

static void for_each_state(struct test_courier *c, fake_script *script, const char *words)
{
    for (int state = 0; state < STATES; state++) {
        struct fake_mx mx;
        struct test_mail m = {.sender = NULL};

        fake_mx_start(&mx, script, state);
        send_to(c, &mx, &m);
        // After the message has been given its fate is not known: later, not "not tried".
        assert_fared(&m, 0, state == AT_END ? IPC_RELAY_DEFERRED : IPC_RELAY_UNTRIED, words);
        fake_mx_stop(&mx);
    }
}

static void test_421_at_each_state(void **state)
{
    (void)state;
    for_each_state(&courier, script_421, "421 4.3.2 going down");
}

// S14: from a server that stalls we are gone after a while.
static void test_silence_at_each_state(void **state)
{
    (void)state;
    for_each_state(&hasty, script_silence, "did not answer in time");
}

static void test_hanging_up_at_each_state(void **state)
{
    (void)state;
    for_each_state(&courier, script_hang_up, "closed the connection");
}

// ---- replies that are none (S15) ----------------------------------------------------------------

static void say_endless(struct fake_talk *t)
{
    for (int i = 0; i < 1000000; i += 1000) {
        char lines[1000 * 8];

        for (int j = 0; j < 1000; j++) {
            memcpy(lines + j * 8, "250-ab\r\n", 8);
        }
        say_raw(t, lines, sizeof(lines));
    }
}

static void say_one_line(struct fake_talk *t)
{
    static char bytes[1 << 20];

    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes, "250 ", 4);
    say_raw(t, bytes, sizeof(bytes));
}

static void say_000(struct fake_talk *t)
{
    say(t, "000 nothing");
    stay_silent(t);
}

static void say_999(struct fake_talk *t)
{
    say(t, "999 everything");
    stay_silent(t);
}

static void say_two_codes(struct fake_talk *t)
{
    say(t, "250-one");
    say(t, "550 two");
    stay_silent(t);
}

static void script_no_reply(struct fake_talk *t)
{
    static void (*const tricks[])(struct fake_talk *) = {say_endless, say_one_line, say_000,
                                                         say_999, say_two_codes};

    go_until(t, t->mx->kind % STATES, tricks[t->mx->kind / STATES]);
}

static void test_hostile_replies(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5 * STATES; kind++) {
        struct fake_mx mx;
        struct test_mail m = {.sender = NULL};

        fake_mx_start(&mx, script_no_reply, kind);
        send_to(&courier, &mx, &m);
        assert_fared(&m, 0, kind % STATES == AT_END ? IPC_RELAY_DEFERRED : IPC_RELAY_UNTRIED,
                     "what is no reply of SMTP");
        fake_mx_stop(&mx);
    }
}

static void script_dirty(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t) && strncmp(t->line, "RCPT", 4) != 0) {
        say(t, "250 ok");
    }
    say_raw(t, "550-5.1.1 no \x1b[31mred\x00\xff\r\n", 25);
    say(t, "550 5.1.1 \xe2\x80\xa8line");
    stay_silent(t);
}

static void script_clean_enough(struct fake_talk *t)
{
    char longest[480];

    memset(longest, 'w', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    say(t, "220 hi");
    while (hear(t) && strncmp(t->line, "RCPT", 4) != 0) {
        say(t, "250 ok");
    }
    for (int i = 0; i < 20; i++) {
        say_raw(t, "550-5.1.1 ", 10);
        say(t, longest);
    }
    say(t, "550 5.1.1 end \x1b[31m");
    stay_silent(t);
}

static void test_replies_are_cleaned(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.sender = NULL}, longer = {.sender = NULL};

    (void)state;
    fake_mx_start(&mx, script_dirty, 0);
    send_to(&courier, &mx, &m);
    for (const char *p = m.reply[0]; *p; p++) {
        assert_true((unsigned char)*p >= 32);
    }
    fake_mx_stop(&mx);
    fake_mx_start(&mx, script_clean_enough, 0);
    send_to(&courier, &mx, &longer);
    assert_fared(&longer, 0, IPC_RELAY_FAILED, "550 5.1.1 www");
    assert_int_equal(strlen(longer.reply[0]), 511);
    fake_mx_stop(&mx);
}

static void script_early(struct fake_talk *t)
{
    say(t, "220 hi");
    hear(t);
    say_raw(t, "250 x\r\n250 before the command\r\n250 and more\r\n", 46);
    stay_silent(t);
}

static void test_replies_before_the_command(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.sender = NULL};

    (void)state;
    fake_mx_start(&mx, script_early, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_UNTRIED, "spoke before it was asked");
    fake_mx_stop(&mx);
}

static void script_never_reads(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t) && strcmp(t->line, "DATA") != 0) {
        say(t, "250 ok");
    }
    say(t, "354 go");
    struct timespec pause = {.tv_sec = 3}; // longer than the courier's patience

    nanosleep(&pause, NULL);
}

static void script_refuses_in_the_middle(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t) && strcmp(t->line, "DATA") != 0) {
        say(t, "250 ok");
    }
    say(t, "354 go");
    hear(t);
    say(t, "552 5.3.4 too large for me");
    stay_silent(t);
}

static void test_large_body(void **state)
{
    const size_t n = 20u << 20;
    char *body = malloc(n);
    struct fake_mx mx;
    struct test_mail m = {.body = body, .body_n = n}, stuck = m, refused = m;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        body[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : i % 64 == 0 ? '.' : 'a';
    }
    fake_mx_start(&mx, script_never_reads, 0);
    send_to(&hasty, &mx, &stuck);
    assert_fared(&stuck, 0, IPC_RELAY_DEFERRED,
                 "did not answer in time while the message was sent");
    fake_mx_stop(&mx);
    fake_mx_start(&mx, script_refuses_in_the_middle, 0);
    send_to(&courier, &mx, &refused);
    assert_fared(&refused, 0, IPC_RELAY_FAILED, "552 5.3.4 too large");
    fake_mx_stop(&mx);
    free(body);
}

// ---- TLS ----------------------------------------------------------------------------------------

static void script_tls(struct fake_talk *t)
{
    be_good(t, "STARTTLS AUTH_PLAIN_LOGIN");
}

static void script_tls_refused(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t)) {
        say(t, strncmp(t->line, "EHLO", 4) == 0 ? "250 STARTTLS" : "454 4.7.0 not now");
        if (strncmp(t->line, "EHLO", 4) == 0) {
            continue;
        }
        break;
    }
    stay_silent(t);
}

// Offers it, says no, and takes mail all the same.
static void script_tls_said_no(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t)) {
        if (strncmp(t->line, "EHLO", 4) == 0) {
            say(t, "250-x");
            say(t, "250 STARTTLS");
        } else if (strcmp(t->line, "DATA") == 0) {
            say(t, "354 go");
            hear_data(t);
            say(t, "250 in the clear");
        } else {
            say(t, strcmp(t->line, "STARTTLS") == 0 ? "454 4.7.0 no" : "250 ok");
        }
    }
}

// Says yes and then speaks something else than TLS; the next time it offers nothing.
static void script_tls_broken(struct fake_talk *t)
{
    if (t->number > 0) {
        be_good(t, "STARTTLS");
        return;
    }
    say(t, "220 hi");
    hear(t);
    say(t, "250-x");
    say(t, "250 STARTTLS");
    hear(t);
    say(t, "220 go");
    say(t, "this is no TLS");
    stay_silent(t);
}

static void script_tls_always_broken(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t)) {
        if (strncmp(t->line, "EHLO", 4) == 0) {
            say(t, "250-x");
            say(t, "250 STARTTLS");
        } else if (strcmp(t->line, "STARTTLS") == 0) {
            say(t, "220 go");
            return;
        } else if (strcmp(t->line, "DATA") == 0) {
            say(t, "354 go");
            hear_data(t);
            say(t, "250 in the clear");
        } else {
            say(t, "250 ok");
        }
    }
}

// What an attacker puts behind the reply to STARTTLS must not be taken for the server's words.
static void script_injected(struct fake_talk *t)
{
    say(t, "220 hi");
    hear(t);
    say(t, "250-x");
    say(t, "250 STARTTLS");
    hear(t);
    say_raw(t, "220 go\r\n250 injected\r\n", 22);
    if (start_tls(t)) {
        be_good(t, "");
    }
}

// E14
static void test_opportunistic_tls(void **state)
{
    static const struct {
        fake_script *script;
        const char *reply, *tls;
    } cases[] = {
        {script_tls, "250 2.0.0 taken", "TLSv1.3"},
        {script_tls_said_no, "250 in the clear", ""},
        {script_tls_always_broken, "250 in the clear", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_mx mx;
        struct test_mail m = {.sender = NULL};

        fake_mx_start(&mx, cases[i].script, 0);
        send_to(&trusting, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_DELIVERED, cases[i].reply);
        assert_memory_equal(m.tls, cases[i].tls, strlen(cases[i].tls));
        assert_int_equal(m.tls[0] != '\0', cases[i].tls[0] != '\0');
        fake_mx_stop(&mx);
    }
}

// E14
static void test_required_tls_is_never_in_the_clear(void **state)
{
    fake_script *scripts[] = {script_plain,    script_tls_refused,       script_tls_said_no,
                              script_injected, script_tls_always_broken, script_tls_broken};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct fake_mx mx;
        struct test_mail m = {.route_tls = IPC_RELAY_TLS_REQUIRED};

        fake_mx_start(&mx, scripts[i], 0);
        send_to(&courier, &mx, &m);
        assert_int_equal(m.outcome[0], IPC_RELAY_UNTRIED);
        assert_false(fake_mx_heard(&mx, "MAIL"));
        assert_int_equal(atomic_load(&mx.connections), 1);
        fake_mx_stop(&mx);
    }
}

// T11
static void test_certificates(void **state)
{
    struct fake_mx mx;
    struct test_mail good = {.route_tls = IPC_RELAY_TLS_REQUIRED}, bad = good;

    (void)state;
    fake_mx_start(&mx, script_tls, 0);
    send_to(&courier, &mx, &good);
    assert_fared(&good, 0, IPC_RELAY_DELIVERED, "250");
    assert_non_null(strstr(good.tls, "certificate checked as demanded by the route"));
    send_to(&trusting, &mx, &bad);
    assert_fared(&bad, 0, IPC_RELAY_UNTRIED, "certificate");
    fake_mx_stop(&mx);
}

static void script_smtps(struct fake_talk *t)
{
    if (start_tls(t)) {
        be_good(t, "");
    }
}

static void test_implicit_tls(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.route_tls = IPC_RELAY_TLS_IMPLICIT};

    (void)state;
    fake_mx_start(&mx, script_smtps, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250");
    assert_false(fake_mx_heard(&mx, "STARTTLS"));
    fake_mx_stop(&mx);
}

// ---- AUTH ---------------------------------------------------------------------------------------

static void script_auth(struct fake_talk *t)
{
    bool in = false;

    say(t, "220 hi");
    while (hear(t)) {
        if (strncmp(t->line, "EHLO", 4) == 0) {
            answer_ehlo(t, t->ssl ? (t->mx->kind ? "AUTH_LOGIN" : "AUTH_PLAIN_LOGIN") : "STARTTLS");
        } else if (strcmp(t->line, "STARTTLS") == 0) {
            say(t, "220 go");
            start_tls(t);
        } else if (strcmp(t->line, "AUTH PLAIN AGJlbgBzZWNyZXQ=") == 0) {
            say(t, "235 2.7.0 welcome");
            in = true;
        } else if (strcmp(t->line, "AUTH LOGIN") == 0) {
            say(t, "334 VXNlcm5hbWU6");
            hear(t);
            bool user = strcmp(t->line, "YmVu") == 0;

            say(t, "334 UGFzc3dvcmQ6");
            hear(t);
            in = user && strcmp(t->line, "c2VjcmV0") == 0;
            say(t, in ? "235 ok" : "535 5.7.8 no");
        } else if (strncmp(t->line, "AUTH", 4) == 0) {
            say(t, "535 5.7.8 wrong");
        } else if (strcmp(t->line, "DATA") == 0) {
            say(t, "354 go");
            hear_data(t);
            say(t, "250 taken");
        } else {
            say(t, in || strncmp(t->line, "MAIL", 4) != 0 ? "250 ok" : "530 5.7.0 sign in");
        }
    }
}

static void test_auth(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct fake_mx mx;
        struct test_mail m = {.route_tls = 1, .user = "ben", .password = "secret"};
        struct test_mail wrong = {.route_tls = 1, .user = "ben", .password = "wrong"};

        fake_mx_start(&mx, script_auth, kind);
        send_to(&courier, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250 taken");
        send_to(&courier, &mx, &wrong);
        assert_fared(&wrong, 0, IPC_RELAY_UNTRIED, "535 5.7.8");
        fake_mx_stop(&mx);
    }
}

// E14
static void test_no_password_in_the_clear(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.route_tls = 0, .user = "ben", .password = "secret"};

    (void)state;
    fake_mx_start(&mx, script_plain, 0);
    send_to(&courier, &mx, &m);
    assert_fared(&m, 0, IPC_RELAY_UNTRIED, "not sent in the clear");
    assert_false(fake_mx_heard(&mx, "AUTH"));
    fake_mx_stop(&mx);
}

// ---- keeping connections ------------------------------------------------------------------------

static void test_connection_is_used_again(void **state)
{
    struct test_courier c;
    struct test_courier_options o = {.keep_open_ms = 60000};
    struct fake_mx mx;

    (void)state;
    test_courier_start(&c, &o);
    fake_mx_start(&mx, script_all, 0);
    for (int i = 0; i < 105; i++) {
        struct test_mail m = {.sender = NULL};

        send_to(&c, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250");
    }
    assert_int_equal(atomic_load(&mx.connections), 2); // a hundred, and the rest
    assert_false(fake_mx_heard(&mx, "RSET"));          // there is nothing to forget
    test_courier_stop(&c);
    fake_mx_stop(&mx);
}

// A server that closed meanwhile costs nobody anything.
static void script_one_message(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t)) {
        say(t, strcmp(t->line, "DATA") == 0 ? "354 go" : "250 ok");
        if (strcmp(t->line, "DATA") == 0) {
            hear_data(t);
            say(t, "250 taken");
            return;
        }
    }
}

static void test_closed_meanwhile(void **state)
{
    struct test_courier c;
    struct test_courier_options o = {.keep_open_ms = 60000};
    struct fake_mx mx;

    (void)state;
    test_courier_start(&c, &o);
    fake_mx_start(&mx, script_one_message, 0);
    for (int i = 0; i < 3; i++) {
        struct test_mail m = {.sender = NULL};

        send_to(&c, &mx, &m);
        assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250 taken");
    }
    assert_int_equal(atomic_load(&mx.connections), 3);
    test_courier_stop(&c);
    fake_mx_stop(&mx);
}

// Takes a message, and notices only at the next that it has had enough.
static void script_tired(struct fake_talk *t)
{
    bool taken = false;

    say(t, "220 hi");
    while (hear(t)) {
        if (taken && strncmp(t->line, "MAIL", 4) == 0) {
            if (t->mx->kind == 0) {
                say(t, "421 4.3.2 enough");
            }
            return;
        }
        if (strncmp(t->line, "EHLO", 4) == 0) {
            answer_ehlo(t, "PIPELINING");
            continue;
        }
        say(t, strcmp(t->line, "DATA") == 0 ? "354 go" : "250 ok");
        if (strcmp(t->line, "DATA") == 0) {
            hear_data(t);
            say(t, "250 taken");
            taken = true;
        }
    }
}

static void test_ended_when_used_again(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct test_courier c;
        struct test_courier_options o = {.keep_open_ms = 60000};
        struct fake_mx mx;

        test_courier_start(&c, &o);
        fake_mx_start(&mx, script_tired, kind);
        for (int i = 0; i < 3; i++) {
            struct test_mail m = {.sender = NULL};

            send_to(&c, &mx, &m);
            assert_fared(&m, 0, IPC_RELAY_DELIVERED, "250 taken");
        }
        assert_int_equal(atomic_load(&mx.connections), 3);
        test_courier_stop(&c);
        fake_mx_stop(&mx);
    }
}

// Nobody is accepted, but DATA is on its way: what a good server says to it, and what a bad one.
static void script_nobody(struct fake_talk *t)
{
    say(t, "220 hi");
    while (hear(t)) {
        if (strncmp(t->line, "EHLO", 4) == 0) {
            answer_ehlo(t, "PIPELINING");
        } else if (strncmp(t->line, "RCPT", 4) == 0) {
            say(t, "550 5.1.1 nobody");
        } else if (strcmp(t->line, "DATA") == 0) {
            say(t, t->mx->kind == 0 ? "554 5.5.1 no recipients" : "354 go");
        } else {
            say(t, "250 ok");
        }
    }
}

static void test_data_for_nobody(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct test_courier c;
        struct test_courier_options o = {.keep_open_ms = 60000};
        struct fake_mx mx;

        test_courier_start(&c, &o);
        fake_mx_start(&mx, script_nobody, kind);
        for (int i = 0; i < 2; i++) {
            struct test_mail m = {.sender = NULL};

            send_to(&c, &mx, &m);
            assert_fared(&m, 0, IPC_RELAY_FAILED, "550 5.1.1 nobody");
        }
        assert_false(fake_mx_heard(&mx, "Subject"));
        assert_int_equal(atomic_load(&mx.connections), kind == 0 ? 1 : 2);
        test_courier_stop(&c);
        fake_mx_stop(&mx);
    }
}

static void test_nobody_there(void **state)
{
    struct fake_mx mx;
    struct test_mail m = {.route_host = "127.0.0.1"};

    (void)state;
    fake_mx_start(&mx, script_all, 0);
    fake_mx_stop(&mx);
    m.route_port = mx.port;
    test_send(&courier, &m);
    assert_fared(&m, 0, IPC_RELAY_UNTRIED, "cannot be reached");
    assert_string_equal(m.problem, m.reply[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivers),
        cmocka_unit_test(test_says_only_what_was_offered),
        cmocka_unit_test(test_lacks_are_told_in_words),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_binary_goes_by_bdat),
        cmocka_unit_test(test_bare_line_ends_do_not_leave),
        cmocka_unit_test(test_each_recipient_fares_alone),
        cmocka_unit_test(test_421_at_each_state),
        cmocka_unit_test(test_silence_at_each_state),
        cmocka_unit_test(test_hanging_up_at_each_state),
        cmocka_unit_test(test_hostile_replies),
        cmocka_unit_test(test_replies_are_cleaned),
        cmocka_unit_test(test_replies_before_the_command),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_opportunistic_tls),
        cmocka_unit_test(test_required_tls_is_never_in_the_clear),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_implicit_tls),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_no_password_in_the_clear),
        cmocka_unit_test(test_connection_is_used_again),
        cmocka_unit_test(test_closed_meanwhile),
        cmocka_unit_test(test_ended_when_used_again),
        cmocka_unit_test(test_data_for_nobody),
        cmocka_unit_test(test_nobody_there),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
