// SPDX-License-Identifier: Apache-2.0
//
// What keep hands to a protocol when the gate has handed over a session: who it is, the connection,
// and what the client has said already. Each protocol has one function that takes it
// (session_conn_open in session_conn.h).
#ifndef KEEP_SESSION_H
#define KEEP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "net/task_conn.h"
#include "store/access/device.h"

// Why an administrator ends sessions.
enum session_end {
    SESSION_SUSPENDED,
    SESSION_REMOVED,
    SESSION_PASSWORD,
    SESSION_BLOCKED, // the device
    SESSION_CHANGED, // what the device may do
    SESSION_SECOND_FACTOR,
    SESSION_FACTOR_WANTED, // the account must have one
    SESSION_READER,        // who reads another's account may not any more
    SESSION_TOKEN,         // that it rests on has expired or was revoked
    SESSION_OVER,          // the device's time
};

// How a session is ended from outside. Both return at once and may be called on any thread, from
// the call of on_open until on_end is called, or until on_open is called with NULL.
struct session_control {
    void (*end)(void *session, enum session_end why); // it says why, as soon as its protocol can
    void (*drop)(void *session);                      // the connection is closed as it is
};

#define SESSION_READER_BYTES_MAX 360

// The device a session was signed in with (store/access/device.h), or who reads another's account.
struct session_device {
    uint32_t id; // 0: none, it was the account's own password
    bool is_read_only;
    uint16_t reader_n;                     // 0: its owner is here
    char reader[SESSION_READER_BYTES_MAX]; // "hilde@example.org, 192.0.2.7", as the history has it
    uint8_t name_n;
    char name[DEVICE_NAME_BYTES_MAX];
};

// Bytes of messages that a session has handed out since it last told.
struct session_read {
    account_id account;
    uint32_t device;
    struct span reader; // another who opened the account; empty: its owner
    struct span client, remote;
    uint64_t bytes;
};

struct session_start {
    struct conn_pool *pool;
    int fd; // taken over on success only
    account_id account;
    struct span user; // the account's address
    struct session_device device;
    struct span remote;    // the client's address, without port
    struct span tls_text;  // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty in the clear
    struct span client_id; // the list of the client's ID command as sent before login, or empty
    struct span tag;       // of the command that logged in; its OK is still to be written
    struct span last;      // what a SASL mechanism says with that OK (ManageSieve); or empty
    struct span input;     // bytes after that command, not yet looked at
    uint16_t local_port;
    // Called before anything can run: how to end the session. Called once more, with NULL, when
    // creating it fails after that.
    void (*on_open)(void *arg, const struct session_control *control, void *session);
    // Called once when the session has ended, on a worker. Never when creating it failed.
    void (*on_end)(void *arg);
    void *arg; // of both
    // Told once in a while what was read (session_meter.h); must not block on the disk. NULL:
    // nobody wants to know. `read_arg` outlives the session.
    void (*on_read)(void *arg, const struct session_read *r);
    void *read_arg;
};

void session_device_set(struct session_device *d, uint32_t id, struct span name, bool is_read_only);
// Another reads: the address of who it is, and where they are.
void session_reader_set(struct session_device *d, struct span reader, struct span remote,
                        bool is_read_only);
// Somebody else than the owner is here: nothing may change that nobody asked for.
static inline bool session_is_reader(const struct session_device *d)
{
    return d->reader_n > 0;
}
// What is said to a command that would change something. Static.
const char *session_read_only_text(const struct session_device *d);
// Who makes a change in such a session: the device, or without one what the client calls itself;
// or the administrator who is here. The spans stay the caller's, the name `d`'s.
struct actor session_actor(const struct session_device *d, struct span client, struct span origin);

#endif
