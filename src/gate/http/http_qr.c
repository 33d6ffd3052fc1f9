// SPDX-License-Identifier: Apache-2.0
#include <openssl/crypto.h>
#include <qrencode.h>

#include "gate/http/http_account.h"

#include "base/banned.h"

#define QUIET          4 // modules of margin that ISO/IEC 18004 wants
#define TEXT_BYTES_MAX 2000

// Runs of dark modules, a row at a time.
static void put_rows(struct buf *b, const QRcode *code)
{
    for (int y = 0; y < code->width; y++) {
        const unsigned char *row = code->data + (size_t)y * (size_t)code->width;

        for (int x = 0, n; x < code->width; x += n) {
            for (n = 1; x + n < code->width && ((row[x + n] ^ row[x]) & 1) == 0; n++) {
            }
            if (row[x] & 1) {
                buf_printf(b, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, n, n);
            }
        }
    }
}

bool http_qr_put(struct buf *b, struct span text, const char *label)
{
    char copy[TEXT_BYTES_MAX + 1];

    if (text.n > TEXT_BYTES_MAX || span_find_byte(text, '\0') < text.n) {
        return false;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    QRcode *code = QRcode_encodeString8bit(copy, 0, QR_ECLEVEL_L);

    OPENSSL_cleanse(copy, sizeof(copy));
    if (!code) {
        return false;
    }
    int size = code->width + 2 * QUIET;

    buf_printf(b,
               "<svg class=\"qr\" role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\" "
               "shape-rendering=\"crispEdges\"><rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>"
               "<path fill=\"#000\" d=\"",
               label, size, size, size, size);
    put_rows(b, code);
    buf_put_str(b, "\"/></svg>\n");
    OPENSSL_cleanse(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
    return true;
}
