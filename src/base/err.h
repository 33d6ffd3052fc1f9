// SPDX-License-Identifier: Apache-2.0
//
// The one list of result codes. Every function that can fail returns an `enum err`; zero is
// success, and outputs (last arguments, named out_) are set only then. Libraries return codes and
// say nothing; whoever talks to a person or a client turns the code into words, once.
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOT_FOUND,   // no such thing; an answer, not a failure
    ERR_EXISTS,      // the name or id is taken
    ERR_CONFLICT,    // the state changed since it was read: read again and retry
    ERR_AGAIN,       // nothing now, more may come (would block, need more input)
    ERR_EOF,         // the other side is done; no more input will come
    ERR_INVALID,     // the input breaks its grammar or a rule
    ERR_LIMIT,       // a configured or built-in limit was reached
    ERR_QUOTA,       // the account's quota would be exceeded
    ERR_DENIED,      // not allowed for this identity
    ERR_NOMEM,       // no memory for this request; only this request fails
    ERR_IO,          // the medium failed; what was not acknowledged may be lost
    ERR_NOSPACE,     // the medium is full; nothing was changed
    ERR_CORRUPT,     // bytes on the medium are not what was written
    ERR_UNAVAILABLE, // the service cannot do this now (read-only, shutting down, busy)
    ERR_TIMEOUT,     // a deadline passed
    ERR_UNSUPPORTED, // known, valid and not done here
    ERR__COUNT
};

// A short English name for logs ("not found"); never NULL, also for values outside the enum.
const char *err_name(enum err e);

// Maps an errno value to the nearest code (ENOSPC and EDQUOT to ERR_NOSPACE, and so on).
enum err err_from_errno(int errnum);

#endif
