// SPDX-License-Identifier: Apache-2.0
//
// The courier gets connections to the sockets that the settings name, and to no others.
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../test.h"
#include "conf/conf.h"
#include "supervisor/supervisor_internal.h"

static char dir[] = "/tmp/mk-socket-XXXXXX", deep[300];
static int listener;

static void at(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
}

// Binds by a name within the folder, since a whole path may be too long for an address.
static int listen_at(const char *folder, const char *name, int backlog)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char here[4096];

    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", name);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int setup(void **state)
{
    char path[64], target[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    listener = listen_at(dir, "good.sock", 1);
    at(target, sizeof(target), "good.sock");
    at(path, sizeof(path), "link.sock");
    assert_int_equal(symlink(target, path), 0);
    at(path, sizeof(path), "file");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"good.sock", "link.sock", "file", "dead.sock"};
    char path[64];

    (void)state;
    close(listener);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        at(path, sizeof(path), names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

// Asks for a filter of a list with this one in it; the connection or -1, and the errno.
static int ask(const char *filter, uint8_t place, uint32_t *problem)
{
    struct conf_report report;
    struct settings *settings;
    struct ipc_connected m;
    struct ipc_frame frame;
    char conf[600];
    int pair[2], fds[IPC_FDS_MAX];
    struct buf bytes;

    snprintf(conf, sizeof(conf), "filters = [\"rspamd http://127.0.0.1:1\", \"%s\"]\n", filter);
    assert_ok(conf_parse(span_from_str(conf), &report, &settings));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    socket_hand_out(settings, place, pair[0]);
    close(pair[0]);
    buf_init(&bytes, 4096);
    assert_ok(channel_receive_blocking(pair[1], 1000, &bytes, &frame, fds));
    assert_int_equal(frame.type, IPC_CONNECTED);
    assert_ok(ipc_connected_decode(frame.fields, &m));
    assert_int_equal(frame.fds, m.problem == 0);
    *problem = m.problem;
    buf_finish(&bytes);
    close(pair[1]);
    settings_unref(settings);
    return frame.fds ? fds[0] : -1;
}

static uint32_t problem_of(const char *name, uint8_t place)
{
    char filter[100];
    uint32_t problem;

    snprintf(filter, sizeof(filter), "milter unix:%s/%s", dir, name);
    int fd = ask(filter, place, &problem);

    if (fd >= 0) {
        close(fd);
        close(accept(listener, NULL, NULL)); // its queue is short
    }
    return problem;
}

static void test_only_what_is_named(void **state)
{
    uint32_t problem;

    (void)state;
    assert_int_equal(problem_of("good.sock", 1), 0);
    assert_int_equal(problem_of("good.sock", 0), EACCES); // rspamd, by TCP
    assert_int_equal(problem_of("good.sock", 2), EACCES); // beyond the list
    assert_int_equal(problem_of("good.sock", 255), EACCES);
    assert_int_equal(ask("milter 127.0.0.1:25", 1, &problem), -1);
    assert_int_equal(problem, EACCES);
    assert_int_equal(problem_of("none.sock", 1), ENOENT);
    assert_int_equal(problem_of("file", 1), ENOTSOCK);
    assert_int_not_equal(problem_of("link.sock", 1), 0); // to a good one
}

static void test_nobody_listens(void **state)
{
    (void)state;
    close(listen_at(dir, "dead.sock", 1));
    assert_int_equal(problem_of("dead.sock", 1), ECONNREFUSED);
}

static void test_a_full_queue(void **state)
{
    char filter[100];
    uint32_t problem = 0;
    int fds[8], n = 0;

    (void)state;
    snprintf(filter, sizeof(filter), "milter unix:%s/good.sock", dir);
    while (n < 8 && (fds[n] = ask(filter, 1, &problem)) >= 0) {
        n++;
    }
    assert_int_equal(problem, EAGAIN); // and it did not wait
    for (int i = 0; i < n; i++) {
        close(fds[i]);
        close(accept(listener, NULL, NULL));
    }
}

static void test_a_long_path(void **state)
{
    char filter[400];
    uint32_t problem;

    (void)state;
    snprintf(deep, sizeof(deep), "%s/%0120d", dir, 1);
    assert_int_equal(mkdir(deep, 0700), 0);
    int there = listen_at(deep, "s", 1);

    snprintf(filter, sizeof(filter), "milter unix:%s/s", deep);
    int fd = ask(filter, 1, &problem);

    assert_true(fd >= 0);
    close(fd);
    close(there);
    snprintf(filter, sizeof(filter), "%s/s", deep);
    unlink(filter);
    rmdir(deep);
}

// Whoever asks and does not read, or gives no socket at all, cannot hold the supervisor up.
static void test_it_never_waits(void **state)
{
    struct conf_report report;
    struct settings *settings;
    int pair[2], file;
    char conf[200], path[64];

    (void)state;
    snprintf(conf, sizeof(conf), "filters = [\"milter unix:%s/none\"]\n", dir);
    assert_ok(conf_parse(span_from_str(conf), &report, &settings));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (int i = 0; i < 100000; i++) {
        socket_hand_out(settings, 0, pair[0]);
    }
    at(path, sizeof(path), "file");
    file = open(path, O_RDONLY);
    socket_hand_out(settings, 0, file);
    close(file);
    close(pair[0]);
    close(pair[1]);
    settings_unref(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_named), cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_a_full_queue),       cmocka_unit_test(test_a_long_path),
        cmocka_unit_test(test_it_never_waits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
