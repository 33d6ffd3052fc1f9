# SPDX-License-Identifier: Apache-2.0
"""How the work of each command grows: instructions, counted by valgrind, at n, 2n and 4n.

What reads or changes n messages may cost n log n; what names one thing, or only what has changed
since, about the same however large the mailbox is. Seconds are never looked at. MK_GROWTH is n.
"""
import math
import os
import pathlib
import shutil
import subprocess

import pytest
from imapwire import Imap
from test_imap_scripts import TESTD

N = int(os.environ.get("MK_GROWTH", "200"))
SIZES = (N, 2 * N, 4 * N)
SLACK = 1.2

needs = [pytest.mark.skipif(not TESTD.exists(), reason="imap-testd is not built"),
         pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")]
pytestmark = needs


class Counted:
    """imap-testd under callgrind, which counts nothing but what cost() is asked about."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--vgdb-poll=200",
             f"--callgrind-out-file={self.folder}/out", f"--vgdb-prefix={self.folder}/vgdb",
             str(TESTD)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.dumps, self.is_counting = 0, False

    def tell(self, word):
        subprocess.run(["vgdb", "--max-invoke-ms=1", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={self.process.pid}",
                        *word.split()], check=True, capture_output=True, timeout=60)

    def count(self, wanted):
        """Without counting the server is several times as fast."""
        if wanted != self.is_counting:
            self.tell(f"instrumentation {'on' if wanted else 'off'}")
            self.is_counting = wanted

    def cost(self, act, c, clean=False):
        """Instructions of what act() makes the server do, also after its answer to session c.
        clean: nothing was done since the last count."""
        if not clean and self.is_counting:
            self.tell("zero")
        self.count(True)
        act()
        c.ok("NOOP")
        self.tell("dump")
        self.dumps += 1
        text = (self.folder / f"out.{self.dumps}").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("totals:")).split()[1])

    def client(self, user="u", enable=None):
        c = Imap(self.port, timeout=120)
        c.login(user, "pass")
        if enable:
            c.ok(f"ENABLE {enable}")
        return c

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def message(i):
    parent = f"References: <{(i - 1) // 3}@x.example>\r\n" if i % 3 else ""
    return (f"From: p{i * 31 % 97}@one.example\r\nTo: t@two.example\r\n{parent}"
            f"Subject: {i * 7919 % 10007:05} about\r\nMessage-ID: <{i}@x.example>\r\n"
            f"Date: Mon, {i % 28 + 1:02} Feb 2021 {i % 24:02}:00:00 +0000\r\n\r\nbody {i}\r\n"
            ).encode()


def fill(c, box, n):
    for first in range(0, n, 500):
        part = [message(i) for i in range(first, min(n, first + 500))]
        c.ok(f"APPEND {box}" + " {}" * len(part), *part, sync=False)


class Room:
    """An account with n messages, and whoever looks on."""

    def __init__(self, server, n):
        self.server, self.n = server, n
        server.count(False)
        self.user = f"n{n}"
        self.c = server.client(self.user)
        fill(self.c, "INBOX", n)
        for box in ("Copies", "Moved", "Gone", "Holes"):
            self.c.ok(f"CREATE {box}")
        self.c.select("INBOX")

    def cost(self, text, *literals, c=None, clean=False):
        c = c or self.c
        return self.server.cost(lambda: c.ok(text, *literals, sync=False), c, clean)

    def copy(self, box):
        self.c.select("INBOX")
        self.c.ok(f"COPY 1:* {box}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Counted(tmp_path_factory.mktemp("growth"))
    yield s
    s.close()


@pytest.fixture(scope="module")
def rooms(server):
    return [Room(server, n) for n in SIZES]


def judge(what, costs, constant):
    """From n and 2n to 4n; constant: 4n costs at most half as much more than n."""
    text = f"{what}: {costs} instructions at {SIZES}"
    print(text)
    if constant:
        return [] if costs[2] < costs[0] * 1.5 + 20000 else [text]
    for i in (0, 1):
        allowed = SIZES[2] / SIZES[i] * math.log(SIZES[2]) / math.log(SIZES[i]) * SLACK
        if costs[2] > costs[i] * allowed:
            return [f"{text}, {costs[2] / costs[i]:.2f} times"]
    return []


WHOLE = {  # text for n messages; all may grow as n log n
    "FETCH flags": "FETCH 1:* (UID FLAGS MODSEQ)",
    "FETCH envelope": "FETCH 1:* (ENVELOPE)",
    "FETCH headers": "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
    "FETCH every second": "FETCH {odd} (FLAGS)",
    "UID FETCH every second": "UID FETCH {odd} (FLAGS)",
    "UID FETCH one by one, backwards": "UID FETCH {backwards} (UID)",
    "SEARCH ALL": "SEARCH ALL",
    "SEARCH flags": "SEARCH UNSEEN NOT DELETED",
    "SEARCH set": "SEARCH {odd}",
    "SEARCH or of n": "SEARCH UID {odd} NOT UID {odd}",
    "SEARCH subject": "SEARCH SUBJECT 999",
    "SEARCH modseq": "SEARCH MODSEQ 1",
    "SEARCH save": "SEARCH RETURN (SAVE) {odd}",
    "FETCH saved": "FETCH $ (UID)",
    "SORT subject": "SORT (SUBJECT) UTF-8 ALL",
    "SORT reverse": "SORT (REVERSE FROM ARRIVAL SIZE) UTF-8 NOT DELETED",
    "THREAD references": "THREAD REFERENCES UTF-8 ALL",
    "THREAD orderedsubject": "THREAD ORDEREDSUBJECT UTF-8 ALL",
    "THREAD refs": "THREAD REFS UTF-8 NOT DELETED",
    "STORE all": "STORE 1:* +FLAGS (\\Flagged)",
    "STORE every second": "STORE {odd} +FLAGS.SILENT (\\Answered $Key)",
    "STORE condition": "STORE {odd} (UNCHANGEDSINCE 1) +FLAGS (\\Draft)",
    "COPY": "COPY 1:* Copies",
    "COPY every second": "COPY {odd} Copies",
    "SELECT": "SELECT INBOX",
}


def sets(n):
    odd = ",".join(str(i) for i in range(1, n + 1, 2))
    return {"odd": odd, "backwards": ",".join(str(i) for i in range(n, 0, -2))}


@pytest.mark.parametrize("what", WHOLE)
def test_work_on_n_messages(rooms, what):
    costs = [r.cost(WHOLE[what].format(**sets(r.n)), clean=i > 0) for i, r in enumerate(rooms)]
    assert not judge(what, costs, False)


@pytest.mark.parametrize("mode", [None, "QRESYNC"])
@pytest.mark.parametrize("which", ["all", "every second"])
def test_expunge_and_those_who_look_on(rooms, mode, which):
    """n messages go: for who expunges, for another who is told, and for one who comes back."""
    going, told, back, moving = [], [], [], []
    for r in rooms:
        r.server.count(False)
        r.copy("Gone")
        watcher = r.server.client(r.user, mode)
        later = r.server.client(r.user, "QRESYNC")
        said = later.select("Gone").codes()
        validity, highest = said[b"UIDVALIDITY"][0], said[b"HIGHESTMODSEQ"][0]
        first = min(later.ok("UID SEARCH ALL").search())
        later.ok("UNSELECT")
        watcher.select("Gone")
        c = r.server.client(r.user, mode)
        c.select("Gone")
        c.ok(f"STORE {'1:*' if which == 'all' else sets(r.n)['odd']} +FLAGS.SILENT (\\Deleted)")
        watcher.ok("NOOP")
        going.append(r.cost("EXPUNGE", c=c))
        told.append(r.cost("NOOP", c=watcher))
        back.append(r.cost(f"SELECT Gone (QRESYNC ({validity} {highest} {first}:{first + r.n}))",
                           c=later))
        if which == "all":
            r.copy("Gone")
            c.ok("NOOP")
        moving.append(r.cost("MOVE 1:* Moved", c=c))
        for x in (watcher, later, c):
            x.close()
    bad = judge(f"EXPUNGE {which} {mode}", going, False)
    bad += judge(f"telling of EXPUNGE {which} {mode}", told, False)
    bad += judge(f"QRESYNC after EXPUNGE {which}", back, False)
    bad += judge(f"MOVE {which} {mode}", moving, False)
    assert not bad


def test_what_has_changed_is_all_that_costs(rooms):
    """One change in a mailbox of n: as much work whatever n is."""
    costs = {}

    def note(what, cost):
        costs.setdefault(what, []).append(cost)

    for r in rooms:
        c, other = r.server.client(r.user, "QRESYNC"), r.server.client(r.user)
        said = c.select("INBOX").codes()
        other.select("INBOX")
        validity, highest = said[b"UIDVALIDITY"][0], said[b"HIGHESTMODSEQ"][0]
        note("NOOP", r.cost("NOOP", c=c))
        note("STORE of one", r.cost("STORE 7 +FLAGS ($One)", c=other))
        note("NOOP that tells flags of one", r.cost("NOOP", c=c))
        note("CHANGEDSINCE", r.cost(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {highest} VANISHED)",
                                    c=c))
        note("APPEND of one", r.cost("APPEND INBOX {}", message(5), c=other))
        note("NOOP that tells of a new one", r.cost("NOOP", c=c))
        note("FETCH of the last", r.cost("FETCH * (UID FLAGS ENVELOPE)", c=c))
        note("COPY of one", r.cost("COPY 5 Copies", c=c))
        note("SEARCH of one", r.cost("UID SEARCH UID 5", c=c))
        note("STATUS", r.cost("STATUS Copies (MESSAGES UNSEEN SIZE HIGHESTMODSEQ)", c=c))
        tag = c.idle()

        def idle():
            other.ok("STORE 9 +FLAGS.SILENT ($Two)")
            c.wait_untagged(b"FETCH", 60)
        note("STORE of one, told in IDLE", r.server.cost(idle, other))
        assert c.done(tag).ok
        other.ok("STORE 11 +FLAGS.SILENT (\\Deleted)")
        c.ok("NOOP")
        note("EXPUNGE of one", r.cost("UID EXPUNGE 11", c=other))
        note("NOOP that tells of its end", r.cost("NOOP", c=c))
        highest = c.ok("EXAMINE INBOX").codes()[b"HIGHESTMODSEQ"][0]
        other.ok("STORE 13:17 +FLAGS.SILENT ($Three)")
        c.ok("UNSELECT")
        whole = r.cost("SELECT INBOX", c=c)
        back = r.cost(f"SELECT INBOX (QRESYNC ({validity} {highest}))", c=c)
        note("QRESYNC, beyond SELECT", max(0, back - whole))
        c.close()
        other.close()
    bad = []
    for what, three in costs.items():
        bad += judge(what, three, True)
    assert not bad


def test_mailboxes(server):
    """n mailboxes: naming all, and naming one."""
    costs, bad = {}, []
    for n in (N // 4, N // 2, N):
        server.count(False)
        c = server.client(f"tree{n}")
        for i in range(n):
            c.ok(f"CREATE Top/a{i % 7}/box{i}")
        for i in range(0, n, 2):
            c.ok(f"SUBSCRIBE Top/a{i % 7}/box{i}")
        for what, text in {
                "LIST": 'LIST "" *', "LIST %": 'LIST "" %',
                "LIST status": 'LIST "" * RETURN (STATUS (MESSAGES UNSEEN))',
                "LIST patterns": 'LIST "" ("*box1*" "Top/%/box*" "*a3*")',
                "LIST subscribed": 'LIST (SUBSCRIBED RECURSIVEMATCH) "" *', "LSUB": 'LSUB "" *',
                "RENAME": "RENAME Top Up"}.items():
            costs.setdefault(what, []).append(server.cost(lambda t=text: c.ok(t), c))
        for what, text in {"CREATE one": "CREATE One/more", "STATUS one": "STATUS One (MESSAGES)",
                           "SUBSCRIBE one": "SUBSCRIBE One/more", "SELECT one": "SELECT One/more",
                           "DELETE one": "DELETE One/more"}.items():
            costs.setdefault(what, []).append(server.cost(lambda t=text: c.ok(t), c))
        c.close()
    for what, three in costs.items():
        bad += judge(what, three, False)
    assert not bad


def test_keywords(server):
    """n keywords in one mailbox (of 1,000 at most), and messages that have them."""
    costs, bad = {}, []
    for n in (200, 400, 800):
        server.count(False)
        c, other = server.client(f"words{n}"), server.client(f"words{n}")
        fill(c, "INBOX", n)
        c.select("INBOX")
        other.select("INBOX")
        c.send(b"".join(b"x STORE %d +FLAGS.SILENT (word%d)\r\n" % (i, i)
                        for i in range(1, n + 1)))
        for _ in range(n):
            while c.line().tag != b"x":
                pass
        c.ok("CREATE Copies")
        for what, who, text in (
                ("telling of keywords", other, "NOOP"),
                ("FETCH keywords", c, "FETCH 1:* (FLAGS)"),
                ("SEARCH keyword", c, "SEARCH KEYWORD word7"),
                ("SEARCH keywords", c, "SEARCH " + " ".join(f"UNKEYWORD word{i}"
                                                            for i in range(1, 60))),
                ("COPY keywords", c, "COPY 1:* Copies"),
                ("SELECT keywords", c, "SELECT Copies")):
            costs.setdefault(what, []).append(server.cost(lambda w=who, t=text: w.ok(t), who))
        c.close()
        other.close()
    for what, three in costs.items():
        bad += judge(what, three, False)
    assert not bad


def test_input_of_n_words(rooms):
    """Long commands on a mailbox of one size."""
    costs, bad = {}, []
    c = rooms[0].c
    c.select("INBOX")
    for n in SIZES:
        numbers = [str(i) for i in range(1, n * 8, 2)]
        for what, text in {
                "set of UIDs that are not there": f"UID FETCH {','.join(numbers)} (FLAGS)",
                "set in SEARCH": f"SEARCH UID {','.join(reversed(numbers))}",
                "keys of SEARCH": "SEARCH " + " ".join(["SEEN"] * (n // 2)),
                "words of FETCH": "FETCH 1 (" + " ".join(["FLAGS"] * min(n // 4, 900)) + ")",
                "patterns of LIST": 'LIST "" (' + " ".join(f"x{i}" for i in range(n // 4)) + ")",
        }.items():
            costs.setdefault(what, []).append(rooms[0].cost(text))
    for what, three in costs.items():
        bad += judge(what, three, False)
    assert not bad
