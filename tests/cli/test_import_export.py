# SPDX-License-Identifier: Apache-2.0
"""Mail in and out: Maildir++, mbox and .eml, judged by Python's mailbox module, which shares no code
with Mailkeep."""
import collections
import hashlib
import mailbox
import os
import random
import signal
import subprocess
import time

import pytest

from imapwire import Imap
from messages import corpus

from conftest import PASSWORD

FLAG_LETTERS = "DFPRST"


def message(i, lines=3, eol="\n"):
    head = [f"From: sender{i}@example.net", f"Subject: number {i}",
            f"Message-ID: <{i}@example.net>", "Date: Mon, 23 Nov 2026 10:12:00 +0000", ""]
    return (eol.join(head + [f"line {n} of {i}" for n in range(lines)]) + eol).encode()


def put(folder, name, body, when=1000000000):
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(body)
    os.utime(os.path.join(folder, name), (when, when))


def maildir(folder):
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(folder, part), exist_ok=True)


def sample_maildir(root):
    """Folders, flags, keywords, dates, a subscription list and things that are no mail."""
    root = str(root)
    for sub in ("", ".Sent Items", ".Work", ".Work.New ideas", ".Entw&APw-rfe", ".Empty"):
        maildir(os.path.join(root, sub))
    put(root, "cur/1.a.host,S=1:2,S", message(1), 1111111111)
    put(root, "cur/2.a.host:2,FRa", message(2, eol="\r\n"), 1222222222)
    put(root, "new/3.a.host", message(3))
    put(root, ".Sent Items/cur/4.x:2,S", message(4))
    put(root, ".Work/cur/5.x:2,PT", message(5))
    put(root, ".Work.New ideas/cur/6.x:2,D", message(6))
    put(root, ".Entw&APw-rfe/cur/7.x:2,", message(7))
    put(root, "dovecot-keywords", b"0 $Label1\n")
    put(root, "subscriptions", b"Sent Items\nWork\n")
    return root


def tree(folder):
    """What is in exported Maildirs: folder to sorted (flags, keywords, mtime, bytes)."""
    out = {}
    for base, _, names in os.walk(folder):
        if os.path.basename(base) not in ("cur", "new"):
            continue
        box = os.path.relpath(os.path.dirname(base), folder)
        words = {}
        try:
            with open(os.path.join(folder, box, "dovecot-keywords")) as f:
                words = {chr(97 + int(n)): w for n, w in (line.split() for line in f)}
        except FileNotFoundError:
            pass
        for name in names:
            path = os.path.join(base, name)
            letters = name.partition(":2,")[2]
            with open(path, "rb") as f:
                out.setdefault(box, []).append(
                    ("".join(c for c in letters if c in FLAG_LETTERS),
                     tuple(sorted(words[c] for c in letters if c in words)),
                     int(os.stat(path).st_mtime), f.read()))
        out.setdefault(box, [])
    return {box: sorted(items) for box, items in out.items()}


# ---- Maildir ------------------------------------------------------------------------------------

def test_maildir(keeper, tmp_path):
    source = sample_maildir(tmp_path / "Maildir")
    keeper.add("anna")
    dry = keeper.one("import", "anna", source, "--dry-run")
    assert dry["added"] == 7 and dry["dry_run"] and keeper.counts("anna") == {}
    assert len(keeper.json("mailbox", "list", "anna")) == 6

    first = keeper.one("import", "anna", source)
    assert (first["added"], first["there"], first["refused"], first["skipped"]) == (7, 0, 0, {})
    boxes = {m["mailbox"]: m for m in keeper.json("mailbox", "list", "anna")}
    assert {n: m["messages"] for n, m in boxes.items() if m["messages"]} == {
        "INBOX": 3, "Sent": 1, "Work": 1, "Work/New ideas": 1, "Drafts": 1}
    assert "Sent Items" not in boxes and "Empty" in boxes
    assert boxes["Work"]["subscribed"] and not boxes["Work/New ideas"]["subscribed"]
    assert boxes["INBOX"]["unseen"] == 2

    again = keeper.one("import", "anna", source)
    assert (again["added"], again["there"]) == (0, 7)

    keeper.run("export", "anna", tmp_path / "out")
    out = tree(tmp_path / "out")
    assert out["."] == [("", (), 1000000000, message(3)), ("FR", ("$Label1",), 1222222222, message(2)),
                        ("S", (), 1111111111, message(1))]
    assert out[".Work"] == [("PT", (), 1000000000, message(5))]
    assert out[".Work.New ideas"][0][0] == "D"
    assert keeper.run("check", "--read-bodies").endswith("All is well.\n")


def test_names(keeper, tmp_path):
    source = sample_maildir(tmp_path / "Maildir")
    keeper.add("anna", "bob", "cid", "dan")
    keeper.run("import", "anna", source, "--keep-names")
    assert keeper.counts("anna")["Sent Items"] == 1 and keeper.counts("anna")["Entwürfe"] == 1
    keeper.run("import", "bob", source, "--map", "Work=Job", "--map", "INBOX=Old/In")
    assert {"Job": 1, "Job/New ideas": 1, "Old/In": 3}.items() <= keeper.counts("bob").items()
    keeper.run("import", "cid", source, "--mailbox", "Before")
    assert {"Before": 3, "Before/Work": 1, "Before/Sent Items": 1}.items() <= \
        keeper.counts("cid").items()
    keeper.run("import", "dan", source, "--map", "Work", code=2)
    keeper.run("import", "dan", source, "--map", "Work=a//b", code=1)
    assert "not imported" in keeper.error and "Work" not in keeper.counts("dan")


def test_fs_layout_and_nested_maildirs(keeper, tmp_path):
    root = str(tmp_path / "mail")
    maildir(root + "/Inbox")
    maildir(root + "/Work/Deep")
    put(root, "Inbox/cur/1:2,S", message(1))
    put(root, "Work/Deep/cur/2:2,S", message(2))
    keeper.add("anna")
    keeper.run("import", "anna", root)
    assert keeper.counts("anna") == {"INBOX": 1, "Work/Deep": 1}


def test_copies_are_kept_and_not_multiplied(keeper, tmp_path):
    """The same message three times is three messages, however often the import is run."""
    root = str(tmp_path / "Maildir")
    maildir(root)
    for i in range(3):
        put(root, f"cur/{i}:2,S", message(1), 1000000000 + i)
    put(root, "cur/9:2,S", message(2))
    keeper.add("anna")
    for added in (4, 0, 0):
        assert keeper.one("import", "anna", root)["added"] == added
    put(root, "cur/4:2,S", message(1))
    put(root, "cur/5:2,S", message(3))
    assert keeper.one("import", "anna", root)["added"] == 2
    assert keeper.counts("anna") == {"INBOX": 6}


def test_nothing_outside_is_read(keeper, tmp_path):
    secret = tmp_path / "secret"
    maildir(str(secret))
    put(str(secret), "cur/1:2,S", message(666))
    root = str(tmp_path / "Maildir")
    maildir(root)
    put(root, "cur/1:2,S", message(1))
    os.symlink(secret / "cur" / "1:2,S", root + "/cur/2:2,S")
    os.symlink("/etc/passwd", root + "/cur/3:2,S")
    os.symlink(secret, root + "/.Secret")
    os.mkfifo(root + "/cur/4:2,S")
    os.mkdir(root + "/cur/5:2,S")
    os.link(root + "/cur/1:2,S", root + "/cur/6:2,S")  # Dovecot copies so: a message like others
    keeper.add("anna")
    r = keeper.one("import", "anna", root)
    assert r["added"] == 2
    assert r["skipped"] == {"symbolic links (never followed)": 3, "not plain files": 2}
    text = keeper.run("import", "anna", root)
    assert "Skipped: 3 symbolic links (never followed)." in text
    assert "skipped .Secret: symbolic links" in keeper.error


def test_a_path_that_is_not_there(keeper, tmp_path):
    keeper.add("anna")
    keeper.run("import", "anna", tmp_path / "none", code=3)
    (tmp_path / "empty").mkdir()
    keeper.run("import", "anna", tmp_path / "empty", code=1)
    assert "no mail in it" in keeper.error
    keeper.run("import", "anna", tmp_path / "empty", "--format", "zip", code=2)
    sample_maildir(tmp_path / "Maildir")
    keeper.run("import", "ana", tmp_path / "Maildir", code=3)
    assert "anna@example.org" in keeper.error


def test_quota_stops_what_does_not_fit(keeper, tmp_path):
    root = str(tmp_path / "Maildir")
    maildir(root)
    for i in range(10):
        put(root, f"cur/{i}:2,S", message(i))
    keeper.add("anna")
    keeper.run("account", "quota", "anna", "--messages", "4")
    r = keeper.one("import", "anna", root, code=1)
    assert (r["added"], r["refused"]) == (4, 6)
    keeper.run("account", "quota", "anna", "--messages", "none")
    r = keeper.one("import", "anna", root)
    assert (r["added"], r["there"]) == (6, 4)


def test_killed_and_run_again(keeper, tmp_path):
    root = str(tmp_path / "Maildir")
    maildir(root)
    for i in range(1500):
        put(root, f"cur/{i:05}:2,S", message(i, lines=20))
    keeper.add("anna")
    for wait in (0.3, 0.6):
        p = subprocess.Popen(keeper.command("--quiet", "import", "anna", root))
        time.sleep(wait)
        p.send_signal(signal.SIGKILL)
        p.wait()
    end = time.monotonic() + 20
    while True:  # what was underway may take a moment to end
        try:
            r = keeper.one("import", "anna", root)
            break
        except AssertionError:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert r["added"] + r["there"] == 1500
    assert keeper.counts("anna") == {"INBOX": 1500}
    assert keeper.run("check", "--read-bodies").endswith("All is well.\n")


def test_large_message_in_little_memory(offline, tmp_path):
    root = str(tmp_path / "Maildir")
    maildir(root)
    body = message(1) + b"x" * 76 + b"\n"
    put(root, "cur/1:2,S", body + (b"y" * 76 + b"\n") * 500000)
    put(root, "cur/2:2,S", body + (b"z" * 76 + b"\n") * 800000)  # over message_max, 50 MB
    offline.add("anna")
    p = subprocess.Popen(offline.command("--json", "import", "anna", root), stdout=subprocess.PIPE)
    _, status, usage = os.wait4(p.pid, 0)
    p.stdout.close()
    assert os.waitstatus_to_exitcode(status) == 1
    assert usage.ru_maxrss < 400 * 1024  # KiB; most of it the sanitizer's in test builds
    assert offline.counts("anna") == {"INBOX": 1}
    offline.run("export", "anna", tmp_path / "out")
    (name,) = os.listdir(tmp_path / "out" / "cur")
    with open(tmp_path / "out" / "cur" / name, "rb") as f, open(root + "/cur/1:2,S", "rb") as g:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(g.read()).digest()


def test_clients_see_what_was_imported(online, tmp_path):
    online.add("anna")
    online.run("import", "anna", sample_maildir(tmp_path / "Maildir"))
    with Imap(online.server.port) as c:
        c.login("anna@example.org", PASSWORD)
        c.select("INBOX")
        rows = c.ok("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])").fetches()
        assert sorted(rows) == [1, 2, 3]
        texts = {k: repr(v) for k, v in rows.items()}
        assert all(x in texts[2] for x in ("Flagged", "Answered", "$Label1", "24-Sep-2008"))
        assert "Seen" in texts[1] and "Seen" not in texts[3] and "number 3" in texts[3]


# ---- mbox ---------------------------------------------------------------------------------------

NASTY = [
    "From here to there\n\nFrom a@b Mon Nov 23 10:12:00 2026\n\n>From x\n>>From y\n",
    "no newline at the end",
    "\n\n\n",
    "trailing blank lines\n\n\n",
    "a lone\rcarriage return\n",
    ".\n..\n",
    "x" * 100000 + "\n",
    "",
]


def sample_mbox(path):
    box = mailbox.mbox(path, create=True)
    for i, body in enumerate(NASTY):
        m = mailbox.mboxMessage(message(i, lines=0) + body.encode())
        m.set_from(f"sender{i}@example.net Mon Nov 23 10:{i:02}:00 2026")
        m.set_flags(["", "RO", "F", "A", "RFA", "D", "O", "T"][i])
        box.add(m)
    box.close()
    return path


def test_mbox(keeper, tmp_path):
    keeper.add("anna", "bob")
    source = sample_mbox(str(tmp_path / "Old stuff.mbox"))
    assert keeper.one("import", "anna", source)["added"] == len(NASTY)
    assert keeper.one("import", "anna", source)["added"] == 0
    assert keeper.counts("anna") == {"Old stuff": len(NASTY)}

    keeper.run("export", "anna", tmp_path / "out.mbox", "--mailbox", "Old stuff", "--format", "mbox")
    ours = mailbox.mbox(tmp_path / "out.mbox")
    assert len(ours) == len(NASTY)
    for i, m in enumerate(ours):
        assert m["Subject"] == f"number {i}"
        assert set(m.get_flags()) - {"O"} == set(["", "RO", "F", "A", "RFA", "D", "O", "T"][i]) - {"O"}
        assert f"10:{i:02}:00 2026" in m.get_from()

    # From the first export on, nothing changes any more.
    keeper.run("import", "bob", tmp_path / "out.mbox", "--mailbox", "Old stuff")
    keeper.run("export", "bob", tmp_path / "again.mbox", "--mailbox", "Old stuff", "--format", "mbox")
    assert (tmp_path / "out.mbox").read_bytes() == (tmp_path / "again.mbox").read_bytes()


def test_whole_account_as_mbox(keeper, tmp_path):
    keeper.add("anna", "bob")
    keeper.run("import", "anna", sample_maildir(tmp_path / "Maildir"), "--keep-names")
    keeper.run("export", "anna", tmp_path / "out", "--format", "mbox")
    assert len(mailbox.mbox(tmp_path / "out" / "INBOX.mbox")) == 3
    assert len(mailbox.mbox(tmp_path / "out" / "Work" / "New ideas.mbox")) == 1
    keeper.run("import", "bob", tmp_path / "out", "--keep-names")
    assert keeper.counts("bob") == keeper.counts("anna")
    assert {m["mailbox"] for m in keeper.json("mailbox", "list", "bob")} == \
        {m["mailbox"] for m in keeper.json("mailbox", "list", "anna")}


# ---- export -------------------------------------------------------------------------------------

def test_export_import_export_is_stable(keeper, tmp_path):
    """Random mail with random flags: two exports with an import between them are the same."""
    rng = random.Random(7)
    root = str(tmp_path / "Maildir")
    for box in ("", ".Work", ".Work.a\\2eb", ".&ZeVnLIqe-"):
        maildir(os.path.join(root, box))
        for i in range(25):
            flags = "".join(c for c in FLAG_LETTERS if rng.random() < 0.3)
            body = bytes(rng.choice(b"From >\r\nx\0\xff") for _ in range(rng.randrange(300)))
            put(root, os.path.join(box, f"cur/{i}:2,{flags}"), message(i) + body,
                rng.randrange(1, 2**31))
    keeper.add("anna", "bob")
    assert keeper.one("import", "anna", root)["added"] == 100
    keeper.run("export", "anna", tmp_path / "one")
    keeper.run("import", "bob", tmp_path / "one")
    keeper.run("export", "bob", tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert keeper.one("import", "anna", tmp_path / "two")["added"] == 0
    boxes = mailbox.Maildir(tmp_path / "one")
    assert len(boxes) == 25 and len(boxes.get_folder("Work")) == 25


def test_export_writes_over_nothing(keeper, tmp_path):
    keeper.add("anna")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    keeper.run("export", "anna", tmp_path / "full", code=1)
    assert "writes over nothing" in keeper.error
    keeper.run("export", "anna", tmp_path / "full" / "x", "--format", "mbox", "--mailbox", "INBOX",
               code=1)
    assert (tmp_path / "full" / "x").read_text() == "mine"
    keeper.run("export", "ann", tmp_path / "new", code=3)
    keeper.run("export", "anna", tmp_path / "new", "--mailbox", "Arcive", code=3)
    assert 'Did you mean "Archive"?' in keeper.error
    assert not (tmp_path / "new").exists()
    keeper.run("export", "anna", tmp_path / "new", "--format", "pst", code=2)


def test_export_keeps_crlf_when_asked(keeper, tmp_path):
    root = str(tmp_path / "Maildir")
    maildir(root)
    put(root, "cur/1:2,S", message(1))
    keeper.add("anna")
    keeper.run("import", "anna", root)
    keeper.run("export", "anna", tmp_path / "out", "--crlf")
    (name,) = os.listdir(tmp_path / "out" / "cur")
    assert (tmp_path / "out" / "cur" / name).read_bytes() == message(1, eol="\r\n")


def test_corpus(keeper, tmp_path):
    """Real and broken messages: all come in, come out as they were, and are not taken in twice."""
    broken = os.path.join(os.path.dirname(__file__), "../../../shared/corpus/mail-parser-eml")
    if not os.path.isdir(broken):
        pytest.skip("no ../shared/corpus")
    keeper.add("anna", "bob")
    r = keeper.one("import", "anna", broken)
    assert r["added"] == sum(n.endswith(".eml") for _, _, names in os.walk(broken) for n in names)
    assert keeper.one("import", "anna", broken)["added"] == 0
    keeper.run("export", "anna", tmp_path / "out")
    assert keeper.one("import", "bob", tmp_path / "out")["added"] == r["added"]
    keeper.run("export", "bob", tmp_path / "again")
    assert tree(tmp_path / "out") == tree(tmp_path / "again")


def bodies(folder):
    """Hash to how often, of every message in exported Maildirs."""
    return collections.Counter(hashlib.sha256(body).digest()
                               for items in tree(folder).values() for *_, body in items)


def mboxes(folder):
    out = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, folder)] = f.read()
    return out


def test_large_corpus_out_and_in(offline, tmp_path):
    """Thousands of real messages through both formats: nothing lost, nothing twice, and a second
    round changes nothing. INTEROP_MESSAGES says how many."""
    offline.add("anna", "bob", "cid")
    wanted, root = collections.Counter(), str(tmp_path / "Maildir")
    maildir(root)
    maildir(root + "/.Lists")
    messages = corpus(int(os.environ.get("INTEROP_MESSAGES", "500")))
    for i, m in enumerate(messages):
        m = m.replace(b"\r\n", b"\n")
        wanted[hashlib.sha256(m).digest()] += 1
        put(root, f"{'.Lists/' if i % 3 else ''}cur/{i}:2,{'FRS'[i % 3]}", m, 1000000000 + i)
    assert offline.one("import", "anna", root)["added"] == len(messages)
    offline.run("export", "anna", tmp_path / "dirs")
    assert bodies(tmp_path / "dirs") == wanted

    offline.run("export", "anna", tmp_path / "boxes", "--format", "mbox")
    assert sum(len(mailbox.mbox(tmp_path / "boxes" / n)) for n in mboxes(tmp_path / "boxes")) == \
        len(messages)
    assert offline.one("import", "bob", tmp_path / "boxes")["added"] == len(messages)
    offline.run("export", "bob", tmp_path / "boxes2", "--format", "mbox")
    assert mboxes(tmp_path / "boxes") == mboxes(tmp_path / "boxes2")
    assert offline.one("import", "cid", tmp_path / "dirs")["added"] == len(messages)
    offline.run("export", "cid", tmp_path / "dirs2")
    assert tree(tmp_path / "dirs") == tree(tmp_path / "dirs2")
    for account, source in (("anna", "dirs2"), ("bob", "boxes"), ("anna", root)):
        assert offline.one("import", account, tmp_path / source)["added"] == 0
    assert offline.run("check", "--read-bodies").endswith("All is well.\n")
