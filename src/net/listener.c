// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define ACCEPTS_A_ROUND 32
#define PAUSE_MS        200 // after accept failed for want of memory or descriptors
#define LOG_EVERY_MS    10000

struct listener {
    struct loop *loop;
    struct loop_source source;
    struct timer resume;
    listener_fn *fn;
    void *arg;
    int spare_fd; // given up for a moment when no descriptor is left
    bool paused;
    int64_t next_log_ms;
};

static enum err socket_error(int fd)
{
    enum err e = errno == EADDRINUSE                 ? ERR_EXISTS
                 : errno == EACCES || errno == EPERM ? ERR_DENIED
                                                     : ERR_IO;

    close(fd);
    return e;
}

static enum err open_socket(const struct address *a, int *out_fd)
{
    int one = 1, zero = 0;
    int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (a->u.sa.sa_family == AF_INET6) {
        bool any = IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);

        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one, sizeof(one));
    }
    if (bind(fd, &a->u.sa, a->n) < 0 || listen(fd, 1024) < 0) {
        return socket_error(fd);
    }
    *out_fd = fd;
    return ERR_OK;
}

enum err listener_socket(const struct address *a, int *out_fd)
{
    enum err e = open_socket(a, out_fd);

    if (e != ERR_OK && e != ERR_EXISTS && e != ERR_DENIED && a->u.sa.sa_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr)) {
        // A kernel without IPv6: "*" is then all of IPv4.
        struct address four = {.n = sizeof(four.u.in4)};

        four.u.in4.sin_family = AF_INET;
        four.u.in4.sin_port = a->u.in6.sin6_port;
        e = open_socket(&four, out_fd);
    }
    return e;
}

static bool is_abandoned(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused =
        fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 && errno == ECONNREFUSED;

    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

enum err listener_unix_socket(struct span path, int *out_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (path.n >= sizeof(a.sun_path)) {
        return ERR_INVALID;
    }
    memcpy(a.sun_path, path.p, path.n);
    if (is_abandoned(&a)) {
        unlink(a.sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || chmod(a.sun_path, 0666) < 0 ||
        listen(fd, 1024) < 0) {
        return socket_error(fd);
    }
    *out_fd = fd;
    return ERR_OK;
}

static int open_spare(void)
{
    return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3); // the gate may not open files
}

static void hold_back(struct listener *l)
{
    loop_change(&l->source, 0);
    loop_timer_set(l->loop, &l->resume, loop_now_ms(l->loop) + PAUSE_MS);
}

static void on_resume(struct timer *t)
{
    struct listener *l = LIST_ITEM(t, struct listener, resume);

    if (l->spare_fd < 0) {
        l->spare_fd = open_spare();
    }
    if (!l->paused) {
        loop_change(&l->source, EPOLLIN);
    }
}

// No descriptor is left: with the spare one's place the newcomer is accepted and hung up on, or it
// would sit in the queue and keep the loop busy.
static void turn_away(struct listener *l)
{
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
        int fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            close(fd);
        }
        l->spare_fd = open_spare();
    }
    if (loop_now_ms(l->loop) >= l->next_log_ms) {
        l->next_log_ms = loop_now_ms(l->loop) + LOG_EVERY_MS;
        log_error("no file descriptors left: new connections are refused; raise LimitNOFILE or "
                  "lower gate_connections_max");
    }
}

static void prepare(int fd)
{
    int one = 1, idle = 300, every = 60, count = 5;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static struct address this_machine(void)
{
    struct address a = {.n = sizeof(a.u.in4)};

    a.u.in4.sin_family = AF_INET;
    a.u.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static bool accept_one(struct listener *l)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct address peer;
    int fd = accept4(l->source.fd, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        if (sa.ss_family == AF_UNIX) {
            peer = this_machine();
        } else if (address_from_sockaddr((struct sockaddr *)&sa, n, &peer) != ERR_OK) {
            close(fd);
            return true;
        }
        prepare(fd);
        l->fn(l->arg, fd, &peer);
        return true;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
        turn_away(l);
        hold_back(l);
        return false;
    case ENOBUFS:
    case ENOMEM:
        hold_back(l);
        return false;
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
        return true;
    default:
        return false; // EAGAIN: nobody waits
    }
}

static void on_ready(struct loop_source *s, uint32_t events)
{
    struct listener *l = LIST_ITEM(s, struct listener, source);

    (void)events;
    for (int i = 0; i < ACCEPTS_A_ROUND && !l->paused && accept_one(l); i++) {
    }
}

enum err listener_create(struct loop *l, int fd, listener_fn *fn, void *arg, struct listener **out)
{
    struct listener *n = calloc(1, sizeof(*n));

    if (!n) {
        return ERR_NOMEM;
    }
    *n = (struct listener){.loop = l, .fn = fn, .arg = arg, .spare_fd = open_spare()};
    n->source = (struct loop_source){.fd = fd, .ready = on_ready};
    n->resume.fire = on_resume;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    enum err e = loop_add(l, &n->source, EPOLLIN);

    if (e != ERR_OK) {
        if (n->spare_fd >= 0) {
            close(n->spare_fd);
        }
        free(n);
        return e;
    }
    *out = n;
    return ERR_OK;
}

void listener_destroy(struct listener *l)
{
    if (!l) {
        return;
    }
    loop_timer_cancel(l->loop, &l->resume);
    loop_remove(&l->source);
    close(l->source.fd);
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
    }
    free(l);
}

void listener_pause(struct listener *l, bool paused)
{
    l->paused = paused;
    loop_change(&l->source, paused ? 0 : EPOLLIN);
}
