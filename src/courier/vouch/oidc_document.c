// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_document.h"

#include <jansson.h>

#include "base/banned.h"

static struct span without_slash(struct span issuer)
{
    while (span_ends(issuer, SPAN("/"))) {
        issuer.n--;
    }
    return issuer;
}

void oidc_document_url(struct span issuer, bool is_second, struct buf *out)
{
    struct https_url url;

    issuer = without_slash(issuer);
    if (!is_second || https_url_parse(issuer, &url) != ERR_OK) {
        buf_put(out, issuer);
        buf_put_str(out, "/.well-known/openid-configuration");
        return;
    }
    // Between host and path (RFC 8414 section 3).
    buf_put(out, span_first(issuer, issuer.n - url.path.n));
    buf_put_str(out, "/.well-known/oauth-authorization-server");
    buf_put(out, url.path);
}

// A member that is a URL, or is not there.
static bool take_url(const json_t *document, const char *name, char out[HTTPS_URL_BYTES_MAX + 1])
{
    const json_t *v = json_object_get(document, name);
    struct https_url url;

    out[0] = '\0';
    if (!v) {
        return true;
    }
    struct span text = span_of(json_string_value(v), json_string_length(v));

    if (!json_is_string(v) || https_url_parse(text, &url) != ERR_OK) {
        return false;
    }
    span_copy_text(text, out, HTTPS_URL_BYTES_MAX + 1);
    return true;
}

static const char *read_members(const json_t *document, struct span issuer,
                                struct oidc_document *out)
{
    const json_t *name = json_object_get(document, "issuer");

    if (!json_is_string(name)) {
        return "it is no document of an issuer";
    }
    if (!span_eq(span_of(json_string_value(name), json_string_length(name)), issuer)) {
        return "it is another issuer's";
    }
    return take_url(document, "jwks_uri", out->keys_url) &&
                   take_url(document, "introspection_endpoint", out->introspect_url)
               ? NULL
               : "it names a URL that cannot be used";
}

enum err oidc_document_read(struct span json, struct span issuer, struct oidc_document *out,
                            const char **out_why)
{
    json_t *document = json.n <= OIDC_DOCUMENT_BYTES_MAX
                           ? json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL)
                           : NULL;
    struct oidc_document got;

    *out_why = read_members(document, issuer, &got);
    json_decref(document);
    if (*out_why) {
        return ERR_INVALID;
    }
    *out = got;
    return ERR_OK;
}
