// SPDX-License-Identifier: Apache-2.0
//
// Logins as fast as a server takes them: connect, TLS or not, greeting, LOGIN, LOGOUT, close.
//
//   login_load PORT tls|clear COUNT AT-ONCE FIRST-USER USERS PASSWORD
//
// User i of USERS is uI, from FIRST-USER on, one after the other. Prints one JSON object: logins a
// second, and the median and 99th percentile of a whole round in ms. Every TLS handshake is a full
// one. Built and run by tests/bench/logins.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    int port, first, users;
    bool tls;
    long count;
    const char *password;
    SSL_CTX *context;
    double *seconds;
} run;
static atomic_long begun, failed;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct link {
    int fd;
    SSL *ssl;
    char in[8192];
    size_t n;
};

static bool put(struct link *l, const char *text)
{
    int n = (int)strlen(text);

    return (l->ssl ? SSL_write(l->ssl, text, n) : (int)write(l->fd, text, (size_t)n)) == n;
}

// Reads until a line begins with `what`; it and all before it are forgotten.
static bool expect(struct link *l, const char *what)
{
    for (;;) {
        char *end;

        l->in[l->n] = '\0';
        while ((end = strchr(l->in, '\n')) != NULL) {
            bool is_it = strncmp(l->in, what, strlen(what)) == 0;
            size_t used = (size_t)(end + 1 - l->in);

            memmove(l->in, end + 1, l->n - used + 1);
            l->n -= used;
            if (is_it) {
                return true;
            }
        }
        size_t room = sizeof(l->in) - 1 - l->n;
        int n = l->ssl ? SSL_read(l->ssl, l->in + l->n, (int)room)
                       : (int)read(l->fd, l->in + l->n, room);

        if (n <= 0) {
            return false;
        }
        l->n += (size_t)n;
    }
}

static bool talk(struct link *l, int user)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run.port)};
    char line[200];

    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    if (connect(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        return false;
    }
    if (run.tls) {
        l->ssl = SSL_new(run.context);
        if (!l->ssl || SSL_set_fd(l->ssl, l->fd) != 1 || SSL_connect(l->ssl) != 1) {
            return false;
        }
    }
    snprintf(line, sizeof(line), "a LOGIN u%d %s\r\n", user, run.password);
    return expect(l, "* OK") && put(l, line) && expect(l, "a OK") && put(l, "b LOGOUT\r\n") &&
           expect(l, "b OK");
}

static void *client(void *arg)
{
    long i;

    (void)arg;
    while ((i = atomic_fetch_add(&begun, 1)) < run.count) {
        struct link l = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
        struct linger hard = {1, 0}; // else all local ports would linger
        double t0 = now();

        if (!talk(&l, run.first + (int)(i % run.users))) {
            atomic_fetch_add(&failed, 1);
        }
        setsockopt(l.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        SSL_free(l.ssl);
        close(l.fd);
        run.seconds[i] = now() - t0;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: login_load PORT tls|clear COUNT AT-ONCE FIRST USERS PASSWORD\n");
        return 2;
    }
    int at_once = atoi(argv[4]);
    pthread_t threads[256];

    run.port = atoi(argv[1]);
    run.tls = strcmp(argv[2], "tls") == 0;
    run.count = atol(argv[3]);
    run.first = atoi(argv[5]);
    run.users = atoi(argv[6]);
    run.password = argv[7];
    run.context = SSL_CTX_new(TLS_client_method());
    run.seconds = calloc((size_t)run.count, sizeof(*run.seconds));
    if (at_once < 1 || at_once > 256 || run.users < 1 || !run.seconds || !run.context) {
        return 2;
    }
    SSL_CTX_set_session_cache_mode(run.context, SSL_SESS_CACHE_OFF);
    double t0 = now();

    for (int i = 0; i < at_once; i++) {
        pthread_create(&threads[i], NULL, client, NULL);
    }
    for (int i = 0; i < at_once; i++) {
        pthread_join(threads[i], NULL);
    }
    double took = now() - t0;

    qsort(run.seconds, (size_t)run.count, sizeof(*run.seconds), by_size);
    printf("{\"per_second\": %.1f, \"median_ms\": %.2f, \"p99_ms\": %.2f, \"failed\": %ld}\n",
           (double)run.count / took, 1000 * run.seconds[run.count / 2],
           1000 * run.seconds[run.count * 99 / 100], atomic_load(&failed));
    return atomic_load(&failed) ? 1 : 0;
}
