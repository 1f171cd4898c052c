// The secure random source, as the shipped module uses it: whatever became of it there is a typed error, never a weaker
// source, and neither `ld` nor `lk` comes out. `tests/browser/random.test.mjs` does the same in a page and in a worker.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { CardsealError, GpApi, GreenPay, load, validateCard, WorldlineAcquiring } from '../../pkg/node.js';
import { BROKEN } from './sources.mjs';

const { rsa_keys: KEYS } = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8'));
const {
  key: { kid, jwk },
} = JSON.parse(readFileSync(new URL('../vectors/sealing.json', import.meta.url), 'utf8'));
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

const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
const { random } = Math;
const replace = (value) => Object.defineProperty(globalThis, 'crypto', { configurable: true, value });

let sent = 0;
const options = (key) => ({
  publicKey: KEYS[key].public_spki_pem,
  environment: { checkout: 'https://checkout.example' },
  fetch: () => {
    sent += 1;
    throw new Error('sent');
  },
});

before(async () => {
  Math.random = () => {
    throw new Error('Math.random was called');
  };
  // Even the module is loaded while there is no source: it is asked for when it is needed, not before.
  replace(undefined);
  await load();
});
afterEach(() => Object.defineProperty(globalThis, 'crypto', real));
after(() => {
  Math.random = random;
});

/** What was thrown is the one typed error, with nothing in it. */
function typed(error, platform = 'greenpay', code = 'random_unavailable') {
  assert.ok(error instanceof CardsealError, String(error));
  assert.equal(error.code, code);
  assert.equal(error.platform, platform);
  assert.equal(error.retryable, false);
  const text = JSON.stringify({ ...error, message: error.message, stack: error.stack });
  assert.doesNotMatch(text, /"l[dk]"|4242|739|no entropy/);
  return true;
}

for (const [name, make] of Object.entries(BROKEN)) {
  test(`nothing is packed when ${name}`, async () => {
    for (const key of Object.keys(KEYS)) {
      const greenpay = new GreenPay(options(key));
      const calls = {
        pack: () => greenpay.pack({ card: CARD }),
        'pack with a long counter': () => greenpay.pack({ card: CARD }, { counter: 'integer' }),
        tokenizeRequest: () => greenpay.tokenizeRequest(ORDER, CARD),
        updateTokenRequest: () => greenpay.updateTokenRequest(ORDER, CARD, { token: '1c3a0f89' }),
        payRequest: () => greenpay.payRequest(ORDER, CARD, { kountSession: 'k-1' }),
      };
      if (key === 't2048') calls['pack with a block'] = () => greenpay.pack({ card: CARD }, { counter: 'block' });
      for (const call of Object.values(calls)) {
        for (let round = 0; round < 5; round++) {
          replace(make(webcrypto));
          assert.throws(call, (error) => typed(error));
        }
      }
      sent = 0;
      for (const verb of ['tokenize', 'pay']) {
        replace(make(webcrypto));
        await assert.rejects(greenpay[verb](ORDER, CARD), (error) => typed(error));
      }
      assert.equal(sent, 0, 'and nothing is sent');
      // The object is as good as before once the source is back.
      replace(webcrypto);
      assert.match(greenpay.pack({ card: CARD }).lk, /=$|[A-Za-z0-9+/]$/);
      greenpay.free();
    }
  });
}

for (const [name, make] of Object.entries(BROKEN)) {
  test(`nothing is sealed to the merchant's key when ${name}`, async () => {
    const { fetch } = options('t1024');
    const client = new WorldlineAcquiring({ fetch });
    // Here bytes are drawn once, so this source is whole; but it comes without the browser's cryptography.
    const code = name === 'getRandomValues works for the key alone' ? 'encryption_failed' : 'random_unavailable';
    sent = 0;
    for (const verb of ['seal', 'payRequest', 'pay']) {
      replace(make(webcrypto));
      await assert.rejects(client[verb](SESSION, CARD), (error) => typed(error, 'worldline_acquiring', code));
    }
    assert.equal(sent, 0, 'and nothing is sent');
    replace(webcrypto);
    assert.match(await client.seal(SESSION, CARD), /^[\w-]+\.\.[\w-]{16}\.[\w-]+\.[\w-]{22}$/);
  });
}

test('what needs no random bytes works without a source', () => {
  replace(undefined);
  assert.equal(validateCard(CARD).valid, true);
  const request = new GpApi({ environment: 'sandbox' }).tokenizeRequest({ access_token: 't', reference: 'r' }, CARD);
  assert.match(request.url, /payment-methods$/);
});

test('every byte that is random comes from getRandomValues, and each pack draws its own', () => {
  const drawn = [];
  replace({
    getRandomValues: (array) => {
      drawn.push(array.length);
      return webcrypto.getRandomValues(array);
    },
  });
  const greenpay = new GreenPay(options('t1024'));
  const seen = new Set();
  for (let round = 0; round < 200; round++) {
    drawn.length = 0;
    const { ld, lk } = greenpay.pack({ card: CARD });
    // A key of 16 bytes, a counter, and the padding: what is left of 128 bytes beside three and at most 79 of text.
    assert.equal(drawn[0], 16);
    assert.ok(drawn.reduce((sum, count) => sum + count) >= 16 + 1 + 128 - 3 - 79, String(drawn));
    seen.add(ld).add(lk);
  }
  assert.equal(seen.size, 400, 'nothing comes twice');
});

test('the same bytes give the same result: there is no other source', () => {
  const greenpay = new GreenPay(options('t2048'));
  const pack = () => {
    let state = 1;
    replace({
      getRandomValues: (array) =>
        array.forEach((_, at) => {
          state = (state * 48271) % 2147483647;
          array[at] = state >> 8;
        }) ?? array,
    });
    return greenpay.pack({ card: CARD });
  };
  assert.deepEqual(pack(), pack());
});
