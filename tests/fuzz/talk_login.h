// SPDX-License-Identifier: Apache-2.0
//
// One stranger for a fuzz target: it says anything at all to a dialogue before login, and goes. The
// first two bytes choose how it came in, in which pieces it arrives and how keep answers. Nothing
// may crash; no password is asked about in the clear; every answer is whole lines; nothing is taken
// once the dialogue is over.
#ifndef TESTS_FUZZ_TALK_LOGIN_H
#define TESTS_FUZZ_TALK_LOGIN_H

#include "../unit/gate/dialogue_driver.h"

struct talk_login {
    const struct dialogue_protocol *protocol;
    // More of what was said at once; the lines are whole. NULL: nothing.
    void (*check)(struct span said);
    bool has_literals; // which hold any bytes; `check` looks at the lines then
};

void talk_login_fuzz(const struct talk_login *l, const uint8_t *data, size_t n);

#endif
