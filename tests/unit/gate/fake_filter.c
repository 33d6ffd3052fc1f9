// SPDX-License-Identifier: Apache-2.0
#include "fake_filter.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../test.h"
#include "base/bytes.h"

static bool read_all(int fd, char *at, size_t n)
{
    while (n) {
        ssize_t k = recv(fd, at, n, 0);

        if (k <= 0) {
            return false;
        }
        at += k;
        n -= (size_t)k;
    }
    return true;
}

static void send_packet(int fd, const char *bytes, size_t n)
{
    char length[4];

    put_be32(length, (uint32_t)n);
    (void)!send(fd, length, 4, MSG_NOSIGNAL);
    (void)!send(fd, bytes, n, MSG_NOSIGNAL);
}

static void send_script(const struct fake_filter *f, int fd)
{
    size_t at = 0;

    while (at < f->script_n) {
        size_t n = (unsigned char)f->script[at];

        send_packet(fd, f->script + at + 1, n);
        at += n + 1;
    }
}

static void answer(const struct fake_filter *f, int fd, char command)
{
    char negotiated[13] = {'O'};

    if (command == 'O') {
        put_be32(negotiated + 1, 6);
        put_be32(negotiated + 5, f->actions);
        put_be32(negotiated + 9, f->steps);
        send_packet(fd, negotiated, sizeof(negotiated));
    } else if (command == 'E') {
        send_script(f, fd);
    } else if (command == 'R' && f->rcpt_answer) {
        send_packet(fd, &f->rcpt_answer, 1);
    } else if (command != 'D') {
        send_packet(fd, "c", 1);
    }
}

static void serve_milter(struct fake_filter *f, int fd)
{
    char length[4];

    while (read_all(fd, length, 4)) {
        size_t n = get_be32(length);
        char *packet = malloc(n);

        assert_non_null(packet);
        if (!read_all(fd, packet, n) || packet[0] == 'Q') {
            free(packet);
            break;
        }
        buf_put(&f->heard, span_of(packet, n));
        buf_put_byte(&f->heard, '|');
        if (!f->is_mute) {
            answer(f, fd, packet[0]);
        }
        free(packet);
    }
}

static void serve_http(struct fake_filter *f, int fd)
{
    size_t from = f->heard.n;
    uint64_t want = 0;
    char byte;

    while (span_find(span_skip(buf_span(&f->heard), from), SPAN("\r\n\r\n")) == f->heard.n - from) {
        if (recv(fd, &byte, 1, 0) != 1) {
            return;
        }
        buf_put_byte(&f->heard, byte);
    }
    struct span rest = span_skip(buf_span(&f->heard), from);

    rest = span_skip(rest, span_find(rest, SPAN("Content-Length: ")) + 16);
    assert_true(span_to_u64(span_trim(span_split(&rest, '\n')), 1 << 24, &want));
    while (want-- && recv(fd, &byte, 1, 0) == 1) {
        buf_put_byte(&f->heard, byte);
    }
    if (!f->is_mute) {
        (void)!send(fd, f->script, f->script_n, MSG_NOSIGNAL);
    } else {
        (void)!recv(fd, &byte, 1, 0); // until it hangs up
    }
}

static void *run(void *arg)
{
    struct fake_filter *f = arg;
    int fd;

    while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
        f->served++;
        if (f->is_http) {
            serve_http(f, fd);
        } else {
            serve_milter(f, fd);
        }
        close(fd);
    }
    return NULL;
}

static void listen_at_path(struct fake_filter *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(f->listener, 10), 0);
}

static void listen_at_port(struct fake_filter *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);

    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(f->listener, 10), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &n), 0);
    f->port = ntohs(a.sin_port);
}

void fake_filter_open(struct fake_filter *f)
{
    buf_init(&f->heard, 8 << 20);
    if (f->path) {
        listen_at_path(f);
    } else {
        listen_at_port(f);
    }
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_filter_close(struct fake_filter *f)
{
    shutdown(f->listener, SHUT_RDWR); // accept returns
    pthread_join(f->thread, NULL);
    close(f->listener);
    buf_finish(&f->heard);
}
