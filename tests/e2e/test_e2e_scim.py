# SPDX-License-Identifier: Apache-2.0
"""SCIM 2.0: accounts made, changed, suspended and deleted by identity providers, and what those
may not. What Okta and Microsoft Entra ID send is as their public documents have it."""
import concurrent.futures
import json
import os
import re
import uuid

import pytest

from scim import ENTERPRISE, LIST, USER, Scim
from servers import Mailkeep, free_port
from talk import Talk

GOOD = "pear-tree-in-may-41"


def command(t, line):
    """Sends a command; the line that ends it."""
    t.send(line + "\r\n")
    tag = line.split()[0].encode() + b" "
    while (got := t.line()) is not None and not got.startswith(tag):
        pass
    return got


def aliases_of(world, alias):
    lines = world.server.command("--json", "alias", "list", "example.org").stdout.splitlines()
    return next((a["targets"] for a in map(json.loads, lines) if a.get("alias") == alias), None)


class World:
    def __init__(self, make, **settings):
        self.port = free_port()
        self.server = make(users=6, settings={"listen_https": f"127.0.0.1:{self.port}",
                                              "scim": "yes", **settings})
        self.server.control("domain add", domain="example.net")
        self.idp = self.client("okta", "example.org")

    def token(self, name, *domains):
        return self.server.control("scim-token add", token=name, domains=list(domains))["secret"]

    def client(self, name, *domains):
        return Scim(self.port, self.token(name, *domains))

    def show(self, account):
        return self.server.control("account show", account=account)

    def log(self, account):
        return self.server.command("log", account).stdout

    def imap(self, user, password):
        """A connection and what LOGIN says."""
        t = Talk(self.server.port)
        t.line()
        return t, command(t, f'a LOGIN "{user}" "{password}"')


@pytest.fixture(scope="module")
def world():
    if Mailkeep.missing():
        pytest.skip(Mailkeep.missing())
    made = []

    def make(**options):
        made.append(Mailkeep(**options))
        made[0].start()
        return made[0]
    try:
        yield World(make)
    finally:
        for server in made:
            server.close()


# ---- what there is ------------------------------------------------------------------------------


def test_it_says_what_it_can(world):
    ask = world.idp
    c = ask.good(200, "GET", "/ServiceProviderConfig").json()
    assert c["patch"]["supported"] and c["filter"] == {"supported": True, "maxResults": 100}
    assert c["etag"]["supported"] and not c["bulk"]["supported"] and not c["sort"]["supported"]
    assert c["authenticationSchemes"][0]["type"] == "oauthbearertoken"
    assert c["meta"]["location"] == f"https://127.0.0.1:{world.port}/scim/v2/ServiceProviderConfig"
    types = ask.good(200, "GET", "/ResourceTypes").json()
    assert types["schemas"] == [LIST] and [t["id"] for t in types["Resources"]] == ["User"]
    assert ask.good(200, "GET", "/ResourceTypes/User").json() == types["Resources"][0]
    schemas = ask.good(200, "GET", "/Schemas").json()["Resources"]
    assert [s["id"] for s in schemas] == [USER]
    assert ask.good(200, "GET", f"/Schemas/{USER}").json() == schemas[0]
    names = {a["name"]: a for a in schemas[0]["attributes"]}
    assert names["userName"]["uniqueness"] == "server"
    assert names["password"]["returned"] == "never"
    for path, status in (("/Groups", 404), ("/Bulk", 501), ("/Me", 501), ("/Schemas/x", 404),
                         ("", 404), ("/Users/", 404), ("/Users/1/2", 404)):
        ask.ask("GET", path).error(status)
    assert ask.good(405, "PUT", "/Users", {}).fields["allow"]
    ask.ask("DELETE", "/ServiceProviderConfig").error(405)


def test_a_user_is_made_read_changed_and_deleted(world):
    ask = world.idp
    a = ask.good(201, "POST", "/Users", {
        "schemas": [USER], "userName": "Ada@Example.org", "externalId": "x-1", "password": GOOD,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@example.org", "primary": True, "type": "work"},
                   {"value": "countess@example.org", "type": "other"},
                   {"value": "ada@private.example", "type": "home"}]})
    u = a.json()
    assert a.fields["location"] == u["meta"]["location"]
    assert u["meta"]["location"] == f"https://127.0.0.1:{world.port}/scim/v2/Users/{u['id']}"
    assert a.fields["etag"] == u["meta"]["version"] and u["meta"]["resourceType"] == "User"
    assert (u["userName"], u["externalId"], u["active"]) == ("ada@example.org", "x-1", True)
    assert u["name"] == {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"}
    assert u["displayName"] == "Ada Lovelace" and "password" not in u
    assert u["emails"] == [{"value": "ada@example.org", "type": "work", "primary": True},
                           {"value": "countess@example.org", "type": "other"}]
    assert ask.good(200, "GET", f"/Users/{u['id']}").json() == u
    assert world.show("ada@example.org")["name"] == "Ada Lovelace"
    assert world.imap("ada@example.org", GOOD)[1].startswith(b"a OK")
    aliases = world.server.command("--json", "alias", "list", "example.org").stdout
    assert '"countess@example.org"' in aliases
    # A whole one again: what is not named stays, the address and an alias change.
    u = ask.good(200, "PUT", f"/Users/{u['id']}", {
        "schemas": [USER], "userName": "ada.king@example.org",
        "emails": [{"value": "ada.king@example.org"}, {"value": "ada@example.org"}]}).json()
    assert u["userName"] == "ada.king@example.org" and u["externalId"] == "x-1"
    assert [e["value"] for e in u["emails"]] == ["ada.king@example.org"], \
        "the old address goes when the name of the account does"
    assert "countess" not in world.server.command("--json", "alias", "list", "example.org").stdout
    u = ask.patch(u["id"], {"op": "add", "path": "emails",
                            "value": [{"value": "ada@example.org"}]}).json()
    assert [e["value"] for e in u["emails"]] == ["ada.king@example.org", "ada@example.org"]
    # An alias goes along with a new name, and may be one.
    u = ask.patch(u["id"], {"op": "replace", "path": "userName",
                            "value": "ada.byron@example.org"}).json()
    assert [e["value"] for e in u["emails"]] == ["ada.byron@example.org", "ada@example.org"]
    assert aliases_of(world, "ada@example.org") == ["ada.byron@example.org"]
    u = ask.patch(u["id"], {"op": "replace", "path": "userName", "value": "ada@example.org"}).json()
    assert [e["value"] for e in u["emails"]] == ["ada@example.org"]
    assert aliases_of(world, "ada@example.org") is None
    u = ask.patch(u["id"], {"op": "replace", "path": "userName",
                            "value": "ada.king@example.org"}).json()
    assert ask.good(204, "DELETE", f"/Users/{u['id']}").body == b""
    ask.ask("GET", f"/Users/{u['id']}").error(404)
    ask.ask("DELETE", f"/Users/{u['id']}").error(404)
    ask.patch(u["id"], {"op": "replace", "path": "active", "value": True}).error(404)
    assert ask.find('userName eq "ada.king@example.org"') == []
    left = world.show("ada.king@example.org")
    assert left["state"] == "suspended" and left["remove_at"] and not left["takes_mail"]
    log = world.log("ada.king@example.org")
    assert "the provisioning token okta, 127.0.0.1" in log
    assert re.search(r"suspended; removed on 20\d\d-", log) and GOOD not in log


def test_a_deleted_persons_address_is_free_again(world):
    ask = world.idp
    old = ask.make("eve@example.org", externalId="eve-1",
                   emails=[{"value": "eve.alias@example.org"}])
    ask.good(204, "DELETE", f"/Users/{old['id']}")
    # Somebody else of that name gets an empty account; the old one waits beside it.
    new = ask.make("eve@example.org", externalId="eve-2",
                   emails=[{"value": "eve.alias@example.org"}])
    assert new["id"] != old["id"] and new["emails"][1]["value"] == "eve.alias@example.org"
    aside = world.show(f"eve.removed-{old['id']}@example.org")
    assert aside["state"] == "suspended" and str(aside["id"]) == old["id"] and aside["remove_at"]
    assert aliases_of(world, "eve.alias@example.org") == ["eve@example.org"]
    # The same person by the provider's own id gets the same account back, with the mail in it.
    ask.good(204, "DELETE", f"/Users/{new['id']}")
    again = ask.make("eve@example.org", externalId="eve-2", displayName="Eve")
    assert again["id"] == new["id"] and again["active"]
    back = world.show("eve@example.org")
    assert back["state"] == "active" and "remove_at" not in back


def test_filters_and_pages(world):
    ask = world.idp
    made = [ask.make(f"p{i}@example.org", externalId=f"P-{i}", displayName=f"Page {i}",
                     active=i != 3) for i in range(5)]

    def names(filter, **more):
        return [u["userName"] for u in ask.find(filter, **more)]

    assert names('userName eq "P1@EXAMPLE.org"') == ["p1@example.org"]
    assert names('externalId eq "P-2"') == ["p2@example.org"]
    assert names('externalId eq "p-2"') == []  # case counts there
    assert names(f'id eq "{made[4]["id"]}"') == ["p4@example.org"]
    assert names('emails.value eq "p0@example.org"') == ["p0@example.org"]
    assert names('emails[type eq "work" and value sw "p0@"]') == ["p0@example.org"]
    assert names('emails[type eq "work"].value eq "p0@example.org"') == ["p0@example.org"]
    assert names('displayName sw "page" and active eq false') == ["p3@example.org"]
    assert names('displayName sw "page" and not (active eq true)') == ["p3@example.org"]
    assert names('externalId co "P-" and (userName eq "p1@example.org" or externalId eq "P-4")') == \
        ["p1@example.org", "p4@example.org"]
    assert names('externalId pr and displayName co "AGE 2"') == ["p2@example.org"]
    assert names(f'{USER}:userName eq "p1@example.org"') == ["p1@example.org"]
    assert names(f'{ENTERPRISE}:department eq "x"') == []
    assert names('meta.created gt "2020-01-01T00:00:00Z" and userName sw "p4"') == \
        ["p4@example.org"]
    assert names('meta.created lt "2020-01-01T00:00:00Z"') == []
    assert names('userName eq "no address"') == []
    # Pages.
    q = {"filter": 'externalId sw "P-"', "count": 2}
    first = ask.good(200, "GET", "/Users", query=q).json()
    assert (first["totalResults"], first["startIndex"], first["itemsPerPage"]) == (5, 1, 2)
    seen = [u["userName"] for i in (1, 3, 5) for u in ask.good(
        200, "GET", "/Users", query={**q, "startIndex": i}).json()["Resources"]]
    assert seen == [f"p{i}@example.org" for i in range(5)]
    for more, items in (({"count": 0}, 0), ({"count": -3}, 0), ({"startIndex": -1}, 2),
                        ({"startIndex": 6}, 0)):
        a = ask.good(200, "GET", "/Users", query={**q, **more}).json()
        assert (a["totalResults"], len(a["Resources"])) == (5, items), more
    # Only some attributes.
    u = ask.find('userName eq "p1@example.org"', attributes="userName,emails.value")[0]
    assert u == {"schemas": [USER], "id": made[1]["id"], "userName": "p1@example.org",
                 "emails": [{"value": "p1@example.org"}]}
    u = ask.find('userName eq "p1@example.org"', excludedAttributes="emails,meta,name")[0]
    assert set(u) == {"schemas", "id", "externalId", "userName", "displayName", "active"}
    # The same by POST.
    for path in ("/Users/.search", "/.search"):
        a = ask.good(200, "POST", path, {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": 'externalId sw "P-"', "startIndex": 2, "count": 1,
            "attributes": ["userName"]}).json()
        assert (a["totalResults"], [u["userName"] for u in a["Resources"]]) == \
            (5, ["p1@example.org"])
    for bad in ("userName", "userName eq", 'userName xx "a"', '(userName pr', "userName eq a",
                'emails[type eq "work"', "(" * 30 + "userName pr" + ")" * 30,
                "userName pr" + " and userName pr" * 70, 'userName eq "' + "x" * 2000 + '"'):
        ask.ask("GET", "/Users", query={"filter": bad}).error(400, "invalidFilter")
    ask.ask("GET", "/Users", query={"count": "many"}).error(400, "invalidValue")
    ask.ask("GET", "/Users?filter=%zz").error(400, "invalidValue")
    ask.ask("POST", "/.search", {"filter": 'a eq'}).error(400, "invalidFilter")


def test_patches(world):
    ask = world.idp
    u = ask.make("pat@example.org", name={"givenName": "Pat", "familyName": "Old"})
    id = u["id"]

    def patched(*operations):
        a = ask.patch(id, *operations)
        assert a.status == 200, a.body
        return a.json()

    u = patched({"op": "replace", "path": "name.familyName", "value": "New"})
    assert u["displayName"] == u["name"]["formatted"] == "Pat New"  # it was made of the parts
    u = patched({"op": "replace", "value": {"displayName": "Patricia", "externalId": "p"}})
    assert (u["displayName"], u["externalId"]) == ("Patricia", "p")
    u = patched({"op": "replace", "path": "name.givenName", "value": "Pa"})
    assert u["displayName"] == "Patricia" and u["name"]["givenName"] == "Pa"
    u = patched({"op": "remove", "path": "externalId"}, {"op": "remove", "path": "name.givenName"})
    assert "externalId" not in u and "givenName" not in u["name"]
    u = patched({"op": "add", "path": "emails", "value": {"value": "pat1@example.org"}},
                {"op": "add", "value": {"emails": [{"value": "pat2@example.org"}]}})
    assert [e["value"] for e in u["emails"]][1:] == ["pat1@example.org", "pat2@example.org"]
    u = patched({"op": "remove", "path": 'emails[value eq "pat1@example.org"]'})
    assert [e["value"] for e in u["emails"]][1:] == ["pat2@example.org"]
    u = patched({"op": "replace", "path": 'emails[value eq "pat2@example.org"].value',
                 "value": "pat3@example.org"})
    assert [e["value"] for e in u["emails"]][1:] == ["pat3@example.org"]
    # Attributes of the standard that are not kept, and of others, do no harm.
    u = patched({"op": "add", "path": "title", "value": "Dr"},
                {"op": "replace", "path": 'phoneNumbers[type eq "work"].value', "value": "1"},
                {"op": "add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
                {"op": "add", "path": 'addresses[type eq "work"].country', "value": "UK"})
    assert "title" not in u and "phoneNumbers" not in u
    before = ask.good(200, "GET", f"/Users/{id}").json()
    for op, type, word in (
            ({"op": "replace", "path": "nothing", "value": 1}, "invalidPath", "nothing"),
            ({"op": "replace", "path": "a b", "value": 1}, "invalidPath", ""),
            ({"op": "replace", "path": "emails[", "value": 1}, "invalidPath", ""),
            ({"op": "remove"}, "noTarget", "path"),
            ({"op": "replace", "path": 'emails[type eq "fax"].value', "value": "x@example.org"},
             "noTarget", "emails"),
            ({"op": "replace", "path": "id", "value": "1"}, "mutability", "id"),
            ({"op": "remove", "path": "userName"}, "mutability", "userName"),
            ({"op": "replace", "path": "meta.version", "value": "1"}, "mutability", "meta"),
            ({"op": "move", "path": "title", "value": "1"}, "invalidSyntax", "op"),
            ({"op": "replace", "path": "active"}, "invalidValue", "value"),
            ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue", "active"),
            ({"op": "replace", "path": "userName", "value": "not an address"}, "invalidValue",
             "userName"),
            ({"op": "replace", "path": "displayName", "value": {"a": 1}}, "invalidValue",
             "displayName"),
            ({"op": "replace", "path": "displayName", "value": "a\nb"}, "invalidValue",
             "displayName"),
            ({"op": "replace", "value": "no object"}, "invalidValue", "object"),
            ({"op": "replace", "path": "password", "value": "password"}, "invalidValue",
             "password")):
        # All or nothing: what stands in front of it is not done.
        ask.patch(id, {"op": "replace", "path": "displayName", "value": "Half"}, op).error(
            400, type, word)
    assert ask.good(200, "GET", f"/Users/{id}").json() == before
    ask.patch(id, *[{"op": "add", "path": "title", "value": "x"}] * 101).error(413, "tooMany")
    ask.ask("PATCH", f"/Users/{id}", {"Operations": []}).error(400, "invalidSyntax")


def test_versions_keep_two_from_overwriting_each_other(world):
    ask = world.idp
    made = ask.good(201, "POST", "/Users", {"userName": "vera@example.org"})
    u, tag = made.json(), made.fields["etag"]
    name = {"op": "replace", "path": "displayName", "value": "Vera"}
    assert ask.good(304, "GET", f"/Users/{u['id']}", If_None_Match=tag).body == b""
    newer = ask.patch(u["id"], name, If_Match=f'"other", {tag}')
    assert newer.status == 200 and newer.fields["etag"] != tag
    for method, body in (("PATCH", {"Operations": [name]}), ("DELETE", None),
                         ("PUT", {"userName": "vera@example.org"})):
        ask.ask(method, f"/Users/{u['id']}", body, If_Match=tag).error(412)
    # The command line's changes count, too.
    world.server.control("account name", account="vera@example.org", name="By hand")
    ask.patch(u["id"], name, If_Match=newer.fields["etag"]).error(412)
    assert ask.good(200, "GET", f"/Users/{u['id']}", If_None_Match=tag).json()["displayName"] == \
        "By hand"
    ask.good(200, "PUT", f"/Users/{u['id']}", {"userName": "vera@example.org"}, If_Match="*")


def test_a_condition_is_never_passed_over(world):
    """If-Match that cannot be met, or not be read, changes nothing; of two at once one is told."""
    ask = world.idp
    u = ask.make("wilma@example.org")
    where = f"/Users/{u['id']}"
    tag = ask.good(200, "GET", where).fields["etag"]
    operation = {"op": "replace", "path": "displayName", "value": "Wilma"}
    changes = (("PATCH", {"Operations": [operation]}), ("DELETE", None),
               ("PUT", {"userName": "wilma@example.org", "displayName": "Wilma"}))
    for method, body in changes:
        for match in ("", " ", ",", '""', '"x"', "nonsense", tag.strip("W/") + "x", f'"a", "b"'):
            ask.ask(method, where, body, If_Match=match).error(412)
        ask.ask(method, where, body, If_Match=", ".join(['"x"'] * 600)).error(400, "invalidSyntax")
        ask.ask(method, where, body, If_None_Match=tag).error(412)
        ask.ask(method, where, body, If_None_Match="*").error(412)
        # Strong or weak, among others, and in several fields.
        ask.ask(method, where, body, If_Match='"x"', if_match='"y"').error(412)
    assert ask.good(200, "GET", where).fields["etag"] == tag
    for match in ('"x",%s', "%s ", '"x" , %s,'):
        for skip in (0, 2):  # weak, strong
            said = match % tag[skip:]
            tag = ask.good(200, "PATCH", where, {"Operations": [dict(operation, value=said)]},
                           If_Match=said).fields["etag"]
    # Eight at once on one version: one of them, whichever.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        said = [a.status for a in pool.map(lambda i: ask.patch(
            u["id"], dict(operation, value=f"by {i}"), If_Match=tag), range(8))]
    assert sorted(said) == [200] + [412] * 7
    newer = ask.good(200, "GET", where).fields["etag"]
    ask.ask("DELETE", where, If_Match=tag).error(412)
    assert ask.ask("DELETE", where, If_Match=newer).status == 204


def test_what_is_taken_or_wrong_is_refused_and_leaves_nothing(world):
    ask = world.idp
    world.server.control("account add", account="here@example.org", no_password=True)
    world.server.control("alias add", alias="team@example.org",
                         targets=["here@example.org", "u1@example.org"])
    ask.ask("POST", "/Users", {"userName": "here@example.org"}).error(409, "uniqueness")
    ask.ask("POST", "/Users", {"userName": "team@example.org"}).error(409, "uniqueness")
    world.server.control("alias add", alias="info@example.org", targets=["bob@elsewhere.example"])
    for alias in ("team@example.org", "here@example.org", "info@example.org"):
        ask.ask("POST", "/Users", {"userName": "half@example.org",
                                   "emails": [{"value": alias}]}).error(409, "uniqueness")
    for body, word in (({"userName": "half@example.org", "password": "12345678"}, "password"),
                       ({"userName": "half@example.org", "active": 3}, "active"),
                       ({"userName": "half@example.org", "emails": [{"value": "@"}]}, "emails"),
                       ({"userName": "half@example.org", "emails": "x"}, "emails"),
                       ({"userName": "half@example.org", "name": "x"}, "name"),
                       ({"userName": "half@example.org", "externalId": "x" * 256}, "externalId"),
                       ({"userName": ""}, "userName"), ({}, "userName")):
        ask.ask("POST", "/Users", body).error(400, "invalidValue", word)
    accounts = world.server.command("--json", "account", "list").stdout
    assert "half@example.org" not in accounts
    u = ask.make("other@example.org")
    ask.patch(u["id"], {"op": "replace", "path": "userName", "value": "here@example.org"}).error(
        409, "uniqueness")
    ask.ask("POST", "/Users", raw=b"{").error(400, "invalidSyntax", "line 1")
    ask.ask("POST", "/Users", raw=b'{"userName":"a","userName":"b"}').error(400, "invalidSyntax")
    ask.ask("POST", "/Users", raw=b"[]").error(400, "invalidSyntax")
    ask.ask("POST", "/Users", raw=b'{"a":' * 20 + b"1" + b"}" * 20).error(400, "invalidSyntax")
    ask.ask("POST", "/Users", raw=b'{"userName":"\xff"}').error(400, "invalidSyntax")
    ask.ask("POST", "/Users", {"userName": "x"}, type="text/plain").error(415)
    ask.ask("POST", "/Users", raw=b" " * 60000).error(413, "tooMany")


# ---- who may ------------------------------------------------------------------------------------


def test_l50_nobody_gets_in_without_a_token(make_server):
    world = World(make_server, auth_trusted_networks="192.0.2.0/24",
                  auth_failures_max="5")
    good = world.idp.token
    for token in (None, "wrong", good[:-1] + ("0" if good[-1] != "0" else "1"), good + "0",
                  good.upper(), "x" * 400):
        a = Scim(world.port, token).ask("GET", "/Users")
        a.error(401)
        assert a.fields["www-authenticate"].startswith("Bearer ")
    # Nothing of the request is looked at for a stranger: no 400, no 404.
    Scim(world.port, "wrong").ask("POST", "/Users", raw=b"{").error(401)
    world.idp.good(200, "GET", "/Users")
    for value in (f"Basic {good}", f"Token {good}", good):
        Scim(world.port).ask("GET", "/Users", Authorization=value).error(401)
    # Its text is nowhere on the disk but as a digest.
    for path, _, files in os.walk(world.server.data):
        for file in files:
            if not os.path.isfile(f"{path}/{file}"):
                continue
            with open(f"{path}/{file}", "rb") as f:
                assert good.encode() not in f.read(), file
    listed = json.loads(world.server.command("--json", "scim-token", "list").stdout.splitlines()[0])
    assert listed["token"] == "okta" and listed["used"] and "secret" not in listed
    # One that is removed opens nothing from then on.
    world.server.control("scim-token remove", token="okta")
    world.idp.ask("GET", "/Users").error(401)
    # Guessing is slowed down, also for whoever has a good one at that address.
    other = world.client("other", "example.org")
    refused = [Scim(world.port, f"scim-{i:048}").ask("GET", "/Users").status for i in range(60)]
    assert set(refused) == {401, 429} and refused[-1] == 429
    a = other.ask("GET", "/Users")
    a.error(429)
    assert a.fields["retry-after"]


def test_l51_a_token_does_not_reach_beyond_its_domains(world):
    server = world.server
    server.control("account add", account="nina@example.net", no_password=True)
    nina = str(world.show("nina@example.net")["id"])
    ask, both = world.idp, world.client("both", "example.net", "example.org")
    assert both.good(200, "GET", f"/Users/{nina}").json()["userName"] == "nina@example.net"
    for method, body in (("GET", None), ("PUT", {"userName": "nina@example.net"}), ("DELETE", None),
                         ("PATCH", {"Operations": [{"op": "replace", "path": "active",
                                                    "value": False}]})):
        ask.ask(method, f"/Users/{nina}", body).error(404)
    assert ask.find('userName eq "nina@example.net"') == []
    assert ask.find(f'id eq "{nina}"') == []
    assert not [u for u in ask.find('userName pr') if u["userName"].endswith("example.net")]
    ask.ask("POST", "/Users", {"userName": "new@example.net"}).error(403, None, "domain")
    ask.ask("POST", "/Users", {"userName": "new@elsewhere.example"}).error(403)
    u = ask.make("mover@example.org", emails=[{"value": "mover@example.net"}])
    assert [e["value"] for e in u["emails"]] == ["mover@example.org"]
    ask.patch(u["id"], {"op": "replace", "path": "userName", "value": "mover@example.net"}).error(
        403)
    assert both.patch(u["id"], {"op": "replace", "path": "userName",
                                "value": "mover@example.net"}).status == 200
    ask.ask("GET", f"/Users/{u['id']}").error(404)
    # A domain that goes takes what tokens may there along, for good.
    server.control("domain add", domain="gone.example")
    gone, some = world.client("gone", "gone.example"), world.client("some", "gone.example",
                                                                      "example.org")
    server.control("domain remove", domain="gone.example")
    server.control("domain add", domain="gone.example")
    gone.ask("GET", "/Users").error(401)
    some.ask("POST", "/Users", {"userName": "a@gone.example"}).error(403)
    some.good(200, "GET", "/Users")


def test_l52_a_token_is_no_way_up(world):
    server, ask = world.server, world.idp
    for name, role, domains in (("boss", "owner", None), ("dora", "domain-admin", ["example.org"]),
                                ("audit", "auditor", ["example.org"]),
                                ("help", "help-desk", ["example.org"])):
        address = f"{name}@example.org"
        server.control("account add", account=address, no_password=True)
        server.control("role grant", account=address, role=role,
                       **({"domains": domains} if domains else {}))
    ids = {n: str(world.show(f"{n}@example.org")["id"]) for n in ("boss", "dora", "audit", "help")}
    for name in ("boss", "dora", "audit"):
        before = world.show(f"{name}@example.org")
        assert ask.good(200, "GET", f"/Users/{ids[name]}").json()["active"]
        for op in ({"path": "password", "value": GOOD}, {"path": "active", "value": False},
                   {"path": "displayName", "value": "Me"}, {"path": "externalId", "value": "me"},
                   {"path": "emails", "value": [{"value": "boss.alias@example.org"}]},
                   {"path": "userName", "value": "taken.over@example.org"}):
            ask.patch(ids[name], {"op": "replace", **op}).error(403)
        ask.ask("PUT", f"/Users/{ids[name]}", {"userName": f"{name}@example.org",
                                               "externalId": "me"}).error(403)
        ask.ask("DELETE", f"/Users/{ids[name]}").error(403)
        assert world.show(f"{name}@example.org") == {**before,
                                                     "changes": world.show(
                                                         f"{name}@example.org")["changes"]}
        assert "externalId" not in ask.good(200, "GET", f"/Users/{ids[name]}").json()
    # Whoever may less than the token may be suspended by it.
    assert ask.patch(ids["help"], {"op": "replace", "path": "active",
                                   "value": False}).json()["active"] is False
    # Tokens are made by who may everything, and are no key for the API of administrators.
    assert "scim-token add" in server.command("--as", "dora@example.org", "scim-token", "add", "x",
                                              "--domain", "example.org", check=False).stderr


def test_l53_somebody_deprovisioned_is_out_at_once(world):
    ask = world.idp
    u = ask.make("leaver@example.org", password=GOOD)
    t, said = world.imap("leaver@example.org", GOOD)
    assert said.startswith(b"a OK")
    assert command(t, "b SELECT INBOX").startswith(b"b OK")
    t.send("c IDLE\r\n")
    assert t.line().startswith(b"+ ")
    assert ask.patch(u["id"], {"op": "Replace", "path": "active", "value": "False"}).status == 200
    assert t.line().startswith(b"* BYE"), "the session ends while it waits"
    assert world.imap("leaver@example.org", GOOD)[1].startswith(b"a NO")
    assert world.show("leaver@example.org")["takes_mail"] is False
    assert ask.patch(u["id"], {"op": "replace", "value": {"active": True}}).json()["active"]
    assert world.imap("leaver@example.org", GOOD)[1].startswith(b"a OK")
    # A failure further on does not keep them in.
    ask.patch(u["id"], {"op": "replace", "path": "active", "value": False},
              {"op": "replace", "path": "displayName", "value": "Gone"})
    assert world.show("leaver@example.org")["state"] == "suspended"
    log = world.log("leaver@example.org")
    assert re.search(r"The administrator \(the provisioning token okta, 127\.0\.0\.1\) changed the "
                     r"account: suspended", log), log
    assert "password set" not in log.split("suspended")[-1]


def test_mail_still_arrives_where_that_is_set(make_server):
    world = World(make_server, scim_keep_mail="yes", scim_remove_after="2 d")
    u = world.idp.make("kept@example.org")
    world.idp.patch(u["id"], {"op": "replace", "path": "active", "value": False})
    shown = world.show("kept@example.org")
    assert shown["takes_mail"] is True and "remove_at" not in shown
    world.idp.good(204, "DELETE", f"/Users/{u['id']}")
    shown = world.show("kept@example.org")
    assert shown["takes_mail"] is True and shown["remove_at"]


def test_l54_it_is_off_unless_it_is_wanted(make_server):
    world = World(make_server, scim="no")
    world.idp.ask("GET", "/Users").error(404)
    Scim(world.port).ask("GET", "/Users").error(404)


# ---- transcripts --------------------------------------------------------------------------------


def test_okta(world):
    """As https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20 has it."""
    ask = world.client("okta2", "example.org")
    assert ask.good(200, "GET", "/Users", query={"startIndex": 1, "count": 2}).json()[
        "totalResults"] >= 0
    user = "mulder.fox@example.org"
    q = {"filter": f'userName eq "{user}"', "startIndex": 1, "count": 100}
    none = ask.good(200, "GET", "/Users", query=q).json()
    assert none == {"schemas": [LIST], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0,
                    "Resources": []}
    body = {"schemas": [USER], "userName": user,
            "name": {"givenName": "Fox", "familyName": "Mulder"},
            "emails": [{"primary": True, "value": user, "type": "work"}],
            "displayName": "Fox Mulder", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
            "groups": [], "password": "1mz050nq-trust-no", "active": True}
    made = ask.good(201, "POST", "/Users", body)
    u = made.json()
    assert u["userName"] == user and u["active"] and u["name"]["familyName"] == "Mulder"
    ask.ask("POST", "/Users", body).error(409, "uniqueness")
    got = ask.good(200, "GET", f"/Users/{u['id']}").json()
    assert got["id"] == u["id"] and got["externalId"] == "00ujl29u0le5T6Aj10h7"
    put = ask.good(200, "PUT", f"/Users/{u['id']}", {
        **got, "name": {"givenName": "Fox W.", "familyName": "Mulder"},
        "displayName": "Fox W. Mulder", "locale": "en-US", "groups": [],
        "meta": {"resourceType": "User"}}).json()
    assert put["displayName"] == "Fox W. Mulder" and put["name"]["givenName"] == "Fox W."
    off = ask.patch(u["id"], {"op": "replace", "value": {"active": False}})
    assert off.status == 200 and off.json()["active"] is False
    assert ask.good(200, "GET", "/Users", query=q).json()["Resources"][0]["active"] is False
    on = ask.good(200, "PUT", f"/Users/{u['id']}", {**put, "active": True}).json()
    assert on["active"] is True
    ask.patch(u["id"], {"op": "replace", "value": {"password": "t1meMa-chine-0x"}})
    assert world.imap(user, "t1meMa-chine-0x")[1].startswith(b"a OK")


def test_entra(world):
    """As https://learn.microsoft.com/entra/identity/app-provisioning/
    use-scim-to-provision-users-and-groups has it."""
    ask = world.client("entra", "example.org")
    # Test Connection: somebody who is surely not there, and no address.
    none = ask.good(200, "GET", "/Users", query={"filter": f'userName eq "{uuid.uuid4()}"'}).json()
    assert none["totalResults"] == 0 and none["Resources"] == []
    user, external = "Test_User_ab6490ee@example.org", "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
    assert ask.find(f'externalId eq "{external}"') == []
    body = {"schemas": [USER, ENTERPRISE], "externalId": external, "userName": user, "active": True,
            "emails": [{"primary": True, "type": "work", "value": user}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName",
                     "givenName": "givenName"}, "roles": []}
    u = ask.good(201, "POST", "/Users", body).json()
    assert u["externalId"] == external and u["name"]["formatted"] == "givenName familyName"
    assert ask.find(f'userName eq "{user}"')[0]["id"] == u["id"]
    assert ask.find(f'externalId eq "{external}"')[0]["id"] == u["id"]
    ask.ask("GET", "/Users/5171a35d82074e068ce2").error(404)
    # Ops begin with a capital; values are texts; a path may choose among emails.
    new = "updatedEmail@example.org"
    p = ask.patch(u["id"], {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": new},
                  {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"})
    assert p.status == 200 and p.json()["name"]["familyName"] == "updatedFamilyName"
    assert [e["value"] for e in p.json()["emails"]] == [user.lower(), new.lower()]
    p = ask.patch(u["id"], {"op": "Replace", "path": "userName",
                            "value": "5b50642d-79fc-4410-9e90-4c077cdd1a59@example.org"})
    assert p.json()["userName"] == "5b50642d-79fc-4410-9e90-4c077cdd1a59@example.org"
    p = ask.patch(u["id"], {"op": "Add", "path": "nickName", "value": "Babs"},
                  {"op": "Replace", "path": "displayName", "value": [{"value": "Barbara"}]},
                  {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
                  {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": [{"value": "7"}]})
    assert p.json()["displayName"] == "Barbara"
    p = ask.patch(u["id"], {"op": "replace", "value": {
        "active": "False", "name.givenName": "Gi", "displayName": "Gi Updated",
        f"{ENTERPRISE}:department": "Other", ENTERPRISE: {"costCenter": "1"}}})
    assert p.status == 200, p.body
    assert p.json()["active"] is False and p.json()["name"]["givenName"] == "Gi"
    assert ask.patch(u["id"], {"op": "Replace", "path": "active", "value": "True"}).json()["active"]
    assert ask.patch(u["id"], {"op": "Replace", "path": "active",
                               "value": "False"}).json()["active"] is False
    assert ask.good(204, "DELETE", f"/Users/{u['id']}").body == b""
    ask.ask("GET", f"/Users/{u['id']}").error(404)
    assert ask.find(f'externalId eq "{external}"') == []


def test_the_token_is_shown_once_and_listed(world):
    r = world.server.command("scim-token", "add", "shown", "--domain", "example.org", "--domain",
                             "example.net")
    assert re.fullmatch(r"scim-[0-9a-z]{48}", r.stdout.strip())
    listed = world.server.command("scim-token", "list").stdout
    assert "shown: over example.org, example.net; made 20" in listed and "never used" in listed
    assert r.stdout.strip() not in listed
    again = world.server.command("scim-token", "add", "shown", "--domain", "example.org",
                                 check=False)
    assert again.returncode == 1 and "already" in again.stderr
    for words in (["x", "--domain", "nowhere.example"], ["a b", "--domain", "example.org"]):
        assert world.server.command("scim-token", "add", *words, check=False).returncode != 0
    assert world.server.command("scim-token", "add", "x", check=False).returncode == 2
    assert "opens nothing" in world.server.command("scim-token", "remove", "shown").stdout
    assert world.server.command("scim-token", "remove", "shown", check=False).returncode == 3
    server_log = world.server.command("log", "--server").stdout
    assert "provisioning token added: shown" in server_log
