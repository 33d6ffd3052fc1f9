# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal that is read and typed at, as expect does."""
import os
import pty
import re
import select
import signal
import struct
import fcntl
import termios
import time

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|[\x0e\x0f\r]")


class Terminal:
    def __init__(self, words, home, lines=40, columns=120):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(home)
                os.execvpe(words[0], [str(w) for w in words], {
                    "HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm",
                    "LANG": "C.UTF-8", "LINES": str(lines), "COLUMNS": str(columns),
                    "USER": "root", "LOGNAME": "root"})
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.drawn, self.at, self.status = b"", 0, None

    def text(self):
        return ESCAPES.sub(b"", self.drawn)

    def fill(self, seconds):
        """False when the program has ended."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                return False
            self.drawn += got
            return bool(got)
        return True

    def expect(self, pattern, seconds=30):
        """Waits until what was drawn since the last expect() matches; gives the match."""
        end = time.monotonic() + seconds
        while True:
            m = re.compile(pattern, re.S).search(ESCAPES.sub(b"", self.drawn[self.at:]))
            if m:
                self.at = len(self.drawn)
                return m
            alive = self.fill(0.2)
            assert alive and time.monotonic() < end, (
                f"{pattern!r} did not come; last seen: {self.text()[-1500:].decode(errors='replace')}")

    def type(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def end(self, seconds=30):
        """Waits for its end; gives (status, all that it drew)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.fill(0.2):
            pass
        if time.monotonic() >= end:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status, self.text()
