// SPDX-License-Identifier: Apache-2.0
//
// What the gate answers by itself: a table of paths, each with the methods it takes and two
// functions. No function here reads or writes the connection. As gate/dialogue/dialogue.h.
#ifndef GATE_HTTP_HTTP_RESOURCE_H
#define GATE_HTTP_HTTP_RESOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/settings.h"
#include "wire/http/http_form.h"
#include "wire/http/http_request.h"

// A request as a resource sees it; the texts live in the arena.
struct http_call {
    const struct settings *settings;
    struct span server; // our name
    struct span host;   // as the client sent it
    struct span path;   // escapes undone
    struct span query, body;
    struct arena *arena;
    bool is_loopback; // the client is on this machine
    bool is_private;  // what is said here may be a password
    enum http_method method;
    struct span content_type, cookie, authorization; // fields; empty: none
    struct span remote;                              // the client's address, without port
    // What a resource found out in `begin`:
    struct span domain;  // that is to be asked about
    struct span address; // whose settings are wanted, or empty
    // What keep had to say to the resource's command; `keep_failed`: it said nothing, or no.
    struct span told;
    bool keep_failed;
    // Of resources that respond; set in `begin`.
    bool asks;              // keep is to be asked
    bool is_stale;          // the form does not come from a page of ours
    struct http_form *form; // the fields of query or body
    const char *question;   // static
    // Of http_scim.c.
    const struct http_request *head; // in `note` only
    struct http_scim *scim;
};

#define HTTP_REPLY_FIELDS_MAX 4

// An answer of a resource that responds.
struct http_reply {
    unsigned status;
    const char *type;                                // of the body; NULL: none
    struct http_field fields[HTTP_REPLY_FIELDS_MAX]; // values in the call's arena
    size_t field_n;
    struct span policy; // Content-Security-Policy; empty: the usual one
    struct buf body;
};

struct http_resource {
    const char *path;
    bool ignores_case; // in the path
    bool is_for_all;   // also when the domain is not ours
    bool is_admin;     // on listen_admin, and nowhere else
    // Asked of keep instead of the domain: a request of the control protocol (ipc/control_frame.h).
    const char *command;
    bool is_attachment; // not to be shown, but kept
    size_t body_max;    // bytes of a request's body; 0: as usual
    bool is_scim;       // keep is asked by DIALOGUE_PAIR_SCIM
    unsigned methods;   // bits 1 << enum http_method; HEAD comes with GET
    const char *type;   // of the body
    // Finds out what is asked for: sets call->domain. 0, or the status that refuses it.
    unsigned (*begin)(struct http_call *call);
    void (*answer)(const struct http_call *call, struct buf *body); // the domain is ours
    // Instead of `command` and `answer`, with call->asks: what is asked of keep; and the answer,
    // whatever status it has. No domain is asked about.
    void (*ask)(const struct http_call *call, struct buf *request);
    void (*respond)(struct http_call *call, struct http_reply *reply);
    // What of the head is needed later, where the fields of the call are not enough; NULL: nothing.
    // False: there is no memory.
    bool (*note)(struct http_call *call);
    // The body of an answer that is made of a status alone, and its type; NULL: a page.
    void (*put_error)(unsigned status, struct buf *body);
    const char *error_type;
};

// NULL: nothing is there.
const struct http_resource *http_resource_find(struct span path, bool is_admin);

// http_scim.c
extern const struct http_resource http_scim_resource;
bool http_scim_is(struct span path);

// http_metrics.c
// Is the host one under which this machine is known to itself: an address, localhost, our name?
bool http_host_is_ours(const struct http_call *call);
unsigned http_metrics_begin(struct http_call *call);
void http_metrics_answer(const struct http_call *call, struct buf *body);

#endif
