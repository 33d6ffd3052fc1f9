# SPDX-License-Identifier: Apache-2.0
"""What SORT and THREAD must answer (RFC 5256, RFC 5957), worked out the plain way.

Written from the RFCs, step by step and without any thought of speed: it shares no idea with the
server but the RFCs themselves. Headers are read by Python's email package.
"""
import email
import email.header
import email.utils
import re
import time
import unicodedata
from functools import cmp_to_key

WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")


def decoded(text):
    """RFC 2047 taken off; blanks between two encoded words vanish."""
    text = re.sub(r"(\?=)\s+(=\?)", r"\1\2", text)
    out = ""
    at = 0
    for m in WORD.finditer(text):
        out += text[at:m.start()]
        part, charset = email.header.decode_header(m[0])[0]
        out += part.decode(charset) if isinstance(part, bytes) else part
        at = m.end()
    return out + text[at:]


def casemap(text):
    """i;unicode-casemap (RFC 5051): simple title case, then every decomposition, as UTF-8."""
    titled = "".join(c.title() if len(c.title()) == 1 else c for c in text)
    return "".join(unicodedata.normalize("NFKD", c) for c in titled).encode()


def base_subject(text):
    """RFC 5256 section 2.1: the base, and whether a mark of a reply or forward was removed."""
    reply = False
    text = re.sub(r"[\t\r\n ]+", " ", decoded(text))                              # (1)
    blob, refwd = r"\[[^\[\]]*\] *", r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:"
    while True:
        while m := re.search(r"(?: |\(fwd\))\Z", text, re.I):                     # (2)
            reply |= m[0] != " "
            text = text[:m.start()]
        while True:
            before = text
            if m := re.match(rf"(?:{blob})*{refwd}| ", text, re.I):               # (3)
                reply |= m[0] != " "
                text = text[m.end():]
            elif (m := re.match(blob, text)) and text[m.end():].strip():          # (4)
                text = text[m.end():]
            if text == before:                                                    # (5)
                break
        if m := re.fullmatch(r"\[fwd:(.*)\]", text, re.I | re.S):                 # (6)
            text, reply = m[1], True
            continue
        return text, reply


def message_ids(field):
    """Valid Message-IDs, in one spelling each."""
    out = []
    for raw in re.findall(r"<((?:\"(?:\\.|[^\"\\])*\"|[^<>\"])*)>", field or "", re.S):
        m = re.fullmatch(r"\s*(\"(?:\\.|[^\"\\])*\"|[^\s@\"]+(?:\s*[^\s@\"]+)*)\s*@(.+)", raw, re.S)
        if not m:
            continue
        left = re.sub(r"\\(.)", r"\1", m[1][1:-1]) if m[1].startswith('"') else re.sub(r"\s", "", m[1])
        right = re.sub(r"\s", "", m[2])
        if left and right:
            out.append(f"{left}@{right}")
    return out


class Message:
    """`arrival`: seconds since 1970."""

    def __init__(self, uid, raw, arrival):
        m = email.message_from_bytes(raw)
        fields = {}
        for name, value in m.raw_items():
            text = value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
            fields.setdefault(name.lower(), text.replace("\r", "").replace("\n", ""))

        def get(name):
            return fields.get(name.lower(), "")

        self.uid, self.size, self.arrival = uid, len(raw), arrival
        self.subject, self.reply = base_subject(get("Subject"))
        self.subject = casemap(self.subject)
        try:
            self.sent = int(email.utils.parsedate_to_datetime(get("Date")).timestamp())
        except (TypeError, ValueError, IndexError):
            self.sent = arrival
        for name in "from", "to", "cc":
            people = email.utils.getaddresses([get(name)]) or [("", "")]
            display, address = people[0]
            setattr(self, name, casemap(address.rpartition("@")[0] or address))
            setattr(self, "display" + name, casemap(decoded(display) or address))
        self.id = (message_ids(get("Message-ID")) or [None])[0]
        self.references = message_ids(get("References")) or message_ids(get("In-Reply-To"))[:1]


# ---- SORT ---------------------------------------------------------------------------------------

def key(message, name):
    return {"ARRIVAL": message.arrival, "DATE": message.sent, "SIZE": message.size,
            "SUBJECT": message.subject, "FROM": message.__dict__["from"], "TO": message.to,
            "CC": message.cc, "DISPLAYFROM": message.displayfrom,
            "DISPLAYTO": message.displayto}[name]


def sort(messages, criteria):
    """UIDs in order; criteria as in ["REVERSE", "DATE", "SUBJECT"]."""
    steps, reverse = [], False
    for word in criteria:
        if word == "REVERSE":
            reverse = True
        else:
            steps.append((word, reverse))
            reverse = False

    def compare(a, b):
        for word, back in steps:
            x, y = key(a, word), key(b, word)
            if x != y:
                return (-1 if x < y else 1) * (-1 if back else 1)
        return a.uid - b.uid

    return [m.uid for m in sorted(messages, key=cmp_to_key(compare))]


# ---- THREAD -------------------------------------------------------------------------------------

class Node:
    def __init__(self, message=None):
        self.message, self.parent, self.children = message, None, []

    def link(self, parent):
        self.unlink()
        self.parent = parent
        parent.children.append(self)

    def unlink(self):
        if self.parent:
            self.parent.children.remove(self)
        self.parent = None

    def is_below(self, other):
        node = self
        while node:
            if node is other:
                return True
            node = node.parent
        return False


def forest(messages, when):
    """Steps (1) to (3): the nodes under the root."""
    by_id, nodes, everything = {}, [], []
    for m in messages:
        node = Node(m)
        nodes.append(node)
        everything.append(node)
        if m.id is not None:
            by_id.setdefault(m.id, node)
    for node in nodes:
        before = None
        for reference in node.message.references:
            if reference not in by_id:
                by_id[reference] = Node()
                everything.append(by_id[reference])
            one = by_id[reference]
            if before and not one.parent and not before.is_below(one):
                one.link(before)
            before = one
        node.unlink()
        if before and not before.is_below(node):
            node.link(before)
    roots = [n for n in everything if not n.parent]
    return prune(roots, True)


def prune(level, at_root):
    out = []
    for node in level:
        children = prune(node.children, False)
        if node.message:
            node.children = children
            for c in children:
                c.parent = node
            out.append(node)
        elif children and (not at_root or len(children) == 1):
            for c in children:
                c.parent = node.parent
            out += children
        elif children:
            node.children = children
            for c in children:
                c.parent = node
            out.append(node)
    return out


def order_key(node, when):
    if node.message:
        return when(node.message), node.message.uid
    return min(order_key(c, when) for c in node.children)


def speaker(node, when):
    return node.message or min(node.children, key=lambda c: order_key(c, when)).message


def gather(roots, when):
    """Steps (4) and (5)."""
    roots = sorted(roots, key=lambda n: order_key(n, when))
    table = {}
    for node in roots:
        subject = speaker(node, when).subject
        if not subject:
            continue
        there = table.get(subject)
        if there is None or (there.message and (not node.message or (there.message.reply and
                                                                    not node.message.reply))):
            table[subject] = node
    top = list(roots)
    for node in roots:
        subject = speaker(node, when).subject
        there = table.get(subject)
        if not subject or there is node:
            continue
        top.remove(node)
        if not there.message and not node.message:
            there.children += node.children
        elif not there.message:
            there.children.append(node)
        elif node.message.reply and not there.message.reply:
            there.children.append(node)
        else:
            dummy = Node()
            dummy.children = [there, node]
            top[top.index(there)] = dummy
            table[subject] = dummy
    return top


def sorted_tree(level, when):
    for node in level:
        node.children = sorted_tree(node.children, when)
    return sorted(level, key=lambda n: order_key(n, when))


def lists(node):
    """As THREAD writes it: [2], [3, 6, [4, 23], [44]]; a dummy is [[3], [5]]."""
    out = [node.message.uid] if node.message else []
    if len(node.children) == 1 and node.message:
        return out + lists(node.children[0])
    return out + [lists(c) for c in node.children]


def everyone(node):
    return ([node.message] if node.message else []) + [m for c in node.children for m in everyone(c)]


def thread(messages, algorithm):
    if algorithm == "ORDEREDSUBJECT":
        groups = {}
        for m in sorted(messages, key=lambda m: (m.sent, m.uid)):
            groups.setdefault(m.subject, []).append(m.uid)
        return [[g[0]] + ([g[1]] if len(g) == 2 else [[u] for u in g[1:]]) for g in groups.values()]

    def when(m):
        return m.sent

    roots = forest(messages, when)
    if algorithm == "REFERENCES":
        return [lists(n) for n in sorted_tree(gather(roots, when), when)]
    roots = sorted_tree(roots, when)
    return [lists(n) for n in sorted(roots, key=lambda n: max((when(m), m.uid)
                                                              for m in everyone(n)))]


# ---- random mailboxes, and answers of servers ----------------------------------------------------

SUBJECTS = ["lunch", "Lunch", "LUNCH  today", "the plan", "The Plan (b)", "", "[list] news", "[list]",
            "ärger", "Ärger", "=?utf-8?Q?=C3=A4rger?=", "=?utf-8?B?TMO8ZmY=?= x", "a very long subject "
            + "x" * 40, "a very long subject " + "x" * 41, "ŝ", "ǆ", "ﬁne", "12345678", "123456789",
            "rebate", "forward", "[fwd: the plan]"]
MARKS = ["", "", "", "Re: ", "RE:", "Fwd: ", "fw: ", "Re: [list] ", "[list] Re: ", "re [2]: ", "Re: Re: "]
ENDS = ["", "", "", " (fwd)", "(FWD) "]
PEOPLE = ["anna@example.org", "Anna <anna@example.org>", "\"Zoe, B.\" <bob@example.org>",
          "=?utf-8?Q?=C3=84nne?= <c@example.org>", "bob@other.example (Bob)", "", "ZOE@example.org",
          "anna.longer.than.eight@example.org, bob@example.org"]


def header(rng, number, ids):
    fields = []
    subject = rng.choice(MARKS) + rng.choice(SUBJECTS) + rng.choice(ENDS)
    if rng.random() < 0.95:
        fields.append(f"Subject: {subject}")
    for name in "From", "To", "Cc":
        if rng.random() < 0.8 and (person := rng.choice(PEOPLE)):
            fields.append(f"{name}: {person}")
    kind = rng.random()
    if kind < 0.8:
        when = 1_600_000_000 + rng.randrange(50)
        zone = rng.choice([0, 60, -480, 330])
        text = time.strftime("%a, %d %b %Y %H:%M:%S", time.gmtime(when + zone * 60))
        fields.append(f"Date: {text} {'-' if zone < 0 else '+'}{abs(zone) // 60:02}{abs(zone) % 60:02}")
    elif kind < 0.85:
        fields.append("Date: yesterday")
    own = rng.choice(ids) if rng.random() < 0.9 else None
    if own:
        fields.append(f"Message-ID: {own}")
    if rng.random() < 0.6:
        refs = [rng.choice(ids) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
        fields.append("References: " + "\r\n ".join(refs))
    elif rng.random() < 0.3:
        fields.append(f"In-Reply-To: {rng.choice(['', 'Your mail of '])}{rng.choice(ids)} and <x@y>")
    return "\r\n".join(fields)


def mailbox(rng, n):
    """Raw messages with their arrival."""
    spread = rng.choice([max(2, n // 3), n, 3 * n])
    ids = [f"<m{i}@h>" if i % 7 else f'<"m{i}"@h>' for i in range(spread)] + ["<broken>", "<@h>"]
    out = []
    for i in range(n):
        body = "x" * rng.randrange(4)
        raw = f"{header(rng, i, ids)}\r\n\r\n{body}\r\n".encode()
        out.append((raw, 1_700_000_000 + rng.randrange(40)))
    return out


def date_text(seconds):
    return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(seconds))


def numbers(reply, kind):
    assert len(reply.all(kind)) == 1
    return [x for x in reply.all(kind)[0].args if isinstance(x, int)]


def plain(value):
    return [plain(x) for x in value] if isinstance(value, list) else value
