// SPDX-License-Identifier: Apache-2.0
//
// Reports of reloads on their way to those who asked.
#include <pthread.h>
#include <stdatomic.h>

#include "../test.h"
#include "keep/keep_reload.h"

static _Atomic uint64_t asked; // the highest number
static _Atomic int asks;
static _Atomic bool cannot_ask, gone;

static enum err ask(void *arg, uint64_t number)
{
    uint64_t before = atomic_load(&asked);

    (void)arg;
    if (atomic_load(&cannot_ask)) {
        return ERR_EOF;
    }
    while (number > before && !atomic_compare_exchange_weak(&asked, &before, number)) {
    }
    atomic_fetch_add(&asks, 1);
    return ERR_OK;
}

static bool is_gone(void *arg)
{
    (void)arg;
    return atomic_load(&gone);
}

static struct keep_reload *k;

static int setup(void **state)
{
    (void)state;
    atomic_store(&asked, 0);
    atomic_store(&asks, 0);
    atomic_store(&cannot_ask, false);
    atomic_store(&gone, false);
    assert_ok(keep_reload_create(ask, NULL, &k));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    keep_reload_destroy(k);
    return 0;
}

struct asker {
    pthread_t thread;
    int64_t patience_ms;
    enum err e;
    json_t *report;
};

static void *asker_main(void *arg)
{
    struct asker *a = arg;

    a->e = keep_reload_run(k, a->patience_ms, is_gone, NULL, &a->report);
    return NULL;
}

static void begin(struct asker *a, int64_t patience_ms)
{
    int before = atomic_load(&asks);

    *a = (struct asker){.patience_ms = patience_ms};
    assert_int_equal(pthread_create(&a->thread, NULL, asker_main, a), 0);
    while (atomic_load(&asks) == before && !atomic_load(&cannot_ask)) {
        usleep(1000);
    }
}

static enum err end(struct asker *a)
{
    pthread_join(a->thread, NULL);
    return a->e;
}

static void tell(struct ipc_reload_item m)
{
    keep_reload_item(k, &m);
}

static void tell_end(uint64_t number, enum ipc_reload_result result)
{
    struct ipc_reload_end m = {.number = number, .result = (uint8_t)result, .file = SPAN("/f")};

    keep_reload_end(k, &m);
}

static void test_everything_is_in_the_report(void **state)
{
    static const char want[] =
        "{\"certificates\": [{\"file\": \"/c\", \"new\": true, \"valid_until\": \"2026\"}], "
        "\"changed\": [{\"name\": \"a\", \"now\": \"2\", \"was\": \"1\"}], \"file\": \"/f\", "
        "\"problems\": [{\"column\": 4, \"file\": \"\xef\xbf\xbd\", \"line\": 3, \"text\": "
        "\"t\"}], "
        "\"processes\": [{\"process\": \"gate\", \"text\": \"\", \"uses\": \"silent\"}, "
        "{\"process\": \"keep\", \"text\": \"why\", \"uses\": \"old\"}], "
        "\"restart\": [{\"in_use\": \"1\", \"name\": \"b\", \"wanted\": \"2\"}], "
        "\"result\": \"late\", \"warnings\": [\"w\"]}";
    struct asker a;

    (void)state;
    begin(&a, 60000);
    tell((struct ipc_reload_item){
        .kind = IPC_RELOAD_CHANGE, .name = SPAN("a"), .was = SPAN("1"), .now = SPAN("2")});
    tell((struct ipc_reload_item){
        .kind = IPC_RELOAD_RESTART, .name = SPAN("b"), .was = SPAN("1"), .now = SPAN("2")});
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_PROBLEM,
                                  .line = 3,
                                  .column = 4,
                                  .name = SPAN("\xff"),
                                  .text = SPAN("t")});
    tell((struct ipc_reload_item){
        .kind = IPC_RELOAD_CERTIFICATE, .state = 1, .name = SPAN("/c"), .now = SPAN("2026")});
    tell((struct ipc_reload_item){
        .kind = IPC_RELOAD_PROCESS, .state = IPC_RELOAD_SILENT, .name = SPAN("gate")});
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_PROCESS,
                                  .state = IPC_RELOAD_USES_OLD,
                                  .name = SPAN("keep"),
                                  .text = SPAN("why")});
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("w")});
    tell((struct ipc_reload_item){.kind = 200, .text = SPAN("of another version")});
    tell_end(1, IPC_RELOAD_LATE);
    assert_ok(end(&a));
    char *text = json_dumps(a.report, JSON_SORT_KEYS);

    assert_string_equal(text, want);
    free(text);
    json_decref(a.report);
}

static void test_a_report_goes_to_all_it_answers_and_to_no_other(void **state)
{
    struct asker a[8], later;

    (void)state;
    for (int i = 0; i < 8; i++) {
        begin(&a[i], 60000);
    }
    begin(&later, 60000); // while the reload that answers the eight is running
    tell_end(8, IPC_RELOAD_DONE);
    for (int i = 0; i < 8; i++) {
        assert_ok(end(&a[i]));
        assert_string_equal(json_string_value(json_object_get(a[i].report, "result")), "done");
        json_decref(a[i].report);
    }
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("w")});
    tell_end(9, IPC_RELOAD_REFUSED);
    assert_ok(end(&later));
    assert_string_equal(json_string_value(json_object_get(later.report, "result")), "refused");
    assert_int_equal(json_array_size(json_object_get(later.report, "warnings")), 1);
    json_decref(later.report);
}

static void test_reports_nobody_asked_for(void **state)
{
    struct asker a;

    (void)state;
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("w")});
    tell_end(0, IPC_RELOAD_DONE);
    begin(&a, 60000);
    tell_end(0, IPC_RELOAD_DONE);
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("w")});
    tell_end(1, (enum ipc_reload_result)99);
    assert_ok(end(&a));
    assert_int_equal(json_array_size(json_object_get(a.report, "warnings")), 1);
    assert_string_equal(json_string_value(json_object_get(a.report, "result")), "?");
    json_decref(a.report);
    tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("not the end")});
}

static void test_waiting_ends(void **state)
{
    struct asker a;

    (void)state;
    begin(&a, 1);
    assert_err(end(&a), ERR_TIMEOUT);
    begin(&a, 60000);
    atomic_store(&gone, true);
    assert_err(end(&a), ERR_EOF);
    atomic_store(&gone, false);
    atomic_store(&cannot_ask, true);
    begin(&a, 60000);
    assert_err(end(&a), ERR_UNAVAILABLE);
    atomic_store(&cannot_ask, false);
    tell_end(9, IPC_RELOAD_DONE); // nobody is left
    begin(&a, 60000);
    keep_reload_stop(k);
    assert_err(end(&a), ERR_UNAVAILABLE);
    begin(&a, 60000);
    assert_err(end(&a), ERR_UNAVAILABLE);
}

static void *askers_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        json_t *report = NULL;

        assert_ok(keep_reload_run(k, 60000, is_gone, NULL, &report));
        json_decref(report);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, askers_main, NULL), 0);
    }
    while (atomic_load(&asks) < 800) {
        tell((struct ipc_reload_item){.kind = IPC_RELOAD_WARNING, .text = SPAN("w")});
        tell_end(atomic_load(&asked), IPC_RELOAD_DONE);
    }
    tell_end(800, IPC_RELOAD_DONE);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_everything_is_in_the_report),
        TEST(test_a_report_goes_to_all_it_answers_and_to_no_other),
        TEST(test_reports_nobody_asked_for),
        TEST(test_waiting_ends),
        TEST(test_many_threads),
    };

    return cmocka_run_group_tests_name("keep-reload", tests, NULL, NULL);
}
