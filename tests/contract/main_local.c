// SPDX-License-Identifier: Apache-2.0
//
// The contract suite on the local engine: with small segments and short intervals, so that changes
// of segment, checkpoints and compaction all happen under the tests.
#include <dirent.h>

#include "contract.h"
#include "engine/local/local.h"

static char folder[] = "/tmp/mailkeep-contract-XXXXXX";
static int folder_fd = -1;

static struct engine *open_again(void)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct engine *e = NULL;
    struct buf why;

    o.segment_bytes = 4u << 20;
    o.reserve_bytes = 1u << 20;
    o.map_bytes = 1u << 30;
    o.memtable_bytes = 4u << 20;
    o.checkpoint_ms = 30;
    o.compact_ms = 20;
    o.compress_after_s = 0;
    o.files_max = 8;
    buf_init(&why, 4096);
    enum err error = engine_local_open(folder_fd, &o, &e, &why);

    if (error != ERR_OK) {
        print_error("open: %s: %.*s\n", err_name(error), (int)why.n, why.p);
    }
    buf_finish(&why);
    return e;
}

static struct engine *open_new(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder)) {
        return NULL;
    }
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd >= 0 ? open_again() : NULL;
}

static struct engine *reopen(struct engine *e)
{
    engine_close(e);
    return open_again();
}

static void remove_in(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    for (struct dirent *f; d && (f = readdir(d));) {
        unlinkat(fd, f->d_name, 0);
    }
    if (d) {
        closedir(d);
    }
}

static void close_and_remove(struct engine *e)
{
    engine_close(e);
    remove_in(folder_fd, "index");
    remove_in(folder_fd, "journal");
    remove_in(folder_fd, ".");
    unlinkat(folder_fd, "index", AT_REMOVEDIR);
    unlinkat(folder_fd, "journal", AT_REMOVEDIR);
    close(folder_fd);
    rmdir(folder);
}

const struct contract_engine contract = {
    .open = open_new,
    .reopen = reopen,
    .close = close_and_remove,
    .load = 2000,
};

int main(void)
{
    return contract_run();
}
