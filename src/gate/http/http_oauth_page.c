// SPDX-License-Identifier: Apache-2.0
//
// The pages of our own authorization server: plain HTML, without script, that can be read aloud,
// made large, and filled in by a password manager.
#include "gate/http/http_oauth.h"

#include "base/banned.h"

const char http_oauth_style[] =
    "html{font:100%/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}\n"
    "body{margin:0 auto;padding:1rem;max-width:34rem}\n"
    "h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.125rem}\n"
    "label{display:block;margin-top:1rem;font-weight:600}\n"
    "input[type=text],input[type=password]{display:block;width:100%;box-sizing:border-box;"
    "font:inherit;padding:.5rem;border:1px solid #595959;border-radius:.25rem;background:#fff;"
    "color:inherit}\n"
    "input[aria-invalid=true]{border:2px solid #a40000}\n"
    "label.check{font-weight:400}label.check input{width:1.25rem;height:1.25rem;"
    "vertical-align:text-bottom;margin:0 .5rem 0 0}\n"
    ".hint{margin:0;color:#404040}.wrong{margin:.25rem 0 0;color:#a40000;font-weight:600}\n"
    "button{font:inherit;padding:.625rem 1rem;margin:1.25rem .75rem 0 0;border:1px solid #1a1a1a;"
    "border-radius:.25rem;background:#fff;color:#1a1a1a;min-height:2.75rem}\n"
    "button.yes{background:#0b4f9e;border-color:#0b4f9e;color:#fff}\n"
    "input:focus-visible,button:focus-visible{outline:3px solid #d07000;outline-offset:2px}\n"
    "p,li,code{overflow-wrap:anywhere}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\n"
    "caption{text-align:left;color:#404040}td form{margin:0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.375rem .75rem .375rem 0;"
    "border-bottom:1px solid #bbb}td button{margin:0}\n"
    ".news{border:2px solid #0b4f9e;border-radius:.25rem;padding:0 1rem;margin:1rem 0}\n"
    ".secret{font-size:1.125rem}.qr{display:block;width:16rem;max-width:100%;height:auto}\n";

void http_oauth_put_text(struct buf *b, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        switch (c) {
        case '&':
            buf_put_str(b, "&amp;");
            break;
        case '<':
            buf_put_str(b, "&lt;");
            break;
        case '>':
            buf_put_str(b, "&gt;");
            break;
        case '"':
            buf_put_str(b, "&quot;");
            break;
        case '\'':
            buf_put_str(b, "&#39;");
            break;
        default:
            buf_put_byte(b, c);
        }
    }
}

void http_oauth_put_head(struct buf *b, const char *error, const char *title, struct span name)
{
    buf_put_str(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<link rel=\"stylesheet\" href=\"/oauth/style.css\">\n<title>");
    buf_put_str(b, error);
    buf_put_str(b, title);
    http_oauth_put_text(b, name);
    buf_put_str(b, "</title>\n</head>\n<body>\n<main>\n");
}

void http_oauth_put_end(struct buf *b)
{
    buf_put_str(b, "</main>\n</body>\n</html>\n");
}

void http_oauth_put_message(struct buf *b, const char *heading, struct span sentence)
{
    http_oauth_put_head(b, "", heading, SPAN(""));
    buf_printf(b, "<h1>%s</h1>\n<p>", heading);
    http_oauth_put_text(b, sentence);
    buf_put_str(b, "</p>\n");
    http_oauth_put_end(b);
}

// ---- forms --------------------------------------------------------------------------------------

void http_oauth_put_hidden(struct buf *b, const char *name, struct span value)
{
    buf_printf(b, "<input type=\"hidden\" name=\"%s\" value=\"", name);
    http_oauth_put_text(b, value);
    buf_put_str(b, "\">\n");
}

static void put_form(struct buf *b, const struct http_oauth_page *p)
{
    buf_printf(b, "<form method=\"post\" action=\"%s\">\n", p->action);
    http_oauth_put_hidden(b, "guard", p->guard);
}

void http_oauth_put_field(struct buf *b, const struct http_oauth_page *p,
                          const struct http_oauth_field *f)
{
    bool is_wrong = p->wrong.n && span_eq(p->wrong_field, span_from_str(f->name));

    buf_printf(b, "<label for=\"%s\">%s</label>\n", f->name, f->label);
    if (f->hint) {
        buf_printf(b, "<p class=\"hint\" id=\"%s-hint\">%s</p>\n", f->name, f->hint);
    }
    if (is_wrong) {
        buf_printf(b, "<p class=\"wrong\" id=\"%s-wrong\" role=\"alert\">", f->name);
        http_oauth_put_text(b, p->wrong);
        buf_put_str(b, ".</p>\n");
    }
    buf_printf(b, "<input type=\"%s\" id=\"%s\" name=\"%s\" %s", f->is_secret ? "password" : "text",
               f->name, f->send_as ? f->send_as : f->name, f->attributes);
    if (f->hint || is_wrong) {
        buf_printf(b, " aria-describedby=\"%s%s%s%s%s\"", is_wrong ? f->name : "",
                   is_wrong ? "-wrong" : "", is_wrong && f->hint ? " " : "", f->hint ? f->name : "",
                   f->hint ? "-hint" : "");
    }
    buf_put_str(b, is_wrong ? " aria-invalid=\"true\" autofocus" : "");
    if (f->is_kept && p->call->form) {
        buf_put_str(b, " value=\"");
        http_oauth_put_text(b, http_form_get(p->call->form, f->name));
        buf_put_str(b, "\"");
    }
    buf_put_str(b, ">\n");
}

// ---- what an app may do -------------------------------------------------------------------------

static bool has_word(struct span scope, const char *word)
{
    while (scope.n) {
        if (span_eq(span_split(&scope, ' '), span_from_str(word))) {
            return true;
        }
    }
    return false;
}

static void put_rights(struct buf *b, struct span scope)
{
    static const struct {
        const char *word, *words, *reading;
    } rights[] = {
        {"imap", "Read, change, move and delete your mail and folders (IMAP)",
         "Read your mail (IMAP)"},
        {"smtp", "Send mail as you", NULL},
        {"pop3", "Fetch and delete mail of your inbox (POP3)", "Fetch mail of your inbox (POP3)"},
        {"sieve", "Change your filter rules", "See your filter rules"},
        {"jmap", "Read, change, move and delete your mail and folders (JMAP)",
         "Read your mail (JMAP)"},
    };
    bool is_reading = has_word(scope, "read-only");

    buf_put_str(b, "<ul>\n");
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        const char *words = is_reading ? rights[i].reading : rights[i].words;

        if (words && has_word(scope, rights[i].word)) {
            buf_printf(b, "<li>%s</li>\n", words);
        }
    }
    buf_put_str(b, "</ul>\n");
    if (is_reading) {
        buf_put_str(b, "<p>It may change and send nothing.</p>\n");
    }
}

// ---- pages --------------------------------------------------------------------------------------

void http_oauth_put_sign_in(struct buf *b, const struct http_oauth_page *p)
{
    static const struct http_oauth_field fields[] = {
        {"user", "Mail address", NULL,
         "required autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\"", false,
         true},
        {"password", "Password", "Your own, not one that was made for a device.",
         "required autocomplete=\"current-password\"", true, false},
        {"second_code", "Code",
         "Only if you use a second factor: what your app shows now, or a recovery code.",
         "autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\"", false,
         false},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        http_oauth_put_field(b, p, &fields[i]);
    }
}

void http_oauth_put_consent(struct buf *b, const struct http_oauth_page *p,
                            const char *const *hidden)
{
    struct span name = http_form_get(p->told, "client_name"),
                scope = http_form_get(p->told, "scope");
    bool can_read = has_word(scope, "imap") || has_word(scope, "pop3") ||
                    has_word(scope, "sieve") || has_word(scope, "jmap");

    http_oauth_put_head(b, p->wrong.n ? "Error: " : "", "Sign in for ", name);
    buf_put_str(b, "<h1>Let \xe2\x80\x9c");
    http_oauth_put_text(b, name);
    buf_put_str(b, "\xe2\x80\x9d use your mail?</h1>\n<p>You are at <strong>");
    http_oauth_put_text(b, p->call->host);
    buf_put_str(b, "</strong>. If you did not start this yourself, close this page.</p>\n"
                   "<h2>What it may do</h2>\n");
    put_rights(b, scope);
    buf_put_str(b, "<p>It never learns your password. It becomes one of your devices, which you "
                   "can have blocked or removed at any time.</p>\n");
    put_form(b, p);
    for (size_t i = 0; hidden[i]; i++) {
        http_oauth_put_hidden(b, hidden[i], http_form_get(p->call->form, hidden[i]));
    }
    http_oauth_put_sign_in(b, p);
    if (can_read && !has_word(scope, "read-only")) {
        buf_printf(b,
                   "<label class=\"check\"><input type=\"checkbox\" name=\"read_only\" "
                   "value=\"1\"%s>Let it read only: change nothing, send nothing</label>\n",
                   http_form_get(p->call->form, "read_only").n ? " checked" : "");
    }
    buf_put_str(b, "<button class=\"yes\" name=\"do\" value=\"allow\">Sign in and allow</button>\n"
                   "<button name=\"do\" value=\"deny\" formnovalidate>Do not allow</button>\n"
                   "</form>\n");
    http_oauth_put_end(b);
}

void http_oauth_put_code_entry(struct buf *b, const struct http_oauth_page *p)
{
    static const struct http_oauth_field field = {
        "user_code",
        "Code",
        "Eight letters that your device or program shows, like BCDF-GHJK.",
        "required autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\"",
        false,
        true};

    http_oauth_put_head(b, p->wrong.n ? "Error: " : "", "Let a device in", SPAN(""));
    buf_put_str(b, "<h1>Let a device in</h1>\n<p>You are at <strong>");
    http_oauth_put_text(b, p->call->host);
    buf_put_str(b, "</strong>. Type only a code that you see on a device of your own: whoever sent "
                   "you a code wants your mail.</p>\n");
    put_form(b, p);
    http_oauth_put_field(b, p, &field);
    buf_put_str(b, "<button class=\"yes\" name=\"do\" value=\"look\">Go on</button>\n</form>\n");
    http_oauth_put_end(b);
}
