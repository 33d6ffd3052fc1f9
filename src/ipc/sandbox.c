// SPDX-License-Identifier: Apache-2.0
//
// The order matters: Landlock needs no_new_privs, seccomp comes last because it forbids what the
// others need. Seccomp answers what is merely not needed with EPERM or ENOSYS, which libraries
// bear; what only an intruder would try (running a program, tracing, mounting) kills the process,
// and the supervisor reports it and starts a clean one.
#include "ipc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#include "base/banned.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

// ---- Landlock -----------------------------------------------------------------------------------

// Rights and rules newer than the headers we may be built with; the kernel says what it knows.
#define FS_REFER     (1ULL << 13) // version 2
#define FS_TRUNCATE  (1ULL << 14) // 3
#define FS_IOCTL_DEV (1ULL << 15) // 5
#define NET_BIND     1ULL         // 4: over TCP
#define NET_BOTH     3ULL         // 4: bind and connect
#define SCOPE_BOTH   3ULL         // 6: abstract Unix sockets and signals to outside

#define FS_FIRST     ((1ULL << 13) - 1) // all of version 1
#define FS_READ      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_KEEP                                                                                    \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     FS_REFER | FS_TRUNCATE)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

static uint64_t known_fs_rights(long version)
{
    return FS_FIRST | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
           (version >= 5 ? FS_IOCTL_DEV : 0);
}

static enum err allow_below(int ruleset, const char *path, uint64_t rights)
{
    int fd CLEANUP_FD = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

    if (fd < 0) {
        return ERR_NOT_FOUND;
    }
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
        return ERR_IO;
    }
    return ERR_OK;
}

// The C library loads a table for each character set that mail is written in when it first meets
// it.
static void allow_charset_tables(int ruleset)
{
    glob_t found;

    if (glob("/usr/lib*/gconv", 0, NULL, &found) == 0) {
        glob("/usr/lib/*/gconv", GLOB_APPEND, NULL, &found);
    } else if (glob("/usr/lib/*/gconv", 0, NULL, &found) != 0) {
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        allow_below(ruleset, found.gl_pathv[i], FS_READ);
    }
    globfree(&found);
}

// Certificates, the trust anchor of DNSSEC, and who answers questions to the DNS.
static void allow_courier_files(int ruleset)
{
    static const char *const paths[] = {
        "/etc/ssl",
        "/usr/lib/ssl",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
        "/usr/share/dns",
        "/etc/resolv.conf",
        "/etc/hosts",
        "/run/systemd/resolve",
    };
    const uint64_t one_file = LANDLOCK_ACCESS_FS_READ_FILE;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        // A file has no entries to list, and the kernel wants no such right for it.
        if (allow_below(ruleset, paths[i], FS_READ) == ERR_IO) {
            allow_below(ruleset, paths[i], one_file);
        }
    }
}

static enum err enter_landlock(enum sandbox_kind kind, const char *data_dir)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1) {
        log_warn("this kernel has no Landlock: the process can be kept from files by its user "
                 "and by seccomp only");
        return ERR_OK;
    }
    uint64_t known = known_fs_rights(version);
    struct ruleset_attr attr = {.fs = known,
                                .net = version < 4               ? 0
                                       : kind == SANDBOX_COURIER ? NET_BIND
                                                                 : NET_BOTH,
                                .scoped = version >= 6 ? SCOPE_BOTH : 0};
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int ruleset CLEANUP_FD = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);

    if (ruleset < 0) {
        return ERR_IO;
    }
    if (kind == SANDBOX_KEEP) {
        enum err e = allow_below(ruleset, data_dir, FS_KEEP & known);

        if (e != ERR_OK) {
            return e;
        }
        allow_charset_tables(ruleset);
    } else if (kind == SANDBOX_COURIER) {
        allow_courier_files(ruleset);
    }
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? ERR_IO : ERR_OK;
}

// ---- seccomp ------------------------------------------------------------------------------------

// For both: memory, threads, time, and input and output on descriptors one has.
static const int common_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getcpu),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(accept4),
    SCMP_SYS(dup),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getrusage),
    SCMP_SYS(membarrier),
};

// For keep: files. Landlock says which.
static const int file_calls[] = {
    SCMP_SYS(open),      SCMP_SYS(openat),          SCMP_SYS(openat2),
    SCMP_SYS(stat),      SCMP_SYS(lstat),           SCMP_SYS(newfstatat),
    SCMP_SYS(statx),     SCMP_SYS(statfs),          SCMP_SYS(fstatfs),
    SCMP_SYS(access),    SCMP_SYS(faccessat),       SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),  SCMP_SYS(readlinkat),      SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),    SCMP_SYS(mkdir),           SCMP_SYS(mkdirat),
    SCMP_SYS(unlink),    SCMP_SYS(unlinkat),        SCMP_SYS(rename),
    SCMP_SYS(renameat),  SCMP_SYS(renameat2),       SCMP_SYS(link),
    SCMP_SYS(linkat),    SCMP_SYS(rmdir),           SCMP_SYS(fsync),
    SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(msync),
    SCMP_SYS(mincore),   SCMP_SYS(mlock),           SCMP_SYS(munlock),
    SCMP_SYS(ftruncate), SCMP_SYS(truncate),        SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64), SCMP_SYS(readahead),       SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),  SCMP_SYS(flock),           SCMP_SYS(fchmod),
    SCMP_SYS(umask),     SCMP_SYS(utimensat),       SCMP_SYS(getppid),
    SCMP_SYS(semget),    SCMP_SYS(semop),           SCMP_SYS(semctl),
    SCMP_SYS(preadv2),   SCMP_SYS(pwritev2),
};

// For the courier: looking for files and talking to other hosts. Opening files and making sockets
// come on top, with conditions.
static const int courier_calls[] = {
    SCMP_SYS(stat),     SCMP_SYS(lstat),      SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access),   SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(getcwd),   SCMP_SYS(getdents64), SCMP_SYS(connect),    SCMP_SYS(bind),
    SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),   SCMP_SYS(pipe),       SCMP_SYS(pipe2),
    SCMP_SYS(select),   SCMP_SYS(pselect6),   SCMP_SYS(getppid),    SCMP_SYS(epoll_pwait2),
};

// Calls that the courier may make with some arguments only; with others they are refused as all is
// that is not listed.
static const int courier_conditional_calls[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(socket),
    SCMP_SYS(ioctl),
};

// What no part of ours would ever try.
static const int deadly_calls[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(bpf),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(open_by_handle_at),
};

// What others may use it for and we do not: refused, harmlessly.
static const int refused_calls[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),      SCMP_SYS(openat2),    SCMP_SYS(creat),
    SCMP_SYS(stat),       SCMP_SYS(lstat),       SCMP_SYS(newfstatat), SCMP_SYS(access),
    SCMP_SYS(readlink),   SCMP_SYS(readlinkat),  SCMP_SYS(socket),     SCMP_SYS(connect),
    SCMP_SYS(bind),       SCMP_SYS(listen),      SCMP_SYS(kill),       SCMP_SYS(setuid),
    SCMP_SYS(setgid),     SCMP_SYS(setresuid),   SCMP_SYS(setresgid),  SCMP_SYS(ioctl),
    SCMP_SYS(mkdir),      SCMP_SYS(unlink),      SCMP_SYS(unlinkat),   SCMP_SYS(rename),
    SCMP_SYS(chmod),      SCMP_SYS(fchmodat),    SCMP_SYS(chown),      SCMP_SYS(symlink),
    SCMP_SYS(prlimit64),  SCMP_SYS(setrlimit),   SCMP_SYS(mknod),      SCMP_SYS(mknodat),
    SCMP_SYS(fchown),     SCMP_SYS(fchownat),    SCMP_SYS(symlinkat),  SCMP_SYS(chdir),
    SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
};

static int allow_all(scmp_filter_ctx f, const int *calls, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
    }
    return r;
}

static bool is_in(int call, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (calls[i] == call) {
            return true;
        }
    }
    return false;
}

#define IS_IN(call, calls) is_in(call, calls, sizeof(calls) / sizeof((calls)[0]))

// Is it among what this kind of process is allowed, if only with conditions?
static bool is_allowed(int call, enum sandbox_kind kind)
{
    switch (kind) {
    case SANDBOX_KEEP:
        return IS_IN(call, file_calls);
    case SANDBOX_COURIER:
        return IS_IN(call, courier_calls) || IS_IN(call, courier_conditional_calls);
    default:
        return false;
    }
}

static int add_refusals(scmp_filter_ctx f, enum sandbox_kind kind)
{
    int r = 0;

    for (size_t i = 0; i < sizeof(deadly_calls) / sizeof(deadly_calls[0]) && r == 0; i++) {
        r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly_calls[i], 0);
    }
    for (size_t i = 0; i < sizeof(refused_calls) / sizeof(refused_calls[0]) && r == 0; i++) {
        if (!is_allowed(refused_calls[i], kind)) {
            r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused_calls[i], 0);
        }
    }
    return r;
}

// Threads, but no processes. The flags of clone3 are in memory, where a filter cannot look: it gets
// the ENOSYS of everything not listed, and the library falls back to clone.
static int add_clone(scmp_filter_ctx f)
{
    const uint64_t thread = 0x00010000; // CLONE_THREAD

    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
}

static int add_fcntl(scmp_filter_ctx f)
{
    static const int allowed[] = {F_GETFL, F_SETFL, F_GETFD,  F_SETFD,     F_DUPFD_CLOEXEC,
                                  F_SETLK, F_GETLK, F_SETLKW, F_OFD_SETLK, F_OFD_GETLK};
    int r = 0;

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && r == 0; i++) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                             SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)allowed[i]));
    }
    return r;
}

// Files to read, sockets of the Internet, and whether a socket has something to read.
static int add_courier(scmp_filter_ctx f)
{
    const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
    static const unsigned families[] = {AF_INET, AF_INET6};
    int r = allow_all(f, courier_calls, sizeof(courier_calls) / sizeof(courier_calls[0]));

    r = r ? r
          : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
    r = r ? r
          : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
    for (size_t i = 0; i < 2 && r == 0; i++) {
        // Streams and datagrams; the flags that may come with the type are above these bits.
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, families[i]),
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
        r = r ? r
              : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                 SCMP_A0(SCMP_CMP_EQ, families[i]),
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM));
    }
    return r ? r
             : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)FIONBIO));
}

static int add_allowed(scmp_filter_ctx f, enum sandbox_kind kind)
{
    static const int sanitizer_calls[] = {SCMP_SYS(prctl), SCMP_SYS(getppid)};
    int r = allow_all(f, common_calls, sizeof(common_calls) / sizeof(common_calls[0]));

    if (r == 0 && kind == SANDBOX_KEEP) {
        r = allow_all(f, file_calls, sizeof(file_calls) / sizeof(file_calls[0]));
    }
    if (r == 0 && kind == SANDBOX_COURIER) {
        r = add_courier(f);
    }
    if (r == 0) {
        // Pairs of sockets inside this machine: for TLS sessions on their way to keep, for messages
        // on their way to the courier, and for threads of the resolver.
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                             SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    }
    if (r == 0 && SANITIZED) {
        r = allow_all(f, sanitizer_calls, sizeof(sanitizer_calls) / sizeof(sanitizer_calls[0]));
    }
    if (r == 0) {
        // Naming a thread.
        r = SANITIZED ? 0
                      : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                         SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    }
    return r;
}

static enum err enter_seccomp(enum sandbox_kind kind)
{
    // The rest: as if the kernel were older. Libraries have a way for that.
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int r = f ? 0 : -ENOMEM;

    if (r == 0) {
        r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    r = r ? r : add_allowed(f, kind);
    r = r ? r : add_clone(f);
    r = r ? r : add_fcntl(f);
    r = r ? r : add_refusals(f, kind);
    r = r ? r : seccomp_load(f);
    if (f) {
        seccomp_release(f);
    }
    if (r == -EINVAL || r == -ENOSYS) {
        return ERR_UNSUPPORTED;
    }
    return r == 0 ? ERR_OK : ERR_IO;
}

// ---- the rest -----------------------------------------------------------------------------------

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    for (int cap = 0; cap < 64; cap++) {
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); // as far as one may
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &header, none);
}

enum err sandbox_enter(enum sandbox_kind kind, const char *data_dir)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return ERR_IO;
    }
    if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return ERR_IO;
    }
    enum err e = enter_landlock(kind, data_dir);

    if (e != ERR_OK) {
        log_error("Landlock refuses (%s)", err_name(e));
        return e;
    }
    drop_capabilities();
    e = enter_seccomp(kind);
    if (e != ERR_OK) {
        log_error("seccomp refuses (%s)", err_name(e));
    }
    return e;
}
