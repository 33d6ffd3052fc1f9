// SPDX-License-Identifier: Apache-2.0
//
// What a process can no longer do once it has started: no_new_privs, no core, not dumpable, no
// capabilities, Landlock for files and TCP, a seccomp allow list. Entered before the first thread
// and the first byte from outside; there is no way back. Without Landlock in the kernel the rest
// still holds, and one line says so.
//
//  gate   talks over the descriptors it was given and accepts on the listening sockets; opens no
//         file, makes no socket but pairs of Unix ones, connects nowhere, runs no program
//  keep   reads and writes below its data directory, accepts on its control socket; makes no
//         socket but pairs of Unix ones, connects nowhere, runs no program. The C library's
//         character set tables stay readable.
//  courier  connects to other hosts over TCP and UDP; listens nowhere (and binds no TCP port, where
//         the kernel's Landlock can say so), writes no file, runs no program, and reads what lies
//         where certificates and the addresses of DNS servers are kept, nothing else. It makes no
//         socket of the Unix kind but pairs: filters that listen on one the supervisor connects to
//         (supervisor/supervisor_socket.c), by the paths of the settings.
#ifndef IPC_SANDBOX_H
#define IPC_SANDBOX_H

#include "base/err.h"

enum sandbox_kind { SANDBOX_GATE, SANDBOX_KEEP, SANDBOX_COURIER };

// `data_dir`: keep only. Logs what could not be done. ERR_UNSUPPORTED only when the kernel has no
// seccomp at all; ERR_IO when a step failed that should not.
enum err sandbox_enter(enum sandbox_kind kind, const char *data_dir);

#endif
