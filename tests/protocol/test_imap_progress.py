# SPDX-License-Identifier: Apache-2.0
"""INPROGRESS (RFC 9585) while a command takes many steps: it rises, never reaches its goal, keeps
it, and stands between whole lines. Nothing of it in what is quicker than the pause."""
import pytest
from imapwire import Imap
from test_imap_scripts import TESTD, LocalServer

MESSAGES = 1500


def opened(port):
    client = Imap(port)
    client.login("progress", "pass")
    client.ok("SELECT INBOX")
    return client


@pytest.fixture(scope="module")
def ports():
    if not TESTD.exists():
        pytest.skip("imap-testd is not built")
    servers = [LocalServer("--progress-ms", "0"), LocalServer()]
    raw = "Subject: s\r\n\r\n" + "words and words " * 2000 + "\r\n"
    for s in servers:
        client = opened(s.port)
        for _ in range(MESSAGES // 100):
            client.ok("APPEND INBOX" + f" {{{len(raw)}+}}\r\n{raw}" * 100)
        client.ok("CREATE Other")
        client.close()
    yield [s.port for s in servers]
    for s in servers:
        s.close()


def said(reply):
    out = []
    for line in reply.untagged:
        if line.code and line.code[0] == b"INPROGRESS":
            tag, done, goal = line.code[1]
            assert line.kind == b"OK" and tag == reply.line.tag and 0 <= done < goal
            out.append((done, goal))
    assert not reply.code
    return out


@pytest.mark.parametrize("command,goal", [
    ("SEARCH BODY nothing", MESSAGES), ("SEARCH RETURN (SAVE COUNT) TEXT nothing", MESSAGES),
    ("SORT (REVERSE SUBJECT DATE) UTF-8 BODY words", 2 * MESSAGES),
    ("THREAD REFERENCES UTF-8 NOT BODY nothing", 2 * MESSAGES),
    ("ESEARCH IN (personal) BODY nothing", 2)])
def test_it_rises(ports, command, goal):
    client = opened(ports[0])
    told = said(client.ok(command))
    assert len(told) > 2 and {g for _, g in told} == {goal}
    assert told == sorted(told) and told[0][0] == 0 and (told[-1][0] > 0 or goal < 3)
    client.close()


def test_what_is_quick_says_nothing(ports):
    client = opened(ports[1])
    for command in "SEARCH BODY nothing", "SORT (SUBJECT) UTF-8 ALL", "THREAD REFS UTF-8 ALL":
        assert said(client.ok(command)) == []
    client.close()
