// Live formatting: what an input field shows while a person types, and where the caret stands in it.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { before, test } from 'node:test';

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  assert.throws(() => cardseal.formatExpiry('1'), { code: 'not_loaded' });
  await cardseal.load();
});

/** `|` marks the caret, before and after. */
function shown(format, marked, ...more) {
  const { text, caret } = format(marked.replace('|', ''), marked.indexOf('|'), ...more);
  return `${text.slice(0, caret)}|${text.slice(caret)}`;
}

test('a number is grouped, and the caret stays behind its digit', () => {
  for (const [typed, expected] of [
    ['|', '|'],
    ['4242|', '4242|'],
    ['42425|', '4242 5|'],
    ['4242 |', '4242|'],
    ['4242 9|424 2', '4242 9|424 2'],
    ['42942|42', '4294 2|42'],
    ['|4242 4242', '|4242 4242'],
    ['3782822463|10005', '3782 822463| 10005'],
    ['4242-4242x\u{1f600}|4242', '4242 4242| 4242'],
    ['42424242424242424242424242|', '4242 4242 4242 4242 424|'],
    ['30569309025904|', '3056 930902 5904|'],
    ['305693090259041|', '3056 9309 0259 041|'],
    ['٤4242|', '4424 2|'],
  ]) {
    assert.equal(shown(cardseal.formatCardNumber, typed), expected, typed);
  }
  assert.deepEqual(cardseal.formatCardNumber('42424'), { text: '4242 4', caret: 6, brands: ['visa'] });
  for (const caret of [-1, 1.5, NaN, null, '2', Infinity, 99])
    assert.equal(cardseal.formatCardNumber('42424', caret).caret, 6, `${caret}`);
});

test('an expiry is a month and a year', () => {
  for (const [typed, expected] of [
    ['|', '|'],
    ['1|', '1|'],
    ['5|', '05|'],
    ['12|', '12|'],
    ['123|', '12 / 3|'],
    ['12 / |', '12|'],
    ['1/|', '01|'],
    ['1/30|', '01 / 30|'],
    ['12/30|', '12 / 30|'],
    ['12/2030|', '12 / 2030|'],
    ['12 / 305|', '12 / 30|'],
    ['1|2 / 30', '1|2 / 30'],
    ['052030|', '05 / 2030|'],
    ['1 / 30|', '01 / 30|'],
    ['1 / 2030|', '01 / 2030|'],
    ['1| / 30', '01| / 30'],
    ['|1 / 30', '|01 / 30'],
    ['5205020|', '05 / 2050|'],
    ['1 x/ 3|', '13|'],
  ]) {
    assert.equal(shown(cardseal.formatExpiry, typed), expected, typed);
  }
});

test('a security code is as long as its brand has it', () => {
  for (const [number, expected] of [
    ['4242', '123'],
    ['3782', '1234'],
    ['3', '1234'],
    ['', '1234'],
    [undefined, '1234'],
    ['37 82', '1234'],
  ]) {
    assert.deepEqual(
      cardseal.formatSecurityCode('1 2345', 6, number),
      { text: expected, caret: expected.length },
      number,
    );
  }
});

test('only texts are formatted', () => {
  for (const value of [undefined, null, 7, {}]) {
    for (const format of [cardseal.formatCardNumber, cardseal.formatExpiry, cardseal.formatSecurityCode]) {
      assert.throws(() => format(value), { code: 'type_invalid', field: 'text' });
    }
  }
  assert.throws(() => cardseal.formatSecurityCode('1', 1, 7), { code: 'type_invalid', field: 'number' });
});

const drawn = (characters, most) =>
  Array.from({ length: randomInt(most + 1) }, () => characters[randomInt(characters.length)]).join('');

test('whatever is typed keeps its digits, and once formatted it stays', () => {
  const digits = (text) => text.replace(/\D/g, '').slice(0, 19);
  for (let round = 0; round < 2000; round++) {
    const text = drawn('0123456789 x-', 30);
    const caret = randomInt(40);
    const once = cardseal.formatCardNumber(text, caret);
    assert.equal(digits(once.text), digits(text));
    assert.equal(
      digits(once.text.slice(0, once.caret)).length,
      digits(text.slice(0, caret)).length,
      `${text} ${caret}`,
    );
    assert.deepEqual(cardseal.formatCardNumber(once.text, once.caret), once);
    const expiry = cardseal.formatExpiry(drawn('0123456789/ ', 10), randomInt(12));
    assert.deepEqual(cardseal.formatExpiry(expiry.text, expiry.caret), expiry);
  }
});
