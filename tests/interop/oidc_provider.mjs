// SPDX-License-Identifier: Apache-2.0
// oidc-provider, a certified OpenID provider, on loopback. Arguments: port, certificate, key, the
// secret of the client "mailkeep", which may introspect. Then a command a line on standard input:
//   token jwt|opaque ADDRESS    an app signs ADDRESS in by the code flow; prints the access token
//   revoke TOKEN                the app gives it back; prints "revoked"
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const { Provider } = await import(
    pathToFileURL(`${process.env.NPM_BASE}/node_modules/oidc-provider/lib/index.js`).href);
const [port, cert, key, secret] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;
const app = { id: 'app', redirect: 'http://127.0.0.1:9/callback' };

const provider = new Provider(issuer, {
    clients: [
        {
            client_id: app.id, redirect_uris: [app.redirect], application_type: 'native',
            token_endpoint_auth_method: 'none', grant_types: ['authorization_code'],
        },
        { client_id: 'mailkeep', client_secret: secret, redirect_uris: [], response_types: [], grant_types: [] },
    ],
    scopes: ['openid', 'mail'],
    cookies: { keys: [randomBytes(32).toString('hex')] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    extraTokenClaims: (ctx, token) => ({ email: token.accountId, email_verified: true }),
    features: {
        introspection: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
            enabled: true,
            useGrantedResource: () => true,
            getResourceServerInfo: (ctx, resource) => ({
                scope: 'mail', audience: 'mail',
                accessTokenFormat: resource.endsWith('/jwt') ? 'jwt' : 'opaque',
                jwt: { sign: { alg: 'RS256' } },
            }),
        },
    },
});

// A browser as small as can be: one person's cookies, forms sent as they stand.
class Browser {
    cookies = new Map();

    async go(url, form) {
        for (let hops = 0; hops < 10; hops++) {
            if (url.startsWith(app.redirect)) return { url };
            const a = await fetch(url, {
                method: form ? 'POST' : 'GET', body: form, redirect: 'manual',
                headers: { cookie: [...this.cookies].map(([n, v]) => `${n}=${v}`).join('; ') },
            });
            form = undefined;
            for (const line of a.headers.getSetCookie()) {
                const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
                if (value) this.cookies.set(name, value); else this.cookies.delete(name);
            }
            if (a.status < 300) return { url, page: await a.text() };
            assert(a.status < 400, `${url}: ${a.status} ${await a.text()}`);
            url = new URL(a.headers.get('location'), url).href;
        }
        throw new Error('sent round in circles');
    }
}

async function token(kind, address) {
    const browser = new Browser();
    const verifier = randomBytes(32).toString('base64url');
    const resource = `https://mail.example.org/${kind}`;
    let at = await browser.go(`${issuer}/auth?${new URLSearchParams({
        client_id: app.id, response_type: 'code', scope: 'mail', redirect_uri: app.redirect, resource,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256' })}`);
    while (at.page) { // the sign-in, then what the app may do
        const prompt = /name="prompt" value="(\w+)"/.exec(at.page)[1];
        at = await browser.go(/action="([^"]+)"/.exec(at.page)[1],
            new URLSearchParams({ prompt, login: address, password: 'x' }));
    }
    const a = await fetch(`${issuer}/token`, {
        method: 'POST', body: new URLSearchParams({
            grant_type: 'authorization_code', client_id: app.id, redirect_uri: app.redirect,
            code: new URL(at.url).searchParams.get('code'), code_verifier: verifier }) });
    const said = await a.json();
    assert.equal(a.status, 200, JSON.stringify(said));
    return said.access_token;
}

async function revoke(what) {
    const a = await fetch(`${issuer}/token/revocation`, {
        method: 'POST', body: new URLSearchParams({ client_id: app.id, token: what }) });
    assert.equal(a.status, 200, await a.text());
    return 'revoked';
}

https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, provider.callback())
    .listen(Number(port), '127.0.0.1', () => console.log('ready'));
for await (const line of readline.createInterface({ input: process.stdin })) {
    const [what, ...words] = line.split(' ');
    console.log(await (what === 'token' ? token(...words) : revoke(...words)));
}
process.exit(0);
