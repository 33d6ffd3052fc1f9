// SPDX-License-Identifier: Apache-2.0
//
// A command's conversation with whoever carries it out: the running server, through its control
// socket, or, when none runs, a child of ours that opens the store itself (cli_offline.h). Commands
// see no difference. One thread; blocks.
#ifndef CLI_CLI_LINK_H
#define CLI_CLI_LINK_H

#include "base/span.h"
#include "cli/cli.h"

struct cli_link;
struct control_client;

// Connects to the server's control socket. While somebody has the data directory's lock and there
// is no socket, a server is starting, stopping, or starting keep anew, or another command works
// without one: waits for that, up to 10 s. ERR_UNAVAILABLE: nobody listens; other errors as of
// control_connect. Nothing was explained to the person.
enum err cli_connect(struct cli *c, struct control_client **out);

// Begins the operation (see admin/admin.h); takes the reference to `args`, which may be NULL. An
// exit code; anything but CLI_OK was explained to the person.
int cli_link_open(struct cli *c, const char *operation, json_t *args, struct cli_link **out);
void cli_link_close(struct cli_link *l); // NULL is allowed
// No server runs: a child of ours does the work.
bool cli_link_is_offline(const struct cli_link *l);

enum cli_link_kind {
    CLI_LINK_ITEM,   // json
    CLI_LINK_DATA,   // data
    CLI_LINK_RESULT, // json: the end
    CLI_LINK_FAILED, // code: the end; it was explained
};
struct cli_link_event {
    enum cli_link_kind kind;
    json_t *json; // the link's, until the next call
    struct span data;
    int code;
};
// Waits for what comes next; shows progress meanwhile.
void cli_link_next(struct cli_link *l, struct cli_link_event *out);

// To the other side; collected and sent when cli_link_next waits, or when it is much. A failure
// shows in cli_link_next.
void cli_link_send_item(struct cli_link *l, json_t *item); // takes the reference
void cli_link_send_data(struct cli_link *l, struct span bytes);
void cli_link_send_end(struct cli_link *l); // nothing more will be sent

// A whole operation that is sent nothing: `on_item` sees each item (NULL: there are none),
// `*out_result` (NULL: not wanted) is a new reference.
typedef void cli_item_fn(void *arg, const json_t *item);
int cli_link_run(struct cli *c, const char *operation, json_t *args, cli_item_fn *on_item,
                 void *arg, json_t **out_result);

// The same, for a command that ends with a sentence: with --json its result is printed, with
// --quiet nothing is. `*out` (a new reference) is what the sentence is made of; NULL: there is to
// be none.
int cli_link_ask(struct cli *c, const char *operation, json_t *args, json_t **out);

// What stands behind --since (NULL: nothing does), as the argument "since_ms". CLI_USAGE: it is no
// moment, which was said.
int cli_since_put(struct cli *c, const char *since, json_t *args);

#endif
