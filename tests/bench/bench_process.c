// SPDX-License-Identifier: Apache-2.0
//
// CPU time and memory of the server: the processes its control command names, and all below them.
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define ROOTS_MAX 8

struct process {
    long pid, parent;
    double cpu;
};

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double client_cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

// Returns how many there are.
static long root_processes(long out[ROOTS_MAX])
{
    FILE *f = opt.pid_command ? popen(opt.pid_command, "r") : NULL;
    long n = 0;
    while (f && n < ROOTS_MAX && fscanf(f, "%ld", &out[n]) == 1)
        n++;
    if (f)
        pclose(f);
    return n;
}

static bool read_process(const char *name, struct process *out)
{
    char path[300], line[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0)
        return false;
    line[n] = 0;
    char *rest = strrchr(line, ')');
    // After the name: state, parent, and as fields 14 to 17 of the line own and children's time.
    long parent;
    unsigned long user, kernel;
    long child_user, child_kernel;
    if (!rest || sscanf(rest + 2, "%*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
                        &parent, &user, &kernel, &child_user, &child_kernel) != 5)
        return false;
    out->pid = atol(name);
    out->parent = parent;
    out->cpu = (double)((long)user + (long)kernel + child_user + child_kernel) /
               (double)sysconf(_SC_CLK_TCK);
    return true;
}

// All processes; the server's are moved to the front and counted.
static struct process *server_processes(long *out_n)
{
    *out_n = 0;
    long roots[ROOTS_MAX], root_n = root_processes(roots), n = 0, cap = 256, mine = 0;
    DIR *d = root_n ? opendir("/proc") : NULL;
    if (!d)
        return NULL;
    struct process *v = malloc((size_t)cap * sizeof *v);
    for (struct dirent *e; v && (e = readdir(d));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (n == cap)
            v = realloc(v, (size_t)(cap *= 2) * sizeof *v);
        if (v && read_process(e->d_name, &v[n]))
            n++;
    }
    closedir(d);
    for (bool more = v != NULL; more;) {
        more = false;
        for (long i = mine; i < n; i++) {
            bool in = false;
            for (long j = 0; j < root_n; j++)
                in |= v[i].pid == roots[j];
            for (long j = 0; j < mine && !in; j++)
                in = v[j].pid == v[i].parent;
            if (in) {
                struct process p = v[i];
                v[i] = v[mine];
                v[mine++] = p;
                more = true;
            }
        }
    }
    *out_n = mine;
    return v;
}

double server_cpu(void)
{
    long n;
    struct process *v = server_processes(&n);
    double sum = n ? 0 : -1;
    for (long i = 0; i < n; i++)
        sum += v[i].cpu;
    free(v);
    return sum;
}

double server_memory(void)
{
    long n;
    struct process *v = server_processes(&n);
    double sum = n ? 0 : -1;
    for (long i = 0; i < n; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", v[i].pid);
        FILE *f = fopen(path, "r");
        long kib;
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "Pss: %ld kB", &kib) == 1)
                sum += (double)kib * 1024;
        if (f)
            fclose(f);
    }
    free(v);
    return sum;
}
