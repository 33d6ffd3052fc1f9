// SPDX-License-Identifier: Apache-2.0
//
// A sign-in by SASL inside a dialogue, the same in every protocol: the command that names the
// mechanism, then lines in base64 until keep can be asked. How a challenge and a failure are
// written is the protocol's. As gate/dialogue/dialogue.h.
#ifndef GATE_DIALOGUE_DIALOGUE_SASL_H
#define GATE_DIALOGUE_DIALOGUE_SASL_H

#include "gate/dialogue/dialogue.h"
#include "wire/sasl/sasl.h"

// How a protocol says it.
struct dialogue_sasl_style {
    const char *before, *after; // of a challenge in base64: "+ " and CR LF
    const char *cancelled;      // "AUTH was cancelled"
    bool has_equals;            // "=" is an empty initial response (RFC 4959)
    // The exchange is over without a question to keep. The client broke a rule, or gave up.
    void (*failed)(struct dialogue *d, const char *why);
    // Keep's no is told, in the end (dialogue_sasl_refused).
    void (*refused)(struct dialogue *d, enum dialogue_refusal why, struct span text);
};

struct dialogue_sasl {
    const struct dialogue_sasl_style *style;
    struct sasl_dialogue sasl;
    struct arena arena;  // of one exchange
    bool is_open;        // the next line is a response
    bool is_refused;     // and the last one: the client answers what was said about its token
    struct span refusal; // what is said then
    // And it is SCRAM's second one, or the empty one that says that our proof was heard.
    bool is_second, is_heard;
};

void dialogue_sasl_init(struct dialogue_sasl *s, const struct dialogue_sasl_style *style);
void dialogue_sasl_finish(struct dialogue_sasl *s);

// Which mechanism is it? ERR_UNSUPPORTED: none that is offered here.
enum err dialogue_sasl_find(const struct dialogue *d, struct span name, enum sasl_mechanism *out);
// Appends each mechanism that is offered, with `before` in front: " AUTH=PLAIN".
void dialogue_sasl_put_names(const struct dialogue *d, const char *before, struct buf *out);

// Starts an exchange; `initial` is what came with the command, base64, or NULL. Passwords may be
// said (dialogue_is_private).
void dialogue_sasl_begin(struct dialogue *d, struct dialogue_sasl *s, enum sasl_mechanism mechanism,
                         const struct span *initial);
// A response in base64, or "*".
void dialogue_sasl_line(struct dialogue *d, struct dialogue_sasl *s, struct span line);
// Keep has said no. True: it was to a token, and the client has been told why in the mechanism's
// own way (RFC 7628 section 3.2.3); when it has answered, style->refused is called. For a
// protocol's own `refused`, which goes on when it is false.
bool dialogue_sasl_refused(struct dialogue *d, struct dialogue_sasl *s, enum dialogue_refusal why,
                           struct span text);
// Keep's words to the client, and the next response is for them (dialogue_challenged).
void dialogue_sasl_challenged(struct dialogue *d, struct dialogue_sasl *s, struct span bytes,
                              bool is_last);
// The exchange ends: what came was no response at all.
void dialogue_sasl_fail(struct dialogue *d, struct dialogue_sasl *s, const char *why);

#endif
