// SPDX-License-Identifier: Apache-2.0
#include "mailfile/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#include "base/banned.h"

#define PIECE_BYTES (64u << 10)

struct spool {
    uint64_t bytes, bytes_max;
    struct buf front; // the first SPOOL_MEMORY_BYTES
    int fd;           // what comes after; -1: not needed so far
    EVP_MD_CTX *hash;
    enum err result;
};

enum err spool_create(uint64_t bytes_max, struct spool **out)
{
    struct spool *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    *s = (struct spool){.bytes_max = bytes_max, .fd = -1, .hash = EVP_MD_CTX_new()};
    buf_init(&s->front, SPOOL_MEMORY_BYTES);
    if (!s->hash || EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) != 1) {
        spool_destroy(s);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

static void spool_close_file(struct spool *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

void spool_destroy(struct spool *s)
{
    if (s) {
        spool_close_file(s);
        buf_finish(&s->front);
        EVP_MD_CTX_free(s->hash);
        free(s);
    }
}

void spool_clear(struct spool *s)
{
    spool_close_file(s);
    buf_clear(&s->front);
    s->bytes = 0;
    s->result = EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NOMEM;
}

// A file nobody else can open, gone when it is closed.
static enum err spool_open_file(struct spool *s)
{
    const char *dir = getenv("TMPDIR");

    if (!dir || dir[0] != '/') {
        dir = "/var/tmp";
    }
    s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        s->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    return s->fd >= 0 ? ERR_OK : err_from_errno(errno);
}

bool spool_write(struct spool *s, struct span bytes)
{
    uint64_t at = s->bytes;

    s->bytes += bytes.n;
    if (s->result == ERR_OK && s->bytes > s->bytes_max) {
        s->result = ERR_LIMIT;
    }
    if (s->result != ERR_OK) {
        return s->result == ERR_LIMIT;
    }
    if (EVP_DigestUpdate(s->hash, bytes.p, bytes.n) != 1) {
        s->result = ERR_NOMEM;
        return false;
    }
    struct span front = span_first(bytes, SPOOL_MEMORY_BYTES - s->front.n);

    buf_put(&s->front, front);
    if (s->front.failed) {
        s->result = ERR_NOMEM;
        return false;
    }
    if (front.n == bytes.n) {
        return true;
    }
    if (s->fd < 0) {
        s->result = spool_open_file(s);
    }
    if (s->result == ERR_OK) {
        s->result = file_write_at(s->fd, bytes.p + front.n, bytes.n - front.n,
                                  at + front.n - SPOOL_MEMORY_BYTES);
    }
    return s->result == ERR_OK;
}

static bool spool_sink_write(void *arg, struct span bytes)
{
    return spool_write(arg, bytes);
}

struct mail_sink spool_sink(struct spool *s)
{
    return (struct mail_sink){spool_sink_write, s};
}

enum err spool_result(const struct spool *s)
{
    return s->result;
}

uint64_t spool_bytes(const struct spool *s)
{
    return s->bytes;
}

void spool_hash(struct spool *s, unsigned char out[SPOOL_HASH_BYTES])
{
    unsigned n = SPOOL_HASH_BYTES;

    memset(out, 0, SPOOL_HASH_BYTES);
    if (EVP_DigestFinal_ex(s->hash, out, &n) != 1) {
        s->result = ERR_NOMEM;
    }
}

struct span spool_front(const struct spool *s)
{
    return buf_span(&s->front);
}

enum err spool_send(struct spool *s, struct mail_sink to)
{
    char piece[PIECE_BYTES];

    for (size_t at = 0; at < s->front.n; at += PIECE_BYTES) {
        if (!to.write(to.arg, span_first(span_skip(buf_span(&s->front), at), PIECE_BYTES))) {
            return ERR_IO;
        }
    }
    for (uint64_t at = SPOOL_MEMORY_BYTES; at < s->bytes; at += PIECE_BYTES) {
        size_t n = s->bytes - at < PIECE_BYTES ? (size_t)(s->bytes - at) : PIECE_BYTES;
        enum err e = file_read_at(s->fd, piece, n, at - SPOOL_MEMORY_BYTES);

        if (e != ERR_OK) {
            return e;
        }
        if (!to.write(to.arg, span_of(piece, n))) {
            return ERR_IO;
        }
    }
    return ERR_OK;
}
