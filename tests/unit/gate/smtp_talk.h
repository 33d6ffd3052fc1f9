// SPDX-License-Identifier: Apache-2.0
//
// One conversation of a client with an SMTP dialogue, with keep played by the test. Shared by the
// unit tests of SMTP, submission and LMTP; one conversation at a time.
#ifndef TESTS_UNIT_GATE_SMTP_TALK_H
#define TESTS_UNIT_GATE_SMTP_TALK_H

#include "../test.h"
#include "dialogue_driver.h"
#include "gate/smtp/smtp.h"
#include "smtp_keep.h"

extern struct driver client;
extern struct smtp_keep keep;

#define ENVELOPE "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n"

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        struct span has_ = (text);                                                                 \
        if (!has(has_, part)) {                                                                    \
            print_error("no \"%s\" in \"%.*s\"\n", part, SPAN_ARG(has_));                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

// A client of 192.0.2.7 is connected, not greeted; `conf` as in mailkeep.conf.
void start(const struct dialogue_protocol *p, const char *conf);
// The same of port 25, as far as 354.
void start_data(const char *conf);
void stop(void);
// What is answered; valid until the next.
struct span say_span(struct span text);
struct span say(const char *text);
bool has(struct span text, const char *part);
// Keep goes away.
void lose(void);

#endif
