# SPDX-License-Identifier: Apache-2.0
"""A small OpenID provider for tests: its own certificate, keys that can be rotated, tokens signed
with RS256 by openssl, and introspection. It counts what it is asked."""
import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

from servers import free_port, self_signed

CLIENT, SECRET = "mailkeep", "s3cret/with+signs"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    def __init__(self, folder):
        self.folder = str(folder)
        self.cert, key = self_signed(self.folder, tag="issuer")
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.keys, self.active, self.asked = {}, {}, []
        self.fails = False
        self.floods = self.drips = False  # answers without end, fast and slowly
        self.sent = 0
        self.rotate("first")
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *unused):
                pass

            def reply(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def endless(self):
                """1 GiB, announced and begun, until the other side has had enough of it."""
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(1 << 30))
                self.end_headers()
                piece, provider.sent = b" " * (1 if provider.drips else 65536), 0
                try:
                    while (provider.floods or provider.drips) and provider.sent < 1 << 30:
                        self.wfile.write(piece)
                        provider.sent += len(piece)
                        if provider.drips:
                            time.sleep(0.2)
                except OSError:
                    pass
                self.close_connection = True

            def do_GET(self):
                provider.asked.append(self.path)
                if provider.floods or provider.drips:
                    self.endless()
                elif provider.fails:
                    self.reply({}, 503)
                elif self.path == "/.well-known/openid-configuration":
                    self.reply({"issuer": provider.url, "jwks_uri": provider.url + "/keys",
                                "introspection_endpoint": provider.url + "/introspect"})
                elif self.path == "/keys":
                    self.reply({"keys": [provider.jwk(k) for k in provider.keys]})
                else:
                    self.reply({}, 404)

            def do_POST(self):
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                name, secret = base64.b64decode(self.headers["Authorization"].split()[1]) \
                    .decode().split(":")
                if (urllib.parse.unquote(name), urllib.parse.unquote(secret)) != (CLIENT, SECRET):
                    self.reply({"error": "invalid_client"}, 401)
                elif provider.floods or provider.drips:
                    self.endless()
                elif provider.fails:
                    self.reply({}, 503)
                else:
                    token = urllib.parse.parse_qs(body)["token"][0]
                    said = provider.active.get(token)
                    self.reply({"active": True, **said} if said is not None else {"active": False})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- keys ----
    def rotate(self, kid):
        path = os.path.join(self.folder, kid + ".pem")
        subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
        self.keys = {kid: path}

    def jwk(self, kid):
        out = subprocess.run(["openssl", "rsa", "-in", self.keys[kid], "-noout", "-modulus"],
                             check=True, capture_output=True).stdout.decode()
        n = bytes.fromhex(out.strip().split("=")[1])
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64url(n), "e": "AQAB"}

    # ---- tokens ----
    def claims(self, email, **more):
        now = int(time.time())
        return {"iss": self.url, "aud": "mail", "azp": "app", "iat": now, "exp": now + 3600,
                "email": email, "email_verified": True, **more}

    def jwt(self, email, header=None, **more):
        kid, path = next(iter(self.keys.items()))
        head = {"alg": "RS256", "kid": kid, "typ": "at+jwt", **(header or {})}
        body = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(
            self.claims(email, **more)).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path], check=True,
                                   input=body.encode(), capture_output=True).stdout
        return body + "." + b64url(signature)

    def give(self, token, email, **more):
        """The token is known from now on, until it is revoked."""
        self.active[token] = self.claims(email, **more)
        return token

    def revoke(self, token):
        del self.active[token]

    def count(self, path):
        return self.asked.count(path)
