// SPDX-License-Identifier: Apache-2.0
//
// One event, one line on standard error: time, severity, process name, text. The text says what
// happened and what a person can do about it. Bytes from outside are passed with log_text(), which
// escapes what could forge a line or drive a terminal. Secrets are never passed at all.
// Any thread; a line is one write(2), so lines never mix.
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level {
    LOG_ERROR, // something is broken and somebody should act
    LOG_WARN,  // something will be wrong if nobody acts, or a client was refused for cause
    LOG_INFO,  // what a person wants to find later: started, stopped, reloaded, signed in
    LOG_DEBUG, // for us
};

// The process's name in each line ("keep"); static storage expected.
void log_set_process(const char *name);
// Lines above this level are left out; LOG_INFO at start.
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_get_level() >= LOG_DEBUG) {                                                        \
            log_line(LOG_DEBUG, __VA_ARGS__);                                                      \
        }                                                                                          \
    } while (0)

// Writes the line and aborts: for our own bugs and for what nothing can go on without.
void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#define LOG_TEXT_MAX 256 // bytes of outside text kept in a line

struct log_text {
    char s[LOG_TEXT_MAX * 4 + 4];
};

// A printable form of outside bytes: controls and bytes above 126 as \xNN, cut at LOG_TEXT_MAX
// with "..." behind. Used as log_text(name).s in the argument list.
struct log_text log_text(struct span s);

// A bug of ours, never reachable by input from outside. Stays on in production.
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            log_panic("bug: %s does not hold at %s:%d", #cond, __FILE__, __LINE__);                \
        }                                                                                          \
    } while (0)

#endif
