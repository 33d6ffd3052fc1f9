// SPDX-License-Identifier: Apache-2.0
//
// Sends the DMARC reports that other domains are owed (RFC 7489 section 7.2): one a domain and day,
// when the day is over, to the addresses its record names now and that want it.
#ifndef DELIVERY_REPORT_SEND_H
#define DELIVERY_REPORT_SEND_H

#include "delivery/delivery.h"
#include "delivery/sign_keys.h"

#define REPORT_ADDRESSES_MAX 10 // of one report
#define REPORT_SEND_DAYS     3  // as long as it is tried to find out whom to tell
#define REPORT_SENT_DAYS     30 // as long as it is known that it was sent

struct report_send_options {
    sign_keys_ask *ask; // for TXT records; `arg` as below
    struct span from;   // our address in From; its domain reports
    struct span server; // our name
    uint32_t today;     // days before it are over; since 1970, UTC
    bool (*is_stopping)(void *arg);
    void *arg;
};

struct report_send_result {
    unsigned sent;    // reports that went into the queue
    unsigned waiting; // the DNS could not say to whom: to be tried again, REPORT_SEND_DAYS long
};
// Goes through all that is owed. Blocks as the DNS and the disk do. One thread at a time. ERR_*:
// the store's; what is not done is done the next time.
enum err report_send_all(struct delivery *d, struct reports *r, const struct report_send_options *o,
                         struct report_send_result *out);

#endif
