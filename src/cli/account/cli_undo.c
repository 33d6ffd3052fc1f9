// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account undo: takes back what a device did.
#include <stdio.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

struct undoing {
    struct cli *cli;
    bool is_trial, any_left;
};

struct words {
    unsigned long long n;
    char mailbox[1100], other[1100];
};

static void print_done(const struct words *w, const char *kind)
{
    const char *s = w->n == 1 ? "" : "s";

    if (strcmp(kind, "flags") == 0) {
        printf("flags of %llu message%s in %s\n", w->n, s, w->mailbox);
    } else if (strcmp(kind, "moved") == 0) {
        printf("%llu message%s back from %s to %s\n", w->n, s, w->other, w->mailbox);
    } else if (strcmp(kind, "restored") == 0) {
        printf("%llu removed message%s back into %s\n", w->n, s, w->mailbox);
    } else if (strcmp(kind, "removed") == 0) {
        printf("%llu message%s that it had put into %s taken out\n", w->n, s, w->mailbox);
    } else if (strcmp(kind, "mailbox renamed") == 0) {
        printf("the mailbox %s is called %s again\n", w->other, w->mailbox);
    } else if (strcmp(kind, "mailbox created") == 0) {
        printf("the mailbox %s that it had deleted made again\n", w->mailbox);
    } else if (strcmp(kind, "mailbox deleted") == 0) {
        printf("the mailbox %s that it had made, and that is empty, deleted\n", w->mailbox);
    } else if (strcmp(kind, "special use") == 0) {
        printf("what the mailbox %s is for\n", w->mailbox);
    } else if (strcmp(kind, "subscription") == 0) {
        printf("the subscription of %s\n", w->mailbox);
    } else {
        printf("the rules%s%s\n", w->other[0] ? ": " : "", w->other);
    }
}

static void print_left(const struct words *w, const char *kind, const char *why)
{
    printf("not undone: %llu (%s)", w->n, kind);
    if (w->mailbox[0]) {
        printf(" in %s", w->mailbox);
    }
    if (w->other[0]) {
        printf(" %s", w->other);
    }
    printf(": %s\n", why);
}

static void on_note(void *arg, const json_t *item)
{
    struct undoing *u = arg;
    struct words w = {.n = cli_get_number(item, "count")};

    if (u->cli->json) {
        cli_print_json(json_deep_copy(item));
        return;
    }
    cli_plain(cli_get_text(item, "mailbox"), w.mailbox, sizeof(w.mailbox));
    cli_plain(cli_get_text(item, "other"), w.other, sizeof(w.other));
    if (json_is_true(json_object_get(item, "left"))) {
        print_left(&w, cli_get_text(item, "kind"), cli_get_text(item, "why"));
    } else {
        print_done(&w, cli_get_text(item, "kind"));
    }
}

static void print_end(const struct undoing *u, const json_t *result)
{
    unsigned long long done = cli_get_number(result, "done");
    const char *account = cli_get_text(result, "account"), *name = cli_get_text(result, "undo");

    if (json_is_true(json_object_get(result, "history_is_cut"))) {
        printf("The history does not reach back that far: what is older is not kept any more.\n");
    }
    if (done == 0) {
        printf("There is nothing to undo%s.\n",
               cli_get_number(result, "left") ? " but what others have changed since" : "");
    } else if (u->is_trial) {
        printf("That would be undone. Nothing was done: this was a trial.\n");
    } else {
        printf("To take this back: mailkeep account undo %s --device \"%s\" --since today\n",
               account, name);
    }
}

int cli_until_put(struct cli *c, const char *until, json_t *args)
{
    json_t *moment = json_object();
    int code = cli_since_put(c, until, moment);

    if (code == CLI_OK && until) { // the whole of that second
        json_object_set_new(args, "until_ms",
                            json_integer((json_int_t)cli_get_number(moment, "since_ms") + 999));
    }
    json_decref(moment);
    return code;
}

int cli_account_undo(struct cli *c, int argc, char **argv)
{
    const char *device = cli_option(&argc, argv, "--device"),
               *since = cli_option(&argc, argv, "--since"),
               *until = cli_option(&argc, argv, "--until");
    struct undoing u = {.cli = c, .is_trial = cli_flag(&argc, argv, "--dry-run")};
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 1, 1);

    if (code != CLI_OK) {
        return code;
    }
    if (!device || !since) {
        return cli_usage(c);
    }
    json_t *args =
        json_pack("{s:s, s:s, s:b}", "account", argv[1], "device", device, "dry_run", u.is_trial);

    code = cli_since_put(c, since, args);
    code = code == CLI_OK ? cli_until_put(c, until, args) : code;
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "account undo", args, on_note, &u, &result);
    if (code == CLI_OK && c->json) {
        cli_print_json(json_incref(result));
    } else if (code == CLI_OK) {
        print_end(&u, result);
    }
    json_decref(result);
    return code;
}
