// SPDX-License-Identifier: Apache-2.0
//
// Alerts to the administrator's webhook (ipc ALERT_POST): a POST of JSON over HTTPS, one at a time,
// on a thread of its own. Where to, and which certificates are trusted, is in the settings; what is
// sent, and its signature, come from keep, which alone has the key.
#ifndef COURIER_ALERT_POST_H
#define COURIER_ALERT_POST_H

#include "courier/dns/lookup.h"
#include "ipc/message.h"

struct alert_post;

struct alert_post_options {
    struct loop *loop; // set by alert_post_start
    struct lookup *lookup;
    struct span url;     // "https://host[:port]/path"; must stay
    const char *ca_file; // certificates to check against; "": the system's
    int64_t timeout_ms;
};

// Reads the file, so before the sandbox. ERR_INVALID: that is no such URL.
enum err alert_post_create(const struct alert_post_options *o, struct alert_post **out);
// Its thread, inside of the sandbox; the loop from now on.
enum err alert_post_start(struct alert_post *p, struct loop *loop);
void alert_post_stop(struct alert_post *p); // what runs ends soon. NULL is allowed
void alert_post_destroy(
    struct alert_post *p); // waits for it; the loop has stopped. NULL is allowed

// Answers once, on the loop's thread, at once or later; with NULL when alert_post_destroy comes
// first. `p` NULL: no webhook is set.
typedef void alert_post_done_fn(void *arg, const struct ipc_alert_result *m);
void alert_post_send(struct alert_post *p, const struct ipc_alert_post *m, alert_post_done_fn *done,
                     void *arg);

#endif
