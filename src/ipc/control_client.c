// SPDX-License-Identifier: Apache-2.0
#include "ipc/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

#include "base/banned.h"

#define SEND_WAIT_MS    (10 * 60000LL)
#define RECEIVE_WAIT_MS (24 * 3600000LL)

struct control_client {
    int fd;
    int64_t patience_ms;
    struct buf in;
    json_t *json;       // of the last event
    bool over, hung_up; // the server sends no more; the server reads no more
};

enum err control_connect(const char *data_dir, struct control_client **out)
{
    int dir CLEANUP_FD = -1;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    enum err e = file_open_dir(AT_FDCWD, data_dir, false, &dir);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_UNAVAILABLE : e;
    }
    // Through the directory's descriptor: its path may be longer than a socket address.
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, CONTROL_SOCKET_NAME);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        bool absent = errno == ENOENT || errno == ECONNREFUSED;

        e = absent ? ERR_UNAVAILABLE : err_from_errno(errno);
        close(fd);
        return e;
    }
    return control_client_adopt(fd, out);
}

enum err control_client_adopt(int fd, struct control_client **out)
{
    struct control_client *c = calloc(1, sizeof(*c));

    if (!c) {
        close(fd);
        return ERR_NOMEM;
    }
    c->fd = fd;
    c->patience_ms = RECEIVE_WAIT_MS;
    buf_init_secret(&c->in, CONTROL_FRAME_BYTES_MAX);
    *out = c;
    return ERR_OK;
}

void control_disconnect(struct control_client *c)
{
    if (c) {
        json_decref(c->json);
        close(c->fd);
        buf_finish(&c->in);
        free(c);
    }
}

void control_patience(struct control_client *c, int64_t ms)
{
    c->patience_ms = ms;
}

// A server that hung up may have said why before: that is for control_next to find.
static enum err send_frame(struct control_client *c, enum control_kind kind, struct span payload)
{
    if (c->hung_up) {
        return ERR_OK;
    }
    enum err e = control_frame_write(c->fd, kind, payload, SEND_WAIT_MS);

    c->hung_up = e == ERR_EOF;
    return c->hung_up ? ERR_OK : e;
}

enum err control_request(struct control_client *c, const char *command, json_t *args)
{
    json_t *request =
        json_pack("{s:i, s:s, s:O*}", "version", CONTROL_VERSION, "command", command, "args", args);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    enum err e = text ? ERR_OK : ERR_INVALID;

    if (e == ERR_OK) {
        e = send_frame(c, CONTROL_REQUEST, span_from_str(text));
        explicit_bzero(text, strlen(text)); // may hold a password
    }
    free(text);
    json_decref(request);
    return e;
}

enum err control_send_chunk(struct control_client *c, struct span bytes)
{
    enum err e = ERR_OK;

    while (bytes.n && e == ERR_OK) {
        e = send_frame(c, CONTROL_CHUNK, span_first(bytes, CONTROL_CHUNK_BYTES));
        bytes = span_skip(bytes, CONTROL_CHUNK_BYTES);
    }
    return e;
}

enum err control_send_end(struct control_client *c)
{
    return send_frame(c, CONTROL_END, SPAN(""));
}

enum err control_next(struct control_client *c, struct control_event *out)
{
    enum control_kind kind;

    if (c->over) {
        return ERR_EOF;
    }
    json_decref(c->json);
    c->json = NULL;
    enum err e = control_frame_read(c->fd, c->patience_ms, &c->in, &kind);

    if (e != ERR_OK) {
        return e == ERR_EOF ? ERR_IO : e; // an end without a result is no orderly end
    }
    *out = (struct control_event){.kind = kind};
    if (kind == CONTROL_CHUNK) {
        out->chunk = buf_span(&c->in);
        return ERR_OK;
    }
    if (kind != CONTROL_PROGRESS && kind != CONTROL_RESULT && kind != CONTROL_ERROR) {
        return ERR_INVALID;
    }
    c->json = json_loadb(c->in.p ? c->in.p : "", c->in.n, JSON_REJECT_DUPLICATES, NULL);
    c->over = kind != CONTROL_PROGRESS;
    out->json = c->json;
    return json_is_object(c->json) ? ERR_OK : ERR_INVALID;
}

enum err control_call_simple(const char *data_dir, const char *command, json_t *args,
                             control_progress_fn *progress, void *arg, json_t **out_json)
{
    struct control_client *c;
    struct control_event event;
    enum err e = control_connect(data_dir, &c);

    if (e != ERR_OK) {
        return e;
    }
    e = control_request(c, command, args);
    while (e == ERR_OK && (e = control_next(c, &event)) == ERR_OK) {
        if (event.kind == CONTROL_PROGRESS && progress) {
            const char *text = json_string_value(json_object_get(event.json, "text"));

            progress(arg, (uint64_t)json_integer_value(json_object_get(event.json, "done")),
                     (uint64_t)json_integer_value(json_object_get(event.json, "total")), text);
        } else if (event.kind == CONTROL_RESULT || event.kind == CONTROL_ERROR) {
            *out_json = json_incref(event.json);
            e = event.kind == CONTROL_RESULT ? ERR_OK : ERR_INVALID;
            break;
        }
    }
    control_disconnect(c);
    return e == ERR_EOF ? ERR_IO : e;
}
