// SPDX-License-Identifier: Apache-2.0
// oauth4webapi, which is strict, goes all flows of our authorization server; imapflow reads mail with
// the token. Arguments: issuer, IMAPS port, user, password. Prints "all well" at the end.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.env.NPM_BASE + '/');
const oauth = await import(pathToFileURL(require.resolve('oauth4webapi')));
const { ImapFlow } = require('imapflow');
const [issuer, port, user, pass] = process.argv.slice(2);
const client = { client_id: 'native' }, none = oauth.None();
const redirect = 'http://127.0.0.1:51004/callback';
let cookie = '';

// What a browser does: the fields of the form, and the cookie.
async function page(url, fields) {
    const answer = await fetch(url, {
        redirect: 'manual', headers: cookie ? { cookie } : {},
        ...(fields ? { method: 'POST', body: new URLSearchParams(fields) } : {}),
    });
    const set = answer.headers.get('set-cookie');

    if (set) cookie = set.split(';')[0];
    const text = await answer.text(), form = {};

    for (const [, name, value] of text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)) {
        form[name] = value.replaceAll('&amp;', '&');
    }
    return { answer, form, text };
}

async function read(accessToken) {
    const imap = new ImapFlow({
        host: 'localhost', port: Number(port), secure: true, logger: false,
        auth: { user, accessToken }, tls: { rejectUnauthorized: false },
    });

    await imap.connect();
    const box = await imap.mailboxOpen('INBOX');

    await imap.logout();
    return box.path;
}

function check(ok, what) {
    if (!ok) throw new Error(what);
}

const as = await oauth.processDiscoveryResponse(new URL(issuer),
    await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2' }));
const verifier = oauth.generateRandomCodeVerifier(), state = oauth.generateRandomState();
const ask = new URL(as.authorization_endpoint);

for (const [name, value] of Object.entries({
    client_id: client.client_id, redirect_uri: redirect, response_type: 'code', scope: 'imap', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
})) ask.searchParams.set(name, value);

const first = await page(ask);
const allowed = await page(as.authorization_endpoint,
    { ...first.form, user, password: pass, do: 'allow' });
const back = new URL(allowed.answer.headers.get('location'));
const parameters = oauth.validateAuthResponse(as, client, back, state);
let tokens = await oauth.processAuthorizationCodeResponse(as, client,
    await oauth.authorizationCodeGrantRequest(as, client, none, parameters, redirect, verifier));

check(await read(tokens.access_token) === 'INBOX', 'imapflow with the first token');
tokens = await oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, none, tokens.refresh_token));
check(await read(tokens.access_token) === 'INBOX', 'imapflow with the next token');
await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, none, tokens.refresh_token));
check(await read(tokens.access_token).catch(() => 'out') === 'out', 'a revoked token');

// A device without a browser (RFC 8628).
const device = await oauth.processDeviceAuthorizationResponse(as, client,
    await oauth.deviceAuthorizationRequest(as, client, none, { scope: 'imap read-only' }));
const grant = () => oauth.deviceCodeGrantRequest(as, client, none, device.device_code);
const early = await oauth.processDeviceCodeResponse(as, client, await grant()).catch((e) => e);

check(early.error === 'authorization_pending', `too early: ${early}`);
const entry = await page(device.verification_uri_complete);
const shown = await page(device.verification_uri,
    { ...entry.form, user_code: device.user_code, do: 'look' });
const done = await page(device.verification_uri,
    { ...shown.form, user, password: pass, do: 'allow' });

check(done.text.includes('Done'), done.text);
const last = await oauth.processDeviceCodeResponse(as, client, await grant());

check(last.scope === 'imap read-only', last.scope);
check(await read(last.access_token) === 'INBOX', 'imapflow with a device');
console.log('all well');
