// SPDX-License-Identifier: Apache-2.0
#include "base/encode.h"

#include "base/banned.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct span in)
{
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)p[i] << 16;

        if (left > 1) {
            v |= (uint32_t)p[i + 1] << 8;
        }
        if (left > 2) {
            v |= p[i + 2];
        }
        char four[4] = {alphabet[v >> 18], alphabet[(v >> 12) & 63],
                        left > 1 ? alphabet[(v >> 6) & 63] : '=',
                        left > 2 ? alphabet[v & 63] : '='};

        buf_put(out, span_of(four, 4));
    }
}

static int base64_value(char c)
{
    if (byte_is_alpha(c)) {
        return c >= 'a' ? c - 'a' + 26 : c - 'A';
    }
    if (byte_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err base64_decode(struct buf *out, struct span in)
{
    if (in.n % 4) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < in.n; i += 4) {
        bool last = i + 4 == in.n;
        int pad = last && in.p[i + 3] == '=' ? (in.p[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;

        for (int k = 0; k < 4; k++) {
            int d = k >= 4 - pad ? 0 : base64_value(in.p[i + (size_t)k]);

            if (d < 0) {
                return ERR_INVALID;
            }
            v = v << 6 | (uint32_t)d;
        }
        if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) {
            return ERR_INVALID;
        }
        char three[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};

        buf_put(out, span_of(three, (size_t)(3 - pad)));
    }
    return buf_result(out);
}

enum err base64url_decode(struct buf *out, struct span in)
{
    enum err e = in.n % 4 == 1 ? ERR_INVALID : ERR_OK;

    for (size_t i = 0; i < in.n && e == ERR_OK; i += 4) {
        struct span piece = span_first(span_skip(in, i), 4);
        char four[4] = {'=', '=', '=', '='};

        for (size_t k = 0; k < piece.n; k++) {
            char c = piece.p[k];

            // What only the other alphabet has must not pass.
            e = c == '+' || c == '/' || c == '=' ? ERR_INVALID : e;
            four[k] = c == '-' ? '+' : c == '_' ? '/' : c;
        }
        e = e == ERR_OK ? base64_decode(out, span_of(four, 4)) : e;
    }
    return e;
}

void hex_encode(struct buf *out, struct span in)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < in.n; i++) {
        buf_put_byte(out, digits[(unsigned char)in.p[i] >> 4]);
        buf_put_byte(out, digits[in.p[i] & 15]);
    }
}

enum err hex_decode(struct buf *out, struct span in)
{
    if (in.n % 2) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < in.n; i += 2) {
        int high = byte_hex(in.p[i]), low = byte_hex(in.p[i + 1]);

        if (high < 0 || low < 0) {
            return ERR_INVALID;
        }
        buf_put_byte(out, (char)(high << 4 | low));
    }
    return buf_result(out);
}
