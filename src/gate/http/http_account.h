// SPDX-License-Identifier: Apache-2.0
//
// A person's own page at /account, beside the pages of our authorization server and in their style:
// devices, sign-ins, app passwords, the second factor. As gate/http/http_oauth.h.
#ifndef GATE_HTTP_HTTP_ACCOUNT_H
#define GATE_HTTP_HTTP_ACCOUNT_H

#include "gate/http/http_oauth.h"

#define HTTP_ACCOUNT_COOKIE "__Host-mailkeep-account"

extern const struct http_resource http_account_resource;

// A page in the making. `told` may be NULL where nothing was asked.
struct http_account_page {
    const struct http_call *call;
    const struct http_form *told;
    struct span guard;
    struct span wrong_field, wrong; // empty: nothing is wrong
};

// http_account_page.c
void http_account_put_sign_in(struct buf *b, const struct http_account_page *p);
void http_account_put(struct buf *b, const struct http_account_page *p);

// http_qr.c: a QR code (ISO/IEC 18004) as an SVG element, dark on light whatever the page is, with
// `label` read out for it. False: the text is too long for one, or there is no memory.
bool http_qr_put(struct buf *b, struct span text, const char *label);

#endif
