// SPDX-License-Identifier: Apache-2.0
//
// Mail to be imported: a file or folder is opened, what is in it is found out (mbox, Maildir,
// Maildir++, folders of .eml files, and trees of these), and its mailboxes and messages are read
// one after the other.
//
// Links are never followed, at any level below the path that was given; only plain files are read;
// nothing is written. Folders are looked at first (names only), messages later, so that there is a
// total to measure progress by. One thread at a time; blocks on the disk.
#ifndef MAILFILE_MAIL_SOURCE_H
#define MAILFILE_MAIL_SOURCE_H

#include "base/err.h"
#include "mailfile/mailfile.h"
#include "mailfile/spool.h"

#define MAIL_SOURCE_DEPTH_MAX   32      // folders in folders
#define MAIL_SOURCE_FOLDERS_MAX 100000  // mailboxes in one source
#define MAIL_SOURCE_FILES_MAX   8000000 // messages in one folder of files

enum mail_format {
    MAIL_FORMAT_AUTO,
    MAIL_FORMAT_MBOX, // mboxrd, and what looks like it
    MAIL_FORMAT_MBOXO,
    MAIL_FORMAT_MBOXCL2,
    MAIL_FORMAT_MAILDIR,
    MAIL_FORMAT_EML,
};

enum mail_skip {
    MAIL_SKIP_LINK,       // a symbolic link
    MAIL_SKIP_NOT_FILE,   // a device, pipe or socket, or a folder where a file belongs
    MAIL_SKIP_NOT_MAIL,   // a file of another kind
    MAIL_SKIP_UNREADABLE, // no permission, or the disk failed
    MAIL_SKIP_GONE,       // was there a moment ago
    MAIL_SKIP_EMPTY,
    MAIL_SKIP_TOO_LARGE,
    MAIL_SKIP_DELETED,  // deleted in its mail program, only not removed from the file yet
    MAIL_SKIP_INTERNAL, // a mail program's own notes in an mbox
    MAIL_SKIP_TOO_DEEP,
    MAIL_SKIP_BAD_NAME, // no mailbox name can be made of the folder's
    MAIL_SKIP__COUNT
};
// For people: "symbolic links (never followed)".
const char *mail_skip_text(enum mail_skip why);

struct mail_source_options {
    enum mail_format format;
    // Told of everything that is left out; `path` is relative to the source.
    void (*skipped)(void *arg, enum mail_skip why, struct span path);
    void *arg;
};

struct mail_folder {
    struct span mailbox; // UTF-8, levels separated by '/'; the front one is INBOX
    struct span path;    // relative to the source, for messages to people
    uint64_t weight;     // about how many messages
    bool is_subscribed;
};

struct mail_source;

// `*out_reason` (static text) says what is wrong. ERR_NOT_FOUND, ERR_DENIED, ERR_INVALID (no mail
// there, or not of the wanted format), ERR_LIMIT.
enum err mail_source_open(const char *path, const struct mail_source_options *o,
                          struct mail_source **out, const char **out_reason);
void mail_source_close(struct mail_source *s); // NULL is allowed

// In the order they are to be read; they live as long as the source.
size_t mail_source_folders(const struct mail_source *s, const struct mail_folder **out);
const char *mail_source_kind(const struct mail_source *s); // "Maildir", "mbox", ...

// Begins reading a folder; the one before is ended. A folder that cannot be opened is reported as
// skipped and gives ERR_NOT_FOUND.
enum err mail_source_begin(struct mail_source *s, size_t folder);

struct mail_item {
    struct mail_meta meta; // spans live until the next call
    struct span path;      // of the file; in an mbox with `offset`
    uint64_t offset;
    uint64_t done; // weight of the folder behind us
};
// Reads the next message of the folder into the spool (cleared first). ERR_NOT_FOUND: the end.
// Other errors end the folder. Messages that cannot be read are reported as skipped and passed
// over; one that is too large for the spool, too.
enum err mail_source_next(struct mail_source *s, struct spool *into, struct mail_item *out);

#endif
