// The check of the documentation's sentences finds what its rules say, and leaves code alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST, RULES, read } from '../../scripts/prose.mjs';

test('words that a rule names are found, with their line, and not in code', () => {
  const text = [
    '# Simply utilize it',
    '',
    'Call `simply utilize()` here, which says "please utilize".',
    '',
    '```js',
    'simply(utilize);',
    '```',
    '',
    '| a | the the |',
    '|---|---|',
    '| prior to | [x](simply.md) |',
  ].join('\n');
  assert.deepEqual(read('page.md', text), [
    'page.md:1: "Simply": leave it out',
    'page.md:1: "utilize": use',
    'page.md:9: "the the": once',
    'page.md:11: "prior to": before',
  ]);
});

test('long sentences are found, lists are not', () => {
  const long = new Array(LONGEST + 1).fill('word').map((word, index) => `${word}${index}`);
  assert.match(read('page.md', `${long.join(' ')}.`)[0], /^page\.md:1: a sentence of 46 words/);
  assert.deepEqual(read('page.md', `${long.join(', ')}.`), []);
  assert.deepEqual(read('page.md', `${long.slice(1).join(' ')}.`), []);
});

test('every rule can be broken', () => {
  const samples =
    'Simply seamless utilization in order to due to the fact that at this point in time prior to in the event of a large number of please leverage hand it over holds something else than something else than to the end of it What of a would be seen never are no chance card code CVV credit card number webhook endpoint backend sign in to whitelist the the';
  for (const [pattern] of RULES) assert.match(samples, pattern);
});
