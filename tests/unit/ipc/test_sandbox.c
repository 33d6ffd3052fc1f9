// SPDX-License-Identifier: Apache-2.0
//
// From inside the sandboxes of gate, keep and courier: what is forbidden is tried and must fail,
// what is needed must work. Each attempt runs in a process of its own that has entered the sandbox.
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../test.h"
#include "ipc/sandbox.h"

static char dir[] = "/tmp/mk-sandbox-XXXXXX", secret[] = "/tmp/mk-secret-XXXXXX";
static int listening_fd; // a TCP socket that listens, as the gate inherits them

// Each returns 0 when it could do it, or the errno.
typedef int attempt_fn(void);

static int result_of(long r)
{
    return r >= 0 ? 0 : errno;
}

static int open_secret(void)
{
    return result_of(open(secret, O_RDONLY));
}

static int open_passwd(void)
{
    return result_of(open("/etc/passwd", O_RDONLY));
}

static int open_by_openat2(void)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};

    return result_of(syscall(SYS_openat2, AT_FDCWD, secret, &how, sizeof(how)));
}

static int create_outside(void)
{
    return result_of(open("/tmp/mk-sandbox-new", O_WRONLY | O_CREAT, 0600));
}

static int unlink_secret(void)
{
    return result_of(unlink(secret));
}

static int truncate_secret(void)
{
    return result_of(truncate(secret, 0));
}

static int list_root(void)
{
    return result_of(open("/", O_RDONLY | O_DIRECTORY));
}

static int read_own_memory(void)
{
    return result_of(open("/proc/self/mem", O_RDWR));
}

static int socket_inet(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int socket_unix(void)
{
    return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int socket_packet(void)
{
    return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int pair_inet(void)
{
    int fds[2];

    return result_of(socketpair(AF_INET, SOCK_STREAM, 0, fds));
}

static int pair_unix(void)
{
    int fds[2];

    return result_of(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int connect_somewhere(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(25)};

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result_of(connect(listening_fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int bind_somewhere(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};

    return result_of(bind(listening_fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int run_program(void)
{
    char name[] = "/bin/true";
    char *argv[] = {name, NULL};

    return result_of(execve(name, argv, NULL));
}

static int run_program_at(void)
{
    char name[] = "/bin/true";
    char *argv[] = {name, NULL};

    return result_of(syscall(SYS_execveat, AT_FDCWD, name, argv, NULL, 0));
}

static int new_process(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        _exit(0);
    }
    return result_of(pid);
}

static int new_process_by_clone3(void)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } args = {.exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid == 0) {
        _exit(0);
    }
    return result_of(pid);
}

static int trace_parent(void)
{
    return result_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int read_parent(void)
{
    char c;
    struct iovec own = {&c, 1}, other = {&listening_fd, 1};

    return result_of(syscall(SYS_process_vm_readv, getppid(), &own, 1, &other, 1, 0));
}

static int signal_parent(void)
{
    return result_of(kill(getppid(), 0));
}

static int become_root(void)
{
    return result_of(setuid(0));
}

static int mount_something(void)
{
    return result_of(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int new_namespace(void)
{
    return result_of(syscall(SYS_unshare, 0x10000000));
}

static int io_uring(void)
{
    char params[120] = {0};

    return result_of(syscall(SYS_io_uring_setup, 4, params));
}

static int change_mode(void)
{
    return result_of(chmod(dir, 0777));
}

static int make_link_in(void)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/link", dir);
    return result_of(symlink("/etc/passwd", path));
}

static int make_device(void)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/device", dir);
    return result_of(mknod(path, S_IFCHR | 0600, 0x0103));
}

static int raise_core_limit(void)
{
    struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

    return result_of(setrlimit(RLIMIT_CORE, &r));
}

// ---- what must work -----------------------------------------------------------------------------

static int use_data_dir(void)
{
    char path[64], moved[64], text[4] = "";

    snprintf(path, sizeof(path), "%s/sub", dir);
    if (mkdir(path, 0700) < 0) {
        return errno;
    }
    snprintf(path, sizeof(path), "%s/sub/file", dir);
    snprintf(moved, sizeof(moved), "%s/file2", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    if (fd < 0 || pwrite(fd, "abc", 3, 0) != 3 || fdatasync(fd) < 0 || fsync(fd) < 0 ||
        pread(fd, text, 3, 0) != 3 || ftruncate(fd, 4096) < 0 || fallocate(fd, 0, 0, 8192) < 0) {
        return errno;
    }
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED || msync(p, 4096, MS_SYNC) < 0 || munmap(p, 4096) < 0 ||
        rename(path, moved) < 0 || unlink(moved) < 0) {
        return errno;
    }
    snprintf(path, sizeof(path), "%s/sub", dir);
    return result_of(rmdir(path));
}

static int accept_and_wait(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listening_fd, &e) < 0 ||
        epoll_wait(epoll, &e, 1, 1) != 0) {
        return errno ? errno : EIO;
    }
    return accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC) < 0 && errno == EAGAIN ? 0 : errno;
}

static void *in_thread(void *arg)
{
    prctl(PR_SET_NAME, "named", 0, 0, 0);
    *(int *)arg = 1;
    return NULL;
}

static int start_thread(void)
{
    pthread_t t;
    int ran = 0, r = pthread_create(&t, NULL, in_thread, &ran);

    if (r) {
        return r;
    }
    pthread_join(t, NULL);
    void *p = malloc(32 << 20); // its own mapping

    if (!p) {
        return ENOMEM;
    }
    memset(p, 1, 32 << 20);
    free(p);
    return ran ? 0 : EIO;
}

// A TCP socket of its own, as the courier may have one, bound to a port or not; -1 when refused.
static int new_tcp(bool bound)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && bound && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static int connect_new(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = new_tcp(false);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd < 0 ? errno
           : connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == ECONNREFUSED
               ? 0 // it was tried: nobody listens there
               : result_of(-1);
}

static int bind_new(void)
{
    return result_of(new_tcp(true));
}

static int listen_new(void)
{
    int fd = new_tcp(false);

    return fd < 0 ? errno : result_of(listen(fd, 1));
}

static int use_udp(void)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return errno;
    }
    int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa)); // a random port, against forged answers

    return r < 0 && errno == EADDRNOTAVAIL ? 0 : result_of(r); // a machine without IPv6
}

static int socket_raw(void)
{
    return result_of(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int read_certificates(void)
{
    return result_of(open("/etc/ssl", O_RDONLY | O_DIRECTORY));
}

static int write_certificates(void)
{
    return result_of(open("/etc/ssl/mk-sandbox-new", O_WRONLY | O_CREAT, 0600));
}

// ---- the tables ---------------------------------------------------------------------------------

enum {
    MAY,
    REFUSED,
    DEADLY,
    BY_LANDLOCK, // refused where the kernel's Landlock knows of networks
    ELSEWHERE,   // another row tries it with a socket that the process can make
};

static const struct {
    const char *name;
    attempt_fn *try;
    int gate, keep, courier;
} attempts[] = {
    {"open a file", open_secret, REFUSED, REFUSED, REFUSED},
    {"open /etc/passwd", open_passwd, REFUSED, REFUSED, REFUSED},
    {"open by openat2", open_by_openat2, REFUSED, REFUSED, REFUSED},
    {"create a file", create_outside, REFUSED, REFUSED, REFUSED},
    {"unlink a file", unlink_secret, REFUSED, REFUSED, REFUSED},
    {"truncate a file", truncate_secret, REFUSED, REFUSED, REFUSED},
    {"list the root", list_root, REFUSED, REFUSED, REFUSED},
    {"open own memory", read_own_memory, REFUSED, REFUSED, REFUSED},
    {"make a TCP socket", socket_inet, REFUSED, REFUSED, MAY},
    {"make a Unix socket", socket_unix, REFUSED, REFUSED, REFUSED},
    {"make a packet socket", socket_packet, REFUSED, REFUSED, REFUSED},
    {"connect", connect_somewhere, REFUSED, REFUSED, ELSEWHERE},
    {"bind", bind_somewhere, REFUSED, REFUSED, ELSEWHERE},
    {"connect to another", connect_new, REFUSED, REFUSED, MAY},
    {"bind a TCP port", bind_new, REFUSED, REFUSED, BY_LANDLOCK},
    {"listen", listen_new, REFUSED, REFUSED, REFUSED},
    {"ask over UDP", use_udp, REFUSED, REFUSED, MAY},
    {"make a raw socket", socket_raw, REFUSED, REFUSED, REFUSED},
    {"read certificates", read_certificates, REFUSED, REFUSED, MAY},
    {"write where certificates are", write_certificates, REFUSED, REFUSED, REFUSED},
    {"make an inet pair", pair_inet, REFUSED, REFUSED, REFUSED},
    {"make a Unix pair", pair_unix, MAY, MAY, MAY},
    {"run a program", run_program, DEADLY, DEADLY, DEADLY},
    {"run a program by execveat", run_program_at, DEADLY, DEADLY, DEADLY},
    {"make a process", new_process, REFUSED, REFUSED, REFUSED},
    {"make a process by clone3", new_process_by_clone3, REFUSED, REFUSED, REFUSED},
    {"trace another process", trace_parent, DEADLY, DEADLY, DEADLY},
    {"read another's memory", read_parent, DEADLY, DEADLY, DEADLY},
    {"signal another process", signal_parent, REFUSED, REFUSED, REFUSED},
    {"become root", become_root, REFUSED, REFUSED, REFUSED},
    {"mount", mount_something, DEADLY, DEADLY, DEADLY},
    {"make a namespace", new_namespace, DEADLY, DEADLY, DEADLY},
    {"use io_uring", io_uring, DEADLY, DEADLY, DEADLY},
    {"change modes", change_mode, REFUSED, REFUSED, REFUSED},
    {"make a symbolic link", make_link_in, REFUSED, REFUSED, REFUSED},
    {"make a device", make_device, REFUSED, REFUSED, REFUSED},
    {"allow cores again", raise_core_limit, REFUSED, REFUSED, REFUSED},
    {"use the data directory", use_data_dir, REFUSED, MAY, REFUSED},
    {"accept and wait", accept_and_wait, MAY, MAY, MAY},
    {"start a thread, take memory", start_thread, MAY, MAY, MAY},
};

#define STATUS_ENTER 99 // the sandbox itself failed

// In a child: enters the sandbox and tries. Returns the wait status.
static int run_inside(enum sandbox_kind kind, attempt_fn *try)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSYS, SIG_DFL);
        if (sandbox_enter(kind, dir) != ERR_OK) {
            _exit(STATUS_ENTER);
        }
        int e = try();

        _exit(e == STATUS_ENTER ? 98 : e);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool landlock_knows_networks(void)
{
    return syscall(444, NULL, 0, 1) >= 4; // landlock_create_ruleset: which version?
}

static bool is_as_wanted(int want, int status)
{
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    int e = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    switch (want) {
    case MAY:
        return e == 0;
    case DEADLY:
        return killed;
    case BY_LANDLOCK:
        return e == (landlock_knows_networks() ? EACCES : 0);
    case ELSEWHERE:
        return true;
    default:
        return e == EPERM || e == EACCES || e == ENOSYS || e == EXDEV;
    }
}

static void check_all(enum sandbox_kind kind, const char *who)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        const int want[] = {[SANDBOX_GATE] = attempts[i].gate,
                            [SANDBOX_KEEP] = attempts[i].keep,
                            [SANDBOX_COURIER] = attempts[i].courier};
        int status = run_inside(kind, attempts[i].try);

        if (!is_as_wanted(want[kind], status)) {
            print_error("%s: %s: status %x\n", who, attempts[i].name, (unsigned)status);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_gate(void **state)
{
    (void)state;
    check_all(SANDBOX_GATE, "gate");
}

static void test_keep(void **state)
{
    (void)state;
    check_all(SANDBOX_KEEP, "keep");
}

static void test_courier(void **state)
{
    (void)state;
    check_all(SANDBOX_COURIER, "courier");
}

// The attempts are real: outside of a sandbox those that an ordinary process may make succeed.
static void test_attempts_work_outside(void **state)
{
    (void)state;
    assert_int_equal(open_passwd(), 0);
    assert_int_equal(open_secret(), 0);
    assert_int_equal(open_by_openat2(), 0);
    assert_int_equal(list_root(), 0);
    assert_int_equal(socket_inet(), 0);
    assert_int_equal(socket_unix(), 0);
    assert_int_equal(signal_parent(), 0);
    assert_int_equal(use_data_dir(), 0);
    assert_int_equal(new_process(), 0);
    while (wait(NULL) > 0) {
    }
}

static int look_at_flags(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_CORE, &r);
    return r.rlim_max == 0 ? 0 : EIO;
}

static void test_no_cores(void **state)
{
    struct stat st;

    (void)state;
    int status = run_inside(SANDBOX_GATE, look_at_flags);

    // getrlimit may be refused inside; what counts is that the limit was set before.
    assert_true(WIFEXITED(status));
    assert_int_equal(stat(secret, &st), 0);
    assert_int_equal(st.st_size, 6); // nobody has truncated it
}

// The same as an ordinary user, as far as root may try that.
static void test_as_an_ordinary_user(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(dir, 65534, 65534), 0);
    pid = fork();
    if (pid == 0) {
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
            sandbox_enter(SANDBOX_KEEP, dir) != ERR_OK) {
            _exit(STATUS_ENTER);
        }
        int r = use_data_dir();

        _exit(r ? r : open_passwd() == EACCES ? 0 : 97);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(chown(dir, 0, 0), 0);
    assert_int_equal(status, 0);
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(secret);

    if (fd < 0 || write(fd, "secret", 6) != 6 || fchmod(fd, 0644) < 0 || !mkdtemp(dir)) {
        return -1;
    }
    close(fd);
    listening_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    return listening_fd < 0 || listen(listening_fd, 5) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(secret);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_work_outside),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_courier),
        cmocka_unit_test(test_no_cores),
        cmocka_unit_test(test_as_an_ordinary_user),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
