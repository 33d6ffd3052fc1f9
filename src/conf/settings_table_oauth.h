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
        "for, and more words (docs/protocol/oauth.md). Offered over TLS only. Empty: none.")
SETTING(OAUTH_CHECK_EVERY, oauth_check_every, TIME, "60 s", 1000, 3600000, START,
        "How soon a token that its issuer has revoked opens nothing any more, where the issuer is "
        "asked (`client=`): sessions are ended, answers are remembered no longer. Also how often "
        "an unknown key may make us ask for new ones.")
SETTING(OAUTH_TOKEN_LIFE_MAX, oauth_token_life_max, TIME, "1 d", 60000, 31557600000, START,
        "How long after it was issued a signed token is good at most, whatever it says, where its "
        "issuer is not asked about it (no `client=`) and so cannot revoke it.")
SETTING(OAUTH_SECRETS_FILE, oauth_secrets_file, TEXT, "", 0, 4000, START,
        "File with a line `CLIENT SECRET` for each `client=`, to be read by the courier's user "
        "only. Empty: the clients have no secrets.")
SETTING(OAUTH_CA_FILE, oauth_ca_file, TEXT, "", 0, 4000, START,
        "File with the certificates (PEM) that issuers' certificates are checked against. Empty: "
        "the system's.")
