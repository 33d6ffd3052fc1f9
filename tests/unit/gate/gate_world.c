// SPDX-License-Identifier: Apache-2.0
#include "gate_world.h"

#include <poll.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "net/tls.h"

static void config_open(struct gate *g, const char *conf)
{
    struct conf_report report;
    char problem[TLS_PROBLEM_BYTES];
    struct buf cert, key;

    g->config = calloc(1, sizeof(*g->config));
    assert_non_null(g->config);
    atomic_init(&g->config->refs, 1);
    assert_ok(conf_parse(span_from_str(conf), &report, &g->config->settings));
    gate_config_read_networks(g->config);
    buf_init(&cert, 65536);
    buf_init(&key, 65536);
    assert_ok(tls_self_signed(SPAN("localhost"), &cert, &key));
    assert_ok(
        tls_context_create(buf_span(&cert), buf_span(&key), "imap", problem, &g->config->tls[0]));
    buf_finish(&cert);
    buf_finish(&key);
}

void gate_world_open(struct gate_world *w, const char *conf)
{
    struct address any;

    memset(w, 0, sizeof(*w));
    lock_init(&w->gate.lock, LOCK_GATE);
    gate_counts_init(&w->gate);
    config_open(&w->gate, conf);
    assert_ok(worker_start(&w->gate, 0, &w->worker));
    w->gate.workers[0] = w->worker;
    w->gate.worker_count = 1;
    assert_ok(address_parse(SPAN("127.0.0.1:0"), &any));
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, &any.u.sa, any.n), 0);
    assert_int_equal(listen(w->listener, 100), 0);
}

void gate_world_close(struct gate_world *w)
{
    worker_stop(w->worker);
    assert_int_equal(atomic_load(&w->gate.connections), 0);
    gate_counts_finish(&w->gate);
    gate_config_unref(w->gate.config);
    lock_finish(&w->gate.lock);
    close(w->listener);
}

int gate_world_pair(struct gate_world *w, int *out_server)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&sa, &n), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&sa, n), 0);
    *out_server = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(*out_server >= 0);
    return client;
}

int gate_world_connect(struct gate_world *w, const char *service)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct address peer;
    int server, client = gate_world_pair(w, &server);

    assert_int_equal(getpeername(server, (struct sockaddr *)&sa, &n), 0);
    assert_ok(address_from_sockaddr((struct sockaddr *)&sa, n, &peer));
    atomic_fetch_add(&w->gate.connections, 1);
    worker_give(w->worker, server, &peer, service_find(span_from_str(service)));
    return client;
}

void gate_world_wait(struct gate_world *w, unsigned connections)
{
    for (int i = 0; i < 10000 && atomic_load(&w->gate.connections) != connections; i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&w->gate.connections), connections);
}

void say(int fd, const char *text)
{
    size_t n = strlen(text);

    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

static ssize_t receive(int fd, char *at, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 20000), 1);
    return recv(fd, at, n, 0);
}

void hear(int fd, const char *text)
{
    char got[4096] = "";
    size_t n = 0;

    while (!strstr(got, text)) {
        assert_true(n < sizeof(got) - 1);
        if (receive(fd, got + n, 1) != 1) {
            print_error("want \"%s\", the end came after \"%s\"\n", text, got);
            fail();
        }
        got[++n] = '\0';
    }
}

const char *hear_all(int fd)
{
    static char got[8192];
    size_t n = 0;
    ssize_t k;

    while ((k = receive(fd, got + n, sizeof(got) - 1 - n)) > 0) {
        n += (size_t)k;
    }
    got[n] = '\0';
    if (k < 0) {
        print_error("no orderly end after \"%s\"\n", got);
        fail();
    }
    return got;
}
