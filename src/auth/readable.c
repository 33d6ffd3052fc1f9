// SPDX-License-Identifier: Apache-2.0
#include "auth/readable.h"

#include <string.h>

#include "base/bytes.h"
#include "base/random.h"

#include "base/banned.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

char readable_char(unsigned bits)
{
    return alphabet[bits & 31];
}

void readable_make(char *out, size_t n)
{
    random_bytes(out, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = readable_char((unsigned char)out[i]);
    }
}

static char spelling_of(char c)
{
    c = byte_lower(c);
    return c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
}

bool readable_read(struct span typed, char *out, size_t n)
{
    size_t got = 0;

    for (size_t i = 0; i < typed.n; i++) {
        char c = spelling_of(typed.p[i]);

        if (c == '-' || c == ' ') {
            continue;
        }
        if (got == n || !c || !strchr(alphabet, c)) {
            return false;
        }
        out[got++] = c;
    }
    return got == n;
}

void readable_show(const char *chars, size_t n, size_t group, char *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i && i % group == 0) {
            out[at++] = '-';
        }
        out[at++] = chars[i];
    }
}
