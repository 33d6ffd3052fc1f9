// SPDX-License-Identifier: Apache-2.0
//
// What is in a text that goes by in pieces: its lines, the longest of them, and what does not
// belong into Internet text (RFC 5321 section 2.3.8): a CR or LF alone, a NUL. Where the pieces are
// cut makes no difference. Linear, no allocation. Pure; any thread, one scan on one at a time.
#ifndef WIRE_TEXT_SCAN_H
#define WIRE_TEXT_SCAN_H

#include "base/span.h"

enum text_fault {
    TEXT_BARE_CR = 1u << 0,
    TEXT_BARE_LF = 1u << 1,
    TEXT_NUL = 1u << 2,
};

struct text_scan {
    uint64_t bytes, lines; // lines that have ended with CR LF
    uint64_t longest;      // bytes of the longest line, its CR LF not counted
    uint32_t faults;       // enum text_fault, or'ed
    bool eight_bit;        // a byte above 127 occurred
    // private
    uint64_t line_bytes;
    bool cr;
};

// Starts as a struct of zeros.
void text_scan_put(struct text_scan *s, struct span piece);
// No more will come: a CR at the very end is a fault, a line without end is measured.
void text_scan_end(struct text_scan *s);

// "a carriage return without line feed", for replies and the log; the gravest of several.
const char *text_fault_name(uint32_t faults);

#endif
