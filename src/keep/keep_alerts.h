// SPDX-License-Identifier: Apache-2.0
//
// The thread that looks at what happens to accounts and warns of it (keep/alert).
#ifndef KEEP_KEEP_ALERTS_H
#define KEEP_KEEP_ALERTS_H

#include "conf/settings.h"
#include "keep/alert/alert_watch.h"

struct keep_alerts;

// The store and `server`, this server's name, must stay.
enum err keep_alerts_start(struct store *s, const struct settings *settings, struct span server,
                           struct keep_alerts **out);
void keep_alerts_set(struct keep_alerts *k, const struct settings *s); // any thread
// An administrator has put something there that is due. Any thread.
void keep_alerts_wake(struct keep_alerts *k);
// Ends the thread; before the store is closed. NULL is allowed.
void keep_alerts_stop(struct keep_alerts *k);

#endif
