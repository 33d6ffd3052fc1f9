// SPDX-License-Identifier: Apache-2.0
//
// Every operation, and what it takes to be allowed: the right, and over what. There is no other
// place where this is decided; docs/roles.md shows the same table to people.
#include "admin/admin_internal.h"

#include "base/banned.h"

// All of it must be said: a row without a right does not compile.
#define OP(name, run, rights, on, arg)                                                             \
    {                                                                                              \
        name, run,                                                                                 \
        {                                                                                          \
            rights, on, arg                                                                        \
        }                                                                                          \
    }

const struct admin_operation admin_operations[] = {
    OP("domain add", admin_domain_add, RIGHT_SERVER, ON_SERVER, NULL),
    OP("domain list", admin_domain_list, RIGHT_SEE, ON_LIST, NULL),
    OP("domain remove", admin_domain_remove, RIGHT_SERVER, ON_SERVER, NULL),
    OP("domain dns", admin_domain_dns, RIGHT_SEE, ON_DOMAIN, "domain"),
    OP("domain catch-all", admin_domain_catch_all, RIGHT_ADDRESSES, ON_DOMAIN, "domain"),
    OP("domain alias add", admin_domain_alias_add, RIGHT_SERVER, ON_SERVER, NULL),
    OP("domain alias list", admin_domain_alias_list, RIGHT_SEE, ON_LIST, NULL),
    OP("domain alias remove", admin_domain_alias_remove, RIGHT_SERVER, ON_SERVER, NULL),
    OP("alias add", admin_alias_add, RIGHT_ADDRESSES, ON_ADDRESS, "alias"),
    OP("alias list", admin_alias_list, RIGHT_SEE, ON_LIST, "domain"),
    OP("alias remove", admin_alias_remove, RIGHT_ADDRESSES, ON_ADDRESS, "alias"),
    OP("route add", admin_route_add, RIGHT_SERVER, ON_SERVER, NULL),
    OP("route list", admin_route_list, RIGHT_SERVER, ON_SERVER, NULL),
    OP("route remove", admin_route_remove, RIGHT_SERVER, ON_SERVER, NULL),
    OP("route show", admin_route_show, RIGHT_SERVER, ON_SERVER, NULL),
    OP("account forward", admin_account_forward, RIGHT_ADDRESSES, ON_ACCOUNT, "account"),
    OP("account add", admin_account_add, RIGHT_ACCOUNTS, ON_ADDRESS, "account"),
    OP("account batch", admin_account_batch, RIGHT_ACCOUNTS, ON_ANY, NULL), // asks for each
    OP("account list", admin_account_list, RIGHT_SEE, ON_LIST, "domain"),
    OP("account show", admin_account_show, RIGHT_SEE, ON_ACCOUNT, "account"),
    OP("account passwd", admin_account_passwd, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("account rename", admin_account_rename, RIGHT_ACCOUNTS, ON_ACCOUNT, "account"),
    OP("account suspend", admin_account_suspend, RIGHT_ACCOUNTS, ON_ACCOUNT, "account"),
    OP("account resume", admin_account_resume, RIGHT_ACCOUNTS, ON_ACCOUNT, "account"),
    OP("account remove", admin_account_remove, RIGHT_ACCOUNTS, ON_ACCOUNT, "account"),
    OP("account signins", admin_account_signins, RIGHT_HISTORY, ON_ACCOUNT, "account"),
    OP("account quota", admin_account_quota, RIGHT_ACCOUNTS, ON_ACCOUNT, "account"),
    OP("account device add", admin_device_add, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("account device list", admin_device_list, RIGHT_SEE, ON_ACCOUNT, "account"),
    OP("account device set", admin_device_set, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("account device block", admin_device_block, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("account device unblock", admin_device_unblock, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("account device remove", admin_device_remove, RIGHT_PASSWORDS, ON_ACCOUNT, "account"),
    OP("mailbox list", admin_mailbox_list, RIGHT_SEE, ON_ACCOUNT, "account"),
    OP("dkim create", admin_dkim_create, RIGHT_KEYS, ON_DOMAIN, "domain"),
    OP("dkim list", admin_dkim_list, RIGHT_SEE, ON_DOMAIN, "domain"),
    OP("dkim activate", admin_dkim_activate, RIGHT_KEYS, ON_DOMAIN, "domain"),
    OP("dkim retire", admin_dkim_retire, RIGHT_KEYS, ON_DOMAIN, "domain"),
    OP("dkim remove", admin_dkim_remove, RIGHT_KEYS, ON_DOMAIN, "domain"),
    OP("trace", admin_trace, RIGHT_TRACE, ON_ANY, NULL), // tells what the caller looks after
    OP("reports list", admin_reports_list, RIGHT_REPORTS, ON_DOMAIN, "domain"),
    OP("reports show", admin_reports_show, RIGHT_REPORTS, ON_DOMAIN, "what"),
    OP("queue list", admin_queue_list, RIGHT_TRACE, ON_SERVER, NULL),
    OP("queue show", admin_queue_show, RIGHT_TRACE, ON_SERVER, NULL),
    OP("queue retry", admin_queue_retry, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue hold", admin_queue_hold, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue release", admin_queue_release, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue remove", admin_queue_remove, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue pause", admin_queue_pause, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue resume", admin_queue_resume, RIGHT_QUEUE, ON_SERVER, NULL),
    OP("queue destinations", admin_queue_destinations, RIGHT_TRACE, ON_SERVER, NULL),
    OP("sieve list", admin_sieve_list, RIGHT_RULES, ON_ACCOUNT, "account"),
    OP("sieve show", admin_sieve_show, RIGHT_RULES, ON_ACCOUNT, "account"),
    OP("sieve put", admin_sieve_put, RIGHT_RULES, ON_ACCOUNT, "account"),
    OP("sieve activate", admin_sieve_activate, RIGHT_RULES, ON_ACCOUNT, "account"),
    OP("sieve remove", admin_sieve_remove, RIGHT_RULES, ON_ACCOUNT, "account"),
    OP("sieve run", admin_sieve_run, RIGHT_READ_MAIL, ON_ACCOUNT, "account"),
    OP("import", admin_import, RIGHT_CHANGE_MAIL, ON_ACCOUNT, "account"),
    OP("export", admin_export, RIGHT_READ_MAIL, ON_ACCOUNT, "account"),
    OP("check", admin_check, RIGHT_SERVER, ON_SERVER, NULL),
    OP("status", admin_status, RIGHT_SEE, ON_ANY, NULL),
    OP("reload", admin_reload, RIGHT_SERVER, ON_SERVER, NULL),
    OP("log", admin_log, RIGHT_HISTORY, ON_ACCOUNT, "account"),
    OP("ban list", admin_ban_list, RIGHT_SEE, ON_ANY, NULL),       // of names it sees, unless all
    OP("ban lift", admin_ban_lift, RIGHT_PASSWORDS, ON_ANY, NULL), // the same
    OP("role list", admin_role_list, RIGHT_SEE, ON_ANY, NULL),
    OP("role show", admin_role_show, RIGHT_SEE, ON_ANY, NULL), // those of accounts it sees
    OP("role can", admin_role_can, ROLE_RIGHTS_ALL, ON_SELF, NULL),
    OP("role grant", admin_role_grant, RIGHT_ROLES, ON_ACCOUNT, "account"),
    OP("role revoke", admin_role_revoke, RIGHT_ROLES, ON_ACCOUNT, "account"),
    OP("role add", admin_role_add, RIGHT_ROLES, ON_SERVER, NULL),
    OP("role remove", admin_role_remove, RIGHT_ROLES, ON_SERVER, NULL),
    {0},
};
#define OPERATIONS (sizeof(admin_operations) / sizeof(admin_operations[0]))

const char *const *admin_names(void)
{
    // Filled the same way by whoever comes first.
    static const char *names[OPERATIONS];

    for (size_t i = 0; i < OPERATIONS; i++) {
        names[i] = admin_operations[i].name;
    }
    return names;
}
