// SPDX-License-Identifier: Apache-2.0
//
// Our server side against an OpenSSL client in the same thread, over a socket pair.
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../test.h"
#include "net/stream_channel.h"

static struct buf cert, key;
static struct tls_context *server;

static int setup(void **state)
{
    char problem[TLS_PROBLEM_BYTES];

    (void)state;
    signal(SIGPIPE, SIG_IGN); // as all our processes do
    buf_init(&cert, 65536);
    buf_init(&key, 65536);
    if (tls_self_signed(SPAN("localhost, 127.0.0.1"), &cert, &key) != ERR_OK) {
        return -1;
    }
    return tls_context_create(buf_span(&cert), buf_span(&key), "imap", problem, &server) == ERR_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    tls_context_unref(server);
    buf_finish(&cert);
    buf_finish(&key);
    return 0;
}

struct link {
    struct stream stream;
    SSL_CTX *ctx;
    SSL *client;
};

static void open_link(struct link *l, struct tls_context *t)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init(&l->stream, fds[0]);
    assert_ok(stream_start_tls(&l->stream, t));
    l->ctx = SSL_CTX_new(TLS_client_method());
    l->client = SSL_new(l->ctx);
    SSL_set_fd(l->client, fds[1]);
}

static void close_link(struct link *l)
{
    int fd = SSL_get_fd(l->client);

    SSL_free(l->client);
    SSL_CTX_free(l->ctx);
    close(fd);
    stream_finish(&l->stream);
}

// Runs both handshakes; true when both succeed.
static bool shake_hands(struct link *l)
{
    enum err e = ERR_AGAIN;
    int c = 0;

    for (int i = 0; i < 50 && (e == ERR_AGAIN || c != 1); i++) {
        if (c != 1) {
            c = SSL_connect(l->client);
            if (c != 1 && SSL_get_error(l->client, c) != SSL_ERROR_WANT_READ) {
                stream_handshake(&l->stream);
                return false;
            }
        }
        if (e == ERR_AGAIN) {
            e = stream_handshake(&l->stream);
        }
        if (e != ERR_OK && e != ERR_AGAIN) {
            return false;
        }
    }
    return e == ERR_OK && c == 1;
}

static void test_bytes_go_both_ways(void **state)
{
    struct link l;
    struct buf in;
    char got[16];
    size_t n;

    (void)state;
    open_link(&l, server);
    assert_int_equal(stream_events(&l.stream, true, false), EPOLLIN);
    assert_true(shake_hands(&l));
    assert_true(strncmp(stream_tls_text(&l.stream).s, "TLSv1.3 TLS_", 12) == 0);
    buf_init(&in, 100);
    assert_err(stream_read(&l.stream, &in, 100), ERR_AGAIN);
    assert_int_equal(SSL_write(l.client, "hello", 5), 5);
    assert_ok(stream_read(&l.stream, &in, 2));
    assert_true(stream_has_pending(&l.stream));
    assert_ok(stream_read(&l.stream, &in, 50));
    assert_span(buf_span(&in), "hello");
    assert_ok(stream_write(&l.stream, SPAN("answer"), &n));
    assert_int_equal(SSL_read(l.client, got, sizeof(got)), 6);
    SSL_shutdown(l.client);
    assert_err(stream_read(&l.stream, &in, 50), ERR_EOF);
    buf_finish(&in);
    close_link(&l);
}

// ---- what is left in memory (L67) ---------------------------------------------------------------

#define SECRET_BYTES 48
#define BEFORE_BYTES 256 // what stands at the front of freed memory is written over

// Never whole in memory but where a test puts it.
static char secret_byte(size_t i)
{
    return (char)((i * 37 + 11) ^ 0x5a);
}

static size_t count_secrets(const char *p, size_t n)
{
    const char *end = p + n;
    size_t found = 0;

    // From one first byte to the next: byte by byte took a minute and a half under TSan.
    while (p < end && (p = memchr(p, secret_byte(0), (size_t)(end - p))) &&
           (size_t)(end - p) >= SECRET_BYTES) {
        size_t i = 0;

        while (i < SECRET_BYTES && p[i] == secret_byte(i)) {
            i++;
        }
        found += i == SECRET_BYTES;
        p++;
    }
    return found;
}

// How often it is in what this process can write to. Nothing is allocated for it: that could be
// what was freed a moment ago, and write over what is looked for.
static size_t secrets_in_memory(void)
{
    static char piece[1u << 20], maps[1u << 20];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long from, to;
    size_t found = 0, filled = 0;
    char mode[8];

    assert_true(fd >= 0 && memory >= 0);
    for (ssize_t n = 1; n > 0 && filled < sizeof(maps) - 1; filled += (size_t)n) {
        n = read(fd, maps + filled, sizeof(maps) - 1 - filled);
        assert_true(n >= 0);
    }
    maps[filled] = '\0';
    for (const char *line = maps; *line; line = strchr(line, '\n') + 1) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[1] != 'w' ||
            to - from > 1u << 28) { // a sanitizer's shadow
            continue;
        }
        for (unsigned long at = from; at < to; at += sizeof(piece) - SECRET_BYTES) {
            ssize_t n = pread(memory, piece, sizeof(piece), (off_t)at);

            found += n > 0 ? count_secrets(piece, (size_t)n < to - at ? (size_t)n : to - at) : 0;
            explicit_bzero(piece, sizeof(piece));
        }
    }
    close(fd);
    close(memory);
    return found;
}

static void test_l67_what_was_read_is_not_kept(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        char secret[BEFORE_BYTES + SECRET_BYTES] = "";
        struct link l;
        struct buf in;

        open_link(&l, server);
        SSL_set_max_proto_version(l.client, version);
        assert_true(shake_hands(&l));
        buf_init_secret(&in, 4096);
        for (size_t i = 0; i < SECRET_BYTES; i++) {
            secret[BEFORE_BYTES + i] = secret_byte(i);
        }
        assert_int_equal(secrets_in_memory(), 1); // it is found where it is
        assert_int_equal(SSL_write(l.client, secret, sizeof(secret)), sizeof(secret));
        explicit_bzero(secret, sizeof(secret));
        assert_int_equal(secrets_in_memory(), 0);
        enum err e = ERR_OK;

        while (in.n < sizeof(secret) && (e == ERR_OK || e == ERR_AGAIN)) {
            e = stream_read(&l.stream, &in, 4096);
        }
        assert_int_equal(secrets_in_memory(), 1); // ours, which whoever asked for it wipes
        buf_finish(&in);
        assert_int_equal(secrets_in_memory(), 0); // nor in what TLS has of the connection
        close_link(&l);
    }
}

static void test_what_a_sign_in_is_bound_to(void **state)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char ours[STREAM_EXPORTER_BYTES], theirs[STREAM_EXPORTER_BYTES];
    unsigned char point[STREAM_SERVER_POINT_BYTES_MAX], digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;

        open_link(&l, server);
        SSL_set_max_proto_version(l.client, version);
        assert_int_equal(stream_channel_exporter(&l.stream, ours), 0); // not yet
        assert_int_equal(stream_channel_server_point(&l.stream, point), 0);
        assert_true(shake_hands(&l));
        assert_int_equal(stream_channel_exporter(&l.stream, ours), sizeof(ours));
        assert_int_equal(SSL_export_keying_material(l.client, theirs, sizeof(theirs), label,
                                                    sizeof(label) - 1, NULL, 0, 0),
                         1);
        assert_memory_equal(ours, theirs, sizeof(ours));
        X509 *certificate = SSL_get1_peer_certificate(l.client);

        assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &n), 1);
        assert_int_equal(stream_channel_server_point(&l.stream, point), n);
        assert_memory_equal(point, digest, n);
        X509_free(certificate);
        close_link(&l);
    }
    struct link l;

    open_link(&l, server); // by TLS 1.2 it is unique with the extended master secret only
    SSL_set_max_proto_version(l.client, TLS1_2_VERSION);
    SSL_set_options(l.client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    assert_true(shake_hands(&l));
    assert_int_equal(stream_channel_exporter(&l.stream, ours), 0);
    close_link(&l);
}

static void test_old_versions_and_weak_ciphers_are_refused(void **state)
{
    struct link l;

    (void)state;
    open_link(&l, server);
    SSL_set_security_level(l.client, 0);
    SSL_set_min_proto_version(l.client, TLS1_VERSION);
    SSL_set_max_proto_version(l.client, TLS1_1_VERSION);
    assert_false(shake_hands(&l));
    close_link(&l);
    open_link(&l, server);
    SSL_set_max_proto_version(l.client, TLS1_2_VERSION);
    SSL_set_cipher_list(l.client, "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256");
    assert_false(shake_hands(&l));
    close_link(&l);
    open_link(&l, server);
    SSL_set_max_proto_version(l.client, TLS1_2_VERSION);
    assert_true(shake_hands(&l));
    close_link(&l);
}

static void test_alpn_is_strict(void **state)
{
    struct link l;
    const unsigned char *name;
    unsigned n;

    (void)state;
    open_link(&l, server);
    SSL_set_alpn_protos(l.client, (const unsigned char *)"\2h2\10http/1.1", 12);
    assert_false(shake_hands(&l));
    close_link(&l);
    open_link(&l, server);
    SSL_set_alpn_protos(l.client, (const unsigned char *)"\2h2\4imap", 8);
    assert_true(shake_hands(&l));
    SSL_get0_alpn_selected(l.client, &name, &n);
    assert_int_equal(n, 4);
    close_link(&l);
}

static SSL_SESSION *session_of(struct link *l)
{
    char c;

    SSL_read(l->client, &c, 1); // takes the ticket in
    return SSL_get1_session(l->client);
}

// A ticket resumes on its own context and nowhere else.
static void test_tickets_belong_to_one_service(void **state)
{
    struct link l, again, elsewhere;
    char problem[TLS_PROBLEM_BYTES];
    struct tls_context *other;

    (void)state;
    assert_ok(tls_context_create(buf_span(&cert), buf_span(&key), "pop3", problem, &other));
    open_link(&l, server);
    assert_true(shake_hands(&l));
    SSL_SESSION *ticket = session_of(&l);

    assert_true(SSL_SESSION_has_ticket(ticket));
    open_link(&again, server);
    SSL_set_session(again.client, ticket);
    assert_true(shake_hands(&again));
    assert_true(SSL_session_reused(again.client));
    close_link(&again);
    open_link(&elsewhere, other);
    SSL_set_session(elsewhere.client, ticket);
    assert_true(shake_hands(&elsewhere));
    assert_false(SSL_session_reused(elsewhere.client));
    close_link(&elsewhere);
    SSL_SESSION_free(ticket);
    close_link(&l);
    tls_context_unref(other);
}

static void test_key_update_floods_end(void **state)
{
    struct link l;
    struct buf in;
    enum err e = ERR_AGAIN;

    (void)state;
    buf_init(&in, 100);
    open_link(&l, server);
    assert_true(shake_hands(&l));
    for (int i = 0; i < 200 && e == ERR_AGAIN; i++) {
        SSL_key_update(l.client, SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(l.client);
        e = stream_read(&l.stream, &in, 50);
    }
    assert_int_not_equal(e, ERR_AGAIN);
    close_link(&l);
    buf_finish(&in);
}

// A connection goes on with the certificate it began with after that was replaced.
static void test_a_context_outlives_its_replacement(void **state)
{
    struct link l;
    struct buf in;
    struct tls_context *t;
    char problem[TLS_PROBLEM_BYTES];

    (void)state;
    buf_init(&in, 100);
    assert_ok(tls_context_create(buf_span(&cert), buf_span(&key), "imap", problem, &t));
    open_link(&l, t);
    assert_true(shake_hands(&l));
    tls_context_unref(t);
    assert_int_equal(SSL_write(l.client, "x", 1), 1);
    assert_ok(stream_read(&l.stream, &in, 10));
    close_link(&l);
    buf_finish(&in);
}

static void test_bad_certificates_are_explained(void **state)
{
    struct buf other_cert, other_key;
    struct tls_context *t;
    char problem[TLS_PROBLEM_BYTES];

    (void)state;
    buf_init(&other_cert, 65536);
    buf_init(&other_key, 65536);
    assert_ok(tls_self_signed(SPAN("other"), &other_cert, &other_key));
    assert_err(tls_context_create(SPAN("junk"), buf_span(&key), "imap", problem, &t), ERR_INVALID);
    assert_non_null(strstr(problem, "certificate"));
    assert_err(tls_context_create(buf_span(&cert), SPAN(""), "imap", problem, &t), ERR_INVALID);
    assert_non_null(strstr(problem, "key"));
    assert_err(tls_context_create(buf_span(&cert), buf_span(&other_key), "imap", problem, &t),
               ERR_INVALID);
    assert_non_null(strstr(problem, "does not belong"));
    assert_ok(tls_context_create(buf_span(&other_cert), buf_span(&other_key), "imap", problem, &t));
    assert_true(tls_context_begins(t) > 1700000000);
    assert_int_equal((tls_context_expires(t) - tls_context_begins(t)) / 86400, 3650);
    tls_context_unref(t);
    buf_finish(&other_cert);
    buf_finish(&other_key);
}

static void test_garbage_is_no_handshake(void **state)
{
    struct link l;
    static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n", "a LOGIN u p\r\n",
                                          "\x16\x03\x01\xff\xff\x01\xff\xff\xff\xff"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        enum err e = ERR_AGAIN;

        open_link(&l, server);
        int fd = SSL_get_fd(l.client);

        assert_true(write(fd, garbage[i], strlen(garbage[i])) > 0);
        shutdown(fd, SHUT_WR);
        for (int k = 0; k < 10 && e == ERR_AGAIN; k++) {
            e = stream_handshake(&l.stream);
        }
        assert_err(e, ERR_INVALID);
        close_link(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_go_both_ways),
        cmocka_unit_test(test_l67_what_was_read_is_not_kept),
        cmocka_unit_test(test_what_a_sign_in_is_bound_to),
        cmocka_unit_test(test_old_versions_and_weak_ciphers_are_refused),
        cmocka_unit_test(test_alpn_is_strict),
        cmocka_unit_test(test_tickets_belong_to_one_service),
        cmocka_unit_test(test_key_update_floods_end),
        cmocka_unit_test(test_a_context_outlives_its_replacement),
        cmocka_unit_test(test_bad_certificates_are_explained),
        cmocka_unit_test(test_garbage_is_no_handshake),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
