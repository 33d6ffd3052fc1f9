# SPDX-License-Identifier: Apache-2.0
"""Thunderbird: its ordinary day with an account, seen from its side (what it shows, what it keeps
in its profile) and from another session on the server."""
import email
import email.policy
import time

import pytest

from messages import corpus, generated
from thunderbird import Thunderbird, missing

UPDATE = "await listen(l => folderOf(args[0]).updateFolderWithListener(null, l));"
FOLDERS = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Work", "Work/Sub", "Très chic"}


def made(number, size, token):
    """A message whose subject none of the corpus has, which may be made up, too."""
    return generated(100 + number, size, token)


def subject(number, token):
    head = made(number, 600, token).partition(b"\r\n\r\n")[0].decode()
    return next(x[9:] for x in head.split("\r\n") if x.startswith("Subject: "))


def names(c, box):
    """Subject to flags, as another session sees the mailbox."""
    c.ok(b'EXAMINE "%s"' % box.encode())
    out = {}
    for a in c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetches().values():
        line = next(v for k, v in a.items() if k.startswith(b"BODY["))
        out[line.decode(errors="replace").partition(": ")[2].strip()] = \
            {f.decode().lower() for f in a[b"FLAGS"]} - {"\\recent"}
    return out


def kept(profile, folder):
    """What Thunderbird keeps of a folder for reading offline, with LF ends."""
    path = profile / "ImapMail" / "localhost"
    *up, last = folder.split("/")
    for name in up:
        path = path / f"{name}.sbd"
    path = path / last
    return path.read_bytes().replace(b"\r\n", b"\n") if path.exists() else b""


def stored_lines(message):
    """A message without the lines that begin with "From ": an mbox quotes them."""
    return b"\n".join(x for x in message.replace(b"\r\n", b"\n").split(b"\n")
                      if not x.lstrip(b">").startswith(b"From "))


@pytest.fixture(params=["imaps", "starttls"])
def thunderbird(request, shared_server, account, tmp_path):
    if missing():
        pytest.skip(missing())
    real = corpus(25)
    with shared_server.login(account) as c:
        for box in ("Work/Sub", "Tr&AOg-s chic"):
            c.ok(f'CREATE "{box}"')
        for m in real:
            c.append("INBOX", m, "\\Seen")
        for i in range(5):
            c.append("INBOX", made(i, 600, "tb"))
        c.append("Work/Sub", made(9, 600, "sub"))
    with Thunderbird(shared_server, account, tmp_path, request.param) as tb:
        tb.until("folderOf('INBOX').updateFolder(null); return folderOf('INBOX')"
                 ".getTotalMessages(false)", what=lambda n: n == len(real) + 5)
        with shared_server.login(account) as c:
            yield tb, c, real


def test_ordinary_day(thunderbird):
    tb, c, real = thunderbird
    sees_all_folders(tb)
    downloads(tb, real)
    hears_of_new_mail(tb, c)
    marks(tb, c)
    hears_of_flags(tb, c)
    moves_and_copies(tb, c)
    deletes(tb, c)
    searches(tb)
    saves_a_draft(tb, c)
    sends(tb, c)
    manages_folders(tb, c)


def sees_all_folders(tb):
    found = tb.until("return root.descendants.map(f => decodeURIComponent("
                     "f.URI.split('localhost/')[1]))",
                     what=lambda x: len(x) >= len(FOLDERS))
    assert set(found) in (FOLDERS, {n.replace("è", "&AOg-") for n in FOLDERS})
    special = {n: tb.run("return folderOf(args[0]).getFlag(Ci.nsMsgFolderFlags[args[1]])", n, flag)
               for n, flag in (("Sent", "SentMail"), ("Drafts", "Drafts"), ("Trash", "Trash"),
                               ("Junk", "Junk"), ("Archive", "Archive"))}
    assert all(special.values()), special
    assert tb.run("return folderOf('INBOX').getNumUnread(false)") == 5


def download(tb, box, patience=30):
    """Thunderbird refuses while it is still about the folder for a reason of its own."""
    end = time.monotonic() + patience
    while True:
        try:
            return tb.run("await listen(l => folderOf(args[0]).downloadAllForOffline(l, null));",
                          box)
        except RuntimeError as e:
            if "NS_MSG_FOLDER_BUSY" not in str(e) or time.monotonic() > end:
                raise
        time.sleep(0.2)


def downloads(tb, real):
    for box in ("INBOX", "Work/Sub"):
        tb.run(UPDATE, box)
        download(tb, box)
    tb.until("return heads(folderOf('INBOX')).every(h => h.flags & Ci.nsMsgMessageFlags.Offline)")
    inbox = stored_lines(kept(tb.profile, "INBOX"))
    for i, m in enumerate(real + [made(i, 600, "tb") for i in range(5)]):
        assert stored_lines(m).strip(b"\n") in inbox, f"message {i} is not kept as it is"
    assert stored_lines(made(9, 600, "sub")).strip(b"\n") in kept(tb.profile, "Work/Sub")


def hears_of_new_mail(tb, c):
    """Nothing is asked of Thunderbird: it waits in IDLE."""
    before = tb.run("return folderOf('INBOX').getTotalMessages(false)")
    c.append("INBOX", made(20, 600, "new"))
    tb.until("return !!bySubject(folderOf('INBOX'), args[0])", subject(20, "new"))
    assert tb.run("return folderOf('INBOX').getTotalMessages(false)") == before + 1


def marks(tb, c):
    one = subject(0, "tb")
    tb.run("const f = folderOf('INBOX'); const h = [bySubject(f, args[0])];"
           "f.markMessagesRead(h, true); f.markMessagesFlagged(h, true);"
           "f.addKeywordsToMessages(h, '$label1');", one)
    wait(lambda: {"\\seen", "\\flagged", "$label1"} <= names(c, "INBOX")[one])
    tb.run("const f = folderOf('INBOX'); f.markMessagesFlagged([bySubject(f, args[0])], false);", one)
    wait(lambda: "\\flagged" not in names(c, "INBOX")[one])


def hears_of_flags(tb, c):
    c.select("INBOX")
    uid = c.ok(f'UID SEARCH SUBJECT "{subject(1, "tb")}"').search()[0]
    c.ok(f"UID STORE {uid} +FLAGS (\\Seen \\Answered)")
    tb.until("return bySubject(folderOf('INBOX'), args[0]).isRead", subject(1, "tb"))


COPY = ("const f = folderOf('INBOX'); await listen(l => MailServices.copy.copyMessages(f,"
        "[bySubject(f, args[0])], folderOf(args[1]), args[2], l, null, false));")


def moves_and_copies(tb, c):
    moved, copied = subject(2, "tb"), subject(1, "tb")
    tb.run(COPY, moved, "Archive", True)
    wait(lambda: moved in names(c, "Archive") and moved not in names(c, "INBOX"))
    tb.run(COPY, copied, "Work/Sub", False)
    wait(lambda: copied in names(c, "Work/Sub") and copied in names(c, "INBOX"))
    tb.until("folderOf('Archive').updateFolder(null);"
             "return !!bySubject(folderOf('Archive'), args[0])", moved)


def deletes(tb, c):
    """To the wastebasket first, and out of it for good."""
    gone = subject(3, "tb")
    delete = ("const f = folderOf(args[1]); await listen(l => f.deleteMessages("
              "[bySubject(f, args[0])], null, args[2], false, l, false));")
    tb.run(delete, gone, "INBOX", False)
    wait(lambda: gone in names(c, "Trash") and gone not in names(c, "INBOX"))
    tb.until("folderOf('Trash').updateFolder(null);"
             "return !!bySubject(folderOf('Trash'), args[0])", gone)
    tb.run(delete, gone, "Trash", True)
    tb.run("await listen(l => folderOf('Trash').compact(l, null));")
    wait(lambda: not names(c, "Trash"))


def searches(tb):
    """On the server: its own index would not know the text of the body."""
    hits = tb.run("""
        const session = Cc["@mozilla.org/messenger/searchSession;1"]
            .createInstance(Ci.nsIMsgSearchSession);
        session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folderOf("INBOX"));
        const term = session.createTerm();
        term.attrib = Ci.nsMsgSearchAttrib.Body;
        term.op = Ci.nsMsgSearchOp.Contains;
        const value = term.value;
        value.attrib = term.attrib;
        value.str = args[0];
        term.value = value;
        session.appendTerm(term);
        return new Promise(resolve => {
          const found = [];
          session.registerListener({
            onSearchHit(h) { found.push(h.mime2DecodedSubject); },
            onSearchDone() { resolve(found); },
            onNewSearch() {} });
          session.search(null);
        });""", "token new")
    assert hits == [subject(20, "new")]


def saves_a_draft(tb, c):
    """A file copied into a folder goes up by APPEND."""
    path = tb.home / "draft.eml"
    message = made(30, 600, "draft")
    path.write_bytes(message)
    tb.run("""
        const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
        file.initWithPath(args[0]);
        await listen(l => MailServices.copy.copyFileMessage(file, folderOf("Drafts"), null, false,
            Ci.nsMsgMessageFlags.Read, "", l, null));""", str(path))
    wait(lambda: "\\seen" in names(c, "Drafts").get(subject(30, "draft"), ()))
    c.ok('EXAMINE "Drafts"')
    a = c.ok("FETCH 1 (BODY.PEEK[])").all(b"FETCH")[0].attributes()
    assert a[b"BODY[]"].strip() == message.strip()


def sends(tb, c):
    """By submission; its own copy goes to Sent by APPEND, and what was sent comes back to INBOX."""
    told = tb.run("""
        const identity = MailServices.accounts.allIdentities.find(i => i.email == args[0]);
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"]
            .createInstance(Ci.nsIMsgCompFields);
        fields.from = "Zo\u00eb <" + args[0] + ">";
        fields.to = args[0];
        fields.bcc = args[0];
        fields.subject = "Gr\u00fc\u00dfe from Thunderbird";
        fields.fcc = folderOf("Sent").URI;
        const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
        return await new Promise((resolve, reject) => send.createAndSendMessage(
            null, identity, "account1", fields, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null,
            "text/plain", "Zo\u00eb says:\\r\\n.a dot\\r\\nbye\\r\\n", null, null, {
              onStartSending() {}, onSendProgress() {}, onProgress() {}, onStatus() {},
              onGetDraftFolderURI() {}, onSendNotPerformed() {}, onTransportSecurityError() {},
              onStopSending(id, status) { resolve(status); },
              QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]) },
            "", null, Ci.nsIMsgCompType.New).catch(reject));""", tb.user)
    assert told == 0, hex(told)
    c.select("INBOX")
    wait(lambda: c.ok('UID SEARCH SUBJECT "from Thunderbird"').search())
    (uid,) = c.ok('UID SEARCH SUBJECT "from Thunderbird"').search()
    raw = c.ok(f"UID FETCH {uid} (BODY.PEEK[])").fetches()[uid][b"BODY[]"]
    got = email.message_from_bytes(raw, policy=email.policy.default)
    assert got["Bcc"] is None and got["Subject"] == "Gr\u00fc\u00dfe from Thunderbird"
    assert got.get_content().replace("\r\n", "\n") == "Zo\u00eb says:\n.a dot\nbye\n"
    wait(lambda: any("from_Thunderbird" in s or "from Thunderbird" in s for s in names(c, "Sent")))


def listed(c):
    return {bytes(u.args[2]).decode() for u in c.ok('LIST "" "*"').all(b"LIST")}


def manages_folders(tb, c):
    tb.run("root.createSubfolder('Made', null);")
    wait(lambda: "Made" in listed(c))
    tb.until("return !!root.subFolders.find(f => f.name == 'Made')")
    tb.run("folderOf('Made').rename('Renamed', null);")
    wait(lambda: "Renamed" in listed(c) and "Made" not in listed(c))
    assert "Renamed" in {bytes(u.args[2]).decode() for u in c.ok('LSUB "" "*"').all(b"LSUB")}
    c.ok('CREATE "Elsewhere"')
    c.ok('SUBSCRIBE "Elsewhere"')
    tb.until("server.performExpand(null);"
             "return !!root.subFolders.find(f => f.name == 'Elsewhere')")


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the server does not hear of it"
        time.sleep(0.1)
