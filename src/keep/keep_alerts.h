// SPDX-License-Identifier: Apache-2.0
//
// The thread that looks at what happens to accounts and warns of it (keep/alert).
#ifndef KEEP_KEEP_ALERTS_H
#define KEEP_KEEP_ALERTS_H

#include "conf/settings.h"
#include "keep/alert/alert_watch.h"

struct keep_alerts;

#define KEEP_ALERTS_KEY_BYTES_MAX 4096

// Reads the webhook's key where one is wanted: before the sandbox. Logs what is wrong. `key` has
// been set up for KEEP_ALERTS_KEY_BYTES_MAX.
enum err keep_alerts_prepare(const struct settings *s, struct buf *key);

struct keep_alerts_options {
    const struct settings *settings;
    // These must stay.
    struct store *store;
    struct span server; // this server's name
    struct span key;    // of the webhook; empty: there is none
    // Sends a frame to the courier; any thread, does not block.
    enum err (*send)(void *arg, struct span frame);
    void *arg;
};
enum err keep_alerts_start(const struct keep_alerts_options *o, struct keep_alerts **out);
// ALERT_RESULT has come; any thread. NULL is allowed.
enum err keep_alerts_posted(struct keep_alerts *k, struct span fields);
void keep_alerts_lost(struct keep_alerts *k); // the courier has ended; the same
void keep_alerts_set(struct keep_alerts *k, const struct settings *s); // any thread
// An administrator has put something there that is due. Any thread.
void keep_alerts_wake(struct keep_alerts *k);
// Mail was read: by a session, or by an administrator. Any thread; does not block on the disk.
void keep_alerts_read(struct keep_alerts *k, const struct alert_read *r);
// Ends the thread; before the store is closed. NULL is allowed.
void keep_alerts_stop(struct keep_alerts *k);

#endif
