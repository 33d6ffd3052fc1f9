// SPDX-License-Identifier: Apache-2.0
//
// Names in a Maildir and what they say: flags in file names, mailboxes in folder names (Maildir++),
// the small files beside them. Pure; any thread.
#ifndef MAILFILE_MAILDIR_NAME_H
#define MAILFILE_MAILDIR_NAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "mailfile/mailfile.h"

#define MAILDIR_LETTERS 26 // keywords a folder can name: the letters a to z

// Flags of a file name: the letters behind ":2," (also ";2," and "!2,", as file systems that bear
// no colon have them). `letters` gets a bit for each keyword letter.
uint16_t maildir_name_flags(struct span name, uint32_t *out_letters, bool *out_forwarded);

// Appends the letters for flags and keyword letters in the order Maildir wants, without ":2,".
void maildir_name_put_flags(struct buf *out, uint16_t flags, uint32_t letters, bool forwarded);

// The mailbox a Maildir++ folder is for: ".Work.New ideas" is Work/New ideas. Modified UTF-7 is
// decoded where it is valid, otherwise left as it is; "\2e" is a dot within a name; what a mailbox
// name cannot have becomes '_'. `name` starts with the dot. ERR_INVALID: an empty level, or nothing
// left. ERR_LIMIT at the buffer's cap.
enum err maildir_folder_to_mailbox(struct span name, struct buf *out);
// The folder for a mailbox (UTF-8, levels separated by '/'), with its dot. ERR_INVALID, ERR_LIMIT.
enum err maildir_folder_from_mailbox(struct span mailbox, struct buf *out);

// One level of a folder name on disk, made fit for a mailbox name and appended.
void mail_level_put(struct span level, struct buf *out);

// dovecot-keywords: lines "0 $Forwarded". Spans point into the text.
void maildir_keywords_parse(struct span text, struct span out[MAILDIR_LETTERS]);

// subscriptions (Dovecot, both versions) and courierimapsubscribed: calls back with each mailbox's
// name, '/' between levels, in UTF-8. False from the callback stops.
typedef bool maildir_subscription_fn(void *arg, struct span mailbox);
void maildir_subscriptions_parse(struct span text, maildir_subscription_fn *fn, void *arg);

#endif
