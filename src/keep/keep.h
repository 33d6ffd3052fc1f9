// SPDX-License-Identifier: Apache-2.0
//
// keep: the process where mail is kept. The store, the check of passwords, and the sessions of
// people who have logged in live here; it has no network.
#ifndef KEEP_KEEP_H
#define KEEP_KEEP_H

// The process's main function, called by the program's hidden entry; `supervisor_fd` is its end of
// the conversation with the supervisor. Returns the exit status.
int keep_main(int supervisor_fd);

#endif
