// SPDX-License-Identifier: Apache-2.0
//
// courier: the way out. It asks the DNS, for itself and for the others, connects to other hosts and
// gives them the mail that keep hands it. It opens no store and accepts no connection.
#ifndef COURIER_COURIER_H
#define COURIER_COURIER_H

// The process's main function, called by the program's hidden entry; `supervisor_fd` is its end of
// the conversation with the supervisor. Returns the exit status.
int courier_main(int supervisor_fd);

#endif
