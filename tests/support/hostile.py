# SPDX-License-Identifier: Apache-2.0
"""For tests with bad input: what a server may answer, and what it may use."""
import contextlib

from imapwire import Closed, Desync


def outcome(c, tag=None, seconds=10.0):
    """How a server answers: the tagged status, or b'BYE', or b'closed' when it says nothing.

    A Desync or a timeout is a failure of the server and passes through."""
    tag = tag if tag is not None else b"t%d" % c.count
    said_bye = False
    c.sock.settimeout(seconds)
    try:
        while True:
            line = c.line()
            if line.tag == tag:
                return line.kind
            if line.tag == b"*" and line.kind == b"BYE":
                said_bye = True
            elif line.tag == b"+":
                return b"+"
            elif line.tag == b"*" and line.kind == b"BAD":
                return b"BAD"
    except Closed:
        return b"BYE" if said_bye else b"closed"
    finally:
        c.sock.settimeout(c.timeout)


def push(c, data, seconds=10.0):
    """Sends as much as the server takes; it may close in the middle."""
    c.sock.settimeout(seconds)
    try:
        c.send(data)
    except Closed:
        pass
    finally:
        c.sock.settimeout(c.timeout)


def ask(c, line, seconds=10.0):
    """A whole command line given as bytes without tag and CRLF; how it ends."""
    c.count += 1
    push(c, b"t%d " % c.count + line + b"\r\n", seconds)
    return outcome(c, seconds=seconds)


REFUSED = (b"NO", b"BAD", b"BYE")


def still_served(server, number):
    """The next client gets its mail, before it loses patience (its socket's time limit)."""
    with server.login(number) as c:
        c.append("INBOX", b"Subject: next\r\n\r\nnext\r\n")
        exists = c.select("INBOX").all(b"EXISTS")[-1].number
        a = c.ok(f"FETCH {exists} (BODY.PEEK[])").all(b"FETCH")[0].attributes()
        assert a[b"BODY[]"] == b"Subject: next\r\n\r\nnext\r\n"
        c.logout()


def usable(c):
    """The same session goes on."""
    assert c.cmd("NOOP").ok


@contextlib.contextmanager
def bounded(server, megabytes=32):
    """No process of the server grows by more. How long it takes is bounded by the client's patience
    only (`outcome`); that work grows as its input does is `linear`'s."""
    server.memory_reset()
    before = {pid: m for pid, (_, m) in server.memory_peak().items()}
    yield
    for pid, (what, peak) in server.memory_peak().items():
        grown = (peak - before.get(pid, 0)) / 1e6
        if pid in before:
            assert grown < megabytes, f"{what} grew by {grown:.0f} MB"


def linear(server, work, small, large):
    """work(n) costs the server's processors as much more for `large` as that is larger, within a
    wide factor: linear work comes out at 1, quadratic at large / small (so take 16 or more)."""
    costs = {small: [], large: []}
    for n in (small, small, large, large):
        before = server.cpu_nanoseconds()
        work(n)
        costs[n].append(server.cpu_nanoseconds() - before)
    floor = 2_000_000  # what a command costs however small it is
    growth = min(costs[large]) / max(min(costs[small]), floor) / (large / small)
    assert growth < 4, f"grows {growth:.1f} times faster than its input: {costs}"


__all__ = ["Desync", "REFUSED", "ask", "bounded", "linear", "outcome", "push", "still_served", "usable"]
