// SPDX-License-Identifier: Apache-2.0
#include "publish/publish.h"

#include "base/banned.h"

// The port of "127.0.0.1:993", "[::1]:993" or "*:993"; the settings were checked when read.
static uint16_t port_of(struct span text)
{
    uint64_t port = 0;

    for (size_t i = text.n; i > 0; i--) {
        if (text.p[i - 1] == ':') {
            text = span_skip(text, i);
            break;
        }
    }
    return span_to_u64(text, UINT16_MAX, &port) ? (uint16_t)port : 0;
}

size_t publish_services(const struct settings *s, struct publish_service out[PUBLISH_SERVICES_MAX])
{
    static const struct {
        enum setting_id id;
        enum publish_kind kind;
        bool has_implicit_tls;
    } rows[PUBLISH_SERVICES_MAX] = {
        {SETTING_LISTEN_IMAPS, PUBLISH_IMAP, true},
        {SETTING_LISTEN_IMAP, PUBLISH_IMAP, false},
        {SETTING_LISTEN_POP3S, PUBLISH_POP3, true},
        {SETTING_LISTEN_POP3, PUBLISH_POP3, false},
        {SETTING_LISTEN_SUBMISSIONS, PUBLISH_SMTP, true},
        {SETTING_LISTEN_SUBMISSION, PUBLISH_SMTP, false},
    };
    size_t n = 0;

    for (size_t i = 0; i < PUBLISH_SERVICES_MAX; i++) {
        if (conf_value_list_size(s, rows[i].id) > 0) {
            out[n++] = (struct publish_service){
                .kind = rows[i].kind,
                .port = port_of(conf_value_list_item(s, rows[i].id, 0)),
                .has_implicit_tls = rows[i].has_implicit_tls,
            };
        }
    }
    return n;
}
