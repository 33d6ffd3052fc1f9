// SPDX-License-Identifier: Apache-2.0
//
// As talk_login.h, with ManageSieve before login. A client's own words come back in NOOP's answer
// only, within a string: what is around it is whole lines all the same.
#include "fuzz.h"
#include "gate/managesieve/managesieve_login.h"
#include "talk_login.h"

// A quoted string, after its first quote; gives what is behind it.
static struct span skip_quoted(struct span s)
{
    while (s.n && s.p[0] != '"') {
        CHECK(s.p[0] != '\r' && s.p[0] != '\n' && s.p[0] != '\0');
        s = span_skip(s, s.p[0] == '\\' ? 2 : 1);
    }
    CHECK(s.n);
    return span_skip(s, 1);
}

static struct span skip_literal(struct span s)
{
    size_t n = 0;

    while (s.n && byte_is_digit(s.p[0]) && n < 100000) {
        n = n * 10 + (size_t)(s.p[0] - '0');
        s = span_skip(s, 1);
    }
    CHECK(span_starts(s, SPAN("}\r\n")) && s.n - 3 >= n);
    return span_skip(s, n + 3);
}

static void check_lines(struct span said)
{
    while (said.n) {
        unsigned char c = (unsigned char)said.p[0];

        if (span_starts(said, SPAN("\r\n"))) {
            said = span_skip(said, 2);
            continue;
        }
        CHECK(c >= 0x20 && c < 0x7f);
        said = span_skip(said, 1);
        said = c == '"' ? skip_quoted(said) : c == '{' ? skip_literal(said) : said;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct talk_login l = {
        .protocol = &managesieve_login_protocol, .check = check_lines, .has_literals = true};

    talk_login_fuzz(&l, data, n);
    return 0;
}
