// SPDX-License-Identifier: Apache-2.0
//
// The fields of a form or a query (application/x-www-form-urlencoded, as the URL standard has it):
// read strictly, and written. Pure; any thread.
#ifndef WIRE_HTTP_HTTP_FORM_H
#define WIRE_HTTP_HTTP_FORM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define HTTP_FORM_FIELDS_MAX 48

struct http_form_field {
    struct span name, value; // escapes undone; UTF-8 without NUL
};

struct http_form {
    struct http_form_field fields[HTTP_FORM_FIELDS_MAX];
    size_t n;
};

// Reads "a=1&b=2", texts in the arena. ERR_INVALID: a broken escape, NUL, what is no UTF-8, or a
// name that comes twice (RFC 6749 section 3.1); ERR_LIMIT: too many fields; ERR_NOMEM.
enum err http_form_read(struct span text, struct arena *a, struct http_form *out);
// Empty when there is none of that name.
struct span http_form_get(const struct http_form *f, const char *name);

// Appends "name=value", with "&" in front when something is there already.
void http_form_put(struct buf *out, const char *name, struct span value);
// The value alone, all but letters, digits and "-._~" escaped: right in a query, too.
void http_form_escape(struct buf *out, struct span value);

#endif
