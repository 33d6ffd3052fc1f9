// SPDX-License-Identifier: Apache-2.0
//
// mailkeep export: writes what the server (or the store) hands over as a Maildir++ or as mbox.
// See admin/transfer/admin_export.c for the other side of the conversation.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"
#include "mailfile/line_end.h"
#include "mailfile/mail_target.h"

#include "base/banned.h"

struct export
{
    struct cli *cli;
    const char *path;
    struct mail_target_options options;
    struct mail_target *target; // made when the first mailbox comes
    struct spool *spool;
    struct line_end_watch watch;
    json_t *message; // whose bytes are coming
    uint64_t bytes, mailboxes, messages, lost;
    int code;
};

static int target_failed(struct export *x, enum err e)
{
    return cli_fail(x->cli, CLI_FAILED, "%s: %s. What is there now is not all of the mail", x->path,
                    e == ERR_NOSPACE  ? "the disk is full"
                    : e == ERR_DENIED ? "writing is not allowed"
                                      : "it could not be written");
}

static void begin_mailbox(struct export *x, const json_t *j)
{
    const char *reason;

    if (!x->target) {
        if (mail_target_create(x->path, &x->options, &x->target, &reason) != ERR_OK) {
            x->code = cli_fail(x->cli, CLI_FAILED, "%s: %s", x->path, reason);
            return;
        }
    }
    enum err e = mail_target_mailbox(x->target, span_from_str(cli_get_text(j, "mailbox")),
                                     json_is_true(json_object_get(j, "subscribed")));

    x->mailboxes++;
    if (e != ERR_OK) {
        x->code = target_failed(x, e);
    }
}

static void end_message(struct export *x)
{
    const json_t *keywords = json_object_get(x->message, "keywords");
    struct mail_meta meta = {.flags = (uint16_t)cli_get_number(x->message, "flags"),
                             .has_date = true,
                             .date = json_integer_value(json_object_get(x->message, "date")),
                             .zone_minutes =
                                 (int16_t)json_integer_value(json_object_get(x->message, "zone"))};

    for (size_t i = 0; i < json_array_size(keywords); i++) {
        mail_meta_add_keyword(&meta, span_from_str(json_string_value(json_array_get(keywords, i))));
    }
    enum err e = spool_result(x->spool);

    if (e == ERR_OK) {
        e = mail_target_message(x->target, x->spool, x->watch.is_irregular, &meta);
    }
    if (e != ERR_OK) {
        x->code = target_failed(x, e);
    }
    x->messages++;
    json_decref(x->message);
    x->message = NULL;
}

static void begin_message(struct export *x, const json_t *j)
{
    x->message = json_deep_copy(j);
    x->bytes = cli_get_number(j, "bytes");
    x->watch = (struct line_end_watch){.after_cr = false};
    spool_clear(x->spool);
    if (x->bytes == 0) {
        end_message(x);
    }
}

static void note_lost(struct export *x, const json_t *j)
{
    x->lost++;
    json_decref(x->message);
    x->message = NULL;
    if (!x->cli->json) {
        cli_progress_end(x->cli);
        fprintf(stderr, "left out: message %llu: %s\n",
                (unsigned long long)cli_get_number(j, "lost"), cli_get_text(j, "why"));
    }
}

static void on_item(struct export *x, const json_t *j)
{
    if (json_object_get(j, "mailbox")) {
        begin_mailbox(x, j);
    } else if (json_object_get(j, "lost")) {
        note_lost(x, j);
    } else if (x->target) {
        begin_message(x, j);
    }
}

static void on_data(struct export *x, struct span bytes)
{
    if (!x->message) {
        return;
    }
    if (!spool_write(x->spool, bytes)) {
        x->code = target_failed(x, spool_result(x->spool));
        return;
    }
    line_end_watch(&x->watch, bytes);
    if (spool_bytes(x->spool) >= x->bytes) {
        end_message(x);
    }
}

static int finish(struct export *x)
{
    uint64_t dropped = x->target ? mail_target_keywords_dropped(x->target) : 0;
    enum err e = x->target ? mail_target_finish(x->target) : ERR_OK;

    cli_progress_end(x->cli);
    if (e != ERR_OK) {
        return target_failed(x, e);
    }
    if (x->cli->json) {
        cli_print_json(json_pack("{s:s, s:I, s:I, s:I, s:I}", "path", x->path, "mailboxes",
                                 (json_int_t)x->mailboxes, "messages", (json_int_t)x->messages,
                                 "lost", (json_int_t)x->lost, "keywords_dropped",
                                 (json_int_t)dropped));
    } else if (!x->cli->quiet) {
        printf("Exported %llu messages of %llu mailboxes to %s.\n", (unsigned long long)x->messages,
               (unsigned long long)x->mailboxes, x->path);
        if (dropped > 0) {
            printf("Labels left out: %llu. A Maildir has room for 26 in each mailbox; an mbox "
                   "(--format mbox) for all.\n",
                   (unsigned long long)dropped);
        }
    }
    return x->lost > 0 ? CLI_FAILED : CLI_OK;
}

static int run(struct export *x, json_t *args)
{
    struct cli_link_event event;
    struct cli_link *l;
    int code = cli_link_open(x->cli, "export", args, &l);

    if (code != CLI_OK) {
        return code;
    }
    do {
        cli_link_next(l, &event);
        if (event.kind == CLI_LINK_ITEM) {
            on_item(x, event.json);
        } else if (event.kind == CLI_LINK_DATA) {
            on_data(x, event.data);
        }
    } while (x->code == CLI_OK && (event.kind == CLI_LINK_ITEM || event.kind == CLI_LINK_DATA));
    if (event.kind == CLI_LINK_FAILED) {
        x->code = event.code;
    }
    cli_link_close(l);
    return x->code == CLI_OK ? finish(x) : x->code;
}

int cli_export(struct cli *c, int argc, char **argv)
{
    const char *format = cli_option(&argc, argv, "--format");
    const char *mailbox = cli_option(&argc, argv, "--mailbox");
    const char *reason = cli_option(&argc, argv, "--reason");
    struct export x = {
        .cli = c, .options = {.is_single = mailbox, .keep_crlf = cli_flag(&argc, argv, "--crlf")}};
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code != CLI_OK) {
        return code;
    }
    if (format && strcmp(format, "mbox") == 0) {
        x.options.format = MAIL_TARGET_MBOX;
    } else if (format && strcmp(format, "maildir") != 0) {
        return cli_fail(c, CLI_USAGE, "there is no format \"%s\"; there are maildir and mbox",
                        format);
    }
    x.path = argv[2];
    json_t *args = json_pack("{s:s}", "account", argv[1]);

    if (mailbox) {
        json_object_set_new(args, "mailbox", json_string(mailbox));
    }
    if (reason) {
        json_object_set_new(args, "reason", json_string(reason));
    }
    if (spool_create(UINT64_MAX, &x.spool) != ERR_OK) {
        json_decref(args);
        return cli_fail(c, CLI_FAILED, "there is not enough memory");
    }
    code = run(&x, args);
    mail_target_destroy(x.target);
    spool_destroy(x.spool);
    json_decref(x.message);
    return code;
}
