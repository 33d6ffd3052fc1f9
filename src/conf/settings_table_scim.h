// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about identity providers that provision accounts. Included by it, in
// its place; no guard.
// clang-format off

// ---- provisioning (SCIM) ------------------------------------------------------------------------
SETTING(SCIM, scim, BOOL, "no", 0, 0, LIVE,
        "Let identity providers (Okta, Microsoft Entra ID and others) make, change and suspend "
        "accounts by SCIM 2.0 at listen_https, each with a token of `mailkeep scim-token add`.")
SETTING(SCIM_KEEP_MAIL, scim_keep_mail, BOOL, "no", 0, 0, LIVE,
        "Mail still arrives for somebody whom an identity provider suspends or deletes, until the "
        "account is removed. Otherwise it is refused.")
SETTING(SCIM_REMOVE_AFTER, scim_remove_after, TIME, "30 d", 3600000, 315576000000, LIVE,
        "How long the account and the mail of somebody whom an identity provider deletes are kept, "
        "suspended.")
