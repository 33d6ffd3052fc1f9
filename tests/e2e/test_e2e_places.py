# SPDX-License-Identifier: Apache-2.0
"""Sign-ins have a country, from a file of MaxMind's format: who is warned of one, and of journeys that nobody can make;
files that are damaged, cut, missing or replaced (L59, L60, L61)."""
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import time

import mmdb
import pytest
from servers import PASSWORD
from test_e2e_alerts import QUICK, alerts, kinds, letters, settled, wait_letter

pytestmark = pytest.mark.skipif(bool(os.environ.get("PEER")), reason="of Mailkeep")

PARIS, LYON, SAO_PAULO, NOWHERE = "2.1.0.5", "2.16.0.5", "177.1.0.5", "200.1.0.5"
NETWORKS = {
    "198.0.0.0/7": {"filled": "x" * 600000},  # what comes behind it takes the longest pointers
    "2.0.0.0/12": mmdb.place("FR", "France", (48.85, 2.35), 20),
    "2.16.0.0/12": mmdb.place("FR", "France", (45.76, 4.84), 20),
    "2a01:c000::/18": mmdb.place("FR", "France", (48.85, 2.35), 20),
    "177.0.0.0/8": mmdb.place("BR", "Brazil", (-23.55, -46.63), 50),
    "2804::/16": mmdb.place("BR", "Brazil", (-23.55, -46.63), 50),
    "41.0.0.0/8": mmdb.place("ZA", "South Africa"),
    "10.0.0.0/8": mmdb.place("AQ", "Antarctica", (-80.0, 0.0), 1),
    "127.0.0.0/8": mmdb.place("AQ", "Antarctica", (-80.0, 0.0), 1),
    "fd00::/8": mmdb.place("AQ", "Antarctica", (-80.0, 0.0), 1),
}


def put_file(server, raw):
    """As those who bring it anew do: beside it, then renamed."""
    path = os.path.join(server.folder, "places.mmdb")
    with open(path + ".new", "wb") as f:
        f.write(raw)
    os.rename(path + ".new", path)
    return path


@pytest.fixture
def server(make_server):
    server = make_server(users=2, settings={**QUICK, "proxy_networks": "127.0.99.0/24"}, start=False)
    server.settings["geo_database"] = put_file(server, mmdb.make(NETWORKS))
    server.start()
    wait_log(server, "sign-ins get a country")  # the courier has the file a moment after the start
    return server


def sign_in(server, address, user=1, password=PASSWORD):
    """By IMAP, by way of a balancer that says where the client is. When it is in the history, which is
    a moment later: two of one moment would be new together."""
    kind = "TCP6" if ":" in address else "TCP4"
    to = "2a01:c000::1" if ":" in address else "2.1.0.1"
    context = ssl.create_default_context(cafile=server.cert)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", server.tls_port), 30, ("127.0.99.1", 0)) as clear:
        clear.sendall(f"PROXY {kind} {address} {to} 4000 993\r\n".encode())
        s = context.wrap_socket(clear)
        answers = s.makefile("rb")
        answers.readline()
        s.sendall(f"a LOGIN {server.user(user)} {json.dumps(password)}\r\nb LOGOUT\r\n".encode())
        for line in answers:
            if line.startswith(b"a OK"):
                network = str(ipaddress.ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
                return bool(wait_history(server, lambda h: network in h, user))
            if line.startswith(b"a "):
                return False
    raise AssertionError("no answer")


def history(server, user=1):
    out = server.command("--json", "account", "signins", server.user(user)).stdout
    return {row["network"]: row for row in map(json.loads, out.splitlines())}


def wait_history(server, wanted, user=1):
    for _ in range(200):
        got = history(server, user)
        if wanted(got):
            return got
        time.sleep(0.1)
    raise AssertionError(got)


def wait_log(server, words, since=0):
    for _ in range(200):
        with open(server.log_path, errors="replace") as f:
            text = f.read()[since:]
        if words in text:
            return text
        time.sleep(0.1)
    raise AssertionError(text)


def log_size(server):
    with open(server.log_path, errors="replace") as f:
        return len(f.read())


def test_the_file_is_read_as_maxmind_reads_it(tmp_path):
    """The writer of these tests against MaxMind's reader: what ours is tested with is what it is to read."""
    for bits in 24, 28, 32:
        for share in True, False:
            path = tmp_path / f"{bits}{share}.mmdb"
            path.write_bytes(mmdb.make(NETWORKS, bits, share=share))
            for address, code in (PARIS, "FR"), (SAO_PAULO, "BR"), ("2804:1::1", "BR"), ("41.9.9.9", "ZA"):
                out = subprocess.run(["mmdblookup", "--file", path, "--ip", address, "country", "iso_code"],
                                     check=True, capture_output=True, text=True).stdout
                assert f'"{code}"' in out
            assert subprocess.run(["mmdblookup", "--file", path, "--ip", NOWHERE, "country"],
                                  capture_output=True).returncode != 0


def test_the_history_says_from_where(server):
    assert sign_in(server, PARIS) and sign_in(server, "2a01:c001::7") and sign_in(server, NOWHERE)
    assert sign_in(server, "10.1.2.3") and sign_in(server, "fd00::1")  # of no country, whatever the file says
    assert not sign_in(server, "177.1.0.9", password="wrong")
    got = wait_history(server, lambda h: len(h) >= 6)
    assert {n: row.get("country_name") for n, row in got.items()} == {
        "2.1.0.0/24": "France", "2a01:c001::/48": "France", "200.1.0.0/24": None, "10.1.2.0/24": None,
        "fd00::/48": None, "177.1.0.0/24": None}
    assert got["2.1.0.0/24"]["country"] == "FR"
    said = server.command("account", "signins", server.user(1)).stdout
    assert "from 2.1.0.0/24 in France" in said and re.search(r"from 200\.1\.0\.0/24\n", said)
    server.stop()
    server.start()  # it is in the row, not looked up
    assert history(server)["2.1.0.0/24"]["country_name"] == "France"
    server.stop()
    assert server.command("check").stdout.endswith("All is well.\n")


def test_a_new_country(server):
    assert sign_in(server, PARIS)
    assert settled(server) == []
    assert sign_in(server, "41.1.0.5")  # no position: nobody can say how far that is
    (letter, flags), = wait_letter(server, "new-country")
    text = re.sub(r"\s+", " ", letter.get_content())
    assert letter["Subject"] == "Security: Sign-in from a new country" and b"$MailkeepAlert" in flags
    assert "a country that was not used before: South Africa, from 41.1.0.0/24" in text
    assert sign_in(server, "41.77.0.5")  # another network there
    said = [re.sub(r"\s+", " ", m.get_content()) for m, _ in wait_letter(server, "new-network", n=2)]
    assert "from 41.77.0.0/24 in South Africa" in said[1] and "from 127.0.0.0/24." in said[0]  # who looks at letters
    for _ in range(2):
        assert sign_in(server, "41.1.0.5") and sign_in(server, "41.77.0.5") and sign_in(server, PARIS)
    assert kinds(settled(server)) == ["new-country"] + ["new-network"] * 2
    server.restart()
    assert sign_in(server, "41.1.0.5")
    assert kinds(settled(server)) == ["new-country"] + ["new-network"] * 2


def test_a_journey_that_nobody_can_make(server):
    assert sign_in(server, PARIS)
    assert settled(server) == []
    assert sign_in(server, LYON)  # some 390 km: by train, or another exit of the same provider
    assert kinds(settled(server)) == ["new-network"]
    assert sign_in(server, "10.1.2.3")  # at home, behind the router
    assert kinds(settled(server)) == ["new-network"] * 2
    assert sign_in(server, "2804:1::5")
    (letter, _), = wait_letter(server, "travel")
    text = re.sub(r"\s+", " ", letter.get_content())
    found = re.search(r"in that time: France and Brazil, at least (\d+) km apart, within \d minutes, from 2804:1::/48", text)
    assert found and 8000 < int(found[1]) < 9500
    assert sign_in(server, SAO_PAULO)  # the place is known since
    assert sign_in(server, PARIS) and sign_in(server, "2804:1::5")
    got = kinds(settled(server))
    assert "new-country" not in got and got.count("travel") == 1


def test_a_device_that_may_come_from_some_networks_only(server):
    assert sign_in(server, PARIS)
    assert settled(server) == []
    made = server.command("--json", "account", "device", "add", server.user(1), "fetcher", "--from", "177.1.0.0/24")
    secret = json.loads(made.stdout)["password"]
    assert sign_in(server, SAO_PAULO, password=secret)
    got = [a for a in settled(server) if a["kind"] != "device"]
    assert kinds(got) == ["new-network"]


def test_files_that_come_go_and_are_damaged(server):
    """None of it keeps anybody from signing in, and each is a line in the log."""
    whole = mmdb.make(NETWORKS)
    wait_log(server, "sign-ins get a country from geo_database: Test-City, made on 2025-06-15")
    for i, (raw, said) in enumerate([(whole[:len(whole) // 2], "it is no MaxMind DB file"), (b"", "it is no MaxMind DB file"),
                                     (whole.replace(b"record_size\xa1\x18", b"record_size\xa1\x19"), "it is damaged")]):
        since = log_size(server)
        put_file(server, raw)
        assert server.command("reload", check=False).returncode == 0
        wait_log(server, "the file of geo_database cannot be used: " + said, since)
        assert sign_in(server, f"2.{i + 2}.0.5", 2)
    since = log_size(server)
    os.unlink(server.settings["geo_database"])
    server.reload()
    wait_log(server, f"geo_database = {server.settings['geo_database']}: No such file", since)
    assert sign_in(server, "2.5.0.5", 2)
    since = log_size(server)
    os.mkfifo(server.settings["geo_database"])  # that nobody ever writes to
    server.reload()
    wait_log(server, ": it is no file", since)
    got = wait_history(server, lambda h: len(h) >= 4, 2)
    assert not any("country" in row for row in got.values())
    since = log_size(server)
    put_file(server, mmdb.make({"2.0.0.0/11": mmdb.place("CH", "Switzerland")}, 32, kind="Test-Country"))
    server.reload()
    wait_log(server, "geo_database: Test-Country", since)
    for _ in range(100):  # what was said to be unknown is asked again after some seconds
        assert sign_in(server, PARIS, 2)
        if wait_history(server, lambda h: "2.1.0.0/24" in h, 2)["2.1.0.0/24"].get("country") == "CH":
            break
        time.sleep(0.3)
    else:
        raise AssertionError(history(server, 2))
    # Cut while it is in use, which those who rename do not do.
    since = log_size(server)
    os.truncate(server.settings["geo_database"], 10)
    assert sign_in(server, "2.9.0.5", 2)
    wait_log(server, "was changed where it lies", since)
    server.kill("courier")
    assert sign_in(server, "2.10.0.5", 2)
    assert alerts(server, 2) is not None and letters(server, 2) is not None
