# SPDX-License-Identifier: Apache-2.0
"""By which way mail leaves: through hosts, as the DNS says, or not at all."""


def test_routes(keeper):
    keeper.add("anna")
    assert "There are no routes" in keeper.run("route", "list")
    assert "has no route of its own" in keeper.run("route", "show", "x@example.net")
    assert keeper.run("route", "add", "Example.NET", "--host", "smtp.example.com") == \
        "Mail for example.net leaves through smtp.example.com, port 587, TLS required.\n"
    out = keeper.run("route", "add", "--from", "example.org", "--host", "[192.0.2.1]", "--tls", "implicit",
                     "--user", "us", "--password-stdin", data="hush-hush\n")
    assert out == ("Mail from @example.org leaves through [192.0.2.1], port 465, TLS implicit, "
                   "signed in as us.\n")
    keeper.run("route", "add", "bad.example", "--refuse", "nobody writes there")
    keeper.run("route", "add", "b.example.net", "--mx")
    routes = keeper.json("route", "list")
    assert [(r.get("destination"), r.get("from"), r["by"]) for r in routes] == [
        (None, "@example.org", "host"), ("b.example.net", None, "mx"), ("bad.example", None, "refuse"),
        ("example.net", None, "host")]
    assert "hush" not in keeper.run("--json", "route", "list") + keeper.run("log", "--server")
    assert routes[0]["user"] == "us" and routes[0]["port"] == 465

    assert keeper.run("route", "show", "x@example.net", "--from", "anna@example.org") == \
        "Mail to x@example.net leaves through smtp.example.com, port 587, TLS required, by the route " \
        "for example.net.\n"
    assert "by the route from @example.org" in keeper.run("route", "show", "x@else.example", "--from",
                                                          "anna@example.org")
    assert "has no route" in keeper.run("route", "show", "x@else.example")
    assert "is refused: nobody writes there" in keeper.run("route", "show", "bad.example")
    assert keeper.one("route", "show", "c.b.example.net")["route"] is None

    keeper.run("route", "remove", "example.net")
    keeper.run("route", "remove", "example.net", code=3)
    assert "mailkeep route list" in keeper.error
    keeper.run("route", "remove", "--from", "@example.org")
    assert len(keeper.json("route", "list")) == 2
    assert "mail for bad.example leaves no more: it is refused" in keeper.run("log", "--server")
    assert keeper.run("check").endswith("All is well.\n")


def test_what_is_refused_and_why(keeper):
    for words, part in (
            (("x@example.net", "--host", "h"), "--from"),
            (("a b", "--host", "h"), "cannot have a route"),
            (("a.example", "--host", "h h"), "is no name of a host"),
            (("a.example", "--host", "h", "--tls", "some"), "required, implicit or opportunistic"),
            (("a.example", "--host", "h", "--port", "99999"), "1 to 65535"),
            (("a.example", "--host", "h", "--port", "x"), "1 to 65535"),
            (("a.example", "--refuse", "x" * 300), "at most 200")):
        keeper.run("route", "add", *words, code=1)
        assert part in keeper.error, keeper.error
    keeper.run("route", "add", "a.example", "--host", "h", "--tls", "opportunistic", "--user", "us",
               "--password-stdin", data="x\n", code=1)
    assert "anybody on the way" in keeper.error
    for words in ((), ("a.example",), ("a.example", "--mx", "--host", "h"), ("--mx",),
                  ("a.example", "--from", "b", "--mx"), ("a.example", "--mx", "--port", "1")):
        keeper.run("route", "add", *words, code=2)
    keeper.run("route", "add", "a.example", "--host", "h", "--user", "us", code=2)
    assert "--password-stdin" in keeper.error
    assert keeper.json("route", "list") == []
