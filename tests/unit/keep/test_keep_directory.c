// SPDX-License-Identifier: Apache-2.0
//
// L27, L56, L57. What keep makes of a directory's word: who is out, who is in again, which roles
// their groups give, and when so many would lose something that it must be a mistake.
#include <stdio.h>

#include "../store/support.h"
#include "auth/password.h"
#include "base/log.h"
#include "keep/keep_directory.h"
#include "keep/keep_directory_person.h"

#define PEOPLE 24

static struct bench bench;
static struct bench *const b = &bench;
static struct keep_directory *d;

// The directory: of each person (p0 to p23).
static struct {
    account_id id;
    bool is_gone, is_away, hides_groups;
    const char *groups, *name;
    uint64_t quota;
} people[PEOPLE];
static size_t people_n;
static account_id ended[PEOPLE];
static size_t ended_n;

static enum err ask(void *arg, const struct auth_vouch_question *q, struct arena *a,
                    struct auth_vouch_answer *out)
{
    unsigned i = PEOPLE;
    char name[60];

    (void)arg;
    assert_int_equal(q->kind, AUTH_VOUCH_STILL_THERE);
    span_copy_text(q->name, name, sizeof(name));
    assert_int_equal(sscanf(name, "p%u@", &i), 1);
    assert_true(i < people_n);
    *out = (struct auth_vouch_answer){.words = SPAN("words")};
    if (people[i].is_away || people[i].is_gone) {
        return people[i].is_away ? ERR_UNAVAILABLE : ERR_DENIED;
    }
    out->groups = arena_dup(a, span_from_str(people[i].groups ? people[i].groups : ""));
    out->knows_groups = !people[i].hides_groups;
    out->display_name = span_from_str(people[i].name ? people[i].name : "");
    out->quota = people[i].quota;
    return ERR_OK;
}

static void end_sessions(void *arg, account_id account)
{
    (void)arg;
    ended[ended_n++] = account;
}

static void start(const char *const *roles, size_t n)
{
    struct span items[8];
    struct keep_directory_options o = {.store = b->store,
                                       .vouch = {.ask = ask},
                                       .quota_bytes = 1000,
                                       .quota_messages = 10,
                                       .roles = items,
                                       .role_count = n,
                                       .end_sessions = end_sessions};

    for (size_t i = 0; i < n; i++) {
        items[i] = span_from_str(roles[i]);
    }
    keep_directory_stop(d);
    assert_ok(keep_directory_start(&o, &d));
}

static const char *const usual[] = {"cn=help desk,dc=x help-desk example.org",
                                    "CN=Bosses,DC=X owner"};

static int setup(void **state)
{
    log_set_level(LOG_ERROR + 0);
    bench_choose(state);
    bench_open(b);
    memset(people, 0, sizeof(people));
    people_n = ended_n = 0;
    start(usual, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    keep_directory_stop(d);
    d = NULL;
    bench_check(b);
    bench_close(b);
    return 0;
}

static void add(size_t n, const char *groups)
{
    for (; n > 0; n--) {
        char name[60];

        snprintf(name, sizeof(name), "p%zu@example.org", people_n);
        assert_ok(directory_account_add(b->store, &tester, span_from_str(name),
                                        SPAN(PASSWORD_OF_DIRECTORY), false, &people[people_n].id));
        people[people_n++].groups = groups;
    }
}

static struct admin_directory_counts sync_is(enum err want, bool force)
{
    struct admin_directory_counts n;

    assert_err(keep_directory_sync(d, force, &n), want);
    return n;
}

// "help-desk:example.org; owner:*", those of the directory with a "!" in front.
static const char *roles_of(account_id id)
{
    struct role_holder h;
    static char text[1000];
    size_t n = 0;

    text[0] = '\0';
    arena_reset(&b->arena);
    assert_ok(role_holder_get(b->store, id, &b->arena, &h));
    for (size_t i = 0; i < h.count; i++) {
        const struct role_grant *g = &h.grants[i];

        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%.*s:", i ? "; " : "",
                              g->by_directory ? "!" : "", SPAN_ARG(g->role));
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", g->is_everywhere ? "*" : "");
        for (size_t k = 0; k < g->domain_count; k++) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", k ? "," : "",
                                  SPAN_ARG(g->domains[k]));
        }
    }
    return text;
}

static struct account account_of(account_id id)
{
    struct account account;

    arena_reset(&b->arena);
    assert_ok(directory_account_by_id(b->store, id, &b->arena, &account));
    return account;
}

static bool is_out(account_id id)
{
    return password_is_nobodys(account_of(id).password_hash);
}

// ---- who is there -------------------------------------------------------------------------------

static void test_out_and_in_again(void **state)
{
    struct admin_directory_counts n;

    (void)state;
    add(3, NULL);
    n = sync_is(ERR_OK, false);
    assert_int_equal(n.asked, 3);
    assert_int_equal(n.gone + n.back + n.roles, 0);
    people[1].is_gone = true;
    n = sync_is(ERR_OK, false);
    assert_int_equal(n.gone, 1);
    assert_true(is_out(people[1].id) && !is_out(people[0].id));
    assert_int_equal(ended_n, 1);
    assert_int_equal(ended[0], people[1].id);
    people[1].is_gone = false;
    n = sync_is(ERR_OK, false);
    assert_int_equal(n.back, 1);
    assert_false(is_out(people[1].id));
}

static void test_accounts_of_our_own_are_not_asked_about(void **state)
{
    (void)state;
    assert_int_equal(sync_is(ERR_OK, false).asked, 0); // u1@example.org is one
    add(1, NULL);
    assert_int_equal(sync_is(ERR_OK, false).asked, 1);
}

// What was found out before it was away is in force; of the rest nothing is known.
static void test_away_in_the_middle(void **state)
{
    (void)state;
    add(3, NULL);
    people[0].is_gone = people[2].is_gone = true;
    people[1].is_away = true;
    struct admin_directory_counts n = sync_is(ERR_UNAVAILABLE, false);

    assert_true(n.asked < 3);
    assert_int_equal(is_out(people[0].id) + is_out(people[2].id), (int)n.gone);
    assert_false(is_out(people[1].id));
    assert_int_equal(ended_n, n.gone);
}

static void test_many_at_once_are_a_mistake(void **state)
{
    (void)state;
    add(18, NULL);
    for (size_t i = 0; i < 9; i++) {
        people[i].is_gone = true;
    }
    assert_int_equal(sync_is(ERR_OK, false).gone, 9); // fewer than ten
    for (size_t i = 9; i < 18; i++) {
        people[i].is_gone = true;
    }
    people[0].is_gone = false; // who is back comes in all the same
    add(1, NULL);
    people[18].is_gone = true;
    struct admin_directory_counts n = sync_is(ERR_DENIED, false);

    assert_int_equal(n.gone, 10);
    assert_false(is_out(people[9].id) || is_out(people[0].id));
    assert_int_equal(sync_is(ERR_OK, true).gone, 10);
    assert_true(is_out(people[9].id));
}

// ---- roles --------------------------------------------------------------------------------------

static void test_a_group_gives_a_role(void **state)
{
    (void)state;
    add(3, NULL);
    people[0].groups = "cn=other,dc=x\ncn=Help  Desk, dc=x";
    people[1].groups = "cn=bosses,dc=x\ncn=help desk,dc=x";
    people[2].groups = "cn=help desk2,dc=x\ncn=help,dc=x\ncn=bosses\\,dc=x,dc=x\nbosses";
    assert_int_equal(sync_is(ERR_OK, false).roles, 2);
    assert_string_equal(roles_of(people[0].id), "!help-desk:example.org");
    assert_string_equal(roles_of(people[1].id), "!help-desk:example.org; !owner:*");
    assert_string_equal(roles_of(people[2].id), "");
    assert_int_equal(sync_is(ERR_OK, false).roles, 0);
    // By hand beside it, over all: it stays when the group goes.
    assert_ok(role_grant(b->store, &tester, people[0].id, SPAN("help-desk"), NULL, 0, NULL));
    people[0].groups = NULL;
    assert_int_equal(sync_is(ERR_OK, false).roles, 1);
    assert_string_equal(roles_of(people[0].id), "help-desk:*");
}

static void test_who_is_gone_has_none(void **state)
{
    (void)state;
    add(2, "cn=bosses,dc=x");
    sync_is(ERR_OK, false);
    people[0].is_gone = true;
    sync_is(ERR_OK, false);
    assert_string_equal(roles_of(people[0].id), "");
    assert_string_equal(roles_of(people[1].id), "!owner:*");
    people[0].is_gone = false;
    sync_is(ERR_OK, false);
    assert_string_equal(roles_of(people[0].id), "!owner:*");
    // An account that is not the directory's any more.
    assert_ok(directory_account_set_password(b->store, &tester, people[1].id, SPAN("")));
    assert_int_equal(sync_is(ERR_OK, false).roles, 1);
    assert_string_equal(roles_of(people[1].id), "");
}

static void test_groups_that_are_not_known_change_nothing(void **state)
{
    (void)state;
    add(2, "cn=bosses,dc=x");
    sync_is(ERR_OK, false);
    people[0].groups = people[1].groups = NULL;
    people[0].hides_groups = people[1].hides_groups = true;
    assert_int_equal(sync_is(ERR_OK, false).roles, 0);
    people[0].is_away = people[1].is_away = true;
    sync_is(ERR_UNAVAILABLE, false);
    assert_string_equal(roles_of(people[0].id), "!owner:*");
    assert_string_equal(roles_of(people[1].id), "!owner:*");
}

// L57
static void test_many_who_would_lose_roles(void **state)
{
    (void)state;
    add(12, "cn=help desk,dc=x");
    assert_int_equal(sync_is(ERR_OK, false).roles, 12);
    for (size_t i = 0; i < 11; i++) {
        people[i].groups = "";
    }
    people[11].groups = "cn=help desk,dc=x\ncn=bosses,dc=x"; // gets one, and does
    struct admin_directory_counts n = sync_is(ERR_DENIED, false);

    assert_int_equal(n.losing, 11);
    assert_int_equal(n.gone, 0);
    assert_string_equal(roles_of(people[0].id), "!help-desk:example.org");
    assert_string_equal(roles_of(people[11].id), "!help-desk:example.org; !owner:*");
    assert_int_equal(sync_is(ERR_OK, true).roles, 11);
    assert_string_equal(roles_of(people[0].id), "");
}

// Gone, but so many that nobody is put out: their roles stay as well.
static void test_many_gone_keep_their_roles(void **state)
{
    (void)state;
    add(3, "cn=help desk,dc=x"); // few: nobody thinks of a mistake for their sake
    add(9, NULL);
    sync_is(ERR_OK, false);
    for (size_t i = 0; i < 12; i++) {
        people[i].is_gone = true;
    }
    sync_is(ERR_DENIED, false);
    assert_string_equal(roles_of(people[2].id), "!help-desk:example.org");
    sync_is(ERR_OK, true);
    assert_string_equal(roles_of(people[2].id), "");
}

static void test_other_settings(void **state)
{
    static const char *const wide[] = {"cn=a,dc=x help-desk",
                                       "cn=a,dc=x auditor example.org b.example",
                                       "cn=b,dc=x help-desk example.org",
                                       "cn=b,dc=x auditor c.example", "cn=b,dc=x nobodys-role"},
                             *const narrow[] = {"cn=a,dc=x help-desk b.example",
                                                "cn=a,dc=x auditor b.example"};

    (void)state;
    assert_ok(directory_domain_add(b->store, &tester, SPAN("b.example")));
    start(wide, 5);
    add(2, "cn=a,dc=x\ncn=b,dc=x");
    people[1].groups = "cn=b,dc=x";
    sync_is(ERR_OK, false);
    // c.example is not here, so it is left out, and never all domains.
    assert_string_equal(roles_of(people[0].id), "!help-desk:*; !auditor:example.org,b.example");
    assert_string_equal(roles_of(people[1].id), "!help-desk:example.org");
    // At a start, before anybody is asked: no more than the settings can give.
    start(narrow, 2);
    assert_string_equal(roles_of(people[0].id), "!help-desk:b.example; !auditor:b.example");
    assert_string_equal(roles_of(people[1].id), "");
    start(NULL, 0);
    assert_string_equal(roles_of(people[0].id), "");
}

// ---- quota, name, and sign-ins ------------------------------------------------------------------

static void test_quota_and_name(void **state)
{
    (void)state;
    add(1, NULL);
    assert_ok(quota_set(b->store, people[0].id, &tester, 1000, 77));
    people[0].quota = 5000;
    people[0].name = " Anna M ";
    sync_is(ERR_OK, false);
    struct account a = account_of(people[0].id);

    assert_int_equal(a.quota_bytes_max, 5000);
    assert_int_equal(a.quota_messages_max, 77);
    assert_span(a.display_name, "Anna M");
    people[0].quota = 0; // not said
    people[0].name = NULL;
    sync_is(ERR_OK, false);
    a = account_of(people[0].id);
    assert_int_equal(a.quota_bytes_max, 5000);
    assert_span(a.display_name, "Anna M");
    people[0].quota = UINT64_MAX;
    people[0].name = "line\nend";
    sync_is(ERR_OK, false);
    a = account_of(people[0].id);
    assert_true(a.quota_bytes_max == UINT64_MAX);
    assert_span(a.display_name, "Anna M");
}

static void test_at_a_sign_in(void **state)
{
    struct auth_vouch_answer answer = {.groups = SPAN("cn=bosses,dc=x"),
                                       .knows_groups = true,
                                       .display_name = SPAN("Carl"),
                                       .quota = 42};
    account_id id;

    (void)state;
    assert_ok(keep_directory_make(d, SPAN("carl@example.org")));
    assert_ok(directory_id_by_name(b->store, SPAN("carl@example.org"), &id));
    assert_int_equal(account_of(id).quota_bytes_max, 1000);
    keep_directory_said(d, SPAN("carl@example.org"), &answer);
    assert_string_equal(roles_of(id), "!owner:*");
    assert_int_equal(account_of(id).quota_bytes_max, 42);
    assert_span(account_of(id).display_name, "Carl");
    answer.knows_groups = false;
    answer.groups = SPAN("");
    keep_directory_said(d, SPAN("carl@example.org"), &answer);
    assert_string_equal(roles_of(id), "!owner:*");
    answer.knows_groups = true;
    keep_directory_said(d, SPAN("carl@example.org"), &answer);
    assert_string_equal(roles_of(id), "");
    keep_directory_said(d, SPAN("nobody@example.org"), &answer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_out_and_in_again),
        T(test_accounts_of_our_own_are_not_asked_about),
        T(test_away_in_the_middle),
        T(test_many_at_once_are_a_mistake),
        T(test_a_group_gives_a_role),
        T(test_who_is_gone_has_none),
        T(test_groups_that_are_not_known_change_nothing),
        T(test_many_who_would_lose_roles),
        T(test_many_gone_keep_their_roles),
        T(test_other_settings),
        T(test_quota_and_name),
        T(test_at_a_sign_in),
    };

    return BENCH_RUN("keep-directory", tests);
}
