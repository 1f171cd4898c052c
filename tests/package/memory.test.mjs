// The shipped module's linear memory, byte by byte, after every kind of call: nothing of the card, no AES key
// and no text that was encrypted may be left in it, whether the call succeeded or failed.

import assert from 'node:assert/strict';
import { randomInt, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';

const vectors = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8'));
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };

let memory;
let drawn = [];
let cardseal;

before(async () => {
  const instantiate = WebAssembly.instantiate;
  WebAssembly.instantiate = async (...args) => {
    const result = await instantiate(...args);
    memory = (result.instance ?? result).exports.memory;
    return result;
  };
  const original = webcrypto.getRandomValues.bind(webcrypto);
  Object.defineProperty(globalThis, 'crypto', {
    configurable: true,
    value: {
      getRandomValues(array) {
        const filled = original(array);
        drawn.push(Buffer.from(filled.buffer, filled.byteOffset, filled.byteLength).toString('latin1'));
        return filled;
      },
    },
  });
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
  assert.ok(memory instanceof WebAssembly.Memory);
});

const digits = (count) => Array.from({ length: count }, () => randomInt(10)).join('');

/** A card that is nowhere but here. */
function draw() {
  const start = `4${digits(14)}`;
  const sum = [...start].reverse().reduce((total, digit, index) => {
    const value = index % 2 === 0 ? digit * 2 : +digit;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  const word = () => Array.from({ length: 10 }, () => String.fromCharCode(97 + randomInt(26))).join('');
  return { number: start + ((10 - (sum % 10)) % 10), expiry: '12/30', cvc: digits(3), holder: `Ñ${word()} 😀`, nickname: word() };
}

/** What is left of the card and of everything random that the call drew. */
function left(card) {
  const bytes = Buffer.from(new Uint8Array(memory.buffer).slice()).toString('latin1');
  const latin1 = (text) => Buffer.from(text, 'utf8').toString('latin1');
  const secrets = { cvc: `"${card.cvc}"`, holder: latin1(card.holder.slice(1, 11)), nickname: card.nickname };
  for (let i = 0; i + 8 <= card.number.length; i++) secrets[`digits ${i}`] = card.number.slice(i, i + 8);
  secrets['four groups'] = card.number.replace(/(....)(?=.)/g, '$1 ');
  for (const [index, key] of drawn.filter((text) => text.length === 16).entries()) {
    secrets[`key ${index}`] = key;
    secrets[`key ${index} as text`] = [...Buffer.from(key, 'latin1')].slice(0, 6).join(',');
  }
  drawn = [];
  return Object.entries(secrets).filter(([, secret]) => bytes.includes(secret)).map(([name]) => name);
}

test('the search finds what is there', () => {
  const card = draw();
  const at = memory.buffer.byteLength - 64;
  new Uint8Array(memory.buffer).set(Buffer.from(card.number), at);
  assert.equal(left(card).length, 9);
  new Uint8Array(memory.buffer).fill(0, at);
  assert.deepEqual(left(card), []);
});

for (const key of ['t1024', 't2048']) {
  test(`nothing is left after any call with the key ${key}`, () => {
    const greenpay = new cardseal.GreenPay({ publicKey: vectors.rsa_keys[key].public_spki_pem });
    const update = { token: '1c3a0f89-1515-402c-88e5-50814f854706' };
    const calls = {
      'a new token': (card) => greenpay.tokenizeRequest(ORDER, card),
      'an update': (card) => greenpay.updateTokenRequest(ORDER, card, update),
      'a payment': (card) => greenpay.payRequest(ORDER, card, { kountSession: 'k-1' }),
      'a request whose format is clear': (card) =>
        new cardseal.GpApi({ environment: 'sandbox' }).tokenizeRequest({ access_token: 't', reference: 'r' }, card),
      'a bare pack': (card) => greenpay.pack({ card }, { counter: 'integer' }),
      validation: (card) => cardseal.validateCard(card, { platform: 'greenpay' }),
      'live formatting': (card) => {
        for (let i = 1; i <= card.number.length; i++) cardseal.formatCardNumber(card.number.slice(0, i), i);
        cardseal.formatSecurityCode(card.cvc, 3, card.number);
        cardseal.candidateBrands(card.number);
      },
      'an expired card': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, expiry: '01/20' }), { code: 'card_invalid' }),
      'a wrong number': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, number: `${card.number}x` }), { code: 'card_invalid' }),
      'a wrong type': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, nickname: 7 }), { code: 'type_invalid' }),
      'a number in the name': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, holder: card.number }), { code: 'card_invalid' }),
      'a broken name': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, holder: `\ud800${card.holder}` }), { code: 'card_invalid' }),
      'other digits': (card) => assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, number: `٤${card.number}` }), { code: 'card_invalid' }),
      'a wrong option': (card) => assert.throws(() => greenpay.pack({ card }, { counter: 'no' }), { code: 'option_invalid' }),
      'a card number where an id belongs': (card) => assert.throws(
        () => greenpay.pack({ card, token: `${card.number} ` }), { code: 'session_malformed' }),
      'a token and a Kount session at once': (card) => assert.throws(
        () => greenpay.pack({ card, token: 't', kountSession: card.number }), { code: 'option_invalid' }),
      'an answer that echoes the card': (card) => {
        const echo = { status: 500, requestId: card.number, errors: [`Invalid_pan ${card.number}`] };
        const wasm = new cardseal.GreenPay({ publicKey: vectors.rsa_keys[key].public_spki_pem });
        assert.throws(() => wasm.core((core) => core.readToken(500, echo)), { code: 'platform_rejected' });
        wasm.core((core) => core.readPayment(500, { ...echo, orderId: card.number, result: { resp_code: card.number, reserved_private4: card.number } }));
      },
      'no randomness': (card) => {
        const { getRandomValues } = crypto;
        let calls = 0;
        crypto.getRandomValues = (array) => {
          if (calls++ > 1) throw new Error('out of entropy');
          return getRandomValues(array);
        };
        assert.throws(() => greenpay.tokenizeRequest(ORDER, card), { code: 'random_unavailable' });
        crypto.getRandomValues = getRandomValues;
      },
    };
    if (key === 't1024') {
      calls['a counter that does not fit'] = (card) => assert.throws(() => greenpay.pack({ card }, { counter: 'block' }), { code: 'counter_does_not_fit' });
    } else {
      calls['a long counter'] = (card) => greenpay.pack({ card }, { counter: 'block' });
    }
    for (const [name, call] of Object.entries(calls)) {
      for (let round = 0; round < 5; round++) {
        const card = draw();
        call(card);
        assert.deepEqual(left(card), [], name);
      }
    }
  });
}

test('nothing is left after a long name has made the memory grow', () => {
  const greenpay = new cardseal.GreenPay({ publicKey: vectors.rsa_keys.t1024.public_spki_pem });
  const card = draw();
  const pages = memory.buffer.byteLength;
  assert.throws(() => greenpay.pack({ card: { ...card, holder: `${card.holder}${'é'.repeat(3_000_000)}` } }), { code: 'card_invalid' });
  assert.ok(memory.buffer.byteLength > pages);
  assert.deepEqual(left(card), []);
});
