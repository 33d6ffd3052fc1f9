// SPDX-License-Identifier: Apache-2.0
#include "mailfile/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"

#include "base/banned.h"

#define PIECE_BYTES (64u << 10)

struct spool {
    uint64_t bytes, bytes_max;
    size_t memory_bytes;
    struct buf front; // the first memory_bytes
    int fd;           // what comes after; -1: not needed so far
    const char *dir;
    EVP_MD_CTX *hash; // or NULL
    enum err result;
};

static enum err hash_begin(struct spool *s)
{
    return !s->hash || EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NOMEM;
}

enum err spool_create_with(const struct spool_options *o, struct spool **out)
{
    struct spool *s = calloc(1, sizeof(*s));

    ASSERT(o->memory_bytes > 0 && o->memory_bytes <= SPOOL_MEMORY_BYTES);
    if (!s) {
        return ERR_NOMEM;
    }
    *s = (struct spool){
        .bytes_max = o->bytes_max, .memory_bytes = o->memory_bytes, .dir = o->dir, .fd = -1};
    s->hash = o->without_hash ? NULL : EVP_MD_CTX_new();
    buf_init(&s->front, s->memory_bytes);
    if ((!s->hash && !o->without_hash) || hash_begin(s) != ERR_OK) {
        spool_destroy(s);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

enum err spool_create(uint64_t bytes_max, struct spool **out)
{
    struct spool_options o = {.bytes_max = bytes_max, .memory_bytes = SPOOL_MEMORY_BYTES};

    return spool_create_with(&o, out);
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
    s->result = hash_begin(s);
}

// A file system that knows no files without a name: it has one for a moment.
static int open_named(const char *dir)
{
    char name[4200];
    int n = snprintf(name, sizeof(name), "%s/spool-%016llx", dir, (unsigned long long)random_u64());
    int fd = n < (int)sizeof(name)
                 ? open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)
                 : -1;

    if (fd >= 0) {
        unlink(name);
    }
    return fd;
}

// A file nobody else can open, gone when it is closed.
static enum err spool_open_file(struct spool *s)
{
    const char *dir = s->dir ? s->dir : getenv("TMPDIR");

    if (!dir || dir[0] != '/') {
        dir = "/var/tmp";
    }
    s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0 && s->dir && (errno == EOPNOTSUPP || errno == EISDIR)) {
        s->fd = open_named(dir);
    } else if (s->fd < 0 && !s->dir &&
               (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
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
    if (s->hash && EVP_DigestUpdate(s->hash, bytes.p, bytes.n) != 1) {
        s->result = ERR_NOMEM;
        return false;
    }
    struct span front = span_first(bytes, s->memory_bytes - s->front.n);

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
                                  at + front.n - s->memory_bytes);
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

    ASSERT(s->hash);
    memset(out, 0, SPOOL_HASH_BYTES);
    if (EVP_DigestFinal_ex(s->hash, out, &n) != 1) {
        s->result = ERR_NOMEM;
    }
}

struct span spool_front(const struct spool *s)
{
    return buf_span(&s->front);
}

enum err spool_read(const struct spool *s, uint64_t offset, size_t n, struct buf *out)
{
    if (s->result != ERR_OK || offset >= s->bytes) {
        return s->result;
    }
    n = s->bytes - offset < n ? (size_t)(s->bytes - offset) : n;
    if (offset < s->front.n) {
        struct span front = span_first(span_skip(buf_span(&s->front), offset), n);

        buf_put(out, front);
        offset += front.n;
        n -= front.n;
    }
    char *to = n ? buf_reserve(out, n) : NULL;
    enum err e = buf_result(out);

    e = e == ERR_OK && n ? file_read_at(s->fd, to, n, offset - s->memory_bytes) : e;
    if (e == ERR_OK) {
        out->n += n;
    }
    return e;
}

enum err spool_send(struct spool *s, struct mail_sink to)
{
    char piece[PIECE_BYTES];

    for (size_t at = 0; at < s->front.n; at += PIECE_BYTES) {
        if (!to.write(to.arg, span_first(span_skip(buf_span(&s->front), at), PIECE_BYTES))) {
            return ERR_IO;
        }
    }
    for (uint64_t at = s->memory_bytes; at < s->bytes; at += PIECE_BYTES) {
        size_t n = s->bytes - at < PIECE_BYTES ? (size_t)(s->bytes - at) : PIECE_BYTES;
        enum err e = file_read_at(s->fd, piece, n, at - s->memory_bytes);

        if (e != ERR_OK) {
            return e;
        }
        if (!to.write(to.arg, span_of(piece, n))) {
            return ERR_IO;
        }
    }
    return ERR_OK;
}
