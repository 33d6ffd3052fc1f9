# SPDX-License-Identifier: Apache-2.0
"""Real filters on loopback: rspamd, OpenDKIM and a milter on libmilter (python3-milter), each
skipped where Debian's package is not installed."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from servers import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HELLO = b"From: ann@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n" \
        b"Date: Fri, 01 Aug 2025 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n" \
        b"X-Folded: one\r\n\ttwo\r\n\r\nHello.\r\n"
# What every spam filter knows (Generic Test for Unsolicited Bulk Email).
GTUBE = HELLO + b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


def tool():
    folders = [pathlib.Path(os.environ["MAILKEEP_BUILD"])] if "MAILKEEP_BUILD" in os.environ \
        else ROOT.glob("build*")
    built = [p for f in folders if os.access(p := f / "tests" / "interop" / "filter-tool", os.X_OK)]
    if not built:
        pytest.skip("filter-tool is not built")
    return str(max(built, key=lambda p: p.stat().st_mtime))


def show(filter_text, message, sender="ann@example.org", recipients=("bob@example.net",)):
    done = subprocess.run([tool(), filter_text, sender, *recipients], input=message,
                          capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    head, _, lines = done.stdout.decode().partition("lines\n")
    said = dict(line.partition(" ")[::2] for line in head.splitlines())
    said["lines"] = lines
    return said


class Served:
    """A program that listens, on a port or at a path, from then on until the end."""

    def __init__(self, words, where, env=None):
        self.words, self.where, self.env, self.process = words, where, env, None

    def listens(self):
        if isinstance(self.where, int):
            family, where = socket.AF_INET, ("127.0.0.1", self.where)
        else:
            family, where = socket.AF_UNIX, str(self.where)
        with socket.socket(family) as s:
            return s.connect_ex(where) == 0

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=self.env,
                                        start_new_session=True)
        for _ in range(600):
            if self.listens():
                return self
            assert self.process.poll() is None, self.process.stdout.read().decode()
            time.sleep(0.1)
        raise AssertionError("it does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


# ---- milters ------------------------------------------------------------------------------------

MILTER = """
    import sys
    import Milter

    class Test(Milter.Base):
        def envfrom(self, sender, *rest):
            self.heard = [sender]
            return Milter.CONTINUE

        def envrcpt(self, to, *rest):
            self.heard.append(to)
            return Milter.REJECT if "nobody" in to else Milter.CONTINUE

        def header(self, name, value):
            self.heard.append(f"{name}={value!r}")
            return Milter.CONTINUE

        def body(self, piece):
            self.heard.append(repr(piece))
            return Milter.CONTINUE

        def eom(self):
            self.addheader("X-Heard", " ".join(self.heard).replace("\\n", " "))
            self.chgheader("Subject", 1, "[seen] hello")
            if "spam" in " ".join(self.heard):
                self.setreply("554", "5.7.9", "We do not like this")
                return Milter.REJECT
            if "junk" in " ".join(self.heard):
                self.quarantine("a test")
            return Milter.ACCEPT

    Milter.factory = Test
    Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.QUARANTINE)
    Milter.runmilter("test", sys.argv[1], 60)
"""


@pytest.fixture(name="milter", params=["tcp", "unix"])
def _milter(request, tmp_path):
    if subprocess.run(["/usr/bin/python3", "-c", "import Milter"], capture_output=True,
                      check=False).returncode:
        pytest.skip("python3-milter is not installed")
    script, port = tmp_path / "a_filter.py", free_port()
    script.write_text(textwrap.dedent(MILTER))
    there = {"tcp": (port, f"inet:{port}@127.0.0.1", f"milter 127.0.0.1:{port}"),
             "unix": (tmp_path / "s", f"unix:{tmp_path}/s", f"milter unix:{tmp_path}/s")}
    where, name, setting = there[request.param]
    with Served(["/usr/bin/python3", script, name], where):
        yield setting


def test_milter_hears_all_and_adds(milter):
    said = show(milter, HELLO)
    assert said["result"] == "ok" and said["action"] == "0", said
    assert said["subject"] == "1 [seen] hello"
    heard = said["lines"]
    assert heard.startswith("X-Heard: <ann@example.org> <bob@example.net> From='ann@example.org'")
    assert "X-Folded='one\\n\\ttwo'" in heard and "b'Hello.\\r\\n'" in heard


def test_milter_refuses(milter):
    said = show(milter, HELLO + b"this is spam\r\n")
    assert (said["action"], said["code"], said["enhanced"], said["text"]) == \
        ("3", "554", "5.7.9", "We do not like this")
    assert show(milter, HELLO, recipients=("bob@example.net", "nobody@example.net"))["action"] == "3"
    assert show(milter, HELLO + b"this is junk\r\n")["action"] == "1"
    assert show(milter, b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 20000)["result"] == "ok"


def test_opendkim():
    program = shutil.which("opendkim", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not program:
        pytest.skip("opendkim is not installed")
    port = free_port()
    # Its real work is verifying; without a signature it says so and accepts.
    with Served([program, "-f", "-b", "v", "-p", f"inet:{port}@127.0.0.1", "-x",
                 "/dev/null"], port):
        said = show(f"milter 127.0.0.1:{port}", HELLO)
    assert said["result"] == "ok" and said["action"] == "0", said


# ---- rspamd -------------------------------------------------------------------------------------

@pytest.fixture(name="rspamd", scope="module")
def _rspamd(tmp_path_factory):
    if not shutil.which("rspamd") or not pathlib.Path("/etc/rspamd/rspamd.conf").exists():
        pytest.skip("rspamd is not installed")
    folder, port = tmp_path_factory.mktemp("rspamd"), free_port()
    folder.chmod(0o777)
    conf = folder / "rspamd.conf"
    conf.write_text(textwrap.dedent(f"""
        options {{ pidfile = "{folder}/pid"; filters = ""; dns {{ timeout = 1s; nameserver = ["127.0.0.1:9"]; }} }}
        logging {{ type = "console"; level = "warning"; }}
        worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
        actions {{ reject = 15; add_header = 6; greylist = 4; }}
        metric {{ name = "default"; }}
    """))
    words = ["rspamd", "-f", "-i", "-c", str(conf), "--var", f"DBDIR={folder}", "--var",
             f"RUNDIR={folder}", "--var", f"LOGDIR={folder}"]
    with Served(words, port):
        yield f"rspamd http://127.0.0.1:{port}"


def test_rspamd_lets_pass(rspamd):
    said = show(rspamd, HELLO)
    assert said["result"] == "ok" and said["action"] == "0", said
    assert said["lines"].startswith("X-Spam-Score: ")


def test_rspamd_refuses_gtube(rspamd):
    said = show(rspamd, GTUBE)
    assert (said["result"], said["action"], said["code"]) == ("ok", "3", "550"), said
    assert "Gtube" in said["text"]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-v"]))
