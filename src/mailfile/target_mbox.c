// SPDX-License-Identifier: Apache-2.0
//
// mbox files: Work/Projects is Work/Projects.mbox below the folder.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "mailfile/mail_target_internal.h"
#include "mailfile/mbox_writer.h"

#include "base/banned.h"

// Opens (and makes) the folder of all levels but the last, which stays in `*name`.
static enum err open_parent(struct mail_target *t, struct span *name, int *out_fd)
{
    int fd = fcntl(t->root, F_DUPFD_CLOEXEC, 3);
    struct buf level;

    buf_init(&level, 1024);
    while (fd >= 0 && memchr(name->p, '/', name->n)) {
        buf_clear(&level);
        mail_target_level(span_split(name, '/'), &level);
        buf_put_byte(&level, '\0');
        int next = -1;

        if (!level.failed && (mkdirat(fd, level.p, 0700) == 0 || errno == EEXIST)) {
            next = openat(fd, level.p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        close(fd);
        fd = next;
    }
    buf_finish(&level);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    *out_fd = fd;
    return ERR_OK;
}

enum err target_mbox_mailbox(struct mail_target *t, struct span name)
{
    struct buf file;
    int dir;

    if (t->options.is_single) {
        return ERR_OK;
    }
    enum err e = t->file.fd >= 0 ? out_file_flush(&t->file) : ERR_OK;

    if (e == ERR_OK) {
        e = open_parent(t, &name, &dir);
    }
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&file, 1024);
    mail_target_level(name, &file);
    buf_put_str(&file, ".mbox");
    buf_put_byte(&file, '\0');
    e = file.failed ? ERR_LIMIT : out_file_create(&t->file, dir, file.p);
    buf_finish(&file);
    close(dir);
    return e;
}

static bool to_writer(void *arg, struct span bytes)
{
    return mbox_writer_put(arg, bytes);
}

enum err target_mbox_message(struct mail_target *t, struct spool *bytes, bool keep_crlf,
                             const struct mail_meta *meta)
{
    struct mbox_writer w;

    if (!mbox_writer_begin(&w, out_file_sink(&t->file), keep_crlf, SPAN(""), meta)) {
        return t->file.result;
    }
    enum err e = spool_send(bytes, (struct mail_sink){to_writer, &w});

    if (e == ERR_OK && !mbox_writer_end(&w)) {
        e = ERR_IO;
    }
    return t->file.result != ERR_OK ? t->file.result : e;
}
