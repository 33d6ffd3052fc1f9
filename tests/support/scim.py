# SPDX-License-Identifier: Apache-2.0
"""A SCIM client over HTTPS, as small as an identity provider's is."""
import http.client
import json
import ssl
import urllib.parse

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.body = status, body
        self.fields = {}
        for name, value in fields:
            self.fields[name.lower()] = value

    def json(self):
        return json.loads(self.body)

    def error(self, status, scim_type=None, *words):
        """It is an error in SCIM's own form (RFC 7644 section 3.12)."""
        assert self.status == status, (self.status, self.body)
        assert self.fields["content-type"] == "application/scim+json", self.fields
        e = self.json()
        assert e["schemas"] == [ERROR] and e["status"] == str(status), e
        assert e.get("scimType") == scim_type, e
        for word in words:
            assert word in e["detail"], e
        return e


class Scim:
    def __init__(self, port, token=None, base="/scim/v2"):
        self.port, self.token, self.base = port, token, base

    def ask(self, method, path, body=None, raw=None, query=None, type="application/scim+json",
            **fields):
        if query:
            path += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        head = {k.replace("_", "-"): v for k, v in fields.items()}
        if self.token:
            head.setdefault("Authorization", "Bearer " + self.token)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None and type:
            head["Content-Type"] = type
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        try:
            c.request(method, self.base + path, body=data, headers=head)
            r = c.getresponse()
            return Answer(r.status, r.getheaders(), r.read())
        finally:
            c.close()

    def good(self, status, *args, **kwargs):
        a = self.ask(*args, **kwargs)
        assert a.status == status, (a.status, a.body)
        return a

    def find(self, filter, **more):
        a = self.good(200, "GET", "/Users", query={"filter": filter, **more}).json()
        assert a["schemas"] == [LIST] and a["itemsPerPage"] == len(a["Resources"])
        return a["Resources"]

    def patch(self, id, *operations, **more):
        return self.ask("PATCH", f"/Users/{id}", {"schemas": [PATCH], "Operations": operations},
                        **more)

    def make(self, address, **more):
        return self.good(201, "POST", "/Users", {"schemas": [USER], "userName": address,
                                                 **more}).json()
