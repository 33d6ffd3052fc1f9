# SPDX-License-Identifier: Apache-2.0
"""SORT and THREAD on random mailboxes, compared with a plain model of the RFCs (threads.py)."""
import calendar
import os
import random
import time

import pytest
import threads
from imapwire import Imap, expand
from threads import date_text, mailbox, numbers, plain
from test_imap_scripts import TESTD, LocalServer

SEED = int(os.environ.get("MK_SORT_SEED", "0")) or random.randrange(1 << 30)
ROUNDS = int(os.environ.get("MK_SORT_ROUNDS", "12"))
CRITERIA = ["ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO"]


def fill(client, rng, n, box="INBOX"):
    messages = []
    for raw, arrival in mailbox(rng, n):
        client.ok(f'APPEND {box} "{date_text(arrival)}" {{}}', raw)
        messages.append((raw, arrival))
    return [threads.Message(uid, raw, arrival) for uid, (raw, arrival) in enumerate(messages, 1)]


def partial(wanted, first, last):
    low, high = min(abs(first), abs(last)), max(abs(first), abs(last))
    if first > 0:
        return wanted[low - 1:high]
    n = len(wanted)
    return wanted[max(n - high, 0):max(n - low + 1, 0)]


def check_esort(client, rng, command, wanted):
    """`command` has a {} for the return options; the answer is in UIDs."""
    first, last = rng.choice([(1, 3), (4, 2), (-1, -3), (-5, -2), (1000, 2000), (-1000, -999)])
    reply = client.ok(command.format(f"RETURN (MIN MAX COUNT PARTIAL {first}:{last})"))
    args = reply.all(b"ESEARCH")[0].args
    got = {bytes(k).upper(): v for k, v in zip(args, args[1:]) if isinstance(k, bytes)}
    assert got[b"COUNT"] == len(wanted)
    if wanted:
        assert (got[b"MIN"], got[b"MAX"]) == (wanted[0], wanted[-1])
    text, result = got[b"PARTIAL"]
    assert text == f"{first}:{last}".encode()
    part = partial(wanted, first, last)
    assert (expand(result) if part else result) == (part or None) or not part and result in (None, b"NIL")


def check_all(client, rng, messages, having):
    for _ in range(12):
        criteria = []
        for word in rng.sample(CRITERIA, rng.choice([1, 1, 2, 3])):
            criteria += ["REVERSE", word] if rng.random() < 0.3 else [word]
        words = " ".join(criteria)
        wanted = threads.sort(having, criteria)
        search = "ALL" if len(having) == len(messages) else "FLAGGED"
        got = numbers(client.ok(f"UID SORT ({words}) UTF-8 {search}"), b"SORT")
        assert got == wanted, f"seed {SEED}: {words} {search}"
        check_esort(client, rng, f"UID SORT {{}} ({words}) UTF-8 {search}", wanted)
    for algorithm in "ORDEREDSUBJECT", "REFERENCES", "REFS":
        reply = client.ok(f"UID THREAD {algorithm} UTF-8 {search}")
        got = [plain(x) for x in reply.all(b"THREAD")[0].args]
        assert got == threads.thread(having, algorithm), f"seed {SEED}: {algorithm} {search}"


@pytest.fixture(scope="module")
def port():
    if not TESTD.exists():
        pytest.skip("imap-testd is not built")
    server = LocalServer()
    yield server.port
    server.close()


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_random_mailbox(port, turn):
    rng = random.Random(SEED + turn)
    client = Imap(port)
    client.login(f"sort{turn}", "pass")
    n = rng.choice([0, 1, 2, 3, 10, 30, 90, 150])
    messages = fill(client, rng, n)
    client.select("INBOX")
    check_all(client, rng, messages, messages)
    flagged = [m for m in messages if rng.random() < 0.5]
    if flagged:
        client.ok(f"UID STORE {','.join(str(m.uid) for m in flagged)} +FLAGS.SILENT (\\Flagged)")
    check_all(client, rng, messages, flagged)
    check_all(client, rng, messages, messages)  # as it was kept
    gone = [m for m in messages if rng.random() < 0.2]
    if gone:
        client.ok(f"UID STORE {','.join(str(m.uid) for m in gone)} +FLAGS.SILENT (\\Deleted)")
        client.ok("EXPUNGE")
    left = [m for m in messages if m not in gone]
    check_all(client, rng, left, left)
    by_number = numbers(client.ok("SORT (SUBJECT) UTF-8 ALL"), b"SORT")
    uids = [m.uid for m in left]
    assert [uids[i - 1] for i in by_number] == threads.sort(left, ["SUBJECT"])
    client.close()


def test_arrivals_are_sorted_in(port):
    """What was kept of an earlier answer is not given to a larger mailbox."""
    rng = random.Random(SEED)
    client = Imap(port)
    client.login("arrivals", "pass")
    messages = fill(client, rng, 120)
    client.select("INBOX")
    check_all(client, rng, messages, messages)
    for raw, arrival in mailbox(rng, 5):
        client.ok(f'APPEND INBOX "{date_text(arrival)}" {{}}', raw)
        messages.append(threads.Message(len(messages) + 1, raw, arrival))
        assert numbers(client.ok("UID SORT (REVERSE ARRIVAL) UTF-8 ALL"), b"SORT") == threads.sort(
            messages, ["REVERSE", "ARRIVAL"])
    check_all(client, rng, messages, messages)
    client.close()


def test_deep_and_wide_threads(port):
    """A chain of replies and a thousand replies to one message: no recursion, no square."""
    client = Imap(port)
    client.login("deep", "pass")
    raws = [f"Message-ID: <c{i}@h>\r\nReferences: <c{i - 1}@h>\r\nSubject: c{i}\r\n\r\n".encode()
            for i in range(1, 1500)]
    random.Random(SEED).shuffle(raws)
    raws += [f"Message-ID: <w{i}@h>\r\nIn-Reply-To: <w0@h>\r\nSubject: w{i}\r\n\r\n".encode()
             for i in range(1000)]
    for at in range(0, len(raws), 500):
        command = "APPEND INBOX"
        client.ok(command + "".join(f' {{{len(r)}+}}\r\n' + r.decode() for r in raws[at:at + 500]))
    client.select("INBOX")
    messages = [threads.Message(uid, raw, 0) for uid, raw in enumerate(raws, 1)]
    for line in client.ok("FETCH 1:* INTERNALDATE").all(b"FETCH"):
        text = bytes(line.attributes()[b"INTERNALDATE"]).decode()
        m = messages[line.number - 1]
        m.arrival = m.sent = calendar.timegm(
            time.strptime(text[:20].strip(), "%d-%b-%Y %H:%M:%S"))
    import sys
    sys.setrecursionlimit(20000)
    for algorithm in "REFERENCES", "REFS":
        reply = client.ok(f"UID THREAD {algorithm} UTF-8 ALL")
        assert [plain(x) for x in reply.all(b"THREAD")[0].args] == threads.thread(messages, algorithm)
    client.close()
