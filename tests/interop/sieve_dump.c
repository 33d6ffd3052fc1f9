// SPDX-License-Identifier: Apache-2.0
//
// What test_interop_sieve.py runs: a script and a message, given as files, to the actions as text.
#include <stdio.h>

#include "../unit/sieve/sieve_driver.h"

static enum err read_file(const char *path, struct buf *out)
{
    char piece[4096];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f) {
        return ERR_IO;
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        buf_put(out, span_of(piece, n));
    }
    fclose(f);
    return buf_result(out);
}

int main(int argc, char **argv)
{
    struct buf script, message, out;
    struct world w;

    buf_init(&script, 2 << 20);
    buf_init(&message, 64 << 20);
    buf_init(&out, 4 << 20);
    if (argc != 3 || read_file(argv[1], &script) != ERR_OK ||
        read_file(argv[2], &message) != ERR_OK) {
        fprintf(stderr, "usage: sieve-dump SCRIPT MESSAGE\n");
        return 2;
    }
    world_init(&w);
    w.env.message = buf_span(&message);
    enum err e = world_run(&w, buf_span(&script), SIEVE_STEPS_DEFAULT, false, &out);

    fwrite(out.p, 1, out.n, stdout);
    buf_finish(&out);
    buf_finish(&message);
    buf_finish(&script);
    return e == ERR_OK ? 0 : 1;
}
