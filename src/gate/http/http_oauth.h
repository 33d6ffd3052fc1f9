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

// ---- http_oauth_guard.c: forms that were sent from a page of ours, by the browser that got it
// ----

#define HTTP_OAUTH_COOKIE       "__Host-mailkeep"
#define HTTP_OAUTH_COOKIE_CHARS 32
#define HTTP_OAUTH_GUARD_CHARS  81 // 16 of a time, ".", 64 of a mark

// The browser's cookie of ours, or a new one; `*out_is_new`: it is to be set.
void http_oauth_cookie(const struct http_call *call, char out[HTTP_OAUTH_COOKIE_CHARS],
                       bool *out_is_new);
// What a form carries along.
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
// An app wants to be let in: sign in and allow, or not. `hidden` ends with NULL: fields of the
// request that go along.
void http_oauth_put_consent(struct buf *b, const struct http_oauth_page *p,
                            const char *const *hidden);
void http_oauth_put_code_entry(struct buf *b, const struct http_oauth_page *p);
// A heading and a sentence.
void http_oauth_put_message(struct buf *b, const char *heading, struct span sentence);
extern const char http_oauth_style[];

#endif
