// SPDX-License-Identifier: Apache-2.0
//
// SCIM: filters and paths read and written back (RFC 7644 figures 1 and 7), filters and PATCH on a
// resource, the choice of attributes, errors.
#include "../test.h"
#include "wire/scim/scim.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

static json_t *parse(const char *text)
{
    char copy[4096];
    size_t n = 0;

    for (; text[n] && n < sizeof(copy) - 1; n++) {
        copy[n] = text[n] == '\'' ? '"' : text[n];
    }
    copy[n] = '\0';
    json_t *j = json_loads(copy, JSON_DECODE_ANY, NULL);

    assert_non_null(j);
    return j;
}

// ---- filters ------------------------------------------------------------------------------------

static const struct {
    const char *in;
    enum err e;
    const char *out; // NULL: as it is
} filters[] = {
    {"userName eq \"a\"", ERR_OK, NULL},
    {"  userName   EQ   \"a\"  ", ERR_OK, "userName eq \"a\""},
    {"name.familyName co \"O'Malley\"", ERR_OK, NULL},
    {"title PR", ERR_OK, "title pr"},
    {"active eq TRUE", ERR_OK, "active eq true"},
    {"a eq false or b ne null", ERR_OK, NULL},
    {"n gt -1.5e3 and m le 0", ERR_OK, NULL},
    {"a pr and b pr or c pr", ERR_OK, NULL},
    {"a pr or b pr and c pr", ERR_OK, NULL},
    {"(a pr or b pr) and c pr", ERR_OK, NULL},
    {"a pr and (b pr or c pr)", ERR_OK, NULL},
    {"a pr and (b pr and c pr)", ERR_OK, NULL},
    {"((a pr))", ERR_OK, "a pr"},
    {"not (a pr)", ERR_OK, NULL},
    {"NOT(a pr and b pr)", ERR_OK, "not (a pr and b pr)"},
    {"not eq \"x\"", ERR_OK, NULL}, // an attribute of that name
    {"(a pr)and(b pr)", ERR_OK, "a pr and b pr"},
    {"emails[type eq \"work\" and value co \"@x\"]", ERR_OK, NULL},
    {"emails[type eq \"work\"].value eq \"x\"", ERR_OK,
     "emails[type eq \"work\" and value eq \"x\"]"},
    {"emails[not (type pr)] or a pr", ERR_OK, NULL},
    {"urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"J\"", ERR_OK, NULL},
    {"urn:x:2.0:User:name.givenName pr", ERR_OK, NULL},
    {"a eq \"q\\\"b\\\\s\\/\\n\\u00e4\\uD83D\\uDE00\"", ERR_OK,
     "a eq \"q\\\"b\\\\s/\\n\xc3\xa4\xf0\x9f\x98\x80\""},
    {"members.$ref eq \"x\"", ERR_OK, NULL},
    {"", ERR_INVALID, NULL},
    {"a", ERR_INVALID, NULL},
    {"a eq", ERR_INVALID, NULL},
    {"a eq ", ERR_INVALID, NULL},
    {"a eq x", ERR_INVALID, NULL},
    {"a eq truex", ERR_INVALID, NULL},
    {"a eq 01", ERR_INVALID, NULL},
    {"a eq 1.", ERR_INVALID, NULL},
    {"a eq 1e999", ERR_INVALID, NULL},
    {"a eq -", ERR_INVALID, NULL},
    {"a eq \"x", ERR_INVALID, NULL},
    {"a eq \"x\\q\"", ERR_INVALID, NULL},
    {"a eq \"\\u0000\"", ERR_INVALID, NULL},
    {"a eq \"\\uD83D\"", ERR_INVALID, NULL},
    {"a eq \"\\uDE00\"", ERR_INVALID, NULL},
    {"a eq \"\xff\"", ERR_INVALID, NULL},
    {"a eq \"x\"\"", ERR_INVALID, NULL},
    {"a eq\"x\"", ERR_INVALID, NULL},
    {"a is \"x\"", ERR_INVALID, NULL},
    {"a pr b pr", ERR_INVALID, NULL},
    {"a pr and", ERR_INVALID, NULL},
    {"a prand b pr", ERR_INVALID, NULL},
    {"and a pr", ERR_INVALID, NULL},
    {"(a pr", ERR_INVALID, NULL},
    {"a pr)", ERR_INVALID, NULL},
    {"1a pr", ERR_INVALID, NULL},
    {"a. pr", ERR_INVALID, NULL},
    {"a.b.c pr", ERR_INVALID, NULL},
    {".a pr", ERR_INVALID, NULL},
    {":a pr", ERR_INVALID, NULL},
    {"a[b[c pr]]", ERR_INVALID, NULL},
    {"a.b[c pr]", ERR_INVALID, NULL},
    {"a[b pr", ERR_INVALID, NULL},
    {"a[b pr or c pr].d eq 1", ERR_INVALID, NULL},
    {"a\tpr", ERR_INVALID, NULL},
};

static void test_filters_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        const struct scim_filter *f;
        struct buf b;

        print_message("%s\n", filters[i].in);
        assert_int_equal(scim_filter_read(span_from_str(filters[i].in), &arena, &f), filters[i].e);
        if (filters[i].e != ERR_OK) {
            continue;
        }
        buf_init(&b, 4096);
        scim_filter_put(&b, f);
        assert_span(buf_span(&b), filters[i].out ? filters[i].out : filters[i].in);
        buf_finish(&b);
    }
}

static void test_filters_have_limits(void **state)
{
    const struct scim_filter *f;
    struct buf b;

    (void)state;
    for (int depth = SCIM_FILTER_DEPTH_MAX; depth <= SCIM_FILTER_DEPTH_MAX + 1; depth++) {
        buf_init(&b, 4096);
        for (int i = 0; i < depth; i++) {
            buf_put_byte(&b, '(');
        }
        buf_put_str(&b, "a pr");
        for (int i = 0; i < depth; i++) {
            buf_put_byte(&b, ')');
        }
        assert_int_equal(scim_filter_read(buf_span(&b), &arena, &f),
                         depth > SCIM_FILTER_DEPTH_MAX ? ERR_LIMIT : ERR_OK);
        buf_finish(&b);
    }
    buf_init(&b, 8192);
    buf_put_str(&b, "a pr");
    for (int i = 0; i < SCIM_FILTER_NODES_MAX / 2; i++) {
        buf_put_str(&b, " or a pr");
    }
    assert_int_equal(scim_filter_read(buf_span(&b), &arena, &f), ERR_LIMIT);
    buf_clear(&b);
    buf_put_str(&b, "a eq \"");
    while (b.n < SCIM_FILTER_BYTES_MAX) {
        buf_put_byte(&b, 'x');
    }
    buf_put_byte(&b, '"');
    assert_int_equal(scim_filter_read(buf_span(&b), &arena, &f), ERR_LIMIT);
    buf_finish(&b);
}

static void test_paths(void **state)
{
    static const struct {
        const char *in;
        enum err e;
    } rows[] = {
        {"userName", ERR_OK},
        {"name.givenName", ERR_OK},
        {"emails[type eq \"work\"]", ERR_OK},
        {"emails[type eq \"work\" and primary eq true].value", ERR_OK},
        {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", ERR_OK},
        {"", ERR_INVALID},
        {"a b", ERR_INVALID},
        {"a pr", ERR_INVALID},
        {"a[b pr]c", ERR_INVALID},
        {"a[b pr].", ERR_INVALID},
        {"a[b pr].c.d", ERR_INVALID},
        {"a[]", ERR_INVALID},
        {"a[b[c pr]]", ERR_INVALID},
        {"a.b[c pr]", ERR_INVALID},
        {" a", ERR_INVALID},
        {"a.", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scim_path p;
        struct buf b;

        print_message("%s\n", rows[i].in);
        assert_int_equal(scim_path_read(span_from_str(rows[i].in), &arena, &p), rows[i].e);
        if (rows[i].e == ERR_OK) {
            buf_init(&b, 1024);
            scim_path_put(&b, &p);
            assert_span(buf_span(&b), rows[i].in);
            buf_finish(&b);
        }
    }
}

// ---- what fits ----------------------------------------------------------------------------------

static const char user[] =
    "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7','externalId':'Ab',"
    "'userName':'Anna@example.org','name':{'familyName':'M\xc3\xbcller'},'active':true,'n':5,"
    "'emails':[{'value':'a@x','type':'work','primary':true},{'value':'b@y','type':'home'}],"
    "'empty':[],'meta':{'created':'2026-11-27T13:00:00Z'}}";

static const struct {
    const char *filter;
    bool fits;
} matches[] = {
    {"userName eq \"anna@EXAMPLE.org\"", true},
    {"USERNAME eq \"anna@example.org\"", true},
    {"userName ne \"x\"", true},
    {"userName sw \"anna\"", true},
    {"userName sw \"anna@example.org.uk\"", false},
    {"userName ew \".ORG\"", true},
    {"userName co \"@EX\"", true},
    {"userName co \"\"", true},
    {"userName gt \"annA\"", true},
    {"userName lt \"b\"", true},
    {"userName le \"anna@example.org\"", true},
    {"externalId eq \"ab\"", false},
    {"externalId eq \"Ab\"", true},
    {"id eq \"7\"", true},
    {"id eq 7", false},
    {"active eq true", true},
    {"active eq \"True\"", true},
    {"active eq false", false},
    {"active ne false", true},
    {"active gt false", false},
    {"n ge 5", true},
    {"n lt 5", false},
    {"n eq \"5\"", false},
    {"n co 5", false},
    {"name.familyName sw \"m\xc3\xbc\"", true},
    {"name.familyName pr", true},
    {"name.givenName pr", false},
    {"name pr", true},
    {"empty pr", false},
    {"nothing pr", false},
    {"nothing eq \"x\"", false},
    {"nothing ne \"x\"", true},
    {"nothing eq null", true},
    {"userName eq null", false},
    {"userName ne null", true},
    {"emails eq \"a@x\"", true},
    {"emails.value eq \"B@Y\"", true},
    {"emails.type eq \"work\" and emails.value eq \"b@y\"", true}, // of two of them
    {"emails[type eq \"work\" and value eq \"b@y\"]", false},      // of one
    {"emails[type eq \"home\" and value eq \"b@y\"]", true},
    {"emails[not (type eq \"work\")]", true},
    {"emails[primary eq true].value eq \"a@x\"", true},
    {"schemas eq \"urn:ietf:params:scim:schemas:core:2.0:user\"", true},
    {"urn:ietf:params:scim:schemas:core:2.0:user:userName pr", true},
    {"urn:other:userName pr", false},
    {"not (active eq true)", false},
    {"not (active eq false) and id eq \"7\"", true},
    {"id eq \"8\" or id eq \"7\" and active eq true", true},
    {"(id eq \"7\" or id eq \"8\") and active eq false", false},
    {"id eq \"7\" or id eq \"8\" and active eq false", true},
    {"meta.created eq \"2026-11-27T14:00:00+01:00\"", true},
    {"meta.created gt \"2026-11-27T12:59:59.9Z\"", true},
    {"meta.created lt \"2026-02-28T00:00:00Z\"", false},
    {"meta.created gt \"2024-02-29T00:00:00Z\"", true},
};

static void test_matches(void **state)
{
    json_t *resource = parse(user);

    (void)state;
    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        const struct scim_filter *f;

        print_message("%s\n", matches[i].filter);
        assert_int_equal(scim_filter_read(span_from_str(matches[i].filter), &arena, &f), ERR_OK);
        assert_int_equal(scim_match(f, resource, SPAN(SCIM_URN_USER)), matches[i].fits);
    }
    json_decref(resource);
}

static void test_moments_in_leap_years(void **state)
{
    static const struct {
        const char *resource, *filter;
    } rows[] = {
        {"{'meta':{'created':'2023-12-31T23:30:00Z'}}",
         "meta.created eq \"2024-01-01T00:30:00+01:00\""},
        {"{'meta':{'created':'2024-02-29T23:30:00Z'}}",
         "meta.created eq \"2024-03-01T00:30:00+01:00\""},
        {"{'meta':{'created':'2023-02-28T23:30:00Z'}}",
         "meta.created eq \"2023-03-01T00:30:00+01:00\""},
        {"{'meta':{'created':'2025-01-01T00:00:00Z'}}",
         "meta.created eq \"2024-12-31T20:00:00-04:00\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *resource = parse(rows[i].resource);
        const struct scim_filter *f;

        assert_int_equal(scim_filter_read(span_from_str(rows[i].filter), &arena, &f), ERR_OK);
        assert_true(scim_match(f, resource, SPAN(SCIM_URN_USER)));
        json_decref(resource);
    }
}

// ---- PATCH --------------------------------------------------------------------------------------

#define EMAILS                                                                                     \
    "'emails':[{'value':'a@x','type':'work','primary':true},{'value':'b@y','type':'home'}]"

static const struct {
    const char *before, *operations;
    const char *after; // or the scimType
} patches[] = {
    {"{}", "[{'op':'add','path':'displayName','value':'A'}]", "{'displayName':'A'}"},
    {"{'displayName':'B'}", "[{'op':'REPLACE','path':'displayname','value':'A'}]",
     "{'displayName':'A'}"},
    {"{'displayName':'B'}", "[{'op':'Remove','path':'displayName'}]", "{}"},
    {"{}", "[{'op':'Add','path':'displayName','value':[{'value':'A'}]}]", "{'displayName':'A'}"},
    {"{}", "[{'op':'replace','value':{'displayName':'A','active':'False'}}]",
     "{'displayName':'A','active':'False'}"},
    {"{'name':{'givenName':'G'}}", "[{'op':'replace','value':{'name.familyName':'F'}}]",
     "{'name':{'givenName':'G','familyName':'F'}}"},
    {"{'name':{'givenName':'G','familyName':'F'}}",
     "[{'op':'replace','path':'name','value':{'familyName':'N'}}]",
     "{'name':{'givenName':'G','familyName':'N'}}"},
    {"{'name':{'givenName':'G'}}", "[{'op':'remove','path':'name.givenName'}]", "{'name':{}}"},
    {"{}", "[{'op':'add','path':'name.givenName','value':'G'}]", "{'name':{'givenName':'G'}}"},
    {"{}", "[{'op':'add','value':{'id':'9','schemas':['x'],'meta':{},'displayName':'A'}}]",
     "{'displayName':'A'}"},
    {"{}",
     "[{'op':'add','path':'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',"
     "'value':'x'}]",
     "{}"},
    {"{}",
     "[{'op':'add','value':{'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User':"
     "{'department':'x'}}}]",
     "{}"},
    {"{}",
     "[{'op':'add','path':'urn:ietf:params:scim:schemas:core:2.0:User:userName','value':'x'}]",
     "{'userName':'x'}"},
    // Lists.
    {"{" EMAILS "}", "[{'op':'add','path':'emails','value':[{'value':'c@z'}]}]",
     "{'emails':[{'value':'a@x','type':'work','primary':true},{'value':'b@y','type':'home'},"
     "{'value':'c@z'}]}"},
    {"{" EMAILS "}", "[{'op':'add','path':'emails','value':{'value':'A@X','type':'other'}}]",
     "{'emails':[{'value':'A@X','type':'other','primary':true},{'value':'b@y','type':'home'}]}"},
    {"{" EMAILS "}", "[{'op':'replace','path':'emails','value':['c@z']}]",
     "{'emails':[{'value':'c@z'}]}"},
    {"{" EMAILS "}", "[{'op':'replace','path':'emails[type eq \\'work\\'].value','value':'n@x'}]",
     "{'emails':[{'value':'n@x','type':'work','primary':true},{'value':'b@y','type':'home'}]}"},
    {"{" EMAILS "}",
     "[{'op':'replace','path':'emails[type eq \\'home\\']',"
     "'value':{'primary':true}}]",
     "{'emails':[{'value':'a@x','type':'work'},{'value':'b@y','type':'home','primary':true}]}"},
    {"{" EMAILS "}", "[{'op':'add','path':'emails[type eq \\'other\\'].value','value':'n@x'}]",
     "{'emails':[{'value':'a@x','type':'work','primary':true},{'value':'b@y','type':'home'},"
     "{'type':'other','value':'n@x'}]}"},
    {"{" EMAILS "}", "[{'op':'replace','path':'emails[type eq \\'other\\'].value','value':'n@x'}]",
     "noTarget"},
    {"{" EMAILS "}",
     "[{'op':'add','path':'emails[type co \\'o\\' and type sw \\'x\\'].value',"
     "'value':'n@x'}]",
     "noTarget"},
    {"{" EMAILS "}", "[{'op':'remove','path':'emails[type eq \\'home\\']'}]",
     "{'emails':[{'value':'a@x','type':'work','primary':true}]}"},
    {"{" EMAILS "}", "[{'op':'remove','path':'emails[type eq \\'fax\\']'}]", "{" EMAILS "}"},
    {"{" EMAILS "}", "[{'op':'remove','path':'emails','value':[{'value':'B@y'}]}]",
     "{'emails':[{'value':'a@x','type':'work','primary':true}]}"},
    {"{" EMAILS "}", "[{'op':'remove','path':'emails'}]", "{}"},
    {"{" EMAILS "}", "[{'op':'remove','path':'emails.type'}]",
     "{'emails':[{'value':'a@x','primary':true},{'value':'b@y'}]}"},
    {"{}", "[{'op':'replace','path':'phoneNumbers[type eq \\'work\\'].value','value':'1'}]",
     "{'phoneNumbers':[{'type':'work','value':'1'}]}"},
    // One after the other.
    {"{}",
     "[{'op':'add','path':'emails','value':'a@x'},{'op':'replace','path':"
     "'emails[value eq \\'a@x\\'].type','value':'work'}]",
     "{'emails':[{'value':'a@x','type':'work'}]}"},
    // What cannot be.
    {"{}", "[{'op':'remove'}]", "noTarget"},
    {"{}", "[{'op':'move','path':'title','value':'x'}]", "invalidSyntax"},
    {"{}", "[{'path':'title','value':'x'}]", "invalidSyntax"},
    {"{}", "['x']", "invalidSyntax"},
    {"{}", "[]", "invalidSyntax"},
    {"{}", "[{'op':'add','path':'title'}]", "invalidValue"},
    {"{}", "[{'op':'add','path':5,'value':'x'}]", "invalidPath"},
    {"{}", "[{'op':'add','path':'a b','value':'x'}]", "invalidPath"},
    {"{}", "[{'op':'add','path':'unheardOf','value':'x'}]", "invalidPath"},
    {"{}", "[{'op':'add','value':{'unheardOf':'x'}}]", "invalidPath"},
    {"{}", "[{'op':'add','value':{'a b':'x'}}]", "invalidPath"},
    {"{}", "[{'op':'add','path':'displayName.x','value':'x'}]", "invalidPath"},
    {"{}", "[{'op':'add','path':'name[a pr]','value':'x'}]", "invalidPath"},
    {"{}", "[{'op':'add','value':'x'}]", "invalidValue"},
    {"{}", "[{'op':'add','path':'name','value':'x'}]", "invalidValue"},
    {"{}", "[{'op':'add','path':'displayName','value':{'a':1}}]", "invalidValue"},
    {"{}", "[{'op':'add','path':'name.givenName','value':{'a':1}}]", "invalidValue"},
    {"{}", "[{'op':'replace','path':'id','value':'x'}]", "mutability"},
    {"{}", "[{'op':'replace','path':'groups','value':[]}]", "mutability"},
    {"{}", "[{'op':'remove','path':'userName'}]", "mutability"},
    {"{}", "[{'op':'remove','path':'active'}]", "mutability"},
};

// Filters within texts of these tables are written with quotes that JSON must not see.
static json_t *parse_operations(const char *text)
{
    char copy[2048];
    size_t n = 0;

    for (; *text && n < sizeof(copy) - 3; text++) {
        if (text[0] == '\\' && text[1] == '\'') {
            copy[n++] = '\\';
            copy[n++] = '"';
            text++;
        } else {
            copy[n++] = *text == '\'' ? '"' : *text;
        }
    }
    copy[n] = '\0';
    json_t *j = json_loads(copy, 0, NULL);

    assert_non_null(j);
    return j;
}

static void test_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        json_t *resource = parse(patches[i].before), *list = NULL;
        json_t *body = json_pack("{s:o}", "operations", parse_operations(patches[i].operations));
        struct scim_error error = {0};
        enum err e = scim_patch_read(body, &arena, &list, &error);

        print_message("%s\n", patches[i].operations);
        e = e == ERR_OK ? scim_patch_apply(resource, list, &arena, &error) : e;
        if (patches[i].after[0] == '{') {
            json_t *after = parse(patches[i].after);
            char *got = json_dumps(resource, 0);

            assert_int_equal(e, ERR_OK);
            print_message("  %s\n", got);
            assert_true(json_equal(resource, after));
            free(got);
            json_decref(after);
        } else {
            assert_int_equal(e, ERR_INVALID);
            assert_int_equal(error.status, 400);
            assert_string_equal(error.type, patches[i].after);
        }
        json_decref(list);
        json_decref(body);
        json_decref(resource);
    }
}

static void test_a_whole_resource_over_another(void **state)
{
    json_t *resource = parse("{'id':'7','userName':'u','externalId':'x','active':true,"
                             "'name':{'givenName':'G','familyName':'F'}," EMAILS "}");
    json_t *body = parse("{'ID':'8','username':'n','externalId':null,'active':null,"
                         "'name':{'familyName':'N'},'emails':[{'value':'c@z'}],'unknown':1}");
    json_t *after = parse("{'id':'7','userName':'n','active':true,'name':{'familyName':'N'},"
                          "'emails':[{'value':'c@z'}]}");
    struct scim_error error;

    (void)state;
    assert_int_equal(scim_overlay(resource, body, &error), ERR_OK);
    assert_true(json_equal(resource, after));
    json_decref(body);
    json_decref(after);
    body = parse("{'userName':{}}");
    assert_int_equal(scim_overlay(resource, body, &error), ERR_INVALID);
    assert_string_equal(error.type, "invalidValue");
    json_decref(body);
    json_decref(resource);
}

// ---- answers ------------------------------------------------------------------------------------

static void test_only_what_is_wanted(void **state)
{
    static const struct {
        const char *attributes, *excluded, *after;
    } rows[] = {
        {"[]", "[]", user},
        {"['userName']", "[]",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7',"
         "'userName':'Anna@example.org'}"},
        {"['EMAILS.value','name']", "[]",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7',"
         "'name':{'familyName':'M\xc3\xbcller'},'emails':[{'value':'a@x'},{'value':'b@y'}]}"},
        {"['urn:ietf:params:scim:schemas:core:2.0:User:active']", "[]",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7','active':true}"},
        {"['nothing']", "[]",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7'}"},
        {"[]", "['emails','name','meta','n','empty','id','externalId','active']",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7',"
         "'userName':'Anna@example.org'}"},
        {"['emails']", "['emails.type','emails.primary']",
         "{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],'id':'7',"
         "'emails':[{'value':'a@x'},{'value':'b@y'}]}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *resource = parse(user), *after = parse(rows[i].after);
        json_t *attributes = parse(rows[i].attributes), *excluded = parse(rows[i].excluded);

        scim_project(resource, attributes, excluded);
        print_message("%zu\n", i);
        assert_true(json_equal(resource, after));
        json_decref(resource);
        json_decref(after);
        json_decref(attributes);
        json_decref(excluded);
    }
}

static void test_errors(void **state)
{
    struct scim_error e;
    struct buf b;

    (void)state;
    buf_init(&b, 1024);
    scim_fail(&e, 409, "uniqueness", "There is \"%s\".\n", "x");
    scim_error_put(&b, e.status, e.type, span_from_str(e.detail));
    assert_span(buf_span(&b),
                "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"status\":\"409\","
                "\"scimType\":\"uniqueness\",\"detail\":\"There is \\\"x\\\".\\u000a\"}\n");
    assert_string_equal(scim_shown(SPAN("a\"b\x80\n")).s, "a?b??");
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filters_are_read_and_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filters_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moments_in_leap_years, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_whole_resource_over_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_what_is_wanted, setup, teardown),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
