# SPDX-License-Identifier: Apache-2.0
"""The checker of the crash rounds must report every planted fault, and nothing else."""
import copy
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from kill9_oracle import (Box, BoxOp, Item, ItemOp, MarkOp, Model, NoteOp, SeenBox,  # noqa: E402
                          SeenMessage, check)

SEEN = frozenset({"\\seen"})
NONE = frozenset()


def world():
    """Two mailboxes and four messages, with the observation that agrees with them."""
    model = Model()
    inbox, work = Box(1, "INBOX", 11, highest=20), Box(1, "work", 12, highest=20)
    model.boxes = [inbox, work]
    rows = (("a", inbox, 1, SEEN, 5), ("b", inbox, 3, NONE, 6), ("c", work, 2, SEEN, 7),
            ("d", work, 4, NONE, 20))
    for token, box, uid, flags, modseq in rows:
        model.items.append(Item(token, "sha-" + token, 100, (box, uid, flags), modseq))
        model.remember(box, uid, token)
    inbox.expunged = {2}
    inbox.uidnext = 5
    work.note, inbox.marks = "plans", {2: {1: False, 2: True, 3: True}}
    seen = {1: {b.name: see(model, b) for b in model.boxes}}
    return model, seen


def see(model, box):
    here = {i.state[1]: SeenMessage(i.state[2], i.modseq, i.size, i.token, i.sha)
            for i in model.items if i.state and i.state[0] is box}
    status = {"MESSAGES": len(here), "UIDNEXT": 5, "UIDVALIDITY": box.uidvalidity,
              "UNSEEN": sum("\\seen" not in m.flags for m in here.values())}
    marks = {2: {3}} if box.name == "INBOX" else {}
    return SeenBox(box.uidvalidity, 5, 20, here, status, {2}, box.note, marks)


def lose(model, seen):
    del seen[1]["INBOX"].messages[3]
    seen[1]["INBOX"].status = {}


def double(model, seen):
    seen[1]["work"].messages[9] = copy.copy(seen[1]["INBOX"].messages[1])
    seen[1]["work"].uidnext, seen[1]["work"].status = 10, {}


def invent(model, seen):
    seen[1]["INBOX"].messages[4] = SeenMessage(NONE, 8, 10, "never", "x")
    seen[1]["INBOX"].status = {}


def raise_dead(model, seen):
    model.items[1].state = None
    model.boxes[0].expunged = set()


def note_lost(model, seen):
    seen[1]["work"].note = None


def note_invented(model, seen):
    seen[1]["INBOX"].note = "never"


def note_neither(model, seen):
    model.pending = [NoteOp(model.boxes[1], "new")]
    seen[1]["work"].note = "other"


def mark_lost(model, seen):
    seen[1]["INBOX"].marks = {2: set()}


def mark_taken_back(model, seen):
    seen[1]["INBOX"].marks = {2: {1, 3}}


def half_mark(model, seen):
    model.pending = [MarkOp(2, model.boxes[0], [1, 3], False)]
    model.boxes[0].marks[2][1] = True
    seen[1]["INBOX"].marks = {2: {1}}


def half_mark_first(model, seen):
    model.pending = [MarkOp(2, model.boxes[0], [1, 3], False)]
    model.boxes[0].marks[2][1] = True


def flip(model, seen):
    seen[1]["INBOX"].messages[1].sha = "other"


def cut(model, seen):
    seen[1]["INBOX"].messages[1].size = 99


def flag(model, seen):
    seen[1]["work"].messages[2].flags = NONE
    seen[1]["work"].status = {}


def other_uid(model, seen):
    box = seen[1]["INBOX"]
    box.messages = {1: box.messages[3], 3: box.messages[1]}
    box.status = {}


def reuse(model, seen):
    model.remember(model.boxes[1], 9, "gone")
    seen[1]["work"].messages[9] = SeenMessage(NONE, 8, 100, "e", "sha-e")
    seen[1]["work"].uidnext, seen[1]["work"].status = 10, {}
    model.pending = [ItemOp("APPEND", [(Item("e", "sha-e", 100), None,
                                        (model.boxes[1], None, NONE))])]


def uidnext_low(model, seen):
    seen[1]["work"].uidnext, seen[1]["work"].status = 4, {}


def uidnext_fell(model, seen):
    model.boxes[1].uidnext = 30


def descending(model, seen):
    box = seen[1]["work"]
    box.messages = dict(reversed(box.messages.items()))


def modseq_fell(model, seen):
    seen[1]["work"].messages[2].modseq = 6


def highest_fell(model, seen):
    seen[1]["INBOX"].highest = 19


def highest_low(model, seen):
    model.boxes[1].highest = seen[1]["work"].highest = 19


def status_wrong(model, seen):
    seen[1]["INBOX"].status["MESSAGES"] = 3


def unseen_wrong(model, seen):
    seen[1]["INBOX"].status["UNSEEN"] = 2


def not_vanished(model, seen):
    seen[1]["INBOX"].vanished = set()


def box_lost(model, seen):
    del seen[1]["work"]


def box_invented(model, seen):
    seen[1]["extra"] = SeenBox(1, 1, 1, {})


def validity(model, seen):
    seen[1]["INBOX"].uidvalidity = 99
    seen[1]["INBOX"].status = {}


def half_store(model, seen):
    b, d = model.items[1], model.items[3]
    model.pending = [ItemOp("STORE", [(i, i.state, i.state[:2] + (SEEN,)) for i in (b, d)])]
    seen[1]["INBOX"].messages[3].flags = SEEN
    seen[1]["INBOX"].status = {}


def half_append(model, seen):
    rows = [(Item(t, "sha-" + t, 100), None, (model.boxes[0], None, NONE)) for t in "ef"]
    model.pending = [ItemOp("APPEND", rows)]
    seen[1]["INBOX"].messages[7] = SeenMessage(NONE, 20, 100, "e", "sha-e")
    seen[1]["INBOX"].uidnext, seen[1]["INBOX"].status = 8, {}


def move_lost(model, seen):
    a = model.items[0]
    model.pending = [ItemOp("MOVE", [(a, a.state, (model.boxes[1], None, SEEN))])]
    del seen[1]["INBOX"].messages[1]
    seen[1]["INBOX"].status = {}


def move_doubled(model, seen):
    a = model.items[0]
    model.pending = [ItemOp("MOVE", [(a, a.state, (model.boxes[1], None, SEEN))])]
    seen[1]["work"].messages[9] = copy.copy(seen[1]["INBOX"].messages[1])
    seen[1]["work"].uidnext, seen[1]["work"].status = 10, {}


def store_neither(model, seen):
    b = model.items[1]
    model.pending = [ItemOp("STORE", [(b, b.state, b.state[:2] + (SEEN,))])]
    seen[1]["INBOX"].messages[3].flags = frozenset({"\\draft"})


def rename_both(model, seen):
    model.pending = [BoxOp("rename", model.boxes[1], "new")]
    seen[1]["new"] = copy.deepcopy(seen[1]["work"])


PLANTED = ((lose, "INV1"), (double, "INV3"), (invent, "INV3"), (raise_dead, "INV3"),
           (flip, "INV2"), (cut, "INV2"), (flag, "INV6"), (other_uid, "INV3"), (reuse, "INV4"),
           (uidnext_low, "INV4"), (uidnext_fell, "INV4"), (descending, "INV4"),
           (modseq_fell, "INV5"), (highest_fell, "INV5"), (highest_low, "INV5"),
           (status_wrong, "INV8"), (unseen_wrong, "INV8"), (not_vanished, "INV7"),
           (box_lost, "INV1"), (box_invented, "INV3"), (validity, "INV4"),
           (half_store, "half done"), (half_append, "half done"), (move_lost, "INV1"),
           (move_doubled, "INV1"), (store_neither, "INV1"), (rename_both, "half done"),
           (note_lost, "INV9"), (note_invented, "INV9"), (note_neither, "INV9"),
           (mark_lost, "INV9"), (mark_taken_back, "INV9"), (half_mark, "INV9"),
           (half_mark_first, "INV9"))


def test_agreement_is_clean():
    assert check(*world()) == []


@pytest.mark.parametrize("plant,name", PLANTED, ids=[p.__name__ for p, _ in PLANTED])
def test_planted_fault_is_reported(plant, name):
    model, seen = world()
    plant(model, seen)
    found = check(model, seen)
    assert any(f.startswith(name) for f in found), found


def pending_append(model):
    rows = [(Item(t, "sha-" + t, 100), None, (model.boxes[0], None, NONE)) for t in "ef"]
    model.items += [r[0] for r in rows]
    model.pending = [ItemOp("APPEND", rows)]
    return rows


def test_open_append_may_be_absent():
    model, seen = world()
    pending_append(model)
    assert check(model, seen) == []
    assert check(model, seen) == []


def test_open_append_may_be_there():
    model, seen = world()
    rows = pending_append(model)
    for uid, row in zip((7, 8), rows):
        seen[1]["INBOX"].messages[uid] = SeenMessage(NONE, 20, 100, row[0].token, row[0].sha)
    seen[1]["INBOX"].uidnext, seen[1]["INBOX"].status = 9, {}
    assert check(model, seen) == []
    assert [r[0].state[1] for r in rows] == [7, 8]
    del seen[1]["INBOX"].messages[7]
    assert any(f.startswith("INV1") for f in check(model, seen))


@pytest.mark.parametrize("done", [False, True])
def test_open_move_may_go_either_way(done):
    model, seen = world()
    a = model.items[0]
    model.pending = [ItemOp("MOVE", [(a, a.state, (model.boxes[1], None, SEEN))])]
    if done:
        seen[1]["work"].messages[9] = seen[1]["INBOX"].messages.pop(1)
        seen[1]["work"].uidnext, seen[1]["work"].status, seen[1]["INBOX"].status = 10, {}, {}
        seen[1]["INBOX"].vanished = {1, 2}
    assert check(model, seen) == []
    assert a.state[:2] == ((model.boxes[1], 9) if done else (model.boxes[0], 1))


@pytest.mark.parametrize("done", [False, True])
def test_open_rename_keeps_the_messages(done):
    model, seen = world()
    model.pending = [BoxOp("rename", model.boxes[1], "new")]
    if done:
        seen[1]["new"] = seen[1].pop("work")
    assert check(model, seen) == []
    assert model.boxes[1].name == ("new" if done else "work")


@pytest.mark.parametrize("done", [False, True])
def test_open_delete(done):
    model, seen = world()
    model.pending = [BoxOp("delete", model.boxes[1])]
    if done:
        del seen[1]["work"]
    assert check(model, seen) == []
    assert (model.items[2].state is None) == done


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("note", ["new", None])
def test_open_annotation_may_go_either_way(note, done):
    model, seen = world()
    model.pending = [NoteOp(model.boxes[1], note)]
    if done:
        seen[1]["work"].note = note
    assert check(model, seen) == []
    assert model.boxes[1].note == (note if done else "plans")


@pytest.mark.parametrize("done", [False, True])
def test_open_mark_may_go_either_way(done):
    model, seen = world()
    model.pending = [MarkOp(2, model.boxes[0], [1, 2, 3], False)]
    if done:
        seen[1]["INBOX"].marks = {2: set()}
    assert check(model, seen) == []
    assert model.boxes[0].marks[2][3] is not done
