// SPDX-License-Identifier: Apache-2.0
//
// A reload as the supervisor leads it; the tests are the three processes.
#include <sys/socket.h>

#include "../test.h"
#include "conf/conf.h"
#include "net/tls.h"
#include "supervisor/supervisor_internal.h"

static struct supervisor s;
static int peers[IPC_PROCESSES]; // our ends
static char folder[] = "/tmp/mk-reload-XXXXXX";
static char conf_path[100], cert_path[100], key_path[100];

static enum err no_message(struct channel *c, void *arg, const struct ipc_frame *f, int *fds)
{
    (void)c, (void)arg, (void)f, (void)fds;
    return ERR_OK;
}

static void no_end(struct channel *c, void *arg, enum err e)
{
    (void)c, (void)arg, (void)e;
}

static void write_file(const char *path, struct span text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
}

static void write_conf(const char *more)
{
    char text[1000];

    snprintf(text, sizeof(text), "tls_cert = \"%s\"\ntls_key = \"%s\"\n%s", cert_path, key_path,
             more);
    write_file(conf_path, span_from_str(text));
}

static void write_pair(const char *name)
{
    struct buf cert, key;

    buf_init(&cert, 100000);
    buf_init(&key, 100000);
    assert_ok(tls_self_signed(span_from_str(name), &cert, &key));
    write_file(cert_path, buf_span(&cert));
    write_file(key_path, buf_span(&key));
    buf_finish(&cert);
    buf_finish(&key);
}

static void connect_process(unsigned i)
{
    static const struct channel_handler handler = {no_message, no_end};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peers[i] = fds[1];
    assert_ok(
        channel_open(s.loop, fds[0], 4 << 20, &handler, &s.processes[i], &s.processes[i].channel));
}

static void disconnect_process(unsigned i)
{
    channel_close(s.processes[i].channel);
    s.processes[i].channel = NULL;
    close(peers[i]);
    peers[i] = -1;
}

static int setup(void **state)
{
    struct conf_report report;
    struct setup_certificate c;

    (void)state;
    memset(&s, 0, sizeof(s));
    log_set_level(LOG_ERROR);
    write_pair("localhost");
    write_conf("message_max = 1 MB\n");
    s.options.config_path = conf_path;
    assert_ok(conf_load(conf_path, &report, &s.settings));
    assert_ok(loop_create(&s.loop));
    buf_init(&s.cert_pem, 200000);
    buf_init(&s.key_pem, 200000);
    assert_ok(setup_read_certificate(s.settings, &s.cert_pem, &s.key_pem, &c));
    assert_true(setup_certificate_is_current(s.settings, &c));
    reload_init(&s);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        s.processes[i].name = ipc_process_name((enum ipc_process)i);
        s.processes[i].id = (enum ipc_process)i;
        s.processes[i].supervisor = &s;
        connect_process(i);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s.processes[i].channel) {
            disconnect_process(i);
        }
    }
    reload_finish(&s);
    loop_destroy(s.loop);
    settings_unref(s.settings);
    buf_finish(&s.cert_pem);
    buf_finish(&s.key_pem);
    return 0;
}

// ---- what the processes are told ----------------------------------------------------------------

static struct buf received; // what the spans of the last frame are in

static bool next_frame(unsigned i, struct ipc_frame *out)
{
    int fds[IPC_FDS_MAX];
    char byte;

    if (recv(peers[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
        return false;
    }
    buf_finish(&received);
    buf_init(&received, IPC_FRAME_BYTES_MAX);
    assert_ok(channel_receive_blocking(peers[i], 60000, &received, out, fds));
    return true;
}

static struct ipc_reload expect_reload(unsigned i)
{
    struct ipc_reload m;
    struct ipc_frame f;

    assert_true(next_frame(i, &f));
    assert_int_equal(f.type, IPC_RELOAD);
    assert_ok(ipc_reload_decode(f.fields, &m));
    return m;
}

static bool says(struct span settings, const char *line)
{
    return span_find(settings, span_from_str(line)) < settings.n;
}

static void expect_nothing(unsigned i)
{
    struct ipc_frame f;

    assert_false(next_frame(i, &f));
}

static void answer(unsigned i, uint64_t number, const char *problem)
{
    struct ipc_reloaded m = {
        .number = number, .ok = !problem, .text = span_from_str(problem ? problem : "")};

    reload_answered(&s.processes[i], &m);
}

// Reads the reload of each and says that it is used. The number.
static uint64_t all_use_it(void)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        number = expect_reload(i).number;
        answer(i, number, NULL);
    }
    return number;
}

// The report that comes to keep, a line for each thing: "change message_max 1 MB -> 2 MB".
static char told[4000];

static void add_item(const struct ipc_reload_item *m)
{
    static const char *const kinds[] = {"change",      "restart", "problem",
                                        "certificate", "process", "warning"};
    size_t n = strlen(told);

    assert_true(m->kind < 6);
    if (m->kind == IPC_RELOAD_CERTIFICATE) {
        snprintf(told + n, sizeof(told) - n, "certificate %d\n", m->state);
    } else if (m->kind == IPC_RELOAD_PROCESS) {
        snprintf(told + n, sizeof(told) - n, "%.*s %d %.*s\n", SPAN_ARG(m->name), m->state,
                 SPAN_ARG(m->text));
    } else if (m->kind == IPC_RELOAD_PROBLEM || m->kind == IPC_RELOAD_WARNING) {
        snprintf(told + n, sizeof(told) - n, "%s %u:%u %.*s\n", kinds[m->kind], m->line, m->column,
                 SPAN_ARG(m->text));
    } else {
        snprintf(told + n, sizeof(told) - n, "%s %.*s %.*s -> %.*s\n", kinds[m->kind],
                 SPAN_ARG(m->name), SPAN_ARG(m->was), SPAN_ARG(m->now));
    }
}

static enum ipc_reload_result expect_report(uint64_t number)
{
    struct ipc_reload_item item;
    struct ipc_reload_end end;
    struct ipc_frame f;

    told[0] = '\0';
    assert_true(next_frame(IPC_KEEP, &f));
    while (f.type == IPC_RELOAD_ITEM) {
        assert_ok(ipc_reload_item_decode(f.fields, &item));
        assert_true(item.number == number);
        add_item(&item);
        assert_true(next_frame(IPC_KEEP, &f));
    }
    assert_int_equal(f.type, IPC_RELOAD_END);
    assert_ok(ipc_reload_end_decode(f.fields, &end));
    assert_true(end.number == number);
    assert_span(end.file, conf_path);
    return (enum ipc_reload_result)end.result;
}

static uint64_t message_max(void)
{
    return conf_value_bytes(s.settings, SETTING_MESSAGE_MAX) >> 20;
}

// ---- tests --------------------------------------------------------------------------------------

static void test_all_take_it(void **state)
{
    (void)state;
    write_conf("message_max = 2 MB\nkeep_threads = 7\n");
    reload_asked(&s, 1);
    struct ipc_reload keep = expect_reload(IPC_KEEP);

    assert_int_equal(keep.key_pem.n, 0); // only the gate has the key
    answer(IPC_KEEP, keep.number, NULL);
    struct ipc_reload gate = expect_reload(IPC_GATE);

    assert_true(span_eq(gate.key_pem, buf_span(&s.key_pem)) && gate.key_pem.n > 0);
    assert_true(says(gate.settings, "message_max = 2 MB"));
    assert_true(!says(gate.settings, "keep_threads"));
    answer(IPC_GATE, gate.number, NULL);
    expect_nothing(IPC_KEEP); // until all have answered
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    assert_int_equal(expect_report(1), IPC_RELOAD_DONE);
    assert_string_equal(told, "certificate 0\nchange message_max 1 MB -> 2 MB\n"
                              "restart keep_threads 64 -> 7\nkeep 0 \ngate 0 \ncourier 0 \n");
    assert_int_equal(message_max(), 2);
    assert_int_equal(conf_value_count(s.settings, SETTING_KEEP_THREADS), 64);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        expect_nothing(i);
    }
}

static void test_a_mistake_changes_nothing(void **state)
{
    (void)state;
    write_conf("message_max = 2 MB\nlogin_timeout = soon\n");
    reload_asked(&s, 1);
    assert_int_equal(expect_report(1), IPC_RELOAD_BAD_SETTINGS);
    assert_true(strncmp(told, "problem 4:17 login_timeout ", 27) == 0);
    assert_int_equal(message_max(), 1);
    expect_nothing(IPC_GATE);
    assert_int_equal(unlink(conf_path), 0);
    reload_asked(&s, 2);
    assert_int_equal(expect_report(2), IPC_RELOAD_BAD_SETTINGS);
    assert_string_equal(told, "problem 0:0 cannot be read: not found\n");
}

static void test_a_bad_certificate_changes_nothing(void **state)
{
    char cert_before[4096], problem[1100];
    size_t n = s.cert_pem.n;

    (void)state;
    assert_true(n < sizeof(cert_before));
    memcpy(cert_before, s.cert_pem.p, n);
    write_conf("message_max = 2 MB\n");
    write_file(cert_path, SPAN("rubbish"));
    reload_asked(&s, 1);
    assert_int_equal(expect_report(1), IPC_RELOAD_BAD_CERTIFICATE);
    snprintf(problem, sizeof(problem), "problem 1:12 tls_cert = %s: ", cert_path);
    assert_true(strncmp(told, problem, strlen(problem)) == 0);
    unlink(key_path);
    write_pair("other");
    unlink(key_path);
    reload_asked(&s, 2);
    assert_int_equal(expect_report(2), IPC_RELOAD_BAD_CERTIFICATE);
    snprintf(problem, sizeof(problem), "problem 2:11 tls_key = %s: not found\n", key_path);
    assert_string_equal(told, problem);
    assert_int_equal(message_max(), 1);
    assert_true(s.cert_pem.n == n && memcmp(s.cert_pem.p, cert_before, n) == 0);
    expect_nothing(IPC_GATE);
}

// Where TLS is not asked for, a server may do without certificates, but not lose the one it has.
static void test_a_lost_certificate_is_missed(void **state)
{
    static const char no_tls[] = "listen_imaps = []\nlisten_pop3s = []\nlisten_submissions = []\n"
                                 "listen_https = []\n";

    (void)state;
    write_file(conf_path, span_from_str(no_tls)); // and the default paths, where nothing is
    reload_asked(&s, 1);
    assert_int_equal(expect_report(1), IPC_RELOAD_BAD_CERTIFICATE);
    assert_true(strstr(told, "not found"));
    buf_clear(&s.cert_pem);
    buf_clear(&s.key_pem);
    reload_asked(&s, 2);
    all_use_it();
    assert_int_equal(expect_report(2), IPC_RELOAD_DONE);
}

static void test_when_one_refuses_all_go_back(void **state)
{
    struct settings *before = s.settings;
    struct buf cert_before = {0};

    (void)state;
    buf_init(&cert_before, 100000);
    buf_put(&cert_before, buf_span(&s.cert_pem));
    write_conf("message_max = 2 MB\n");
    write_pair("other");
    reload_asked(&s, 1);
    uint64_t number = expect_reload(IPC_GATE).number;

    answer(IPC_GATE, number, NULL);
    expect_reload(IPC_KEEP);
    answer(IPC_KEEP, number, "there is no room");
    expect_reload(IPC_COURIER);
    assert_int_equal(message_max(), 2); // the third may still refuse, too
    answer(IPC_COURIER, number, NULL);
    struct ipc_reload gate = expect_reload(IPC_GATE);

    assert_true(gate.number > number);
    assert_true(span_eq(gate.cert_pem, buf_span(&cert_before)));
    assert_true(says(gate.settings, "message_max = 1 MB"));
    answer(IPC_GATE, gate.number, NULL);
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, "not even that");
    assert_int_equal(expect_report(1), IPC_RELOAD_REFUSED);
    assert_true(strstr(told, "keep 1 there is no room\ngate 1 \ncourier 0 not even that\n"));
    assert_ptr_equal(s.settings, before);
    assert_true(span_eq(buf_span(&s.cert_pem), buf_span(&cert_before)));
    buf_finish(&cert_before);
}

static void let_time_pass(void)
{
    s.reload.limit.fire(&s.reload.limit);
}

static void test_who_does_not_answer_is_named_and_counts_for_nothing_later(void **state)
{
    (void)state;
    write_conf("message_max = 2 MB\n");
    reload_asked(&s, 1);
    uint64_t late = expect_reload(IPC_GATE).number;

    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    let_time_pass();
    assert_int_equal(expect_report(1), IPC_RELOAD_LATE);
    assert_true(strstr(told, "keep 0 \ngate 2 \ncourier 0 \n"));
    assert_int_equal(message_max(), 2);
    reload_asked(&s, 2);
    answer(IPC_GATE, late, "too late"); // of the one before: neither awaited nor a refusal
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    expect_nothing(IPC_KEEP);
    answer(IPC_GATE, expect_reload(IPC_GATE).number, NULL);
    assert_int_equal(expect_report(2), IPC_RELOAD_DONE);
}

static void test_silence_and_a_refusal(void **state)
{
    (void)state;
    write_conf("message_max = 2 MB\n");
    reload_asked(&s, 1);
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, "no");
    expect_reload(IPC_GATE);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    let_time_pass(); // the gate gets the old ones behind the new ones
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    expect_reload(IPC_GATE);
    let_time_pass();
    assert_int_equal(expect_report(1), IPC_RELOAD_REFUSED);
    assert_true(strstr(told, "keep 1 no\ngate 2 \ncourier 1 \n"));
    assert_int_equal(message_max(), 1);
}

static void test_what_comes_meanwhile_is_one_more(void **state)
{
    (void)state;
    reload_asked(&s, 1);
    uint64_t first = expect_reload(IPC_GATE).number;

    write_conf("message_max = 2 MB\n");
    reload_asked(&s, 3); // two at once; the second was the quicker
    reload_asked(&s, 2);
    reload_by_signal(&s);
    reload_by_signal(&s);
    expect_nothing(IPC_GATE);
    answer(IPC_GATE, first, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    assert_int_equal(expect_report(1), IPC_RELOAD_DONE);
    assert_null(strstr(told, "change"));
    all_use_it();
    assert_int_equal(expect_report(3), IPC_RELOAD_DONE);
    assert_non_null(strstr(told, "change message_max 1 MB -> 2 MB\n"));
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        expect_nothing(i);
    }
    reload_by_signal(&s); // that nobody asked for through keep is not told to it
    all_use_it();
    expect_nothing(IPC_KEEP);
}

static void die(unsigned i)
{
    disconnect_process(i);
    reload_process_died(&s.processes[i]);
}

static void test_the_dead_are_not_awaited(void **state)
{
    (void)state;
    reload_asked(&s, 1);
    expect_reload(IPC_GATE);
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    die(IPC_GATE);
    assert_int_equal(expect_report(1), IPC_RELOAD_DONE);
    assert_non_null(strstr(told, "keep 0 \ngate 3 \ncourier 0 \n"));
    reload_asked(&s, 2); // nor those that are not there yet
    answer(IPC_KEEP, expect_reload(IPC_KEEP).number, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    assert_int_equal(expect_report(2), IPC_RELOAD_DONE);
}

static void test_a_new_keep_asks_anew(void **state)
{
    (void)state;
    reload_asked(&s, 9);
    expect_reload(IPC_GATE);
    die(IPC_KEEP);
    connect_process(IPC_KEEP);
    reload_asked(&s, 1); // the numbers begin again
    uint64_t first = s.reload.number;

    answer(IPC_GATE, first, NULL);
    answer(IPC_COURIER, expect_reload(IPC_COURIER).number, NULL);
    all_use_it(); // what the first one found is told to nobody
    assert_int_equal(expect_report(1), IPC_RELOAD_DONE);
    assert_true(s.reload.number > first);
}

static void test_a_stopping_server_begins_none(void **state)
{
    (void)state;
    s.stopping = true;
    reload_asked(&s, 1);
    reload_by_signal(&s);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        expect_nothing(i);
    }
}

static void test_without_a_file_the_certificate_is_read(void **state)
{
    (void)state;
    s.options.config_optional = true;
    assert_int_equal(unlink(conf_path), 0);
    write_pair("other");
    reload_by_signal(&s);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        struct ipc_reload m = expect_reload(i);

        assert_true(i != IPC_GATE || span_eq(m.cert_pem, buf_span(&s.cert_pem)));
        answer(i, m.number, NULL);
    }
    assert_int_equal(message_max(), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_all_take_it),
        TEST(test_a_mistake_changes_nothing),
        TEST(test_a_bad_certificate_changes_nothing),
        TEST(test_a_lost_certificate_is_missed),
        TEST(test_when_one_refuses_all_go_back),
        TEST(test_who_does_not_answer_is_named_and_counts_for_nothing_later),
        TEST(test_silence_and_a_refusal),
        TEST(test_what_comes_meanwhile_is_one_more),
        TEST(test_the_dead_are_not_awaited),
        TEST(test_a_new_keep_asks_anew),
        TEST(test_a_stopping_server_begins_none),
        TEST(test_without_a_file_the_certificate_is_read),
    };

    assert_non_null(mkdtemp(folder));
    snprintf(conf_path, sizeof(conf_path), "%s/mailkeep.conf", folder);
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    int r = cmocka_run_group_tests_name("supervisor-reload", tests, NULL, NULL);

    unlink(conf_path);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
    return r;
}
