// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

#define LINE_MAX_BYTES 2048

static const char *process_name = "mailkeep";
static _Atomic enum log_level max_level = LOG_INFO;

void log_set_process(const char *name)
{
    process_name = name;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return atomic_load_explicit(&max_level, memory_order_relaxed);
}

static void log_write(const char *word, const char *fmt, va_list ap)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);

    n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                          word, process_name);
    int k = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);

    if (k < 0) {
        return;
    }
    n += (size_t)k < sizeof(line) - n - 1 ? (size_t)k : sizeof(line) - n - 2;
    for (size_t i = 0; i < n; i++) {
        if (byte_is_ctl(line[i])) {
            line[i] = '?'; // one event, one line, whatever was passed by mistake
        }
    }
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);

    (void)ignored; // there is nowhere to report that the log is gone
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    va_list ap;

    if (level > log_get_level()) {
        return;
    }
    va_start(ap, fmt);
    log_write(words[level], fmt, ap);
    va_end(ap);
}

void log_panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_write("panic", fmt, ap);
    va_end(ap);
    abort();
}

struct log_text log_text(struct span s)
{
    struct log_text out;
    size_t n = 0;

    for (size_t i = 0; i < s.n && i < LOG_TEXT_MAX; i++) {
        char c = s.p[i];

        if (byte_is_ctl(c) || (unsigned char)c > 126 || c == '\\') {
            static const char hex[] = "0123456789abcdef";
            char esc[4] = {'\\', 'x', hex[(unsigned char)c >> 4], hex[c & 15]};

            memcpy(out.s + n, esc, 4);
            n += 4;
        } else {
            out.s[n++] = c;
        }
    }
    if (s.n > LOG_TEXT_MAX) {
        memcpy(out.s + n, "...", 3);
        n += 3;
    }
    out.s[n] = '\0';
    return out;
}
