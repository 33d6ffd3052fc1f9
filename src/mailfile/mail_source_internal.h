// SPDX-License-Identifier: Apache-2.0
//
// What the files of mail_source share: the folders found, and how one is read.
#ifndef MAILFILE_MAIL_SOURCE_INTERNAL_H
#define MAILFILE_MAIL_SOURCE_INTERNAL_H

#include <sys/stat.h>

#include "base/arena.h"
#include "mailfile/mail_source.h"
#include "mailfile/maildir_name.h"
#include "mailfile/mbox_reader.h"

#define MBOX_BYTES_A_MESSAGE 8192 // a guess, for progress only

enum folder_kind { FOLDER_MBOX, FOLDER_MAILDIR, FOLDER_EML };

struct source_folder {
    enum folder_kind kind;
    bool is_root_file; // the source is this file
};

// Names of a folder's files, sorted.
struct file_name {
    const char *name; // in the arena
    bool is_new;      // in new/, not in cur/
};
struct file_list {
    struct arena arena;
    struct file_name *items;
    size_t count, cap;
};

struct mail_source {
    struct mail_source_options options;
    int root; // the folder, or the file itself
    bool is_file;
    struct arena arena;            // folder names and paths
    struct mail_folder *folders;   // what callers see
    struct source_folder *details; // one for each
    size_t count, cap;
    struct span *subscriptions;
    size_t subscription_count, subscription_cap;
    bool has_subscriptions;

    // The folder being read.
    size_t current;
    int dir, dir_new; // its files; of a Maildir cur and new
    int file;         // an mbox
    struct mbox_reader *mbox;
    struct file_list files;
    size_t file_at;
    struct buf keywords_text;
    struct span keywords[MAILDIR_LETTERS];
    struct buf item_path;
};

void mail_source_skip(struct mail_source *s, enum mail_skip why, struct span path);

// mail_walk.c: finds the folders. ERR_LIMIT, ERR_NOMEM, ERR_IO.
enum err mail_walk(struct mail_source *s, const char *path);

// mail_files.c: opens below the root, one level at a time, following nothing.
enum err mail_open_beneath(int root, struct span path, int *out_fd);
// Opens a plain file; `*out_why` says why not.
enum err mail_open_file(int dir, const char *name, int *out_fd, struct stat *out_stat,
                        enum mail_skip *out_why);
void file_list_init(struct file_list *l);
void file_list_finish(struct file_list *l);
// Adds the names in a folder but those that start with a dot (unless `dots`). ERR_LIMIT, ERR_IO.
enum err file_list_read(struct file_list *l, int dir, bool is_new, bool dots);
void file_list_sort(struct file_list *l);
// How many files there are. 0 when it cannot be read.
uint64_t file_count(int dir, const char *name);

// mail_folder.c: reads one folder.
enum err mail_folder_open(struct mail_source *s, size_t folder);
void mail_folder_close(struct mail_source *s);
enum err mail_folder_next(struct mail_source *s, struct spool *into, struct mail_item *out);

static inline bool name_is_eml(struct span name)
{
    return name.n > 4 && span_eq_nocase(span_skip(name, name.n - 4), SPAN(".eml"));
}

#endif
