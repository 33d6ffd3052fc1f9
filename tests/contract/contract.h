// SPDX-License-Identifier: Apache-2.0
//
// What every engine promises, as tests. One program per engine gives the suite a way to open one;
// an engine that survives being closed also gives its folder, and the reopen tests run.
#ifndef TESTS_CONTRACT_CONTRACT_H
#define TESTS_CONTRACT_CONTRACT_H

#include "../unit/test.h"
#include "engine/engine.h"

// What the running program tests.
struct contract_engine {
    struct engine *(*open)(void);               // on an empty place; fails the test on errors
    struct engine *(*reopen)(struct engine *e); // closes and opens again; NULL: cannot
    void (*close)(struct engine *e);            // and removes the place
    unsigned load;                              // rounds of the heavier tests
};
extern const struct contract_engine contract;

// The tests, one list per file of the suite.
extern const struct CMUnitTest contract_commit_tests[], contract_scan_tests[],
    contract_body_tests[], contract_thread_tests[];
extern const size_t contract_commit_count, contract_scan_count, contract_body_count,
    contract_thread_count;

// Runs them all on `contract`.
int contract_run(void);

// cmocka's setup and teardown: *state is the engine.
int contract_setup(void **state);
int contract_teardown(void **state);
#define CONTRACT_TEST(f) cmocka_unit_test_setup_teardown(f, contract_setup, contract_teardown)

// ---- short forms --------------------------------------------------------------------------------

// Commits one put at the account's present version.
void contract_put(struct engine *e, account_id account, const char *key, const char *value);
void contract_delete(struct engine *e, account_id account, const char *key);
uint64_t contract_version(struct engine *e, account_id account);
// A body with these bytes, its writer still open.
struct body_writer *contract_body(struct engine *e, struct span bytes, struct span summary,
                                  body_id *out);
// Commits +1 or -1 of the body to the account.
enum err contract_use(struct engine *e, account_id account, body_id id, int uses);
// The value in a snapshot of its own equals `want`; NULL: is not there.
void contract_expect(struct engine *e, account_id account, const char *key, const char *want);
// n bytes that depend on `seed` and place, for bodies; malloc'd.
char *contract_bytes(uint64_t seed, size_t n);

#endif
