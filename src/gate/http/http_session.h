// SPDX-License-Identifier: Apache-2.0
//
// Inside of a connection, shared by http_session.c (requests, and answers that are known at once)
// and http_api.c (operations).
#ifndef GATE_HTTP_HTTP_SESSION_H
#define GATE_HTTP_HTTP_SESSION_H

#include "gate/dialogue/dialogue.h"
#include "gate/http/http_answer.h"
#include "gate/http/http_keep.h"
#include "gate/http/http_lines.h"
#include "gate/http/http_resource.h"
#include "wire/http/http_body.h"
#include "wire/http/http_response.h"

// A request to the API. Texts live in the session's arena.
struct http_api {
    bool is_api; // this request is one
    struct operation_match match;
    const struct operation *operation; // once it is known who asks
    struct span method;                // as said
    bool wants_lines;                  // of the answer
    bool is_typed, is_lines_typed;     // the body: JSON; JSON lines
    bool has_body, expects_continue, is_chunking;
    uint64_t length; // of the body, when it is said
    bool is_dry;     // nothing is to be done: of the lines no data is wanted
    struct http_lines lines;
    struct http_answer answer;
    bool is_answering; // the head of the answer is on its way
    bool is_ended;     // the body is whole, and keep knows
};

enum http_phase { AT_HEAD, AT_BODY, AT_END, AT_KEEP };

struct http_session {
    enum http_phase phase;
    struct http_scan scan;
    struct http_body body;
    struct buf body_text;
    struct http_keep keep; // what it says to our command
    struct buf told;
    struct arena arena; // of the request
    struct http_call call;
    const struct http_resource *resource;
    struct http_api api;
    unsigned requests;
    int64_t asked_ms; // when keep was, of clock_monotonic_ms
    bool is_held;     // the answer to a refused sign-in has been held back
    bool is_begun;    // bytes of a request are there
    bool is_head, is_closed;
};

static inline struct http_session *http_session_of(const struct dialogue *d)
{
    return d->state;
}

// ---- http_session.c -----------------------------------------------------------------------------

// Appends a response with what comes with each; `more` fields besides.
void http_session_put(struct dialogue *d, struct http_response *r, const struct http_field *more,
                      size_t more_n);
// The request is over: the next one starts from nothing.
void http_session_request_end(struct dialogue *d);
// The pair is of no use any more, whatever came of it.
void http_session_keep_leave(struct dialogue *d);

// ---- http_api.c ---------------------------------------------------------------------------------

bool http_api_is(struct span path);
// The head of a request for the API: answers it, or asks keep who it is from.
void http_api_head(struct dialogue *d, const struct http_request *r);
void http_api_accepted(struct dialogue *d, struct span ticket);
void http_api_refused(struct dialogue *d, enum dialogue_refusal why, struct span text);
// As the protocol's `take`, once it is known who asks.
bool http_api_take(struct dialogue *d);
enum err http_api_heard(struct dialogue *d);
void http_api_lost(struct dialogue *d);
void http_api_finish(struct http_api *a); // gives back what it holds

#endif
