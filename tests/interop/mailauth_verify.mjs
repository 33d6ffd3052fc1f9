// SPDX-License-Identifier: Apache-2.0
//
// What the npm package mailauth thinks of messages. Standard input: JSON {"zone": {name: {type:
// [records]}}, "messages": [{"path", "ip", "helo", "sender"}]}; standard output: JSON, one verdict
// for each message. Everything it asks of the DNS is answered from the zone.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.NPM_BASE, "node_modules", "x.js"));
const { authenticate, verifyASChain } = require("mailauth");
const readTags = require("mailauth/lib/parse-dkim-headers");
const asked = JSON.parse(fs.readFileSync(0, "utf8"));

async function resolver(name, type) {
    const there = asked.zone[name.toLowerCase().replace(/\.$/, "")];
    const records = there?.[type];

    if (!records) {
        throw Object.assign(new Error(`query${type} ${name}`), { code: there ? "ENODATA" : "ENOTFOUND" });
    }
    return records;
}

// Whether the newest ARC-Seal of a message holds over its own set alone, as one with cv=fail must
// (RFC 8617 section 5.1.2); mailauth does not look at it once it has found the chain broken.
async function newestSeal(rows) {
    const sets = new Map();

    for (const row of rows.filter((r) => r.key?.startsWith("arc-"))) {
        const field = readTags(row.line), number = Number(field.parsed?.i?.value);

        sets.set(number, { ...sets.get(number), [row.key]: field });
    }
    try {
        return await verifyASChain({ chain: [sets.get(Math.max(...sets.keys()))] }, { resolver });
    } catch {
        return false;
    }
}

const verdicts = [];

for (const m of asked.messages) {
    const r = await authenticate(fs.readFileSync(m.path), {
        ip: m.ip, helo: m.helo, sender: m.sender, mta: "verifier.example", resolver, disableBimi: true,
    });

    verdicts.push({
        spf: r.spf ? r.spf.status.result : "none",
        dkim: r.dkim.results.map((d) => ({ domain: d.signingDomain ?? null, selector: d.selector ?? null,
                                           result: d.status.result, comment: d.status.comment ?? null })),
        dmarc: r.dmarc ? r.dmarc.status.result : "none",
        policy: r.dmarc ? r.dmarc.policy ?? null : null,
        arc: r.arc ? r.arc.status.result : "none",
        newest_seal: await newestSeal(r.dkim.headers?.parsed ?? []),
    });
}
process.stdout.write(JSON.stringify(verdicts));
