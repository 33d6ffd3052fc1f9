// SPDX-License-Identifier: Apache-2.0
//
// What SCIM 2.0 says (RFC 7643, 7644), apart from who asks and what becomes of it: filters and
// paths as text and as trees, filters and PATCH applied to a resource in JSON, the choice of
// attributes for an answer, errors. Names of attributes are compared without case (RFC 7643 section
// 2.1). Pure; any thread. Trees live in the arena they were read into.
#ifndef WIRE_SCIM_SCIM_H
#define WIRE_SCIM_SCIM_H

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define SCIM_FILTER_BYTES_MAX 2048
#define SCIM_FILTER_DEPTH_MAX 16 // of brackets and "not" in each other
#define SCIM_FILTER_NODES_MAX 64
#define SCIM_OPERATIONS_MAX   100 // of one PATCH
#define SCIM_VALUES_MAX       100 // of one multi-valued attribute, after a PATCH
#define SCIM_DETAIL_MAX       300

#define SCIM_URN_USER         "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCIM_URN_ERROR        "urn:ietf:params:scim:api:messages:2.0:Error"
#define SCIM_URN_LIST         "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define SCIM_URN_PATCH        "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define SCIM_URN_SEARCH       "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
#define SCIM_CONTENT_TYPE     "application/scim+json"

// ---- filters (RFC 7644 section 3.4.2.2) ---------------------------------------------------------

// "urn:...:User:name.familyName": in front of the last colon the schema, behind the dot a
// sub-attribute; both may be empty. As said, in any case of letters.
struct scim_attr {
    struct span urn, name, sub;
};

enum scim_op { SCIM_EQ, SCIM_NE, SCIM_CO, SCIM_SW, SCIM_EW, SCIM_GT, SCIM_GE, SCIM_LT, SCIM_LE };

enum scim_value_type { SCIM_TEXT, SCIM_NUMBER, SCIM_TRUE, SCIM_FALSE, SCIM_NULL };
struct scim_value {
    enum scim_value_type type;
    struct span text; // SCIM_TEXT: UTF-8 without NUL, escapes undone; SCIM_NUMBER: as said
    double number;
};

enum scim_node {
    SCIM_AND,     // a, b
    SCIM_OR,      // a, b
    SCIM_NOT,     // a
    SCIM_PRESENT, // attr
    SCIM_COMPARE, // attr, op, value
    SCIM_WHERE,   // attr[a]: one of its values fits
};
struct scim_filter {
    enum scim_node node;
    struct scim_attr attr;
    enum scim_op op;
    struct scim_value value;
    const struct scim_filter *a, *b;
};

// Besides the grammar of figure 1 also `emails[type eq "work"].value eq "x"`, which is sent. The
// text may go when it returns. ERR_INVALID, ERR_LIMIT, ERR_NOMEM.
enum err scim_filter_read(struct span text, struct arena *a, const struct scim_filter **out);
// Its one spelling, which reads as the same filter.
void scim_filter_put(struct buf *out, const struct scim_filter *f);

// "emails[type eq \"work\"].value" (figure 7): attr.name "emails", attr.sub "value".
struct scim_path {
    struct scim_attr attr;
    const struct scim_filter *where; // NULL: none
};
enum err scim_path_read(struct span text, struct arena *a, struct scim_path *out);
void scim_path_put(struct buf *out, const struct scim_path *p);

// ---- resources ----------------------------------------------------------------------------------

// The member of that name in any case of letters; NULL: none, or `object` is none. Borrowed.
json_t *scim_member(const json_t *object, struct span name);

// Does the filter fit the resource, whose core schema is `urn`? An attribute that is not there
// fits `ne` and `eq null`, and nothing else. Texts are compared without case (ASCII), but those of
// id, externalId and meta; dates of meta as moments.
bool scim_match(const struct scim_filter *f, const json_t *resource, struct span urn);
// The same of one value of a multi-valued attribute.
bool scim_match_value(const struct scim_filter *f, const json_t *value);

// What of a resource is wanted in an answer (section 3.9): lists of names of attributes, or NULL.
// `id` and `schemas` stay in any case.
void scim_project(json_t *resource, const json_t *attributes, const json_t *excluded);

// ---- errors (section 3.12) ----------------------------------------------------------------------

struct scim_error {
    unsigned status;
    const char *type; // scimType; NULL: none
    char detail[SCIM_DETAIL_MAX];
};
// Sets it and returns ERR_INVALID.
enum err scim_fail(struct scim_error *e, unsigned status, const char *type, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void scim_error_put(struct buf *out, unsigned status, const char *type, struct span detail);
// What strangers call something, fit to be said back: printable ASCII, at most 60 bytes.
struct scim_shown {
    char s[64];
};
struct scim_shown scim_shown(struct span text);

// ---- PATCH (section 3.5.2) ----------------------------------------------------------------------

// Reads the body of a PATCH into a list of {"op":"add|replace|remove","path":...,"value":...} with
// ops in lower case and paths in their one spelling; a new reference. ERR_INVALID with `*error`
// set, ERR_NOMEM.
enum err scim_patch_read(const json_t *body, struct arena *a, json_t **out,
                         struct scim_error *error);

// Applies such a list to a user, operation by operation. What core attributes are not kept here is
// put in all the same: whoever reads the result leaves them out. Attributes of extensions are left
// alone. ERR_INVALID with `*error` set: the resource is of no use any more. ERR_NOMEM.
enum err scim_patch_apply(json_t *resource, const json_t *operations, struct arena *a,
                          struct scim_error *error);

// Lays the attributes of a whole resource (PUT) over what there is: what is not named stays.
enum err scim_overlay(json_t *resource, const json_t *body, struct scim_error *error);

#endif
