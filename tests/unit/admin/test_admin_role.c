// SPDX-License-Identifier: Apache-2.0
//
// Who may do what: every operation, asked for by everybody over their own domain, over another and
// over the server, against a table written down here; and the ways up that must not exist.
#include "admin_driver.h"
#include "base/log.h"
#include "store/access/totp_row.h"
#include "store/directory/role.h"
#include "store/route.h"

static struct admin_bench bench;
static struct admin_bench *const b = &bench;

// Who asks. Their roles are over example.org, unless said otherwise.
static struct {
    char letter;
    const char *name, *role, *domain; // NULL: all
    account_id id;
} people[] = {
    {'O', "olga@example.org", "owner", NULL, 0},
    {'D', "dora@example.org", "domain-admin", "example.org", 0},
    {'H', "hilde@example.org", "help-desk", "example.org", 0},
    {'A', "axel@example.org", "auditor", "example.org", 0},
    {'h', "hanna@example.net", "help-desk", NULL, 0},
    {'a', "anton@example.net", "auditor", NULL, 0},
    {'o', "otto@example.net", "owner", "example.net", 0},
    {'q', "quentin@example.org", "night-shift", NULL, 0}, // queue and server
};
#define PEOPLE (sizeof(people) / sizeof(people[0]))

static account_id add(const char *name)
{
    account_id id;

    assert_ok(
        directory_account_add(b->store.store, &tester, span_from_str(name), SPAN(""), false, &id));
    return id;
}

static enum err give(account_id id, const char *role, const char *domain)
{
    struct span over = span_from_str(domain ? domain : "");

    return role_grant(b->store.store, &tester, id, span_from_str(role), &over, domain != NULL,
                      NULL);
}

static int setup(void **state)
{
    struct role night = {.name = SPAN("night-shift"),
                         .words = SPAN("looks after the server at night"),
                         .rights = RIGHT_QUEUE | RIGHT_SERVER};

    log_set_level(LOG_WARN); // what is denied is logged: by far too much for a test
    bench_choose(state);
    admin_bench_open(b);
    b->admin.password_params = (struct password_params){.memory_kib = 8, .passes = 1, .lanes = 1};
    assert_ok(directory_domain_add(b->store.store, &tester, SPAN("example.net")));
    assert_ok(role_add(b->store.store, &tester, &night));
    for (size_t i = 0; i < PEOPLE; i++) {
        people[i].id = add(people[i].name);
        assert_ok(give(people[i].id, people[i].role, people[i].domain));
        admin_bench_factor(b, people[i].id);
    }
    admin_bench_factor(b, b->store.account); // u1@example.org has no role
    add("nora@example.net");                 // nor has she
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(&b->store);
    admin_bench_close(b);
    return 0;
}

static size_t person(char letter)
{
    for (size_t i = 0; i < PEOPLE; i++) {
        if (people[i].letter == letter) {
            return i;
        }
    }
    fail_msg("nobody is %c", letter);
    return 0;
}

static json_t *args_of(const char *text)
{
    char json[400];

    snprintf(json, sizeof(json), "%s", text);
    for (char *p = json; *p; p++) {
        *p = (char)(*p == '\'' ? '"' : *p);
    }
    json_t *j = json_loads(json, 0, NULL);

    if (!j) {
        fail_msg("no JSON: %s", text);
    }
    return j;
}

static enum err run(char who, const char *operation, const char *args)
{
    struct admin_caller by = {.account = people[person(who)].id,
                              .proof = ADMIN_BY_PASSWORD_AND_CODE,
                              .address = SPAN("192.0.2.7")};

    return admin_bench_run_by(b, &by, operation, args_of(args));
}

// Refused for want of a right, and not for another reason.
static bool was_denied(void)
{
    return b->outcome.code == ERR_DENIED && strstr(b->outcome.text, "may not do this");
}

// ---- the table ----------------------------------------------------------------------------------

// Arguments that would change something name what is not there, or leave out what it takes: what
// is asked here is only who gets past the check.
static const struct {
    const char *operation, *args, *allowed;
} table[] = {
    {"domain add", "{'domain':'example.org'}", "Oq"},
    {"domain list", "{}", "ODHAhao"},
    {"domain remove", "{'domain':'example.com'}", "Oq"},
    {"domain dns", "{'domain':'example.org'}", "ODHAha"},
    {"domain dns", "{'domain':'example.net'}", "Ohao"},
    {"domain dns", "{'domain':'EXAMPLE.NET'}", "Ohao"},
    {"domain dns", "{}", "Oha"},
    {"domain catch-all", "{'domain':'example.org'}", "OD"},
    {"domain catch-all", "{'domain':'example.net'}", "Oo"},
    {"domain alias add", "{'domain':'example.com','target':'nowhere.org'}", "Oq"},
    {"domain alias list", "{}", "ODHAhao"},
    {"domain alias remove", "{'domain':'example.com'}", "Oq"},
    {"alias add", "{'alias':'x@example.org'}", "OD"},
    {"alias add", "{'alias':'x@example.net'}", "Oo"},
    {"alias add", "{'alias':'x@sub.example.org'}", "O"},
    {"alias list", "{}", "ODHAhao"},
    {"alias list", "{'domain':'example.org'}", "ODHAha"},
    {"alias list", "{'domain':'example.net'}", "Ohao"},
    {"alias remove", "{'alias':'x@example.org'}", "OD"},
    {"alias remove", "{'alias':'x@example.net'}", "Oo"},
    {"route add", "{}", "Oq"},
    {"route list", "{}", "Oq"},
    {"route remove", "{}", "Oq"},
    {"route show", "{'to':'example.com'}", "Oq"},
    {"account forward", "{'account':'u1@example.org'}", "OD"},
    {"account forward", "{'account':'nora@example.net'}", "Oo"},
    {"account add", "{'account':'new@example.org'}", "OD"},
    {"account add", "{'account':'new@example.net'}", "Oo"},
    {"account add", "{}", "ODo"}, // then: which account?
    {"account batch", "{}", "ODo"},
    {"account import", "{}", "ODo"},
    {"account imap-without", "{'account':'u1@example.org','nothing':true}", "OD"},
    {"account name", "{'account':'u1@example.org','name':'A'}", "OD"},
    {"account name", "{'account':'nora@example.net','name':'A'}", "Oo"},
    {"account list", "{}", "ODHAhao"},
    {"account list", "{'domain':'example.org'}", "ODHAha"},
    {"account list", "{'domain':'example.net'}", "Ohao"},
    {"account show", "{'account':'u1@example.org'}", "ODHAha"},
    {"account show", "{'account':'nora@example.net'}", "Ohao"},
    {"account passwd", "{'account':'u1@example.org'}", "ODHh"},
    {"account device add", "{'account':'u1@example.org','device':'phone'}", "ODHh"},
    {"account device list", "{'account':'u1@example.org'}", "ODHAha"},
    {"account device set", "{'account':'u1@example.org','device':'phone'}", "ODHh"},
    {"account device block", "{'account':'u1@example.org','device':'phone'}", "ODHh"},
    {"account device unblock", "{'account':'u1@example.org','device':'phone'}", "ODHh"},
    {"account device remove", "{'account':'u1@example.org','device':'phone'}", "ODHh"},
    {"domain second-factor", "{'domain':'example.org'}", "Oq"},
    {"role second-factor", "{'role':'help-desk'}", "O"},
    {"account totp add", "{'account':'u1@example.org'}", "OD"},
    {"account totp confirm", "{'account':'u1@example.org','code':'123456'}", "OD"},
    {"account totp show", "{'account':'u1@example.org'}", "ODHAha"},
    {"account totp remove", "{'account':'u1@example.org'}", "ODHh"},
    {"account totp recovery-codes", "{'account':'u1@example.org'}", "OD"},
    {"account passwd", "{'account':'U1@EXAMPLE.ORG'}", "ODHh"},
    {"account passwd", "{'account':'nora@example.net'}", "Oho"},
    {"account passwd", "{'account':'nobody@example.net'}", "Oho"}, // nor who is there
    {"account rename", "{'account':'nobody@example.org','to':'x@example.org'}", "OD"},
    {"account rename", "{'account':'nobody@example.org','to':'x@example.net'}", "O"},
    {"account rename", "{'account':'nobody@example.net','to':'x@example.org'}", "O"},
    {"account rename", "{'account':'nobody@example.net','to':'x@example.net'}", "Oo"},
    {"account suspend", "{'account':'nobody@example.org'}", "OD"},
    {"account suspend", "{'account':'nobody@example.net'}", "Oo"},
    {"account resume", "{'account':'u1@example.org'}", "OD"},
    {"account resume", "{'account':'nora@example.net'}", "Oo"},
    {"account hand-over", "{'account':'u1@example.org','to':'u1@example.org','reason':'x'}", "O"},
    {"account hand-over", "{'account':'nora@example.net','to':'nora@example.net','reason':'x'}",
     "Oo"},
    {"account hand-over", "{'account':'nora@example.net','to':'u1@example.org','reason':'x'}", "O"},
    {"account remove", "{'account':'nobody@example.org'}", "OD"},
    {"account remove", "{'account':'nobody@example.net'}", "Oo"},
    {"account signins", "{'account':'u1@example.org'}", "OAa"},
    {"account quota", "{'account':'u1@example.org','bytes':0}", "OD"},
    {"account quota", "{'account':'nora@example.net','bytes':0}", "Oo"},
    {"mailbox list", "{'account':'u1@example.org'}", "ODHAha"},
    {"mailbox list", "{'account':'nora@example.net'}", "Ohao"},
    {"mailbox shares", "{'account':'u1@example.org'}", "ODHAha"},
    {"mailbox shares", "{'account':'nora@example.net'}", "Ohao"},
    {"mailbox share", "{'account':'u1@example.org','rights':'x'}", "O"},
    {"mailbox share", "{'account':'nora@example.net','rights':'x'}", "Oo"},
    {"mailbox seen", "{'account':'u1@example.org','seen':'x'}", "O"},
    {"mailbox seen", "{'account':'nora@example.net','seen':'x'}", "Oo"},
    {"dkim create", "{'domain':'example.org','algorithm':'x'}", "OD"},
    {"dkim create", "{'domain':'example.net','algorithm':'x'}", "Oo"},
    {"dkim list", "{'domain':'example.org'}", "ODHAha"},
    {"dkim list", "{'domain':'example.net'}", "Ohao"},
    {"dkim list", "{}", "Oha"},
    {"dkim activate", "{'domain':'example.org'}", "OD"},
    {"dkim activate", "{'domain':'example.net'}", "Oo"},
    {"dkim retire", "{'domain':'example.org','selector':'x'}", "OD"},
    {"dkim retire", "{'domain':'example.net','selector':'x'}", "Oo"},
    {"dkim remove", "{'domain':'example.org','selector':'x'}", "OD"},
    {"dkim remove", "{'domain':'example.net','selector':'x'}", "Oo"},
    {"reports list", "{}", "Oa"},
    {"reports list", "{'domain':'example.org'}", "ODAa"},
    {"reports list", "{'domain':'example.net'}", "Oao"},
    {"reports show", "{'what':'example.org'}", "ODAa"},
    {"reports show", "{'what':'example.net'}", "Oao"},
    {"reports show", "{'what':'0123456789abcdef'}", "Oa"},
    {"queue list", "{}", "Oa"},
    {"queue show", "{'id':'0123456789abcdef'}", "Oa"},
    {"queue retry", "{'id':'0123456789abcdef'}", "Oq"},
    {"queue hold", "{'id':'0123456789abcdef'}", "Oq"},
    {"queue release", "{'id':'0123456789abcdef'}", "Oq"},
    {"queue remove", "{'id':'0123456789abcdef'}", "Oq"},
    {"queue pause", "{}", "Oq"},
    {"queue resume", "{}", "Oq"},
    {"queue destinations", "{}", "Oa"},
    {"sieve list", "{'account':'u1@example.org'}", "O"},
    {"sieve list", "{'account':'nora@example.net'}", "Oo"},
    {"sieve list", "{'global':true}", "Oq"},
    {"sieve list", "{'global':true,'account':'nora@example.net'}", "Oq"},
    {"sieve show", "{'account':'nora@example.net'}", "Oo"},
    {"sieve show", "{'global':true}", "Oq"},
    {"sieve put", "{'account':'nora@example.net'}", "Oo"},
    {"sieve put", "{'global':true,'account':'nora@example.net'}", "Oq"},
    {"sieve activate", "{'account':'nora@example.net','script':'x'}", "Oo"},
    {"sieve activate", "{'global':true,'account':'nora@example.net','script':'x'}", "Oq"},
    {"sieve remove", "{'account':'nora@example.net','script':'x'}", "Oo"},
    {"sieve remove", "{'global':true,'script':'x'}", "Oq"},
    {"sieve run", "{'account':'u1@example.org','reason':'x'}", "O"},
    {"sieve run", "{'account':'nora@example.net','reason':'x','apply':true}", "Oo"},
    {"account undo", "{'account':'nobody@example.org'}", "O"},
    {"account undo", "{'account':'nobody@example.net'}", "Oo"},
    {"import", "{'account':'nobody@example.org'}", "O"},
    {"import", "{'account':'nobody@example.net'}", "Oo"},
    {"export", "{'account':'u1@example.org','reason':'x'}", "O"},
    {"export", "{'account':'nora@example.net','reason':'x'}", "Oo"},
    {"check", "{'account':'u1@example.org'}", "Oq"},
    {"status", "{}", "ODHAhao"},
    {"reload", "{}", "Oq"},
    {"directory test", "{'account':'u1@example.org'}", "Oq"},
    {"directory sync", "{}", "Oq"},
    {"log", "{'account':'u1@example.org'}", "OAa"},
    {"log", "{'account':'nora@example.net'}", "Oao"},
    {"log", "{'server':true}", "Oa"},
    {"log", "{'server':true,'account':'u1@example.org'}", "Oa"},
    {"trace", "{'what':'u1@example.org'}", "ODAao"}, // what they are told: below
    {"trace", "{'what':'nora@example.net'}", "ODAao"},
    {"alert list", "{}", "OAao"},
    {"alert list", "{'account':'u1@example.org'}", "OAa"},
    {"alert list", "{'account':'nora@example.net'}", "Oao"},
    {"alert test", "{'account':'u1@example.org'}", "OD"},
    {"alert mute", "{'account':'u1@example.org'}", "OD"},
    {"ban list", "{}", "ODHAhao"},
    {"ban lift", "{'name':'u1@example.org'}", "ODHh"},
    {"ban lift", "{'name':'nora@example.net'}", "Oho"},
    {"ban lift", "{'name':'u1@example.org','network':'192.0.2.0/24'}", "ODHh"},
    {"ban lift", "{'network':'192.0.2.0/24'}", "Oh"},
    {"ban lift", "{'all':true}", "Oh"},
    {"oauth-client add", "{'client':'app','name':'App'}", "Oq"},
    {"oauth-client list", "{}", "Oq"},
    {"oauth-client remove", "{'client':'app'}", "Oq"},
    {"scim-token add", "{'token':'a token','domains':['example.org']}", "O"},
    {"scim-token list", "{}", "Oq"},
    {"scim-token remove", "{'token':'okta'}", "Oq"},
    {"role list", "{}", "ODHAhao"},
    {"role show", "{}", "ODHAhao"},
    {"role show", "{'account':'u1@example.org'}", "ODHAha"},
    {"role show", "{'account':'nora@example.net'}", "Ohao"},
    {"role can", "{}", "ODHAhaoq"},
    {"role can", "{'account':'u1@example.org'}", "ODHAha"},
    {"role can", "{'account':'nora@example.net'}", "Ohao"},
    {"role grant", "{'account':'u1@example.org','role':'king'}", "O"},
    {"role grant", "{'account':'nora@example.net','role':'king'}", "Oo"},
    {"role revoke", "{'account':'u1@example.org','role':'king'}", "O"},
    {"role revoke", "{'account':'nora@example.net','role':'king'}", "Oo"},
    {"role add", "{'role':'Not a name','rights':['see']}", "O"},
    {"role remove", "{'role':'king'}", "O"},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

// R01
static void test_every_operation_by_everybody(void **state)
{
    unsigned wrong = 0;

    (void)state;
    assert_ok(trail_open(b->store.engine, &b->admin.trail));
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t p = 0; p < PEOPLE; p++) {
            bool may = strchr(table[i].allowed, people[p].letter);

            run(people[p].letter, table[i].operation, table[i].args);
            if (was_denied() == may) {
                print_error("%s %s by %s: %s (%s)\n", table[i].operation, table[i].args,
                            people[p].name, may ? "denied" : "not denied", b->outcome.text);
                wrong++;
            }
            assert_int_not_equal(b->outcome.code, ERR_UNSUPPORTED);
        }
        // Root on the server itself is never asked.
        admin_bench_run(b, table[i].operation, args_of(table[i].args));
        assert_false(was_denied());
    }
    trail_close(b->admin.trail);
    b->admin.trail = NULL;
    assert_int_equal(wrong, 0);
}

static void test_no_operation_is_forgotten(void **state)
{
    const char *const *names = admin_names();

    (void)state;
    for (; *names; names++) {
        size_t rows = 0;

        for (size_t i = 0; i < ROWS; i++) {
            rows += strcmp(table[i].operation, *names) == 0;
        }
        if (rows == 0) {
            fail_msg("\"%s\" has no row in this test", *names);
        }
    }
}

static json_t *batch_items;

static enum err read_batch(void *arg, struct buf *into)
{
    (void)arg;
    if (json_array_size(batch_items) == 0) {
        return ERR_EOF;
    }
    enum err e = admin_record_put_item(into, json_array_get(batch_items, 0));

    json_array_remove(batch_items, 0);
    return e;
}

static enum err write_nowhere(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
    return ERR_OK;
}

static void no_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    (void)arg;
    (void)done;
    (void)total;
    (void)text;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

// ---- who asks -----------------------------------------------------------------------------------

static void test_who_has_no_role_may_nothing(void **state)
{
    const char *const *names = admin_names();
    struct admin_caller by = {.account = b->store.account, .proof = ADMIN_BY_APP_PASSWORD},
                        gone = {.account = 99, .proof = ADMIN_BY_APP_PASSWORD},
                        zero = {.account = 0, .proof = ADMIN_BY_APP_PASSWORD};

    (void)state;
    for (; *names; names++) {
        assert_err(admin_bench_run_by(b, &by, *names, json_object()), ERR_DENIED);
        assert_true(admin_bench_said(b, "is no administrator"));
        assert_err(admin_bench_run_by(b, &gone, *names, json_object()), ERR_DENIED);
        assert_err(admin_bench_run_by(b, &zero, *names, json_object()), ERR_DENIED);
    }
    assert_err(run('O', "account list", "{'as':'u1@example.org'}"), ERR_DENIED);
    assert_err(run('D', "account list", "{'as':'olga@example.org'}"), ERR_DENIED);
}

// R03
static void test_a_password_alone_is_not_enough(void **state)
{
    const char *const *names = admin_names();
    struct admin_caller by = {.account = people[person('O')].id};

    (void)state;
    for (; *names; names++) {
        assert_err(admin_bench_run_by(b, &by, *names, json_object()), ERR_DENIED);
        assert_true(admin_bench_said(b, "A password alone is not enough"));
    }
    by.proof = ADMIN_BY_PASSWORD_AND_CODE;
    assert_ok(admin_bench_run_by(b, &by, "account list", json_object()));
    by.proof = ADMIN_BY_APP_PASSWORD;
    assert_ok(admin_bench_run_by(b, &by, "account list", json_object()));
}

// L64
static void test_an_administrator_has_a_second_factor(void **state)
{
    const char *const *names = admin_names();
    struct admin_caller by = {.account = people[person('O')].id, .proof = ADMIN_BY_APP_PASSWORD};

    (void)state;
    assert_ok(totp_row_remove(b->store.store, by.account, &tester));
    for (; *names; names++) {
        assert_err(admin_bench_run_by(b, &by, *names, json_object()), ERR_DENIED);
        assert_true(admin_bench_said(b, "mailkeep account totp add olga@example.org"));
    }
    by.proof = ADMIN_BY_PASSWORD_AND_CODE; // it was one a moment ago
    assert_err(admin_bench_run_by(b, &by, "account list", json_object()), ERR_DENIED);
    by.proof = ADMIN_BY_APP_PASSWORD;
    admin_bench_factor(b, by.account);
    assert_ok(admin_bench_run_by(b, &by, "account list", json_object()));
    // Root looks what a role would allow, whatever its holder has.
    assert_ok(totp_row_remove(b->store.store, by.account, &tester));
    assert_ok(admin_bench_run(b, "account list", args_of("{'as':'olga@example.org'}")));
    assert_ok(admin_bench_run(b, "role grant",
                              args_of("{'account':'nora@example.net',"
                                      "'role':'auditor'}")));
    assert_true(json_is_false(json_object_get(b->outcome.result, "second_factor")));
}

// R05
static void test_a_role_taken_away_counts_at_once(void **state)
{
    (void)state;
    assert_ok(run('D', "account list", "{}"));
    assert_ok(role_revoke(b->store.store, &tester, people[person('D')].id, SPAN("domain-admin"),
                          NULL, 0));
    assert_err(run('D', "account list", "{}"), ERR_DENIED);
    assert_ok(run('H', "account list", "{}"));
    assert_ok(directory_account_set_state(b->store.store, &tester, people[person('H')].id,
                                          ACCOUNT_SUSPENDED));
    assert_err(run('H', "account list", "{}"), ERR_DENIED);
    assert_true(admin_bench_said(b, "is suspended"));
    assert_ok(run('A', "account list", "{}"));
    assert_ok(directory_account_remove(b->store.store, &tester, people[person('A')].id));
    assert_err(run('A', "account list", "{}"), ERR_DENIED);
}

static void test_root_tries_a_role(void **state)
{
    (void)state;
    assert_ok(admin_bench_run(b, "account list", args_of("{'as':'hilde@example.org'}")));
    assert_err(admin_bench_run(b, "account remove",
                               args_of("{'as':'hilde@example.org','account':'u1@example.org'}")),
               ERR_DENIED);
    assert_true(was_denied());
    assert_true(admin_bench_said(b, "accounts over example.org"));
    assert_err(admin_bench_run(b, "account list", args_of("{'as':'u1@example.org'}")), ERR_DENIED);
    assert_err(admin_bench_run(b, "account list", args_of("{'as':'hulda@example.org'}")),
               ERR_NOT_FOUND);
    assert_err(admin_bench_run(b, "account list", args_of("{'as':7}")), ERR_INVALID);
}

// ---- what is told -------------------------------------------------------------------------------

static bool listed(const char *field, const char *text)
{
    for (size_t i = 0; i < json_array_size(b->items); i++) {
        if (strcmp(admin_bench_text(b, (int)i, field), text) == 0) {
            return true;
        }
    }
    return false;
}

static void test_lists_end_at_the_own_domains(void **state)
{
    struct span target = SPAN("x@example.com");

    (void)state;
    assert_ok(route_alias_set(b->store.store, &tester, SPAN("info@example.net"), &target, 1));
    assert_ok(route_alias_set(b->store.store, &tester, SPAN("info@example.org"), &target, 1));
    assert_ok(route_alias_set(b->store.store, &tester, SPAN("@example.net"), &target, 1));
    assert_ok(
        route_domain_alias_set(b->store.store, &tester, SPAN("other.net"), SPAN("example.net")));
    assert_ok(run('H', "account list", "{}"));
    assert_true(listed("account", "u1@example.org"));
    assert_false(listed("account", "nora@example.net"));
    assert_ok(run('H', "domain list", "{}"));
    assert_int_equal(json_array_size(b->items), 1);
    assert_ok(run('H', "alias list", "{}"));
    assert_int_equal(json_array_size(b->items), 1);
    assert_true(listed("alias", "info@example.org"));
    assert_ok(run('H', "domain alias list", "{}"));
    assert_int_equal(json_array_size(b->items), 0);
    assert_ok(run('H', "role show", "{}"));
    assert_true(listed("account", "olga@example.org"));
    assert_false(listed("account", "hanna@example.net"));
    assert_ok(run('h', "account list", "{}"));
    assert_true(listed("account", "nora@example.net"));
    assert_true(listed("account", "u1@example.org"));
    assert_ok(run('h', "alias list", "{}"));
    assert_int_equal(json_array_size(b->items), 3);
    assert_ok(run('o', "domain alias list", "{}"));
    assert_int_equal(json_array_size(b->items), 1);
}

// What is said that somebody may do is what they are let do.
static void test_what_somebody_may_do_is_told(void **state)
{
    const char *const *names = admin_names();
    size_t all = 0;

    (void)state;
    for (; names[all]; all++) {
    }
    assert_ok(run('O', "role can", "{}"));
    assert_int_equal(json_array_size(b->items), all);
    assert_ok(run('H', "role can", "{}"));
    assert_true(listed("operation", "account passwd"));
    assert_false(listed("operation", "account remove"));
    assert_false(listed("operation", "log"));
    for (size_t i = 0; i < json_array_size(b->items); i++) {
        const json_t *domains = json_object_get(json_array_get(b->items, i), "domains");
        bool self = strcmp(admin_bench_text(b, (int)i, "operation"), "role can") == 0;

        assert_int_equal(json_is_null(domains), self);
        assert_true(self ||
                    strcmp(json_string_value(json_array_get(domains, 0)), "example.org") == 0);
    }
    assert_ok(run('D', "role can", "{'account':'hilde@example.org'}"));
    assert_false(listed("operation", "account add"));
    assert_ok(run('q', "role can", "{}"));
    assert_true(listed("operation", "reload"));
    assert_false(listed("operation", "status"));
    assert_ok(run('D', "role can", "{'account':'u1@example.org'}"));
    assert_int_equal(json_array_size(b->items), 0);
}

static void told(trail_id mail, enum trail_kind kind, const char *user, const char *const *to)
{
    struct trail_event e = {.kind = kind};
    struct span recipients[4];
    struct batch *batch;

    e.texts[TRAIL_SENDER] = SPAN("olga@example.org"); // whoever says so
    e.texts[TRAIL_MESSAGE_ID] = SPAN("1@example.com");
    if (user) {
        e.texts[TRAIL_USER] = span_from_str(user);
    }
    for (; *to; to++) {
        recipients[e.recipient_count++] = span_from_str(*to);
    }
    e.recipients = recipients;
    assert_ok(trail_batch(&batch));
    assert_ok(trail_add(b->admin.trail, batch, mail, &e));
    assert_ok(engine_commit(b->store.engine, batch, ENGINE_ANY_VERSION));
    batch_destroy(batch);
}

static size_t traced(char who, const char *args)
{
    enum err e = run(who, "trace", args);

    assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    return json_array_size(b->items);
}

static size_t recipients_shown(void)
{
    return json_array_size(json_object_get(json_array_get(b->items, 0), "to"));
}

static void test_a_trace_tells_of_the_own_domains(void **state)
{
    static const char *const both[] = {"u1@example.org", "nora@example.net", NULL};
    static const char *const org[] = {"u1@example.org", NULL}, *const net[] = {"nora@example.net",
                                                                               NULL};
    const char *by_id = "{'what':'1@example.com'}";

    (void)state;
    assert_ok(trail_open(b->store.engine, &b->admin.trail));
    trail_id mail = trail_number(b->admin.trail);

    told(mail, TRAIL_TAKEN_IN, NULL, both); // from outside, with a forged sender
    told(mail, TRAIL_HERE, NULL, org);
    told(mail, TRAIL_HERE, NULL, net);
    assert_int_equal(traced('a', by_id), 3);
    assert_int_equal(traced('A', by_id), 1);
    assert_int_equal(recipients_shown(), 1);
    assert_int_equal(traced('o', by_id), 1);
    assert_int_equal(traced('A', "{'what':'nora@example.net'}"), 0);
    assert_int_equal(traced('A', "{'what':'u1@example.org'}"), 1);
    assert_int_equal(recipients_shown(), 1);
    assert_int_equal(traced('a', "{'what':'u1@example.org'}"), 1);
    assert_int_equal(recipients_shown(), 2);
    mail = trail_number(b->admin.trail);
    told(mail, TRAIL_TAKEN_IN, "olga@example.org", both); // by somebody who had logged in
    told(mail, TRAIL_HERE, NULL, net);
    assert_int_equal(traced('a', by_id), 5);
    assert_int_equal(traced('A', by_id), 3);
    assert_int_equal(traced('o', by_id), 2);
    trail_close(b->admin.trail);
    b->admin.trail = NULL;
}

static unsigned follow_polls;

// Takes the auditor's role away after a while, then something happens.
static bool follow_cancelled(void *arg)
{
    (void)arg;
    if (++follow_polls == 3) {
        assert_ok(
            role_revoke(b->store.store, &tester, people[person('A')].id, SPAN("auditor"), NULL, 0));
        bench_append(&b->store, "INBOX", "Subject: secret\r\n\r\nx\r\n", 0);
    }
    return follow_polls > 50;
}

static void test_who_follows_a_log_is_asked_again(void **state)
{
    struct admin_io io = {read_batch, write_nowhere, no_progress, follow_cancelled, NULL};
    struct admin_caller by = {.account = people[person('A')].id, .proof = ADMIN_BY_APP_PASSWORD};
    struct admin_outcome outcome;
    json_t *args = args_of("{'account':'u1@example.org','follow':true}");

    (void)state;
    follow_polls = 0;
    admin_run(&b->admin, &by, "log", args, &io, &outcome);
    json_decref(args);
    assert_err(outcome.code, ERR_DENIED);
    assert_non_null(strstr(outcome.text, "any more"));
}

// ---- ways up ------------------------------------------------------------------------------------

// R02
static void test_nobody_climbs(void **state)
{
    static const struct {
        char who;
        const char *target;
        bool may;
    } cases[] = {
        {'H', "olga@example.org", false},  // more
        {'H', "dora@example.org", false},  // more
        {'H', "axel@example.org", false},  // other rights
        {'H', "hilde@example.org", false}, // oneself: the same
        {'h', "hanna@example.net", false}, //
        {'h', "hilde@example.org", true},  // the same over more
        {'h', "otto@example.net", false},  // more over less
        {'h', "anton@example.net", false}, //
        {'D', "hilde@example.org", true},  // fewer
        {'D', "axel@example.org", false},  // histories
        {'D', "dora@example.org", false},  //
        {'D', "olga@example.org", false},  //
        {'D', "quentin@example.org", false},
        {'O', "dora@example.org", true},
        {'O', "otto@example.net", true},
        {'O', "olga@example.org", true}, // an owner may to an owner
        {'o', "otto@example.net", true},
        {'o', "hanna@example.net", false}, // over all domains
        {'o', "anton@example.net", false}, //
        {'o', "nora@example.net", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char args[200];

        snprintf(args, sizeof(args), "{'account':'%s'}", cases[i].target);
        run(cases[i].who, "account passwd", args);
        if (was_denied() == cases[i].may) {
            fail_msg("password of %s by %c: %s", cases[i].target, cases[i].who, b->outcome.text);
        }
        // To look is another thing.
        assert_ok(run('O', "account show", args));
    }
    assert_ok(run('H', "account show", "{'account':'olga@example.org'}"));
    assert_err(run('D', "account forward",
                   "{'account':'olga@example.org','targets':['dora@example.org']}"),
               ERR_DENIED);
    assert_err(run('D', "account remove", "{'account':'olga@example.org'}"), ERR_DENIED);
    assert_err(run('o', "export", "{'account':'hanna@example.net','reason':'x'}"), ERR_DENIED);
}

// R02
static void test_nobody_gives_more_than_they_have(void **state)
{
    (void)state;
    assert_err(run('o', "role grant", "{'account':'nora@example.net','role':'help-desk'}"),
               ERR_DENIED);
    assert_err(run('o', "role grant",
                   "{'account':'nora@example.net','role':'help-desk','domains':['example.org']}"),
               ERR_DENIED);
    assert_err(run('o', "role grant",
                   "{'account':'nora@example.net','role':'help-desk',"
                   "'domains':['example.net','example.org']}"),
               ERR_DENIED);
    assert_err(
        run('o', "role grant", "{'account':'nora@example.net','role':'help-desk','domains':[]}"),
        ERR_INVALID);
    assert_err(run('o', "role grant",
                   "{'account':'otto@example.net','role':'owner'}"), // oneself
               ERR_DENIED);
    assert_ok(run('o', "role grant",
                  "{'account':'nora@example.net','role':'owner','domains':['EXAMPLE.net']}"));
    assert_err(run('o', "role revoke", "{'account':'hanna@example.net','role':'help-desk'}"),
               ERR_DENIED);
    assert_err(run('o', "role add", "{'role':'mine','rights':['see']}"), ERR_DENIED);
    assert_ok(run('O', "role add", "{'role':'givers','rights':['roles','see']}"));
    assert_ok(run('O', "role grant", "{'account':'u1@example.org','role':'givers'}"));

    struct admin_caller by = {.account = b->store.account, .proof = ADMIN_BY_APP_PASSWORD};

    assert_err(
        admin_bench_run_by(b, &by, "role add", args_of("{'role':'more','rights':['see','queue']}")),
        ERR_DENIED);
    assert_err(admin_bench_run_by(b, &by, "role grant",
                                  args_of("{'account':'u1@example.org','role':'owner'}")),
               ERR_DENIED);
    assert_err(admin_bench_run_by(b, &by, "role grant",
                                  args_of("{'account':'nora@example.net','role':'help-desk'}")),
               ERR_DENIED);
    assert_err(admin_bench_run_by(b, &by, "role revoke",
                                  args_of("{'account':'olga@example.org','role':'owner'}")),
               ERR_DENIED);
    assert_err(admin_bench_run_by(b, &by, "role remove", args_of("{'role':'night-shift'}")),
               ERR_DENIED);
    assert_ok(admin_bench_run_by(b, &by, "role add", args_of("{'role':'less','rights':['see']}")));
    assert_ok(admin_bench_run_by(b, &by, "role remove", args_of("{'role':'less'}")));
}

// Each account of a batch is asked about by itself.
static void test_a_batch_is_no_way_around(void **state)
{
    struct admin_io io = {read_batch, write_nowhere, no_progress, never, NULL};
    struct admin_caller by = {.account = people[person('D')].id, .proof = ADMIN_BY_APP_PASSWORD};
    struct admin_outcome outcome;
    account_id id;

    (void)state;
    batch_items = json_array();
    json_array_append_new(batch_items, args_of("{'account':'one@example.org','no_password':true}"));
    json_array_append_new(batch_items, args_of("{'account':'two@example.net','no_password':true}"));
    json_array_append_new(batch_items,
                          args_of("{'account':'three@example.org','no_password':true}"));
    admin_run(&b->admin, &by, "account batch", NULL, &io, &outcome);
    json_decref(batch_items);
    assert_ok(outcome.code);
    assert_int_equal(json_integer_value(json_object_get(outcome.result, "added")), 2);
    assert_int_equal(json_integer_value(json_object_get(outcome.result, "failed")), 1);
    json_decref(outcome.result);
    assert_ok(directory_id_by_name(b->store.store, SPAN("three@example.org"), &id));
    assert_err(directory_id_by_name(b->store.store, SPAN("two@example.net"), &id), ERR_NOT_FOUND);
}

// What is lost while an operation goes on; L68.
static struct {
    char who;
    unsigned answers; // that have been seen
    enum { LOSE_ROLE, LOSE_FACTOR, LOSE_PROOF } what;
    bool is_void;
} lose;

static enum err write_and_lose(void *arg, struct span bytes)
{
    account_id id = people[person(lose.who)].id;

    (void)arg;
    (void)bytes;
    if (lose.answers++ > 0) {
        return ERR_OK;
    }
    if (lose.what == LOSE_ROLE) {
        return role_revoke(b->store.store, &tester, id, SPAN("domain-admin"), NULL, 0);
    }
    lose.is_void = lose.what == LOSE_PROOF;
    return lose.is_void ? ERR_OK : totp_row_remove(b->store.store, id, &tester);
}

static enum err still(void *arg)
{
    (void)arg;
    return lose.is_void ? ERR_DENIED : ERR_OK;
}

static void test_l68_an_operation_ends_when_it_is_allowed_no_more(void **state)
{
    static const struct {
        int what;
        const char *words;
    } cases[] = {{LOSE_ROLE, "a role was taken away"},
                 {LOSE_FACTOR, "account totp add"},
                 {LOSE_PROOF, "not good any more"}};
    struct admin_io io = {read_batch, write_and_lose, no_progress, never, NULL};
    struct admin_caller by = {
        .account = people[person('D')].id, .proof = ADMIN_BY_APP_PASSWORD, .still = still};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct admin_outcome outcome;
        char name[3][40];
        account_id id;

        lose.who = 'D';
        lose.answers = 0;
        lose.what = cases[i].what;
        lose.is_void = false;
        batch_items = json_array();
        for (int n = 0; n < 3; n++) {
            snprintf(name[n], sizeof(name[n]), "n%zu-%d@example.org", i, n);
            json_array_append_new(batch_items,
                                  json_pack("{s:s, s:b}", "account", name[n], "no_password", 1));
        }
        admin_run(&b->admin, &by, "account batch", NULL, &io, &outcome);
        json_decref(batch_items);
        assert_err(outcome.code, ERR_DENIED);
        assert_non_null(strstr(outcome.text, cases[i].words));
        assert_ok(directory_id_by_name(b->store.store, span_from_str(name[0]), &id));
        assert_err(directory_id_by_name(b->store.store, span_from_str(name[1]), &id),
                   ERR_NOT_FOUND);
        assert_int_equal(lose.answers, 1); // nothing more is told either
        if (lose.what == LOSE_ROLE) {
            assert_ok(give(by.account, "domain-admin", "example.org"));
        } else if (lose.what == LOSE_FACTOR) {
            admin_bench_factor(b, by.account);
        }
    }
}

// ---- the history --------------------------------------------------------------------------------

// The newest entry of the log of u1@example.org (or the directory): "who | what".
static const char *newest(const char *account)
{
    static char text[1200];
    json_t *args = account ? json_pack("{s:s, s:i}", "account", account, "last", 1)
                           : json_pack("{s:b, s:i}", "server", 1, "last", 1);

    assert_ok(admin_bench_run(b, "log", args));
    snprintf(text, sizeof(text), "%s | %s", admin_bench_text(b, 0, "who"),
             admin_bench_text(b, 0, "what"));
    return text;
}

static void test_the_history_names_who_did_it(void **state)
{
    (void)state;
    assert_ok(run('D', "account quota", "{'account':'u1@example.org','bytes':1000000}"));
    assert_string_equal(newest("u1@example.org"),
                        "The administrator (dora@example.org, 192.0.2.7) | changed the quota");
    assert_ok(run('O', "domain add", "{'domain':'example.com'}"));
    assert_string_equal(newest(NULL), "The administrator (olga@example.org, 192.0.2.7) | changed "
                                      "the account: domain added: example.com");
    assert_ok(admin_bench_run(
        b, "account quota",
        args_of("{'as':'dora@example.org','account':'u1@example.org','bytes':2000000}")));
    assert_string_equal(newest("u1@example.org"),
                        "The administrator (root as dora@example.org) | changed the quota");
    assert_ok(run('O', "role grant",
                  "{'account':'u1@example.org','role':'auditor','domains':['example.org']}"));
    assert_string_equal(newest("u1@example.org"),
                        "The administrator (olga@example.org, 192.0.2.7) | changed the account: "
                        "the role auditor over example.org given");
}

// R04
static void test_reading_mail_takes_a_reason_and_is_told(void **state)
{
    (void)state;
    bench_append(&b->store, "INBOX", "Subject: x\r\n\r\nx\r\n", 0);
    assert_err(run('O', "export", "{'account':'u1@example.org'}"), ERR_INVALID);
    assert_true(admin_bench_said(b, "for a reason"));
    assert_err(run('O', "export", "{'account':'u1@example.org','reason':' '}"), ERR_INVALID);
    assert_err(run('O', "export", "{'account':'u1@example.org','reason':'a\\nb'}"), ERR_INVALID);
    assert_int_equal(json_array_size(b->items), 0);
    assert_null(strstr(newest("u1@example.org"), "mail is read"));
    assert_ok(run('O', "sieve list", "{'account':'u1@example.org'}"));
    assert_err(run('D', "export", "{'account':'u1@example.org','reason':'x'}"), ERR_DENIED);
    assert_null(strstr(newest("u1@example.org"), "mail is read"));
    run('O', "sieve run",
        "{'account':'u1@example.org','mailbox':'INBOX','reason':'case 17, asked by the board'}");
    assert_string_equal(newest("u1@example.org"),
                        "The administrator (olga@example.org, 192.0.2.7) | changed the account: "
                        "its mail is read (sieve run), because: case 17, asked by the board");
    assert_ok(admin_bench_run(b, "log", args_of("{'account':'u1@example.org'}")));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_operation_by_everybody),
        T(test_no_operation_is_forgotten),
        T(test_who_has_no_role_may_nothing),
        T(test_a_password_alone_is_not_enough),
        T(test_an_administrator_has_a_second_factor),
        T(test_a_role_taken_away_counts_at_once),
        T(test_root_tries_a_role),
        T(test_lists_end_at_the_own_domains),
        T(test_what_somebody_may_do_is_told),
        T(test_a_trace_tells_of_the_own_domains),
        T(test_who_follows_a_log_is_asked_again),
        T(test_nobody_climbs),
        T(test_nobody_gives_more_than_they_have),
        T(test_a_batch_is_no_way_around),
        T(test_l68_an_operation_ends_when_it_is_allowed_no_more),
        T(test_the_history_names_who_did_it),
        T(test_reading_mail_takes_a_reason_and_is_told),
    };

    return BENCH_RUN("admin-role", tests);
}
