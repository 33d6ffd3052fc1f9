// SPDX-License-Identifier: Apache-2.0
//
// mailkeep directory test, sync.
#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

// ---- test ---------------------------------------------------------------------------------------

static void print_answer(const json_t *r)
{
    const char *answer = cli_get_text(r, "answer");
    bool asked = json_is_true(json_object_get(r, "password_asked"));
    const json_t *groups = json_object_get(r, "groups");
    char name[300], words[1100], person[300];

    cli_plain(cli_get_text(r, "account"), name, sizeof(name));
    cli_plain(cli_get_text(r, "words"), words, sizeof(words));
    if (strcmp(answer, "unavailable") == 0) {
        printf("The directory cannot be asked now, so nobody new gets in.\n    %s\n", words);
        return;
    }
    if (strcmp(answer, "no") == 0) {
        printf("%s %s.\n    %s\n", name,
               asked ? "would not be let in with this password" : "may not come in", words);
        return;
    }
    printf("%s %s.\n    %s\n", name,
           asked ? "would be let in with this password" : "may come in, with the right password",
           words);
    if (*cli_plain(cli_get_text(r, "display_name"), person, sizeof(person))) {
        printf("    name: %s\n", person);
    }
    for (size_t i = 0; i < json_array_size(groups); i++) {
        printf("    group: %s\n",
               cli_plain(json_string_value(json_array_get(groups, i)), words, sizeof(words)));
    }
}

int cli_directory_test(struct cli *c, int argc, char **argv)
{
    bool with_password = cli_flag(&argc, argv, "--password-stdin");
    int code = cli_words_check(c, &argc, argv, 1, 1);
    json_t *result = NULL, *args;
    struct buf password;

    if (code != CLI_OK) {
        return code;
    }
    args = json_pack("{s:s}", "account", argv[1]);
    buf_init(&password, PASSWORD_BYTES_MAX);
    buf_reserve(&password, PASSWORD_BYTES_MAX);
    if (with_password) {
        code = cli_read_password(c, "Password", false, &password);
        json_object_set_new(args, "password", json_stringn(password.p, password.n));
    }
    explicit_bzero(password.p, password.cap);
    buf_finish(&password);
    if (code != CLI_OK) {
        json_decref(args);
        return code;
    }
    code = cli_link_run(c, "directory test", args, NULL, NULL, &result);
    if (code != CLI_OK) {
        return code;
    }
    bool is_yes = strcmp(cli_get_text(result, "answer"), "yes") == 0;

    if (c->json) {
        cli_print_json(result);
    } else {
        print_answer(result);
        json_decref(result);
    }
    return is_yes ? CLI_OK : CLI_FAILED;
}

// ---- sync ---------------------------------------------------------------------------------------

int cli_directory_sync(struct cli *c, int argc, char **argv)
{
    bool force = cli_flag(&argc, argv, "--force");
    int code = cli_words_check(c, &argc, argv, 0, 0);
    json_t *result = NULL;

    if (code == CLI_OK) {
        code = cli_link_ask(c, "directory sync", json_pack("{s:b}", "force", force), &result);
    }
    if (result) {
        printf(
            "%llu looked up; %llu not there any more and out, %llu back; %llu got other roles.\n",
            (unsigned long long)cli_get_number(result, "asked"),
            (unsigned long long)cli_get_number(result, "gone"),
            (unsigned long long)cli_get_number(result, "back"),
            (unsigned long long)cli_get_number(result, "roles"));
    }
    json_decref(result);
    return code;
}
