// SPDX-License-Identifier: Apache-2.0
//
// /metrics: what the gate has counted, and what keep says of itself (docs/metrics.md). Only for
// this machine, and only under a name that is this machine's: a page in a browser here could
// otherwise give its own name our address, and read them.
#include "base/metrics.h"
#include "gate/count/gate_count.h"
#include "gate/http/http_resource.h"

#include "base/banned.h"

static bool is_address(struct span host)
{
    for (size_t i = 0; i < host.n; i++) {
        if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.') {
            return host.p[0] == '[';
        }
    }
    return host.n > 0;
}

bool http_host_is_ours(const struct http_call *call)
{
    return is_address(call->host) || span_eq_nocase(call->host, SPAN("localhost")) ||
           span_eq_nocase(call->host, call->server);
}

unsigned http_metrics_begin(struct http_call *call)
{
    if (!call->is_loopback) {
        return 403;
    }
    return http_host_is_ours(call) ? 0 : 421;
}

void http_metrics_answer(const struct http_call *call, struct buf *body)
{
    metrics_put_head(body, "mailkeep_build_info", "gauge", "Always 1; the version of the server.");
    metrics_put_sample(body, "mailkeep_build_info", "version", MAILKEEP_VERSION, 1);
    metrics_put_one(body, "mailkeep_keep_up", METRICS_GAUGE,
                    "1 when keep has answered; 0: its figures are missing here.",
                    !call->keep_failed);
    gate_count_put(body);
    buf_put(body, call->told);
}
