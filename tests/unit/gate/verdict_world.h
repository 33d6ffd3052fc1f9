// SPDX-License-Identifier: Apache-2.0
//
// The checks on an incoming message with a world around them: a courier, its DNS and its filters,
// all the test's, on one loop.
#ifndef TESTS_UNIT_GATE_VERDICT_WORLD_H
#define TESTS_UNIT_GATE_VERDICT_WORLD_H

#include "../senderauth/zone.h"
#include "../test.h"
#include "base/buf.h"
#include "courier/filter/courier_filter.h"
#include "gate/verdict/verdict.h"

#define ASKED_MAX 300

enum courier { COURIER_ANSWERS, COURIER_SLEEPS, COURIER_AWAY, COURIER_DIES };

struct world {
    struct zone zone;
    struct arena arena;
    struct loop *loop;
    struct dns_desk *desk;
    struct settings *settings;
    enum courier courier;
    struct {
        uint64_t id;
        enum dns_type type;
        char name[256];
    } asked[ASKED_MAX];
    unsigned asked_n, answered_n;
    struct loop_task answer_task;
    bool is_posted;

    struct courier_filter *filter; // NULL: no filters in the courier
    struct verdict *verdict;
    struct buf out; // what goes on to keep
    bool is_done;
    enum verdict_action action;
    unsigned code;
    char enhanced[16], text[512], lines[4096], words[2048];
    struct buf report; // the frame
};

extern struct world *w;

int world_setup(void **state); // for cmocka
int world_teardown(void **state);

// A message's checks begin; `conf`: settings as in the file.
void begin(const char *conf, const char *ip, const char *sender, bool is_checked);
// Feeds the message, ends it, and waits for what is said of it: w->action and so on.
void finish(struct span message);
// Both.
void check(const char *conf, const char *ip, const char *sender, struct span message);
void assert_has(const char *text, const char *part);

#endif
