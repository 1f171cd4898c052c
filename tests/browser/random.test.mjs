// The secure random source in a page and in a worker: whatever became of `crypto` there is a typed error, never a weaker
// source, and neither `ld` nor `lk` comes out. `tests/package/random.test.mjs` does the same in Node.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, cpSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { BROKEN } from '../package/sources.mjs';
import { serve } from '../bundlers/serve.mjs';
import { launch, root } from './harness.mjs';

const { rsa_keys: KEYS } = JSON.parse(readFileSync(path.join(root, 'tests/vectors/greenpay.json'), 'utf8'));
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };
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
  const answers = { '/': { headers: { 'content-type': 'text/html' }, body: '<!doctype html><link rel="icon" href="data:,">' } };
  for (const [index, make] of Object.values(BROKEN).entries()) {
    answers[`/broken-${index}.js`] = { headers: SCRIPT, body: breaking(make) };
    answers[`/host-${index}.js`] = { headers: SCRIPT, body: `import '/broken-${index}.js'; import '/pkg/worker-host.js';` };
    answers[`/own-${index}.js`] = { headers: SCRIPT, body: `import '/broken-${index}.js'; import '/own.js';` };
  }
  // A shop's own worker that uses the package as a page does.
  answers['/own.js'] = { headers: SCRIPT, body: `
    import * as cardseal from '/pkg/inline.js';
    onmessage = async ({ data: { key, order, card } }) => postMessage(await (${attempts})(cardseal, undefined, key, order, card));
  ` };
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
async function attempts(cardseal, options, key, order, card) {
  const sent = [];
  await cardseal.load(options);
  const greenpay = new cardseal.GreenPay({ publicKey: key, environment: { checkout: location.origin } });
  const { fetch } = globalThis;
  globalThis.fetch = (...args) => { sent.push(String(args[0])); return fetch(...args); };
  const results = [];
  for (const work of [
    () => greenpay.pack({ card }),
    () => greenpay.pack({ card }, { counter: 'block' }),
    () => greenpay.tokenizeRequest(order, card),
    () => greenpay.updateTokenRequest(order, card, { token: 'x' }),
    () => greenpay.payRequest(order, card),
    () => greenpay.tokenize(order, card),
    () => greenpay.pay(order, card),
  ]) {
    try {
      results.push({ out: JSON.stringify(await work()) });
    } catch (error) {
      results.push({ code: error.code, typed: error instanceof cardseal.CardsealError, retryable: error.retryable, text: JSON.stringify({ ...error, message: error.message }) });
    }
  }
  globalThis.fetch = fetch;
  return { results, sent };
}

function refused({ results, sent }, name) {
  assert.deepEqual(sent, [], name);
  assert.equal(results.length, 7, name);
  for (const { out, code, typed, retryable, text } of results) {
    assert.equal(out, undefined, name);
    assert.deepEqual([code, typed, retryable], ['random_unavailable', true, false], `${name}: ${text}`);
    assert.doesNotMatch(text, /"l[dk]"|4242|739|no entropy/);
  }
}

/** In the page itself, in the package's worker, and in a worker of the shop's. */
const PLACES = {
  window: async (page, index, args) => {
    if (index !== undefined) await page.addScriptTag({ url: `/broken-${index}.js`, type: 'module' });
    return page.evaluate(async ({ attempts, args }) => (0, eval)(`(${attempts})`)(await import('/pkg/index.js'), undefined, ...args), { attempts: String(attempts), args });
  },
  'the package\'s worker': (page, index, args) => page.evaluate(async ({ attempts, args, url }) => {
    const cardseal = await import('/pkg/worker.js');
    const result = await (0, eval)(`(${attempts})`)(cardseal, { worker: new Worker(url, { type: 'module' }) }, ...args);
    cardseal.terminate();
    return result;
  }, { attempts: String(attempts), args, url: index === undefined ? '/pkg/worker-host.js' : `/host-${index}.js` }),
  'a worker of the shop': (page, index, [key, order, card]) => page.evaluate(async ({ message, url }) => {
    const worker = new Worker(url, { type: 'module' });
    const { data } = await new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = ({ message: text }) => reject(new Error(text));
      worker.postMessage(message);
    });
    worker.terminate();
    return data;
  }, { message: { key, order, card }, url: index === undefined ? '/whole.js' : `/own-${index}.js` }),
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
  test(`${place}: everything is sealed with a whole source`, () => inPage(async (page) => {
    const { results } = await run(page, undefined, [KEYS.t2048.public_spki_pem, ORDER, CARD]);
    for (const { out, text } of results.slice(0, 5)) assert.match(out ?? text, /\\?"lk\\?":/);
    // There is no platform at this address: that is found out after sealing.
    for (const { code } of results.slice(5)) assert.notEqual(code, 'random_unavailable');
  }));

  test(`${place}: nothing is sealed without one`, () => inPage(async (page) => {
    for (const [index, name] of Object.keys(BROKEN).entries()) {
      refused(await run(page, index, [KEYS.t2048.public_spki_pem, ORDER, CARD]), name);
    }
  }));
}
