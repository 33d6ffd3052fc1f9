// SPDX-License-Identifier: Apache-2.0
//
// "name=value; name=value": DKIM and ARC header fields, DKIM key records and DMARC records
// (RFC 6376 section 3.2). Nothing is copied. Pure; any thread; linear (a list has a cap).
#ifndef SENDERAUTH_TAG_LIST_H
#define SENDERAUTH_TAG_LIST_H

#include "base/buf.h"
#include "base/err.h"

#define TAGS_MAX 64

struct tag {
    struct span name;
    struct span value; // blanks around it taken off; may be folded inside
    struct span raw;   // all between '=' and ';', blanks too
};

struct tag_list {
    struct tag tags[TAGS_MAX];
    size_t n;
};

// ERR_INVALID: a name without '=', a wrong name, an empty element that is not the last, a name used
// twice, a control character. ERR_LIMIT: more than TAGS_MAX.
enum err tag_list_parse(struct span text, struct tag_list *out);

// The tag of that name (case matters), or NULL.
const struct tag *tag_list_find(const struct tag_list *list, const char *name);

// Its value, or p NULL.
struct span tag_list_get(const struct tag_list *list, const char *name);

// Appends the value without the blanks inside it (base64 is folded at will).
void tag_put_squeezed(struct buf *out, struct span value);

// Cuts the next item off a colon-separated value and trims it; false at the end. Begin with
// `*started` false.
bool tag_next_item(struct span *rest, bool *started, struct span *out);

// The value has an item that is `word` (ASCII case ignored).
bool tag_has_item(struct span value, struct span word);

#endif
