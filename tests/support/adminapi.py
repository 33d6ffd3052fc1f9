# SPDX-License-Identifier: Apache-2.0
"""Asks /admin/api as a program would (docs/protocol/admin-api.md), and a server to ask."""
import base64
import http.client
import json
import os
import time
import urllib.parse

from servers import free_port, server_class
from totp import STEP, code_at


class Answer:
    def __init__(self, response):
        self.status, self.fields = response.status, {k.lower(): v for k, v in response.getheaders()}
        self.challenges = response.headers.get_all("WWW-Authenticate") or []
        self.body = response.read().decode()
        self.type = self.fields.get("content-type", "")

    def json(self):
        return json.loads(self.body)

    def lines(self):
        assert self.type == "application/jsonl" and (not self.body or self.body.endswith("\n"))
        return [json.loads(line) for line in self.body.split("\n")[:-1]]


class Api:
    """One connection, kept; `key` is an app password, with `user` said by Basic, else by Bearer."""

    def __init__(self, port, key=None, user=None):
        self.port, self.key, self.user = port, key, user
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def fields(self):
        if not self.key:
            return {}
        if not self.user:
            return {"Authorization": f"Bearer {self.key}"}
        both = base64.b64encode(f"{self.user}:{self.key}".encode()).decode()
        return {"Authorization": f"Basic {both}"}

    def ask(self, method, path, body=None, query=None, raw=None, **fields):
        """Fields of the request by name, "_" for "-"; `body` is made JSON, `raw` is sent as it is."""
        headers = {**self.fields(), **{k.replace("_", "-"): v for k, v in fields.items()}}
        if body is not None:
            raw = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        try:
            self.connection.request(method, "/admin/api" + path, raw, headers)
            return Answer(self.connection.getresponse())
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise

    def close(self):
        self.connection.close()


class AdminServer:
    """A server with listen_admin; `key_of` gives administrators keys."""

    def __init__(self, users=4, clear=True, **settings):
        self.port = free_port()
        self.server = server_class()(users=users, clear=clear, settings={
            "server_name": "mail.example.org", "listen_admin": f"127.0.0.1:{self.port}", **settings})
        self.server.start()
        self.apis = []

    def key_of(self, i, role=None, name="api", scope=("web",), **more):
        user = self.server.user(i)
        if role:
            self.server.control("role grant", account=user, role=role)
            self.factor(user)
        made = self.server.control("account device add", account=user, device=name,
                                   **{"for": list(scope)}, **more)
        return made["password"]

    def factor(self, user):
        """An administrator must have a second factor."""
        if self.server.control("account totp show", account=user)["state"] != "on":
            secret = self.server.control("account totp add", account=user)["secret"]
            self.server.control("account totp confirm", account=user,
                                code=code_at(secret, int(time.time() // STEP)))

    def api(self, key=None, user=None):
        self.apis.append(Api(self.port, key, user))
        return self.apis[-1]

    def close(self):
        for a in self.apis:
            a.close()
        self.server.close()


def is_missing():
    return os.environ.get("PEER") == "dovecot" or server_class().missing()
