// SPDX-License-Identifier: Apache-2.0
//
// Connections before login as a client sees them: limits, time, a full house, the last words.
#include <poll.h>
#include <sys/socket.h>

#include "gate/client.h"
#include "gate_world.h"

static struct gate_world w;

// A line over the limit, and the client goes on talking: it reads why, and then the end.
static void test_last_words_arrive_at_a_client_that_talks_on(void **state)
{
    static char flood[4097];

    (void)state;
    memset(flood, 'x', sizeof(flood) - 1);
    gate_world_open(&w, "");
    for (int round = 0; round < 5; round++) {
        int fd = gate_world_connect(&w, "imap");

        hear(fd, "ready\r\n");
        for (int i = 0; i < 30; i++) {
            say(fd, flood);
        }
        assert_string_equal(hear_all(fd), "* BYE The line is too long\r\n");
        say(fd, flood); // still no reset
        close(fd);
    }
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// Who never stops is cut off after a bounded number of bytes.
static void test_a_flood_ends(void **state)
{
    static char flood[65536];
    ssize_t n;
    size_t total = 0;

    (void)state;
    gate_world_open(&w, "");
    int fd = gate_world_connect(&w, "imap");

    memset(flood, 'x', sizeof(flood));
    while ((n = send(fd, flood, sizeof(flood), MSG_NOSIGNAL)) > 0 && total < (1u << 30)) {
        total += (size_t)n;
    }
    assert_true(n < 0);
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_silence_ends(void **state)
{
    (void)state;
    gate_world_open(&w, "login_timeout = 1 s\ntls_timeout = 1 s\n");
    int clear = gate_world_connect(&w, "imap"), tls = gate_world_connect(&w, "imaps"),
        half = gate_world_connect(&w, "imaps"), begun = gate_world_connect(&w, "imap");

    assert_int_equal(send(half, "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
    say(begun, "a STARTTLS\r\n");
    hear(clear, "ready\r\n");
    assert_string_equal(hear_all(clear), "* BYE You took too long to log in\r\n");
    assert_string_equal(hear_all(tls), "");
    assert_string_equal(hear_all(half), "");
    hear(begun, "a OK Begin TLS now\r\n");
    assert_string_equal(hear_all(begun), "");
    close(clear);
    close(tls);
    close(half);
    close(begun);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_a_full_house_makes_room(void **state)
{
    enum { CROWD = 300 };
    static int crowd[CROWD];

    (void)state;
    gate_world_open(&w, "login_connections_max = 10\nlogin_connections_per_address = 1000\n");
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = gate_world_connect(&w, i % 3 ? "imap" : "imaps");
    }
    int fd = gate_world_connect(&w, "imap");

    hear(fd, "ready\r\n");
    say(fd, "a NOOP\r\n");
    hear(fd, "a OK NOOP done\r\n");
    hear(crowd[1], "ready\r\n");
    assert_string_equal(
        hear_all(crowd[1]),
        "* BYE [UNAVAILABLE] Too many clients are logging in; try again in a moment\r\n");
    gate_world_wait(&w, 10);
    for (int i = 0; i < CROWD; i++) {
        close(crowd[i]);
    }
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_one_address_pushes_nobody_out(void **state)
{
    (void)state;
    gate_world_open(&w, "login_connections_max = 2\nlogin_connections_per_address = 2\n");
    int a = gate_world_connect(&w, "imap"), b = gate_world_connect(&w, "imap");

    hear(a, "ready\r\n");
    hear(b, "ready\r\n");
    int c = gate_world_connect(&w, "imap"), d = gate_world_connect(&w, "imaps");

    assert_string_equal(hear_all(c),
                        "* BYE Too many connections from your address are not logged in\r\n");
    assert_string_equal(hear_all(d), "");
    close(c);
    close(d);
    gate_world_wait(&w, 2);
    say(a, "a NOOP\r\n");
    hear(a, "a OK NOOP done\r\n");
    close(a);
    gate_world_wait(&w, 1);
    c = gate_world_connect(&w, "imap");
    hear(c, "ready\r\n");
    close(b);
    close(c);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// Commands are not taken from a client that does not read the answers; none is lost.
static void test_a_client_that_does_not_read(void **state)
{
    static const char command[] = "a CAPABILITY\r\n";
    static char bin[65536];
    size_t sent = 0, lines = 0;
    ssize_t n;

    (void)state;
    gate_world_open(&w, "");
    int fd = gate_world_connect(&w, "imap"), idle = 0;

    while (idle < 50) { // until it takes no more
        n = send(fd, command + sent % 14, 14 - sent % 14, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
        } else {
            idle++;
            usleep(2000);
        }
    }
    assert_true(sent > 14 * 1000);
    shutdown(fd, SHUT_WR);
    while ((n = recv(fd, bin, sizeof(bin), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            lines += bin[i] == '\n';
        }
    }
    assert_int_equal(n, 0);
    assert_int_equal(lines, 1 + 2 * (sent / 14)); // the greeting, two lines for each
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_injection_behind_starttls(void **state)
{
    (void)state;
    gate_world_open(&w, "");
    int fd = gate_world_connect(&w, "imap");

    hear(fd, "ready\r\n");
    say(fd, "a STARTTLS\r\nb NOOP\r\n");
    assert_string_equal(hear_all(fd), "a OK Begin TLS now\r\n");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_goodbye(void **state)
{
    (void)state;
    gate_world_open(&w, "");
    int clear = gate_world_connect(&w, "imap"), tls = gate_world_connect(&w, "imaps");

    hear(clear, "ready\r\n");
    atomic_store(&w.gate.is_stopping, true);
    worker_goodbye(w.worker);
    assert_string_equal(hear_all(clear), "* BYE [UNAVAILABLE] Mailkeep is stopping\r\n");
    assert_string_equal(hear_all(tls), "");
    gate_world_wait(&w, 0); // although neither has closed
    close(clear);
    close(tls);
    gate_world_close(&w);
}

// ---- mail ---------------------------------------------------------------------------------------

// S16: whom a balancer speaks for is believed where the settings say so, and there it must speak.
static void test_s16_proxy_header(void **state)
{
    static const char *const bad[] = {"EHLO x.example\r\n", "PROXY TCP4 1.2.3.4\r\n",
                                      "\r\n\r\nQUIT\r\n.....", "PROXY UNKNOWN\r"};
    static const char six[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
                              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x8"
                              "\0\x4d\0\x19"
                              "EHLO early.example\r\n";

    (void)state;
    gate_world_open(&w, "proxy_networks = 127.0.0.0/8\nsmtp_greet_delay = 0\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = gate_world_connect(&w, "smtp");

        say(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        assert_string_equal(hear_all(fd), "");
        close(fd);
    }
    int fd = gate_world_connect(&w, "smtp");

    say(fd, "PROXY TCP4 198.51.100.7 192.0.2.2 77 25\r\n");
    hear(fd, "220 ");
    close(fd);
    fd = gate_world_connect(&w, "imap"); // on every port
    say(fd, "PROXY UNKNOWN\r\n");
    hear(fd, "ready\r\n");
    close(fd);
    fd = gate_world_connect(&w, "smtp"); // not a byte too many is taken
    assert_int_equal(send(fd, six, sizeof(six) - 1, MSG_NOSIGNAL), sizeof(six) - 1);
    hear(fd, "220 ");
    hear(fd, "250 LIMITS ");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_s04_a_stranger_waits_to_be_greeted(void **state)
{
    (void)state;
    gate_world_open(&w, "proxy_networks = 127.0.0.1\nsmtp_greet_delay = 20 s\n"
                        "smtp_connections_per_minute = 3\n");
    int fd = gate_world_connect(&w, "smtp"), quiet = gate_world_connect(&w, "smtp");

    say(fd, "PROXY TCP4 198.51.100.7 192.0.2.2 77 25\r\nEHLO x.example\r\n");
    assert_string_equal(hear_all(fd), "554 5.5.0 You spoke before you were greeted\r\n");
    close(fd);
    say(quiet, "PROXY TCP4 198.51.100.7 192.0.2.2 77 25\r\n");
    close(quiet);
    fd = gate_world_connect(&w, "smtp");
    say(fd, "PROXY TCP4 127.0.0.1 192.0.2.2 77 25\r\nEHLO x.example\r\n"); // one of ours
    hear(fd, "220 ");
    close(fd);
    gate_world_wait(&w, 0);
    // S12: and comes only so often.
    fd = gate_world_connect(&w, "smtp");
    say(fd, "PROXY TCP4 198.51.100.7 192.0.2.2 77 25\r\nX");
    assert_string_equal(hear_all(fd), "554 5.5.0 You spoke before you were greeted\r\n");
    close(fd);
    fd = gate_world_connect(&w, "smtp");
    say(fd, "PROXY TCP4 198.51.100.7 192.0.2.2 77 25\r\n");
    assert_string_equal(hear_all(fd), "421 4.7.0 Too many connections in a short time; try again "
                                      "later\r\n");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_lmtp_is_not_for_everybody(void **state)
{
    (void)state;
    gate_world_open(&w, "lmtp_networks = 192.0.2.0/24\n");
    int fd = gate_world_connect(&w, "lmtp");

    assert_string_equal(hear_all(fd), "554 5.7.1 This service is not for your address\r\n");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// S13: a byte now and then is no progress.
static void test_s13_slow_clients_end(void **state)
{
    (void)state;
    gate_world_open(&w, "smtp_timeout = 1 s\n");
    int fd = gate_world_connect(&w, "smtp");

    hear(fd, "220 ");
    for (int i = 0; i < 150 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++) {
        usleep(100000); // the end comes although something always does
        char byte;

        if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
            break;
        }
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 0), 1);
    hear(fd, "421 4.4.2 You took too long\r\n");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// Keep is away: a client is told to come again, and stays.
static void test_mail_without_keep(void **state)
{
    (void)state;
    gate_world_open(&w, "");
    int fd = gate_world_connect(&w, "smtp");

    hear(fd, "220 ");
    say(fd, "EHLO x.example\r\n");
    hear(fd, "250 LIMITS ");
    say(fd, "MAIL FROM:<a@x.example>\r\n");
    hear(fd, "451 4.3.0 ");
    say(fd, "RSET\r\nQUIT\r\n");
    hear(fd, "221 2.0.0 ");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// ---- HTTP ---------------------------------------------------------------------------------------

#define POLICY "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.x.example\r\n\r\n"
#define GONE   "GET /nothing HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n"

static void test_http_without_keep(void **state)
{
    (void)state;
    gate_world_open(&w, "");
    int fd = gate_world_connect(&w, "http");

    say(fd, POLICY POLICY);
    hear(fd, "HTTP/1.1 503 Service Unavailable\r\n");
    hear(fd, "HTTP/1.1 503 Service Unavailable\r\n");
    say(fd, GONE);
    assert_non_null(strstr(hear_all(fd), "HTTP/1.1 404 Not Found\r\n"));
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// Connections that wait for nothing but time: for their first request, within one, for the next.
static void test_w07_http_time_ends(void **state)
{
    int fds[3];

    (void)state;
    gate_world_open(&w, "http_timeout = 1 s\nhttp_idle_timeout = 1 s\n");
    for (int i = 0; i < 3; i++) {
        fds[i] = gate_world_connect(&w, "http");
    }
    say(fds[1],
        "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    say(fds[2], POLICY);
    for (int i = 0; i < 3; i++) {
        assert_non_null(strstr(hear_all(fds[i]), "HTTP/1.1 408 Request Timeout\r\n"));
        close(fds[i]);
    }
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_w07_http_has_limits_of_its_own(void **state)
{
    (void)state;
    gate_world_open(&w, "http_connections_per_address = 1\nlogin_connections_per_address = 1\n");
    int first = gate_world_connect(&w, "http");

    say(first, POLICY);
    hear(first, "503 Service Unavailable");
    int second = gate_world_connect(&w, "http"), mail = gate_world_connect(&w, "imap");

    assert_non_null(strstr(hear_all(second), "HTTP/1.1 429 Too Many Requests\r\n"));
    hear(mail, "ready\r\n");
    close(first);
    close(second);
    close(mail);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// A connection for which there is no room at all is told so in whole sentences.
static void test_turning_away_says_all_of_it(void **state)
{
    static const struct {
        const char *service, *end;
    } rows[] = {{"imap", "\r\n"}, {"pop3", "\r\n"}, {"smtp", "\r\n"}, {"http", "</html>\n"}};

    (void)state;
    gate_world_open(&w, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int server, fd = gate_world_pair(&w, &server);

        client_turn_away(server, service_find(span_from_str(rows[i].service)),
                         DIALOGUE_TOO_MANY_CLIENTS);
        assert_true(span_ends(span_from_str(hear_all(fd)), span_from_str(rows[i].end)));
        close(fd);
    }
    gate_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_words_arrive_at_a_client_that_talks_on),
        cmocka_unit_test(test_a_flood_ends),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_a_full_house_makes_room),
        cmocka_unit_test(test_one_address_pushes_nobody_out),
        cmocka_unit_test(test_a_client_that_does_not_read),
        cmocka_unit_test(test_injection_behind_starttls),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_s16_proxy_header),
        cmocka_unit_test(test_s04_a_stranger_waits_to_be_greeted),
        cmocka_unit_test(test_lmtp_is_not_for_everybody),
        cmocka_unit_test(test_s13_slow_clients_end),
        cmocka_unit_test(test_mail_without_keep),
        cmocka_unit_test(test_http_without_keep),
        cmocka_unit_test(test_w07_http_time_ends),
        cmocka_unit_test(test_w07_http_has_limits_of_its_own),
        cmocka_unit_test(test_turning_away_says_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
