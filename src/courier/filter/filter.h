// SPDX-License-Identifier: Apache-2.0
//
// What filters are told about a message, and what they say. Pure; any thread.
#ifndef COURIER_FILTER_FILTER_H
#define COURIER_FILTER_FILTER_H

#include <stdatomic.h>

#include "ipc/message.h"
#include "net/address.h"

#define FILTERS_MAX            8
#define FILTER_URL_BYTES_MAX   300
#define FILTER_RCPTS_MAX       1000
#define FILTER_LINES_BYTES_MAX 16384
#define FILTER_WORDS_BYTES_MAX 512

enum filter_kind { FILTER_MILTER, FILTER_RSPAMD };

// One of the list `filters`.
struct filter {
    enum filter_kind kind;
    uint8_t place;                        // in the list
    bool is_unix;                         // MILTER: the supervisor connects
    struct address address;               // MILTER, else
    char url[FILTER_URL_BYTES_MAX + 1];   // RSPAMD, without a slash at its end
    char name[FILTER_URL_BYTES_MAX + 32]; // as the setting has it, for words
};

// ERR_INVALID: not "milter ADDRESS:PORT", "milter unix:/PATH" or "rspamd http://ADDRESS:PORT".
enum err filter_parse(struct span text, struct filter *out);

struct filter_message {
    struct span server_name, remote, helo, sender;
    uint16_t remote_port;
    struct span recipients[FILTER_RCPTS_MAX];
    size_t recipient_count;
    struct span bytes; // all of it, CRLF line ends
};

// Until when, and who connects to Unix sockets, as child_ask_connection does.
struct filter_limits {
    int64_t until_ms; // monotonic
    const atomic_bool *is_stopping;
    enum err (*ask_connection)(void *arg, uint8_t place, int fd);
    void *arg;
};

struct filter_result {
    enum ipc_filter_action action;
    unsigned code; // REJECT, TEMPORARY
    char enhanced[16], text[400];
    struct buf lines;   // header fields, CRLF at each end
    struct buf subject; // one line
    bool has_subject;
    struct buf words;
};

void filter_result_init(struct filter_result *r);
void filter_result_finish(struct filter_result *r);

// The gravest action stays. For REJECT and TEMPORARY `reply` is "550 5.7.1 text", its codes may be
// missing; only its first line counts, cleaned.
void filter_result_set(struct filter_result *r, enum ipc_filter_action action, struct span reply);
// Adds a header field. A name that is none, or a value that would end the field, is left out;
// line breaks in a value become folds.
void filter_result_add(struct filter_result *r, struct span name, struct span value);
// UTF-8 or encoded words, one line.
void filter_result_subject(struct filter_result *r, struct span text);
// "NAME: words", cleaned.
void filter_result_say(struct filter_result *r, const struct filter *f, struct span words);

#endif
