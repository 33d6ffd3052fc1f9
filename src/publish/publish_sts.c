// SPDX-License-Identifier: Apache-2.0
#include "publish/publish.h"

#include "base/banned.h"

static bool is_listed(const struct settings *s, enum setting_id id, struct span domain)
{
    for (size_t i = 0; i < conf_value_list_size(s, id); i++) {
        if (span_eq_nocase(conf_value_list_item(s, id, i), domain)) {
            return true;
        }
    }
    return false;
}

static struct span mode_of(const struct settings *s, struct span domain)
{
    return is_listed(s, SETTING_MTA_STS_NONE, domain) ? SPAN("none")
           : is_listed(s, SETTING_MTA_STS_TESTING, domain)
               ? SPAN("testing")
               : conf_value_choice_text(s, SETTING_MTA_STS_MODE);
}

void publish_sts_policy(struct buf *out, const struct settings *s, struct span server,
                        struct span domain)
{
    struct span mode = mode_of(s, domain);
    size_t n = conf_value_list_size(s, SETTING_MTA_STS_MX);

    buf_printf(out, "version: STSv1\r\nmode: %.*s\r\n", SPAN_ARG(mode));
    for (size_t i = 0; i < n; i++) {
        struct span mx = conf_value_list_item(s, SETTING_MTA_STS_MX, i);

        buf_printf(out, "mx: %.*s\r\n", SPAN_ARG(mx));
    }
    if (n == 0) {
        buf_printf(out, "mx: %.*s\r\n", SPAN_ARG(server));
    }
    buf_printf(out, "max_age: %lld\r\n",
               (long long)(conf_value_ms(s, SETTING_MTA_STS_MAX_AGE) / 1000));
}
