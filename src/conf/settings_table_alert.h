// SPDX-License-Identifier: Apache-2.0
//
// The rows of settings_table.h about alerts. Included by it, in its place; no guard.
// clang-format off

// ---- alerts -------------------------------------------------------------------------------------
SETTING(ALERTS, alerts, BOOL, "yes", 0, 0, LIVE,
        "Whether owners are warned by a message when something about their account is unusual.")
SETTING(ALERTS_OFF, alerts_off, LIST, "", 0, 16, LIVE,
        "Kinds that nobody is warned of: `new-network`, `guessed`, `mail-out`, `folders`, "
        "`deletion`, `quota`, `device`, `second-factor`, `opened`, `new-country`, `travel`, "
        "`download`.")
SETTING(ALERT_NETWORKS, alert_networks, CHOICE, "wide", 0, 0, LIVE,
        "What counts as one network among sign-ins: a /16 of IPv4 and a /32 of IPv6, which is "
        "about a provider, or exactly what the sign-in history shows: {wide exact}.")
SETTING(ALERT_LEARN, alert_learn, TIME, "7 d", 0, 31557600000, LIVE,
        "How long after its first sign-in an account's networks are learnt without a warning.")
SETTING(ALERT_FAILURES, alert_failures, COUNT, "10", 1, 100000, LIVE,
        "Wrong passwords from a network before a right one is warned of.")
SETTING(ALERT_FOLDERS, alert_folders, COUNT, "10", 1, 100000, LIVE,
        "Folders deleted or renamed within alert_window that are warned of.")
SETTING(ALERT_DELETED, alert_deleted, COUNT, "1000", 1, 1000000000, LIVE,
        "Messages deleted within alert_window that are warned of.")
SETTING(ALERT_DOWNLOAD, alert_download, BYTES, "1 GB", 1048576, 1099511627776, LIVE,
        "How much of an account's mail one device may read within alert_window without a warning; "
        "less when the account holds less.")
SETTING(ALERT_TRAVEL_SPEED, alert_travel_speed, COUNT, "1000", 100, 40000, LIVE,
        "Kilometres an hour that people travel: two sign-ins of one account further apart than "
        "that allows are warned of. Takes geo_database with positions.")
SETTING(GEO_DATABASE, geo_database, TEXT, "", 0, 4000, LIVE,
        "File that says in which country a network is: a MaxMind DB, as in "
        "`/var/lib/GeoIP/GeoLite2-City.mmdb`. Read again with each reload. Empty: none.")
SETTING(ALERT_WINDOW, alert_window, TIME, "1 h", 1000, 86400000, LIVE,
        "Time in which folders, messages and what is read are counted for warnings.")
SETTING(ALERT_PAUSE, alert_pause, TIME, "1 h", 0, 86400000, LIVE,
        "Time between two warnings of one kind about one account; others are only listed.")
SETTING(ALERT_WEBHOOK, alert_webhook, TEXT, "", 0, 500, START,
        "Where alerts are also sent for the administrator, as JSON by HTTPS, like "
        "`https://hooks.example.org/mail`. Empty: nowhere.")
SETTING(ALERT_WEBHOOK_KEY_FILE, alert_webhook_key_file, TEXT, "", 0, 4000, START,
        "File with the key (one line, at least 16 characters) that alerts to the webhook are "
        "signed with. It must be there when alert_webhook is.")
SETTING(ALERT_WEBHOOK_CA_FILE, alert_webhook_ca_file, TEXT, "", 0, 4000, START,
        "File with certificates (PEM) that the webhook's is checked against. Empty: those of the "
        "system.")
SETTING(ALERT_PER_DAY, alert_per_day, COUNT, "5", 1, 1000, LIVE,
        "Warnings of one kind about one account in 24 hours; others are only listed.")
