// What Cardseal packs, other people's code opens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GreenPay, load } from 'cardseal';
import { escapedJson, generator, plaintext, randomCard, seed } from './cards.mjs';
import { OPENERS, unwrap, vectors } from './libraries.mjs';

const KEYS = { t1023: 1500, t1024: 2000, t2048: 1000 };
const TOKEN = '1c3a0f89-5e0b-4c0e-9c2e-3f6d1d6f7a10';

await load();

for (const [id, count] of Object.entries(KEYS)) {
  const key = vectors.rsa_keys[id];
  test(`aes-js 2.1.1, 3.0.0, 3.1.2 and node:crypto open ${count} random cards packed for ${key.modulus_bits} bits (seed ${seed})`, () => {
    const random = generator(seed + key.modulus_bits);
    const greenpay = new GreenPay({ publicKey: key.public_spki_pem });
    const seen = new Set();
    for (let index = 0; index < count; index += 1) {
      const card = randomCard(random);
      const token = index % 3 === 0 ? TOKEN : undefined;
      const { ld, lk } = greenpay.pack({ card, ...(token && { token }) });
      const wrapped = unwrap(key.private_pkcs8_pem, lk);
      const { k, s } = JSON.parse(wrapped);
      assert.equal(wrapped, JSON.stringify({ k, s }), 'the wrapped JSON is compact, k before s');
      assert.ok(k.length === 16 && k.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255));
      assert.ok(Number.isInteger(s) && s >= 0 && s <= 254);
      assert.ok(!seen.has(String(k)), 'an AES key was used twice');
      seen.add(String(k));
      assert.match(ld, /^(?:[0-9a-f]{2})+$/);

      const expected = escapedJson(plaintext(card, token));
      for (const [name, open] of Object.entries(OPENERS)) {
        const text = open(k, s, ld);
        assert.equal(text, expected, name);
        assert.deepEqual(JSON.parse(text), plaintext(card, token), name);
      }
    }
  });
}

test('every byte value occurs in the AES keys, and every counter from 0 to 254', () => {
  const key = vectors.rsa_keys.t1024;
  const greenpay = new GreenPay({ publicKey: key.public_spki_pem });
  const card = randomCard(generator(seed));
  const [bytes, counters] = [new Set(), new Set()];
  for (let index = 0; index < 3000; index += 1) {
    const { k, s } = JSON.parse(unwrap(key.private_pkcs8_pem, greenpay.pack({ card }).lk));
    for (const byte of k) bytes.add(byte);
    counters.add(s);
  }
  assert.equal(bytes.size, 256);
  // 255 values, 3000 draws: each is missed with a probability of 8 in a million.
  assert.ok(counters.size >= 253 && !counters.has(255), `${counters.size} counters`);
});

test('the other forms of the counter are opened too', () => {
  const random = generator(seed + 7);
  for (const [id, counter] of [
    ['t1023', 'integer'],
    ['t1024', 'integer'],
    ['t2048', 'integer'],
    ['t2048', 'block'],
  ]) {
    const key = vectors.rsa_keys[id];
    const greenpay = new GreenPay({ publicKey: key.public_spki_pem });
    for (let index = 0; index < 100; index += 1) {
      const card = randomCard(random);
      const { ld, lk } = greenpay.pack({ card }, { counter });
      const { k, s } = JSON.parse(unwrap(key.private_pkcs8_pem, lk));
      if (counter === 'block') assert.ok(s.length === 16 && s.every((byte) => byte >= 0 && byte <= 255));
      else assert.ok(Number.isInteger(s) && s >= 0 && s <= 2 ** 31 - 1);
      for (const [name, open] of Object.entries(OPENERS))
        assert.equal(open(k, s, ld), escapedJson(plaintext(card)), name);
    }
  }
});

test('the sixteen-byte counter is refused where the key has no room for it', () => {
  const greenpay = new GreenPay({ publicKey: vectors.rsa_keys.t1024.public_spki_pem });
  const card = randomCard(generator(seed));
  assert.throws(() => greenpay.pack({ card }, { counter: 'block' }), {
    name: 'CardsealError',
    code: 'counter_does_not_fit',
  });
});

test('a lone surrogate in a name is refused, not sent as something else, and so is what stands for one', () => {
  const greenpay = new GreenPay({ publicKey: vectors.rsa_keys.t1024.public_spki_pem });
  for (const broken of ['\ud83d', '\udcb3', '\ufffd'])
    for (const field of ['holder', 'nickname']) {
      const card = { ...randomCard(generator(seed)), [field]: `Ana ${broken} Mora` };
      assert.throws(
        () => greenpay.pack({ card }),
        (error) => {
          assert.equal(error.code, 'card_invalid');
          assert.deepEqual(
            error.problems.map(({ code }) => code),
            [`${field}_characters`],
          );
          return true;
        },
      );
    }
});
