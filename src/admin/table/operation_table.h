// SPDX-License-Identifier: Apache-2.0
//
// Every operation, once: what runs it, the right it takes and over what, and how it is asked for by
// HTTP (docs/protocol/admin-api.md). admin_operations.c takes the first half of each row,
// operation.c the second. The command line asks for operations by their names. Included twice; no
// guard.
//
// OPERATION(name, run, rights, on, arg,          as in admin_internal.h
//           method, path, fields, kind)          as in operation.h; the path below /admin/api
//
// A path's {field} is a text. The other fields come from the query of a GET or DELETE, else from a
// JSON object in the body: "name", "name:type"; with "!" behind the name it must be there.
// clang-format off

OPERATION("domain add", admin_domain_add, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/domains", "domain!", OPERATION_PLAIN)
OPERATION("domain list", admin_domain_list, RIGHT_SEE, ON_LIST, NULL,
          "GET", "/domains", "", OPERATION_LIST)
OPERATION("domain remove", admin_domain_remove, RIGHT_SERVER, ON_SERVER, NULL,
          "DELETE", "/domains/{domain}", "", OPERATION_PLAIN)
OPERATION("domain dns", admin_domain_dns, RIGHT_SEE, ON_DOMAIN, "domain",
          "GET", "/domains/{domain}/dns", "check:bool", OPERATION_LIST)
OPERATION("domain catch-all", admin_domain_catch_all, RIGHT_ADDRESSES, ON_DOMAIN, "domain",
          "PUT", "/domains/{domain}/catch-all", "targets:texts none:bool", OPERATION_PLAIN)
OPERATION("domain second-factor", admin_domain_factor, RIGHT_SERVER, ON_SERVER, NULL,
          "PUT", "/domains/{domain}/second-factor", "required:bool", OPERATION_PLAIN)
OPERATION("role second-factor", admin_role_factor, RIGHT_ROLES, ON_SERVER, NULL,
          "PUT", "/roles/{role}/second-factor", "required:bool", OPERATION_PLAIN)
OPERATION("domain alias add", admin_domain_alias_add, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/domain-aliases", "domain! target!", OPERATION_PLAIN)
OPERATION("domain alias list", admin_domain_alias_list, RIGHT_SEE, ON_LIST, NULL,
          "GET", "/domain-aliases", "", OPERATION_LIST)
OPERATION("domain alias remove", admin_domain_alias_remove, RIGHT_SERVER, ON_SERVER, NULL,
          "DELETE", "/domain-aliases/{domain}", "", OPERATION_PLAIN)
OPERATION("alias add", admin_alias_add, RIGHT_ADDRESSES, ON_ADDRESS, "alias",
          "POST", "/aliases", "alias! targets!:texts", OPERATION_PLAIN)
OPERATION("alias list", admin_alias_list, RIGHT_SEE, ON_LIST, "domain",
          "GET", "/aliases", "domain", OPERATION_LIST)
OPERATION("alias remove", admin_alias_remove, RIGHT_ADDRESSES, ON_ADDRESS, "alias",
          "DELETE", "/aliases/{alias}", "targets:texts", OPERATION_PLAIN)
OPERATION("route add", admin_route_add, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/routes", "destination from by! host port:number tls user password words",
          OPERATION_PLAIN)
OPERATION("route list", admin_route_list, RIGHT_SERVER, ON_SERVER, NULL,
          "GET", "/routes", "", OPERATION_LIST)
OPERATION("route remove", admin_route_remove, RIGHT_SERVER, ON_SERVER, NULL,
          "DELETE", "/routes", "destination from", OPERATION_PLAIN)
OPERATION("route show", admin_route_show, RIGHT_SERVER, ON_SERVER, NULL,
          "GET", "/routes/{to}", "from", OPERATION_PLAIN)
OPERATION("account forward", admin_account_forward, RIGHT_ADDRESSES, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/forward", "targets:texts keep:bool off:bool", OPERATION_PLAIN)
OPERATION("account add", admin_account_add, RIGHT_ACCOUNTS, ON_ADDRESS, "account",
          "POST", "/accounts",
          "account! password password_hash no_password:bool allow_weak:bool bare:bool bytes:limit "
          "messages:limit", OPERATION_PLAIN)
OPERATION("account batch", admin_account_batch, RIGHT_ACCOUNTS, ON_ANY, NULL, // asks for each
          "POST", "/account-batches", "", OPERATION_LINES_IN)
OPERATION("account import", admin_account_import, RIGHT_ACCOUNTS, ON_ANY, NULL, // the same
          "POST", "/account-imports", "dry_run:bool passwords:bool", OPERATION_LINES_IN)
OPERATION("account name", admin_account_name, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/name", "name!", OPERATION_PLAIN)
OPERATION("account imap-without", admin_account_imap_without, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/imap-without", "capabilities:texts nothing:bool",
          OPERATION_PLAIN)
OPERATION("account list", admin_account_list, RIGHT_SEE, ON_LIST, "domain",
          "GET", "/accounts", "domain", OPERATION_LIST)
OPERATION("account show", admin_account_show, RIGHT_SEE, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}", "", OPERATION_PLAIN)
OPERATION("account passwd", admin_account_passwd, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/password",
          "password password_hash no_password:bool allow_weak:bool", OPERATION_PLAIN)
OPERATION("account rename", admin_account_rename, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/rename", "to!", OPERATION_PLAIN)
OPERATION("account suspend", admin_account_suspend, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/suspend", "takes_mail:bool team:bool remove_at:number",
          OPERATION_PLAIN)
OPERATION("account resume", admin_account_resume, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/resume", "", OPERATION_PLAIN)
OPERATION("account hand-over", admin_account_hand_over, RIGHT_ACCOUNTS | RIGHT_READ_MAIL,
          ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/hand-over", "to! reason! addresses:bool dry_run:bool",
          OPERATION_PLAIN)
OPERATION("account remove", admin_account_remove, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "DELETE", "/accounts/{account}", "", OPERATION_PLAIN)
OPERATION("account signins", admin_account_signins, RIGHT_HISTORY, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}/signins", "since_ms:number", OPERATION_LIST)
OPERATION("account quota", admin_account_quota, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/quota", "bytes:limit messages:limit", OPERATION_PLAIN)
OPERATION("account device add", admin_device_add, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/devices",
          "device! for:texts read_only:bool networks:texts until:limit certificate_sha256",
          OPERATION_PLAIN)
OPERATION("account device list", admin_device_list, RIGHT_SEE, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}/devices", "", OPERATION_LIST)
OPERATION("account device set", admin_device_set, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "PATCH", "/accounts/{account}/devices/{device}",
          "to for:texts read_only:bool networks:texts until:limit", OPERATION_PLAIN)
OPERATION("account device block", admin_device_block, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/devices/{device}/block", "", OPERATION_PLAIN)
OPERATION("account device unblock", admin_device_unblock, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/devices/{device}/unblock", "", OPERATION_PLAIN)
OPERATION("account device remove", admin_device_remove, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "DELETE", "/accounts/{account}/devices/{device}", "", OPERATION_PLAIN)
OPERATION("account undo", admin_undo, RIGHT_CHANGE_MAIL, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/undo",
          "device! since_ms!:number until_ms:number dry_run:bool", OPERATION_LIST)
OPERATION("account totp add", admin_totp_add, RIGHT_PASSWORDS | RIGHT_ACCOUNTS, ON_ACCOUNT,
          "account",
          "POST", "/accounts/{account}/totp", "", OPERATION_PLAIN)
OPERATION("account totp confirm", admin_totp_confirm, RIGHT_PASSWORDS | RIGHT_ACCOUNTS, ON_ACCOUNT,
          "account",
          "POST", "/accounts/{account}/totp/confirm", "code!", OPERATION_PLAIN)
OPERATION("account totp show", admin_totp_show, RIGHT_SEE, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}/totp", "", OPERATION_PLAIN)
OPERATION("account totp remove", admin_totp_remove, RIGHT_PASSWORDS, ON_ACCOUNT, "account",
          "DELETE", "/accounts/{account}/totp", "", OPERATION_PLAIN)
OPERATION("account totp recovery-codes", admin_totp_codes, RIGHT_PASSWORDS | RIGHT_ACCOUNTS,
          ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/totp/recovery-codes", "", OPERATION_PLAIN)
OPERATION("mailbox list", admin_mailbox_list, RIGHT_SEE, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}/mailboxes", "", OPERATION_LIST)
OPERATION("mailbox shares", admin_mailbox_shares, RIGHT_SEE, ON_ACCOUNT, "account",
          "GET", "/accounts/{account}/shares", "", OPERATION_LIST)
OPERATION("mailbox share", admin_mailbox_share, RIGHT_PASSWORDS | RIGHT_CHANGE_MAIL, ON_ACCOUNT,
          "account",
          "PUT", "/accounts/{account}/shares", "mailbox! person! rights! below:bool",
          OPERATION_PLAIN)
OPERATION("mailbox seen", admin_mailbox_seen, RIGHT_PASSWORDS | RIGHT_CHANGE_MAIL, ON_ACCOUNT,
          "account",
          "PUT", "/accounts/{account}/seen", "mailbox! seen! below:bool", OPERATION_PLAIN)
OPERATION("dkim create", admin_dkim_create, RIGHT_KEYS, ON_DOMAIN, "domain",
          "POST", "/domains/{domain}/keys", "algorithm selector", OPERATION_LIST)
OPERATION("dkim list", admin_dkim_list, RIGHT_SEE, ON_DOMAIN, "domain",
          "GET", "/keys", "domain selector", OPERATION_LIST)
OPERATION("dkim activate", admin_dkim_activate, RIGHT_KEYS, ON_DOMAIN, "domain",
          "POST", "/domains/{domain}/keys/activate", "selector", OPERATION_PLAIN)
OPERATION("dkim retire", admin_dkim_retire, RIGHT_KEYS, ON_DOMAIN, "domain",
          "POST", "/domains/{domain}/keys/{selector}/retire", "", OPERATION_PLAIN)
OPERATION("dkim remove", admin_dkim_remove, RIGHT_KEYS, ON_DOMAIN, "domain",
          "DELETE", "/domains/{domain}/keys/{selector}", "", OPERATION_PLAIN)
OPERATION("trace", admin_trace, RIGHT_TRACE, ON_ANY, NULL, // tells what the caller looks after
          "GET", "/trace", "what! since_ms:number limit:number address:bool", OPERATION_LIST)
OPERATION("reports list", admin_reports_list, RIGHT_REPORTS, ON_DOMAIN, "domain",
          "GET", "/reports", "domain since_ms:number", OPERATION_LIST)
OPERATION("reports show", admin_reports_show, RIGHT_REPORTS, ON_DOMAIN, "what",
          "GET", "/reports/{what}", "since_ms:number", OPERATION_LIST)
OPERATION("queue list", admin_queue_list, RIGHT_TRACE, ON_SERVER, NULL,
          "GET", "/queue/messages", "to from state history:bool", OPERATION_LIST)
OPERATION("queue show", admin_queue_show, RIGHT_TRACE, ON_SERVER, NULL,
          "GET", "/queue/messages/{id}", "", OPERATION_LIST)
OPERATION("queue retry", admin_queue_retry, RIGHT_QUEUE, ON_SERVER, NULL,
          "POST", "/queue/retry", "id to from all:bool", OPERATION_PLAIN)
OPERATION("queue hold", admin_queue_hold, RIGHT_QUEUE, ON_SERVER, NULL,
          "POST", "/queue/hold", "id to from all:bool", OPERATION_PLAIN)
OPERATION("queue release", admin_queue_release, RIGHT_QUEUE, ON_SERVER, NULL,
          "POST", "/queue/release", "id to from all:bool", OPERATION_PLAIN)
OPERATION("queue remove", admin_queue_remove, RIGHT_QUEUE, ON_SERVER, NULL,
          "POST", "/queue/remove", "id to from all:bool notify:bool", OPERATION_PLAIN)
OPERATION("queue pause", admin_queue_pause, RIGHT_QUEUE, ON_SERVER, NULL,
          "PUT", "/queue/destinations/{destination}/pause", "reason", OPERATION_PLAIN)
OPERATION("queue resume", admin_queue_resume, RIGHT_QUEUE, ON_SERVER, NULL,
          "DELETE", "/queue/destinations/{destination}/pause", "", OPERATION_PLAIN)
OPERATION("queue destinations", admin_queue_destinations, RIGHT_TRACE, ON_SERVER, NULL,
          "GET", "/queue/destinations", "", OPERATION_LIST)
OPERATION("sieve list", admin_sieve_list, RIGHT_RULES, ON_ACCOUNT, "account",
          "GET", "/scripts", "account global:bool", OPERATION_LIST)
OPERATION("sieve show", admin_sieve_show, RIGHT_RULES, ON_ACCOUNT, "account",
          "GET", "/scripts/text", "account global:bool script", OPERATION_TEXT_OUT)
OPERATION("sieve put", admin_sieve_put, RIGHT_RULES, ON_ACCOUNT, "account",
          "PUT", "/scripts/text", "account global:bool script activate:bool text!",
          OPERATION_TEXT_IN)
OPERATION("sieve activate", admin_sieve_activate, RIGHT_RULES, ON_ACCOUNT, "account",
          "POST", "/scripts/activate", "account! script none:bool", OPERATION_PLAIN)
OPERATION("sieve remove", admin_sieve_remove, RIGHT_RULES, ON_ACCOUNT, "account",
          "DELETE", "/scripts", "account global:bool script!", OPERATION_PLAIN)
OPERATION("sieve run", admin_sieve_run, RIGHT_READ_MAIL, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/sieve-runs", "mailbox! script apply:bool reason",
          OPERATION_LIST)
OPERATION("import", admin_import, RIGHT_CHANGE_MAIL, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/import", "dry_run:bool", OPERATION_LINES_IN)
OPERATION("export", admin_export, RIGHT_READ_MAIL, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/export", "mailbox reason", OPERATION_LINES_OUT)
OPERATION("check", admin_check, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/check", "account read_bodies:bool repair:bool", OPERATION_LIST)
OPERATION("status", admin_status, RIGHT_SEE, ON_ANY, NULL,
          "GET", "/status", "", OPERATION_PLAIN)
OPERATION("reload", admin_reload, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/reload", "", OPERATION_PLAIN)
OPERATION("log", admin_log, RIGHT_HISTORY, ON_ACCOUNT, "account",
          "GET", "/log", "account server:bool device since_ms:number until_ms:number last:number",
          OPERATION_LIST)
OPERATION("alert list", admin_alert_list, RIGHT_HISTORY, ON_ANY, NULL, // of accounts it sees
          "GET", "/alerts", "account since_ms:number", OPERATION_LIST)
OPERATION("alert test", admin_alert_test, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "POST", "/accounts/{account}/alert-test", "", OPERATION_PLAIN)
OPERATION("alert mute", admin_alert_mute, RIGHT_ACCOUNTS, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/alert-mute", "kinds:texts until:number off:bool",
          OPERATION_PLAIN)
OPERATION("directory test", admin_directory_test, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/directory/test", "account! password", OPERATION_PLAIN)
OPERATION("directory sync", admin_directory_sync, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/directory/sync", "force:bool", OPERATION_PLAIN)
OPERATION("ban list", admin_ban_list, RIGHT_SEE, ON_ANY, NULL, // of names it sees, unless all
          "GET", "/bans", "", OPERATION_LIST)
OPERATION("ban lift", admin_ban_lift, RIGHT_PASSWORDS, ON_ANY, NULL, // the same
          "POST", "/bans/lift", "name network all:bool", OPERATION_PLAIN)
OPERATION("oauth-client add", admin_oauth_client_add, RIGHT_SERVER, ON_SERVER, NULL,
          "POST", "/oauth-clients", "client! name! redirects:texts", OPERATION_PLAIN)
OPERATION("oauth-client list", admin_oauth_client_list, RIGHT_SERVER, ON_SERVER, NULL,
          "GET", "/oauth-clients", "", OPERATION_LIST)
OPERATION("oauth-client remove", admin_oauth_client_remove, RIGHT_SERVER, ON_SERVER, NULL,
          "DELETE", "/oauth-clients/{client}", "", OPERATION_PLAIN)
OPERATION("scim-token add", admin_scim_token_add,
          RIGHT_SERVER | RIGHT_SEE | RIGHT_PASSWORDS | RIGHT_ACCOUNTS | RIGHT_ADDRESSES, ON_SERVER,
          NULL, // what it lets, and nobody gives more than they have
          "POST", "/scim-tokens", "token! domains!:texts", OPERATION_PLAIN)
OPERATION("scim-token list", admin_scim_token_list, RIGHT_SERVER, ON_SERVER, NULL,
          "GET", "/scim-tokens", "", OPERATION_LIST)
OPERATION("scim-token remove", admin_scim_token_remove, RIGHT_SERVER, ON_SERVER, NULL,
          "DELETE", "/scim-tokens/{token}", "", OPERATION_PLAIN)
OPERATION("role list", admin_role_list, RIGHT_SEE, ON_ANY, NULL,
          "GET", "/roles", "", OPERATION_LIST)
OPERATION("role show", admin_role_show, RIGHT_SEE, ON_ANY, NULL, // those of accounts it sees
          "GET", "/role-holders", "account", OPERATION_LIST)
OPERATION("role can", admin_role_can, ROLE_RIGHTS_ALL, ON_SELF, NULL,
          "GET", "/rights", "account", OPERATION_LIST)
OPERATION("role grant", admin_role_grant, RIGHT_ROLES, ON_ACCOUNT, "account",
          "PUT", "/accounts/{account}/roles/{role}", "domains:texts", OPERATION_PLAIN)
OPERATION("role revoke", admin_role_revoke, RIGHT_ROLES, ON_ACCOUNT, "account",
          "DELETE", "/accounts/{account}/roles/{role}", "domains:texts", OPERATION_PLAIN)
OPERATION("role add", admin_role_add, RIGHT_ROLES, ON_SERVER, NULL,
          "POST", "/roles", "role! rights!:texts words", OPERATION_PLAIN)
OPERATION("role remove", admin_role_remove, RIGHT_ROLES, ON_SERVER, NULL,
          "DELETE", "/roles/{role}", "", OPERATION_PLAIN)
