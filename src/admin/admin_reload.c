// SPDX-License-Identifier: Apache-2.0
//
// reload: the supervisor reads settings and certificate again, and says how it went.
#include "admin/admin_internal.h"

#include "base/banned.h"

enum err admin_reload(struct admin_call *c)
{
    json_t *report = NULL;
    int64_t timeout_ms = conf_value_ms(c->admin->settings, SETTING_RELOAD_TIMEOUT);

    if (!c->admin->reload) {
        return admin_fail(c, ERR_UNAVAILABLE,
                          "No server runs here that could read its settings again.");
    }
    enum err e = c->admin->reload(c->admin->arg, c->io, timeout_ms, &report);

    if (e == ERR_TIMEOUT) {
        return admin_fail(c, ERR_UNAVAILABLE,
                          "The supervisor has not said in time how the reload went: it or keep is "
                          "busy. The server's log says what became of it.");
    }
    if (e == ERR_UNAVAILABLE) {
        return admin_fail(c, ERR_UNAVAILABLE, "The server is stopping.");
    }
    c->outcome->result = report;
    return e;
}
