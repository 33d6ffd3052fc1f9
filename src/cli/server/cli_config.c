// SPDX-License-Identifier: Apache-2.0
//
// mailkeep config: check, show, default, manual.
#include <stdio.h>
#include <unistd.h>

#include "cli/cli_commands.h"
#include "cli/cli_text.h"
#include "conf/conf.h"

#include "base/banned.h"

#define TEXT_BYTES_MAX (1u << 20)

int cli_config_check(struct cli *c, int argc, char **argv)
{
    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK) {
        code = cli_settings(c);
    }
    if (code != CLI_OK) {
        return code;
    }
    bool present = c->config_given || access(c->config_path, F_OK) == 0;

    if (c->json) {
        cli_print_json(json_pack("{s:b, s:s}", "ok", 1, "file", c->config_path));
    } else if (!c->quiet) {
        printf(present ? "%s is fine\n" : "%s does not exist; every setting has its default\n",
               c->config_path);
    }
    return CLI_OK;
}

static json_t *setting_json(const struct cli *c, enum setting_id id, const struct buf *text)
{
    const struct setting_row *row = setting_row(id);
    unsigned line = conf_value_line(c->settings, id);

    return json_pack("{s:s, s:s#, s:b, s:s, s:i, s:b}", "name", row->name, "value", text->p,
                     (int)text->n, "default", line == 0, "file", line ? c->config_path : "", "line",
                     (int)line, "restart", row->when == SETTING_WHEN_START);
}

static void show_one(const struct cli *c, enum setting_id id, json_t *list)
{
    struct buf text;
    unsigned line = conf_value_line(c->settings, id);

    buf_init(&text, TEXT_BYTES_MAX);
    conf_value_print(c->settings, id, &text);
    if (c->json) {
        json_array_append_new(list, setting_json(c, id, &text));
    } else {
        printf("%s = %.*s  # ", setting_row(id)->name, SPAN_ARG(buf_span(&text)));
        if (line) {
            printf("%s:%u", c->config_path, line);
        } else {
            printf("default");
        }
        printf(setting_row(id)->when == SETTING_WHEN_START ? "; a change takes a restart\n"
                                                           : "; a reload applies a change\n");
    }
    buf_finish(&text);
}

int cli_config_show(struct cli *c, int argc, char **argv)
{
    enum setting_id only = SETTING__COUNT;

    if (argc > 2) {
        return cli_usage(c);
    }
    if (argc == 2 && !setting_find(span_from_str(argv[1]), &only)) {
        return cli_fail(c, CLI_NOT_FOUND,
                        "there is no setting \"%s\"; `mailkeep config show` lists them", argv[1]);
    }
    int code = cli_settings(c);

    if (code) {
        return code;
    }
    json_t *list = json_array();

    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        if (only == SETTING__COUNT || only == (enum setting_id)i) {
            show_one(c, (enum setting_id)i, list);
        }
    }
    if (c->json) {
        cli_print_json(json_pack("{s:O}", "settings", list));
    }
    json_decref(list);
    return CLI_OK;
}

static int print_text(struct cli *c, int argc, void (*write_text)(struct buf *out))
{
    struct buf text;

    if (argc != 1) {
        return cli_usage(c);
    }
    buf_init(&text, TEXT_BYTES_MAX);
    write_text(&text);
    bool ok = !text.failed && fwrite(text.p, 1, text.n, stdout) == text.n;

    buf_finish(&text);
    return ok ? CLI_OK : CLI_FAILED;
}

int cli_config_default(struct cli *c, int argc, char **argv)
{
    (void)argv;
    return print_text(c, argc, conf_write_default);
}

int cli_config_manual(struct cli *c, int argc, char **argv)
{
    (void)argv;
    return print_text(c, argc, conf_write_manual);
}
