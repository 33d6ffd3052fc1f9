// SPDX-License-Identifier: Apache-2.0
//
// Sign-ins on their way to the history (store/access/signin.h): counted in memory as they
// happen, written by one thread a little later. Memory is bounded: when the table is full, further
// ones are told in the log by their number, and failures leave room for the others.
#ifndef KEEP_SIGNIN_LOG_H
#define KEEP_SIGNIN_LOG_H

#include "store/access/signin.h"

#define SIGNIN_LOG_ENTRIES_MAX 8192 // some 400 bytes each

struct signin_log_options {
    struct store *store;
    struct span default_domain; // of names without one; must stay
    int64_t keep_ms;            // how long the history reaches back
    // Where a network is, for those that succeeded; called by the thread that writes, and may wait.
    // False: not known. NULL: nobody can tell.
    bool (*place)(void *arg, struct span network, struct signin_place *out);
    void *place_arg;
    // Called for each one that should be written soon: at once when `is_urgent` (a network that was
    // not seen lately), else within seconds. Any thread; must not block.
    void (*wake)(void *arg, bool is_urgent);
    void *arg;
};

struct signin_log;
enum err signin_log_create(const struct signin_log_options *o, struct signin_log **out);
void signin_log_destroy(struct signin_log *l); // what is not written is lost; NULL is allowed
void signin_log_set_keep(struct signin_log *l, int64_t keep_ms); // any thread

struct signin_event {
    bool has_failed;
    account_id account; // 0 when it failed, unless the password was right; then
    struct span name;   // what they said who they were
    uint32_t device;
    enum signin_service service;
    struct span remote;    // address as text, without port
    struct span reader;    // another who opened the account: their address; or empty
    struct span client_id; // the IMAP ID list as the gate hands it over, or empty
};
// Any thread; never blocks on the disk. NULL is allowed.
void signin_log_note(struct signin_log *l, const struct signin_event *e);

// Writes what was counted. One thread at a time; blocks on the disk.
void signin_log_flush(struct signin_log *l);

#endif
