// SPDX-License-Identifier: Apache-2.0
//
// mailkeep serve: reads the settings and becomes the supervisor.
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_commands.h"
#include "cli/cli_text.h"
#include "supervisor/supervisor.h"

#include "base/banned.h"

int cli_serve(struct cli *c, int argc, char **argv)
{
    struct supervisor_options o = {.config_path = c->config_path};
    char *absolute = NULL;

    o.self_signed = cli_flag(&argc, argv, "--self-signed");
    o.background = cli_flag(&argc, argv, "--background");
    bool foreground = cli_flag(&argc, argv, "--foreground"); // the default, said aloud

    int code = cli_words_check(c, &argc, argv, 0, 0);

    if (code == CLI_OK && foreground && o.background) {
        cli_fail(c, CLI_USAGE, "--foreground and --background contradict each other");
        code = cli_usage(c);
    }
    if (code == CLI_OK) {
        code = cli_settings(c);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (!c->config_given && access(c->config_path, F_OK) != 0) {
        o.config_optional = true;
    } else {
        absolute = realpath(c->config_path, NULL);
        o.config_path = absolute ? absolute : c->config_path;
    }
    o.settings = settings_ref(c->settings);
    code = supervisor_main(&o);
    free(absolute);
    return code;
}
