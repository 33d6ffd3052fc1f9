// SPDX-License-Identifier: Apache-2.0
//
// Passwords that are guessed. The words were put together for this file, by what people are known
// to choose: keys, names, seasons, sports, beasts, what stands on the screen. It is short on
// purpose: rules catch the many spellings of each.
#include <string.h>

#include "auth/app_password.h"
#include "auth/password.h"
#include "base/utf8.h"

#include "base/banned.h"

#define CHARACTERS_MIN 8
#define DIGITS_MIN     12 // of a password that has nothing else

static const char *const words[] = {
    "abc",        "abcabc",    "access",     "account",    "admin",       "administrator",
    "adobe",      "airplane",  "alexander",  "amanda",     "amazon",      "america",
    "andrea",     "andrew",    "angel",      "animal",     "anthony",     "apple",
    "april",      "arsenal",   "asdf",       "ashley",     "august",      "austin",
    "autumn",     "azerty",    "babygirl",   "backup",     "badminton",   "banana",
    "barbara",    "barcelona", "baseball",   "basketball", "batman",      "benjamin",
    "berlin",     "bicycle",   "biteme",     "blessed",    "blink",       "bonjour",
    "brandon",    "brooklyn",  "buster",     "butterfly",  "calendar",    "camera",
    "canada",     "carlos",    "carolina",   "casino",     "champion",    "change",
    "changeit",   "changeme",  "charles",    "charlie",    "charlotte",   "cheese",
    "chelsea",    "cherry",    "chicken",    "chocolate",  "christ",      "christian",
    "christmas",  "clipper",   "cocacola",   "coffee",     "company",     "computer",
    "cookie",     "corona",    "correct",    "cowboy",     "dallas",      "daniel",
    "david",      "december",  "default",    "desktop",    "diamond",     "doctor",
    "dolphin",    "dragon",    "dropbox",    "eagle",      "easter",      "einstein",
    "elephant",   "elizabeth", "email",      "england",    "enter",       "facebook",
    "family",     "father",    "february",   "ferrari",    "fishing",     "flower",
    "football",   "forever",   "france",     "freedom",    "friday",      "friends",
    "fuckyou",    "gandalf",   "garden",     "george",     "germany",     "ginger",
    "gmail",      "golfer",    "google",     "grandma",    "guitar",      "hallo",
    "hannah",     "happy",     "harley",     "heather",    "hello",       "helpdesk",
    "hockey",     "holiday",   "hotmail",    "house",      "hunter",      "iloveu",
    "iloveyou",   "internet",  "iphone",     "jackson",    "january",     "jasmine",
    "jennifer",   "jessica",   "jesus",      "jordan",     "joseph",      "joshua",
    "july",       "june",      "justin",     "ketchup",    "killer",      "kitten",
    "laptop",     "laura",     "lauren",     "letmein",    "letmeinnow",  "linkedin",
    "liverpool",  "london",    "lovely",     "loveme",     "lucky",       "madrid",
    "maggie",     "mailkeep",  "manager",    "march",      "maria",       "marina",
    "martin",     "master",    "matrix",     "matthew",    "mercedes",    "merlin",
    "michael",    "michelle",  "microsoft",  "minecraft",  "monday",      "money",
    "monkey",     "monster",   "morgan",     "mother",     "motorola",    "mountain",
    "mustang",    "naruto",    "natalie",    "network",    "newpassword", "newyork",
    "nicole",     "nintendo",  "nothing",    "november",   "october",     "office",
    "oliver",     "orange",    "outlook",    "paris",      "parola",      "pass",
    "passport",   "passwd",    "password",   "passwort",   "patrick",     "peanut",
    "pepper",     "phoenix",   "photo",      "picture",    "playstation", "pokemon",
    "police",     "porsche",   "postfix",    "postmaster", "princess",    "private",
    "purple",     "qazwsx",    "qwer",       "qwert",      "qwerty",      "qwertz",
    "rachel",     "rainbow",   "ranger",     "realmadrid", "rebecca",     "richard",
    "robert",     "rockyou",   "ronaldo",    "root",       "rosebud",     "russia",
    "samantha",   "samsung",   "saturday",   "school",     "scooter",     "secret",
    "secure",     "security",  "september",  "server",     "service",     "sesame",
    "shadow",     "silver",    "simple",     "skywalker",  "slipknot",    "snoopy",
    "soccer",     "something", "spider",     "spiderman",  "spring",      "starwars",
    "startrek",   "steven",    "student",    "summer",     "sunday",      "sunflower",
    "sunshine",   "superman",  "support",    "system",     "teacher",     "tennis",
    "test",       "testing",   "testtest",   "thomas",     "thunder",     "thursday",
    "tiger",      "tigger",    "tinkerbell", "trustno",    "tuesday",     "twitter",
    "undefined",  "unknown",   "user",       "vacation",   "vanessa",     "victoria",
    "volleyball", "wednesday", "welcome",    "whatever",   "william",     "windows",
    "winter",     "wizard",    "work",       "yamaha",     "yankees",     "yellow",
    "yourname",   "zaq",       "zxcvbn",
};

static const char too_common[] =
    "it is one of the passwords that are tried first, or one of them with digits or signs added";

// ---- looking through disguises ------------------------------------------------------------------

// The letter that a digit or sign is often put for, or the byte itself in lower case.
static char undisguised(char c)
{
    static const char from[] = "0134578@$!|+", to[] = "oieastbasiit";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : byte_lower(c);
}

static bool is_letter(char c)
{
    return byte_is_alpha(c) || (unsigned char)c >= 0x80;
}

// The password without what is not a letter at both ends, in lower case.
static struct span core_of(struct span password)
{
    while (password.n && !is_letter(password.p[0])) {
        password = span_skip(password, 1);
    }
    while (password.n && !is_letter(password.p[password.n - 1])) {
        password.n--;
    }
    return password;
}

// `text` with its disguise taken off, and `word`, are the same.
static bool is_word(struct span text, struct span word, bool undisguise)
{
    if (text.n != word.n || text.n == 0) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = undisguise ? undisguised(text.p[i]) : byte_lower(text.p[i]);

        if (c != byte_lower(word.p[i])) {
            return false;
        }
    }
    return true;
}

// The word itself, or with digits and signs around it, or with signs for letters, or both: the last
// sign of "passw0rd1!" can belong to either, so every end is tried.
static bool is_made_of(struct span password, struct span word)
{
    if (word.n < 3 || is_word(core_of(password), word, true)) {
        return word.n >= 3;
    }
    for (size_t from = 0; from + word.n <= password.n; from++) {
        struct span rest = span_skip(password, from + word.n);

        if (is_word(span_first(span_skip(password, from), word.n), word, true) &&
            core_of(rest).n == 0) {
            return true;
        }
        if (is_letter(password.p[from])) {
            return false;
        }
    }
    return false;
}

static bool is_common(struct span password)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_made_of(password, span_from_str(words[i]))) {
            return true;
        }
    }
    return false;
}

// ---- keys in a row, repetitions -----------------------------------------------------------------

// How many of the first characters follow each other in `row`, forwards or backwards.
static size_t run_in_row(struct span s, struct span row)
{
    size_t best = 0;

    for (size_t at = 0; at < row.n; at++) {
        size_t up = 0, down = 0;

        while (up < s.n && at + up < row.n && byte_lower(s.p[up]) == row.p[at + up]) {
            up++;
        }
        while (down < s.n && down <= at && byte_lower(s.p[down]) == row.p[at - down]) {
            down++;
        }
        best = up > best ? up : best;
        best = down > best ? down : best;
    }
    return best;
}

// All of it is runs of three or more keys that lie, or letters that stand, beside each other.
static bool is_runs(struct span s)
{
    static const char *const rows[] = {
        "1234567890",
        "qwertyuiop",
        "qwertzuiop",
        "azertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "yxcvbnm",
        "0123456789",
        "qazwsxedcrfv",
        "1qaz2wsx3edc4rfv",
        "1q2w3e4r5t6y7u8i9o0p",
        "abcdefghijklmnopqrstuvwxyz",
    };

    while (s.n) {
        size_t best = 0;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            size_t run = run_in_row(s, span_from_str(rows[i]));

            best = run > best ? run : best;
        }
        if (best < 3) {
            return false;
        }
        s = span_skip(s, best);
    }
    return true;
}

// One piece of up to four bytes over and over, its last time perhaps cut.
static bool is_repetition(struct span s)
{
    for (size_t piece = 1; piece <= 4 && piece * 2 <= s.n; piece++) {
        size_t i = piece;

        while (i < s.n && s.p[i] == s.p[i - piece]) {
            i++;
        }
        if (i == s.n) {
            return true;
        }
    }
    return false;
}

static bool is_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_digit(s.p[i])) {
            return false;
        }
    }
    return true;
}

// ---- the answer ---------------------------------------------------------------------------------

// Looks for what would print oddly or cannot be typed the same on every device.
static bool has_bad_characters(struct span password, size_t *out_characters)
{
    uint32_t c;

    *out_characters = 0;
    while (password.n) {
        if (!utf8_next(&password, &c) || c < 32 || c == 127) {
            return true;
        }
        ++*out_characters;
    }
    return false;
}

// The address, what stands before or behind the "@", or the first part of the domain.
static bool is_of_address(struct span password, struct span address)
{
    size_t at = span_find_byte(address, '@');
    struct span domain = span_skip(address, at + 1);

    return span_eq_nocase(password, address) || is_made_of(password, span_first(address, at)) ||
           is_made_of(password, domain) ||
           is_made_of(password, span_first(domain, span_find_byte(domain, '.')));
}

const char *password_weakness(struct span password, struct span address)
{
    size_t characters;

    if (password.n > PASSWORD_BYTES_MAX) {
        return "it is longer than 1,024 bytes";
    }
    if (has_bad_characters(password, &characters)) {
        return "it has control characters or is not valid UTF-8";
    }
    if (app_password_read(password, (char[APP_PASSWORD_CHARS]){0})) {
        return "it looks like an app password, which is good for a device only";
    }
    if (characters < CHARACTERS_MIN) {
        return "it has fewer than 8 characters";
    }
    if (is_of_address(password, address)) {
        return "it is the address or a part of it, with little or nothing added";
    }
    if (is_repetition(password)) {
        return "it is one character or a few, repeated";
    }
    if (is_runs(password)) {
        return "it is keys or letters in a row";
    }
    if (is_digits(password) && characters < DIGITS_MIN) {
        return "it has digits only and fewer than 12 of them";
    }
    return is_common(password) ? too_common : NULL;
}
