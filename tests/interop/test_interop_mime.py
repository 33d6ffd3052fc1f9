# SPDX-License-Identifier: Apache-2.0
"""Our reading of messages against Python's email package and GMime: every difference has a class.

On our own samples always; on ../shared/corpus and the SpamAssassin corpus (MK_SPAMASSASSIN names a
folder of its messages) where they are.
"""
import glob
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLES = ROOT / "tests" / "data" / "mime"
sys.path.insert(0, str(HERE))

from mime_compare import run_dump, shape  # noqa: E402


def program(name):
    """In the build folder the run names, else the one built last."""
    folders = [pathlib.Path(os.environ["MAILKEEP_BUILD"])] if "MAILKEEP_BUILD" in os.environ \
        else ROOT.glob("build*")
    built = [p for f in folders if os.access(p := f / "tests" / "interop" / name, os.X_OK)]
    return max(built, key=lambda p: p.stat().st_mtime, default=None)


def dump_or_skip():
    dump = program("mime-dump")
    if not dump:
        pytest.skip("mime-dump is not built")
    return str(dump)


def compare(paths, other):
    words = [sys.executable, str(HERE / "mime_compare.py"), "--dump", dump_or_skip()]
    if other == "gmime":
        gmime = program("mime-dump-gmime")
        if not gmime:
            pytest.skip("built without GMime")
        words += ["--gmime", str(gmime)]
    else:
        words += ["--python"]
    done = subprocess.run(words + [str(p) for p in paths], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, "\n".join(
        x for x in done.stdout.splitlines() if "UNEXPLAINED" in x) + done.stderr


@pytest.mark.parametrize("other", ["python", "gmime"])
def test_own_samples(other):
    compare(sorted(SAMPLES.glob("*.eml")), other)


@pytest.mark.parametrize("other", ["python", "gmime"])
def test_shared_corpus(other):
    paths = sorted((ROOT.parent / "shared" / "corpus" / "mail-parser-eml").glob("*/*.eml"))
    if not paths:
        pytest.skip("no ../shared/corpus/mail-parser-eml")
    compare(paths, other)


@pytest.mark.parametrize("other", ["python", "gmime"])
def test_spamassassin(other):
    folder = os.environ.get("MK_SPAMASSASSIN", "")
    paths = sorted(glob.glob(os.path.join(folder, "*"))) if folder else []
    if not paths:
        pytest.skip("MK_SPAMASSASSIN names no folder of messages")
    compare(paths, other)


def test_own_samples_read_as_written_down():
    """Structure, subject and preview of each sample, looked at by a person once."""
    want = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
    got = {pathlib.Path(d["file"]).name: [shape(d["tree"]), d["subject"], d["preview"]]
           for d in run_dump(dump_or_skip(), [str(p) for p in sorted(SAMPLES.glob("*.eml"))])}
    assert got == want
