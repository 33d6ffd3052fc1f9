// SPDX-License-Identifier: Apache-2.0
//
// What an administrator can ask for, each operation once: keep runs them for its control socket,
// the command line runs them itself when no server is there. An operation gets arguments (JSON) and
// a conversation with the asker, and ends with a result or a sentence that says what is wrong and
// what to do. docs/protocol/control.md lists operations, arguments and results.
//
// Operations may block on the disk and on the asker; they never wait for the asker with a view or a
// snapshot open. Any thread; several at a time.
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin/admin_record.h"
#include "auth/password.h"
#include "auth/throttle.h"
#include "auth/vouch.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/settings.h"
#include "queue/queue.h"
#include "report/report.h"
#include "store/store.h"
#include "trail/trail.h"

// Why sessions are ended.
enum admin_session_end {
    ADMIN_SUSPENDED,
    ADMIN_REMOVED,
    ADMIN_PASSWORD,
    ADMIN_DEVICE_BLOCKED,
    ADMIN_DEVICE_CHANGED, // what it may do, or its app password is no more
    ADMIN_SECOND_FACTOR,  // it has one now
    ADMIN_FACTOR_WANTED,  // it must have one now, and has none
};

#define ADMIN_ALL_DEVICES UINT32_MAX

struct admin_io;

// What came of looking up everybody whose password is the directory's.
struct admin_directory_counts {
    unsigned asked;
    unsigned gone, back; // since the last time
    unsigned roles;      // people who got others by their groups
    unsigned losing;     // people who lose roles, or would
};

// What operations work with; must outlive them.
struct admin {
    struct store *store;
    struct queue *queue;                    // on the store's engine
    struct trail *trail;                    // the same; NULL: there is none
    struct password_params password_params; // for new passwords
    struct settings *settings;              // the caller's; must stay while an operation runs
    struct span server;                     // our name among mail servers: "mail.example.org"
    struct span default_domain; // of addresses given without one; empty: the only domain there is
    uint64_t quota_bytes, quota_messages; // of new accounts when nothing else is said
    uint64_t message_bytes_max;
    struct throttle *throttle; // who is locked out; NULL: no server
    // Adds what only a running server knows to the answer of "status"; NULL: no server.
    void (*add_status)(void *arg, json_t *into);
    // Ends the account's sessions that were signed in with this device (0: with its own password),
    // or all, and waits until they are gone; their number. NULL: no server.
    unsigned (*end_sessions)(void *arg, account_id account, uint32_t device,
                             enum admin_session_end why);
    // Ends all sessions of these accounts but those by tokens of others, at once. NULL: no server.
    unsigned (*end_sessions_of)(void *arg, const account_id *accounts, size_t count,
                                enum admin_session_end why);
    // Asks the DNS and waits; records as in DNS_ANSWER of ipc/message_table.h, in the arena. With
    // ERR_OK and an empty `*out_records` there are none. ERR_AGAIN: nobody could say. NULL: no
    // server.
    enum err (*dns_ask)(void *arg, struct span name, uint16_t type, struct arena *a,
                        struct span *out_records);
    // Lets the supervisor read settings and certificate again and waits for its report, a new
    // reference (docs/protocol/control.md). `timeout_ms` is what the processes have for it.
    // ERR_TIMEOUT, ERR_UNAVAILABLE: the server is stopping. NULL: no server.
    enum err (*reload)(void *arg, const struct admin_io *io, int64_t timeout_ms,
                       json_t **out_report);
    // Alerts are due that an operation has put there. NULL: no server.
    void (*alerts_wake)(void *arg);
    // So many bytes of an account's mail were handed to an administrator ("hilde@x.example"; empty:
    // to root). NULL: no server.
    void (*mail_read)(void *arg, account_id account, struct span by, uint64_t bytes);
    // Asks the directory about the owner of that address; with an empty password only whether they
    // are there. As struct auth_vouch's ask. NULL: no server.
    enum err (*directory_ask)(void *arg, struct span name, struct span password, struct arena *a,
                              struct auth_vouch_answer *out);
    // Looks everybody up. ERR_DENIED: too many would be put out, or would lose roles, and not
    // `force`. ERR_UNSUPPORTED: nobody can be looked up, with ldap_bind_template. NULL: no server.
    enum err (*directory_sync)(void *arg, bool force, struct admin_directory_counts *out);
    void *arg;
};

// By what an administrator has shown who they are. A password alone can be guessed, seen or given
// away: it is not enough for a role.
enum admin_proof {
    ADMIN_BY_PASSWORD,          // refused
    ADMIN_BY_PASSWORD_AND_CODE, // and a second factor
    ADMIN_BY_APP_PASSWORD,      // a device's for web and API; the account has a second factor, too
};

// An identity provider that has shown a provisioning token (store/directory/scim_token.h): makes,
// changes and suspends accounts of these domains, and nobody's who may do more than that.
struct admin_provisioner {
    struct span name;           // of the token
    const struct span *domains; // as the directory spells them; at least one
    size_t domain_count;
};

// Who asks. Local root may do everything; anybody else what the roles of their account allow at
// this moment (store/directory/role.h), and the change log names them. Whoever hands in a caller
// has checked who it is, and says by what.
struct admin_caller {
    bool is_local_root; // whoever can open the control socket or the data directory
    const struct admin_provisioner *provisioner; // otherwise; NULL:
    account_id account;
    enum admin_proof proof;
    bool only_looks;     // an app password for reading: only rights that change nothing
    struct span address; // that they come from, as text, for the change log; may be empty
    // For operations that go on for long: is what they have shown still good? Else ERR_DENIED, or
    // nobody can say. NULL: it is. May block on the disk.
    enum err (*still)(void *arg);
    void *arg;
};
extern const struct admin_caller admin_local_root;

// The asker's side of a conversation, handed in by whoever runs an operation.
struct admin_io {
    // Appends some of what the asker sends. ERR_EOF: it has ended; other errors: it is gone.
    enum err (*read)(void *arg, struct buf *into);
    enum err (*write)(void *arg, struct span bytes);
    void (*progress)(void *arg, uint64_t done, uint64_t total, const char *text);
    bool (*cancelled)(void *arg); // end soon: nobody listens, or the server stops
    void *arg;
};

#define ADMIN_TEXT_MAX 512

struct admin_outcome {
    enum err code;             // ERR_OK: `result` is set
    json_t *result;            // a new reference for the caller; never NULL on success
    char text[ADMIN_TEXT_MAX]; // otherwise the sentence
};

// Runs the operation of that name ("account add") for a caller. `args` may be NULL and stays the
// caller's. ERR_UNSUPPORTED: there is no such operation. ERR_DENIED: the caller may not do this, or
// what is asked for cannot be had; nothing was done. Local root may say in the argument "as" whose
// roles are to count instead.
void admin_run(const struct admin *a, const struct admin_caller *by, const char *name, json_t *args,
               const struct admin_io *io, struct admin_outcome *out);

// Would it be allowed, with these arguments? Runs nothing; `out` has a result or a sentence as
// there.
void admin_may(const struct admin *a, const struct admin_caller *by, const char *name, json_t *args,
               struct admin_outcome *out);

// The names of all operations, ended by NULL.
const char *const *admin_names(void);

#endif
