// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>

#include "base/banned.h"

static const char *const names[ERR__COUNT] = {
    [ERR_OK] = "ok",
    [ERR_NOT_FOUND] = "not found",
    [ERR_EXISTS] = "exists already",
    [ERR_CONFLICT] = "conflicting change",
    [ERR_AGAIN] = "nothing yet",
    [ERR_EOF] = "end of input",
    [ERR_INVALID] = "invalid",
    [ERR_LIMIT] = "limit reached",
    [ERR_QUOTA] = "over quota",
    [ERR_DENIED] = "not allowed",
    [ERR_NOMEM] = "out of memory",
    [ERR_IO] = "input/output error",
    [ERR_NOSPACE] = "no space left",
    [ERR_CORRUPT] = "damaged data",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_TIMEOUT] = "timed out",
    [ERR_UNSUPPORTED] = "not supported",
};

const char *err_name(enum err e)
{
    return (unsigned)e < ERR__COUNT ? names[e] : "unknown error";
}

enum err err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return ERR_OK;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EAGAIN:
    case EINTR:
        return ERR_AGAIN;
    case EPIPE:
    case ECONNRESET:
        return ERR_EOF;
    case EINVAL:
    case ENAMETOOLONG:
        return ERR_INVALID;
    case EMFILE:
    case ENFILE:
    case EFBIG:
        return ERR_LIMIT;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EROFS:
        return ERR_UNAVAILABLE;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return ERR_NOSPACE;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}
