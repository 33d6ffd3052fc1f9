// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE      4096u
#define FILES_MAX 1024
#define VISIBLE   __attribute__((visibility("default")))

enum event_kind { WRITE, WRITE_SYNCED, SIZE, SYNC, LOST, CREATE, RENAME, UNLINK, SYNC_DIR };

struct event {
    enum event_kind kind;
    unsigned file;
    uint64_t offset; // or the size
    size_t n;
    unsigned char *bytes;
    char name[64], to[64]; // below the root; SYNC_DIR: the folder, "" for the root
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static size_t loaded;
static char root[256];
static struct event *events;
static size_t event_count, event_cap;
static struct {
    ino_t inode;
    dev_t device;
} files[FILES_MAX];
static unsigned file_count;
static unsigned fail_at, fail_kinds, calls;
static int fail_errno;
static bool fail_forever, has_failed;

static void fatal(const char *what)
{
    fprintf(stderr, "disk: %s: errno %d\n", what, errno);
    abort();
}

// ---- recording ----------------------------------------------------------------------------------

static struct event *add_event(enum event_kind kind)
{
    if (event_count == event_cap) {
        event_cap = event_cap ? event_cap * 2 : 4096;
        events = realloc(events, event_cap * sizeof(*events));
        if (!events) {
            fatal("memory");
        }
    }
    struct event *e = &events[event_count++];

    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

// The path of a descriptor below the root; false when it is elsewhere.
static bool path_of(int fd, char out[64])
{
    char link[40], path[512];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    size_t root_n = strlen(root);

    if (n < 0 || (size_t)n < root_n || memcmp(path, root, root_n) != 0 ||
        (path[root_n] != '/' && (size_t)n != root_n)) {
        return false;
    }
    path[n] = '\0';
    snprintf(out, 64, "%.63s", (size_t)n == root_n ? "" : path + root_n + 1);
    return true;
}

// The file's number, given when it is first seen; -1 when it is not recorded. With the lock held.
static int file_of(int fd)
{
    struct stat st;
    char name[64];

    if (!recording || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return -1;
    }
    for (unsigned i = 0; i < file_count; i++) {
        if (files[i].inode == st.st_ino && files[i].device == st.st_dev) {
            return (int)i;
        }
    }
    // LMDB's lock file is made anew at each start: what it holds means nothing after a crash.
    if (!path_of(fd, name) || strcmp(name, "index/lock.mdb") == 0 || strcmp(name, "lock") == 0) {
        return -1;
    }
    if (file_count == FILES_MAX) {
        fatal("too many files");
    }
    files[file_count].inode = st.st_ino;
    files[file_count].device = st.st_dev;
    struct event *e = add_event(CREATE);

    e->file = file_count++;
    memcpy(e->name, name, sizeof(name));
    return (int)e->file;
}

// True when this call is to fail. With the lock held.
static bool is_due(unsigned kind)
{
    if (!(fail_kinds & kind)) {
        return false;
    }
    calls++;
    if (fail_at && (calls == fail_at || (fail_forever && calls > fail_at))) {
        has_failed = true;
        errno = fail_errno;
        return true;
    }
    return false;
}

static void record_write(int fd, int file, const void *p, size_t n, uint64_t offset)
{
    int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
    struct event *e = add_event(flags & O_DSYNC ? WRITE_SYNCED : WRITE);

    e->file = (unsigned)file;
    e->offset = offset;
    e->n = n;
    e->bytes = malloc(n + 1);
    if (!e->bytes) {
        fatal("memory");
    }
    memcpy(e->bytes, p, n);
}

static ssize_t do_write(int fd, const struct iovec *iov, int count, off_t offset, bool at_offset)
{
    pthread_mutex_lock(&lock);
    int file = file_of(fd);

    if (file >= 0 && is_due(DISK_WRITES)) {
        pthread_mutex_unlock(&lock);
        return -1;
    }
    if (!at_offset && file >= 0) {
        offset = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    ssize_t n = at_offset ? syscall(SYS_pwritev, fd, iov, count, offset, 0)
                          : syscall(SYS_writev, fd, iov, count);
    ssize_t left = n;

    for (int i = 0; file >= 0 && i < count && left > 0; i++) {
        size_t part = (size_t)left < iov[i].iov_len ? (size_t)left : iov[i].iov_len;

        record_write(fd, file, iov[i].iov_base, part, (uint64_t)offset);
        offset += (off_t)part;
        left -= (ssize_t)part;
    }
    pthread_mutex_unlock(&lock);
    return n;
}

VISIBLE ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset);
VISIBLE ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset)
{
    return do_write(fd, iov, count, offset, true);
}

VISIBLE ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset);
VISIBLE ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset)
{
    struct iovec one = {(void *)(uintptr_t)p, n};

    return do_write(fd, &one, 1, offset, true);
}

// The names without 64 are what libraries built without large-file flags call; the same thing here.
VISIBLE ssize_t plain_pwrite(int fd, const void *p, size_t n, off_t offset) __asm__("pwrite");
ssize_t plain_pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return pwrite64(fd, p, n, offset);
}

VISIBLE ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return do_write(fd, iov, count, 0, false);
}

VISIBLE ssize_t write(int fd, const void *p, size_t n)
{
    struct iovec one = {(void *)(uintptr_t)p, n};

    return do_write(fd, &one, 1, 0, false);
}

static int do_sync(int fd, long number)
{
    char name[64];
    struct stat st;

    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    bool is_dir = recording && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && path_of(fd, name);

    if ((file >= 0 || is_dir) && is_due(DISK_SYNCS)) {
        if (file >= 0) {
            add_event(LOST)->file = (unsigned)file;
        }
        pthread_mutex_unlock(&lock);
        errno = fail_errno;
        return -1;
    }
    if (file >= 0) {
        add_event(SYNC)->file = (unsigned)file;
    } else if (is_dir) {
        memcpy(add_event(SYNC_DIR)->name, name, sizeof(name));
    }
    pthread_mutex_unlock(&lock);
    // The medium is our record: waiting for the real one would only cost time.
    return file >= 0 || is_dir ? 0 : (int)syscall(number, fd);
}

VISIBLE int fdatasync(int fd)
{
    return do_sync(fd, SYS_fdatasync);
}

VISIBLE int fsync(int fd)
{
    return do_sync(fd, SYS_fsync);
}

static int do_size(int fd, off_t size, long number)
{
    pthread_mutex_lock(&lock);
    int file = file_of(fd);

    if (file >= 0 && is_due(DISK_GROWS)) {
        pthread_mutex_unlock(&lock);
        return -1;
    }
    int r = number == SYS_fallocate ? (int)syscall(number, fd, 0, (off_t)0, size)
                                    : (int)syscall(number, fd, size);

    if (r == 0 && file >= 0) {
        struct event *e = add_event(SIZE);

        e->file = (unsigned)file;
        e->offset = (uint64_t)size;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

VISIBLE int ftruncate64(int fd, off_t size);
VISIBLE int ftruncate64(int fd, off_t size)
{
    return do_size(fd, size, SYS_ftruncate);
}

VISIBLE int plain_ftruncate(int fd, off_t size) __asm__("ftruncate");
int plain_ftruncate(int fd, off_t size)
{
    return do_size(fd, size, SYS_ftruncate);
}

VISIBLE int fallocate64(int fd, int mode, off_t offset, off_t n);
VISIBLE int fallocate64(int fd, int mode, off_t offset, off_t n)
{
    if (mode != 0 || offset != 0) {
        fatal("this fallocate is not modelled");
    }
    return do_size(fd, n, SYS_fallocate);
}

static bool name_in(int dir_fd, const char *name, char out[64])
{
    char dir[64];

    if (!recording || !path_of(dir_fd, dir)) {
        return false;
    }
    snprintf(out, 64, "%.30s%s%.31s", dir, dir[0] ? "/" : "", name);
    return true;
}

VISIBLE int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char a[64], b[64];

    pthread_mutex_lock(&lock);
    bool ours = name_in(from_dir, from, a) && name_in(to_dir, to, b);
    int r = (int)syscall(SYS_renameat, from_dir, from, to_dir, to);

    if (r == 0 && ours) {
        struct event *e = add_event(RENAME);

        memcpy(e->name, a, sizeof(a));
        memcpy(e->to, b, sizeof(b));
    }
    pthread_mutex_unlock(&lock);
    return r;
}

VISIBLE int unlinkat(int dir_fd, const char *name, int flags)
{
    char a[64];

    pthread_mutex_lock(&lock);
    bool ours = name_in(dir_fd, name, a);
    struct stat st;
    bool known = ours && fstatat(dir_fd, name, &st, 0) == 0;
    int r = (int)syscall(SYS_unlinkat, dir_fd, name, flags);

    if (r == 0 && ours) {
        memcpy(add_event(UNLINK)->name, a, sizeof(a));
        // Its inode may come again as another file.
        for (unsigned i = 0; known && i < file_count; i++) {
            if (files[i].inode == st.st_ino && files[i].device == st.st_dev) {
                files[i].inode = 0;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    return r;
}

// What is in a folder when recording starts: as if written and synced just now. With the lock held.
static void load_folder(const char *sub)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", root, sub);
    DIR *d = opendir(path);

    for (struct dirent *f; d && (f = readdir(d));) {
        int fd = f->d_type == DT_REG ? openat(dirfd(d), f->d_name, O_RDONLY | O_CLOEXEC) : -1;
        int file = fd >= 0 ? file_of(fd) : -1;
        struct stat st;

        if (file >= 0 && fstat(fd, &st) == 0) {
            void *bytes = malloc((size_t)st.st_size + 1);

            if (!bytes || pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size) {
                fatal("read");
            }
            record_write(fd, file, bytes, (size_t)st.st_size, 0);
            add_event(SYNC)->file = (unsigned)file;
            free(bytes);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    if (d) {
        closedir(d);
    }
    snprintf(add_event(SYNC_DIR)->name, 64, "%s", sub);
}

void disk_record(const char *path)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < event_count; i++) {
        free(events[i].bytes);
    }
    event_count = 0;
    file_count = 0;
    fail_at = fail_kinds = calls = 0;
    has_failed = false;
    snprintf(root, sizeof(root), "%s", path);
    recording = true;
    load_folder("");
    load_folder("journal");
    load_folder("index");
    loaded = event_count;
    pthread_mutex_unlock(&lock);
}

void disk_stop(void)
{
    pthread_mutex_lock(&lock);
    recording = false;
    pthread_mutex_unlock(&lock);
}

size_t disk_moment(void)
{
    pthread_mutex_lock(&lock);
    size_t n = event_count;

    pthread_mutex_unlock(&lock);
    return n;
}

size_t disk_loaded(void)
{
    return loaded;
}

void disk_fail(unsigned n, unsigned kinds, int errnum, bool forever)
{
    pthread_mutex_lock(&lock);
    fail_at = n;
    fail_kinds = kinds;
    fail_errno = errnum;
    fail_forever = forever;
    calls = 0;
    has_failed = false;
    pthread_mutex_unlock(&lock);
}

unsigned disk_calls(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = calls;

    pthread_mutex_unlock(&lock);
    return n;
}

bool disk_failed(void)
{
    pthread_mutex_lock(&lock);
    bool b = has_failed;

    pthread_mutex_unlock(&lock);
    return b;
}

// ---- images -------------------------------------------------------------------------------------

// A file as the medium has it, and what was done to it since.
struct medium {
    unsigned char *bytes; // durable
    uint64_t size, cap;
    size_t *pending; // events
    size_t pending_count, pending_cap;
};

struct name {
    char name[64];
    unsigned file;
};

static struct medium media[FILES_MAX];
static struct name durable_names[FILES_MAX];
static unsigned durable_count;
static size_t names_pending[FILES_MAX * 4]; // events on names not yet synced, in order
static size_t names_pending_count;
static size_t replayed;

static void grow(struct medium *m, uint64_t size)
{
    if (size > m->cap) {
        uint64_t cap = size < 65536 ? 65536 : size * 5 / 4;

        m->bytes = realloc(m->bytes, cap);
        if (!m->bytes) {
            fatal("memory");
        }
        memset(m->bytes + m->cap, 0, cap - m->cap);
        m->cap = cap;
    }
}

static void set_size(struct medium *m, uint64_t size)
{
    grow(m, size);
    if (size < m->size) {
        memset(m->bytes + size, 0, m->size - size);
    }
    m->size = size;
}

// The part of the write that lies in [from, to).
static void apply_part(struct medium *m, const struct event *e, uint64_t from, uint64_t to)
{
    uint64_t a = e->offset > from ? e->offset : from;
    uint64_t b = e->offset + e->n < to ? e->offset + e->n : to;

    if (a < b) {
        grow(m, b);
        memcpy(m->bytes + a, e->bytes + (a - e->offset), b - a);
        m->size = b > m->size ? b : m->size;
    }
}

static void apply(struct medium *m, const struct event *e)
{
    if (e->kind == SIZE) {
        set_size(m, e->offset);
    } else {
        apply_part(m, e, 0, UINT64_MAX);
    }
}

static void apply_name(struct name *names, unsigned *count, const struct event *e)
{
    if (e->kind == CREATE) {
        memcpy(names[*count].name, e->name, 64);
        names[(*count)++].file = e->file;
        return;
    }
    for (unsigned pass = 0; pass < 2; pass++) {
        // What a rename replaces goes first.
        const char *gone = e->kind == RENAME && pass == 0 ? e->to : e->name;

        for (unsigned i = 0; i < *count; i++) {
            if (strcmp(names[i].name, gone) != 0) {
                continue;
            }
            if (e->kind == RENAME && pass == 1) {
                memcpy(names[i].name, e->to, 64);
            } else {
                names[i--] = names[--*count];
            }
        }
        if (e->kind == UNLINK) {
            return;
        }
    }
}

static bool in_folder(const char *name, const char *folder)
{
    size_t n = strlen(folder);

    return n == 0 ? !strchr(name, '/')
                  : strncmp(name, folder, n) == 0 && name[n] == '/' && !strchr(name + n + 1, '/');
}

static void sync_folder(const char *folder)
{
    size_t kept = 0;

    for (size_t i = 0; i < names_pending_count; i++) {
        const struct event *e = &events[names_pending[i]];

        if (in_folder(e->name, folder)) {
            apply_name(durable_names, &durable_count, e);
        } else {
            names_pending[kept++] = names_pending[i];
        }
    }
    names_pending_count = kept;
}

static void replay_one(size_t at)
{
    struct event *e = &events[at];
    struct medium *m = &media[e->file];

    switch (e->kind) {
    case WRITE:
    case SIZE:
        if (m->pending_count == m->pending_cap) {
            m->pending_cap = m->pending_cap ? m->pending_cap * 2 : 64;
            m->pending = realloc(m->pending, m->pending_cap * sizeof(*m->pending));
        }
        m->pending[m->pending_count++] = at;
        break;
    case WRITE_SYNCED:
        apply(m, e);
        break;
    case SYNC:
        for (size_t i = 0; i < m->pending_count; i++) {
            apply(m, &events[m->pending[i]]);
        }
        m->pending_count = 0;
        break;
    case LOST: // sizes are the file system's own, and stay
        for (size_t i = 0; i < m->pending_count; i++) {
            if (events[m->pending[i]].kind == SIZE) {
                apply(m, &events[m->pending[i]]);
            }
        }
        m->pending_count = 0;
        break;
    case SYNC_DIR:
        sync_folder(e->name);
        break;
    default:
        names_pending[names_pending_count++] = at;
        if (names_pending_count == FILES_MAX * 4) {
            fatal("too many names");
        }
    }
}

void disk_replay_begin(void)
{
    disk_replay_end();
    replayed = 0;
}

void disk_replay_to(size_t moment)
{
    for (; replayed < moment && replayed < event_count; replayed++) {
        replay_one(replayed);
    }
}

void disk_replay_end(void)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        free(media[i].bytes);
        free(media[i].pending);
    }
    memset(media, 0, sizeof(media));
    durable_count = 0;
    names_pending_count = 0;
}

static uint64_t roll(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice * 0x2545f4914f6cdd1du >> 16;
}

static bool keeps(enum disk_luck luck, uint64_t *dice)
{
    switch (luck) {
    case DISK_NOTHING:
        return false;
    case DISK_EVERYTHING:
        return true;
    case DISK_MOST:
        return roll(dice) % 8 != 0;
    default:
        return roll(dice) % 2 != 0;
    }
}

// Each page of each write by itself: reached the medium or not. A page written twice may show
// either. With DISK_TORN a page may also have arrived in part.
static void apply_pages(struct medium *m, const struct event *e, enum disk_luck luck,
                        uint64_t *dice)
{
    for (uint64_t at = e->offset; at < e->offset + e->n;) {
        uint64_t end = (at / PAGE + 1) * PAGE;

        if (keeps(luck, dice)) {
            uint64_t cut = luck == DISK_TORN && roll(dice) % 4 == 0
                               ? at / PAGE * PAGE + roll(dice) % 8 * 512
                               : end;

            apply_part(m, e, at, cut);
        }
        at = end;
    }
}

static uint64_t page_end(const struct medium *m, uint64_t at)
{
    uint64_t end = (at / PAGE + 1) * PAGE;

    return end < m->size ? end : m->size;
}

static bool is_zero(const unsigned char *p, uint64_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void write_image_file(const char *path, const char *name, const struct medium *m)
{
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", path, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, full, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0) {
        fatal(full);
    }
    // Pages of zeros stay holes: most of a segment is.
    for (uint64_t at = 0; at < m->size;) {
        uint64_t end = at;

        while (end < m->size && !is_zero(m->bytes + end, page_end(m, end) - end)) {
            end = page_end(m, end);
        }
        while (at < end) {
            long n = syscall(SYS_pwrite64, fd, m->bytes + at, end - at, at);

            if (n <= 0) {
                fatal("write");
            }
            at += (uint64_t)n;
        }
        at = at < m->size ? page_end(m, at) : at;
    }
    syscall(SYS_ftruncate, fd, m->size);
    close(fd);
}

static void image_file(const char *path, const struct name *name, enum disk_luck luck,
                       uint64_t *dice)
{
    struct medium *from = &media[name->file], copy = {0};

    set_size(&copy, from->size);
    if (from->size) {
        memcpy(copy.bytes, from->bytes, from->size);
    }
    for (size_t i = 0; i < from->pending_count; i++) {
        const struct event *e = &events[from->pending[i]];

        if (e->kind == SIZE) {
            if (keeps(luck, dice)) {
                set_size(&copy, e->offset);
            }
        } else {
            apply_pages(&copy, e, luck, dice);
        }
    }
    write_image_file(path, name->name, &copy);
    free(copy.bytes);
}

void disk_image(const char *path, enum disk_luck luck, uint64_t seed)
{
    static struct name names[FILES_MAX];
    unsigned count = durable_count;
    uint64_t dice = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    // Names go through the file system's journal: in order, up to somewhere.
    size_t some = names_pending_count ? roll(&dice) % (names_pending_count + 1) : 0;
    size_t upto = luck == DISK_NOTHING ? 0 : luck == DISK_EVERYTHING ? names_pending_count : some;

    memcpy(names, durable_names, count * sizeof(*names));
    for (size_t i = 0; i < upto; i++) {
        apply_name(names, &count, &events[names_pending[i]]);
    }
    for (unsigned i = 0; i < count; i++) {
        image_file(path, &names[i], luck, &dice);
    }
}
