// SPDX-License-Identifier: Apache-2.0
//
// The command line: `mailkeep <command> [words and options]`. Commands are a table (cli_table.c),
// one file per command or per noun, in a folder each for accounts, domains and so on. A command
// writes its result to standard output, complaints and progress to standard error, and returns one
// of the exit codes below.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "conf/settings.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      // it did not work; the reason was printed
    CLI_USAGE = 2,       // the command line is wrong
    CLI_NOT_FOUND = 3,   // no such account, domain, mailbox
    CLI_UNAVAILABLE = 4, // no server runs there, or it cannot do this now
    CLI_CONFIG = 5,      // the settings file has a problem
};

struct cli {
    bool json, quiet;          // --json, --quiet
    const char *config_path;   // -c FILE, or the default path
    bool config_given;         // -c was given: the file must exist
    const char *as;            // --as ADDRESS: whose roles are to count; NULL: root's
    const char *command;       // "account add", for messages
    struct settings *settings; // after cli_settings
};

// argv[0] is the command's last word; options --json, --quiet, --as and -c are already taken out.
typedef int cli_fn(struct cli *c, int argc, char **argv);

struct cli_command {
    const char *name;    // "account add"
    const char *args;    // "ADDRESS [--quota SIZE]"
    const char *summary; // one line
    cli_fn *run;
};

extern const struct cli_command cli_commands[]; // cli_table.c; ends with a NULL name

// The whole program except the processes of `serve`; returns the exit code.
int cli_main(int argc, char **argv);

// Loads the settings; on an error prints every problem and returns CLI_CONFIG. 0 otherwise.
int cli_settings(struct cli *c);
// Prints the problems of the settings file; returns CLI_CONFIG.
struct conf_report;
int cli_config_problems(struct cli *c, const struct conf_report *r);
// The data directory as a C string; after cli_settings.
const char *cli_data_dir(struct cli *c);

// "mailkeep account add: text" on standard error (with --json: {"error":...}); returns `code`.
int cli_fail(struct cli *c, enum cli_exit code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Prints how the command is used; returns CLI_USAGE.
int cli_usage(struct cli *c);
// Prints the object as one JSON line (takes the reference).
void cli_print_json(json_t *object);

// Takes `--name VALUE` or `--name=VALUE` out of argv; NULL when absent. cli_flag: without value.
const char *cli_option(int *argc, char **argv, const char *name);
bool cli_flag(int *argc, char **argv, const char *name);

// Runs a command on the server through the control socket. On CLI_OK *out_json is the result (a new
// reference); otherwise the error was printed and the exit code is returned.
int cli_call(struct cli *c, const char *command, json_t *args, json_t **out_json);
// The exit code for an error of that short name (control.md's "code"; NULL is allowed).
enum cli_exit cli_exit_of(const char *code);

// A progress bar on standard error when that is a terminal; nothing with --json or --quiet.
void cli_progress(struct cli *c, unsigned long long done, unsigned long long total,
                  const char *text);
void cli_progress_end(struct cli *c);

// Asks for a password twice on the terminal without echo, or reads one line from standard input
// when that is no terminal. Wipe it after use. 0 or an exit code.
struct buf;
int cli_read_password(struct cli *c, const char *prompt, bool twice, struct buf *out);

#endif
