// SPDX-License-Identifier: Apache-2.0
#include "cli/cli_offline.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/file.h"
#include "base/host_name.h"
#include "engine/local/local.h"
#include "ipc/control_frame.h"
#include "ipc/data_lock.h"
#include "keep/keep_store.h"
#include "queue/queue.h"

#include "base/banned.h"

#define WAIT_MS      (24 * 3600000LL) // the other end is ours; it ends when it ends
#define LOCK_WAIT_MS 3000             // beyond what cli_connect has waited

struct cli_offline {
    pid_t child;
};

// ---- the child's side ---------------------------------------------------------------------------

static enum err io_read(void *arg, struct buf *into)
{
    enum control_kind kind;
    struct buf frame;

    buf_init(&frame, CONTROL_FRAME_BYTES_MAX);
    enum err e = control_frame_read(*(int *)arg, WAIT_MS, &frame, &kind);

    if (e == ERR_OK && kind == CONTROL_CHUNK) {
        buf_put(into, buf_span(&frame));
        e = buf_result(into);
    } else if (e == ERR_OK) {
        e = kind == CONTROL_END ? ERR_EOF : ERR_INVALID;
    }
    buf_finish(&frame);
    return e;
}

static enum err io_write(void *arg, struct span bytes)
{
    enum err e = ERR_OK;

    while (bytes.n > 0 && e == ERR_OK) {
        e = control_frame_write(*(int *)arg, CONTROL_CHUNK, span_first(bytes, CONTROL_CHUNK_BYTES),
                                WAIT_MS);
        bytes = span_skip(bytes, CONTROL_CHUNK_BYTES);
    }
    return e;
}

static enum err write_json(int fd, enum control_kind kind, json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    enum err e = text ? control_frame_write(fd, kind, span_from_str(text), WAIT_MS) : ERR_NOMEM;

    free(text);
    json_decref(j);
    return e;
}

static void io_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    static uint64_t shown;

    // A terminal needs no more than a hundred steps; the first and the last are always said.
    if (done == 0 || done == total || total < 100 || done >= shown + total / 100) {
        shown = done;
        write_json(*(int *)arg, CONTROL_PROGRESS,
                   json_pack("{s:I, s:I, s:s}", "done", (json_int_t)done, "total",
                             (json_int_t)total, "text", text ? text : ""));
    }
}

static bool io_cancelled(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void write_error(int fd, enum err code, const char *text)
{
    write_json(fd, CONTROL_ERROR, json_pack("{s:s, s:s}", "code", err_name(code), "text", text));
}

// One request, one operation.
static void serve(int fd, const struct admin *admin)
{
    const struct admin_io io = {io_read, io_write, io_progress, io_cancelled, &fd};
    struct admin_outcome outcome;
    enum control_kind kind;
    struct buf frame;

    buf_init(&frame, CONTROL_FRAME_BYTES_MAX);
    if (control_frame_read(fd, WAIT_MS, &frame, &kind) != ERR_OK || kind != CONTROL_REQUEST) {
        buf_finish(&frame);
        return;
    }
    json_t *request = json_loadb(frame.p, frame.n, JSON_ALLOW_NUL, NULL);
    const char *name = json_string_value(json_object_get(request, "command"));

    explicit_bzero(frame.p, frame.n); // there may be a password in it
    buf_finish(&frame);
    admin_run(admin, &admin_local_root, name ? name : "", json_object_get(request, "args"), &io,
              &outcome);
    json_decref(request);
    if (outcome.code == ERR_OK) {
        write_json(fd, CONTROL_RESULT, outcome.result);
    } else {
        write_error(fd, outcome.code, outcome.text);
    }
}

// Drops to the owner of the data directory. False: explained to the other side.
static bool become_owner(int fd, const char *data_dir)
{
    struct stat st;

    if (geteuid() != 0 || stat(data_dir, &st) != 0 || st.st_uid == 0) {
        return true;
    }
    if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0) {
        write_error(fd, ERR_DENIED, "The data directory's owner could not be impersonated.");
        return false;
    }
    return true;
}

static bool lock(int fd, const char *data_dir)
{
    char text[400];
    int lock_fd, pid = 0;
    enum err e = data_lock_take(data_dir, LOCK_WAIT_MS, &lock_fd, &pid);

    if (e == ERR_OK) {
        return true; // held until the process ends
    }
    if (e == ERR_EXISTS) {
        snprintf(text, sizeof(text),
                 "The mail in %s is in use by process %d, which does not answer on its control "
                 "socket. If a server is starting or stopping, try again in a few seconds; if it "
                 "hangs, restart it.",
                 data_dir, pid);
        e = ERR_UNAVAILABLE;
    } else {
        snprintf(text, sizeof(text),
                 "The data directory %s cannot be used (%s). Run this as root (sudo) or as its "
                 "owner.",
                 data_dir, err_name(e));
    }
    write_error(fd, e, text);
    return false;
}

// Nothing is sent without a server: the queue's limits do not matter.
static enum err serve_opened(int fd, struct settings *s, const struct keep_store *k)
{
    char server[HOST_NAME_BYTES];
    struct queue_options o;
    struct admin admin;

    keep_store_admin(s, k, &admin);
    host_name(conf_value_text(s, SETTING_SERVER_NAME), admin.default_domain, server);
    admin.server = span_from_str(server);
    queue_options_default(&o);
    enum err e = trail_open(k->engine, &admin.trail);

    o.trail = admin.trail;
    e = e == ERR_OK ? queue_open(k->engine, &o, &admin.queue) : e;
    if (e == ERR_OK) {
        serve(fd, &admin);
        queue_close(admin.queue);
    }
    trail_close(admin.trail);
    return e;
}

static void child_run(int fd, struct settings *s, const char *data_dir)
{
    struct keep_store k = {.engine = NULL};
    struct buf why;

    // The terminal's Ctrl-C reaches the parent; we notice that it is gone and end in order.
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (!become_owner(fd, data_dir) || !lock(fd, data_dir)) {
        return;
    }
    buf_init(&why, 1024);
    enum err e = keep_store_open(s, &k, &why);

    if (e == ERR_OK) {
        e = serve_opened(fd, s, &k);
        keep_store_close(&k);
    }
    if (e != ERR_OK) {
        buf_put_byte(&why, '\0');
        char text[1400];

        snprintf(text, sizeof(text), "The mail in %s cannot be opened: %s%s%s.", data_dir,
                 err_name(e), why.n > 1 ? ": " : "", why.n > 1 ? why.p : "");
        write_error(fd, e, text);
    }
    buf_finish(&why);
}

// ---- the parent's side --------------------------------------------------------------------------

// The first command of a new installation comes before the first start of the server: the directory
// is made as the server would, owned by the user it runs as.
static int make_data_dir(struct cli *c, const char *data_dir)
{
    struct span user = conf_value_text(c->settings, SETTING_USER);
    const struct passwd *pw = geteuid() == 0 ? getpwnam(user.p) : NULL;

    if (geteuid() == 0 && !pw) {
        return cli_fail(c, CLI_CONFIG,
                        "there is no user \"%.*s\" on this machine (the setting `user`). Make it: "
                        "useradd --system %.*s",
                        SPAN_ARG(user), SPAN_ARG(user));
    }
    if (mkdir(data_dir, 0700) != 0 && errno != EEXIST) {
        return cli_fail(c, CLI_UNAVAILABLE,
                        "the data directory %s is not there and cannot be made (%s). Is the "
                        "setting data_dir right? Is a file system missing?",
                        data_dir, err_name(err_from_errno(errno)));
    }
    if (pw && chown(data_dir, pw->pw_uid, pw->pw_gid) != 0) {
        return cli_fail(c, CLI_UNAVAILABLE, "%s cannot be given to the user \"%.*s\" (%s)",
                        data_dir, SPAN_ARG(user), err_name(err_from_errno(errno)));
    }
    return CLI_OK;
}

int cli_offline_start(struct cli *c, int *out_fd, struct cli_offline **out)
{
    const char *data_dir = cli_data_dir(c);
    struct cli_offline *o = calloc(1, sizeof(*o));
    int pair[2], code = CLI_OK;

    if (access(data_dir, F_OK) != 0 && errno == ENOENT) {
        code = make_data_dir(c, data_dir);
    }
    if (code != CLI_OK || !o || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        free(o);
        return code != CLI_OK ? code : cli_fail(c, CLI_FAILED, "there is not enough memory");
    }
    fflush(stdout);
    o->child = fork();
    if (o->child == 0) {
        close(pair[0]);
        child_run(pair[1], c->settings, data_dir);
        _exit(0);
    }
    close(pair[1]);
    if (o->child < 0) {
        close(pair[0]);
        free(o);
        return cli_fail(c, CLI_FAILED, "no process can be started");
    }
    *out_fd = pair[0];
    *out = o;
    return CLI_OK;
}

void cli_offline_end(struct cli_offline *o)
{
    if (o) {
        while (waitpid(o->child, NULL, 0) < 0 && errno == EINTR) {
        }
        free(o);
    }
}
