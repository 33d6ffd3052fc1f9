// SPDX-License-Identifier: Apache-2.0
// An ordinary day of imapflow, the IMAP library of many Node programs. Arguments: port, secure
// (1: TLS from the first byte, 0: STARTTLS), user, password. Prints "all well" at the end.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(process.env.NPM_BASE + '/');
const { ImapFlow } = require('imapflow');
const [port, secure, user, pass] = process.argv.slice(2);

function client() {
    return new ImapFlow({
        host: 'localhost', port: Number(port), secure: secure === '1', auth: { user, pass },
        tls: { rejectUnauthorized: false }, logger: false, qresync: true,
    });
}

function message(n) {
    return `From: Flow ${n} <flow${n}@example.org>\r\nTo: you@example.com\r\n` +
        `Subject: flow subject ${n}\r\nMessage-ID: <flow${n}@example.org>\r\n` +
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
        '--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello ' + n + '\r\n' +
        '--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n' +
        'Content-Disposition: attachment; filename=a.bin\r\n' +
        'Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n';
}

async function text(stream) {
    const parts = [];
    for await (const part of stream) parts.push(part);
    return Buffer.concat(parts).toString();
}

async function once(emitter, event, ms = 5000) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${event} in ${ms} ms`)), ms);
        emitter.once(event, (value) => { clearTimeout(timer); resolve(value); });
    });
}

async function fillAndRead(c) {
    for (let i = 1; i <= 5; i++) {
        const done = await c.append('INBOX', message(i), i % 2 ? ['\\Seen'] : []);
        assert.equal(done.uid, i);
    }
    const status = await c.status('INBOX', { messages: true, unseen: true, uidNext: true });
    assert.deepEqual([status.messages, status.unseen, status.uidNext], [5, 2, 6]);
    await c.mailboxOpen('INBOX');
    assert.deepEqual(await c.search({ seen: false }), [2, 4]);
    assert.deepEqual(await c.search({ subject: 'flow subject 3' }, { uid: true }), [3]);
    const subjects = [];
    for await (const m of c.fetch('1:*', { envelope: true, bodyStructure: true, flags: true })) {
        subjects.push(m.envelope.subject);
        assert.equal(m.bodyStructure.childNodes[1].type, 'application/octet-stream');
    }
    assert.deepEqual(subjects, [1, 2, 3, 4, 5].map((n) => `flow subject ${n}`));
    const one = await c.fetchOne('2', { source: true });
    assert.equal(one.source.toString(), message(2));
    const { meta, content } = await c.download('2', '2');
    assert.equal(meta.filename, 'a.bin');
    assert.equal(await text(content), 'hello');
}

async function change(c) {
    const made = await c.mailboxCreate(['Projects', '2021']);
    assert.equal(made.created, true);
    assert.equal(await c.messageFlagsAdd('1:2', ['\\Flagged', '$work']), true);
    assert.deepEqual(await c.search({ keyword: '$work' }), [1, 2]);
    const copied = await c.messageCopy('1', 'Projects/2021');
    assert.equal(copied.uidMap.get(1), 1);
    const moved = await c.messageMove('2', 'Projects/2021');
    assert.equal(moved.uidMap.get(2), 2);
    assert.equal(await c.messageDelete('1'), true);
    assert.equal((await c.status('Projects/2021', { messages: true })).messages, 2);
    await c.mailboxRename('Projects/2021', 'Projects/Old');
    const paths = (await c.list()).map((m) => m.path);
    assert(paths.includes('Projects/Old') && !paths.includes('Projects/2021'));
}

async function notice(c, other) {
    await c.mailboxOpen('INBOX');
    const exists = once(c, 'exists');
    c.idle().catch(() => {});
    await new Promise((r) => setTimeout(r, 300));
    await other.append('INBOX', message(9));
    const news = await exists;
    assert.equal(news.count, 4);
    const flags = once(c, 'flags');
    c.idle().catch(() => {});
    await new Promise((r) => setTimeout(r, 300));
    await other.mailboxOpen('INBOX');
    await other.messageFlagsAdd('1', ['\\Answered']);
    assert((await flags).flags.has('\\Answered'));
}

const c = client();
const other = client();
await c.connect();
await other.connect();
await fillAndRead(c);
await change(c);
await notice(c, other);
await c.mailboxDelete('Projects/Old');
await c.logout();
await other.logout();
console.log('all well');
