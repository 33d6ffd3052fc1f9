// SPDX-License-Identifier: Apache-2.0
//
// One question to our own authorization server, for the files that answer it.
#ifndef KEEP_OAUTH_INTERNAL_H
#define KEEP_OAUTH_INTERNAL_H

#include <stdatomic.h>

#include "ipc/control_server.h"
#include "keep/oauth/keep_oauth.h"
#include "keep/oauth/oauth_pending.h"
#include "keep/oauth/oauth_session.h"

#define OAUTH_ANSWER_BYTES_MAX (90u << 10) // the gate takes 96 KiB

struct keep_oauth {
    struct keep_oauth_options options;
    struct control_server *server;
    struct oauth_pending *pending;
    struct oauth_sessions *sessions;
    _Atomic int64_t access_s, refresh_s;
};

struct oauth_call {
    struct keep_oauth *oauth;
    struct control_call *call;
    struct arena arena;
    struct buf answer; // fields
};

typedef void oauth_fn(struct oauth_call *c);

struct span oauth_arg(const struct oauth_call *c, const char *name); // empty: missing
void oauth_put(struct oauth_call *c, const char *name, struct span value);
void oauth_put_str(struct oauth_call *c, const char *name, const char *value);
void oauth_put_number(struct oauth_call *c, const char *name, int64_t value);
void oauth_put_scope(struct oauth_call *c, unsigned scope);
// An error of RFC 6749 and its like ("invalid_grant"), with a sentence for whoever wrote the app.
void oauth_error(struct oauth_call *c, const char *error, const char *words);
// The store cannot be read or written now.
void oauth_trouble(struct oauth_call *c, enum err e);

// The app of the field client_id. False: there is none, and the error is put.
bool oauth_call_client(struct oauth_call *c, struct oauth_client *out);
// The scope of the field scope. The same.
bool oauth_call_scope(struct oauth_call *c, unsigned *out);

// Who signs in by the fields user, password and second_code. False: the fields refused (a
// sentence for the person) and refused_at (the field it is about) are put.
bool oauth_sign_in(struct oauth_call *c, struct auth_grant *out);
// The same for this name, once more; `has_code`: the second factor's code need not be said again.
bool oauth_sign_in_as(struct oauth_call *c, struct span name, bool has_code,
                      struct auth_grant *out);

// oauth_authorize.c: the page of an app that has a browser.
oauth_fn oauth_look, oauth_allow;
// oauth_device.c: RFC 8628.
oauth_fn oauth_device_begin, oauth_device_look, oauth_device_allow, oauth_device_deny;
// oauth_tokens.c
oauth_fn oauth_token, oauth_revoke;
// oauth_account.c: the page of one's own account.
oauth_fn oauth_account_look, oauth_account_sign_in, oauth_account_sign_out, oauth_account_block,
    oauth_account_add, oauth_account_factor, oauth_account_confirm;

#endif
