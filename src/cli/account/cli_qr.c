// SPDX-License-Identifier: Apache-2.0
#include "cli/account/cli_qr.h"

#include <qrencode.h>
#include <stdio.h>
#include <unistd.h>

#include "base/banned.h"

#define QUIET 4 // modules of margin that ISO/IEC 18004 wants

// What is light is drawn: a camera wants dark modules on a light ground, and a terminal is dark.
static bool is_light(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) {
        return true;
    }
    return (code->data[y * code->width + x] & 1) == 0;
}

static void print_line(const QRcode *code, int y, const char *before, const char *after)
{
    static const char *const blocks[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};

    fputs(before, stdout);
    for (int x = -QUIET; x < code->width + QUIET; x++) {
        bool upper = is_light(code, x, y), lower = is_light(code, x, y + 1);

        fputs(blocks[upper * 2 + lower], stdout);
    }
    printf("%s\n", after);
}

bool cli_qr_print(const char *text)
{
    // Both colours are said: on a light terminal it would be inside out, which some apps cannot
    // read.
    bool colours = isatty(STDOUT_FILENO);
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (!code) {
        return false;
    }
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        print_line(code, y, colours ? "\033[40;97m" : "", colours ? "\033[0m" : "");
    }
    QRcode_free(code);
    return true;
}
