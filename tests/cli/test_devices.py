# SPDX-License-Identifier: Apache-2.0
"""Devices: made, listed, kept to what they may, blocked, and what the history says of them."""
import base64
import imaplib
import os
import poplib
import smtplib
import socket
import sys
import threading
import time

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "oracle"))

PASSWORD = "correct horse battery"
ANNA = "anna@example.org"


def imap(keeper, password):
    c = imaplib.IMAP4("127.0.0.1", keeper.server.port, timeout=20)
    c.login(ANNA, password)
    return c


def refused(keeper, password):
    with pytest.raises(imaplib.IMAP4.error) as e:
        imap(keeper, password)
    return str(e.value)


def device(keeper, name, *options):
    return keeper.one("account", "device", "add", ANNA, name, *options)["password"]


def test_devices_are_made_changed_and_forgotten(keeper):
    keeper.add(ANNA)
    assert "has no devices" in keeper.run("account", "device", "list", ANNA)
    text = keeper.run("account", "device", "add", ANNA, "phone")
    password = next(line.strip() for line in text.splitlines() if line.startswith("    "))
    assert len(password.replace("-", "")) == 25
    keeper.run("account", "device", "add", ANNA, "phone", code=1)
    assert "another name" in keeper.error
    device(keeper, "backup", "--for", "imap", "--read-only", "--from",
           "192.0.2.0/24,2001:db8::/32", "--until", "2040-01-02")
    phone, backup = keeper.json("account", "device", "list", ANNA)
    assert phone["device"] == "phone" and phone["state"] == "active" and not phone["read_only"]
    assert phone["for"] == ["imap", "smtp", "pop3", "sieve", "jmap"] and not phone["networks"]
    assert backup["for"] == ["imap"] and backup["read_only"] and backup["until"]
    assert backup["networks"] == ["192.0.2.0/24", "2001:db8::/32"] and not backup["is_over"]
    table = keeper.run("account", "device", "list", ANNA)
    assert "phone" in table and "imap, reading only" in table and "anywhere" in table
    assert password not in table
    keeper.run("account", "device", "set", ANNA, "backup", "--name", "copy", "--for", "mail,web",
               "--from", "anywhere", "--until", "none", "--read-write")
    copy = keeper.json("account", "device", "list", ANNA)[1]
    assert (copy["device"], copy["id"]) == ("copy", backup["id"])
    assert "web" in copy["for"] and not copy["networks"] and "until" not in copy
    assert not copy["read_only"]
    keeper.run("account", "device", "block", ANNA, "phone")
    assert keeper.json("account", "device", "list", ANNA)[0]["state"] == "blocked"
    keeper.run("account", "device", "unblock", ANNA, "phone")
    keeper.run("account", "device", "remove", ANNA, "phone")
    assert device(keeper, "phone")  # the name is free; the id is not given again
    assert [d["id"] for d in keeper.json("account", "device", "list", ANNA)] == [2, 3]
    log = keeper.run("log", ANNA)
    assert 'device "phone" blocked' in log and 'device "backup" renamed' in log


@pytest.mark.parametrize("options, why", [
    (("--for", "telnet"), "telnet"), (("--from", "nowhere"), "network"),
    (("--until", "2001-01-01"), "passed"), (("--for", ","), "one thing"),
])
def test_what_makes_no_sense_is_refused(keeper, options, why):
    keeper.add(ANNA)
    keeper.run("account", "device", "add", ANNA, "phone", *options, code=1)
    assert why in keeper.error
    assert keeper.json("account", "device", "list", ANNA) == []
    keeper.run("account", "device", "block", ANNA, "phone", code=3)
    assert "has no device" in keeper.error


def test_a_device_signs_in_and_its_changes_are_its_own(online):
    online.add(ANNA)
    phone = device(online, "phone")
    c = imap(online, phone)
    assert c.create("Holiday")[0] == "OK"
    c.logout()
    own = imap(online, PASSWORD)  # the password goes on as before
    own.create("Work")
    own.logout()
    by_phone = [e for e in online.json("log", ANNA) if e.get("device") == "phone"]
    assert by_phone and all(e["device_id"] == 1 for e in by_phone)
    assert any("Holiday" in str(e) for e in by_phone)
    assert not any("Work" in str(e) for e in by_phone)
    assert any("phone (127.0.0.1)" in line and "Holiday" in line
               for line in online.run("log", ANNA).splitlines())


def test_l04_a_device_for_reading_only_changes_nothing(online):
    online.add(ANNA)
    own = imap(online, PASSWORD)
    own.append("INBOX", None, None, b"Subject: one\r\n\r\nx\r\n")
    c = imap(online, device(online, "viewer", "--read-only"))
    c.send(b"s SELECT INBOX\r\n")  # imaplib's own select takes READ-ONLY for an error
    selected = b""
    while b"s OK" not in selected:
        selected += c.readline()
    assert b"s OK [READ-ONLY]" in selected and b"[PERMANENTFLAGS ()]" in selected, selected
    c.state, c.is_readonly = "SELECTED", True
    assert c.fetch("1", "(BODY[])")[0] == "OK"
    for answer in (c.store("1", "+FLAGS", "\\Deleted"), c.copy("1", "Trash"), c.create("New"),
                   c.expunge(), c.uid("MOVE", "1", "Trash"), c.rename("Trash", "Bin"),
                   c.append("INBOX", None, None, b"Subject: two\r\n\r\nx\r\n"),
                   c.delete("Trash"), c.subscribe("INBOX")):
        assert answer[0] == "NO", answer
    assert c.noop()[0] == "OK"
    own.select("INBOX")
    assert own.fetch("1:*", "FLAGS")[1] == [b"1 (FLAGS (\\Recent))"] or \
        b"\\Deleted" not in own.fetch("1:*", "FLAGS")[1][0]
    assert len(own.search(None, "ALL")[1][0].split()) == 1


def test_l04_a_device_is_told_what_is_in_its_way(online):
    online.add(ANNA)
    assert "not for this service" in refused(online, device(online, "sender", "--for", "smtp"))
    assert "from this network" in refused(online, device(online, "away", "--from", "192.0.2.0/24"))
    phone = device(online, "phone")
    online.run("account", "device", "block", ANNA, "phone")
    assert "blocked" in refused(online, phone)


def test_l04_a_blocked_phone_is_out_at_once_and_nobody_else(online):
    online.add(ANNA)
    phone, laptop = device(online, "phone"), device(online, "laptop")
    idle, busy, other, own = (imap(online, p) for p in (phone, phone, laptop, PASSWORD))
    for c in (idle, other, own):
        c.select("INBOX")
    idle.send(b"x IDLE\r\n")
    assert idle.readline().startswith(b"+")
    heard = []
    watcher = threading.Thread(target=lambda: heard.extend(iter(idle.readline, b"")))
    watcher.start()
    result = online.one("account", "device", "block", ANNA, "phone")
    assert result["sessions_ended"] == 2
    watcher.join(20)
    assert not watcher.is_alive()
    assert any(b"BYE" in line and b"blocked" in line for line in heard), heard
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        busy.noop()
        busy.noop()
    assert other.noop()[0] == "OK" and own.noop()[0] == "OK"
    assert imap(online, laptop).noop()[0] == "OK"
    assert "blocked" in refused(online, phone)
    online.run("account", "device", "unblock", ANNA, "phone")
    assert imap(online, phone).noop()[0] == "OK"


def fetching(keeper, password, messages):
    """A connection in the middle of a large answer, which it takes no more of."""
    s = socket.create_connection(("127.0.0.1", keeper.server.port), timeout=20)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.sendall(f'a LOGIN {ANNA} "{password}"\r\nb EXAMINE INBOX\r\n'
              f"c FETCH 1:{messages} (FLAGS BODY.PEEK[])\r\n".encode())
    head = b""
    while b"BODY[] {" not in head:
        head += s.recv(1000)
    return s


def test_l04_a_fetch_of_a_blocked_phone_ends_in_its_middle(online):
    online.add(ANNA)
    phone, laptop = device(online, "phone"), device(online, "laptop")
    c = imap(online, PASSWORD)
    text = b"From: a@example.org\r\nSubject: large\r\n\r\n" + b"0123456789abcde\r\n" * 250_000
    for _ in range(5):
        assert c.append("INBOX", None, None, text)[0] == "OK"
    lost, kept = fetching(online, phone, 5), fetching(online, laptop, 5)
    began = time.monotonic()
    assert online.one("account", "device", "block", ANNA, "phone")["sessions_ended"] == 1
    rest = 0
    try:
        while piece := lost.recv(65536):  # what stood in the buffers, no more
            rest += len(piece)
    except ConnectionResetError:
        pass
    print(f"over {time.monotonic() - began:.3f} s after the command was given, {rest} bytes later")
    assert rest < 2 * len(text)
    heard, last = 0, b""
    while b"\r\nc OK " not in last:  # the other's comes whole
        piece = kept.recv(65536)
        assert piece
        heard, last = heard + len(piece), last[-100:] + piece
    assert heard > 4.9 * len(text)
    history = online.run("log", ANNA)
    assert "phone" in history and "blocked" in history


def test_a_new_password_leaves_devices_alone(online):
    online.add(ANNA)
    phone = imap(online, device(online, "phone"))
    own = imap(online, PASSWORD)
    result = online.json("account", "passwd", ANNA, "--password-stdin",
                         data="another long secret\n")[0]
    assert result["sessions_ended"] == 1
    assert phone.noop()[0] == "OK"
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        own.noop()
        own.noop()


def test_l04_reading_only_by_pop3_and_managesieve(online):
    online.add(ANNA)
    own = imap(online, PASSWORD)
    own.append("INBOX", None, None, b"Subject: one\r\n\r\nx\r\n")
    viewer = device(online, "viewer", "--read-only")
    p = poplib.POP3("127.0.0.1", online.server.pop3_port, timeout=20)
    p.user(ANNA)
    p.pass_(viewer)
    assert p.retr(1)[0].startswith(b"+OK")
    with pytest.raises(poplib.error_proto, match="reading only"):
        p.dele(1)
    assert p.quit().startswith(b"+OK")
    assert own.select("INBOX")[1] == [b"1"]
    assert own.search(None, "UNSEEN")[1] == [b"1"]  # to have read it is a change, too
    token = base64.b64encode(f"\0{ANNA}\0{viewer}".encode()).decode()
    with socket.create_connection(("127.0.0.1", online.server.sieve_port), timeout=20) as s:
        f = s.makefile("rb")

        def answer():
            for line in f:
                if line.startswith((b"OK", b"NO", b"BYE")):
                    return line
            raise AssertionError("closed")

        def say(text):
            s.sendall(text.encode())
            return answer()

        assert answer().startswith(b"OK")
        assert say(f'AUTHENTICATE "PLAIN" "{token}"\r\n').startswith(b"OK")
        assert say("LISTSCRIPTS\r\n").startswith(b"OK")
        for command in ('PUTSCRIPT "a" {5+}\r\nkeep;\r\n', 'SETACTIVE ""\r\n',
                        'DELETESCRIPT "a"\r\n', 'RENAMESCRIPT "a" "b"\r\n'):
            assert b"reading only" in say(command), command
    assert online.json("sieve", "list", ANNA) == []


def send(online, password, to):
    with smtplib.SMTP("127.0.0.1", online.server.submission_port, "phone", timeout=30) as s:
        s.login(ANNA, password)
        s.sendmail(ANNA, [to], f"From: {ANNA}\r\nTo: {to}\r\nSubject: x\r\n\r\nx\r\n")


def test_l04_what_a_lost_phone_has_sent_is_held(online):
    online.add(ANNA)
    phone, laptop = device(online, "phone"), device(online, "laptop")
    online.run("queue", "pause", "example.net")
    send(online, phone, "one@example.net")
    send(online, laptop, "two@example.net")
    send(online, PASSWORD, "three@example.net")
    open_one = smtplib.SMTP("127.0.0.1", online.server.submission_port, "phone", timeout=30)
    open_one.login(ANNA, phone)
    open_two = smtplib.SMTP("127.0.0.1", online.server.submission_port, "phone", timeout=30)
    open_two.login(ANNA, laptop)
    online.run("account", "device", "set", ANNA, "phone", "--name", "lost phone")
    result = online.one("account", "device", "block", ANNA, "lost phone")
    assert result["messages_held"] == 1
    open_two.sendmail(ANNA, [ANNA], "Subject: x\r\n\r\nx\r\n")  # the laptop goes on
    states = {r["to"]: r["state"] for r in online.json("queue", "list")}
    assert states["one@example.net"] == "held"
    assert states["two@example.net"] == states["three@example.net"] != "held"
    with pytest.raises((smtplib.SMTPException, OSError)):  # it could say MAIL once more
        open_one.sendmail(ANNA, ["four@example.net"], "Subject: x\r\n\r\nx\r\n")
    with pytest.raises(smtplib.SMTPAuthenticationError, match="blocked"):
        send(online, phone, "five@example.net")
    assert len(online.json("queue", "list")) == 3


def test_a_device_that_is_set_anew_is_told_so(online):
    online.add(ANNA)
    phone = device(online, "phone")
    c = imap(online, phone)
    result = online.one("account", "device", "set", ANNA, "phone", "--for", "imap")
    assert result["sessions_ended"] == 1
    heard = c.readline()
    assert b"BYE" in heard and b"changed" in heard, heard
    assert imap(online, phone).noop()[0] == "OK"


def test_the_history_of_sign_ins_names_devices(online):
    online.add(ANNA)
    phone = device(online, "phone")
    imap(online, phone).logout()
    online.run("account", "device", "block", ANNA, "phone")
    refused(online, phone)
    for _ in range(300):
        rows = online.json("account", "signins", ANNA)
        if sum(r["count"] + r["failures"] for r in rows) == 2:
            break
        time.sleep(0.1)
    assert [(r["device_name"], r["count"], r["failures"]) for r in rows] == [("phone", 1, 1)], rows
    assert "(phone)" in online.run("account", "signins", ANNA)
    online.run("account", "device", "remove", ANNA, "phone")
    assert "(device 1, removed since)" in online.run("account", "signins", ANNA)


def test_both_readers_find_nothing_wrong(online):
    pytest.importorskip("lmdb", reason="python3-lmdb")
    from oracle import read_apart
    online.add(ANNA)
    phone = device(online, "phone", "--from", "127.0.0.0/8", "--until", "2040-01-02")
    imap(online, phone).create("Holiday")
    online.run("account", "device", "block", ANNA, "phone")
    device(online, "laptop")
    online.run("account", "device", "remove", ANNA, "laptop")
    assert "differences" not in online.run("check") or online.one("check")["differences"] == 0
    online.server.stop()
    online.online = False
    problems = read_apart(online.server.data)[0]
    assert not problems, problems
