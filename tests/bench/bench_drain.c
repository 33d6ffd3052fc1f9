// SPDX-License-Identifier: Apache-2.0
//
// Mail going out: a queue is filled while it is held, then released, and this is the server that
// all of it goes to. What counts is the time from the first command of a message until the last was
// accepted, with each message there. The sink costs little, writes nothing and answers at once.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

struct guest {
    int fd;
    bool in_data, in_headers;
    long message; // the number its Message-ID tells
    char line[1024];
    size_t line_n; // of the line's beginning: what is longer is not looked at
    struct text replies;
};

struct sink {
    int listener, epoll;
    unsigned char *seen;
    long got, twice, unknown, connections, open, open_most;
    double begun, ended;
};

static int sink_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.sink_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || inet_pton(AF_INET, opt.host, &a.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1000) < 0)
        fail("sink on port %d: %s", opt.sink_port, strerror(errno));
    return fd;
}

static bool begins(const struct guest *g, const char *word)
{
    return g->line_n >= strlen(word) && strncasecmp(g->line, word, strlen(word)) == 0;
}

static void message_end(struct sink *s, struct guest *g)
{
    if (g->message < 0 || g->message >= opt.count)
        s->unknown++;
    else if (s->seen[g->message]++)
        s->twice++;
    else
        s->got++;
    s->ended = now();
    g->in_data = false;
    text_print(&g->replies, "250 2.0.0 taken\r\n");
}

static void data_line(struct sink *s, struct guest *g)
{
    if (g->line_n == 3 && g->line[0] == '.')
        message_end(s, g);
    else if (g->line_n == 2)
        g->in_headers = false;
    else if (g->in_headers && begins(g, "Message-ID: <n"))
        g->message = atol(g->line + strlen("Message-ID: <n"));
}

static void command_line(struct sink *s, struct guest *g)
{
    if (begins(g, "EHLO")) {
        text_print(&g->replies, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                                "250-SIZE 100000000\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (begins(g, "MAIL")) {
        s->begun = s->begun > 0 ? s->begun : now();
        text_print(&g->replies, "250 2.1.0 ok\r\n");
    } else if (begins(g, "DATA")) {
        g->in_data = g->in_headers = true;
        g->message = -1;
        text_print(&g->replies, "354 go on\r\n");
    } else if (begins(g, "QUIT")) {
        text_print(&g->replies, "221 2.0.0 bye\r\n");
    } else {
        text_print(&g->replies, "250 2.0.0 ok\r\n");
    }
}

static void guest_end(struct sink *s, struct guest *g)
{
    close(g->fd);
    free(g->replies.p);
    free(g);
    s->open--;
}

static bool guest_answer(struct guest *g)
{
    ssize_t n = g->replies.n ? send(g->fd, g->replies.p, g->replies.n, MSG_NOSIGNAL) : 0;
    bool all = n == (ssize_t)g->replies.n;
    g->replies.n = 0;
    return all;
}

static void guest_bytes(struct sink *s, struct guest *g, const char *p, size_t n)
{
    while (n > 0) {
        const char *lf = memchr(p, '\n', n);
        size_t k = lf ? (size_t)(lf - p) + 1 : n;
        size_t room = sizeof g->line - 1 - g->line_n;
        memcpy(g->line + g->line_n, p, k < room ? k : room);
        g->line_n += k < room ? k : room;
        g->line[g->line_n] = 0;
        if (lf && g->in_data)
            data_line(s, g);
        else if (lf)
            command_line(s, g);
        if (lf)
            g->line_n = 0;
        p += k;
        n -= k;
    }
}

static void guest_read(struct sink *s, struct guest *g)
{
    static char in[65536];
    ssize_t n = recv(g->fd, in, sizeof in, 0);
    if (n > 0)
        guest_bytes(s, g, in, (size_t)n);
    if (n <= 0 ? n == 0 || errno != EINTR : !guest_answer(g))
        guest_end(s, g);
}

static void guest_come(struct sink *s)
{
    for (int fd; (fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct guest *g = calloc(1, sizeof *g);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = g};
        if (!g)
            fail("out of memory");
        g->fd = fd;
        s->connections++;
        s->open_most = ++s->open > s->open_most ? s->open : s->open_most;
        text_print(&g->replies, "220 sink.test ESMTP\r\n");
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
            fail("epoll: %s", strerror(errno));
        if (!guest_answer(g))
            guest_end(s, g);
    }
}

static void sink_serve(struct sink *s)
{
    double heard = now();
    while (s->got < opt.count && now() < heard + 20) {
        struct epoll_event events[64];
        int n = epoll_wait(s->epoll, events, 64, 1000);
        heard = n > 0 ? now() : heard;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                guest_read(s, events[i].data.ptr);
            else
                guest_come(s);
        }
    }
}

static void command_run(const char *what, const char *command)
{
    if (command && system(command) != 0)
        fail("the %s command failed", what);
}

static pid_t release(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", opt.release_command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

void measure_drain(void)
{
    struct sink s = {.listener = sink_listen(), .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event e = {.events = EPOLLIN};
    s.seen = calloc((size_t)opt.count, 1);
    if (!s.seen || epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.listener, &e) < 0 || !opt.release_command)
        fail("drain wants --release-command");
    command_run("hold", opt.hold_command);
    smtp_give_all();
    struct row r = row_begin();
    pid_t pid = release();
    sink_serve(&s);
    const char *wrong = s.got == opt.count && !s.twice && !s.unknown
                            ? NULL
                            : wrong_text("%ld of %ld messages, %ld twice, %ld unknown", s.got,
                                         opt.count, s.twice, s.unknown);
    row_end(&r, "drain", "msg/s", (double)opt.count / (s.ended - s.begun), NULL, wrong);
    row_value("drain_from_release", "msg/s", (double)opt.count / (s.ended - r.t0));
    row_value("drain_connections", "1", (double)s.connections);
    row_value("drain_at_a_time", "1", (double)s.open_most);
    waitpid(pid, NULL, 0);
}
