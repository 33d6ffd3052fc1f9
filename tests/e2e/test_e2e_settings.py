# SPDX-License-Identifier: Apache-2.0
"""Every setting that a reload applies: changed while the server runs, seen to work, nobody dropped."""
import json
import os
import poplib
import socket
import ssl
import subprocess
from base64 import b64encode

import pytest
from imapwire import Closed, Imap, Refused
from servers import Mailkeep, mailkeep_binary, self_signed, server_class
from test_e2e_external import Authority
from test_e2e_processes import until

LOUD = {"log_level": "debug", "login_failure_delay": "0"}


def live_rows():
    """The names of the settings that `config show` says a reload applies."""
    binary = mailkeep_binary()
    if server_class() is not Mailkeep or not binary:
        return []
    out = subprocess.run([binary, "-c", "/dev/null", "--json", "config", "show"],
                         capture_output=True, text=True, check=True).stdout
    return [s["name"] for s in json.loads(out)["settings"] if not s["restart"]]


class World:
    """A server, two sessions that must outlive every change, and one to be spoilt."""

    def __init__(self, server):
        self.server = server
        self.clear, self.tls = server.login(1), server.login(1, "tls")
        self.spoilt = server.login(2)

    def reload(self, **changes):
        server = self.server
        server.settings.update(changes)
        server.write_conf()
        seen = self.log().count("uses the new settings")
        server.reload()
        until(lambda: self.log().count("uses the new settings") == seen + 3)  # gate, keep, courier

    def log(self):
        with open(self.server.log_path, errors="replace") as f:
            return f.read()

    def login_refused(self, n, code=None, password=None):
        with self.server.connect() as c:
            with pytest.raises(Refused) as refused:
                c.login(self.server.user(n), password or self.server.password)
        if code:
            assert code in refused.value.reply.codes()
        return True


def smtp_ends(*commands):
    """After these commands, said on a fresh connection, the server says 421 and closes."""
    def effect(world):
        with socket.create_connection(("127.0.0.1", world.server.smtp_port), timeout=60) as s:
            answers = s.makefile("rb")
            assert answers.readline().startswith(b"220")
            for command in commands[:-1]:
                s.sendall(command.encode() + b"\r\n")
                assert answers.readline().startswith(b"2")
            s.sendall(commands[-1].encode() + b"\r\n")
            assert answers.read().splitlines()[-1].startswith(b"421 ")
    return effect


def ended(client, *sent):
    """The server says BYE and closes."""
    for data in sent:
        client.send(data)
    with pytest.raises(Closed):
        while True:
            client.line()


def opened_ones_end(world):
    """With nothing said the connection is closed; a client that is slow to speak waits for it."""
    c = Imap(world.server.port, timeout=30)
    ended(c)


def handshake_ends(world):
    c = Imap(world.server.tls_port, timeout=30, greet=False)
    with pytest.raises(Closed):
        c.fill()


def too_many_at_the_door(world):
    with world.server.connect():
        ended(Imap(world.server.port, greet=False))


def only_one_waits(world):
    """The second to wait is told to go, or pushes out the first; which, is the gate's business."""
    with world.server.connect() as first:
        second = Imap(world.server.port, greet=False)
        told = second if second.line().kind == b"BYE" else first
        assert told is second or first.line().kind == b"BYE"
        with pytest.raises(Closed):
            told.fill()


def no_more_connections(world):
    ended(Imap(world.server.port, greet=False))
    with pytest.raises((Closed, OSError)):
        world.server.connect("tls")


def too_large_a_note(client):
    r = client.cmd("SETMETADATA INBOX (/private/comment {})", b"x" * 1025)
    assert r.code == [b"METADATA", b"MAXSIZE", 1024], r.code


def announces(world, capability, wanted):
    """Or not; sessions that are open, too."""
    for client in (world.clear, world.tls):
        said = client.ok("CAPABILITY").all(b"CAPABILITY")[0].raw[0].decode().split()
        assert (capability in said) == wanted, said


def goes_without_idle(world):
    client = world.server.login(3)
    assert "IDLE" in str(client.cmd("CAPABILITY").untagged)
    r = client.cmd('ID ("name" "odd mail")')
    assert "IDLE" not in str(r.all(b"CAPABILITY")) and r.all(b"CAPABILITY")
    assert client.cmd("IDLE").status == b"BAD"


def append_limit(world):
    for client in (world.clear, world.tls):
        client.capability = None
        assert "APPENDLIMIT=102400" in str(client.cmd("CAPABILITY").untagged)


def new_certificate(world):
    c = Imap(world.server.tls_port, "tls")
    with c, open(world.new_cert) as f:
        assert c.sock.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(f.read())


def new_account_has(key, value):
    def look(world):
        server = world.server
        server.control("account add", account=f"{key}@example.org", password="garden-gate-79")
        assert server.control("account show", account=f"{key}@example.org")[key] == value
    return look


def new_account_signs_in(world):
    world.server.control("account add", account="lanes@example.org", password="garden-gate-79")
    with world.server.connect() as c:
        c.login("lanes@example.org", "garden-gate-79")


def no_more_mailboxes(world):
    with pytest.raises(Refused) as refused:
        for i in range(12):
            world.clear.ok(f"CREATE box{i}")
    assert b"LIMIT" in refused.value.reply.codes()


def quiet(world):
    before = world.log().count(" debug ")
    world.reload(message_max="1 MB")
    assert world.log().count(" debug ") == before


def literal_too_large(client, command, code=b"TOOBIG"):
    client.send(command)
    reply = client.line()
    assert reply.kind in (b"NO", b"BYE") and code in (reply.code or []), reply


def no_quick_second_try(world):
    world.login_refused(3, b"AUTHENTICATIONFAILED", "not this one")
    world.login_refused(3, b"LIMIT")


def has_mechanism(world, name):
    with world.server.connect() as c:
        assert name in c.capabilities(), c.capabilities()


def has_mechanism_over_tls(world, name):
    with world.server.connect("tls") as c:
        assert name in c.capabilities(), c.capabilities()


def answered(world):
    assert world.login_refused(4, b"AUTHENTICATIONFAILED", "not this one either")


# name: (value before, value after, what is seen then). None: the processes say that they use it.
def after_pop3(look):
    """One message is retrieved, another deleted; then IMAP looks."""
    def effect(w):
        with w.server.login(3) as c:
            for _ in range(2):
                c.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
        p = poplib.POP3("127.0.0.1", w.server.pop3_port, timeout=20)
        p.user(w.server.user(3))
        p.pass_(w.server.password)
        p.retr(1)
        p.dele(2)
        p.quit()
        with w.server.login(3) as c:
            look(c)
    return effect


def is_in_trash(c):
    assert c.select("Trash").all(b"EXISTS")[-1].number == 1


def is_unread(c):
    c.select("INBOX")
    flags = [a[b"FLAGS"] for a in c.ok("FETCH 1:* (UID FLAGS)").fetches().values()]
    assert len(flags) == 1 and b"\\Seen" not in flags[0]


def acting_is_looked_at(w):
    """Whose password is right is told that they may not; else any such name is a wrong password."""
    token = b64encode(f"{w.server.user(3)}\0{w.server.user(2)}\0{w.server.password}".encode())
    with w.server.connect() as c:
        assert c.cmd(f"AUTHENTICATE PLAIN {token.decode()}").code == [b"AUTHORIZATIONFAILED"]


ROWS = {
    "log_level": ("debug", "info", quiet),
    "tls_cert": (None, None, new_certificate),
    "tls_key": (None, None, new_certificate),
    "tls_client_ca": (None, "CA", None),  # what they do: test_e2e_external.py
    "tls_client_crl": (None, "CRL", None),
    "clear_login_loopback": ("yes", "no", lambda w: w.login_refused(3)),
    "login_line_max": ("8 KB", "1 KB", lambda w: ended(w.server.connect(), b"a " + b"x" * 2000)),
    "login_literal_max": ("4 KB", "256 B", lambda w: literal_too_large(
        w.server.connect(), b"a LOGIN {300}\r\n")),
    "login_timeout": ("60 s", "1 s", opened_ones_end),
    "tls_timeout": ("60 s", "1 s", handshake_ends),
    "login_failures_max": ("3", "1", lambda w: ended(w.server.connect(), b"a LOGIN u3 no\r\n")),
    "login_failure_delay": ("30 s", "0", answered),
    "auth_login": ("no", "yes", lambda w: has_mechanism(w, b"AUTH=LOGIN")),
    "auth_scram": ("no", "devices", lambda w: has_mechanism(w, b"AUTH=SCRAM-SHA-256")),
    "read_as": ("no", "yes", acting_is_looked_at),
    "login_bad_commands_max": ("10", "1", lambda w: ended(w.server.connect(), b"a WHAT\r\n")),
    "login_connections_per_address": ("50", "1", too_many_at_the_door),
    "login_connections_max": ("4000", "1", only_one_waits),
    "gate_connections_max": ("50000", "1", no_more_connections),
    "message_max": ("50 MB", "100 KB", append_limit),
    "imap_line_max": ("64 KB", "8 KB", lambda w: ended(w.spoilt, b"a NOOP" + b"x" * 9000)),
    "imap_literal_max": ("128 KB", "4 KB", lambda w: literal_too_large(
        w.spoilt, b"a SELECT {5000}\r\n")),
    "imap_bad_commands_max": ("20", "1", lambda w: ended(w.spoilt, b"a WHAT\r\n")),
    "imap_idle_timeout": ("30 min", "60 s", None),
    "imap_search_time": ("30 s", "1 s", None),
    "imap_message_limit": ("no", "yes", lambda w: announces(w, "MESSAGELIMIT=10000", True)),
    "imap_messages_max": ("10000", "5000", None),  # protocol/imap/message_limit.imap
    "imap_compress": ("yes", "no", lambda w: announces(w, "COMPRESS=DEFLATE", False)),
    "imap_metadata_value_max": ("64 KB", "1 KB", lambda w: too_large_a_note(w.clear)),
    "imap_metadata_entries_max": ("100", "10", None),
    "imap_metadata_account_max": ("10 MB", "64 KB", None),
    "imap_client_without": ("", '"Odd*: IDLE"', goes_without_idle),
    "client_write_timeout": ("5 min", "10 s", None),
    "connections_per_user_address": ("20", "1", lambda w: w.login_refused(1, b"LIMIT")),
    "connections_per_user": ("100", "1", lambda w: w.login_refused(1, b"LIMIT")),
    "sessions_max": ("50000", "1", lambda w: w.login_refused(3, b"LIMIT")),
    "mailboxes_max": ("10000", "10", no_more_mailboxes),
    "quota_bytes": ("10 GB", "2 MB", new_account_has("bytes_max", 2 << 20)),
    "pop3_delete": ("expunge", "trash", after_pop3(is_in_trash)),
    "pop3_mark_seen": ("yes", "no", after_pop3(is_unread)),
    "quota_messages": ("5000000", "123", new_account_has("messages_max", 123)),
    "expunged_keep_days": ("14", "0", None),
    "trace_keep": ("30 d", "0", None),
    "argon2_memory": ("64 KB", "128 KB", None),
    "argon2_passes": ("1", "2", None),
    "argon2_lanes": ("1", "2", new_account_signs_in),
    "auth_queue_max": ("256", "1", None),
    "auth_failures_max": ("10", "1", no_quick_second_try),
    "auth_failures_time": ("10 min", "20 min", None),
    "auth_network_failures_max": ("100", "200", None),
    "auth_trusted_networks": ("", "192.0.2.0/24", None),
    "auth_cache_time": ("60 s", "0", None),
    "stop_timeout": ("8 s", "9 s", None),
    "restarts_per_minute": ("5", "6", None),
    "reload_timeout": ("10 s", "11 s", None),
    "oauth_server": ("no", "yes", lambda w: has_mechanism_over_tls(w, b"AUTH=OAUTHBEARER")),
    "oauth_issuer": ("", "https://id.example.org", None),
    "oauth_access_life": ("1 h", "10 min", None),
    "oauth_refresh_life": ("90 d", "1 d", None),
    "scim": ("no", "yes", None),  # what these do: test_e2e_scim.py
    "scim_keep_mail": ("no", "yes", None),
    "scim_remove_after": ("30 d", "1 d", None),
    "http_connections_max": ("2000", "1999", None),
    "http_connections_per_address": ("50", "49", None),
    "http_timeout": ("20 s", "19 s", None),
    "http_idle_timeout": ("30 s", "29 s", None),
    "http_requests_max": ("100", "99", None),
    "smtp_relay_networks": ("", "192.0.2.0/24", None),
    "lmtp_networks": ("127.0.0.0/8", "127.0.0.0/8, 192.0.2.0/24", None),
    "xclient_networks": ("", "192.0.2.0/24", None),
    "proxy_networks": ("", "192.0.2.0/24", None),
    "smtp_connections_max": ("4000", "3999", None),
    "smtp_connections_per_address": ("50", "49", None),
    "smtp_connections_per_minute": ("60", "59", None),
    "smtp_messages_per_minute": ("100", "99", None),
    "smtp_greet_delay": ("0", "1 ms", None),
    "smtp_timeout": ("5 min", "4 min", None),
    "smtp_data_timeout": ("3 min", "2 min", None),
    "smtp_data_rate_min": ("500", "400", None),
    "smtp_bad_commands_max": ("20", "1", smtp_ends("WHAT")),
    "smtp_idle_commands_max": ("100", "10", smtp_ends(*["NOOP"] * 11)),
    "smtp_recipients_max": ("1000", "999", None),
    "smtp_stranger_recipients_max": ("100", "1", None),
    "smtp_bad_recipients_max": ("50", "1", None),
    "smtp_messages_max": ("1000", "999", None),
    "smtp_text_line_max": ("64 KB", "998", None),
    "smtp_received_max": ("50", "49", None),
    "submission_hold_max": ("30 d", "29 d", None),
    "submission_check_from": ("yes", "no", None),
    "submission_copy_in_sent": ("no", "yes", None),
    "submission_hide_client": ("yes", "no", None),
    "submission_recipients_per_hour": ("500", "499", None),
    "dkim_check_interval": ("5 min", "0", None),
    "undo_send": ("0 s", "1 s", None),
    "dmarc_reports": ("yes", "no", None),
    "reports_keep": ("400 d", "1 d", None),
    "signins_keep": ("90 d", "1 d", None),
    "alerts": ("yes", "no", None),  # what these do: test_e2e_alerts.py
    "alerts_off": ("", "quota", None),
    "alert_networks": ("wide", "exact", None),
    "alert_learn": ("7 d", "0 s", None),
    "alert_failures": ("10", "5", None),
    "alert_folders": ("10", "5", None),
    "alert_deleted": ("1000", "50", None),
    "alert_download": ("1 GB", "10 MB", None),  # test_e2e_download.py
    "alert_travel_speed": ("1000", "300", None),
    "geo_database": ("", "/nonexistent/GeoLite2-City.mmdb", None),  # test_e2e_places.py
    "alert_window": ("1 h", "10 min", None),
    "alert_pause": ("1 h", "0 s", None),
    "alert_per_day": ("5", "2", None),
    "check_mail": ("enforce", "off", None),
    "check_timeout": ("20 s", "19 s", None),
    "check_spf_fail": ("accept", "junk", None),
    "check_lists": ("junk", "reject", None),
    "check_trusted_sealers": ("", "example.net", None),
    "check_received_spf": ("no", "yes", None),
    "filter_away": ("defer", "accept", None),
    "child_timeout": ("60 s", "61 s", None),
}


def test_every_live_setting_has_a_row_here():
    if not live_rows():
        pytest.skip("of Mailkeep")
    assert sorted(ROWS) == sorted(live_rows())


@pytest.mark.parametrize("name", ROWS)
def test_a_reload_applies(make_server, tmp_path, name):
    if server_class() is not Mailkeep:
        pytest.skip("of Mailkeep")
    before, after, effect = ROWS[name]
    if name.startswith("tls_client_"):
        os.chmod(tmp_path, 0o755)
        authority = Authority(tmp_path)
        after = authority.path if after == "CA" else authority.revoke()
    extra = {
        "tls_client_crl": {"tls_client_ca": name == "tls_client_crl" and authority.path},
        "login_timeout": {"tls_timeout": "1 s"},
        "auth_failures_max": {"auth_trusted_networks": "192.0.2.0/24"},  # or we are never locked out
    }.get(name, {})
    server = make_server(users=4, settings={**LOUD, **extra, **({name: before} if before else {})})
    world = World(server)
    if effect is new_certificate:
        world.new_cert, key = self_signed(server.folder, "localhost", "other")
        world.reload(tls_cert=f'"{world.new_cert}"', tls_key=f'"{key}"')
    else:
        world.reload(**{name: after})
    log = world.log()
    assert f" {name} is " in log  # the supervisor says what has changed
    if name != "log_level":
        for process in ("gate", "keep", "courier"):
            assert f"{process}: uses {name} = " in log, log
    if effect:
        effect(world)
    for client in (world.clear, world.tls):
        client.ok("SELECT INBOX")


def test_what_takes_a_restart_is_not_half_taken(make_server, tmp_path):
    """The value in use stays, also for a process that is started anew, and each reload says so."""
    if server_class() is not Mailkeep:
        pytest.skip("of Mailkeep")
    server = make_server(settings={"restarts_per_minute": "100"})
    old = server.data
    server.data = str(tmp_path / "other")
    server.write_conf()
    server.data = old
    for _ in range(2):
        said = server.log_tail(500).count("a restart is needed for the change of data_dir")
        server.reload()
        until(lambda: server.log_tail(500).count(
            "a restart is needed for the change of data_dir") > said)
    gone = server.kill("keep")
    until(lambda: [p for p in server.role("keep") if p not in gone])
    until(lambda: "all processes serve again" in server.log_tail(500))
    server.login(1).ok("SELECT INBOX")
    assert not os.path.exists(tmp_path / "other")
