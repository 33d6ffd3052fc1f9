// SPDX-License-Identifier: Apache-2.0
//
// Keep as an SMTP dialogue sees it, played in the test: reads the frames that are for it, checks
// that their order is the one of ipc/message_table.h, notes what it got, and answers. Shared by the
// unit tests and the fuzz target.
#ifndef TESTS_UNIT_GATE_SMTP_KEEP_H
#define TESTS_UNIT_GATE_SMTP_KEEP_H

#include "dialogue_driver.h"

struct smtp_keep {
    bool is_lmtp;
    bool is_silent;    // notes, and answers nothing until it is played without
    unsigned end_code; // of MAIL_END; 0: 250
    // What it got, for people: "FROM a@b\nRCPT c@d\nDATA 5\nEND\n"; the bytes of DATA one after the
    // other, reset by each FROM; the last prefix.
    struct buf log, bytes, prefix;
    unsigned messages; // END
    uint32_t flags;    // of the last FROM
    uint64_t size, hold_until_ms;
    char helo[256], envid[128], orcpt[1025];
    unsigned notify; // of the last RCPT
    // private
    bool in_mail, is_ended;
    uint32_t rcpts, accepted[10000], accepted_n;
    struct buf owed; // answers not given yet
};

void smtp_keep_open(struct smtp_keep *k, bool is_lmtp);
void smtp_keep_close(struct smtp_keep *k);
// Does what an owner and keep do: takes what waits in d->pair.out, answers. True when anything
// moved. Stops the process when the dialogue breaks the rules.
bool smtp_keep_play(struct smtp_keep *k, struct dialogue *d);
// Sends all of `bytes` in pieces as driver_send does, with keep at work; returns what was taken
// before the dialogue ended or wants something else than keep.
size_t smtp_keep_send(struct smtp_keep *k, struct driver *r, struct span bytes, size_t piece);

#endif
