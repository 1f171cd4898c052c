// Random cards. The seed is printed and can be given again: CARDSEAL_SEED=123 npm test -- interop

import { randomInt } from 'node:crypto';
import process from 'node:process';

export const seed = Number(process.env.CARDSEAL_SEED ?? randomInt(2 ** 31));

// Letters of one, two, three and four bytes of UTF-8, and what JSON escapes or does not. No U+FFFD: it stands for what could
// not be read, and is refused.
const ALPHABETS = [
  'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
  ' .-\'"\\/<>&{}[]:,%',
  'áéíóúüñçßøåÀÈÖŁŻžИванДмитрийΑλέξηςאבגד',
  '€山田太郎김민준あいうえおกขคงẞ\u2028\u2029\ufeff\uffff',
  '😀🎉💳𝔸𝕟𝕒𐐷𠮷🇨🇷👩‍🚀',
].map((letters) => Array.from(letters));

/** A small generator that can be repeated. Nothing here needs to be secret. */
export function generator(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomCard(random) {
  const below = (limit) => Math.floor(random() * limit);
  const pick = (list) => list[below(list.length)];
  const number = visa(below);
  return {
    number,
    expiry: { month: 1 + below(12), year: new Date().getFullYear() + 1 + below(9) },
    cvc: String(below(1000)).padStart(3, '0'),
    holder: name(pick, below, 5, 40),
    nickname: name(pick, below, 6, 24),
  };
}

/** A test number with a right check digit. */
function visa(below) {
  const digits = [4, ...Array.from({ length: 14 }, () => below(10))];
  const sum = digits.reduceRight((total, digit, index) => {
    const weighed = (digits.length - index) % 2 === 1 ? digit * 2 : digit;
    return total + (weighed > 9 ? weighed - 9 : weighed);
  }, 0);
  return [...digits, (10 - (sum % 10)) % 10].join('');
}

/** Begins and ends with a letter: the module trims blanks, as a form would. */
function name(pick, below, shortest, longest) {
  const letter = () => pick(ALPHABETS[0]);
  const length = shortest + below(longest - shortest + 1);
  const inside = Array.from({ length: length - 2 }, () => pick(pick(ALPHABETS)));
  // Counted in UTF-16 units a product of Online Payments takes 50.
  while (inside.join('').length > 48) inside.pop();
  return `${letter()}${inside.join('')}${letter()}`;
}

/** What the platform has to find after decryption. */
export function plaintext(card, token) {
  return {
    card: {
      cardHolder: card.holder,
      expirationDate: { month: card.expiry.month, year: card.expiry.year % 100 },
      cardNumber: card.number,
      cvc: card.cvc,
      nickname: card.nickname,
    },
    ...(token === undefined ? {} : { token }),
  };
}

/** JSON.stringify with characters above U+FFFF escaped, which every receiver's decoder survives. */
export function escapedJson(value) {
  return JSON.stringify(value).replace(/[\ud800-\udfff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}
