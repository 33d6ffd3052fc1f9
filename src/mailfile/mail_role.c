// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mail_role.h"

#include "base/banned.h"

static const struct {
    const char *role, *name;
} names[] = {
    {"Sent", "Sent"},
    {"Sent", "Sent Items"},
    {"Sent", "Sent Mail"},
    {"Sent", "Sent Messages"},
    {"Sent", "Sent-Mail"},
    {"Sent", "sent_mail"},
    {"Sent", "Gesendet"},
    {"Sent", "Gesendete Elemente"},
    {"Sent", "Gesendete Objekte"},
    {"Sent", "Envoyés"},
    {"Sent", "Messages envoyés"},
    {"Sent", "Éléments envoyés"},
    {"Sent", "Enviados"},
    {"Sent", "Elementos enviados"},
    {"Sent", "Posta inviata"},
    {"Drafts", "Drafts"},
    {"Drafts", "Draft"},
    {"Drafts", "Entwürfe"},
    {"Drafts", "Brouillons"},
    {"Drafts", "Borradores"},
    {"Drafts", "Bozze"},
    {"Trash", "Trash"},
    {"Trash", "Bin"},
    {"Trash", "Deleted"},
    {"Trash", "Deleted Items"},
    {"Trash", "Deleted Messages"},
    {"Trash", "Papierkorb"},
    {"Trash", "Gelöschte Elemente"},
    {"Trash", "Gelöschte Objekte"},
    {"Trash", "Corbeille"},
    {"Trash", "Éléments supprimés"},
    {"Trash", "Papelera"},
    {"Trash", "Elementos eliminados"},
    {"Trash", "Cestino"},
    {"Junk", "Junk"},
    {"Junk", "Spam"},
    {"Junk", "Junk Mail"},
    {"Junk", "Junk E-mail"},
    {"Junk", "Junk Email"},
    {"Junk", "Bulk Mail"},
    {"Junk", "Bulk"},
    {"Junk", "Spamverdacht"},
    {"Junk", "Courrier indésirable"},
    {"Junk", "Correo no deseado"},
    {"Junk", "Posta indesiderata"},
    {"Archive", "Archive"},
    {"Archive", "Archives"},
    {"Archive", "Archiv"},
    {"Archive", "All Mail"},
};

struct span mail_role_of_name(struct span mailbox)
{
    static const struct span provider[] = {{"[Gmail]/", 8}, {"[Google Mail]/", 14}, {"INBOX/", 6}};

    for (size_t i = 0; i < sizeof(provider) / sizeof(provider[0]); i++) {
        if (span_starts_nocase(mailbox, provider[i])) {
            mailbox = span_skip(mailbox, provider[i].n);
            break;
        }
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(mailbox, span_from_str(names[i].name))) {
            return span_from_str(names[i].role);
        }
    }
    return (struct span){"", 0};
}
