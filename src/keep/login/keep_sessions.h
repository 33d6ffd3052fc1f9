// SPDX-License-Identifier: Apache-2.0
//
// Who is logged in: counts sessions by user and by user and address, keeps the limits, and ends the
// sessions of an account. Any thread.
#ifndef KEEP_KEEP_SESSIONS_H
#define KEEP_KEEP_SESSIONS_H

#include "keep/login/session.h"
#include "store/store.h"

struct keep_sessions;
struct keep_session; // one that counts

struct keep_session_limits {
    unsigned per_user, per_user_and_address, all;
};

enum err keep_sessions_create(struct keep_sessions **out);
void keep_sessions_destroy(struct keep_sessions *s); // when all have left; NULL is allowed
void keep_sessions_set_limits(struct keep_sessions *s, const struct keep_session_limits *limits);

// Counts one more, of the account and its device (0: its own password). ERR_LIMIT with
// `*out_reason` (static text for the client).
enum err keep_sessions_enter(struct keep_sessions *s, account_id account, uint32_t device,
                             struct span remote, struct keep_session **out,
                             const char **out_reason);
// For session_start.on_open.
void keep_sessions_opened(struct keep_session *one, const struct session_control *control,
                          void *session);
void keep_sessions_leave(struct keep_session *one);

// Its device's time will be over, at this second since 1970. `holder` is whose device it is:
// another one than the session's account when somebody reads as another.
void keep_sessions_over_at(struct keep_session *one, account_id holder, uint32_t device,
                           int64_t at_s);

// Of a session whose device's time was over, as far as is known here (session_over.h).
struct keep_session_due {
    account_id account; // and what keep_sessions_enter was told as its device
    uint32_t number;
    account_id holder;
    uint32_t device;
};
// As many as there are, `max` at most.
size_t keep_sessions_due(struct keep_sessions *s, int64_t now_s, struct keep_session_due *out,
                         size_t max);
// It has been given more time: all sessions by the device; 0: it does not end any more.
void keep_sessions_over_later(struct keep_sessions *s, account_id holder, uint32_t device,
                              int64_t at_s);

// Which of an account's sessions.
#define KEEP_SESSIONS_ALL    UINT32_MAX          // else those of the device of that id
#define KEEP_SESSIONS_TOKEN  (UINT32_C(1) << 31) // in an id: a token of others, no device
#define KEEP_SESSIONS_READER (UINT32_C(3) << 30) // another who reads it (keep_readers.h)
#define KEEP_SESSIONS_OURS   (UINT32_MAX - 1) // all but those by tokens of others (keep_tokens.h)

// Ends sessions that the account has now: each is told why, and dropped when it is still there
// after `patience_ms`. Returns their number when all have gone, or after some seconds. Blocks.
unsigned keep_sessions_end(struct keep_sessions *s, account_id account, uint32_t device,
                           enum session_end why, int64_t patience_ms);

// The same for many accounts, which are all told before anybody is waited for.
unsigned keep_sessions_end_of(struct keep_sessions *s, const account_id *accounts, size_t count,
                              uint32_t device, enum session_end why, int64_t patience_ms);

// Are there any?
bool keep_sessions_has(struct keep_sessions *s, account_id account, uint32_t device);

bool keep_session_is_ending(struct keep_session *one); // somebody ends it

struct keep_session_counts {
    unsigned sessions, users;
    uint64_t since_start;
};
void keep_sessions_count(struct keep_sessions *s, struct keep_session_counts *out);

#endif
