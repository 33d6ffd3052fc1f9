// SPDX-License-Identifier: Apache-2.0
//
// The functions behind the rows of cli_table.c, one file per command or noun.
#ifndef CLI_CLI_COMMANDS_H
#define CLI_CLI_COMMANDS_H

#include "cli/cli.h"

cli_fn cli_serve;          // cli_serve.c
cli_fn cli_config_check;   // cli_config.c
cli_fn cli_config_show;    //
cli_fn cli_config_default; //
cli_fn cli_config_manual;  // not in the table's help: makes mailkeep.conf(5)

cli_fn cli_domain_add, cli_domain_list, cli_domain_remove; // cli_domain.c
cli_fn cli_alias_add, cli_alias_list, cli_alias_remove, cli_domain_catch_all, cli_domain_alias_add,
    cli_domain_alias_list, cli_domain_alias_remove, cli_account_forward; // cli_route.c
cli_fn cli_account_imap_without;                                         // cli_imap.c
cli_fn cli_account_add, cli_account_import, cli_account_name, cli_account_passwd,
    cli_account_rename, cli_account_suspend, cli_account_resume, cli_account_remove,
    cli_account_hand_over,
    cli_account_quota;      // cli_account.c
cli_fn cli_account_signins; // cli_signins.c
cli_fn cli_account_undo;    // cli_undo.c
// What stands behind --until, as "until_ms"; cli_undo.c, for cli_log.c too.
int cli_until_put(struct cli *c, const char *until, json_t *args);
cli_fn cli_account_list, cli_account_show; // cli_account_list.c
cli_fn cli_mailbox_list, cli_mailbox_seen, cli_mailbox_share, cli_mailbox_shares; // cli_mailbox.c
cli_fn cli_domain_dns;                                                            // cli_dns.c
cli_fn cli_sieve_list, cli_sieve_show, cli_sieve_put, cli_sieve_activate, cli_sieve_remove,
    cli_sieve_run;                                                      // cli_sieve.c
cli_fn cli_sieve_test;                                                  // cli_sieve_test.c
cli_fn cli_route_add, cli_route_list, cli_route_remove, cli_route_show; // cli_relay.c
cli_fn cli_role_list, cli_role_show, cli_role_grant, cli_role_revoke, cli_role_add, cli_role_remove,
    cli_role_can; // cli_role.c
cli_fn cli_device_add, cli_device_list, cli_device_set, cli_device_block, cli_device_unblock,
    cli_device_remove;                     // cli_device.c
cli_fn cli_domain_factor, cli_role_factor; // cli_factor.c
cli_fn cli_totp_add, cli_totp_confirm, cli_totp_show, cli_totp_remove,
    cli_totp_codes;                                                          // cli_totp.c
cli_fn cli_alert_list, cli_alert_test, cli_alert_mute;                       // cli_alert.c
cli_fn cli_ban_list, cli_ban_lift;                                           // cli_ban.c
cli_fn cli_directory_test, cli_directory_sync;                               // cli_directory.c
cli_fn cli_scim_token_add, cli_scim_token_list, cli_scim_token_remove;       // cli_scim.c
cli_fn cli_oauth_client_add, cli_oauth_client_list, cli_oauth_client_remove; // cli_oauth.c
cli_fn cli_dkim_create, cli_dkim_list, cli_dkim_show, cli_dkim_activate, cli_dkim_retire,
    cli_dkim_remove; // cli_dkim.c
cli_fn cli_queue_list, cli_queue_show, cli_queue_retry, cli_queue_hold, cli_queue_release,
    cli_queue_remove, cli_queue_pause, cli_queue_resume, cli_queue_destinations; // cli_queue.c
cli_fn cli_reports_list, cli_reports_show;                                       // cli_reports.c
cli_fn cli_trace;                                                                // cli_trace.c
void cli_trace_event(const json_t *item); // prints one; for cli_queue.c too
cli_fn cli_import;                        // cli_import.c
cli_fn cli_export;                        // cli_export.c
cli_fn cli_check;                         // cli_check.c
cli_fn cli_status;                        // cli_status.c
cli_fn cli_reload;                        // cli_reload.c
cli_fn cli_log;                           // cli_log.c

#endif
