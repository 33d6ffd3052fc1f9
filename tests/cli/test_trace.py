# SPDX-License-Identifier: Apache-2.0
"""`mailkeep trace`: the way of a message, in and out, while the server runs and without one."""
import json
import smtplib
import subprocess
import time

import pytest
from conftest import PASSWORD, make


@pytest.fixture
def keeper(tmp_path):
    """A server that lets this machine relay, asks nobody's DNS, and has two accounts."""
    (tmp_path / "server").mkdir()
    k = make(tmp_path, True, smtp_relay_networks="127.0.0.0/8", relay_host="127.0.0.1",
             relay_host_port="1", relay_host_tls="opportunistic", server_name="mail.example.org",
             clear_login_loopback="yes")
    k.run("domain", "add", "example.org")
    k.add("anna@example.org", "bert@example.org")
    yield k
    k.close()


def letter(number, to="anna@example.org"):
    return (f"From: me@example.net\r\nTo: {to}\r\nSubject: hello\r\n"
            f"Message-ID: <letter.{number}@example.net>\r\n\r\nhello\r\n")


def send(keeper, number, *to, sender="me@example.net"):
    with smtplib.SMTP("127.0.0.1", keeper.server.smtp_port, local_hostname="client.example.net",
                      timeout=60) as c:
        return c.sendmail(sender, to, letter(number))


def trace(keeper, what):
    """What is told now; nothing when nothing is known yet."""
    r = subprocess.run(keeper.command("--json", "trace", what), capture_output=True, text=True,
                       timeout=120)
    assert r.returncode in (0, 3), r.stderr
    return [json.loads(line) for line in r.stdout.splitlines()] if r.returncode == 0 else []


def events(keeper, what):
    return [e["event"] for e in trace(keeper, what)]


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def offline(keeper):
    """From here on without a server."""
    keeper.server.stop()
    keeper.online = False


def test_a_delivery_by_an_alias_and_the_same_once_more(keeper):
    keeper.run("alias", "add", "sales@example.org", "anna@example.org", "bert@example.org")
    send(keeper, 1, "sales@example.org")
    send(keeper, 1, "sales@example.org")
    told = keeper.json("trace", "<letter.1@example.net>")
    assert [e["event"] for e in told] == ["taken in", "delivered here", "delivered here",
                                          "taken in", "left out", "left out"]
    taken, first = told[0], told[1]
    assert taken["from"] == "me@example.net" and taken["client"] == "127.0.0.1"
    assert taken["helo"] == "client.example.net" and taken["how"] == "SMTP"
    assert taken["bytes"] == len(letter(1))
    assert first["to"] == ["sales@example.org"] and first["leads_to"] == "anna@example.org"
    assert first["mailbox"] == "INBOX" and first["account_id"]
    words = keeper.run("trace", "letter.1@example.net")
    assert "for sales@example.org, which leads to bert@example.org" in words
    assert "had been delivered before" in words
    offline(keeper)
    assert keeper.json("trace", "letter.1@example.net") == told
    assert "All is well." in keeper.run("check")


def test_rules_say_where_it_went(keeper, tmp_path):
    script = tmp_path / "rules.sieve"
    script.write_text('require ["fileinto", "mailbox"];\n'
                      'if address "from" "me@example.net" { fileinto :create "Friends"; }\n')
    keeper.run("sieve", "put", "anna@example.org", "main", script, "--activate")
    script.write_text('if true { discard; }\n')
    keeper.run("sieve", "put", "bert@example.org", "main", script, "--activate")
    send(keeper, 1, "anna@example.org", "bert@example.org")
    told = {e.get("leads_to"): e for e in keeper.json("trace", "letter.1@example.net")}
    assert told["anna@example.org"]["mailbox"] == "Friends"
    assert "by the rules of its script main" in told["anna@example.org"]["text"]
    assert told["bert@example.org"]["event"] == "not kept"
    assert "threw" in told["bert@example.org"]["why"]


def test_what_is_refused_is_told_too(keeper):
    for to in ("nobody@example.org", "nobody.else@example.org"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(keeper, 1, to)
    (refused,) = keeper.json("trace", "nobody@example.org")
    assert refused["result"] == "refused" and refused["direction"] == "in"
    assert refused["from"] == "me@example.net" and refused["reply"].startswith("550 5.1.1")
    (whole,) = keeper.json("trace", refused["mail"])
    assert whole["event"] == "refused" and whole["code"] == 550 and whole["to"] == refused["to"]
    listed = keeper.json("trace", "me@example.net")
    assert [m["to"] for m in listed] == [["nobody.else@example.org"], ["nobody@example.org"]]
    assert len(keeper.json("trace", "me@example.net", "--limit", "1")) == 1
    # A message that the gate refuses by its content, after keep has taken the recipient.
    with smtplib.SMTP("127.0.0.1", keeper.server.smtp_port, timeout=60) as c:
        c.ehlo()
        c.mail("me@example.net")
        c.rcpt("anna@example.org")
        assert c.docmd("DATA")[0] == 354
        c.send(letter(7).encode() + b"a line feed\nalone\r\n.\r\n")
        assert c.getreply()[0] == 550
    until(lambda: trace(keeper, "anna@example.org"))
    (broken,) = keeper.json("trace", "anna@example.org")
    assert broken["result"] == "refused" and broken["reply"].startswith("550 5.6.0")


def test_the_queue_tells_its_attempts_and_the_notice_follows(keeper):
    send(keeper, 3, "far@elsewhere.example", sender="anna@example.org")
    until(lambda: "not tried" in events(keeper, "letter.3@example.net"))
    (waiting,) = keeper.json("queue", "list")
    assert waiting.get("history") is None
    shown = keeper.one("queue", "show", waiting["id"])
    history = shown["recipients"][0]["history"]
    assert [e["event"] for e in history][:2] == ["queued", "not tried"]
    assert history[1]["next_try"] and history[1]["to"] == ["far@elsewhere.example"]
    assert "No server could be reached" in keeper.run("queue", "list", "--history")
    keeper.run("queue", "hold", waiting["id"])
    keeper.run("queue", "release", waiting["id"])
    keeper.run("queue", "hold", waiting["id"])
    offline(keeper)
    keeper.run("queue", "remove", "--notify", waiting["id"])
    told = events(keeper, waiting["id"])
    assert told[:3] == ["taken in", "queued", "not tried"]
    assert [e for e in told if e in ("held", "released", "given up")] == ["held", "released", "held",
                                                                         "given up"]
    keeper.server.start()
    keeper.online = True
    until(lambda: "sender told" in events(keeper, waiting["id"]))
    told = keeper.json("trace", waiting["id"])
    notice = next(e["brought_forth"] for e in told if e["event"] == "sender told")
    ours = [e for e in told if e["mail"] == notice]
    assert [e["event"] for e in ours] == ["written here", "delivered here"]
    assert ours[0]["about"] == told[0]["mail"] and ours[1]["to"] == ["anna@example.org"]
    keeper.run("queue", "show", waiting["id"], code=3)
    assert f"mailkeep trace {waiting['id']}" in keeper.error
    assert "All is well." in keeper.run("check")


def test_who_has_logged_in_and_what_rules_send(keeper, tmp_path):
    script = tmp_path / "rules.sieve"
    script.write_text('require ["vacation", "copy"];\nredirect :copy "bert@example.org";\n'
                      'vacation "I am away.";\n')
    keeper.run("sieve", "put", "anna@example.org", "main", script, "--activate")
    with smtplib.SMTP("127.0.0.1", keeper.server.submission_port, timeout=60) as c:
        c.login("bert@example.org", PASSWORD)
        c.sendmail("bert@example.org", ["anna@example.org"],
                   letter(5).replace("me@example.net", "bert@example.org"))
    # Sent on to bert from the queue; and the answer to him is mail of its own.
    until(lambda: events(keeper, "letter.5@example.net").count("delivered") == 2)
    told = keeper.json("trace", "letter.5@example.net")
    assert told[0]["account"] == "bert@example.org" and told[0]["how"] == "submission"
    answer = next(e["brought_forth"] for e in told if e["event"] == "answered")
    assert [e["event"] for e in told if e["mail"] == answer] == ["written here", "queued",
                                                                "delivered here", "delivered"]
    sent_on = [e for e in told if e["event"] == "queued" and e["mail"] == told[0]["mail"]]
    assert sent_on[0]["to"] == ["bert@example.org"] and sent_on[0]["words"] == "by the account's rules"
    assert sent_on[0]["by_way_of"] == "anna@example.org"


def test_words_that_lead_nowhere(keeper):
    keeper.run("trace", "letter.9@example.net", code=3)
    assert "Nothing is known of letter.9@example.net" in keeper.error
    keeper.run("trace", "0123456789abcdef", code=3)
    keeper.run("trace", code=2)
    keeper.run("trace", "a@b.example", "--since", "whenever", code=2)
    keeper.run("trace", "a@b.example", "--limit", "0", code=2)
    send(keeper, 1, "anna@example.org")
    assert len(keeper.json("trace", "anna@example.org", "--since", "1h")) == 1
    keeper.run("trace", "anna@example.org", "--since", "2999-01-01", code=3)
