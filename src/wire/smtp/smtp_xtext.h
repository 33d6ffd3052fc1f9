// SPDX-License-Identifier: Apache-2.0
//
// How values are wrapped to fit into an ESMTP parameter: xtext (RFC 3461 section 4) and the forms
// of UTF-8 addresses in ORCPT (RFC 6533 section 3). Pure; any thread.
#ifndef WIRE_SMTP_SMTP_XTEXT_H
#define WIRE_SMTP_SMTP_XTEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

// ERR_INVALID: not xtext, or a control character in it (it could end a line further on); ERR_NOMEM.
enum err smtp_xtext_decode(struct span in, struct arena *arena, struct span *out);
void smtp_xtext_put(struct buf *out, struct span text);

// utf-8-addr-xtext and utf-8-addr-unitext, which differ only in whether "\x{E9}" or the bytes
// themselves stand for a character above 127. Errors as above, and for what is not UTF-8.
enum err smtp_utf8_addr_decode(struct span in, struct arena *arena, struct span *out);
// Writes utf-8-addr-xtext (7 bits) or, with `utf8`, utf-8-addr-unitext. `text` is valid UTF-8.
void smtp_utf8_addr_put(struct buf *out, struct span text, bool utf8);

#endif
