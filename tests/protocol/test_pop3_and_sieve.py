# SPDX-License-Identifier: Apache-2.0
"""POP3 and ManageSieve through the whole server: logins, STARTTLS, the mailbox, scripts, the end."""
import poplib
import time

import pytest

from imapwire import client_context
from servers import PASSWORD
from talk import Pop3, Sieve, plain

DOTS = b"Subject: dots\r\n\r\n.\r\n..two\r\nend\r\n"
BARE = b"Subject: bare\n\none\ntwo"


def only_mailkeep(server):
    if server.peer != "mailkeep":
        pytest.skip("the peer has its own ports")


def fill(server, number, *messages):
    only_mailkeep(server)
    with server.login(number) as c:
        for m in messages:
            c.append("INBOX", m)


def opened(server, number):
    c = poplib.POP3("127.0.0.1", server.pop3_port, timeout=20)
    c.user(server.user(number))
    c.pass_(PASSWORD)
    return c


def test_poplib(shared_server, account):
    fill(shared_server, account, DOTS, BARE)
    c = opened(shared_server, account)
    n, octets = c.stat()
    sizes = [int(x.split()[1]) for x in c.list()[1]]
    assert n == 2 and octets == sum(sizes)
    for i in (1, 2):
        _, lines, _ = c.retr(i)
        assert sum(len(x) + 2 for x in lines) == sizes[i - 1]
    assert c.retr(1)[1] == DOTS.split(b"\r\n")[:-1]
    assert c.top(1, 1)[1] == [b"Subject: dots", b"", b"."]
    ids = [x.split()[1] for x in c.uidl()[1]]
    assert len(set(ids)) == 2
    c.dele(1)
    c.quit()
    c = opened(shared_server, account)
    assert c.uidl()[1] == [b"1 " + ids[1]]
    c.quit()


def test_tls_and_stls(shared_server, account):
    fill(shared_server, account, DOTS)
    context = client_context()
    context.check_hostname = False
    a = poplib.POP3_SSL("127.0.0.1", shared_server.pop3s_port, context=context, timeout=20)
    assert "STLS" not in a.capa()
    b = poplib.POP3("127.0.0.1", shared_server.pop3_port, timeout=20)
    assert "STLS" in b.capa()
    b.stls(context=context)
    assert "STLS" not in b.capa() and "PLAIN" in b.capa()["SASL"]
    for c in (a, b):
        c.user(shared_server.user(account))
        c.pass_(PASSWORD)
        assert c.stat()[0] == 1
        c.quit()


@pytest.mark.parametrize("how", ["PLAIN initial", "PLAIN"])
def test_auth(shared_server, account, how):
    fill(shared_server, account)
    user = shared_server.user(account)
    with Pop3(shared_server.pop3_port) as c:
        if how == "PLAIN initial":
            answer = c.cmd(f"AUTH PLAIN {plain(user, PASSWORD)}")
        else:
            assert c.cmd("AUTH PLAIN") == b"+ "
            answer = c.cmd(plain(user, PASSWORD))
        assert answer.startswith(b"+OK"), answer
        assert c.cmd("STAT") == b"+OK 0 0"


def test_pipelined(shared_server, account):
    fill(shared_server, account, DOTS)
    with Pop3(shared_server.pop3_port) as c:
        c.send(f"USER {shared_server.user(account)}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nQUIT\r\n")
        got = c.rest().split(b"\r\n")
        assert got[2].startswith(b"+OK 1 ") and got[-2].startswith(b"+OK")


def test_wrong_password(shared_server, account):
    only_mailkeep(shared_server)
    with Pop3(shared_server.pop3_port) as c:
        for _ in range(3):
            answer = c.login(shared_server.user(account), "wrong")
            assert answer.startswith(b"-ERR [AUTH]"), answer
        c.rest()
    with Sieve(shared_server.sieve_port) as c:
        assert c.login(shared_server.user(account), "wrong").startswith(b"NO ")


def test_i19_nothing_goes_without_quit(make_server):
    server = make_server()
    fill(server, 1, DOTS, BARE)
    a = opened(server, 1)
    ids = a.uidl()[1]
    a.dele(1)
    a.close()
    server.restart()
    b = opened(server, 1)
    assert b.uidl()[1] == ids
    assert b.top(1, 4000000000)[1] == DOTS.split(b"\r\n")[:-1]
    b.quit()


def test_i19_two_sessions(shared_server, account):
    fill(shared_server, account, DOTS, BARE)
    a, b = opened(shared_server, account), opened(shared_server, account)
    a.dele(1)
    a.quit()
    assert b.stat()[0] == 2
    with pytest.raises(poplib.error_proto):
        b.retr(1)
    assert len(b.retr(2)[1]) == 4
    b.dele(1)
    b.quit()
    c = opened(shared_server, account)
    assert c.stat()[0] == 1
    c.quit()


def test_large_message_to_a_slow_client(shared_server, account):
    big = b"Subject: big\r\n\r\n" + b".line of a large message\r\n" * 400000
    fill(shared_server, account, big)
    c = opened(shared_server, account)
    c._putcmd("RETR 1")
    time.sleep(0.5)
    _, lines, _ = c._getlongresp()
    assert b"\r\n".join(lines) + b"\r\n" == big
    c.quit()


def test_a_suspended_account_is_told(make_server):
    server = make_server()
    only_mailkeep(server)
    with Pop3(server.pop3_port) as p, Sieve(server.sieve_port) as s:
        assert p.login(server.user(1), PASSWORD).startswith(b"+OK")
        assert s.login(server.user(1), PASSWORD).startswith(b"OK")
        server.command("account", "suspend", server.user(1))
        assert p.line().startswith(b"-ERR [AUTH]") and p.line() is None
        assert s.answer()[-1].startswith(b"BYE") and s.line() is None


def test_refused_for_a_limit_in_its_own_words(make_server):
    server = make_server(settings={"connections_per_user": "1"})
    only_mailkeep(server)
    with Pop3(server.pop3_port) as p, Pop3(server.pop3_port) as q, Sieve(server.sieve_port) as s:
        assert p.login(server.user(1), PASSWORD).startswith(b"+OK")
        assert q.login(server.user(1), PASSWORD).startswith(b"-ERR [SYS/TEMP]")
        assert s.login(server.user(1), PASSWORD).startswith(b"BYE (TRYLATER)")


# ---- STARTTLS, clear text (T01 to T04) ----------------------------------------------------------


INJECTIONS = (b"%s\r\n%s\r\n", b"%s\n%s\r\n", b"%s \r\n%s\r\n", b"%s x\r\n%s\r\n", b"%s\t\r\n%s\r\n",
              b"%s {3+}\r\nabc\r\n%s\r\n")


@pytest.mark.parametrize("pattern", INJECTIONS, ids=range(len(INJECTIONS)))
@pytest.mark.parametrize("kind", ["pop3", "sieve"])
@pytest.mark.parametrize("lower", [False, True], ids=["upper", "lower"])
def test_t01_t02_nothing_said_in_the_clear_is_done_inside(shared_server, pattern, kind, lower):
    only_mailkeep(shared_server)
    start, inject = (b"STLS", b"CAPA") if kind == "pop3" else (b"STARTTLS", b"NOOP \"inject\"")
    c = Pop3(shared_server.pop3_port) if kind == "pop3" else Sieve(shared_server.sieve_port)
    with c:
        c.sock.settimeout(2)
        c.send(pattern % (start.lower() if lower else start, inject))
        try:
            c.line()
            c.wrap()
        except OSError:
            return  # no TLS on this connection
        c.sock.settimeout(1)
        try:
            inside = c.sock.recv(65536)
        except OSError:
            inside = b""
        assert b"UIDL" not in inside and b"inject" not in inside, inside


def test_t03_no_state_survives(shared_server, account):
    only_mailkeep(shared_server)
    with Pop3(shared_server.pop3_port) as c:
        assert c.cmd(f"USER {shared_server.user(account)}").startswith(b"+OK")
        assert c.cmd("STLS").startswith(b"+OK")
        c.wrap()
        assert c.cmd(f"PASS {PASSWORD}").startswith(b"-ERR")
        assert c.cmd("STLS").startswith(b"-ERR")
        assert c.login(shared_server.user(account), PASSWORD).startswith(b"+OK")
        assert c.cmd("STLS").startswith(b"-ERR")
    with Sieve(shared_server.sieve_port) as c:
        assert b'"STARTTLS"' in c.greeting
        assert c.cmd("STARTTLS")[-1].startswith(b"OK")
        c.wrap()
        again = c.answer()  # RFC 5804 section 2.2: they come again by themselves
        assert b'"STARTTLS"' not in again and b'"SASL" "PLAIN"' in again
        assert c.cmd("STARTTLS")[-1].startswith(b"NO")
        assert c.login(shared_server.user(account), PASSWORD).startswith(b"OK")


# E07
def test_t04_no_password_in_the_clear(make_server):
    server = make_server(clear=False)
    only_mailkeep(server)
    with Pop3(server.pop3_port) as c:
        capa = c.many("CAPA")
        assert b"USER" not in capa and not any(x.startswith(b"SASL") for x in capa)
        for line in ("USER u1", f"PASS {PASSWORD}", "AUTH PLAIN", f"AUTH PLAIN {plain('u', PASSWORD)}"):
            assert c.cmd(line).startswith(b"-ERR"), line
    with Sieve(server.sieve_port) as c:
        assert b'"SASL" ""' in c.greeting
        assert c.login(server.user(1), PASSWORD).startswith(b"NO (ENCRYPT-NEEDED)")
    assert PASSWORD not in server.log_tail(1000)


# E13
@pytest.mark.parametrize("kind", ["pop3", "sieve"])
def test_http_is_turned_away(shared_server, kind):
    only_mailkeep(shared_server)
    c = Pop3(shared_server.pop3_port) if kind == "pop3" else Sieve(shared_server.sieve_port)
    with c:
        c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"mail server" in c.rest()


# ---- ManageSieve --------------------------------------------------------------------------------


def test_scripts(shared_server, account):
    only_mailkeep(shared_server)
    with Sieve(shared_server.sieve_port) as c:
        assert any(x.startswith(b'"SIEVE" "') and b"fileinto" in x for x in c.greeting)
        assert c.cmd("LISTSCRIPTS")[-1].startswith(b"NO")
        assert c.login(shared_server.user(account), PASSWORD).startswith(b"OK")
        assert c.cmd('PUTSCRIPT "main" {7+}\r\nkeep;\r\n')[-1].startswith(b"OK")
        assert c.cmd('PUTSCRIPT "bad" "nonsense"')[-1].startswith(b'NO "1:')
        assert c.cmd('SETACTIVE "main"')[-1].startswith(b"OK")
        assert c.cmd("LISTSCRIPTS")[0] == b'"main" ACTIVE'
        assert c.cmd('GETSCRIPT "main"')[0] == b"keep;\r\n"
        assert c.cmd("LOGOUT")[-1].startswith(b"OK")


@pytest.mark.parametrize("start", [b"AUTHENTICATE \"PLAIN\" {100000000+}\r\n",
                                   b"AUTHENTICATE \"PLAIN\" \""])
def test_v06_before_login_little_is_held(shared_server, start):
    only_mailkeep(shared_server)
    with Sieve(shared_server.sieve_port) as c:
        c.send(start)
        try:
            for _ in range(100):
                c.send(b"A" * 10000)
        except OSError:
            pass
        got = c.rest()
        assert b"BYE" in got, got
