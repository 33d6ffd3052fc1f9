// SPDX-License-Identifier: Apache-2.0
// nodemailer sends one message. Arguments: port, secure (1: TLS from the first byte, 0: STARTTLS),
// user, password, sender, recipients (comma-separated), blind copy. Prints what it was told.
import { createRequire } from 'node:module';

const require = createRequire(process.env.NPM_BASE + '/');
const nodemailer = require('nodemailer');
const [port, secure, user, pass, from, to, bcc] = process.argv.slice(2);
const transport = nodemailer.createTransport({
    host: 'localhost', port: Number(port), secure: secure === '1', requireTLS: true,
    auth: { user, pass }, tls: { rejectUnauthorized: false },
});

try {
    const info = await transport.sendMail({
        from, to, bcc, subject: 'Grüße from nodemailer', text: 'Zoë says:\n.a dot\nbye',
        attachments: [{ filename: 'bytes.bin', content: Buffer.from([...Array(600).keys()]) }],
    });

    console.log(info.response, JSON.stringify(info.rejected));
} catch (e) {
    console.log('error', e.code, e.responseCode, e.response);
}
