// SPDX-License-Identifier: Apache-2.0
//
// SCIM: what identity providers send. A filter and a path that are read are written in a spelling
// that reads as the same; a filter fits a resource or not, and so does its other spelling; whatever
// a PATCH is, the resource stays one, and its fixed parts stay as they were. The first byte says
// what is read.
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "fuzz.h"
#include "store/access/provisioned.h"
#include "store/directory/scim_token.h"
#include "wire/scim/scim.h"

static const char user[] =
    "{\"schemas\":[\"" SCIM_URN_USER "\"],\"id\":\"7\",\"externalId\":\"Ab\",\"userName\":"
    "\"anna@example.org\",\"name\":{\"familyName\":\"M\"},\"active\":true,\"emails\":[{\"value\":"
    "\"anna@example.org\",\"type\":\"work\",\"primary\":true},{\"value\":\"b@y\"}],\"meta\":"
    "{\"created\":\"2026-11-27T13:00:00Z\"}}";

static void filter(struct span input, struct arena *a)
{
    const struct scim_filter *f, *again;
    json_t *resource = json_loads(user, 0, NULL);
    struct buf one, two;

    buf_init(&one, 1u << 16);
    buf_init(&two, 1u << 16);
    if (scim_filter_read(span_first(input, 1800), a, &f) == ERR_OK) {
        scim_filter_put(&one, f);
        CHECK(!one.failed && utf8_is_valid(buf_span(&one)));
        CHECK(scim_filter_read(buf_span(&one), a, &again) == ERR_OK);
        scim_filter_put(&two, again);
        CHECK(span_eq(buf_span(&one), buf_span(&two)));
        CHECK(scim_match(f, resource, SPAN(SCIM_URN_USER)) ==
              scim_match(again, resource, SPAN(SCIM_URN_USER)));
    }
    buf_finish(&one);
    buf_finish(&two);
    json_decref(resource);
}

static void path(struct span input, struct arena *a)
{
    struct scim_path p, again;
    struct buf one, two;

    buf_init(&one, 1u << 16);
    buf_init(&two, 1u << 16);
    if (scim_path_read(span_first(input, 1800), a, &p) == ERR_OK) {
        scim_path_put(&one, &p);
        CHECK(scim_path_read(buf_span(&one), a, &again) == ERR_OK);
        scim_path_put(&two, &again);
        CHECK(span_eq(buf_span(&one), buf_span(&two)) &&
              (p.where != NULL) == (again.where != NULL));
    }
    buf_finish(&one);
    buf_finish(&two);
}

static void check_error(enum err e, const struct scim_error *error)
{
    struct buf b;

    CHECK(e == ERR_OK || e == ERR_NOMEM || (e == ERR_INVALID && error->status >= 400));
    if (e == ERR_INVALID) {
        buf_init(&b, 4096);
        scim_error_put(&b, error->status, error->type, span_from_str(error->detail));
        json_t *j = json_loadb(b.p, b.n, 0, NULL);

        CHECK(j || !utf8_is_valid(span_from_str(error->detail)));
        json_decref(j);
        buf_finish(&b);
    }
}

static void patch(struct span input, struct arena *a)
{
    json_t *body = json_loadb(input.n ? input.p : "", input.n, 0, NULL);
    json_t *resource = json_loads(user, 0, NULL), *list = NULL;
    struct scim_error error = {0};
    enum err e = scim_patch_read(body, a, &list, &error);

    check_error(e, &error);
    if (e == ERR_OK) {
        e = scim_patch_apply(resource, list, a, &error);
        check_error(e, &error);
    }
    if (json_is_object(body) && e != ERR_OK) {
        check_error(scim_overlay(resource, body, &error), &error);
    }
    CHECK(strcmp(json_string_value(json_object_get(resource, "id")), "7") == 0);
    CHECK(json_object_get(resource, "userName") && json_object_get(resource, "meta"));
    CHECK(json_array_size(scim_member(resource, SPAN("emails"))) <= SCIM_VALUES_MAX);
    scim_project(resource, scim_member(body, SPAN("a")), scim_member(body, SPAN("b")));
    CHECK(json_object_get(resource, "id") && json_object_get(resource, "schemas"));
    json_decref(list);
    json_decref(resource);
    json_decref(body);
}

static void token_row(struct span input)
{
    struct span domains[SCIM_TOKEN_DOMAINS_MAX], name = span_split(&input, '\0');
    struct scim_token t;
    char key[70] = "T";

    if (name.n > SCIM_TOKEN_NAME_MAX + 1) {
        return;
    }
    memcpy(key + 1, name.p, name.n);
    if (scim_token_decode(span_of(key, 1 + name.n), input, domains, &t) == ERR_OK) {
        CHECK(scim_token_name_is_valid(t.name) && t.digest.n == SCIM_TOKEN_DIGEST_BYTES);
        CHECK(t.domain_count > 0 && t.domain_count <= SCIM_TOKEN_DOMAINS_MAX);
        CHECK(scim_token_has_domain(&t, t.domains[0]) && !scim_token_has_domain(&t, SPAN("")));
    }
}

static void said_row(struct span input)
{
    struct span aliases[PROVISIONED_ALIASES_MAX];
    struct provisioned p;

    if (provisioned_decode(input, aliases, &p) == ERR_OK) {
        CHECK(provisioned_text_is_valid(p.external_id) && provisioned_text_is_valid(p.given));
        CHECK(p.alias_count <= PROVISIONED_ALIASES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of(data, size);
    struct arena a;

    if (size == 0) {
        return 0;
    }
    input = span_skip(input, 1);
    arena_init(&a, 4u << 20);
    switch (data[0] % 5) {
    case 0:
        filter(input, &a);
        break;
    case 1:
        path(input, &a);
        break;
    case 2:
        patch(input, &a);
        break;
    case 3:
        token_row(input);
        break;
    default:
        said_row(input);
        break;
    }
    arena_finish(&a);
    return 0;
}
