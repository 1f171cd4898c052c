// The shipped module's RSA, whose limbs are half as wide as those of a native build: `lk` under any odd modulus, prime
// factors or not, is what BigInt makes of the same padded block.

import assert from 'node:assert/strict';
import { randomBytes, randomInt, webcrypto } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GreenPay, load } from '../../pkg/node.js';

const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto');

let drawn = [];
before(async () => {
  await load();
  Object.defineProperty(globalThis, 'crypto', {
    configurable: true,
    value: {
      getRandomValues: (array) => {
        webcrypto.getRandomValues(array);
        drawn.push(Buffer.from(array));
        return array;
      },
    },
  });
});
after(() => Object.defineProperty(globalThis, 'crypto', real));

const bytesOf = (number) =>
  Buffer.from(number.toString(16).padStart(number.toString(16).length + (number.toString(16).length % 2), '0'), 'hex');
const numberOf = (bytes) => BigInt(`0x${bytes.toString('hex')}`);

/** DER of PKCS #1, in hex. */
function key(modulus, exponent) {
  const tagged = (tag, content) => {
    const { length } = content;
    const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    return Buffer.concat([Buffer.from([tag, ...size]), content]);
  };
  const integer = (number) => {
    const bytes = bytesOf(number);
    return tagged(2, bytes[0] & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
  };
  return tagged(0x30, Buffer.concat([integer(modulus), integer(exponent)])).toString('hex');
}

function power(base, exponent, modulus) {
  let result = 1n;
  for (let square = base % modulus, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % modulus) {
    if (rest & 1n) result = (result * square) % modulus;
  }
  return result;
}

/** The padded block that the drawn bytes make: filler without zeros, each of which is drawn again alone. */
function block(size) {
  const [k, s, filler, ...again] = drawn;
  const starts = [s[0]];
  const bytes = Buffer.from(filler);
  for (let at = 0; at < bytes.length; at++) while (bytes[at] === 0) [bytes[at]] = again.shift();
  assert.equal(again.length, 0);
  const text = Buffer.from(JSON.stringify({ k: [...k], s: starts[0] }));
  const result = Buffer.concat([Buffer.from([0, 2]), bytes, Buffer.alloc(1), text]);
  assert.equal(result.length, size);
  return numberOf(result);
}

function check(modulus, exponent) {
  const size = bytesOf(modulus).length;
  const greenpay = new GreenPay({ publicKey: key(modulus, exponent) });
  for (;;) {
    drawn = [];
    const { lk } = greenpay.pack({ card: CARD });
    if (drawn[1][0] === 255) continue; // the counter was drawn again
    const sealed = Buffer.from(lk, 'base64');
    assert.equal(sealed.length, size);
    assert.equal(numberOf(sealed), power(block(size), exponent, modulus), `${modulus.toString(16)} ^ ${exponent}`);
    break;
  }
  greenpay.free();
}

const EXPONENTS = [3n, 17n, 65537n, (1n << 33n) - 1n];

test('extreme moduli', () => {
  const two = (bits) => 1n << BigInt(bits);
  for (const bits of [
    1016, 1017, 1023, 1024, 1025, 1055, 1056, 1057, 1087, 1088, 1089, 2047, 2048, 2049, 3071, 4100, 8192,
  ]) {
    for (const modulus of [
      two(bits) - 1n,
      two(bits - 1) + 1n,
      two(bits) - two(32) + 1n,
      two(bits) - two(31) - 1n,
      two(bits) - two(64) + 1n,
      two(bits - 1) + two(32) - 1n,
      two(bits - 1) + two(bits >> 1) + 1n,
      two(bits) - two(bits >> 1) + 1n,
      ((two(bits) - 1n) / 3n) | 1n | two(bits - 1),
    ]) {
      for (const exponent of bits > 4000 ? [65537n] : EXPONENTS) check(modulus, exponent);
    }
  }
});

test('drawn moduli', () => {
  for (let round = 0; round < 300; round++) {
    const bits = randomInt(1016, 4101);
    const top = 1n << BigInt(bits - 1);
    check((numberOf(randomBytes(513)) % top) | top | 1n, EXPONENTS[round % EXPONENTS.length]);
  }
});
