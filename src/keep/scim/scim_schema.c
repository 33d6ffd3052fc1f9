// SPDX-License-Identifier: Apache-2.0
//
// What there is to ask for (RFC 7643 sections 5 to 7): the configuration, the one type of resource,
// its schema with the attributes that are kept.
#include "keep/scim/scim_internal.h"

#include "base/banned.h"

static const char config[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig\"],"
    "\"patch\":{\"supported\":true},"
    "\"bulk\":{\"supported\":false,\"maxOperations\":0,\"maxPayloadSize\":0},"
    "\"filter\":{\"supported\":true,\"maxResults\":100},"
    "\"changePassword\":{\"supported\":true},"
    "\"sort\":{\"supported\":false},"
    "\"etag\":{\"supported\":true},"
    "\"authenticationSchemes\":[{\"type\":\"oauthbearertoken\",\"name\":\"Provisioning token\","
    "\"description\":\"A token made with: mailkeep scim-token add\","
    "\"specUri\":\"https://www.rfc-editor.org/info/rfc6750\",\"primary\":true}],"
    "\"meta\":{\"resourceType\":\"ServiceProviderConfig\",\"location\":\"";

static const char type[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ResourceType\"],\"id\":\"User\","
    "\"name\":\"User\",\"endpoint\":\"/Users\",\"description\":\"Mail accounts\","
    "\"schema\":\"" SCIM_URN_USER "\","
    "\"meta\":{\"resourceType\":\"ResourceType\",\"location\":\"";

static const char schema_head[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Schema\"],\"id\":\"" SCIM_URN_USER "\","
    "\"name\":\"User\",\"description\":\"Mail accounts\",\"attributes\":[";
static const char schema_tail[] = "],\"meta\":{\"resourceType\":\"Schema\",\"location\":\"";

// The attributes that are kept; those of one that has parts follow it.
static const struct attribute {
    const char *name, *words, *type;
    unsigned parts;
    bool is_many, is_needed, is_unique, is_secret;
} attributes[] = {
    {"userName", "The account's mail address", "string", .is_needed = true, .is_unique = true},
    {"name", "The parts of the owner's name", "complex", .parts = 3},
    {"formatted", "The whole name, the same as displayName", "string"},
    {"familyName", "The family name", "string"},
    {"givenName", "The given name", "string"},
    {"displayName", "What people call the owner", "string"},
    {"active", "False: nobody signs in, and sessions end", "boolean"},
    {"password", "The account's own password", "string", .is_secret = true},
    {"emails", "userName, and other addresses whose mail the account gets", "complex", .parts = 3,
     .is_many = true},
    {"value", "A mail address", "string"},
    {"type", "work: userName; other: an alias", "string"},
    {"primary", "True of userName", "boolean"},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static const char *truth(bool is)
{
    return is ? "true" : "false";
}

// Its own and its parts; how many rows that are.
static size_t put_attribute(struct buf *b, const struct attribute *a)
{
    buf_printf(b,
               "{\"name\":\"%s\",\"type\":\"%s\",\"multiValued\":%s,\"description\":\"%s\","
               "\"required\":%s,\"caseExact\":%s,\"mutability\":\"%s\",\"returned\":\"%s\","
               "\"uniqueness\":\"%s\"",
               a->name, a->type, truth(a->is_many), a->words, truth(a->is_needed),
               truth(a->is_secret), a->is_secret ? "writeOnly" : "readWrite",
               a->is_secret ? "never" : "default", a->is_unique ? "server" : "none");
    for (unsigned i = 0; i < a->parts; i++) {
        buf_put_str(b, i == 0 ? ",\"subAttributes\":[" : ",");
        put_attribute(b, &a[1 + i]);
    }
    buf_put_str(b, a->parts > 0 ? "]}" : "}");
    return 1 + a->parts;
}

// In the arena; NULL without memory.
static const char *schema_text(struct scim_call *c)
{
    struct buf b;

    buf_init(&b, 16384);
    buf_put_str(&b, schema_head);
    for (size_t i = 0; i < ATTRIBUTES;) {
        buf_put_str(&b, i > 0 ? "," : "");
        i += put_attribute(&b, &attributes[i]);
    }
    buf_put_str(&b, schema_tail);
    const char *text = b.failed ? NULL : arena_str(&c->arena, buf_span(&b));

    buf_finish(&b);
    return text;
}

// The document, closed with where it is.
static void put(struct scim_call *c, const char *text, const char *path)
{
    buf_put_str(&c->body, text);
    buf_put(&c->body, span_first(scim_arg(c, "base"), 300));
    buf_put_str(&c->body, path);
    buf_put_str(&c->body, "\"}}");
}

static enum err put_list(struct scim_call *c, const char *text, const char *path)
{
    buf_put_str(&c->body, "{\"schemas\":[\"" SCIM_URN_LIST "\"],\"totalResults\":1,"
                          "\"startIndex\":1,\"itemsPerPage\":1,\"Resources\":[");
    put(c, text, path);
    buf_put_str(&c->body, "]}\n");
    c->status = 200;
    return buf_result(&c->body);
}

// All of them, or the one of the argument "id".
static enum err put_one_or_list(struct scim_call *c, const char *text, const char *path,
                                struct span own)
{
    struct span id = scim_arg(c, "id");

    if (id.n == 0) {
        return put_list(c, text, path);
    }
    if (!span_eq_nocase(id, own)) {
        return scim_fail(&c->error, 404, NULL, "There is no such thing here.");
    }
    put(c, text, path);
    buf_put_str(&c->body, "\n");
    c->status = 200;
    return buf_result(&c->body);
}

enum err scim_config(struct scim_call *c)
{
    put(c, config, "/ServiceProviderConfig");
    buf_put_str(&c->body, "\n");
    c->status = 200;
    return buf_result(&c->body);
}

enum err scim_types(struct scim_call *c)
{
    return put_one_or_list(c, type, "/ResourceTypes/User", SPAN("User"));
}

enum err scim_schemas(struct scim_call *c)
{
    const char *text = schema_text(c);

    return text ? put_one_or_list(c, text, "/Schemas/" SCIM_URN_USER, SPAN(SCIM_URN_USER))
                : ERR_NOMEM;
}
