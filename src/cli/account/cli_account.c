// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account add, list, show, passwd, name, rename, suspend, resume, remove, quota.
//
// Passwords come from the terminal (asked twice, not shown) or from standard input; never from the
// command line, where every user of the machine could read them.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/account/cli_account_batch.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

#define PASSWORD_BYTES_MAX 1024

// Runs an operation on one account and says what was done.
static int change(struct cli *c, const char *operation, json_t *args, const char *done)
{
    json_t *result;
    int code = cli_link_ask(c, operation, args, &result);
    unsigned long long ended = result ? cli_get_number(result, "sessions_ended") : 0;

    if (result) {
        printf("Account %s %s.\n", cli_get_text(result, "account"), done);
    }
    if (ended) {
        printf("%llu open session%s ended.\n", ended, ended == 1 ? " was" : "s were");
    }
    json_decref(result);
    return code;
}

// ---- passwords ----------------------------------------------------------------------------------

struct password_options {
    bool from_stdin, none, hash, allow_weak, directory;
};

static void take_password_options(struct password_options *o, int *argc, char **argv)
{
    o->from_stdin = cli_flag(argc, argv, "--password-stdin");
    o->hash = cli_flag(argc, argv, "--password-hash-stdin");
    o->none = cli_flag(argc, argv, "--no-password");
    o->directory = cli_flag(argc, argv, "--directory");
    o->allow_weak = cli_flag(argc, argv, "--allow-weak-password");
}

// Adds the password (or what takes its place) to the arguments.
static int add_password(struct cli *c, const struct password_options *o, const char *account,
                        json_t *args)
{
    char prompt[320], plain[256];
    struct buf password;

    if (o->none) {
        json_object_set_new(args, "no_password", json_true());
        return CLI_OK;
    }
    if (o->directory) {
        json_object_set_new(args, "password_hash", json_string(PASSWORD_OF_DIRECTORY));
        return CLI_OK;
    }
    if (!o->from_stdin && !o->hash && !isatty(STDIN_FILENO)) {
        return cli_fail(c, CLI_USAGE,
                        "this is no terminal to ask for the password on. Give it on standard "
                        "input with --password-stdin");
    }
    buf_init(&password, PASSWORD_BYTES_MAX);
    buf_reserve(&password, PASSWORD_BYTES_MAX);
    snprintf(prompt, sizeof(prompt), "Password for %s", cli_plain(account, plain, sizeof(plain)));
    int code = cli_read_password(c, prompt, true, &password);

    if (code == CLI_OK &&
        (!utf8_is_valid(buf_span(&password)) || memchr(password.p, 0, password.n))) {
        code = cli_fail(c, CLI_FAILED,
                        "the password has bytes that mail programs could not send: it must be "
                        "UTF-8 without control characters");
    }
    if (code == CLI_OK) {
        json_object_set_new(args, o->hash ? "password_hash" : "password",
                            json_stringn(password.p, password.n));
        json_object_set_new(args, "allow_weak", json_boolean(o->allow_weak));
    }
    if (password.p) {
        explicit_bzero(password.p, password.cap);
    }
    buf_finish(&password);
    return code;
}

int cli_account_passwd(struct cli *c, int argc, char **argv)
{
    struct password_options o;

    take_password_options(&o, &argc, argv);
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", "account", argv[1]);

    // The account first: nobody wants to make up a password for one that is not there.
    code = cli_link_run(c, "account show", json_incref(args), NULL, NULL, NULL);
    if (code == CLI_OK) {
        code = add_password(c, &o, argv[1], args);
    }
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return change(c, "account passwd", args,
                  o.none        ? "has no password now"
                  : o.directory ? "has the directory's password now"
                                : "has a new password");
}

// ---- quota --------------------------------------------------------------------------------------

static json_t *limit_json(uint64_t v)
{
    return v == UINT64_MAX ? json_null() : json_integer((json_int_t)v);
}

// Takes a limit out of the options and adds it to the arguments as `name`.
static int add_limit(struct cli *c, const char *option, const char *text, const char *name,
                     json_t *args, bool *out_given)
{
    uint64_t v;

    if (!text) {
        return CLI_OK;
    }
    if (!cli_size_parse(text, &v) || v == 0) {
        return cli_fail(c, CLI_USAGE, "%s %s: give a number above 0%s, or none", option, text,
                        strcmp(name, "bytes") == 0 ? " like 500MB or 10GB" : "");
    }
    json_object_set_new(args, name, limit_json(v));
    *out_given = true;
    return CLI_OK;
}

static int add_limits(struct cli *c, const char *bytes, const char *messages, json_t *args,
                      bool *out_given)
{
    int code = add_limit(c, "--quota", bytes, "bytes", args, out_given);

    return code == CLI_OK ? add_limit(c, "--messages", messages, "messages", args, out_given)
                          : code;
}

int cli_account_quota(struct cli *c, int argc, char **argv)
{
    const char *bytes = cli_option(&argc, argv, "--quota");
    const char *messages = cli_option(&argc, argv, "--messages");
    bool given = false;
    int code = cli_words_check(c, &argc, argv, 1, 2);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:s}", "account", argv[1]);

    code = add_limits(c, argc > 2 ? argv[2] : bytes, messages, args, &given);
    if (code == CLI_OK && !given) {
        cli_fail(c, CLI_USAGE, "which quota? Give a size, --messages NUMBER, or both");
        code = cli_usage(c);
    }
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return change(c, "account quota", args, "has a new quota");
}

// ---- add ----------------------------------------------------------------------------------------

int cli_account_add(struct cli *c, int argc, char **argv)
{
    struct password_options o;
    const char *bytes = cli_option(&argc, argv, "--quota");
    const char *messages = cli_option(&argc, argv, "--messages");
    const char *batch = cli_option(&argc, argv, "--batch");
    bool bare = cli_flag(&argc, argv, "--bare"), hashes = cli_flag(&argc, argv, "--hashes"), given;

    take_password_options(&o, &argc, argv);
    int code = cli_words_check(c, &argc, argv, batch ? 0 : 1, batch ? 0 : 1);

    if (code != CLI_OK) {
        return code;
    }
    json_t *args = json_pack("{s:b, s:b}", "bare", bare, "allow_weak", o.allow_weak);

    code = add_limits(c, bytes, messages, args, &given);
    if (code == CLI_OK && batch && o.from_stdin) {
        code = add_password(c, &o, "all of them", args);
    }
    if (code == CLI_OK && batch) {
        code = cli_account_batch(c, batch, hashes, args);
        json_decref(args);
        return code;
    }
    if (code == CLI_OK) {
        json_object_set_new(args, "account", json_string(argv[1]));
        code = add_password(c, &o, argv[1], args);
    }
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    return change(c, "account add", args, "added");
}

// ---- the others ---------------------------------------------------------------------------------

static int change_one(struct cli *c, int argc, char **argv, const char *operation, const char *done)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);

    return code == CLI_OK ? change(c, operation, json_pack("{s:s}", "account", argv[1]), done)
                          : code;
}

// "30d" from now, or a date that is to come. False: neither.
static bool future_parse(const char *text, int64_t *out)
{
    int64_t now = clock_real_s(), moment;
    bool is_duration = text[0] >= '0' && text[0] <= '9' && !strchr(text, '-');

    if (!cli_time_parse(text, now, &moment)) {
        return false;
    }
    *out = is_duration && moment < now ? now + (now - moment) : moment;
    return *out > now;
}

int cli_account_name(struct cli *c, int argc, char **argv)
{
    bool none = cli_flag(&argc, argv, "--none");
    int code = cli_words_check(c, &argc, argv, none ? 1 : 2, none ? 1 : 2);

    return code == CLI_OK
               ? change(c, "account name",
                        json_pack("{s:s, s:s}", "account", argv[1], "name", none ? "" : argv[2]),
                        none ? "has no name now" : "has another name")
               : code;
}

int cli_account_suspend(struct cli *c, int argc, char **argv)
{
    const char *after = cli_option(&argc, argv, "--remove-after");
    const char *to = cli_option(&argc, argv, "--mail-to");
    bool keep = cli_flag(&argc, argv, "--keep-mail"), team = cli_flag(&argc, argv, "--team");
    int64_t at = 0;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK && after && !future_parse(after, &at)) {
        code =
            cli_fail(c, CLI_USAGE,
                     "--remove-after %s: give a time, like 30d, or a date that is to come", after);
    }
    if (code == CLI_OK && to) { // before it is suspended: nothing is refused in between
        code = cli_link_run(
            c, "account forward",
            json_pack("{s:s, s:[s], s:b}", "account", argv[1], "targets", to, "keep", 1), NULL,
            NULL, NULL);
    }
    if (code != CLI_OK) {
        return code;
    }
    json_t *args =
        json_pack("{s:s, s:b, s:b}", "account", argv[1], "takes_mail", keep || to, "team", team);

    if (after) {
        json_object_set_new(args, "remove_at", json_integer((json_int_t)at));
    }
    return change(c, "account suspend", args,
                  team ? "a team's: nobody can sign in as it, its mail still arrives, and "
                         "who may post to its INBOX can send as it"
                  : keep || to
                      ? "suspended: its owner cannot sign in, its mail is kept and still "
                        "arrives"
                      : "suspended: its owner cannot sign in, its mail is kept, new mail is "
                        "refused");
}

int cli_account_resume(struct cli *c, int argc, char **argv)
{
    return change_one(c, argc, argv, "account resume", "active again");
}

int cli_account_rename(struct cli *c, int argc, char **argv)
{
    char done[400], plain[300];
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    snprintf(done, sizeof(done), "is the new name of %s", cli_plain(argv[1], plain, sizeof(plain)));
    return change(c, "account rename", json_pack("{s:s, s:s}", "account", argv[1], "to", argv[2]),
                  done);
}

// Removing cannot be undone: the address is typed once more, or --yes given.
static int confirm(struct cli *c, const json_t *account)
{
    const char *name = cli_get_text(account, "account");
    char line[400];

    if (!isatty(STDIN_FILENO)) {
        return cli_fail(c, CLI_USAGE,
                        "this removes %s with all its mail, for good. To say that this is meant, "
                        "add --yes",
                        name);
    }
    fprintf(stderr,
            "This removes %s with %llu messages (%s), for good.\nType the address to go on: ", name,
            (unsigned long long)cli_get_number(account, "messages"),
            cli_size_text(cli_get_number(account, "bytes")).s);
    if (!fgets(line, sizeof(line), stdin) ||
        !span_eq(span_trim(span_from_str(line)), span_from_str(name))) {
        return cli_fail(c, CLI_FAILED, "that was not the address; nothing was removed");
    }
    return CLI_OK;
}

int cli_account_remove(struct cli *c, int argc, char **argv)
{
    bool yes = cli_flag(&argc, argv, "--yes");
    json_t *account = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code == CLI_OK) {
        code = cli_link_run(c, "account show", json_pack("{s:s}", "account", argv[1]), NULL, NULL,
                            &account);
    }
    if (code == CLI_OK && !yes) {
        code = confirm(c, account);
    }
    if (code == CLI_OK) {
        code = change(c, "account remove", json_pack("{s:s}", "account", argv[1]), "removed");
    }
    json_decref(account);
    return code;
}
