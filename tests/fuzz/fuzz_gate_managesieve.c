// SPDX-License-Identifier: Apache-2.0
//
// As talk_login.h, with ManageSieve before login. A client's own words come back in NOOP's answer
// only, within a string.
#include "fuzz.h"
#include "gate/managesieve/managesieve_login.h"
#include "talk_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct talk_login l = {.protocol = &managesieve_login_protocol, .may_be_utf8 = true};

    talk_login_fuzz(&l, data, n);
    return 0;
}
