// SPDX-License-Identifier: Apache-2.0
//
// What the files of report/ share. Only report/ includes this.
#ifndef REPORT_REPORT_INTERNAL_H
#define REPORT_REPORT_INTERNAL_H

#include "report/report_schema_internal.h"

struct reports {
    struct engine *engine;
    struct trail *trail;
    void (*wake)(void *arg);
    void *wake_arg;
    int64_t day; // who reads: that is counted, and how many were kept
    uint32_t kept;
};

#endif
