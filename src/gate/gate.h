// SPDX-License-Identifier: Apache-2.0
//
// gate: the process in front. It accepts connections, speaks TLS, and every byte a client says
// before we know who it is is parsed here, where there is nothing to steal. When a password was
// right the connection goes to keep.
#ifndef GATE_GATE_H
#define GATE_GATE_H

// The process's main function, called by the program's hidden entry; `supervisor_fd` is its end of
// the conversation with the supervisor. Returns the exit status.
int gate_main(int supervisor_fd);

#endif
