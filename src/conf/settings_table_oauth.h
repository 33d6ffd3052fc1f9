// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about tokens of OAuth 2.0. Included by it, in its place; no guard.
// clang-format off

// ---- tokens of OAuth 2.0 ------------------------------------------------------------------------
SETTING(OAUTH_ISSUERS, oauth_issuers, LIST, "", 0, 8, START,
        "Identity providers whose tokens let our users in by OAUTHBEARER and XOAUTH2, each as "
        "`https://id.example.org aud=mail`: the issuer as it calls itself, what its tokens must be "
        "for, and more words. Offered over TLS only. Empty: no such tokens.")
