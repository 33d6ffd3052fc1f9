// SPDX-License-Identifier: Apache-2.0
//
// As talk_login.h, with POP3 before login. Every answer begins with a status, or is a challenge, or
// the lines of a list up to its dot.
#include "fuzz.h"
#include "gate/pop3/pop3_login.h"
#include "talk_login.h"

static void check_answers(struct span said)
{
    bool in_list = false;

    while (said.n) {
        size_t n = span_find(said, SPAN("\r\n"));
        struct span line = span_first(said, n);
        bool is_status = span_starts(line, SPAN("+OK")) || span_starts(line, SPAN("-ERR")) ||
                         span_starts(line, SPAN("+ "));

        CHECK(n + 2 <= 512); // RFC 2449 section 4
        if (span_eq(line, SPAN("."))) {
            CHECK(in_list);
            in_list = false;
        } else {
            in_list = !is_status; // what is no status is of a list
        }
        said = span_skip(said, n + 2);
    }
    CHECK(!in_list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct talk_login l = {.protocol = &pop3_login_protocol, .check = check_answers};

    talk_login_fuzz(&l, data, n);
    return 0;
}
