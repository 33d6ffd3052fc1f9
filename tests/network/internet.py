# SPDX-License-Identifier: Apache-2.0
"""Two Mailkeeps and a Postfix that send each other mail."""
import shutil
import tempfile
import types

import peer
import pytest
import world
from keeper import Keeper


@pytest.fixture(scope="module")
def internet():
    """`one` and `two` are Mailkeep, `three` is Postfix; each serves <name>.example. `records` of
    `world` may be changed and published anew."""
    missing = world.missing() or peer.missing() or Keeper.missing()
    if missing:
        pytest.skip(missing)
    # Not pytest's: Postfix's own user has to get into it.
    folder = tempfile.mkdtemp(prefix="mailtest-internet-")
    w = world.World(folder)
    running = []
    try:
        hosts = {name: w.host(name, 11 + i, f"mail.{name}.example")
                 for i, name in enumerate(("one", "two", "three"))}
        stranger = w.host("stranger", 20, "stranger.example")
        certificates = {}
        for name, h in hosts.items():
            # Postfix has names of hosts without DANE, too.
            certificates[name] = h.certificate(*(
                ["plain-sts-good.example", "plain-sts-bad.example"] if name == "three" else []))
            w.records[f"{name}.example"] = [f"MX 10 {h.fqdn}.", f'TXT "v=spf1 a:{h.fqdn} -all"']
            w.records[f"_25._tcp.{h.fqdn}"] = [w.tlsa(certificates[name][0])]
            w.records[f"_dmarc.{name}.example"] = ['TXT "v=DMARC1; p=reject"']
        w.publish()
        servers = {}
        for name in ("one", "two"):
            servers[name] = k = Keeper(hosts[name], f"{name}.example")
            k.use_certificate(*certificates[name])
            running.append(k)
            k.start()
        servers["three"] = p = peer.Peer(hosts["three"], "three.example", *certificates["three"])
        running.append(p)
        p.start()
        yield types.SimpleNamespace(world=w, stranger=stranger, **servers)
    finally:
        for s in running:
            s.stop()
        w.close()
        shutil.rmtree(folder)
