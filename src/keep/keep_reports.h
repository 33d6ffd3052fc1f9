// SPDX-License-Identifier: Apache-2.0
//
// Reads the reports about our domains that others send, on a thread of its own, and forgets old
// ones.
#ifndef KEEP_KEEP_REPORTS_H
#define KEEP_KEEP_REPORTS_H

#include "report/report.h"

struct keep_reports;

// `r` stays the caller's and must outlive it; it wakes this thread from now on. `keep_ms`: how long
// reports are kept.
enum err keep_reports_start(struct reports *r, int64_t keep_ms, struct keep_reports **out);
// Another time, looked at at once. Any thread.
void keep_reports_set(struct keep_reports *k, int64_t keep_ms);
// Ends the thread after the letter it is at. NULL is allowed.
void keep_reports_stop(struct keep_reports *k);

#endif
