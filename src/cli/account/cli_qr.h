// SPDX-License-Identifier: Apache-2.0
//
// A QR code on a terminal, two of its rows in a line of half blocks. One thread.
#ifndef CLI_CLI_QR_H
#define CLI_CLI_QR_H

#include <stdbool.h>

// Prints it on standard output, bright on black when that is a terminal. False: the text is too
// long for one, or there is no memory; nothing was printed.
bool cli_qr_print(const char *text);

#endif
