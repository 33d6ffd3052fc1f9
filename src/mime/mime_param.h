// SPDX-License-Identifier: Apache-2.0
//
// Values with parameters: Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2183,
// RFC 2231). Pure; any thread; linear. At most MIME_PARAMS_MAX parameters of a field are read and
// at most MIME_SECTIONS_MAX continuations of one.
#ifndef MIME_MIME_PARAM_H
#define MIME_MIME_PARAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/mime_part.h"

#define MIME_PARAMS_MAX   128
#define MIME_SECTIONS_MAX 100

// Reads "value *(; name=value)". `out_value` is what comes before the first semicolon, comments
// and blanks left out, p NULL when nothing is there. Allocates in `arena`; ERR_NOMEM only.
enum err mime_param_parse(struct arena *arena, struct span body, struct span *out_value,
                          struct mime_params *out_params);

// The raw value of a parameter (either form, the extended preferred), or p NULL.
struct span mime_param_get(struct mime_params params, struct span name);

// Appends the value in UTF-8: extended form decoded, else encoded words decoded (many mailers use
// them here). False when there is no such parameter.
bool mime_param_decode(struct buf *out, struct mime_params params, struct span name);

// Appends the part's file name in UTF-8: Content-Disposition filename, else Content-Type name.
// Paths and control characters are left as they are. False when it has none.
bool mime_param_filename(struct buf *out, const struct mime_part *part);

#endif
