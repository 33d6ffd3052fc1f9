// SPDX-License-Identifier: Apache-2.0
#include "wire/text_scan.h"

#include "base/utf8.h"

#include "base/banned.h"

static void measure(struct text_scan *s, uint64_t bytes)
{
    s->longest = bytes > s->longest ? bytes : s->longest;
}

// `part`: bytes of one line, without its LF. A CR before its last byte is alone; whether the last
// byte is, the next one says.
static void scan_part(struct text_scan *s, struct span part)
{
    if (part.n == 0) {
        return;
    }
    size_t cr = span_find_byte(part, '\r');

    if (s->cr || cr + 1 < part.n) {
        s->faults |= TEXT_BARE_CR;
    }
    s->cr = part.p[part.n - 1] == '\r';
    s->line_bytes += part.n;
}

static void scan_lf(struct text_scan *s)
{
    if (!s->cr) {
        s->faults |= TEXT_BARE_LF;
        s->line_bytes++;
        return;
    }
    measure(s, s->line_bytes - 1);
    s->lines++;
    s->line_bytes = 0;
    s->cr = false;
}

void text_scan_put(struct text_scan *s, struct span piece)
{
    s->bytes += piece.n;
    s->faults |= span_find_byte(piece, '\0') < piece.n ? TEXT_NUL : 0;
    s->eight_bit = s->eight_bit || !utf8_is_ascii(piece);
    while (piece.n) {
        size_t lf = span_find_byte(piece, '\n');

        scan_part(s, span_first(piece, lf));
        if (lf == piece.n) {
            break;
        }
        scan_lf(s);
        piece = span_skip(piece, lf + 1);
    }
    measure(s, s->line_bytes - s->cr);
}

void text_scan_end(struct text_scan *s)
{
    s->faults |= s->cr ? TEXT_BARE_CR : 0;
    measure(s, s->line_bytes);
    s->cr = false;
}

const char *text_fault_name(uint32_t faults)
{
    if (faults & TEXT_NUL) {
        return "a NUL byte";
    }
    if (faults & TEXT_BARE_LF) {
        return "a line feed without carriage return";
    }
    return faults & TEXT_BARE_CR ? "a carriage return without line feed" : "nothing wrong";
}
