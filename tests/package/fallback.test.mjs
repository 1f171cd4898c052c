// The module as JavaScript, for engines without WebAssembly: it must say and do what the module does.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { unpack } from '../../scripts/bench-shared.mjs';
import { vectors } from '../interop/libraries.mjs';
import { perform } from './fallback-calls.mjs';

const NOW = Date.UTC(2027, 0, 15);
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez 😀', nickname: 'My Visa' };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };
const KEYS = vectors.rsa_keys;

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});

/** Runs node with these arguments and this input; what it printed. */
async function node(args, input = '') {
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(input);
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.equal(code, 0, printed);
  return printed;
}

const without = async (calls) => JSON.parse(await node(['fallback-calls.mjs'], JSON.stringify(calls)));

/** Runs a module in a process without WebAssembly, and gives what it prints as JSON. */
const script = async (source) =>
  JSON.parse(
    await node(
      ['--input-type=module'],
      `delete globalThis.WebAssembly;
       import { readFileSync } from 'node:fs';
       const { rsa_keys: KEYS } = JSON.parse(readFileSync('../vectors/greenpay.json', 'utf8'));
       const CARD = ${JSON.stringify(CARD)};
       const print = (value) => process.stdout.write(JSON.stringify(value));
       const caught = async (work) => { try { return await work(); } catch (error) { return error; } };
       ${source}`,
    ),
  );

/** Both do the same calls, with the same results. */
async function agree(calls) {
  const [here, there] = await Promise.all([perform(cardseal, calls), without(calls)]);
  assert.equal(there.length, calls.length);
  for (const [index, call] of calls.entries()) assert.deepEqual(there[index], here[index], JSON.stringify(call));
  return there;
}

const PIECES = ['0', '4', '5', '12', '37', '42', '30', '99', ' ', '-', '/', 'x', '٤', 'é', '😀', '\ud83d', '\u0000'];
const some = (list) => list[randomInt(list.length)];
const typed = (most) => Array.from({ length: randomInt(most) }, () => some(PIECES)).join('');

test('formatters and validation agree on what anybody may type', async () => {
  const calls = [];
  for (let i = 0; i < 200; i++) {
    const number = typed(20);
    const caret = some([undefined, null, randomInt(30), -1, 1.5]);
    calls.push(
      { name: 'formatCardNumber', args: [number, caret] },
      { name: 'formatExpiry', args: [typed(8), caret] },
      { name: 'formatSecurityCode', args: [typed(6), caret, number] },
      { name: 'candidateBrands', args: [number] },
      {
        name: 'validateCard',
        args: [
          {
            number: some([number, CARD.number, '378282246310005']),
            expiry: some([typed(8), '12/30', '01/2027', '12/26', { month: randomInt(14), year: randomInt(2100) }]),
            cvc: some([typed(5), '739', '7391']),
            holder: some([typed(10), CARD.holder]),
            nickname: some([typed(40), CARD.nickname]),
          },
          { now: NOW, platform: some([undefined, 'greenpay', 'gp_api', 'ccbill']) },
        ],
      },
    );
  }
  const results = await agree(calls);
  assert.ok(results.filter(({ value }) => value?.valid).length > 0);
  assert.ok(results.every(({ value }) => value !== undefined));
});

test('every class and every method refuses what is no argument, with the same words', async () => {
  const classes = Object.entries(cardseal).filter(
    ([name, value]) => typeof value === 'function' && /^[A-Z]/.test(name) && name !== 'CardsealError',
  );
  assert.ok(classes.some(([name]) => name === 'GreenPay'));
  const calls = classes.flatMap(([of, Class]) => {
    const names = Object.getOwnPropertyNames(Class.prototype).filter((name) => name !== 'constructor');
    const options = { publicKey: KEYS.t1024.public_spki_pem, now: NOW, answer: { status: 500, body: {} } };
    return [
      { of },
      { of, options: 1 },
      { of, options: { environment: 'nowhere', publicKey: KEYS.t1024.public_spki_pem } },
      ...names.flatMap((name) =>
        [[], [{}], [{ session: 1 }, 2], [ORDER, {}], [{ id: 'ses_1' }, CARD], [ORDER, { ...CARD, number: 4242 }]].map(
          (args) => ({ of, options, name, args }),
        ),
      ),
    ];
  });
  const results = await agree(calls);
  const codes = new Set(results.map(({ error }) => error?.code).filter(Boolean));
  assert.ok(codes.size >= 5, [...codes].join());
  assert.ok(!codes.has('module_failed'), [...codes].join());
});

test('every form of a key is read, and none that is no key', async () => {
  const { public_spki_pem: pem, public_spki_base64_one_line: line } = KEYS.t2048;
  const der = Buffer.from(line, 'base64');
  const cut = (at) => Buffer.concat([der.subarray(0, at), der.subarray(at + 1)]).toString('base64');
  const keys = [pem, line, der.toString('hex'), der.subarray(24).toString('base64'), '', 'no key', ` ${line}\n`];
  keys.push(pem.slice(1), line.slice(1), ...Array.from({ length: 20 }, (_, index) => cut(index * 14)));
  keys.push(...Object.values(KEYS).map((key) => key.public_spki_pem));
  const results = await agree(keys.map((publicKey) => ({ of: 'GreenPay', options: { publicKey }, name: 'warnings' })));
  assert.ok(
    results.slice(0, 4).every(({ value }) => Array.isArray(value)),
    JSON.stringify(results.slice(0, 4)),
  );
  assert.ok(results.filter(({ error }) => error).length > 10);
});

test('a platform reads what it packs, with every key', async () => {
  const cards = Array.from({ length: 10 }, (_, index) => ({ ...CARD, holder: `${CARD.holder} ${'é'.repeat(index)}` }));
  const calls = Object.values(KEYS).flatMap(({ public_spki_pem: publicKey }) =>
    cards.map((card) => ({ of: 'GreenPay', options: { publicKey, now: NOW }, name: 'pack', args: [{ card }] })),
  );
  const [here, there] = await Promise.all([perform(cardseal, calls), without(calls)]);
  for (const [index, { value, error }] of there.entries()) {
    const key = Object.values(KEYS)[Math.floor(index / cards.length)].private_pkcs8_pem;
    assert.ok(value, JSON.stringify(error));
    assert.equal(unpack(value, key), unpack(here[index].value, key));
    assert.match(unpack(value, key), /"cardNumber":"4242424242424242"/);
    assert.notEqual(value.ld, here[index].value.ld);
  }
});

test('signatures are verified: those of the vectors, and no other', async () => {
  const calls = vectors.signatures.flatMap(({ key, signature_hex: signature, signed_string: signed }) =>
    [signature, signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0')), ''].map((_signature) => {
      const [, status, requestId] = /^status:(\d+),requestId:(.*)$/.exec(signed) ?? ['', '201', '1'];
      const body = { status: +status, requestId, result: { token: 't-1', last_digits: '4242' }, _signature };
      return {
        of: 'GreenPay',
        options: {
          publicKey: KEYS[key].public_spki_pem,
          environment: 'sandbox',
          signature: 'warn',
          answer: { status: 201, body },
        },
        name: 'tokenize',
        args: [ORDER, CARD],
      };
    }),
  );
  const results = await agree(calls);
  const verified = results.map(({ value }) => value?.signature?.verified);
  assert.equal(verified[0], true, JSON.stringify(results[0]));
  assert.ok(verified.includes(false));
});

test('load() takes it by itself; told not to, it says what is missing', async () => {
  const { refused, taken, packed } = await script(`
    const cardseal = await import('../../pkg/index.js');
    const refused = await caught(() => cardseal.load({ fallback: false }));
    const unloaded = await caught(() => cardseal.formatExpiry('1'));
    await cardseal.load();
    print({
      refused: { code: refused.code, message: refused.message, unloaded: unloaded.code },
      taken: cardseal.formatExpiry('1230').text,
      packed: Object.keys(new cardseal.GreenPay({ publicKey: KEYS.t1024.public_spki_pem }).pack({ card: CARD })),
    });`);
  assert.deepEqual(refused, {
    code: 'load_failed',
    message: 'could not load: there is no WebAssembly here',
    unloaded: 'not_loaded',
  });
  assert.equal(taken, '12 / 30');
  assert.deepEqual(packed, ['ld', 'lk']);
});

test('a WebAssembly that compiles nothing is as good as none; one that a policy forbids is reported', async () => {
  const results = await script(`
    const results = [];
    for (const [entry, message] of [
      ['inline.js', 'nothing is compiled here'],
      ['node.cjs', "violates the following directive: script-src 'self' (unsafe-eval)"],
    ]) {
      globalThis.WebAssembly = { Module: class {}, compile: async () => { throw new Error(message); } };
      const found = await import('../../pkg/' + entry);
      const cardseal = found.load ? found : found.default;
      const error = await caught(() => cardseal.load({ fallback: () => import('../../pkg/cardseal_fallback.js') }));
      results.push(error ? error.message : cardseal.formatExpiry('1230').text);
    }
    print(results);`);
  assert.equal(results[0], '12 / 30');
  assert.match(results[1], /could not load: the Content-Security-Policy of the worker lacks script-src/);
});

test('an entry that is one file says where a fallback is, and takes one that it is given', async () => {
  for (const entry of ['inline.js', 'node.cjs']) {
    const {
      message,
      text: formatted,
      typed: isTyped,
    } = await script(`
      const found = await import('../../pkg/${entry}');
      const cardseal = found.load ? found : found.default;
      const { message } = await caught(() => cardseal.load());
      await cardseal.load({ fallback: () => import('../../pkg/cardseal_fallback.js') });
      const error = await caught(() => new cardseal.GreenPay({ publicKey: 'no key' }));
      print({ message, text: cardseal.formatExpiry('1230').text, typed: error instanceof cardseal.CardsealError });`);
    assert.equal(message, 'could not load: there is no WebAssembly here; cardseal/fetch has a fallback', entry);
    assert.equal(formatted, '12 / 30');
    assert.equal(isTyped, true, `${entry}: the error is not the entry's own class`);
  }
});

test('after a trap comes module_failed, and then a fresh module', async () => {
  const results = await script(`
    const cardseal = await import('../../pkg/index.js');
    const glue = await import('../../pkg/cardseal_fallback.js');
    const first = await glue.default({ CardsealError: cardseal.CardsealError });
    await cardseal.load();
    const greenpay = new cardseal.GreenPay({ publicKey: KEYS.t1024.public_spki_pem });
    const before = first.memory.buffer;
    const pack = () => greenpay.pack({ card: CARD });
    const results = [];

    // Something breaks in the middle of a call.
    const { decode } = TextDecoder.prototype;
    TextDecoder.prototype.decode = () => { throw new Error('broken'); };
    results.push((await caught(pack)).code);
    TextDecoder.prototype.decode = decode;
    results.push(Object.keys(pack()).join());
    results.push(new Uint8Array(before).every((byte) => byte === 0));

    // The stack is too small, wherever in the call that is.
    const under = (frames, work) => (frames > 0 ? under(frames - 1, work) : work());
    let most = 0;
    const deepest = (frames) => { most = frames; deepest(frames + 1); };
    await caught(() => deepest(0));
    const failed = new Set();
    for (let frames = most; frames > most / 2; frames -= 5) failed.add((await caught(() => under(frames, pack))).code);
    results.push(failed.has('module_failed'), Object.keys(pack()).join());
    print(results);`);
  assert.deepEqual(results, ['module_failed', 'ld,lk', true, true, 'ld,lk']);
});

test('nothing of a card stays in its memory, nor in the memory that it outgrew', async () => {
  const results = await script(`
    const cardseal = await import('../../pkg/index.js');
    const glue = await import('../../pkg/cardseal_fallback.js');
    const { memory } = await glue.default({ CardsealError: cardseal.CardsealError });
    await cardseal.load();
    const drawn = [];
    const original = crypto.getRandomValues.bind(crypto);
    crypto.getRandomValues = (array) => {
      const filled = original(array);
      drawn.push(Buffer.from(filled.slice()).toString('latin1'));
      return filled;
    };
    const secrets = () => [CARD.number.slice(0, 8), '"739"', 'Ana N', CARD.nickname, ...drawn.filter((text) => text.length === 16)];
    const text = (buffer) => Buffer.from(new Uint8Array(buffer).slice()).toString('latin1');
    const left = (buffer) => secrets().filter((secret) => text(buffer).includes(secret)).length;
    const greenpay = new cardseal.GreenPay({ publicKey: KEYS.t2048.public_spki_pem });
    const order = ${JSON.stringify(ORDER)};
    const results = [];
    new Uint8Array(memory.buffer).set(Buffer.from(CARD.number), memory.buffer.byteLength - 64);
    results.push(left(memory.buffer));
    new Uint8Array(memory.buffer).fill(0, memory.buffer.byteLength - 64);
    const calls = [
      () => greenpay.pack({ card: CARD }),
      () => greenpay.tokenizeRequest(order, CARD),
      () => greenpay.payRequest(order, CARD),
      () => cardseal.validateCard(CARD),
      () => cardseal.formatCardNumber(CARD.number),
      () => greenpay.pack({ card: { ...CARD, cvc: '7' } }),
      () => new cardseal.GpApi().tokenizeRequest({ access_token: 't', reference: 'r' }, CARD),
    ];
    for (const call of calls) {
      await caught(call);
      results.push(left(memory.buffer));
    }
    const outgrown = memory.buffer;
    await caught(() => greenpay.pack({ card: { ...CARD, holder: CARD.holder + 'x'.repeat(4e6) } }));
    results.push(memory.buffer.byteLength > outgrown.byteLength, new Uint8Array(outgrown).every((byte) => byte === 0));
    results.push(left(memory.buffer), drawn.some((text) => text.length === 16), cardseal.formatExpiry('1230').text);
    print(results);`);
  assert.deepEqual(results, [1, 0, 0, 0, 0, 0, 0, 0, true, true, 0, true, '12 / 30']);
});
