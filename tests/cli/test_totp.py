# SPDX-License-Identifier: Apache-2.0
"""Second factors by the command line: set up, confirmed, seen, removed; the QR code as a stranger's
scanner reads it, the codes as a stranger's app makes them; who may do it and who never sees it."""
import imaplib
import os
import shutil
import subprocess
import sys
import urllib.parse

import pytest

from conftest import PASSWORD
from totp import code_at, step_now

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "oracle"))

ANNA = "anna@example.org"


def begin(keeper):
    return keeper.one("account", "totp", "add", ANNA)["secret"]


def confirm(keeper, secret):
    return keeper.one("account", "totp", "confirm", ANNA, code_at(secret, step_now()))


def test_set_up_confirmed_seen_and_removed(keeper):
    keeper.add(ANNA)
    assert "no second factor" in keeper.run("account", "totp", "show", ANNA)
    keeper.run("account", "totp", "confirm", ANNA, "123456", code=3)
    assert "totp add" in keeper.error
    begun = keeper.one("account", "totp", "add", ANNA)
    secret = keeper.one("account", "totp", "add", ANNA)["secret"]  # begun anew: another one
    assert begun["secret"] != secret and len(secret) == 32
    assert keeper.one("account", "totp", "show", ANNA)["state"] == "pending"
    assert "waits for its first code" in keeper.run("account", "totp", "show", ANNA)
    old = code_at(begun["secret"], step_now())
    keeper.run("account", "totp", "confirm", ANNA, old, code=1)
    assert "nothing has changed" in keeper.error
    for bad in ("12345", "1234567", "abcdef", ""):
        keeper.run("account", "totp", "confirm", ANNA, bad, code=1)
        assert "six digits" in keeper.error
    on = confirm(keeper, secret)
    assert len(set(on["recovery_codes"])) == 10
    assert all(len(code) == 19 for code in on["recovery_codes"])
    shown = keeper.one("account", "totp", "show", ANNA)
    assert (shown["state"], shown["recovery_codes_left"], shown["wrong_codes"]) == ("on", 10, 0)
    assert "10 recovery codes left" in keeper.run("account", "totp", "show", ANNA)
    keeper.run("account", "totp", "add", ANNA, code=1)
    assert "remove it first" in keeper.error
    keeper.run("account", "totp", "confirm", ANNA, code_at(secret, step_now()), code=1)
    new = keeper.one("account", "totp", "recovery-codes", ANNA)["recovery_codes"]
    assert not set(new) & set(on["recovery_codes"])
    history = keeper.run("log", ANNA)
    for words in ("a secret was made", "second factor: on", "the old ones are void"):
        assert words in history
    for hidden in (secret, *new, *on["recovery_codes"]):
        assert hidden not in history and hidden not in str(shown)
    keeper.run("account", "totp", "remove", ANNA)
    keeper.run("account", "totp", "remove", ANNA, code=3)
    assert keeper.one("account", "totp", "show", ANNA)["state"] == "off"
    assert "second factor: removed" in keeper.run("log", ANNA)


def test_what_people_read(keeper):
    keeper.add(ANNA)
    text = keeper.run("account", "totp", "add", ANNA)
    assert "otpauth://totp/" in text and "totp confirm anna@example.org CODE" in text
    assert "no app password yet" in text and "\033" not in text  # no colours into a file
    secret = "".join(next(line for line in text.splitlines() if "Or type" in line)
                     .split(": ")[1].split())
    keeper.run("account", "device", "add", ANNA, "phone")
    text = keeper.run("account", "totp", "confirm", ANNA, code_at(secret, step_now()))
    assert "is on" in text and "its 1 device goes on with its app password" in text
    assert sum(line.startswith("    ") and len(line.strip()) == 19
               for line in text.splitlines()) == 10
    text = keeper.run("account", "totp", "recovery-codes", ANNA)
    assert "void" in text and sum(len(line.strip()) == 19 for line in text.splitlines()) == 10
    assert keeper.run("--quiet", "account", "totp", "remove", ANNA) == ""


def test_l14_clocks_that_differ(keeper):
    keeper.add(ANNA)
    for off, why in ((-1, None), (1, None), (-2, "about 1 minute ago"), (3, "about 1 minute from"),
                     (-20, "about 10 minutes ago"), (-200, "nothing has changed")):
        secret = begin(keeper)
        code = code_at(secret, step_now() + off)
        if why is None:
            keeper.run("account", "totp", "confirm", ANNA, code)
            keeper.run("account", "totp", "remove", ANNA)
        else:
            keeper.run("account", "totp", "confirm", ANNA, code, code=1)
            assert why in keeper.error, (off, keeper.error)


def bitmap(text):
    """The half blocks as rows of light (1) and dark (0)."""
    halves = {" ": (0, 0), "\u2584": (0, 1), "\u2580": (1, 0), "\u2588": (1, 1)}
    rows = []
    for line in text.splitlines():
        if len(line) > 20 and set(line) <= set(halves):
            rows += [[halves[c][0] for c in line], [halves[c][1] for c in line]]
    return rows


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbar-tools")
def test_a_scanner_reads_the_code(keeper, tmp_path):
    keeper.add(ANNA)
    text = keeper.run("account", "totp", "add", ANNA)
    uri = next(word for word in text.split() if word.startswith("otpauth://"))
    rows, scale = bitmap(text), 6
    assert len(rows[0]) <= 78  # fits into a terminal of 80 columns
    path = tmp_path / "code.pgm"
    with open(path, "wb") as f:
        f.write(b"P5 %d %d 255\n" % (len(rows[0]) * scale, len(rows) * scale))
        for row in rows:
            f.write(b"".join(bytes([255 * v]) * scale for v in row) * scale)
    read = subprocess.run(["zbarimg", "-q", "--raw", str(path)], capture_output=True, text=True,
                          check=True).stdout.strip()
    assert read == uri
    parts = urllib.parse.urlsplit(read)
    asked = dict(urllib.parse.parse_qsl(parts.query))
    assert parts.netloc == "totp" and urllib.parse.unquote(parts.path).endswith(":" + ANNA)
    assert (asked["digits"], asked["period"], asked["algorithm"]) == ("6", "30", "SHA1")


@pytest.mark.skipif(not shutil.which("oathtool"), reason="oathtool")
def test_another_app_makes_the_codes(keeper):
    keeper.add(ANNA)
    secret = begin(keeper)
    step_now()
    code = subprocess.run(["oathtool", "--totp", "-b", secret], capture_output=True, text=True,
                          check=True).stdout.strip()
    keeper.run("account", "totp", "confirm", ANNA, code)


def test_who_may(online):
    online.add(ANNA, "hilde@example.org", "dora@example.org", "otto@example.org")
    for name, role in (("hilde", "help-desk"), ("dora", "domain-admin"), ("otto", "owner")):
        online.run("role", "grant", f"{name}@example.org", role, "--domain", "example.org")
    hilde, dora = ("--as", "hilde@example.org"), ("--as", "dora@example.org")
    for words in (("add", ANNA), ("confirm", ANNA, "123456"), ("recovery-codes", ANNA)):
        online.run(*hilde, "account", "totp", *words, code=1)
        assert "may not do this" in online.error
    secret = online.one(*dora, "account", "totp", "add", ANNA)["secret"]
    online.run(*dora, "account", "totp", "confirm", ANNA, code_at(secret, step_now()))
    seen = online.run(*hilde, "account", "totp", "show", ANNA)
    assert "has a second factor since" in seen and secret not in seen
    online.run(*hilde, "account", "totp", "remove", ANNA)
    assert "hilde@example.org" in next(line for line in online.run("log", ANNA).splitlines()
                                       if "second factor: removed" in line)
    # No way up: an administrator's second factor is not the help desk's to remove.
    secret = online.one("account", "totp", "add", "dora@example.org")["secret"]
    online.run("account", "totp", "confirm", "dora@example.org", code_at(secret, step_now()))
    online.run(*hilde, "account", "totp", "remove", "dora@example.org", code=1)
    assert "administrator" in online.error


def test_both_readers_find_nothing_wrong(online):
    pytest.importorskip("lmdb", reason="python3-lmdb")
    from oracle import read_apart
    online.add(ANNA)
    confirm(online, begin(online))
    assert online.one("check")["differences"] == 0
    online.server.stop()
    online.online = False
    problems = read_apart(online.server.data)[0]
    assert not problems, problems


def refused(server, password):
    with pytest.raises(imaplib.IMAP4.error) as e:
        imaplib.IMAP4("127.0.0.1", server.port, timeout=20).login(ANNA, password)
    return str(e.value)


def test_l12_where_one_is_required(online):
    online.add(ANNA, "hilde@example.org")
    online.run("role", "grant", "hilde@example.org", "help-desk", "--all-domains")
    assert "optional" in online.run("domain", "second-factor", "example.org")
    text = online.run("domain", "second-factor", "example.org", "required")
    assert "totp add" in text
    assert online.one("domain", "second-factor", "example.org")["required"] is True
    assert "must have a second factor" in refused(online.server, PASSWORD)
    phone = online.one("account", "device", "add", ANNA, "phone")["password"]
    assert "must have a second factor" in refused(online.server, phone)
    confirm(online, begin(online))
    imaplib.IMAP4("127.0.0.1", online.server.port, timeout=20).login(ANNA, phone)
    online.run("domain", "second-factor", "example.org", "optional")
    online.run("account", "totp", "remove", ANNA)
    online.run("role", "second-factor", "help-desk", "required")
    imaplib.IMAP4("127.0.0.1", online.server.port, timeout=20).login(ANNA, PASSWORD)
    online.run("role", "grant", ANNA, "help-desk", "--all-domains")
    assert "must have a second factor" in refused(online.server, PASSWORD)
    assert "second factor required for the role help-desk" in online.run("log", "--server")


def test_policies_that_make_no_sense(keeper):
    keeper.run("domain", "second-factor", "example.org", "perhaps", code=2)
    keeper.run("domain", "second-factor", "example.net", "required", code=3)
    assert "domain list" in keeper.error
    keeper.run("role", "second-factor", "king", "required", code=3)
    assert "role list" in keeper.error
