// SPDX-License-Identifier: Apache-2.0
//
// Mail on its way through keep: the queue, delivery, and what leaves by the courier; opened after
// the store and closed before it. Functions on the loop's thread.
#ifndef KEEP_KEEP_MAIL_H
#define KEEP_KEEP_MAIL_H

#include "base/host_name.h"
#include "conf/settings.h"
#include "delivery/delivery.h"
#include "net/loop.h"

struct inbound;
struct keep_link_login;
struct keep_sessions;
struct ipc_mail;
struct keep_reports;
struct keep_trail;
struct outbound;

struct keep_mail {
    struct trail *trail;
    struct keep_trail *trail_upkeep;
    struct reports *reports;
    struct keep_reports *report_reader;
    struct queue *queue;
    struct delivery *delivery;
    struct outbound *outbound;
    struct inbound *inbound;
    char server[HOST_NAME_BYTES]; // our name
    char relay_password[4097];    // wiped when it is not needed any more
};

// What lies outside of the data directory: before the sandbox. Logs what is wrong.
enum err keep_mail_prepare(const struct settings *s, struct keep_mail *m);
// The store and the loop stay the caller's and must outlive it. On an error what is open is closed
// by keep_mail_close. Blocks.
enum err keep_mail_open(const struct settings *s, struct store *store, struct loop *loop,
                        struct keep_mail *m);
// From here on mail can come in.
enum err keep_mail_open_inbound(const struct settings *s, struct store *store,
                                struct keep_sessions *sessions, struct keep_mail *m);
// Whatever can change while the process runs.
void keep_mail_apply(const struct settings *s, struct keep_mail *m);
// No mail comes in any more; what is being delivered is finished. Blocks.
void keep_mail_stop_inbound(struct keep_mail *m, int64_t timeout_ms);
// Lets messages that the courier has whole come to their end, for `timeout_ms`. Blocks.
void keep_mail_close(struct keep_mail *m, int64_t timeout_ms);

#endif
