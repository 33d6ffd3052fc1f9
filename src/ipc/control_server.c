// SPDX-License-Identifier: Apache-2.0
#include "ipc/control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "net/worker_pool.h"

#include "base/banned.h"

#define THREADS           8
#define WAITING_MAX       32
#define REQUEST_WAIT_MS   10000
#define CHUNK_WAIT_MS     (10 * 60000LL)
#define SEND_WAIT_MS      60000
#define PROGRESS_EVERY_MS 100

struct control_server {
    struct loop_source source;
    struct worker_pool *workers;
    const struct control_command *commands;
    void *arg;
    _Atomic bool stopping;
    struct lock lock;  // guards the list
    struct list calls; // with a descriptor open
};

struct control_call {
    struct worker_task task;
    struct list entry;
    struct control_server *server;
    int fd;
    json_t *request;
    void *who;
    struct buf in;
    int64_t next_progress_ms;
    bool answered, broken, input_over;
};

enum err control_socket_open(const char *data_dir, int *out_fd)
{
    int dir CLEANUP_FD = -1;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    enum err e = file_open_dir(AT_FDCWD, data_dir, false, &dir);

    if (e != ERR_OK) {
        return e;
    }
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, CONTROL_SOCKET_NAME);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    unlinkat(dir, CONTROL_SOCKET_NAME, 0); // whoever has the directory's lock owns the name
    mode_t before = umask(0177);
    int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));

    umask(before);
    if (r < 0 || listen(fd, 64) < 0) {
        e = err_from_errno(errno);
        close(fd);
        return e;
    }
    *out_fd = fd;
    return ERR_OK;
}

// ---- for handlers -------------------------------------------------------------------------------

const char *control_command_name(struct control_call *c)
{
    return json_string_value(json_object_get(c->request, "command"));
}

void *control_who(struct control_call *c)
{
    return c->who;
}

json_t *control_args(struct control_call *c)
{
    return json_object_get(c->request, "args");
}

const char *control_arg_text(struct control_call *c, const char *name)
{
    return json_string_value(json_object_get(control_args(c), name));
}

bool control_arg_bool(struct control_call *c, const char *name)
{
    return json_is_true(json_object_get(control_args(c), name));
}

bool control_cancelled(struct control_call *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

    if (c->broken || atomic_load(&c->server->stopping)) {
        return true;
    }
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

enum err control_read_chunk(struct control_call *c, struct buf *into)
{
    enum control_kind kind;

    if (c->input_over) {
        return ERR_EOF;
    }
    enum err e = control_frame_read(c->fd, CHUNK_WAIT_MS, &c->in, &kind);

    if (e != ERR_OK || (kind != CONTROL_CHUNK && kind != CONTROL_END)) {
        c->broken = true;
        return e == ERR_OK || e == ERR_EOF ? ERR_INVALID : e;
    }
    if (kind == CONTROL_END) {
        c->input_over = true;
        return ERR_EOF;
    }
    buf_put(into, buf_span(&c->in));
    return buf_result(into);
}

static enum err send_frame(struct control_call *c, enum control_kind kind, struct span payload)
{
    enum err e = c->broken ? ERR_EOF : control_frame_write(c->fd, kind, payload, SEND_WAIT_MS);

    c->broken |= e != ERR_OK;
    return e;
}

enum err control_write_chunk(struct control_call *c, struct span bytes)
{
    enum err e = ERR_OK;

    while (bytes.n && e == ERR_OK) {
        e = send_frame(c, CONTROL_CHUNK, span_first(bytes, CONTROL_CHUNK_BYTES));
        bytes = span_skip(bytes, CONTROL_CHUNK_BYTES);
    }
    return e;
}

static enum err send_json(struct control_call *c, enum control_kind kind, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    enum err e = text ? send_frame(c, kind, span_from_str(text)) : ERR_NOMEM;

    if (text) {
        explicit_bzero(text, strlen(text)); // may hold a new password
    }
    free(text);
    return e;
}

void control_progress(struct control_call *c, uint64_t done, uint64_t total, const char *text)
{
    int64_t now = clock_monotonic_ms();

    if (now < c->next_progress_ms) {
        return;
    }
    c->next_progress_ms = now + PROGRESS_EVERY_MS;
    json_t *object = json_pack("{s:I, s:I, s:s*}", "done", (json_int_t)done, "total",
                               (json_int_t)total, "text", text);

    if (object) {
        send_json(c, CONTROL_PROGRESS, object);
        json_decref(object);
    }
}

void control_reply(struct control_call *c, json_t *result)
{
    json_t *object = result ? result : json_object();

    ASSERT(!c->answered);
    c->answered = true;
    if (object && send_json(c, CONTROL_RESULT, object) == ERR_LIMIT) {
        c->broken = false;
        c->answered = false;
        control_fail(c, ERR_LIMIT, "The answer is too large; ask for less");
    }
    json_decref(object);
}

void control_fail(struct control_call *c, enum err code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    ASSERT(!c->answered);
    c->answered = true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_t *object = json_pack("{s:s, s:s}", "code", err_name(code), "text", text);

    if (!object) { // the text was no UTF-8
        object = json_pack("{s:s, s:s}", "code", err_name(code), "text", "It did not work");
    }
    if (object) {
        send_json(c, CONTROL_ERROR, object);
        json_decref(object);
    }
}

// ---- the server ---------------------------------------------------------------------------------

static void end_call(struct control_call *c)
{
    lock_take(&c->server->lock);
    list_remove(&c->entry);
    lock_release(&c->server->lock);
    close(c->fd);
    json_decref(c->request);
    buf_finish(&c->in);
    free(c->who);
    free(c);
}

static bool read_request(struct control_call *c)
{
    enum control_kind kind;

    if (control_frame_read(c->fd, REQUEST_WAIT_MS, &c->in, &kind) != ERR_OK ||
        kind != CONTROL_REQUEST) {
        return false;
    }
    c->request = json_loadb(c->in.p ? c->in.p : "", c->in.n,
                            JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL); // judged by its command
    if (c->in.p) {
        explicit_bzero(c->in.p, c->in.n); // may hold a password
    }
    return json_is_object(c->request);
}

static void run_command(struct control_call *c)
{
    const char *name = json_string_value(json_object_get(c->request, "command"));
    const struct control_command *row = c->server->commands;

    if (json_integer_value(json_object_get(c->request, "version")) != CONTROL_VERSION || !name) {
        control_fail(c, ERR_UNSUPPORTED,
                     "This server speaks another version of the control "
                     "protocol; use the mailkeep command it came with");
        return;
    }
    while (row->name && strcmp(row->name, name) != 0) {
        row++;
    }
    if (!row->name) {
        control_fail(c, ERR_UNSUPPORTED, "The running server does not know this command");
        return;
    }
    row->run(c, c->server->arg);
    if (!c->answered) {
        control_fail(c, ERR_UNAVAILABLE, "The command ended without an answer");
    }
}

static void on_work(struct worker_task *t)
{
    struct control_call *c = LIST_ITEM(t, struct control_call, task);

    if (!atomic_load(&c->server->stopping) && read_request(c)) {
        run_command(c);
    }
    end_call(c);
}

static void start_call(struct control_server *s, int fd, void *who)
{
    struct control_call *c = calloc(1, sizeof(*c));

    if (!c) {
        free(who);
        close(fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->who = who;
    c->task.run = on_work;
    buf_init_secret(&c->in, CONTROL_FRAME_BYTES_MAX);
    lock_take(&s->lock);
    list_append(&s->calls, &c->entry);
    lock_release(&s->lock);
    if (worker_pool_submit(s->workers, &c->task) != ERR_OK) {
        control_fail(c, ERR_UNAVAILABLE, "Too many commands at once; try again");
        end_call(c);
    }
}

static void on_ready(struct loop_source *source, uint32_t events)
{
    struct control_server *s = LIST_ITEM(source, struct control_server, source);

    (void)events;
    for (int i = 0; i < 16; i++) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                usleep(10000); // rare, and short: the loop must not spin on it
            }
            return;
        }
        start_call(s, fd, NULL);
    }
}

enum err control_server_create_bare(unsigned threads, unsigned waiting_max,
                                    const struct control_command *commands, void *arg,
                                    struct control_server **out)
{
    struct control_server *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->commands = commands;
    s->arg = arg;
    s->source = (struct loop_source){.fd = -1, .ready = on_ready};
    lock_init(&s->lock, LOCK_LEAF);
    list_init(&s->calls);
    enum err e = worker_pool_create("control", threads, waiting_max, &s->workers);

    if (e != ERR_OK) {
        lock_finish(&s->lock);
        free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

enum err control_server_create(struct loop *l, int fd, const struct control_command *commands,
                               void *arg, struct control_server **out)
{
    struct control_server *s;
    enum err e = control_server_create_bare(THREADS, WAITING_MAX, commands, arg, &s);

    if (e != ERR_OK) {
        return e;
    }
    s->source.fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    e = loop_add(l, &s->source, EPOLLIN);
    if (e != ERR_OK) {
        s->source.fd = -1; // stays the caller's
        control_server_destroy(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void control_server_take(struct control_server *s, int fd)
{
    start_call(s, fd, NULL);
}

void control_server_take_for(struct control_server *s, int fd, void *who)
{
    start_call(s, fd, who);
}

void control_server_destroy(struct control_server *s)
{
    if (!s) {
        return;
    }
    loop_remove(&s->source);
    if (s->source.fd >= 0) {
        close(s->source.fd);
    }
    atomic_store(&s->stopping, true);
    lock_take(&s->lock);
    LIST_EACH(link, &s->calls)
    {
        // Reads end at once; what is being answered may still be sent.
        shutdown(LIST_ITEM(link, struct control_call, entry)->fd, SHUT_RD);
    }
    lock_release(&s->lock);
    worker_pool_destroy(s->workers);
    lock_finish(&s->lock);
    free(s);
}
