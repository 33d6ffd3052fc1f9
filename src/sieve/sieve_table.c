// SPDX-License-Identifier: Apache-2.0
#include "sieve/sieve.h"
#include "sieve/sieve_table_internal.h"

#include "base/banned.h"

const char *const sieve_extensions[EXT_COUNT] = {
    [EXT_FILEINTO] = "fileinto",
    [EXT_REJECT] = "reject",
    [EXT_EREJECT] = "ereject",
    [EXT_ENVELOPE] = "envelope",
    [EXT_ENVELOPE_DSN] = "envelope-dsn",
    [EXT_ENCODED_CHARACTER] = "encoded-character",
    [EXT_VARIABLES] = "variables",
    [EXT_VACATION] = "vacation",
    [EXT_VACATION_SECONDS] = "vacation-seconds",
    [EXT_RELATIONAL] = "relational",
    [EXT_COPY] = "copy",
    [EXT_SUBADDRESS] = "subaddress",
    [EXT_BODY] = "body",
    [EXT_DATE] = "date",
    [EXT_INDEX] = "index",
    [EXT_IMAP4FLAGS] = "imap4flags",
    [EXT_MAILBOX] = "mailbox",
    [EXT_MBOXMETADATA] = "mboxmetadata",
    [EXT_SERVERMETADATA] = "servermetadata",
    [EXT_SPECIAL_USE] = "special-use",
    [EXT_MAILBOXID] = "mailboxid",
    [EXT_FCC] = "fcc",
    [EXT_EDITHEADER] = "editheader",
    [EXT_DUPLICATE] = "duplicate",
    [EXT_INCLUDE] = "include",
    [EXT_REGEX] = "regex",
    [EXT_ENOTIFY] = "enotify",
    [EXT_SPAMTEST] = "spamtest",
    [EXT_SPAMTESTPLUS] = "spamtestplus",
    [EXT_VIRUSTEST] = "virustest",
    [EXT_ENVIRONMENT] = "environment",
    [EXT_FOREVERYPART] = "foreverypart",
    [EXT_MIME] = "mime",
    [EXT_EXTRACTTEXT] = "extracttext",
    [EXT_REPLACE] = "replace",
    [EXT_ENCLOSE] = "enclose",
    [EXT_IHAVE] = "ihave",
    [EXT_REDIRECT_DSN] = "redirect-dsn",
    [EXT_IMAPSIEVE] = "imapsieve",
    [EXT_COMPARATOR_OCTET] = "comparator-i;octet",
    [EXT_COMPARATOR_CASEMAP] = "comparator-i;ascii-casemap",
    [EXT_COMPARATOR_NUMERIC] = "comparator-i;ascii-numeric",
    [EXT_COMPARATOR_UNICODE] = "comparator-i;unicode-casemap",
};

enum sieve_ext sieve_extension_find(struct span name)
{
    for (int i = 0; i < EXT_COUNT; i++) {
        if (span_eq(name, span_from_str(sieve_extensions[i]))) {
            return (enum sieve_ext)i;
        }
    }
    return EXT_COUNT;
}

void sieve_extensions_put(struct buf *out)
{
    for (int i = 0; i < EXT_COUNT; i++) {
        if (i == EXT_IMAPSIEVE) {
            continue; // announced where mailbox events run scripts
        }
        buf_put_str(out, i ? " " : "");
        buf_put_str(out, sieve_extensions[i]);
    }
}

#define B(e) EXT_BIT(EXT_##e)

const struct sieve_tag_row sieve_tags[TAG__COUNT] = {
    [TAG_COMPARATOR] = {"comparator", 0, VALUE_STRING, GROUP_NONE},
    [TAG_IS] = {"is", 0, VALUE_NONE, GROUP_MATCH},
    [TAG_CONTAINS] = {"contains", 0, VALUE_NONE, GROUP_MATCH},
    [TAG_MATCHES] = {"matches", 0, VALUE_NONE, GROUP_MATCH},
    [TAG_REGEX] = {"regex", B(REGEX), VALUE_NONE, GROUP_MATCH},
    [TAG_COUNT] = {"count", B(RELATIONAL), VALUE_STRING, GROUP_MATCH},
    [TAG_VALUE] = {"value", B(RELATIONAL), VALUE_STRING, GROUP_MATCH},
    [TAG_LOCALPART] = {"localpart", 0, VALUE_NONE, GROUP_PART},
    [TAG_DOMAIN] = {"domain", 0, VALUE_NONE, GROUP_PART},
    [TAG_ALL] = {"all", 0, VALUE_NONE, GROUP_PART},
    [TAG_USER] = {"user", B(SUBADDRESS), VALUE_NONE, GROUP_PART},
    [TAG_DETAIL] = {"detail", B(SUBADDRESS), VALUE_NONE, GROUP_PART},
    [TAG_OVER] = {"over", 0, VALUE_NUMBER, GROUP_SIZE},
    [TAG_UNDER] = {"under", 0, VALUE_NUMBER, GROUP_SIZE},
    [TAG_COPY] = {"copy", B(COPY), VALUE_NONE, GROUP_NONE},
    [TAG_FLAGS] = {"flags", B(IMAP4FLAGS), VALUE_LIST, GROUP_NONE},
    [TAG_CREATE] = {"create", B(MAILBOX), VALUE_NONE, GROUP_NONE},
    [TAG_SPECIALUSE] = {"specialuse", B(SPECIAL_USE), VALUE_STRING, GROUP_MAILBOX},
    [TAG_MAILBOXID] = {"mailboxid", B(MAILBOXID), VALUE_STRING, GROUP_MAILBOX},
    [TAG_DAYS] = {"days", 0, VALUE_NUMBER, GROUP_PERIOD},
    [TAG_SECONDS] = {"seconds", B(VACATION_SECONDS), VALUE_NUMBER, GROUP_PERIOD},
    [TAG_SUBJECT] = {"subject", 0, VALUE_STRING, GROUP_NONE},
    [TAG_FROM] = {"from", 0, VALUE_STRING, GROUP_NONE},
    [TAG_ADDRESSES] = {"addresses", 0, VALUE_LIST, GROUP_NONE},
    [TAG_MIME_ENTITY] = {"mime", 0, VALUE_NONE, GROUP_NONE},
    [TAG_HANDLE] = {"handle", 0, VALUE_STRING, GROUP_NONE},
    [TAG_FCC] = {"fcc", B(FCC), VALUE_STRING, GROUP_NONE},
    [TAG_RAW] = {"raw", 0, VALUE_NONE, GROUP_TRANSFORM},
    [TAG_TEXT] = {"text", 0, VALUE_NONE, GROUP_TRANSFORM},
    [TAG_CONTENT] = {"content", 0, VALUE_LIST, GROUP_TRANSFORM},
    [TAG_ZONE] = {"zone", 0, VALUE_STRING, GROUP_ZONE},
    [TAG_ORIGINALZONE] = {"originalzone", 0, VALUE_NONE, GROUP_ZONE},
    [TAG_INDEX] = {"index", B(INDEX), VALUE_NUMBER, GROUP_NONE},
    [TAG_LAST] = {"last", B(INDEX), VALUE_NONE, GROUP_NONE},
    [TAG_EDIT_INDEX] = {"index", 0, VALUE_NUMBER, GROUP_NONE},
    [TAG_EDIT_LAST] = {"last", 0, VALUE_NONE, GROUP_NONE},
    [TAG_ONCE] = {"once", 0, VALUE_NONE, GROUP_NONE},
    [TAG_OPTIONAL] = {"optional", 0, VALUE_NONE, GROUP_NONE},
    [TAG_PERSONAL] = {"personal", 0, VALUE_NONE, GROUP_LOCATION},
    [TAG_GLOBAL] = {"global", 0, VALUE_NONE, GROUP_LOCATION},
    [TAG_NAME] = {"name", 0, VALUE_STRING, GROUP_NONE},
    [TAG_MIME] = {"mime", B(MIME), VALUE_NONE, GROUP_NONE},
    [TAG_ANYCHILD] = {"anychild", B(MIME), VALUE_NONE, GROUP_NONE},
    [TAG_TYPE] = {"type", B(MIME), VALUE_NONE, GROUP_MIME},
    [TAG_SUBTYPE] = {"subtype", B(MIME), VALUE_NONE, GROUP_MIME},
    [TAG_CONTENTTYPE] = {"contenttype", B(MIME), VALUE_NONE, GROUP_MIME},
    [TAG_PARAM] = {"param", B(MIME), VALUE_LIST, GROUP_MIME},
    [TAG_FIRST] = {"first", 0, VALUE_NUMBER, GROUP_NONE},
    [TAG_HEADERS] = {"headers", 0, VALUE_LIST, GROUP_NONE},
    [TAG_LOWER] = {"lower", 0, VALUE_NONE, GROUP_CASE},
    [TAG_UPPER] = {"upper", 0, VALUE_NONE, GROUP_CASE},
    [TAG_LOWERFIRST] = {"lowerfirst", 0, VALUE_NONE, GROUP_FIRST},
    [TAG_UPPERFIRST] = {"upperfirst", 0, VALUE_NONE, GROUP_FIRST},
    [TAG_QUOTEWILDCARD] = {"quotewildcard", 0, VALUE_NONE, GROUP_QUOTE},
    [TAG_QUOTEREGEX] = {"quoteregex", B(REGEX), VALUE_NONE, GROUP_QUOTE},
    [TAG_ENCODEURL] = {"encodeurl", B(ENOTIFY), VALUE_NONE, GROUP_NONE},
    [TAG_LENGTH] = {"length", 0, VALUE_NONE, GROUP_NONE},
    [TAG_IMPORTANCE] = {"importance", 0, VALUE_STRING, GROUP_NONE},
    [TAG_OPTIONS] = {"options", 0, VALUE_LIST, GROUP_NONE},
    [TAG_MESSAGE] = {"message", 0, VALUE_STRING, GROUP_NONE},
    [TAG_PERCENT] = {"percent", B(SPAMTESTPLUS), VALUE_NONE, GROUP_NONE},
    [TAG_HEADER] = {"header", 0, VALUE_STRING, GROUP_UNIQUE},
    [TAG_UNIQUEID] = {"uniqueid", 0, VALUE_STRING, GROUP_UNIQUE},
    [TAG_UNIQUE_SECONDS] = {"seconds", 0, VALUE_NUMBER, GROUP_NONE},
    [TAG_NOTIFY] = {"notify", B(REDIRECT_DSN), VALUE_STRING, GROUP_NONE},
    [TAG_RET] = {"ret", B(REDIRECT_DSN), VALUE_STRING, GROUP_NONE},
    [TAG_ADD_LAST] = {"last", 0, VALUE_NONE, GROUP_NONE},
};

#define MATCH TAG_COMPARATOR, TAG_IS, TAG_CONTAINS, TAG_MATCHES, TAG_REGEX, TAG_COUNT, TAG_VALUE
#define PARTS TAG_LOCALPART, TAG_DOMAIN, TAG_ALL, TAG_USER, TAG_DETAIL
#define MODIFIERS                                                                                  \
    TAG_LOWER, TAG_UPPER, TAG_LOWERFIRST, TAG_UPPERFIRST, TAG_QUOTEWILDCARD, TAG_QUOTEREGEX,       \
        TAG_ENCODEURL, TAG_LENGTH
#define FCC TAG_FCC, TAG_FLAGS, TAG_CREATE, TAG_SPECIALUSE, TAG_MAILBOXID

static const struct sieve_spec commands[] = {
    {"require", ID_REQUIRE, 0, "C", {0}},
    {"if", ID_IF, 0, "", {0}},
    {"elsif", ID_ELSIF, 0, "", {0}},
    {"else", ID_ELSE, 0, "", {0}},
    {"stop", ID_STOP, 0, "", {0}},
    {"include",
     ID_INCLUDE,
     B(INCLUDE),
     "s", //
     {TAG_ONCE, TAG_OPTIONAL, TAG_PERSONAL, TAG_GLOBAL}},
    {"return", ID_RETURN, B(INCLUDE), "", {0}},
    {"global", ID_GLOBAL, B(INCLUDE), "C", {0}},
    {"foreverypart", ID_FOREVERYPART, B(FOREVERYPART), "", {TAG_NAME}},
    {"break", ID_BREAK, B(FOREVERYPART), "", {TAG_NAME}},
    {"error", ID_ERROR, B(IHAVE), "s", {0}},
    {"keep", ID_KEEP, 0, "", {TAG_FLAGS}},
    {"discard", ID_DISCARD, 0, "", {0}},
    {"fileinto",
     ID_FILEINTO,
     B(FILEINTO),
     "s",
     {TAG_COPY, TAG_FLAGS, TAG_CREATE, TAG_SPECIALUSE, TAG_MAILBOXID}},
    {"redirect", ID_REDIRECT, 0, "s", {TAG_COPY, TAG_NOTIFY, TAG_RET}},
    {"reject", ID_REJECT, B(REJECT), "s", {0}},
    {"ereject", ID_EREJECT, B(EREJECT), "s", {0}},
    {"set", ID_SET, B(VARIABLES), "vs", {MODIFIERS}},
    {"vacation",
     ID_VACATION,
     B(VACATION),
     "s",
     {TAG_DAYS, TAG_SECONDS, TAG_SUBJECT, TAG_FROM, TAG_ADDRESSES, TAG_MIME_ENTITY, TAG_HANDLE,
      FCC}},
    {"setflag", ID_SETFLAG, B(IMAP4FLAGS), "?sS", {0}},
    {"addflag", ID_ADDFLAG, B(IMAP4FLAGS), "?sS", {0}},
    {"removeflag", ID_REMOVEFLAG, B(IMAP4FLAGS), "?sS", {0}},
    {"addheader", ID_ADDHEADER, B(EDITHEADER), "ss", {TAG_ADD_LAST}},
    {"deleteheader", ID_DELETEHEADER, B(EDITHEADER), "s?S", {MATCH, TAG_EDIT_INDEX, TAG_EDIT_LAST}},
    {"notify",
     ID_NOTIFY,
     B(ENOTIFY),
     "s",
     {TAG_FROM, TAG_IMPORTANCE, TAG_OPTIONS, TAG_MESSAGE, FCC}},
    {"extracttext", ID_EXTRACTTEXT, B(EXTRACTTEXT), "v", {TAG_FIRST, MODIFIERS}},
    {"replace", ID_REPLACE, B(REPLACE), "s", {TAG_MIME_ENTITY, TAG_SUBJECT, TAG_FROM}},
    {"enclose", ID_ENCLOSE, B(ENCLOSE), "s", {TAG_SUBJECT, TAG_HEADERS}},
};

static const struct sieve_spec tests[] = {
    {"not", ID_NOT, 0, "", {0}},
    {"allof", ID_ALLOF, 0, "", {0}},
    {"anyof", ID_ANYOF, 0, "", {0}},
    {"true", ID_TRUE, 0, "", {0}},
    {"false", ID_FALSE, 0, "", {0}},
    {"ihave", ID_IHAVE, B(IHAVE), "C", {0}},
    {"address", ID_ADDRESS, 0, "SS", {MATCH, PARTS, TAG_INDEX, TAG_LAST, TAG_MIME, TAG_ANYCHILD}},
    {"envelope", ID_ENVELOPE, B(ENVELOPE), "SS", {MATCH, PARTS}},
    {"exists", ID_EXISTS, 0, "S", {TAG_MIME, TAG_ANYCHILD}},
    {"header",
     ID_HEADER,
     0,
     "SS",
     {MATCH, TAG_INDEX, TAG_LAST, TAG_MIME, TAG_ANYCHILD, TAG_TYPE, TAG_SUBTYPE, TAG_CONTENTTYPE,
      TAG_PARAM}},
    {"size", ID_SIZE, 0, "", {TAG_OVER, TAG_UNDER}},
    {"body", ID_BODY, B(BODY), "S", {MATCH, TAG_RAW, TAG_TEXT, TAG_CONTENT}},
    {"date", ID_DATE, B(DATE), "ssS", {MATCH, TAG_ZONE, TAG_ORIGINALZONE, TAG_INDEX, TAG_LAST}},
    {"currentdate", ID_CURRENTDATE, B(DATE), "sS", {MATCH, TAG_ZONE}},
    {"hasflag", ID_HASFLAG, B(IMAP4FLAGS), "?SS", {MATCH}},
    {"string", ID_STRING, B(VARIABLES), "SS", {MATCH}},
    {"mailboxexists", ID_MAILBOXEXISTS, B(MAILBOX), "S", {0}},
    {"mailboxidexists", ID_MAILBOXIDEXISTS, B(MAILBOXID), "S", {0}},
    {"specialuse_exists", ID_SPECIALUSE_EXISTS, B(SPECIAL_USE), "?sS", {0}},
    {"metadata", ID_METADATA, B(MBOXMETADATA), "ssS", {MATCH}},
    {"metadataexists", ID_METADATAEXISTS, B(MBOXMETADATA), "sS", {0}},
    {"servermetadata", ID_SERVERMETADATA, B(SERVERMETADATA), "sS", {MATCH}},
    {"servermetadataexists", ID_SERVERMETADATAEXISTS, B(SERVERMETADATA), "S", {0}},
    {"duplicate",
     ID_DUPLICATE,
     B(DUPLICATE),
     "",
     {TAG_HANDLE, TAG_HEADER, TAG_UNIQUEID, TAG_UNIQUE_SECONDS, TAG_ADD_LAST}},
    {"environment", ID_ENVIRONMENT, B(ENVIRONMENT), "sS", {MATCH}},
    {"spamtest", ID_SPAMTEST, B(SPAMTEST) | B(SPAMTESTPLUS), "s", {MATCH, TAG_PERCENT}},
    {"virustest", ID_VIRUSTEST, B(VIRUSTEST), "s", {MATCH}},
    {"valid_notify_method", ID_VALID_NOTIFY_METHOD, B(ENOTIFY), "S", {0}},
    {"notify_method_capability", ID_NOTIFY_METHOD_CAPABILITY, B(ENOTIFY), "ssS", {MATCH}},
};

static const struct sieve_spec *find(const struct sieve_spec *list, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq_nocase(name, span_from_str(list[i].name))) {
            return &list[i];
        }
    }
    return NULL;
}

const struct sieve_spec *sieve_command_find(struct span name)
{
    return find(commands, sizeof(commands) / sizeof(commands[0]), name);
}

const struct sieve_spec *sieve_test_find(struct span name)
{
    return find(tests, sizeof(tests) / sizeof(tests[0]), name);
}
