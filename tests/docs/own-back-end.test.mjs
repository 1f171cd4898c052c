// The back ends of docs/own-back-end.md, each in its own language, against the sandbox.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { GreenPay, load } from 'cardseal';
import { which } from '../../scripts/project.mjs';
import { startSandbox } from '../interop/sandbox.mjs';
import { blocks } from './blocks.mjs';

const CARD = { expiry: '12/30', cvc: '123', holder: 'Ana Mora' };

/** Runs what is asked for and prints the results, a line of JSON. */
const LANGUAGES = {
  node: [
    'node',
    'use.mjs',
    `import { charge, storeCard } from './greenpay.mjs';
    const [good, bad] = JSON.parse(process.argv[2]);
    const [stored, declined] = [await storeCard(good), await storeCard(bad)];
    const refused = await storeCard({ ld: 'ab', lk: 'cd' }).catch(({ message }) => message);
    const outcomes = [await charge(stored, 'n-1', 24.5, 'USD'), await charge(declined, 'n-2', 24.5, 'USD')];
    console.log(JSON.stringify([...outcomes, await charge('${'0'.repeat(8)}', 'n-3', 24.5, 'USD'), refused]));`,
  ],
  python3: [
    'python3',
    'use.py',
    `import json, sys
from greenpay import charge, store_card
good, bad = json.loads(sys.argv[1])
stored, declined = store_card(**good), store_card(**bad)
try:
    store_card("ab", "cd")
except ValueError as error:
    refused = str(error)
print(json.dumps([charge(stored, "p-1", 24.5, "USD"), charge(declined, "p-2", 24.5, "USD"), charge("00000000", "p-3", 24.5, "USD"), refused]))`,
  ],
  php: [
    'php',
    'use.php',
    `<?php
require 'greenpay.php';
[$good, $bad] = json_decode($argv[1], true);
$stored = store_card($good['ld'], $good['lk']);
$declined = store_card($bad['ld'], $bad['lk']);
try { store_card('ab', 'cd'); } catch (RuntimeException $error) { $refused = $error->getMessage(); }
echo json_encode([charge($stored, 'h-1', 24.5, 'USD'), charge($declined, 'h-2', 24.5, 'USD'), charge('00000000', 'h-3', 24.5, 'USD'), $refused]);`,
  ],
};

let sandbox;
let folder;
let packed;
before(async () => {
  await load();
  sandbox = await startSandbox();
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-back-end-'));
  const greenpay = new GreenPay({ publicKey: sandbox.greenpay.public_key });
  packed = ['4242424242424242', '4094394314664828'].map((number) => greenpay.pack({ card: { ...CARD, number } }));
  for (const { words = [], text } of blocks('docs/own-back-end.md'))
    for (const word of words.filter((each) => each.startsWith('file=')))
      writeFileSync(path.join(folder, word.replace(/^file=/, '')), text);
});
after(async () => {
  await sandbox?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

for (const [language, [program, file, use]] of Object.entries(LANGUAGES)) {
  test(`${language}: a card is stored and charged, a declined one is declined, and what is doubtful is unknown`, async (t) => {
    if (!which(program)) return t.skip(`${program} is not installed`);
    const { merchant_url, checkout_url, credentials } = sandbox.greenpay;
    writeFileSync(path.join(folder, file), use);
    const { stdout } = await promisify(execFile)(which(program), [file, JSON.stringify(packed)], {
      cwd: folder,
      env: {
        ...process.env,
        GREENPAY_MERCHANT_URL: merchant_url,
        GREENPAY_CHECKOUT_URL: checkout_url,
        GREENPAY_SECRET: credentials.secret,
        GREENPAY_MERCHANT_ID: credentials.merchant_id,
        GREENPAY_TERMINAL: credentials.terminals.find(({ currency }) => currency === 'USD').terminal,
      },
    });
    assert.deepEqual(JSON.parse(stdout), ['approved', 'declined', 'unknown', 'the card was refused']);
  });
}
