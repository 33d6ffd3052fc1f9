// SPDX-License-Identifier: Apache-2.0
//
// Key records: RFC 6376 section 3.6.1, RFC 8463 section 4.
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

static bool allows(struct span value, struct span word, struct span any)
{
    return !value.p || tag_has_item(value, word) || (any.n && tag_has_item(value, any));
}

const char *dkim_record_parse(struct span text, struct dkim_record *out)
{
    struct dkim_record r = {.algorithm = DKIM_RSA_SHA256};
    struct tag_list tags;

    if (tag_list_parse(text, &tags) != ERR_OK) {
        return "has a record that cannot be read";
    }
    struct span version = tag_list_get(&tags, "v"), kind = tag_list_get(&tags, "k");
    struct span flags = tag_list_get(&tags, "t");

    if (version.p && (!span_eq(version, SPAN("DKIM1")) || tags.tags[0].value.p != version.p)) {
        return "has a record of an unknown version";
    }
    r.key = tag_list_get(&tags, "p");
    if (!r.key.p) {
        return "has a record without a key in it";
    }
    if (kind.p && span_eq_nocase(kind, SPAN("ed25519"))) {
        r.algorithm = DKIM_ED25519_SHA256;
    } else if (kind.p && !span_eq_nocase(kind, SPAN("rsa"))) {
        return "is of an unknown kind";
    }
    if (!allows(tag_list_get(&tags, "h"), SPAN("sha256"), SPAN(""))) {
        return "is only for hashes that are not used any more";
    }
    if (!allows(tag_list_get(&tags, "s"), SPAN("email"), SPAN("*"))) {
        return "is not meant for mail";
    }
    r.is_testing = flags.p && tag_has_item(flags, SPAN("y"));
    r.is_strict = flags.p && tag_has_item(flags, SPAN("s"));
    *out = r;
    return NULL;
}

bool dkim_record_same_key(struct span a, struct span b)
{
    struct tag_list one, two;

    if (tag_list_parse(a, &one) != ERR_OK || tag_list_parse(b, &two) != ERR_OK) {
        return false;
    }
    struct span key = tag_list_get(&one, "p");

    return key.n && span_eq_but_blanks(key, tag_list_get(&two, "p"));
}
