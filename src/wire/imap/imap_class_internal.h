// SPDX-License-Identifier: Apache-2.0
//
// The character classes of RFC 9051 section 9, for the parser and the writer.
#ifndef WIRE_IMAP_IMAP_CLASS_INTERNAL_H
#define WIRE_IMAP_IMAP_CLASS_INTERNAL_H

#include <stdbool.h>

// ATOM-CHAR: 7-bit, no control, none of ( ) { SP % * " \ ]
static inline bool imap_is_atom_char(char c)
{
    switch (c) {
    case '(':
    case ')':
    case '{':
    case '%':
    case '*':
    case '"':
    case '\\':
    case ']':
        return false;
    default:
        return c > 0x20 && c < 0x7f;
    }
}

// ASTRING-CHAR: an atom's and "]".
static inline bool imap_is_astring_char(char c)
{
    return imap_is_atom_char(c) || c == ']';
}

// list-char: an astring's, "%" and "*".
static inline bool imap_is_list_char(char c)
{
    return imap_is_astring_char(c) || c == '%' || c == '*';
}

// tag: an astring's without "+".
static inline bool imap_is_tag_char(char c)
{
    return imap_is_astring_char(c) && c != '+';
}

#endif
