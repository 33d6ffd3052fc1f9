# SPDX-License-Identifier: Apache-2.0
"""SORT and THREAD of the same mail by Mailkeep and by Dovecot: every difference must be known.

Where the two differ the RFCs are on one side, and the reason is written here.
"""
import random

import pytest
import servers
import threads as model
from imapwire import Imap
from messages import corpus

CRITERIA = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"]
ALGORITHMS = ["ORDEREDSUBJECT", "REFERENCES", "REFS"]
COUNT = 400


def mail():
    """Real messages, and the random ones of the model's test, with their arrival."""
    rng = random.Random(5)
    real = [(m, 1_700_000_000 + rng.randrange(300)) for m in corpus(COUNT)]
    made = model.mailbox(rng, 150)
    return real, made


def answers(server, box):
    c = Imap(server.port)
    c.login(server.user(1), server.password)
    c.select(box)
    out = {}
    for word in CRITERIA:
        for text in word, "REVERSE " + word:
            out[text] = model.numbers(c.ok(f"UID SORT ({text}) UTF-8 ALL"), b"SORT")
    out["SUBJECT DATE"] = model.numbers(c.ok("UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL"), b"SORT")
    for word in ALGORITHMS:
        reply = c.ok(f"UID THREAD {word} UTF-8 ALL").all(b"THREAD")
        out[word] = [model.plain(x) for x in reply[0].args] if reply else []
    c.close()
    return out


def fill(server, box, messages):
    c = Imap(server.port)
    c.login(server.user(1), server.password)
    c.ok(f"CREATE {box}")
    for raw, arrival in messages:
        c.ok(f'APPEND {box} "{model.date_text(arrival)}" {{}}', raw)
    c.close()


@pytest.fixture(scope="module")
def both():
    dovecot, mailkeep = servers.Dovecot, servers.Mailkeep
    missing = dovecot.missing() or mailkeep.missing()
    if missing:
        pytest.skip(missing)
    pair = [mailkeep(), dovecot()]
    for s in pair:
        s.start()
    real, made = mail()
    out = {}
    for box, messages in ("real", real), ("made", made):
        for s in pair:
            fill(s, box, messages)
        out[box] = [answers(s, box) for s in pair]
    yield out, real, made
    for s in pair:
        s.close()


def test_real_mail_is_sorted_and_threaded_alike(both):
    ours, theirs = both[0]["real"]
    assert ours == theirs


def test_random_mail_is_sorted_alike(both):
    """One difference: U+01C6 has the title case U+01C5, which is taken apart into "D", "z" and a
    caron (the example of RFC 5051 section 2); Dovecot leaves it whole, and sorts it behind Z."""
    ours, theirs = both[0]["made"]
    odd = {uid for uid, (raw, _) in enumerate(both[2], 1) if "\u01c6".encode() in raw}
    for what, uids in ours.items():
        if what not in ALGORITHMS:
            left = [[u for u in x if u not in odd or "SUBJECT" not in what]
                    for x in (uids, theirs[what])]
            assert left[0] == left[1], what


@pytest.mark.parametrize("algorithm", ["ORDEREDSUBJECT", "REFERENCES"])
def test_random_mail_is_threaded_alike(both, algorithm):
    ours, theirs = both[0]["made"]
    assert ours[algorithm] == theirs[algorithm]


def test_random_mail_by_refs(both):
    """One difference: threads whose newest messages are of the same second are in no order there."""
    ours, theirs = both[0]["made"]
    sent = {uid: model.Message(uid, *m).sent for uid, m in enumerate(both[2], 1)}

    def newest(thread):
        return max(newest(x) if isinstance(x, list) else sent[x] for x in thread)

    assert sorted(map(str, ours["REFS"])) == sorted(map(str, theirs["REFS"]))
    assert [newest(x) for x in ours["REFS"]] == [newest(x) for x in theirs["REFS"]]
    assert sorted(ours["REFS"], key=newest) == ours["REFS"]
