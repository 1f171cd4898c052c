// The secure random source is used, and when it is missing or fails there is an error and never a weaker one.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { CardsealError, GreenPay, load } from 'cardseal';
import { generator, randomCard } from './cards.mjs';
import { vectors } from './libraries.mjs';

await load();
const greenpay = new GreenPay({ publicKey: vectors.rsa_keys.t1024.public_spki_pem });
const card = randomCard(generator(1));

const originals = {
  random: Math.random,
  crypto: Object.getOwnPropertyDescriptor(globalThis, 'crypto'),
};

afterEach(() => {
  Math.random = originals.random;
  Object.defineProperty(globalThis, 'crypto', originals.crypto);
});

function replaceCrypto(value) {
  Object.defineProperty(globalThis, 'crypto', { configurable: true, value });
}

function refuses() {
  assert.throws(
    () => greenpay.pack({ card }),
    (error) => {
      assert.ok(error instanceof CardsealError);
      assert.equal(error.code, 'random_unavailable');
      assert.ok(!JSON.stringify([error.message, error.stack]).includes(card.number));
      return true;
    },
  );
}

test('Math.random is never called', () => {
  Math.random = () => {
    throw new Error('Math.random was called');
  };
  assert.ok(greenpay.pack({ card }).lk);
});

test('getRandomValues is called for every pack', () => {
  const real = globalThis.crypto;
  let bytes = 0;
  replaceCrypto({
    getRandomValues: (array) => {
      bytes += array.byteLength;
      return real.getRandomValues(array);
    },
  });
  greenpay.pack({ card });
  const once = bytes;
  greenpay.pack({ card });
  assert.ok(once >= 17, `${once} random bytes for a key, a counter and a padding`);
  assert.ok(bytes >= 2 * 17 && bytes > once);
});

test('without crypto: random_unavailable', () => {
  replaceCrypto(undefined);
  refuses();
});

test('without getRandomValues: random_unavailable', () => {
  replaceCrypto({ subtle: {} });
  refuses();
});

test('when getRandomValues throws: random_unavailable', () => {
  replaceCrypto({
    getRandomValues: () => {
      throw new DOMException('no entropy', 'OperationError');
    },
  });
  refuses();
});

test('it works again afterwards', () => {
  replaceCrypto(undefined);
  refuses();
  Object.defineProperty(globalThis, 'crypto', originals.crypto);
  assert.ok(greenpay.pack({ card }).lk);
});
