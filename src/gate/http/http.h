// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 (RFC 9112) as a row for gate/dialogue: reads requests, answers those for which the gate
// has a resource (http_resource.h), and keeps the connection for the next. What it is told of a
// domain it asks keep. docs/protocol/http.md says what is served.
#ifndef GATE_HTTP_HTTP_H
#define GATE_HTTP_HTTP_H

#include "gate/dialogue/dialogue.h"

extern const struct dialogue_protocol http_protocol;
extern const struct dialogue_protocol http_admin_protocol; // listen_admin

#endif
