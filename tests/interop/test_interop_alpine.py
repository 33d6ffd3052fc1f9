# SPDX-License-Identifier: Apache-2.0
"""The c-client library, by Alpine on a terminal and by mailutil: a day of each."""
import pytest

from clients import need
from messages import generated
from servers import PASSWORD
from terminal import Terminal

PINERC = """
personal-name=A Reader
user-domain=example.org
inbox-path={{localhost:{port}{how}/novalidate-cert/user={user}}}INBOX
folder-collections=Mail {{localhost:{port}{how}/novalidate-cert/user={user}}}[]
default-fcc=
feature-list=quit-without-confirm,expunge-without-confirm,expunge-without-confirm-everywhere,
 enable-flag-cmd,enable-aggregate-command-set,no-quell-flag-cmd,auto-open-next-unread
last-version-used=9.99.999
sort-key=arrival
check-interval-for-noncurr=0
"""


def subjects(c, box):
    exists = c.select(box).all(b"EXISTS")[-1].number
    out = {}
    if exists:
        for a in c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetches().values():
            line = next(v for k, v in a.items() if k.startswith(b"BODY["))
            out[line.split()[1].decode()] = {f.lower() for f in a[b"FLAGS"]}
    return out


@pytest.mark.parametrize("tls", [True, False], ids=["imaps", "starttls"])
def test_a_day_of_alpine(shared_server, account, tmp_path, tls):
    need("alpine")
    server = shared_server
    with server.login(account) as c:
        for i in range(6):
            c.append("INBOX", generated(i, 400, f"al{i}"))
        c.ok("CREATE Work")
    (tmp_path / "pinerc").write_text(PINERC.format(
        port=server.tls_port if tls else server.port, how="/ssl" if tls else "/tls",
        user=server.user(account)))
    t = Terminal(["alpine", "-p", "pinerc", "-i"], tmp_path)
    t.expect(rb"(?i)password")
    t.type(PASSWORD + "\r")
    t.expect(rb"Preserve password")
    t.type("n")
    t.expect(rb"subject0.*subject5")
    t.type("1\r")  # jump to the first
    t.type("\r")  # open it
    t.expect(rb"token al0")
    t.type("<")
    t.expect(rb"subject1")
    t.type("j3\rd")  # the third goes
    t.type("j4\rsWork\r")  # the fourth moves to Work
    t.expect(rb"(?i)copied|saved|deleted")
    t.type("x")
    t.expect(rb"(?i)expunged|messages? removed|closed")
    t.type("q")
    status, screen = t.end()
    assert status == 0, screen[-2000:]
    with server.login(account) as c:
        found = subjects(c, "INBOX")
        assert set(found) == {"subject0", "subject1", "subject4", "subject5"}, screen[-3000:]
        assert b"\\seen" in found["subject0"] and b"\\seen" not in found["subject1"]
        assert set(subjects(c, "Work")) == {"subject3"}


def test_mailutil(shared_server, account, tmp_path):
    need("mailutil")
    server = shared_server
    base = f"{{localhost:{server.tls_port}/ssl/novalidate-cert/user={server.user(account)}}}"
    with server.login(account) as c:
        for i in range(5):
            c.append("INBOX", generated(i, 400, f"mu{i}"), "\\Seen" if i % 2 else "")

    def do(*words, times=1):
        t = Terminal(["mailutil", *words], tmp_path)
        for _ in range(times):
            t.expect(rb"(?i)password: ?")
            t.type(PASSWORD + "\r")
        status, said = t.end(60)
        assert status == 0 or (words[0] == "prune" and b"purged" in said), said
        return said

    assert b"5 new message" in do("check", base + "INBOX")
    do("create", base + "Empty")
    do("copy", base + "INBOX", base + "Kept", times=2)
    do("rename", base + "Kept", base + "Held")
    do("move", base + "INBOX", base + "Moved", times=2)
    do("prune", base + "Held", "SEEN")
    with server.login(account) as c:
        assert subjects(c, "INBOX") == {}
        assert subjects(c, "Empty") == {} and len(subjects(c, "Moved")) == 5
        assert set(subjects(c, "Held")) == {"subject0", "subject2", "subject4"}
    do("delete", base + "Held")
    with server.login(account) as c:
        assert c.cmd("SELECT Held").status == b"NO"
