// SPDX-License-Identifier: Apache-2.0
#include "smtp_talk.h"

struct driver client;
struct smtp_keep keep;

void start(const struct dialogue_protocol *p, const char *conf)
{
    driver_open(&client, p, conf);
    client.d.host = SPAN("mail.example.org");
    client.d.has_certificate = true;
    snprintf(client.d.peer.address, sizeof(client.d.peer.address), "192.0.2.7");
    smtp_keep_open(&keep, p == &smtp_lmtp_protocol);
}

void start_data(const char *conf)
{
    start(&smtp_protocol, conf);
    say("EHLO client.example\r\n");
    assert_has(say(ENVELOPE "DATA\r\n"), "\r\n354 ");
}

void stop(void)
{
    driver_close(&client);
    smtp_keep_close(&keep);
}

struct span say_span(struct span text)
{
    smtp_keep_send(&keep, &client, text, 0);
    return driver_hear(&client);
}

struct span say(const char *text)
{
    return say_span(span_from_str(text));
}

bool has(struct span text, const char *part)
{
    return span_find(text, span_from_str(part)) < text.n;
}

void lose(void)
{
    client.d.pair.is_open = client.d.pair.is_spent = false;
    keep.in_mail = false;
    buf_clear(&keep.owed);
    dialogue_pair_lost(&client.d);
}
