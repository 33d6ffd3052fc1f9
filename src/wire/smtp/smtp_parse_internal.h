// SPDX-License-Identifier: Apache-2.0
//
// What the parsers of SMTP commands share.
#ifndef WIRE_SMTP_SMTP_PARSE_INTERNAL_H
#define WIRE_SMTP_SMTP_PARSE_INTERNAL_H

#include "wire/smtp/smtp_command.h"

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err try_ = (call);                                                                    \
        if (try_) {                                                                                \
            return try_;                                                                           \
        }                                                                                          \
    } while (0)

struct smtp_cursor {
    struct span text;
    size_t at;
    struct arena *arena;
    const struct smtp_parse_options *options;
    struct smtp_parse_error *error;
};

// Sets the error at the cursor and returns ERR_INVALID.
enum err smtp_refuse(struct smtp_cursor *c, unsigned code, const char *enhanced, const char *why);
// 501 5.5.4, the usual one: an argument is wrong.
enum err smtp_refuse_argument(struct smtp_cursor *c, const char *why);
enum err smtp_refuse_memory(struct smtp_cursor *c);

void smtp_skip_spaces(struct smtp_cursor *c);
// The next word, up to a space or the end; spaces behind it are taken, too. Empty at the end.
struct span smtp_take_word(struct smtp_cursor *c);
enum err smtp_take_end(struct smtp_cursor *c);
// "FROM:" or "TO:" and the path behind it; `enhanced` is what to say when the path is broken.
enum err smtp_take_path(struct smtp_cursor *c, struct span word, const char *missing,
                        const char *enhanced, struct smtp_address *out);

// One "KEYWORD" or "KEYWORD=value"; has_value with an empty value is "KEYWORD=".
struct smtp_param {
    struct span name, value;
    bool has_value;
};

// A row of a command's table of parameters; the last has no name.
struct smtp_param_row {
    const char *name;
    uint32_t needs; // the extension
    bool wants_value;
    enum err (*read)(struct smtp_cursor *c, struct span value, struct smtp_command *out);
};

// The rest of the line as parameters; unknown, unoffered and repeated ones are refused.
enum err smtp_take_params(struct smtp_cursor *c, const struct smtp_param_row *rows,
                          struct smtp_command *out);

// The arguments of commands; each starts behind the command's name and the spaces after it.
typedef enum err smtp_arguments_fn(struct smtp_cursor *c, struct smtp_command *out);

smtp_arguments_fn smtp_parse_mail, smtp_parse_rcpt, smtp_parse_xclient;

#endif
