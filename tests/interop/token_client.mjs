// SPDX-License-Identifier: Apache-2.0
// imapflow reads and nodemailer sends with a token. Arguments: IMAP port, submission port (both TLS
// from the first byte), user. The token comes on standard input. Prints "all well" at the end.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.env.NPM_BASE + '/');
const { ImapFlow } = require('imapflow');
const nodemailer = require('nodemailer');
const [imap, smtp, user] = process.argv.slice(2);
const accessToken = readFileSync(0, 'utf8').trim();
const tls = { rejectUnauthorized: false };

const transport = nodemailer.createTransport({
    host: 'localhost', port: Number(smtp), secure: true, tls, auth: { type: 'OAuth2', user, accessToken },
});
await transport.sendMail({ from: user, to: user, subject: 'by token', text: 'hello' });

const client = new ImapFlow({
    host: 'localhost', port: Number(imap), secure: true, tls, logger: false, auth: { user, accessToken },
});
await client.connect();
for (let i = 0; i < 100; i++) {
    if ((await client.status('INBOX', { messages: true })).messages) break;
    await new Promise((done) => setTimeout(done, 100));
}
await client.mailboxOpen('INBOX');
assert.equal((await client.fetchOne('*', { envelope: true })).envelope.subject, 'by token');
await client.logout();

const bad = new ImapFlow({
    host: 'localhost', port: Number(imap), secure: true, tls, logger: false,
    auth: { user, accessToken: accessToken.slice(0, -1) + (accessToken.endsWith('A') ? 'B' : 'A') },
});
await assert.rejects(bad.connect(), (e) => e.authenticationFailed === true);
console.log('all well');
