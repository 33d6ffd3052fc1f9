// SPDX-License-Identifier: Apache-2.0
//
// What needs a terminal: the progress bar and passwords.
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli.h"

#include "base/banned.h"

#define BAR_CELLS          30
#define PASSWORD_BYTES_MAX 1024

static bool bar_shown;

void cli_progress(struct cli *c, unsigned long long done, unsigned long long total,
                  const char *text)
{
    char bar[BAR_CELLS + 1];

    if (c->json || c->quiet || !isatty(STDERR_FILENO)) {
        return;
    }
    if (total) {
        unsigned full = (unsigned)(done >= total ? BAR_CELLS : done * BAR_CELLS / total);

        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', full);
        bar[BAR_CELLS] = '\0';
        fprintf(stderr, "\r\033[K[%s] %llu of %llu %.60s", bar, done, total, text ? text : "");
    } else {
        fprintf(stderr, "\r\033[K%llu %.60s", done, text ? text : "");
    }
    fflush(stderr);
    bar_shown = true;
}

void cli_progress_end(struct cli *c)
{
    (void)c;
    if (bar_shown) {
        fputs("\r\033[K", stderr);
        bar_shown = false;
    }
}

// One line from standard input, its end taken off. Byte by byte: what follows is not ours.
static int read_line(struct cli *c, struct buf *out)
{
    char byte;

    buf_clear(out);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, &byte, 1);

        if (n < 1 || byte == '\n') {
            break;
        }
        buf_put_byte(out, byte);
    }
    if (out->n && out->p[out->n - 1] == '\r') {
        out->n--;
    }
    if (out->failed) {
        return cli_fail(c, CLI_FAILED, "the password is longer than %d bytes", PASSWORD_BYTES_MAX);
    }
    return out->n ? CLI_OK : cli_fail(c, CLI_FAILED, "the password is empty");
}

static int ask(struct cli *c, const char *prompt, struct buf *out)
{
    struct termios before, silent;

    if (tcgetattr(STDIN_FILENO, &before) < 0) {
        return cli_fail(c, CLI_FAILED, "the terminal cannot be used");
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent); // before the prompt: an answer to it is kept
    fprintf(stderr, "%s: ", prompt);
    int code = read_line(c, out);

    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    fputc('\n', stderr);
    return code;
}

static void wipe(struct buf *b)
{
    if (b->p) {
        explicit_bzero(b->p, b->cap);
    }
    buf_finish(b);
}

int cli_read_password(struct cli *c, const char *prompt, bool twice, struct buf *out)
{
    struct buf first, second;

    buf_init(&first, PASSWORD_BYTES_MAX);
    buf_init(&second, PASSWORD_BYTES_MAX);
    buf_reserve(&first, PASSWORD_BYTES_MAX); // at once, so that growing leaves no copies behind
    buf_reserve(&second, PASSWORD_BYTES_MAX);
    bool terminal = isatty(STDIN_FILENO);
    int code = terminal ? ask(c, prompt, &first) : read_line(c, &first);

    if (code == CLI_OK && terminal && twice) {
        code = ask(c, "the same again", &second);
        if (code == CLI_OK && !span_eq(buf_span(&first), buf_span(&second))) {
            code = cli_fail(c, CLI_FAILED, "the two were not the same");
        }
    }
    if (code == CLI_OK) {
        buf_put(out, buf_span(&first));
        code = out->failed ? cli_fail(c, CLI_FAILED, "out of memory") : CLI_OK;
    }
    wipe(&first);
    wipe(&second);
    return code;
}
