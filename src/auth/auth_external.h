// SPDX-License-Identifier: Apache-2.0
//
// Signing in by EXTERNAL (RFC 4422 appendix A): the client's TLS certificate, which the gate has
// found good, says who it is. A certificate that belongs to a device is that device, with all that
// it may and may not; any other with the account's address in it is as good as the account's own
// password, so with a second factor on it opens no mail.
#ifndef AUTH_AUTH_EXTERNAL_H
#define AUTH_AUTH_EXTERNAL_H

#include "auth/auth.h"

// `claim` has no password; its name is an address of the certificate. `digest`: SHA-256 of the
// certificate. Errors and `out` as auth_password; any thread; may block on the disk.
enum err auth_external(struct auth *a, const struct auth_claim *claim, struct span digest,
                       struct auth_grant *out);

#endif
