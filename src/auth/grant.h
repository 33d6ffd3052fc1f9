// SPDX-License-Identifier: Apache-2.0
//
// What a client says to get in, and what it gets: a claim in, a grant out (auth.h). A grant lasts
// from the right password until the session is opened a moment later, possibly by another thread;
// it is looked at again there, so that a password changed or a device blocked meanwhile counts.
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "store/access/device.h"
#include "store/directory.h"

// What somebody wants to use; the bits of a device's scope (device.h).
enum auth_service {
    AUTH_IMAP = DEVICE_IMAP,
    AUTH_SUBMISSION = DEVICE_SUBMISSION,
    AUTH_POP3 = DEVICE_POP3,
    AUTH_SIEVE = DEVICE_SIEVE,
    AUTH_JMAP = DEVICE_JMAP,
    AUTH_WEB = DEVICE_WEB, // pages and the API
};

struct auth_claim {
    struct span name;     // as the client spells it
    struct span password; // the account's own, or a device's
    struct span remote;   // the client's address as text, without port
    enum auth_service service;
    struct span code;      // of the second factor, for AUTH_WEB; empty: none was said
    struct span acting_as; // whose account is to be opened (read_as.h), as the client spells it
};

struct auth_grant {
    account_id account;
    uint32_t device; // 0: the account's own password
    bool is_read_only;
    bool is_by_token;  // of OAuth: our own, of a device, or of somebody else's making
    bool by_code;      // the second factor's code was right, too
    bool wants_code;   // a refusal: with a right code it would have been a yes
    uint64_t mark;     // of what was right: another one after each change of it
    int64_t until_ms;  // of clock_real_ms: when what it rests on ends by itself; 0: it does not
    uint32_t token;    // of keep's table of tokens that live sessions rest on; 0: it is not in it
    account_id opened; // another's account that is opened to this one (read_as.h); 0: its own
    uint32_t opened_with; // the rights that it takes (store/directory/role.h)
    const char *why;      // static, or NULL: a refusal that whoever knows the secret may read
};

// Whose a grant is, when it still holds.
struct auth_identity {
    struct span user;        // the account's address
    struct span device_name; // empty for device 0
    int64_t device_until; // seconds since 1970 when the device's time is over; 0: it does not end
};

// Does anything open it? Not when it is suspended, or when the directory does not know its owner
// any more.
bool auth_account_is_open(const struct account *account);

// A mark of the password an account has: another one after each change.
uint64_t auth_mark(const struct account *account);
uint64_t auth_device_mark(const struct device *device);

// What is in a device's way to the claim's service from the claim's address, as a sentence without
// its full stop (static); NULL: nothing.
const char *auth_device_obstacle(const struct device *device, const struct auth_claim *claim);

// Is it still so? Texts in the arena. Any thread; may block on the disk. ERR_DENIED: not any more
// (suspended, removed, another password, device blocked or its time over).
enum err auth_grant_holds(struct store *s, const struct auth_grant *g, struct arena *a,
                          struct auth_identity *out);

#endif
