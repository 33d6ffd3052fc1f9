// SPDX-License-Identifier: Apache-2.0
//
// One IMAP connection: sends commands and counts what comes back, literals skipped without a copy.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define BUFFER_START (256u << 10)
#define BUFFER_MAX   (64u << 20)

static int connect_to_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1)
        fail("--host wants an address, not %s", opt.host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

// ---- the bytes, in TLS or in the clear ----

// The certificate is one of the measure's own: nobody looks at it.
static SSL *tls_open(int fd)
{
    static SSL_CTX *context;
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context)
            fail("no TLS");
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    }
    SSL *tls = SSL_new(context);
    if (!tls || SSL_set_fd(tls, fd) != 1 || SSL_connect(tls) != 1) {
        SSL_free(tls);
        return NULL;
    }
    // From here on it is we who wait: a ticket that comes is no reason to wait for an answer.
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return tls;
}

// As recv and send: errno EAGAIN when nothing is there and nobody waits.
static ssize_t tls_result(struct conn *c, int k, bool wait)
{
    int e = SSL_get_error(c->tls, k);
    if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
        errno = EIO;
        return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
    struct pollfd p = {.fd = c->fd, .events = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
    if (wait)
        poll(&p, 1, -1);
    errno = wait ? EINTR : EAGAIN; // once more
    return -1;
}

static ssize_t bytes_read(struct conn *c, char *p, size_t n, bool wait)
{
    if (!c->tls)
        return recv(c->fd, p, n, wait ? 0 : MSG_DONTWAIT);
    int k = SSL_read(c->tls, p, (int)n);
    return k > 0 ? k : tls_result(c, k, wait);
}

static ssize_t bytes_write(struct conn *c, const char *p, size_t n)
{
    if (!c->tls)
        return send(c->fd, p, n, MSG_NOSIGNAL);
    int k = SSL_write(c->tls, p, (int)n);
    return k > 0 ? k : tls_result(c, k, true);
}

void conn_send(struct conn *c, const void *p, size_t n)
{
    const char *b = p;
    while (n) {
        ssize_t k = bytes_write(c, b, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            c->status = ST_LOST;
            return;
        }
        b += k;
        n -= (size_t)k;
    }
}

static void note(struct conn *c, const char *p, size_t n)
{
    size_t room = sizeof c->notes - 1 - c->notes_n;
    if (n > room)
        n = room;
    memcpy(c->notes + c->notes_n, p, n);
    c->notes_n += n;
    c->notes[c->notes_n] = 0;
}

static long count_byte(const char *p, size_t n, char byte)
{
    long k = 0;
    for (const char *e = p + n; (p = memchr(p, byte, (size_t)(e - p))); p++)
        k++;
    return k;
}

// The UIDs of "1:5,9" at the end of a VANISHED line.
static long count_set(const char *p, const char *e)
{
    const char *q = e;
    while (q > p && q[-1] != ' ')
        q--;
    long sum = 0;
    while (q < e) {
        char *next;
        long a = strtol(q, &next, 10), b = a;
        if (*next == ':')
            b = strtol(next + 1, &next, 10);
        sum += b - a + 1;
        if (*next != ',')
            break;
        q = next + 1;
    }
    return sum;
}

static long count_numbers(const char *p, size_t n)
{
    long sum = 0;
    for (size_t i = 1; i < n; i++)
        sum += p[i] >= '0' && p[i] <= '9' && (p[i - 1] < '0' || p[i - 1] > '9');
    return sum;
}

static bool starts(const char *p, size_t n, const char *word)
{
    size_t k = strlen(word);
    return n >= k && memcmp(p, word, k) == 0;
}

// An untagged answer without the "* ".
static void untagged(struct conn *c, const char *p, size_t n)
{
    if (*p >= '0' && *p <= '9') {
        char *rest;
        long number = strtol(p, &rest, 10);
        size_t left = n - (size_t)(rest - p);
        if (starts(rest, left, " FETCH "))
            c->seen.fetches++;
        else if (starts(rest, left, " EXISTS"))
            c->seen.exists = number;
        else if (starts(rest, left, " EXPUNGE"))
            c->seen.expunges++;
    } else if (starts(p, n, "THREAD")) {
        c->seen.hits += count_numbers(p, n);
    } else if (starts(p, n, "SEARCH") || starts(p, n, "SORT")) {
        c->seen.hits += count_byte(p, n, ' ');
    } else if (starts(p, n, "VANISHED")) {
        c->seen.vanished += count_set(p, p + n);
    } else if (starts(p, n, "OK ") || starts(p, n, "STATUS ") || starts(p, n, "CAPABILITY ")) {
        note(c, p, n);
        note(c, "\n", 1);
    }
}

// A piece of an answer up to a line's end (without CRLF). The rest of an answer after a literal
// comes as further pieces.
static void piece(struct conn *c, const char *p, size_t n)
{
    bool first = !c->inside_line;
    size_t tag = strlen(c->tag);
    if (n && p[n - 1] == '}' && !(first && starts(p, n, "+"))) {
        const char *q = p + n - 1;
        while (q > p && q[-1] >= '0' && q[-1] <= '9')
            q--;
        if (q > p && q[-1] == '{') {
            c->literal_left = strtoull(q, NULL, 10);
            c->seen.literals++;
            c->seen.literal_bytes += c->literal_left;
            c->inside_line = true;
        }
    }
    if (!c->literal_left && (!n || p[n - 1] != '}'))
        c->inside_line = false;
    if (c->word && memmem(p, n, c->word, strlen(c->word)))
        c->seen.words++;
    if (!first)
        return;
    if (c->greeting) {
        c->greeting = false;
        c->status = starts(p, n, "* OK") ? ST_OK : ST_BAD;
    } else if (starts(p, n, "* "))
        untagged(c, p + 2, n - 2);
    else if (starts(p, n, "+"))
        c->going_on = true;
    else if (n > tag && starts(p, n, c->tag) && p[tag] == ' ') {
        c->status = starts(p + tag, n - tag, " OK")   ? ST_OK
                    : starts(p + tag, n - tag, " NO") ? ST_NO
                                                      : ST_BAD;
        snprintf(c->last, sizeof c->last, "%.*s", (int)(n < 590 ? n : 590), p);
        note(c, p, n);
    }
}

static void consume(struct conn *c)
{
    while (c->start < c->end) {
        size_t have = c->end - c->start;
        char *p = c->buf + c->start;
        if (c->literal_left) {
            size_t k = have < c->literal_left ? have : (size_t)c->literal_left;
            if (c->hash_literals)
                c->seen.literal_hash = hash_bytes(c->seen.literal_hash, p, k);
            c->literal_left -= k;
            c->start += k;
            continue;
        }
        char *end = memchr(p, '\n', have);
        if (!end)
            break;
        size_t n = (size_t)(end - p);
        c->start += n + 1;
        piece(c, p, n && p[n - 1] == '\r' ? n - 1 : n);
    }
    if (c->start == c->end)
        c->start = c->end = 0;
}

static void make_room(struct conn *c)
{
    if (c->start) {
        memmove(c->buf, c->buf + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    if (c->cap - c->end >= 65536 || c->cap >= BUFFER_MAX)
        return;
    c->cap *= 2;
    c->buf = realloc(c->buf, c->cap);
    if (!c->buf)
        fail("out of memory");
}

int conn_read(struct conn *c, bool wait)
{
    if (c->end + 65536 > c->cap)
        make_room(c);
    ssize_t k;
    do
        k = bytes_read(c, c->buf + c->end, c->cap - c->end, wait);
    while (k < 0 && errno == EINTR);
    if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (k <= 0) {
        c->status = ST_LOST;
        snprintf(c->last, sizeof c->last, "connection lost");
        return -1;
    }
    c->end += (size_t)k;
    c->seen.bytes += (unsigned long long)k;
    consume(c);
    return 1;
}

enum status conn_wait(struct conn *c)
{
    while (c->status == ST_OPEN && !c->going_on)
        conn_read(c, true);
    return c->status;
}

void conn_begin(struct conn *c, struct text *out)
{
    snprintf(c->tag, sizeof c->tag, "b%u", ++c->serial);
    c->status = ST_OPEN;
    c->going_on = false;
    c->seen = (struct counters){.literal_hash = HASH_START};
    c->notes_n = 0;
    c->notes[0] = 0;
    text_print(out, "%s ", c->tag);
}

static enum status command(struct conn *c, const char *line)
{
    struct text out = {0};
    conn_begin(c, &out);
    text_add(&out, line, strlen(line));
    text_add(&out, "\r\n", 2);
    conn_send(c, out.p, out.n);
    free(out.p);
    return conn_wait(c);
}

enum status conn_command(struct conn *c, const char *fmt, ...)
{
    char line[4000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return command(c, line);
}

void conn_must(struct conn *c, const char *fmt, ...)
{
    char line[4000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (command(c, line) != ST_OK)
        fail("%.200s: %s", line, c->last);
}

long conn_note(struct conn *c, const char *word)
{
    const char *p = strstr(c->notes, word);
    return p ? atol(p + strlen(word)) : -1;
}

struct conn *conn_start(void)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c || !(c->buf = malloc(c->cap = BUFFER_START)))
        fail("out of memory");
    c->fd = connect_to_server();
    c->tls = opt.tls && c->fd >= 0 ? tls_open(c->fd) : NULL;
    c->greeting = true;
    c->status = c->fd < 0 || (opt.tls && !c->tls) ? ST_LOST : ST_OPEN;
    return c;
}

struct conn *conn_try(int user)
{
    struct conn *c = conn_start();
    char name[128];
    snprintf(name, sizeof name, "%s%d", opt.user, user);
    if (conn_wait(c) == ST_OK && conn_command(c, "LOGIN %s %s", name, opt.password) == ST_OK &&
        conn_command(c, "CAPABILITY") == ST_OK) {
        c->can_multiappend = strstr(c->notes, "MULTIAPPEND") != NULL;
        c->can_literal_plus = strstr(c->notes, "LITERAL+") != NULL;
        return c;
    }
    conn_free(c);
    return NULL;
}

struct conn *conn_open(int user)
{
    for (int i = 0; i < 200; i++) {
        struct conn *c = conn_try(user);
        if (c)
            return c;
        usleep(50000);
    }
    fail("user %d cannot log in", user);
}

void conn_free(struct conn *c)
{
    if (!c)
        return;
    SSL_free(c->tls);
    if (c->fd >= 0)
        close(c->fd);
    free(c->buf);
    free(c);
}

void conn_close(struct conn *c)
{
    conn_command(c, "LOGOUT");
    conn_free(c);
}

void append_command(struct conn *c, struct text *out, const char *box, const char *flags,
                    const struct text *message)
{
    if (!c->can_literal_plus)
        fail("the server has no LITERAL+");
    conn_begin(c, out);
    text_print(out, "APPEND %s %s{%zu+}\r\n", box, flags, message->n);
    text_add(out, message->p, message->n);
    text_add(out, "\r\n", 2);
}

enum status conn_append(struct conn *c, const char *box, const struct text *message)
{
    struct text out = {0};
    append_command(c, &out, box, "", message);
    conn_send(c, out.p, out.n);
    free(out.p);
    return conn_wait(c);
}

void load_messages(struct conn *c, const char *box, long first, long n)
{
    struct text out = {0}, m = {0};
    long batch = c->can_multiappend ? opt.batch : 1;
    for (long i = 0; i < n;) {
        out.n = 0;
        conn_begin(c, &out);
        text_print(&out, "APPEND %s", box);
        for (long k = 0; k < batch && i < n; k++, i++) {
            char date[40];
            message_date(first + i, date);
            m.n = 0;
            message_make(&m, first + i, opt.size);
            text_print(&out, " \"%s\" {%zu+}\r\n", date, m.n);
            text_add(&out, m.p, m.n);
        }
        text_add(&out, "\r\n", 2);
        conn_send(c, out.p, out.n);
        if (conn_wait(c) != ST_OK)
            fail("loading %s: %s", box, c->last);
    }
    free(out.p);
    free(m.p);
}

void conn_idle(struct conn *c)
{
    struct text out = {0};
    conn_begin(c, &out);
    text_print(&out, "IDLE\r\n");
    conn_send(c, out.p, out.n);
    free(out.p);
    conn_wait(c);
    if (!c->going_on)
        fail("IDLE: %s", c->last);
}
