// SPDX-License-Identifier: Apache-2.0
//
// Sends the reports that other domains are owed, on a thread of its own: some time within two hours
// after a day has ended, so that not all servers of the world do so in the same minute.
#ifndef KEEP_KEEP_REPORT_SENDER_H
#define KEEP_KEEP_REPORT_SENDER_H

#include "conf/settings.h"
#include "delivery/report_send.h"

struct keep_report_sender;

struct keep_report_sender_options {
    const struct settings *settings; // of the start; these stay the caller's and must outlive it
    struct delivery *delivery;
    struct reports *reports;
    struct span server;
    sign_keys_ask *ask; // waits for the DNS
    void *arg;
};

enum err keep_report_sender_start(const struct keep_report_sender_options *o,
                                  struct keep_report_sender **out);
void keep_report_sender_stop(struct keep_report_sender *k); // NULL is allowed

#endif
