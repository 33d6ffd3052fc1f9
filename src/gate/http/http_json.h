// SPDX-License-Identifier: Apache-2.0
//
// JSON that strangers send (RFC 8259), held to limits before it is read, and a request's fields
// made of it. Texts are UTF-8 without NUL, names stand once in an object. Pure; any thread.
#ifndef GATE_HTTP_HTTP_JSON_H
#define GATE_HTTP_HTTP_JSON_H

#include <jansson.h>

#include "admin/table/operation.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define HTTP_JSON_DEPTH_MAX  8     // of arrays and objects in each other
#define HTTP_JSON_VALUES_MAX 20000 // commas and brackets, so about as many values
#define HTTP_JSON_WHY_MAX    200

// Before the first json_t is made, and before the sandbox: hash tables get a secret.
void http_json_start(void);

// Reads one object, *out a new reference. ERR_INVALID and ERR_LIMIT: `why` says what is wrong, in a
// sentence of printable ASCII. ERR_NOMEM.
enum err http_json_object(struct span text, json_t **out, char why[HTTP_JSON_WHY_MAX]);

// Is every member a field of the operation, of its type? ERR_INVALID: `why` says which is not.
enum err http_json_check(const struct operation *o, const json_t *object,
                         char why[HTTP_JSON_WHY_MAX]);
// Is there every field that must be? Members come from body, query and path together.
enum err http_json_complete(const struct operation *o, const json_t *args,
                            char why[HTTP_JSON_WHY_MAX]);

// Adds the fields of a query ("domain=example.org&history=true") to `args`. A list is said item by
// item. ERR_INVALID, ERR_NOMEM. `a` holds texts for as long as this runs.
enum err http_json_query(const struct operation *o, struct span query, struct arena *a,
                         json_t *args, char why[HTTP_JSON_WHY_MAX]);

// A text of JSON with its quotes.
void http_json_put_text(struct buf *out, struct span text);
// What is between the quotes: escapes all that must be. Pieces may end anywhere.
void http_json_put_escaped(struct buf *out, struct span piece);

#endif
