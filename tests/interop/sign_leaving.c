// SPDX-License-Identifier: Apache-2.0
//
// sign-leaving STORE SERVER PATH...: what leaves, signed with the keys of a store that nobody has
// open: PATH is read, PATH.out is written. The first PATH.prefix bytes that exist are taken as the
// header lines of ours in front. With SERVER not "-" the message is sealed (ARC) for example.org in
// its name, then signed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "delivery/sign.h"
#include "engine/local/local.h"

#define MESSAGE_BYTES_MAX (16u << 20)

static struct span message;

// In pieces of an odd size.
static enum err read_message(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    (void)arg;
    buf_put(out, span_first(span_skip(message, offset), n < 997 ? n : 997));
    return buf_result(out);
}

static void check(enum err e, const char *what)
{
    if (e != ERR_OK) {
        fprintf(stderr, "%s: %s\n", what, err_name(e));
        exit(1);
    }
}

static void sign_file(struct signer *s, struct span server, const char *path)
{
    char name[4096];
    struct buf text, prefix, lines;
    struct delivery_message m = {.read = read_message};
    FILE *out;

    buf_init(&text, MESSAGE_BYTES_MAX);
    buf_init(&prefix, 1 << 16);
    buf_init(&lines, SIGN_LINES_BYTES_MAX);
    check(file_read_whole(AT_FDCWD, path, &text), path);
    snprintf(name, sizeof(name), "%s.prefix", path);
    file_read_whole(AT_FDCWD, name, &prefix);
    message = buf_span(&text);
    m.bytes = message.n;
    m.prefix = buf_span(&prefix);
    if (!span_eq(server, SPAN("-"))) {
        check(sign_seal(s, SPAN("example.org"), server, &m, &lines), "sign_seal");
    }
    enum err e = sign_message(s, SPAN(""), &m, &lines);

    check(e == ERR_NOT_FOUND ? ERR_OK : e, "sign_message"); // nobody's: it leaves unsigned
    snprintf(name, sizeof(name), "%s.out", path);
    out = fopen(name, "wb");
    if (!out || fwrite(lines.p, 1, lines.n, out) != lines.n ||
        fwrite(prefix.p, 1, prefix.n, out) != prefix.n ||
        fwrite(text.p, 1, text.n, out) != text.n || fclose(out) != 0) {
        check(ERR_IO, name);
    }
    buf_finish(&text);
    buf_finish(&prefix);
    buf_finish(&lines);
}

int main(int argc, char **argv)
{
    struct engine_local_options eo = ENGINE_LOCAL_DEFAULTS;
    struct store_options so;
    struct engine *engine;
    struct store *store;
    struct signer *s;
    struct buf why;
    int dir = -1;

    if (argc < 4) {
        return 2;
    }
    buf_init(&why, 4096);
    eo.path = argv[1];
    check(file_open_dir(AT_FDCWD, argv[1], false, &dir), argv[1]);
    check(engine_local_open(dir, &eo, &engine, &why), "engine_local_open");
    store_options_default(&so);
    check(store_open(engine, &so, &store), "store_open");
    check(signer_create(store, &s), "signer_create");
    for (int i = 3; i < argc; i++) {
        sign_file(s, span_from_str(argv[2]), argv[i]);
    }
    signer_destroy(s);
    store_close(store);
    engine_close(engine);
    buf_finish(&why);
    return 0;
}
