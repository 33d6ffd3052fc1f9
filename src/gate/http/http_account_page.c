// SPDX-License-Identifier: Apache-2.0
//
// The page of one's own account: plain HTML without script, as the pages of our authorization
// server are.
#include <stdlib.h>
#include <time.h>

#include "gate/http/http_account.h"

#include "base/banned.h"

#define CELLS_MAX 8

// ---- pieces -------------------------------------------------------------------------------------

static struct span told(const struct http_account_page *p, const char *name)
{
    return http_form_get(p->told, name);
}

static void put_form(struct buf *b, const struct http_account_page *p)
{
    buf_put_str(b, "<form method=\"post\" action=\"/account\">\n");
    http_oauth_put_hidden(b, "guard", p->guard);
}

static void put_fields(struct buf *b, const struct http_account_page *p,
                       const struct http_oauth_field *fields, size_t n)
{
    const struct http_oauth_page page = {
        .call = p->call, .told = p->told, .wrong_field = p->wrong_field, .wrong = p->wrong};

    for (size_t i = 0; i < n; i++) {
        http_oauth_put_field(b, &page, &fields[i]);
    }
}

// A piece of a line that keep has said, its parts with tabs between them.
static size_t split(struct span line, struct span cells[CELLS_MAX])
{
    size_t n = 0;

    while (n < CELLS_MAX - 1 && span_find_byte(line, '\t') < line.n) {
        cells[n++] = span_split(&line, '\t');
    }
    cells[n++] = line;
    for (size_t i = n; i < CELLS_MAX; i++) {
        cells[i] = SPAN("");
    }
    return n;
}

// "23 November 2026, 10:12 UTC", or nothing.
static void put_time(struct buf *b, struct span seconds, bool is_day)
{
    uint64_t s;
    struct tm tm;
    char text[64], machine[32];
    time_t t;

    if (!span_to_u64(seconds, INT32_MAX, &s) || s == 0) {
        return;
    }
    t = (time_t)s;
    if (gmtime_r(&t, &tm) &&
        strftime(text, sizeof(text), is_day ? "%e %B %Y" : "%e %B %Y, %H:%M UTC", &tm) &&
        strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        buf_printf(b, "<time datetime=\"%s\">%s</time>", machine, text);
    }
}

static void put_cell(struct buf *b, struct span text)
{
    buf_put_str(b, "<td>");
    http_oauth_put_text(b, text);
    buf_put_str(b, "</td>");
}

// A table's head, read out with each of its cells.
static void put_table(struct buf *b, const char *caption, const char *const *heads)
{
    buf_printf(b, "<div class=\"wide\"><table>\n<caption>%s</caption>\n<thead><tr>", caption);
    for (; *heads; heads++) {
        buf_printf(b, "<th scope=\"col\">%s</th>", *heads);
    }
    buf_put_str(b, "</tr></thead>\n<tbody>\n");
}

static void put_table_end(struct buf *b)
{
    buf_put_str(b, "</tbody>\n</table></div>\n");
}

// ---- signing in ---------------------------------------------------------------------------------

void http_account_put_sign_in(struct buf *b, const struct http_account_page *p)
{
    const struct http_oauth_page page = {
        .call = p->call, .told = p->told, .wrong_field = p->wrong_field, .wrong = p->wrong};

    http_oauth_put_head(b, p->wrong.n ? "Error: " : "", "Your account", SPAN(""));
    buf_put_str(b, "<h1>Your account</h1>\n<p>You are at <strong>");
    http_oauth_put_text(b, p->call->host);
    buf_put_str(b, "</strong>. Sign in to see your devices and to make a password for a new one."
                   "</p>\n");
    put_form(b, p);
    http_oauth_put_sign_in(b, &page);
    buf_put_str(b,
                "<button class=\"yes\" name=\"do\" value=\"sign-in\">Sign in</button>\n</form>\n");
    http_oauth_put_end(b);
}

// ---- what came of it ----------------------------------------------------------------------------

static void put_app_password(struct buf *b, const struct http_account_page *p)
{
    if (!told(p, "app_password").n) {
        return;
    }
    buf_put_str(b, "<section class=\"news\" role=\"status\">\n<h2>The password of \xe2\x80\x9c");
    http_oauth_put_text(b, told(p, "device_name"));
    buf_put_str(b, "\xe2\x80\x9d</h2>\n<p><code class=\"secret\">");
    http_oauth_put_text(b, told(p, "app_password"));
    buf_put_str(b,
                "</code></p>\n<p>It is shown this once. Type it into the mail program in the place "
                "of your own password; your address stays the name.</p>\n</section>\n");
}

static void put_recovery(struct buf *b, const struct http_account_page *p)
{
    struct span rest = told(p, "recovery");

    if (!rest.n) {
        return;
    }
    buf_put_str(b, "<section class=\"news\" role=\"status\">\n<h2>Your second factor is on</h2>\n"
                   "<p>These recovery codes are for the day when your phone is gone: each is good "
                   "once. They are shown this once; print them, and keep them where your phone is "
                   "not.</p>\n<ul>\n");
    while (rest.n) {
        struct span code = span_split(&rest, '\n');

        if (code.n) {
            buf_put_str(b, "<li><code class=\"secret\">");
            http_oauth_put_text(b, code);
            buf_put_str(b, "</code></li>\n");
        }
    }
    buf_put_str(b, "</ul>\n<p>Mail programs that sign in with your own password need one of their "
                   "own from now on: make it below.</p>\n</section>\n");
}

// An error that belongs to no field that is on the page now.
static void put_trouble(struct buf *b, const struct http_account_page *p)
{
    if (p->wrong.n &&
        (span_eq(p->wrong_field, SPAN("page")) || span_eq(p->wrong_field, SPAN("device")))) {
        buf_put_str(b, "<p class=\"wrong\" role=\"alert\">");
        http_oauth_put_text(b, p->wrong);
        buf_put_str(b, ".</p>\n");
    }
}

// ---- devices ------------------------------------------------------------------------------------

static void put_device_state(struct buf *b, const struct http_account_page *p,
                             const struct span cells[CELLS_MAX])
{
    buf_put_str(b, "<td>");
    if (span_eq(cells[1], SPAN("blocked"))) {
        buf_put_str(b, "blocked");
    } else if (span_eq(cells[1], SPAN("over"))) {
        buf_put_str(b, "its time is over");
    } else {
        put_form(b, p);
        http_oauth_put_hidden(b, "device", cells[0]);
        buf_put_str(b, "<button name=\"do\" value=\"block\" aria-label=\"Block ");
        http_oauth_put_text(b, cells[5]);
        buf_put_str(b, "\">Block</button>\n</form>\n");
    }
    buf_put_str(b, "</td>");
}

// id, state, created, until, scope, name.
static void put_devices(struct buf *b, const struct http_account_page *p)
{
    static const char *const heads[] = {"Device", "May use", "Since", "Until", "State", NULL};
    struct span rest = told(p, "devices");

    buf_put_str(b, "<h2>Devices</h2>\n");
    if (!rest.n) {
        buf_put_str(b,
                    "<p>There are none yet. Make one for each mail program below, so that a lost "
                    "phone can be cut off by itself.</p>\n");
        return;
    }
    buf_put_str(b,
                "<p>A device that is blocked is out at once. Whoever runs the server can let it in "
                "again.</p>\n");
    put_table(b, "Devices with a password of their own", heads);
    while (rest.n) {
        struct span line = span_split(&rest, '\n'), cells[CELLS_MAX];

        if (split(line, cells) < 6) {
            continue;
        }
        buf_put_str(b, "<tr><th scope=\"row\">");
        http_oauth_put_text(b, cells[5]);
        buf_put_str(b, "</th>");
        put_cell(b, cells[4]);
        buf_put_str(b, "<td>");
        put_time(b, cells[2], true);
        buf_put_str(b, "</td><td>");
        put_time(b, cells[3], true);
        buf_put_str(b, "</td>");
        put_device_state(b, p, cells);
        buf_put_str(b, "</tr>\n");
    }
    put_table_end(b);
}

static void put_add(struct buf *b, const struct http_account_page *p)
{
    static const struct http_oauth_field fields[] = {
        {"name", "Name of the device",
         "Like \xe2\x80\x9cphone\xe2\x80\x9d, so that you know it again.",
         "required maxlength=\"64\" autocomplete=\"off\"", false, true},
        {"password", "Your own password", "Once more, because what is made here opens your mail.",
         "required autocomplete=\"current-password\"", true, false},
    };

    buf_put_str(b, "<h2>A password for a new device</h2>\n");
    put_form(b, p);
    put_fields(b, p, fields, 2);
    buf_put_str(b, "<label class=\"check\"><input type=\"checkbox\" name=\"read_only\" value=\"1\">"
                   "It may read only: change nothing, send nothing</label>\n"
                   "<button class=\"yes\" name=\"do\" value=\"add\">Make a password</button>\n"
                   "</form>\n");
}

// ---- the second factor --------------------------------------------------------------------------

static void put_confirm(struct buf *b, const struct http_account_page *p)
{
    static const struct http_oauth_field code = {
        "code",
        "Code",
        "The six digits that the app shows now.",
        "required inputmode=\"numeric\" autocomplete=\"one-time-code\" maxlength=\"7\"",
        false,
        false};
    struct span uri = told(p, "uri");

    if (uri.n) {
        buf_put_str(b, "<p>Scan this with an app for such codes, and type what it shows.</p>\n");
        if (!http_qr_put(b, uri,
                         "QR code for an app for two-factor codes; the same as text follows")) {
            buf_put_str(b, "<p>The picture could not be made.</p>\n");
        }
        buf_put_str(b, "<p>Or type this into the app: <code class=\"secret\">");
        http_oauth_put_text(b, told(p, "secret"));
        buf_put_str(b, "</code></p>\n");
    } else {
        buf_put_str(b, "<p>A picture was shown and no code of it was typed yet.</p>\n");
    }
    put_form(b, p);
    put_fields(b, p, &code, 1);
    buf_put_str(b, "<button class=\"yes\" name=\"do\" value=\"confirm\">Turn it on</button>\n"
                   "</form>\n");
}

static void put_begin(struct buf *b, const struct http_account_page *p, const char *label)
{
    static const struct http_oauth_field password = {"factor-password",
                                                     "Your own password",
                                                     NULL,
                                                     "required autocomplete=\"current-password\"",
                                                     true,
                                                     false};
    struct http_oauth_field f = password;
    const struct http_oauth_page page = {.call = p->call, .told = p->told};

    f.send_as = "password";
    put_form(b, p);
    http_oauth_put_field(b, &page, &f);
    buf_printf(b, "<button name=\"do\" value=\"factor\">%s</button>\n</form>\n", label);
}

static void put_factor(struct buf *b, const struct http_account_page *p)
{
    struct span state = told(p, "factor");

    buf_put_str(b, "<h2>Second factor</h2>\n");
    if (span_eq(state, SPAN("on"))) {
        buf_put_str(b, "<p>It is on: your own password opens no mail program, and pages ask for a "
                       "code. Recovery codes that are left: ");
        http_oauth_put_text(b, told(p, "codes_left"));
        buf_put_str(b, ".</p>\n");
        return;
    }
    buf_put_str(b, "<p>It is off. With an app on your phone that shows codes, whoever knows your "
                   "password is still kept out. Your own password opens no mail program any more "
                   "then: make a password for each of them first.</p>\n");
    if (span_eq(state, SPAN("pending"))) {
        put_confirm(b, p);
        put_begin(b, p, "Show another picture");
    } else {
        put_begin(b, p, "Set it up");
    }
}

// ---- sign-ins -----------------------------------------------------------------------------------

// last, count, failures, service, network, place, device, client.
static void put_signins(struct buf *b, const struct http_account_page *p)
{
    static const char *const heads[] = {"Last", "By", "From", "Program", "Times", NULL};
    struct span rest = told(p, "signins");

    buf_put_str(b, "<h2>Sign-ins of the last 30 days</h2>\n");
    if (!rest.n) {
        buf_put_str(b, "<p>There are none.</p>\n");
        return;
    }
    put_table(b, "Who signed in, or failed to, the newest first", heads);
    while (rest.n) {
        struct span line = span_split(&rest, '\n'), cells[CELLS_MAX];

        if (split(line, cells) < CELLS_MAX) {
            continue;
        }
        buf_put_str(b, "<tr><td>");
        put_time(b, cells[0], false);
        buf_put_str(b, "</td>");
        put_cell(b, cells[3]);
        buf_put_str(b, "<td>");
        http_oauth_put_text(b, cells[4].n ? cells[4] : SPAN("many networks"));
        buf_put_str(b, cells[5].n ? ", " : "");
        http_oauth_put_text(b, cells[5]);
        buf_put_str(b, "</td>");
        put_cell(b, cells[7]);
        buf_put_str(b, "<td>");
        http_oauth_put_text(b, cells[1]);
        if (cells[2].n && !span_eq(cells[2], SPAN("0"))) {
            buf_put_str(b, ", failed ");
            http_oauth_put_text(b, cells[2]);
        }
        buf_put_str(b, "</td></tr>\n");
    }
    put_table_end(b);
}

// ---- the page -----------------------------------------------------------------------------------

void http_account_put(struct buf *b, const struct http_account_page *p)
{
    http_oauth_put_head(b, p->wrong.n ? "Error: " : "", "Account of ", told(p, "user"));
    buf_put_str(b, "<h1>");
    http_oauth_put_text(b, told(p, "user"));
    buf_put_str(b, "</h1>\n");
    put_form(b, p);
    buf_put_str(b,
                "<button name=\"do\" value=\"sign-out\">Sign out</button>\n"
                "<label class=\"check\"><input type=\"checkbox\" name=\"everywhere\" value=\"1\">"
                "in all browsers</label>\n</form>\n");
    put_trouble(b, p);
    put_app_password(b, p);
    put_recovery(b, p);
    put_devices(b, p);
    put_add(b, p);
    put_factor(b, p);
    put_signins(b, p);
    http_oauth_put_end(b);
}
