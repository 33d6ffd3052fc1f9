// SPDX-License-Identifier: Apache-2.0
//
// Our own authorization server as people and apps see it: resources, pages, and answers in JSON.
// What is decided keep decides (keep/oauth/keep_oauth.h); here requests become fields for it, and
// its fields become pages. As gate/http/http_resource.h: nothing here touches the connection.
#ifndef GATE_HTTP_HTTP_OAUTH_H
#define GATE_HTTP_HTTP_OAUTH_H

#include "gate/http/http_resource.h"
#include "wire/http/http_form.h"

extern const struct http_resource http_oauth_resources[]; // ended by one without a path

// "https://mail.example.org", and its host without port. In the arena; p is NULL without memory.
struct span http_oauth_issuer(const struct http_call *call);
struct span http_oauth_issuer_host(struct span issuer);

// What all forms have: they are there, under this name and where passwords may be said, and their
// fields are read. 0, or the status.
unsigned http_oauth_begin_form(struct http_call *call);
// The beginning of a question to keep (call->question), to be ended with "}}"; and a field of it.
void http_oauth_put_question(struct buf *b, const struct http_call *call);
void http_oauth_put_member(struct buf *b, const char *name, struct span value);
// What keep has said; NULL: nothing that can be read.
struct http_form *http_oauth_told(const struct http_call *call);

// ---- http_oauth_guard.c: forms that were sent from a page of ours, by the browser that got it
// ----

#define HTTP_OAUTH_COOKIE       "__Host-mailkeep"
#define HTTP_OAUTH_COOKIE_CHARS 32
#define HTTP_OAUTH_GUARD_CHARS  81 // 16 of a time, ".", 64 of a mark

// The browser's cookie of ours, or a new one; `*out_is_new`: it is to be set.
void http_oauth_cookie(const struct http_call *call, char out[HTTP_OAUTH_COOKIE_CHARS],
                       bool *out_is_new);
// The value of a cookie of ours of that name; empty: there is none that could be.
struct span http_oauth_cookie_of(struct span header, struct span name);
// What a form carries along; 64 bytes of `page` at most count.
void http_oauth_guard(const char cookie[HTTP_OAUTH_COOKIE_CHARS], struct span page,
                      char out[HTTP_OAUTH_GUARD_CHARS]);
// Is it good: at most an hour old, and of this browser?
bool http_oauth_guard_holds(const struct http_call *call, struct span page, struct span guard);

// ---- http_oauth_page.c --------------------------------------------------------------------------

// A page in the making. Errors of fields: which field, and the words; empty: none.
struct http_oauth_page {
    const struct http_call *call;
    const struct http_form *told; // by keep
    const char *action;           // path the form goes to
    struct span guard;
    struct span wrong_field, wrong;
};
void http_oauth_put_text(struct buf *b, struct span text); // escaped for HTML

// Pieces of pages.
struct http_oauth_field {
    const char *name, *label, *hint, *attributes; // hint may be NULL
    bool is_secret, is_kept;                      // kept: what was typed stands there again
    const char *send_as;                          // NULL: as `name`, which is its id in any case
};
void http_oauth_put_head(struct buf *b, const char *error, const char *title, struct span name);
void http_oauth_put_end(struct buf *b);
void http_oauth_put_hidden(struct buf *b, const char *name, struct span value);
// The error stands between label and field, and both are read out with the field.
void http_oauth_put_field(struct buf *b, const struct http_oauth_page *p,
                          const struct http_oauth_field *f);
void http_oauth_put_sign_in(struct buf *b, const struct http_oauth_page *p);

// An app wants to be let in: sign in and allow, or not. `hidden` ends with NULL: fields of the
// request that go along.
void http_oauth_put_consent(struct buf *b, const struct http_oauth_page *p,
                            const char *const *hidden);
void http_oauth_put_code_entry(struct buf *b, const struct http_oauth_page *p);
// A heading and a sentence.
void http_oauth_put_message(struct buf *b, const char *heading, struct span sentence);
extern const char http_oauth_style[];

#endif
