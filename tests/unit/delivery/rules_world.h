// SPDX-License-Identifier: Apache-2.0
//
// A store with two accounts, a queue and a delivery, for tests of accounts' rules; and what
// is in them afterwards.
#ifndef TESTS_UNIT_DELIVERY_RULES_WORLD_H
#define TESTS_UNIT_DELIVERY_RULES_WORLD_H

#include "../store/support.h"
#include "base/clock.h"
#include "delivery/delivery.h"
#include "engine/memory/memory.h"
#include "mime/mime_header.h"
#include "store/route.h"
#include "store/rules.h"

// What a letter's header begins with.
#define HEAD                                                                                       \
    "Received: by x\r\nFrom: Me <me@example.net>\r\nTo: anna@example.org, bob@example.org\r\n"     \
    "Subject: hello\r\nMessage-ID: <1@example.net>\r\n"
// Delivers the letter to the addresses given.
#define RUN(...)                                                                                   \
    run(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

account_id account(const char *name);
void letter(const char *text);
int setup(void **state);
int teardown(void **state);
void run(unsigned count, const char *const *recipients);
void rules(account_id of, const char *text);
// Each mailbox that holds something: "INBOX 1:F Lists 2:" with the flags of its messages.
const char *kept(account_id of);
// The newest message of a mailbox.
struct span content(account_id of, const char *mailbox);
const char *queued(void);
// The last message listed, as it leaves.
struct span leaving(void);
// Does what keep's outbound does with mail for here. How many it was.
unsigned work_here(void);
// What the change log says of the rules, the newest first.
const char *said(account_id of);
bool has(struct span s, const char *what);
extern struct bench *const b;
extern struct delivery *delivery;
extern struct arena texts;
extern account_id anna, bob;
extern struct buf mail;
extern struct delivery_recipient to[8];
extern struct delivery_envelope env;
extern struct queue_message last_message;
extern struct queue_recipient last_recipient;
extern unsigned list_count;

#endif
