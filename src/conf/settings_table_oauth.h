// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about tokens of OAuth 2.0. Included by it, in its place; no guard.
// clang-format off

// ---- tokens of OAuth 2.0 ------------------------------------------------------------------------
SETTING(OAUTH_SERVER, oauth_server, BOOL, "no", 0, 0, LIVE,
        "Be an authorization server for mail programs: people sign in on a page at listen_https.")
SETTING(OAUTH_ISSUER, oauth_issuer, TEXT, "", 0, 255, LIVE,
        "Where that page is, as mail programs call it. Empty: `https://` and server_name.")
SETTING(OAUTH_ACCESS_LIFE, oauth_access_life, TIME, "1 h", 60000, 86400000, LIVE,
        "How long an access token of ours is good; sessions begun by it last longer.")
SETTING(OAUTH_REFRESH_LIFE, oauth_refresh_life, TIME, "90 d", 3600000, 31557600000, LIVE,
        "How long an app of ours that does not ask for new tokens stays signed in.")
SETTING(OAUTH_ISSUERS, oauth_issuers, LIST, "", 0, 8, START,
        "Identity providers whose tokens let our users in by OAUTHBEARER and XOAUTH2, each as "
        "`https://id.example.org aud=mail`: the issuer as it calls itself, what its tokens must be "
        "for, and more words. Offered over TLS only. Empty: no such tokens.")
