// SPDX-License-Identifier: Apache-2.0
#include "cli/account/cli_account_batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/password.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"
#include "keep/keep_store.h"

#include "base/banned.h"

struct batch {
    struct cli *cli;
    struct cli_link *link;
    const json_t *shared;
    bool has_hashes; // what stands behind an address is the hash of a password
    unsigned long line, added, failed;
    int code; // not CLI_OK: the conversation has ended
};

// One hash for all who share a password: a thousand slow ones would take minutes and say no more.
static int hash_shared(struct cli *c, json_t *args)
{
    const json_t *password = json_object_get(args, "password");
    struct password_params params = keep_password_params(c->settings);
    struct span text = span_of(json_string_value(password), json_string_length(password));
    struct buf hash;

    if (!password) {
        return CLI_OK;
    }
    const char *weak = password_weakness(text, SPAN(""));

    if (weak && !json_is_true(json_object_get(args, "allow_weak"))) {
        return cli_fail(c, CLI_FAILED, "this password is refused: %s", weak);
    }
    buf_init(&hash, PASSWORD_HASH_MAX);
    enum err e = password_hash(text, &params, &hash);

    if (e == ERR_OK) {
        json_object_set_new(args, "password_hash", json_stringn(hash.p, hash.n));
        json_object_del(args, "password");
    }
    buf_finish(&hash);
    return e == ERR_OK ? CLI_OK
                       : cli_fail(c, CLI_FAILED, "the password cannot be hashed (%s)", err_name(e));
}

// The arguments of one line: the address, blanks, and the password, which may have blanks in it.
static json_t *line_args(const struct batch *b, struct span line)
{
    json_t *args = json_object();
    size_t n = 0;

    json_object_update(args, (json_t *)(uintptr_t)b->shared);
    while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t') {
        n++;
    }
    struct span password = span_trim(span_skip(line, n));

    json_object_set_new(args, "account", json_stringn(line.p, n));
    if (password.n > 0) {
        json_object_del(args, "password_hash");
        json_object_set_new(args, b->has_hashes ? "password_hash" : "password",
                            json_stringn(password.p, password.n));
    } else if (!json_object_get(args, "password_hash")) {
        json_object_set_new(args, "no_password", json_true());
    }
    return args;
}

static void add_line(struct batch *b, struct span line)
{
    struct cli_link_event event;
    char plain[1024];

    cli_link_send_item(b->link, line_args(b, line));
    cli_link_next(b->link, &event);
    if (event.kind != CLI_LINK_ITEM) {
        b->code = event.kind == CLI_LINK_FAILED ? event.code : CLI_FAILED;
        return;
    }
    const char *error = json_string_value(json_object_get(event.json, "error"));

    b->added += !error;
    b->failed += error != NULL;
    if (error && b->cli->json) {
        cli_print_json(json_deep_copy(event.json));
    } else if (error) {
        fprintf(stderr, "line %lu: %s\n", b->line, cli_plain(error, plain, sizeof(plain)));
    }
}

static void add_lines(struct batch *b, FILE *f)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while (b->code == CLI_OK && (n = getline(&line, &cap, f)) >= 0) {
        struct span s = span_trim(span_of(line, (size_t)n));

        b->line++;
        if (s.n > 0 && s.p[0] != '#') {
            add_line(b, s);
        }
        explicit_bzero(line, cap);
    }
    free(line);
}

static int finish(struct batch *b)
{
    struct cli_link_event event;

    cli_link_send_end(b->link);
    cli_link_next(b->link, &event);
    if (event.kind != CLI_LINK_RESULT) {
        return event.kind == CLI_LINK_FAILED ? event.code : CLI_FAILED;
    }
    if (b->cli->json) {
        cli_print_json(json_pack("{s:I, s:I}", "added", (json_int_t)b->added, "failed",
                                 (json_int_t)b->failed));
    } else if (!b->cli->quiet) {
        printf("%lu accounts added, %lu not.\n", b->added, b->failed);
    }
    return b->failed > 0 ? CLI_FAILED : CLI_OK;
}

int cli_account_batch(struct cli *c, const char *path, bool has_hashes, json_t *args)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct batch b = {.cli = c, .shared = args, .has_hashes = has_hashes};

    if (!f) {
        return cli_fail(c, CLI_FAILED, "%s cannot be read (%s)", path,
                        err_name(err_from_errno(errno)));
    }
    int code = cli_settings(c);

    if (code == CLI_OK) {
        code = hash_shared(c, args);
    }
    if (code == CLI_OK) {
        code = cli_link_open(c, "account batch", NULL, &b.link);
    }
    if (code == CLI_OK) {
        add_lines(&b, f);
        code = b.code == CLI_OK ? finish(&b) : b.code;
    }
    cli_link_close(b.link);
    if (f != stdin) {
        fclose(f);
    }
    return code;
}
