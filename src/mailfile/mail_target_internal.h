// SPDX-License-Identifier: Apache-2.0
//
// What the two formats of mail_target share.
#ifndef MAILFILE_MAIL_TARGET_INTERNAL_H
#define MAILFILE_MAIL_TARGET_INTERNAL_H

#include "mailfile/mail_target.h"
#include "mailfile/maildir_name.h"

// A file being written, through a buffer.
struct out_file {
    int fd;
    uint64_t at;
    struct buf buf;
    enum err result;
};
void out_file_init(struct out_file *f);
enum err out_file_create(struct out_file *f, int dir, const char *name); // never an existing one
struct mail_sink out_file_sink(struct out_file *f);
enum err out_file_flush(struct out_file *f);
void out_file_close(struct out_file *f);

struct mail_target {
    struct mail_target_options options;
    int root; // the folder; -1 for a single mbox
    struct out_file file;
    uint64_t keywords_dropped, messages;
    struct buf subscriptions;
    bool any_unsubscribed;

    // The Maildir folder being written.
    int folder;
    struct buf letters; // the names given to letters, one a line
    struct span letter_names[MAILDIR_LETTERS];
    char letter_bytes[MAILDIR_LETTERS][MAIL_KEYWORD_BYTES_MAX];
    unsigned letter_count;
};

enum err target_maildir_mailbox(struct mail_target *t, struct span name);
enum err target_maildir_message(struct mail_target *t, struct spool *bytes, bool keep_crlf,
                                const struct mail_meta *meta);
enum err target_maildir_end(struct mail_target *t); // of the folder
enum err target_mbox_mailbox(struct mail_target *t, struct span name);
enum err target_mbox_message(struct mail_target *t, struct spool *bytes, bool keep_crlf,
                             const struct mail_meta *meta);

// A name too long for a file is cut, and told from others by a number made of all of it.
void target_name_shorten(struct buf *name, size_t start, struct span whole);

#endif
