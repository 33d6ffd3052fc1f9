// SPDX-License-Identifier: Apache-2.0
//
// COMPRESS=DEFLATE (RFC 4978): what is said and heard goes through the layer of
// keep/login/session_deflate.h from the tagged OK on. What a client sends behind the command before
// it has seen the OK is taken as compressed; it must not (section 3).
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

bool imap_compress_is_offered(const struct imap_session *s)
{
    return s->options.compress && s->io->compress && s->compression == COMPRESSION_NONE;
}

enum imap_step imap_run_compress(struct imap_session *s)
{
    if (s->compression != COMPRESSION_NONE) {
        return imap_answer_no(s, "COMPRESSIONACTIVE", "DEFLATE is active already");
    }
    if (!imap_compress_is_offered(s)) {
        return imap_answer_bad(s, "Compression is not offered here");
    }
    if (imap_input_release(s)) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->compression = COMPRESSION_BEGINS;
    return imap_answer_ok(s, "DEFLATE is active from here on");
}
