# SPDX-License-Identifier: Apache-2.0
"""Our filter language and Pigeonhole's `sieve-test` on the same scripts and messages.

The scripts are those of tests/data/sieve. A difference must be in DIFFERENT, with its reason;
docs/protocol/sieve.md says the same in prose."""
import os
import pathlib
import random
import re
import subprocess

import pytest

from clients import need

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "data" / "sieve"
EXTENSIONS = ("+editheader +vacation-seconds +mboxmetadata +servermetadata "
              "-spamtest -spamtestplus -virustest")

# Case: why the two need not agree.
DIFFERENT = {
    "2.4.2.4 encoded characters": "it does not print control characters",
    "error: number": "we stop at 4294967295, which a setting of bytes never needs",
    "5 last without index": "we tell when the script is stored, it when it runs",
    "RFC 5463 what is missing fails when it is reached": "it wants to see an ihave around",
    "regex quoted": "it has no :quoteregex",
    "3 missing": "it looks for scripts to include when it compiles",
    "3 names are no paths, made of variables either": "it takes no variables there",
    "5703 anychild, param, exists, address": "it counts fields with :param, RFC 5703 parameters",
    "5703 extracttext": "it prints line breaks as question marks",
    "5230 too many days": "our default limit is 30 days",
    "6131 seconds": "its default minimum is a day",
    "6131 zero seconds": "its default minimum is a day",
    "5436 the parts of the URI": "it refuses fields that RFC 5436 says are ignored",
    "5435 other methods": "it tells when it compiles, RFC 5435 wants an error when it runs",
    "5435 bad addresses": "RFC 5435: an unknown method must not cause an error in a test",
    "3 examples of references": "an empty mailbox name is an error here",
    "4.1 modifiers": "we change the case of all letters, it that of ASCII",
    "5 string test": "RFC 5228 2.7.3: the default comparator is i;ascii-casemap",
    "values are cut, not doubled without end": "our variables hold 16 KiB, its 4",
}


def cases():
    """Yields (file, case name, script, message) of the cases that need nothing but a message."""
    for path in sorted(CASES.glob("*.cases")):
        message = ""
        for part in re.split(r"(?m)^%% case ", path.read_text(errors="surrogateescape"))[1:]:
            name, _, rest = part.partition("\n")
            sections = re.split(r"(?m)^%% (.*)\n", "\n" + rest)
            heads, texts = sections[1::2], sections[2::2]
            found = dict(zip(heads, texts))
            message = found.get("message", message)
            if not any(h.startswith(("env", "file")) for h in heads):
                yield path.name, name.strip(), found["script"], message


def ours(program, script, message):
    out = subprocess.run([program, script, message], stdout=subprocess.PIPE,
                         text=True, errors="surrogateescape").stdout
    result = []
    for line in out.splitlines():
        flags = re.search(r" flags=\(([^)]*)\)", line)
        kept = " ".join(sorted((flags[1] if flags else "").lower().split()))
        target = re.match(r'fileinto "((?:\\.|[^"])*)"', line)
        if re.match(r"\d+:\d+: ", line):
            return ["refused"]
        if line.startswith(("error", "over budget")):
            return ["error"]
        if target:
            result.append(f"store {target[1]} [{kept}]")
        elif line.startswith(("keep", "implicit keep")):
            result.append(f"store INBOX [{kept}]")
        elif line.startswith("redirect"):
            result.append("redirect " + line.split()[1])
        elif line.startswith(("reject", "ereject")):
            result.append("reject")
        elif line.startswith("vacation"):
            result.append("vacation " + line.split()[1])
        elif line.startswith("notify"):
            result.append("notify")
    return sorted(result)


def theirs(config, script, message):
    done = subprocess.run(
        ["sieve-test", "-c", config, "-C", "-x", EXTENSIONS, "-f", "sender@example.com",
         "-a", "owner@example.org", "-r", "owner@example.org", script, message],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="surrogateescape",
        timeout=60)
    out = done.stdout
    if "unknown Sieve capability" in out:
        return None
    if "failed to compile" in out or "validation failed" in out:
        return ["refused"]
    if "error:" in out or "final result: failed" in out:
        return ["error"]
    result = []
    for block in re.split(r"(?m)^ \* ", out)[1:]:
        line = block.splitlines()[0]
        flags = re.search(r"add IMAP flags:(.*)", block)
        kept = " ".join(sorted((flags[1] if flags else "").lower().split()))
        stored = re.match(r"store message in folder: (.*)", line)
        if stored:
            result.append(f"store {stored[1]} [{kept}]")
        elif line.startswith("redirect message to: <"):
            result.append("redirect " + line.split("<")[1].rstrip(">"))
        elif line.startswith("reject"):
            result.append("reject")
        elif line.startswith("send vacation"):
            result.append("vacation " + re.search(r"seconds : (\d+)", block)[1])
        elif line.startswith("send notification"):
            result.append("notify")
    return sorted(result)


@pytest.fixture(scope="module")
def program():
    path = pathlib.Path(os.environ.get("MAILKEEP_BUILD", ROOT / "build")) / "tests" / "interop"
    path = next((p for p in (path / "sieve-dump", path.parent / "sieve-dump") if p.exists()), None)
    if not path:
        pytest.skip("sieve-dump is not built")
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    need("sieve-test")
    if os.geteuid() != 0:
        pytest.skip("sieve-test is run as root, which it then is no longer")
    folder = tmp_path_factory.mktemp("pigeonhole")
    path = folder / "dovecot.conf"
    path.write_text(f"protocols =\nlog_path = /dev/stderr\nbase_dir = {folder}\n"
                    f"mail_location = maildir:{folder}/Maildir\nmail_uid = nobody\n"
                    f"mail_gid = nogroup\nmail_home = {folder}\n")
    folder.chmod(0o777)
    for up in folder.parents:
        if up.stat().st_uid == os.geteuid() and str(up).startswith("/tmp/"):
            up.chmod(0o755)
    return path


def test_same_actions(program, config):
    folder, compared, unknown, wrong = config.parent, 0, 0, []
    for number, (file, name, script, message) in enumerate(cases()):
        paths = folder / f"{number}.sieve", folder / f"{number}.eml"
        for path, text in zip(paths, (script, message)):
            path.write_bytes(text.replace("\n", "\r\n").encode(errors="surrogateescape"))
            path.chmod(0o644)
        want = theirs(config, *paths)
        if want is None:
            unknown += 1
            continue
        got = ours(program, *paths)
        compared += 1
        if (got != want) != (name in DIFFERENT):
            wrong.append(f"{file}: {name}\n  ours   {got}\n  theirs {want}")
    print(f"{compared} compared, {unknown} with extensions sieve-test does not have")
    assert not wrong, "\n".join(wrong)
    assert compared > 80


FIELDS = ["subject", "from", "to", "cc", "received", "message-id", "content-type", "date",
          "list-id", "reply-to", "return-path", "mime-version", "sender"]


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def random_key(dice, word, match):
    if match == ":matches":
        signs = list(word)
        for _ in range(dice.randint(0, 3)):
            signs.insert(dice.randint(0, len(signs)), dice.choice("*?*"))
        # sieve-test finds "*.*?com" in ".com", where the ? has nothing to stand for.
        return "*" + re.sub(r"[*?]{2,}", "*", "".join(signs)) + dice.choice(["*", "", ""])
    if match == ":regex":
        return re.sub(r"([.\[\]])", r"\\\1", word) + dice.choice([".*", "[a-z]+", "$", "?", ""])
    return word


def random_test(dice, words):
    kind, word = dice.randrange(10), dice.choice(words)
    match = dice.choice([":is", ":contains", ":contains", ":matches", ":regex"])
    comparator = dice.choice(["", "", ':comparator "i;octet"'])
    key = quoted(random_key(dice, word, match))
    count = f':count "{dice.choice(["eq", "ge", "lt"])}" :comparator "i;ascii-numeric"'
    if kind < 4:
        return f"header {match} {comparator} {quoted(dice.choice(FIELDS))} {key}"
    if kind < 7:
        part = dice.choice([":all", ":localpart", ":domain", ":user", ":detail"])
        return f'address {part} {match} {comparator} ["from", "to", "cc", "reply-to"] {key}'
    if kind == 7:
        return f'header {count} {quoted(dice.choice(FIELDS))} "{dice.randint(0, 4)}"'
    if kind == 8:
        return f'address {count} ["to", "cc"] "{dice.randint(0, 3)}"'
    part = dice.choice(["year", "month", "day", "date", "julian", "hour", "weekday", "iso8601"])
    return f'date :originalzone :matches "date" "{part}" "*{dice.randint(0, 31)}*"'


def test_random_tests(program, config):
    """Forty tests made of each message's own words, each filing under its number."""
    dice, folder, wrong, hits = random.Random(1), config.parent, [], 0
    for path in sorted((ROOT / "tests" / "data" / "mime").glob("*.eml")):
        raw = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\0", b" ")
        if raw.startswith(b"From "):
            continue  # sieve-test takes the line for an mbox
        words = re.findall(r"[A-Za-z0-9@.<>\[\]-]{2,12}", raw.decode(errors="replace")) or ["a"]
        tests = [random_test(dice, words) for _ in range(40)]
        paths = folder / "random.sieve", folder / "random.eml"
        paths[0].write_text(
            'require ["fileinto", "regex", "relational", "subaddress", "date", '
            '"comparator-i;ascii-numeric"];\n' +
            "".join(f'if {t} {{ fileinto "{i}"; }}\n' for i, t in enumerate(tests)))
        paths[1].write_bytes(raw.replace(b"\n", b"\r\n"))
        got, want = ours(program, *paths), theirs(config, *paths)
        hits += len(got)
        for line in sorted(set(got) ^ set(want)):
            number = re.match(r"store (\d+) ", line)
            wrong.append(f"{path.name}: {'ours' if line in got else 'theirs'}: "
                         f"{tests[int(number[1])] if number else line}")
    assert not wrong, "\n".join(wrong)
    assert hits > 50
