// SPDX-License-Identifier: Apache-2.0
//
// A test-only server: IMAP sessions over TCP on loopback, a thread for each connection, the store
// on the engine in memory. Conversation scripts run against it without gate, TLS or disk. Before
// login it understands, one line each:
//     tag LOGIN user password     any password; the account is made when it is new; a user without
//                                 "@" is one at test.example, but of no domain to "anyone"
//     tag XQUOTA user bytes messages
//     tag XWITHOUT user words     what the account's sessions go without
//     tag XGROUP address members   addresses
//     tag XFAULT n                the n-th commit from now on fails, and all after it; 0: none
// Options: --separator C --append-max BYTES --idle-timeout SECONDS --bad-max N --search-ms MS
//          --progress-ms MS --messages-max N --client-without PATTERN:CAPABILITY (several)
// It prints "port N" when it is ready.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/memory/memory.h"
#include "keep/imap/imap_session.h"
#include "store/access/imap_without.h"
#include "store/directory.h"
#include "store/quota.h"
#include "store/route.h"

#include "base/banned.h"

#define INPUT_MAX   (512u << 10)
#define OUTPUT_SOFT (64u << 10)
#define OUTPUT_MAX  (8u << 20)
#define READ_BYTES  (16u << 10)
#define GROUP_MAX   16

struct connection {
    int fd, wake_fd;
    struct buf in, out;
    void *session; // struct imap_session
};

static struct engine *engine;
static struct store *store;
static struct imap_server *server;
static pthread_mutex_t account_mutex = PTHREAD_MUTEX_INITIALIZER;

// ---- session_io ---------------------------------------------------------------------------------

static enum err io_read(void *arg)
{
    struct connection *c = arg;

    if (c->in.n + READ_BYTES > INPUT_MAX) {
        return ERR_LIMIT;
    }
    char *p = buf_reserve(&c->in, READ_BYTES);
    ssize_t n = p ? recv(c->fd, p, READ_BYTES, MSG_DONTWAIT) : -1;

    if (n > 0) {
        c->in.n += (size_t)n;
        return ERR_OK;
    }
    if (!p) {
        return ERR_NOMEM;
    }
    return n == 0 ? ERR_EOF : errno == EAGAIN ? ERR_AGAIN : ERR_IO;
}

static struct span io_input(void *arg)
{
    struct connection *c = arg;

    return buf_span(&c->in);
}

static void io_consume(void *arg, size_t n)
{
    struct connection *c = arg;

    buf_consume(&c->in, n);
    if (!c->in.n) {
        buf_release(&c->in);
    }
}

static struct buf *io_output(void *arg)
{
    struct connection *c = arg;

    return &c->out;
}

static void send_some(struct connection *c)
{
    while (c->out.n) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0) {
            if (n < 0 && errno != EAGAIN) {
                buf_clear(&c->out); // the client is gone: nobody reads this
            }
            return;
        }
        buf_consume(&c->out, (size_t)n);
    }
    buf_release(&c->out);
}

static bool io_output_full(void *arg)
{
    struct connection *c = arg;

    if (c->out.n >= OUTPUT_SOFT) {
        send_some(c);
    }
    return c->out.n >= OUTPUT_SOFT;
}

static void io_wake(void *arg)
{
    struct connection *c = arg;
    uint64_t one = 1;

    if (write(c->wake_fd, &one, sizeof(one)) < 0) {
        return; // the counter is full: it is awake
    }
}

static const struct session_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake, NULL, NULL,
};

// ---- before login -------------------------------------------------------------------------------

static struct span next_word(struct span *rest)
{
    return span_trim(span_split(rest, ' '));
}

static enum err find_account(struct span user, account_id *out)
{
    static const struct actor by = {.kind = ACTOR_ADMIN};
    struct arena arena;
    struct account account;
    char name[128];
    bool is_whole = span_find_byte(user, '@') < user.n;
    int n = snprintf(name, sizeof(name), "%.*s%s", (int)(user.n < 60 ? user.n : 60), user.p,
                     is_whole ? "" : "@test.example");
    struct span address = span_of(name, (size_t)n);

    arena_init(&arena, 1u << 20);
    pthread_mutex_lock(&account_mutex);
    enum err e = directory_account_by_name(store, address, &arena, &account);

    if (!e) {
        *out = account.id;
    } else if (e == ERR_NOT_FOUND) {
        e = directory_account_add(store, &by, address, SPAN(""), false, out);
    }
    pthread_mutex_unlock(&account_mutex);
    arena_finish(&arena);
    return e;
}

static void answer(struct connection *c, struct span tag, enum err e)
{
    buf_put(&c->out, tag);
    buf_put_str(&c->out, e ? " NO " : " OK ");
    buf_put_str(&c->out, err_name(e));
    buf_put_str(&c->out, "\r\n");
    send_some(c);
}

static enum err set_quota(struct span rest)
{
    static const struct actor by = {.kind = ACTOR_ADMIN};
    struct span user = next_word(&rest);
    uint64_t bytes, messages;
    account_id id;

    if (!span_to_u64(next_word(&rest), UINT64_MAX, &bytes) ||
        !span_to_u64(next_word(&rest), UINT64_MAX, &messages)) {
        return ERR_INVALID;
    }
    enum err e = find_account(user, &id);

    return e ? e
             : quota_set(store, id, &by, bytes ? bytes : UINT64_MAX,
                         messages ? messages : UINT64_MAX);
}

static enum err set_without(struct span rest)
{
    static const struct actor by = {.kind = ACTOR_ADMIN};
    struct span user = next_word(&rest), names[IMAP_WITHOUT_MAX];
    account_id id;
    size_t n = 0;
    enum err e = find_account(user, &id);

    while (rest.n && n < IMAP_WITHOUT_MAX) {
        names[n++] = next_word(&rest);
    }
    return e ? e : imap_without_set(store, id, &by, names, n);
}

static enum err set_group(struct span rest)
{
    static const struct actor by = {.kind = ACTOR_ADMIN};
    struct span address = next_word(&rest), members[GROUP_MAX];
    size_t n = 0;

    while (rest.n && n < GROUP_MAX) {
        members[n++] = next_word(&rest);
    }
    return route_alias_set(store, &by, address, members, n);
}

static enum err set_fault(struct span rest)
{
    uint64_t after;

    if (!span_to_u64(next_word(&rest), UINT32_MAX, &after)) {
        return ERR_INVALID;
    }
    struct engine_memory_faults faults = {
        .commit_after = (unsigned)after, .commit_error = ERR_NOSPACE, .commit_forever = true};

    engine_memory_set_faults(engine, &faults);
    return ERR_OK;
}

static enum err start_session(struct connection *c, struct span tag, struct span rest)
{
    struct session_start start = {.remote = SPAN("127.0.0.1"), .tag = tag};

    start.user = next_word(&rest);
    enum err e = find_account(start.user, &start.account);

    return e ? e : imap_session_protocol.create(server, &start, &io, c, &c->session);
}

// One line; true when the session has begun.
static bool greet_line(struct connection *c, struct span line)
{
    struct span rest = span_trim(line), tag = next_word(&rest), word = next_word(&rest);
    enum err e = ERR_INVALID;

    if (span_eq_nocase(word, SPAN("LOGIN"))) {
        e = start_session(c, tag, rest);
        if (!e) {
            return true;
        }
    } else if (span_eq_nocase(word, SPAN("XQUOTA"))) {
        e = set_quota(rest);
    } else if (span_eq_nocase(word, SPAN("XWITHOUT"))) {
        e = set_without(rest);
    } else if (span_eq_nocase(word, SPAN("XGROUP"))) {
        e = set_group(rest);
    } else if (span_eq_nocase(word, SPAN("XFAULT"))) {
        e = set_fault(rest);
    }
    answer(c, tag, e);
    return false;
}

static bool greet(struct connection *c)
{
    buf_put_str(&c->out, "* OK testd\r\n");
    send_some(c);
    for (;;) {
        size_t end = span_find_byte(buf_span(&c->in), '\n');

        if (end < c->in.n) {
            bool begun = greet_line(c, span_of(c->in.p, end));

            io_consume(c, end + 1);
            if (begun) {
                return true;
            }
            continue;
        }
        struct pollfd p = {.fd = c->fd, .events = POLLIN};

        poll(&p, 1, -1);
        enum err e = io_read(c);

        if (e && e != ERR_AGAIN) {
            return false;
        }
    }
}

// ---- a connection -------------------------------------------------------------------------------

static void wait_for(struct connection *c, const struct session_wait *w)
{
    int64_t left = w->deadline_ms - clock_monotonic_ms();
    struct pollfd p[2] = {{.fd = c->fd, .events = (short)(w->input ? POLLIN : 0)},
                          {.fd = c->wake_fd, .events = POLLIN}};
    uint64_t count;

    if (c->out.n) {
        p[0].events = POLLOUT; // as net/: no input while output waits
    }
    poll(p, 2, w->again ? 0 : left < 0 ? 0 : left > 100000 ? 100000 : (int)left);
    if (p[1].revents && read(c->wake_fd, &count, sizeof(count)) < 0) {
        return;
    }
}

static void serve(struct connection *c)
{
    struct session_wait w;

    do {
        send_some(c);
        if (c->out.n >= OUTPUT_SOFT) {
            w = (struct session_wait){.deadline_ms = clock_monotonic_ms() + 60000};
        } else {
            imap_session_protocol.run(c->session, SESSION_GOES_ON, &w);
            send_some(c);
        }
        if (!w.closed) {
            wait_for(c, &w);
        }
    } while (!w.closed);
    for (int i = 0; i < 100 && c->out.n; i++) {
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};

        poll(&p, 1, 100);
        send_some(c);
    }
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;

    if (greet(c)) {
        serve(c);
        imap_session_protocol.destroy(c->session);
    }
    close(c->fd);
    close(c->wake_fd);
    buf_finish(&c->in);
    buf_finish(&c->out);
    free(c);
    return NULL;
}

static void accept_one(int listener)
{
    pthread_t thread;
    int one = 1, fd = accept(listener, NULL, NULL);
    struct connection *c = fd < 0 ? NULL : calloc(1, sizeof(*c));

    if (!c) {
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->fd = fd;
    c->wake_fd = eventfd(0, EFD_NONBLOCK);
    buf_init(&c->in, INPUT_MAX);
    buf_init(&c->out, OUTPUT_MAX);
    if (pthread_create(&thread, NULL, connection_main, c)) {
        close(fd);
        free(c);
        return;
    }
    pthread_detach(thread);
}

// ---- starting -----------------------------------------------------------------------------------

#define CLIENTS_MAX 8
static struct span clients[CLIENTS_MAX];
static size_t client_n;

static void read_options(int argc, char **argv, struct imap_server_options *o)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        struct span name = span_from_str(argv[i]);
        uint64_t n = 0;

        span_to_u64(span_from_str(argv[i + 1]), UINT32_MAX, &n);
        if (span_eq(name, SPAN("--client-without")) && client_n < CLIENTS_MAX) {
            clients[client_n++] = span_from_str(argv[i + 1]);
        } else if (span_eq(name, SPAN("--separator"))) {
            o->separator = argv[i + 1][0];
        } else if (span_eq(name, SPAN("--append-max"))) {
            o->append_bytes_max = n;
        } else if (span_eq(name, SPAN("--idle-timeout"))) {
            o->idle_timeout_s = (uint32_t)n;
        } else if (span_eq(name, SPAN("--bad-max"))) {
            o->bad_commands_max = (uint32_t)n;
        } else if (span_eq(name, SPAN("--search-ms"))) {
            o->search_cpu_ms = (uint32_t)n;
        } else if (span_eq(name, SPAN("--progress-ms"))) {
            o->progress_ms = (uint32_t)n;
        } else if (span_eq(name, SPAN("--messages-max"))) {
            o->messages_max = (uint32_t)n;
        }
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&a, &n)) {
        perror("imap-testd");
        exit(1);
    }
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    static const struct actor by = {.kind = ACTOR_ADMIN};
    struct imap_server_options options;
    struct store_options store_options;

    signal(SIGPIPE, SIG_IGN);
    imap_server_options_default(&options);
    read_options(argc, argv, &options);
    store_options_default(&store_options);
    if (engine_memory_open(&engine) || store_open(engine, &store_options, &store) ||
        directory_domain_add(store, &by, SPAN("test.example")) ||
        imap_server_create(store, &options, &server) ||
        imap_server_set_clients(server, clients, client_n)) {
        fprintf(stderr, "imap-testd: cannot start\n");
        return 1;
    }
    for (int listener = listen_on_loopback();;) {
        accept_one(listener);
    }
}
