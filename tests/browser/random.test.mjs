// The secure random source in a page and in a worker: whatever became of `crypto` there is a typed error, never a weaker
// source, and neither `ld` nor `lk` comes out. `tests/package/random.test.mjs` does the same in Node.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { serve } from '../bundlers/serve.mjs';
import { BROKEN } from '../package/sources.mjs';
import { launch, root } from './harness.mjs';

const { rsa_keys: KEYS } = JSON.parse(readFileSync(path.join(root, 'tests/vectors/greenpay.json'), 'utf8'));
const {
  key: { kid, jwk },
} = JSON.parse(readFileSync(path.join(root, 'tests/vectors/sealing.json'), 'utf8'));
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };
const SESSION = {
  id: 'ses_1',
  platform: 'worldline_acquiring',
  kind: 'payment',
  mode: 'relay',
  created_at: Date.now(),
  expires_at: Date.now() + 3_600_000,
  seal: { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y } },
};
const SCRIPT = { 'content-type': 'text/javascript' };

/** A script that breaks the source of the place where it runs. */
const breaking = (make) => `
  Math.random = () => { throw new Error('Math.random was called'); };
  globalThis.real ??= globalThis.crypto;
  Object.defineProperty(globalThis, 'crypto', { configurable: true, value: (${make})(globalThis.real) });
`;

let folder;
let site;
let browser;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-random-'));
  cpSync(process.env.CARDSEAL_PKG ?? path.join(root, 'pkg'), path.join(folder, 'pkg'), { recursive: true });
  const answers = {
    '/': { headers: { 'content-type': 'text/html' }, body: '<!doctype html><link rel="icon" href="data:,">' },
  };
  for (const [index, make] of Object.values(BROKEN).entries()) {
    answers[`/broken-${index}.js`] = { headers: SCRIPT, body: breaking(make) };
    answers[`/host-${index}.js`] = {
      headers: SCRIPT,
      body: `import '/broken-${index}.js'; import '/pkg/worker-host.js';`,
    };
    answers[`/own-${index}.js`] = { headers: SCRIPT, body: `import '/broken-${index}.js'; import '/own.js';` };
  }
  // A shop's own worker that uses the package as a page does.
  answers['/own.js'] = {
    headers: SCRIPT,
    body: `
    import * as cardseal from '/pkg/inline.js';
    onmessage = async ({ data: { key, order, card, session } }) => postMessage(await (${attempts})(cardseal, undefined, key, order, card, session));
  `,
  };
  answers['/whole.js'] = { headers: SCRIPT, body: "import '/own.js';" };
  site = await serve(folder, { answers });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs in the browser: every verb that seals; what came out, as text. */
async function attempts(cardseal, options, key, order, card, session) {
  const sent = [];
  await cardseal.load(options);
  const greenpay = new cardseal.GreenPay({ publicKey: key, environment: { checkout: location.origin } });
  const acquiring = new cardseal.WorldlineAcquiring({ server: location.origin });
  const { fetch } = globalThis;
  globalThis.fetch = (...args) => {
    sent.push(String(args[0]));
    return fetch(...args);
  };
  const results = [];
  for (const work of [
    () => greenpay.pack({ card }),
    () => greenpay.pack({ card }, { counter: 'block' }),
    () => greenpay.tokenizeRequest(order, card),
    () => greenpay.updateTokenRequest(order, card, { token: 'x' }),
    () => greenpay.payRequest(order, card),
    () => greenpay.tokenize(order, card),
    () => greenpay.pay(order, card),
    () => acquiring.seal(session, card),
    () => acquiring.pay(session, card),
  ]) {
    try {
      results.push({ out: JSON.stringify(await work()) });
    } catch (error) {
      results.push({
        code: error.code,
        typed: error instanceof cardseal.CardsealError,
        retryable: error.retryable,
        text: JSON.stringify({ ...error, message: error.message }),
      });
    }
  }
  globalThis.fetch = fetch;
  return { results, sent };
}

function refused({ results, sent }, name) {
  assert.deepEqual(sent, [], name);
  assert.equal(results.length, 9, name);
  for (const [index, { out, code, typed, retryable, text }] of results.entries()) {
    assert.equal(out, undefined, name);
    // Sealing draws once, so one source is whole for it the first time; but that comes without the browser's cryptography.
    const expected =
      index === 7 && name === 'getRandomValues works for the key alone' ? 'encryption_failed' : 'random_unavailable';
    assert.deepEqual([code, typed, retryable], [expected, true, false], `${name}: ${text}`);
    assert.doesNotMatch(text, /"l[dk]"|4242|739|no entropy/);
  }
}

/** In the page itself, in the package's worker, and in a worker of the shop's. */
const PLACES = {
  window: async (page, index, args) => {
    if (index !== undefined) await page.addScriptTag({ url: `/broken-${index}.js`, type: 'module' });
    return page.evaluate(
      async ({ attempts, args }) => globalThis.eval(`(${attempts})`)(await import('/pkg/index.js'), undefined, ...args),
      { attempts: String(attempts), args },
    );
  },
  "the package's worker": (page, index, args) =>
    page.evaluate(
      async ({ attempts, args, url }) => {
        const cardseal = await import('/pkg/worker.js');
        const result = await globalThis.eval(`(${attempts})`)(
          cardseal,
          { worker: new Worker(url, { type: 'module' }) },
          ...args,
        );
        cardseal.terminate();
        return result;
      },
      { attempts: String(attempts), args, url: index === undefined ? '/pkg/worker-host.js' : `/host-${index}.js` },
    ),
  'a worker of the shop': (page, index, [key, order, card, session]) =>
    page.evaluate(
      async ({ message, url }) => {
        const worker = new Worker(url, { type: 'module' });
        const { data } = await new Promise((resolve, reject) => {
          worker.onmessage = resolve;
          worker.onerror = ({ message: text }) => reject(new Error(text));
          worker.postMessage(message);
        });
        worker.terminate();
        return data;
      },
      { message: { key, order, card, session }, url: index === undefined ? '/whole.js' : `/own-${index}.js` },
    ),
};

const inPage = async (body) => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${site.url}/`);
    return await body(page);
  } finally {
    await context.close();
  }
};

for (const [place, run] of Object.entries(PLACES)) {
  test(`${place}: everything is sealed with a whole source`, () =>
    inPage(async (page) => {
      const { results } = await run(page, undefined, [KEYS.t2048.public_spki_pem, ORDER, CARD, SESSION]);
      for (const { out, text } of results.slice(0, 5)) assert.match(out ?? text, /\\?"lk\\?":/);
      // There is no platform at this address: that is found out after sealing.
      for (const { code } of results.slice(5)) assert.notEqual(code, 'random_unavailable');
      assert.match(results[7].out ?? results[7].text, /^"[\w-]+\.\.[\w-]{16}\.[\w-]+\.[\w-]{22}"$/);
      assert.match(results[8].code, /^(server_rejected|network_failed|answer_malformed)$/, 'there is no server either');
    }));

  test(`${place}: nothing is sealed without one`, () =>
    inPage(async (page) => {
      for (const [index, name] of Object.keys(BROKEN).entries()) {
        refused(await run(page, index, [KEYS.t2048.public_spki_pem, ORDER, CARD, SESSION]), name);
      }
    }));
}
