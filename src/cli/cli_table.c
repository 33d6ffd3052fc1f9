// SPDX-License-Identifier: Apache-2.0
//
// Every command, in the order in which `mailkeep help` lists them.
#include "cli/cli_commands.h"

#include "base/banned.h"

const struct cli_command cli_commands[] = {
    {"serve", "[--self-signed] [--background]", "Run the server", cli_serve},
    {"status", "", "Say what is running and how the store is", cli_status},
    {"check", "[ACCOUNT] [--read-bodies] [--repair]",
     "Recount everything and name every difference", cli_check},
    {"domain add", "DOMAIN", "Add a domain", cli_domain_add},
    {"domain list", "", "List the domains", cli_domain_list},
    {"domain remove", "DOMAIN", "Remove a domain that has no accounts", cli_domain_remove},
    {"account add",
     "ADDRESS [--quota SIZE] [--messages NUMBER] [--bare] [--no-password] | --batch FILE",
     "Add an account; asks for its password, or --password-stdin", cli_account_add},
    {"account list", "[DOMAIN]", "List the accounts", cli_account_list},
    {"account show", "ADDRESS", "Show one account", cli_account_show},
    {"account passwd", "ADDRESS [--password-stdin | --no-password]",
     "Give an account a new password; ends its sessions", cli_account_passwd},
    {"account rename", "ADDRESS NEW-ADDRESS", "Give an account another address",
     cli_account_rename},
    {"account suspend", "ADDRESS",
     "Keep an account's mail but let nobody sign in; ends its sessions", cli_account_suspend},
    {"account resume", "ADDRESS", "End a suspension", cli_account_resume},
    {"account remove", "ADDRESS [--yes]", "Remove an account with all its mail, for good",
     cli_account_remove},
    {"account quota", "ADDRESS [SIZE] [--messages NUMBER]", "Set how much mail an account may hold",
     cli_account_quota},
    {"mailbox list", "ADDRESS", "List an account's mailboxes", cli_mailbox_list},
    {"import",
     "ADDRESS PATH [--mailbox NAME] [--map OLD=NEW]... [--format FORMAT] [--keep-names] "
     "[--dry-run] [--verbose]",
     "Bring mail in from a Maildir, mbox or .eml files", cli_import},
    {"export", "ADDRESS PATH [--mailbox NAME] [--format maildir|mbox] [--crlf]",
     "Write an account's mail to a Maildir or mbox", cli_export},
    {"log", "ADDRESS [--since WHEN] [--last NUMBER] [--follow]",
     "Tell in plain words what happened to an account", cli_log},
    {"config check", "", "Check the settings file and name every problem", cli_config_check},
    {"config show", "[SETTING]", "Print the settings in use and where they come from",
     cli_config_show},
    {"config default", "", "Print a settings file with every setting at its default",
     cli_config_default},
    {"config manual", "", "Print the settings' part of mailkeep.conf(5)", cli_config_manual},
    {0},
};
