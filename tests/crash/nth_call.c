// SPDX-License-Identifier: Apache-2.0
//
// Runs a program and all its processes and threads under ptrace, counts the system calls by which
// they change files below a folder, and at the n-th of them kills all of them, before it happens,
// or makes that call fail.
//
//   nth_call FOLDER N kill|EIO|ENOSPC|short|count REPORT COMMAND...
//
// REPORT gets one line when the n-th call is reached: "<call> <path>", and one at the end: "count
// <n>". With an error all later writes and syncs of the same file fail as well when N has a '+'
// behind it. A short write, the n-th call or the first after it that is one, is half of what was
// asked for. Exit: the program's, or 137 after a kill; 77 where tracing is not allowed. x86-64
// only.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_TRACE 77
#define TASKS_MAX    4096

#ifndef __x86_64__
int main(void)
{
    fprintf(stderr, "nth_call: only for x86-64\n");
    return CANNOT_TRACE;
}
#else

enum fault { FAULT_COUNT, FAULT_KILL, FAULT_ERROR, FAULT_SHORT };

enum shape {
    SHAPE_FD,    // the file is the first argument
    SHAPE_BYTES, // the same, and the third is how many bytes
    SHAPE_PARTS, // the same, and the second and third are where the bytes are (struct iovec)
    SHAPE_AT,    // a folder and a name
    SHAPE_OPEN,  // the same, and flags
    SHAPE_NAME,  // a name
};

static const struct call {
    int number;
    enum shape shape;
    const char *name;
} calls[] = {
    {SYS_write, SHAPE_BYTES, "write"},       {SYS_pwrite64, SHAPE_BYTES, "pwrite"},
    {SYS_writev, SHAPE_PARTS, "writev"},     {SYS_pwritev, SHAPE_PARTS, "pwritev"},
    {SYS_pwritev2, SHAPE_PARTS, "pwritev2"}, {SYS_fdatasync, SHAPE_FD, "fdatasync"},
    {SYS_fsync, SHAPE_FD, "fsync"},          {SYS_fallocate, SHAPE_FD, "fallocate"},
    {SYS_ftruncate, SHAPE_FD, "ftruncate"},  {SYS_sync_file_range, SHAPE_FD, "sync_file_range"},
    {SYS_openat, SHAPE_OPEN, "openat"},      {SYS_unlinkat, SHAPE_AT, "unlinkat"},
    {SYS_renameat, SHAPE_AT, "renameat"},    {SYS_renameat2, SHAPE_AT, "renameat2"},
    {SYS_mkdirat, SHAPE_AT, "mkdirat"},      {SYS_unlink, SHAPE_NAME, "unlink"},
    {SYS_rename, SHAPE_NAME, "rename"},      {SYS_mkdir, SHAPE_NAME, "mkdir"},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static struct {
    const char *folder;
    unsigned long at;
    bool is_lasting;
    enum fault fault;
    int error;
    FILE *report;
    unsigned long count;
    char path[4096]; // of the call that failed
    pid_t child;
    pid_t tasks[TASKS_MAX];
    size_t task_count;
} trace;

static void die(const char *what)
{
    fprintf(stderr, "nth_call: %s: %s\n", what, strerror(errno));
    exit(errno == EPERM || errno == EINVAL ? CANNOT_TRACE : 2);
}

// ---- the traced side ----------------------------------------------------------------------------

// Stops at the calls of the table, and only there.
static void filter(void)
{
    struct sock_filter code[2 * CALLS + 2];
    struct sock_fprog program = {.len = 0, .filter = code};

    code[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++) {
        code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                           (unsigned)calls[i].number, 0, 1);
        code[program.len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | (unsigned)i);
    }
    code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    // Root needs no promise about new privileges, and the sandboxes make it themselves.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)) {
        die("no filter for system calls");
    }
}

static void run_child(char **argv)
{
    raise(SIGSTOP); // until it is traced
    filter();
    execvp(argv[0], argv);
    die(argv[0]);
}

// ---- whom we trace ------------------------------------------------------------------------------

static void task_seen(pid_t pid)
{
    for (size_t i = 0; i < trace.task_count; i++) {
        if (trace.tasks[i] == pid) {
            return;
        }
    }
    if (trace.task_count < TASKS_MAX) {
        trace.tasks[trace.task_count++] = pid;
    }
}

static void task_gone(pid_t pid)
{
    for (size_t i = 0; i < trace.task_count; i++) {
        if (trace.tasks[i] == pid) {
            trace.tasks[i] = trace.tasks[--trace.task_count];
            return;
        }
    }
}

// All at once, as far as that is possible, and not a call more: who is stopped before one never
// makes it.
static void kill_all(void)
{
    int status;

    for (size_t i = 0; i < trace.task_count; i++) {
        kill(trace.tasks[i], SIGKILL);
    }
    while (waitpid(-1, &status, __WALL) > 0 || errno == EINTR) {
    }
    exit(137);
}

// ---- one call -----------------------------------------------------------------------------------

static void text_at(pid_t pid, uint64_t address, char *out, size_t room)
{
    struct iovec to = {out, room - 1}, from = {(void *)(uintptr_t)address, room - 1};
    ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

    if (n < 0) { // the text may end right before a page that is not there
        from.iov_len = to.iov_len = 4096 - address % 4096;
        from.iov_len = to.iov_len = to.iov_len < room - 1 ? to.iov_len : room - 1;
        n = process_vm_readv(pid, &to, 1, &from, 1, 0);
    }
    out[n > 0 ? n : 0] = '\0';
}

static void path_of_fd(pid_t pid, int fd, char *out, size_t room)
{
    char link[64];

    snprintf(link, sizeof(link), fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", pid, fd);
    ssize_t n = readlink(link, out, room - 1);

    out[n > 0 ? n : 0] = '\0';
}

static void path_of(pid_t pid, const struct call *c, const uint64_t *args, char *out, size_t room)
{
    char name[1024];

    if (c->shape == SHAPE_FD || c->shape == SHAPE_BYTES || c->shape == SHAPE_PARTS) {
        path_of_fd(pid, (int)args[0], out, room);
        return;
    }
    bool has_folder = c->shape != SHAPE_NAME;

    text_at(pid, args[has_folder], name, sizeof(name));
    out[0] = '\0';
    if (name[0] != '/') {
        path_of_fd(pid, has_folder ? (int)args[0] : AT_FDCWD, out, room);
        strncat(out, "/", room - strlen(out) - 1);
    }
    strncat(out, name, room - strlen(out) - 1);
}

static bool is_ours(const struct call *c, const uint64_t *args, const char *path)
{
    size_t n = strlen(trace.folder);

    return (c->shape != SHAPE_OPEN || args[2] & O_CREAT) && strncmp(path, trace.folder, n) == 0 &&
           (path[n] == '/' || path[n] == '\0');
}

// It is not made, and the program is told the error.
static void fail(pid_t pid)
{
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L) != 0 ||
        ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), (long)-trace.error) !=
            0) {
        die("a call cannot be changed");
    }
}

static bool is_write(const struct call *c)
{
    return c->shape == SHAPE_BYTES || c->shape == SHAPE_PARTS;
}

static void set(pid_t pid, size_t where, uint64_t value)
{
    if (ptrace(PTRACE_POKEUSER, pid, where, (long)value) != 0) {
        die("a call cannot be changed");
    }
}

// The first half of the first part, described anew below the stack and its red zone, where nobody
// else looks; the program's own description stays as it is.
static void shorten_parts(pid_t pid, const uint64_t *args)
{
    long stack = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rsp), 0);
    uint64_t at = ((uint64_t)stack - 4096) & ~(uint64_t)15;
    struct iovec part, mine = {&part, sizeof(part)},
                       theirs = {(void *)(uintptr_t)args[1], sizeof(part)};

    if (args[2] == 0 || process_vm_readv(pid, &mine, 1, &theirs, 1, 0) != sizeof(part)) {
        die("a call cannot be read");
    }
    part.iov_len -= part.iov_len / 2;
    theirs.iov_base = (void *)(uintptr_t)at;
    if (process_vm_writev(pid, &mine, 1, &theirs, 1, 0) != sizeof(part)) {
        die("a call cannot be changed");
    }
    set(pid, offsetof(struct user_regs_struct, rsi), at);
    set(pid, offsetof(struct user_regs_struct, rdx), 1);
}

static void shorten(pid_t pid, const struct call *c, const uint64_t *args)
{
    if (c->shape == SHAPE_PARTS) {
        shorten_parts(pid, args);
    } else {
        set(pid, offsetof(struct user_regs_struct, rdx), args[2] - args[2] / 2);
    }
}

static bool may_fail_again(const struct call *c, const char *path)
{
    return trace.is_lasting && trace.fault == FAULT_ERROR && trace.path[0] &&
           (c->shape == SHAPE_FD || is_write(c)) && strcmp(path, trace.path) == 0;
}

// Only a write can be short: the first from the n-th call on is.
static bool is_time(const struct call *c)
{
    trace.count++;
    return trace.fault == FAULT_SHORT
               ? trace.at && trace.count >= trace.at && !trace.path[0] && is_write(c)
               : trace.count == trace.at;
}

static void on_call(pid_t pid, const struct call *c, const uint64_t *args)
{
    char path[4096];

    path_of(pid, c, args, path, sizeof(path));
    if (!is_ours(c, args, path)) {
        return;
    }
    if (!is_time(c)) {
        if (may_fail_again(c, path)) {
            fail(pid);
        }
        return;
    }
    fprintf(trace.report, "%s %s\n", c->name, path);
    fflush(trace.report);
    snprintf(trace.path, sizeof(trace.path), "%s", path);
    switch (trace.fault) {
    case FAULT_KILL:
        kill_all();
        break;
    case FAULT_ERROR:
        fail(pid);
        break;
    case FAULT_SHORT:
        shorten(pid, c, args);
        break;
    case FAULT_COUNT:
        break;
    }
}

// ---- the tracer ---------------------------------------------------------------------------------

static void on_stop(pid_t pid, int status)
{
    struct __ptrace_syscall_info info;
    int event = status >> 16, signal = WSTOPSIG(status), deliver = 0;

    task_seen(pid);
    if (event == PTRACE_EVENT_SECCOMP) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
            info.op == PTRACE_SYSCALL_INFO_SECCOMP && info.seccomp.ret_data < CALLS) {
            on_call(pid, &calls[info.seccomp.ret_data], info.seccomp.args);
        }
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        ptrace(PTRACE_LISTEN, pid, 0, 0); // stopped by somebody, who will let it go on
        return;
    } else if (event == 0) {
        deliver = signal;
    }
    ptrace(PTRACE_CONT, pid, 0, deliver);
}

static void pass_on(int signal)
{
    kill(trace.child, signal);
}

static int trace_all(void)
{
    int status, result = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (pid > 0 && WIFSTOPPED(status)) {
            on_stop(pid, status);
        } else if (pid > 0) {
            task_gone(pid);
            if (pid == trace.child) {
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
        }
    }
    fprintf(trace.report, "count %lu\n", trace.count);
    return result;
}

static void start(char **argv)
{
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    int status;

    trace.child = fork();
    if (trace.child == 0) {
        run_child(argv);
    }
    if (trace.child < 0 || waitpid(trace.child, &status, WUNTRACED) != trace.child ||
        ptrace(PTRACE_SEIZE, trace.child, 0, options) != 0) {
        die("the program cannot be traced");
    }
    kill(trace.child, SIGCONT);
}

static bool read_fault(const char *word)
{
    static const struct {
        const char *word;
        enum fault fault;
        int error;
    } faults[] = {{"kill", FAULT_KILL, 0},
                  {"EIO", FAULT_ERROR, EIO},
                  {"ENOSPC", FAULT_ERROR, ENOSPC},
                  {"short", FAULT_SHORT, 0},
                  {"count", FAULT_COUNT, 0}};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (strcmp(word, faults[i].word) == 0) {
            trace.fault = faults[i].fault;
            trace.error = faults[i].error;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    char *end;

    if (argc < 6 || !read_fault(argv[3])) {
        fprintf(stderr,
                "usage: nth_call FOLDER N[+] kill|EIO|ENOSPC|short|count REPORT COMMAND...\n");
        return 2;
    }
    trace.folder = argv[1];
    trace.at = strtoul(argv[2], &end, 10);
    trace.is_lasting = *end == '+';
    trace.report = fopen(argv[4], "we");
    if (!trace.report) {
        die(argv[4]);
    }
    setvbuf(trace.report, NULL, _IOLBF, 0);
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    signal(SIGINT, pass_on);
    start(argv + 5);
    return trace_all();
}
#endif
