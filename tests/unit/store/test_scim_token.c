// SPDX-License-Identifier: Apache-2.0
//
// Provisioning tokens over their domains, and what an identity provider has said of an account.
#include "store/access/provisioned.h"
#include "store/directory/scim_token.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static struct span digest(char letter)
{
    char *p = arena_alloc(&b->arena, SCIM_TOKEN_DIGEST_BYTES);

    memset(p, letter, SCIM_TOKEN_DIGEST_BYTES);
    return span_of(p, SCIM_TOKEN_DIGEST_BYTES);
}

static enum err add(const char *name, char letter, const struct span *domains, size_t count)
{
    const struct scim_token t = {.name = span_from_str(name),
                                 .digest = digest(letter),
                                 .domains = domains,
                                 .domain_count = count};
    struct span missing;

    return scim_token_add(b->store, &tester, &t, &missing);
}

static const struct span both[] = {{"one.example", 11}, {"two.example", 11}};

static void make_domains(void)
{
    assert_ok(directory_domain_add(b->store, &tester, both[0]));
    assert_ok(directory_domain_add(b->store, &tester, both[1]));
}

static void test_tokens(void **state)
{
    struct scim_token t;

    (void)state;
    make_domains();
    assert_ok(add("okta", 'a', both, 2));
    assert_err(add("okta", 'b', both, 1), ERR_EXISTS);
    assert_err(add("a b", 'b', both, 1), ERR_INVALID);
    assert_err(add("", 'b', both, 1), ERR_INVALID);
    assert_err(add("none", 'b', both, 0), ERR_INVALID);
    assert_err(add("other", 'b', &SPAN("no.example"), 1), ERR_NOT_FOUND);
    assert_ok(add("entra", 'b', both + 1, 1));
    assert_ok(scim_token_find(b->store, digest('a'), &b->arena, &t));
    assert_span(t.name, "okta");
    assert_true(scim_token_has_domain(&t, both[0]) && scim_token_has_domain(&t, both[1]));
    assert_false(scim_token_has_domain(&t, SPAN("one.exampl")));
    assert_true(t.created > 0 && t.used == 0);
    assert_err(scim_token_find(b->store, digest('c'), &b->arena, &t), ERR_NOT_FOUND);
    assert_err(scim_token_find(b->store, span_first(digest('a'), 31), &b->arena, &t),
               ERR_NOT_FOUND);
    // When it was used is kept, and not that of another one which has its name now.
    assert_ok(scim_token_find(b->store, digest('a'), &b->arena, &t));
    assert_ok(scim_token_used(b->store, &t));
    assert_ok(scim_token_find(b->store, digest('a'), &b->arena, &t));
    assert_true(t.used >= t.created);
    struct scim_token old = t;

    assert_ok(scim_token_remove(b->store, &tester, SPAN("okta")));
    assert_err(scim_token_remove(b->store, &tester, SPAN("okta")), ERR_NOT_FOUND);
    assert_err(scim_token_find(b->store, digest('a'), &b->arena, &t), ERR_NOT_FOUND);
    assert_ok(add("okta", 'd', both, 1));
    old.used = 0;
    assert_ok(scim_token_used(b->store, &old));
    assert_ok(scim_token_find(b->store, digest('d'), &b->arena, &t));
    assert_int_equal(t.used, 0);
}

// L51.
static void test_a_domain_goes(void **state)
{
    struct scim_token t;

    (void)state;
    make_domains();
    assert_ok(add("both", 'a', both, 2));
    assert_ok(add("one", 'b', both, 1));
    assert_ok(directory_domain_remove(b->store, &tester, both[0]));
    assert_ok(directory_domain_add(b->store, &tester, both[0]));
    assert_ok(scim_token_find(b->store, digest('a'), &b->arena, &t));
    assert_true(t.domain_count == 1 && scim_token_has_domain(&t, both[1]));
    assert_err(scim_token_find(b->store, digest('b'), &b->arena, &t), ERR_NOT_FOUND);
}

static void test_what_a_provider_says(void **state)
{
    const struct span aliases[] = {SPAN("a@one.example"), SPAN("b@one.example")};
    struct provisioned p, said = {.external_id = SPAN("x-1"),
                                  .given = SPAN("Anna"),
                                  .family = SPAN("M\xc3\xbcller"),
                                  .aliases = aliases,
                                  .alias_count = 2};

    (void)state;
    assert_ok(provisioned_get(b->store, b->account, &b->arena, &p));
    assert_true(!p.is_deleted && p.changed == 0 && p.external_id.n == 0 && p.alias_count == 0);
    assert_ok(provisioned_set(b->store, b->account, &tester, &said));
    assert_ok(provisioned_get(b->store, b->account, &b->arena, &p));
    assert_span(p.external_id, "x-1");
    assert_span(p.family, "M\xc3\xbcller");
    assert_true(!p.is_deleted && p.changed > 0 && p.alias_count == 2);
    assert_span(p.aliases[1], "b@one.example");
    p.is_deleted = true;
    p.alias_count = 0;
    assert_ok(provisioned_set(b->store, b->account, &tester, &p));
    assert_ok(provisioned_get(b->store, b->account, &b->arena, &p));
    assert_true(p.is_deleted && p.alias_count == 0);
    said.given = SPAN("a\nb");
    assert_err(provisioned_set(b->store, b->account, &tester, &said), ERR_INVALID);
    said.given = SPAN("\xff");
    assert_err(provisioned_set(b->store, b->account, &tester, &said), ERR_INVALID);
    assert_err(provisioned_set(b->store, 0, &tester, &said), ERR_NOT_FOUND);
    assert_err(provisioned_get(b->store, 0, &b->arena, &p), ERR_NOT_FOUND);
    assert_err(provisioned_get(b->store, b->account + 1000, &b->arena, &p), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_domain_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_provider_says, setup, teardown),
    };

    return BENCH_RUN("store scim token", tests);
}
