// SPDX-License-Identifier: Apache-2.0
//
// mailkeep account totp add, confirm, show, remove, recovery-codes.
#include <stdio.h>

#include "base/clock.h"
#include "cli/account/cli_qr.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"

#include "base/banned.h"

static int run_on_account(struct cli *c, const char *operation, int argc, char **argv, json_t **out)
{
    int code = cli_words_check(c, &argc, argv, 1, 1);

    *out = NULL;
    return code == CLI_OK ? cli_link_ask(c, operation, json_pack("{s:s}", "account", argv[1]), out)
                          : code;
}

// "ABCD EFGH ...": it is typed by hand.
static void print_secret(const char *secret)
{
    for (size_t i = 0; secret[i]; i++) {
        printf("%s%c", i && i % 4 == 0 ? " " : "", secret[i]);
    }
    printf("\n");
}

static void say_devices(const json_t *result, const char *when)
{
    const char *account = cli_get_text(result, "account");
    unsigned long long devices = cli_get_number(result, "devices");

    if (devices) {
        printf("%s, its password opens no mail program: its %llu device%s go%s on with %s app "
               "password%s.\n",
               when, devices, devices == 1 ? "" : "s", devices == 1 ? "es" : "",
               devices == 1 ? "its" : "their", devices == 1 ? "" : "s");
        return;
    }
    printf("%s, its password opens no mail program, and it has no app password yet. Make one for "
           "each device:\n    mailkeep account device add %s phone\n",
           when, account);
}

int cli_totp_add(struct cli *c, int argc, char **argv)
{
    json_t *result;
    int code = run_on_account(c, "account totp add", argc, argv, &result);

    if (!result) {
        return code;
    }
    const char *account = cli_get_text(result, "account"), *uri = cli_get_text(result, "uri");

    printf("Scan this with an app for two-factor codes, on the phone of %s:\n\n", account);
    if (!cli_qr_print(uri)) {
        printf("(No QR code could be made of it.)\n");
    }
    printf("\nOr type the secret into it: ");
    print_secret(cli_get_text(result, "secret"));
    printf("Or open this there: %s\n\n"
           "It is shown this once, and counts only when the app's first code was given:\n"
           "    mailkeep account totp confirm %s CODE\n\n",
           uri, account);
    say_devices(result, "From then on");
    json_decref(result);
    return code;
}

static void print_codes(const json_t *result)
{
    const json_t *codes = json_object_get(result, "recovery_codes");

    printf("Recovery codes, for when the phone is gone. Each is good once, in place of a code. "
           "They are shown this once: print them or write them down.\n\n");
    for (size_t i = 0; i < json_array_size(codes); i++) {
        printf("    %s\n", json_string_value(json_array_get(codes, i)));
    }
    printf("\n");
}

int cli_totp_confirm(struct cli *c, int argc, char **argv)
{
    json_t *result = NULL;
    int code = cli_words_check(c, &argc, argv, 2, 2);

    if (code == CLI_OK) {
        code = cli_link_ask(c, "account totp confirm",
                            json_pack("{s:s, s:s}", "account", argv[1], "code", argv[2]), &result);
    }
    if (!result) {
        return code;
    }
    unsigned long long ended = cli_get_number(result, "sessions_ended");

    printf("The second factor of %s is on.\n\n", cli_get_text(result, "account"));
    print_codes(result);
    say_devices(result, "From now on");
    if (ended) {
        printf("%llu session%s signed in with the password %s ended.\n", ended,
               ended == 1 ? "" : "s", ended == 1 ? "was" : "were");
    }
    json_decref(result);
    return code;
}

static struct cli_time time_of(const json_t *result, const char *name)
{
    int64_t when = 0;

    cli_time_parse(cli_get_text(result, name), clock_real_s(), &when);
    return cli_time_text(when);
}

static void say_on(const json_t *result, const char *account)
{
    unsigned long long left = cli_get_number(result, "recovery_codes_left"),
                       wrong = cli_get_number(result, "wrong_codes");

    printf("%s has a second factor since %s, and %llu recovery code%s left.\n", account,
           time_of(result, "since").s, left, left == 1 ? "" : "s");
    if (left < 3) {
        printf("Make new ones: mailkeep account totp recovery-codes %s\n", account);
    }
    if (wrong) {
        printf("The last %llu code%s said %s wrong. Somebody who says them knows the password.\n",
               wrong, wrong == 1 ? "" : "s", wrong == 1 ? "was" : "were");
    }
    if (cli_get_text(result, "shut_until")[0]) {
        printf("No code is taken before %s; recovery codes are.\n",
               time_of(result, "shut_until").s);
    }
}

int cli_totp_show(struct cli *c, int argc, char **argv)
{
    json_t *result;
    int code = run_on_account(c, "account totp show", argc, argv, &result);

    if (!result) {
        return code;
    }
    const char *account = cli_get_text(result, "account"), *state = cli_get_text(result, "state");

    if (strcmp(state, "on") == 0) {
        say_on(result, account);
    } else if (strcmp(state, "pending") == 0) {
        printf("A second factor of %s was begun on %s and waits for its first code:\n"
               "    mailkeep account totp confirm %s CODE\n",
               account, time_of(result, "made").s, account);
    } else {
        printf("%s has no second factor: its password is enough.\n", account);
    }
    json_decref(result);
    return code;
}

int cli_totp_remove(struct cli *c, int argc, char **argv)
{
    json_t *result;
    int code = run_on_account(c, "account totp remove", argc, argv, &result);

    if (result) {
        printf("The second factor of %s is removed: its password is enough again.\n",
               cli_get_text(result, "account"));
        json_decref(result);
    }
    return code;
}

int cli_totp_codes(struct cli *c, int argc, char **argv)
{
    json_t *result;
    int code = run_on_account(c, "account totp recovery-codes", argc, argv, &result);

    if (result) {
        printf("The old recovery codes of %s are void.\n\n", cli_get_text(result, "account"));
        print_codes(result);
        json_decref(result);
    }
    return code;
}
