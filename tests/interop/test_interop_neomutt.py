# SPDX-License-Identifier: Apache-2.0
"""neomutt, driven by its keys on a terminal: list, open, search, flag, copy, move, delete."""
import pytest

from clients import need, on_terminal
from messages import generated
from servers import PASSWORD

RC = """
set imap_user="{user}"
set imap_pass="{password}"
set folder="{base}"
set spoolfile="{base}INBOX"
set ssl_force_tls=yes
set ssl_starttls=yes
set certificate_file="{cert}"
set ssl_verify_host=no
set header_cache=""
set message_cachedir=""
set imap_check_subscribed=no
set imap_qresync={qresync}
set imap_condstore={qresync}
set mail_check=1
set move=no
set delete=yes
set confirmappend=no
set confirmcreate=no
set mark_old=no
set wait_key=no
set quit=yes
set copy=no
set sort=mailbox-order
"""


def drive(server, account, home, tls, keys, box="INBOX", qresync="yes"):
    base = f"imaps://localhost:{server.tls_port}/" if tls else f"imap://localhost:{server.port}/"
    (home / "rc").write_text(RC.format(user=server.user(account), password=PASSWORD, base=base,
                                       cert=server.cert, qresync=qresync))
    script = f'push "{keys}<sync-mailbox><exit>"'
    status, screen = on_terminal(["neomutt", "-n", "-F", str(home / "rc"), "-f", base + box, "-e",
                                  script], str(home))
    assert status == 0, screen[-3000:]
    return screen


@pytest.mark.parametrize("tls", [True, False], ids=["imaps", "starttls"])
@pytest.mark.parametrize("qresync", ["yes", "no"])
def test_ordinary_day(shared_server, account, tmp_path, tls, qresync):
    need("neomutt")
    with shared_server.login(account) as c:
        for i in range(8):
            c.append("INBOX", generated(i, 500, f"nm{i}"))
        c.ok('CREATE "Work"')
    keys = ("<search>~s subject2<enter><flag-message>"  # search, flag
            "<jump>5<enter><display-message><exit>"  # open
            "<tag-pattern>~s subject[67]<enter><tag-prefix><save-message>=Work<enter>"  # move
            "<jump>1<enter><copy-message>=Work<enter>"  # copy
            "<jump>2<enter><delete-message>")
    screen = drive(shared_server, account, tmp_path, tls, keys, qresync=qresync)
    assert b"subject3" in screen
    with shared_server.login(account) as c:
        assert c.select("INBOX").all(b"EXISTS")[-1].number == 5
        items = "FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]"
        got = {}
        for a in c.ok(f"UID FETCH 1:* ({items})").fetches().values():
            subject = next(v for k, v in a.items() if k.startswith(b"BODY["))
            got[subject.split()[1].decode()] = {f.lower() for f in a[b"FLAGS"]}
        assert set(got) == {f"subject{i}" for i in (0, 2, 3, 4, 5)}
        assert b"\\flagged" in got["subject2"] and b"\\seen" in got["subject4"]
        assert c.select("Work").all(b"EXISTS")[-1].number == 3


def test_new_mail_shows(shared_server, account, tmp_path):
    """A second visit with header cache sees what changed in between."""
    need("neomutt")
    with shared_server.login(account) as c:
        for i in range(3):
            c.append("INBOX", generated(i, 300, f"a{i}"))
        drive(shared_server, account, tmp_path, True,
              f"<enter-command>set header_cache={tmp_path}/hc<enter>")
        c.select("INBOX")
        c.append("INBOX", generated(77, 300, "late"))
        c.ok("STORE 1 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
    screen = drive(shared_server, account, tmp_path, True,
                   f"<enter-command>set header_cache={tmp_path}/hc<enter>")
    assert b"subject77" in screen
