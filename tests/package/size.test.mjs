// What a page downloads, as a ratio to the two libraries that it replaces: it must not creep up unseen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizes } from '../../scripts/size.mjs';

/** Brotli, divided by aes-js and JSEncrypt. Lower it when the module has become smaller. */
const BUDGET = { cardseal: 1.6, 'cardseal, GreenPay': 1.3, 'cardseal/inline': 1.65 };

test('the downloads stay within their budget', async () => {
  const { rows } = await sizes();
  const reference = rows.find(({ name }) => name === 'aes-js+jsencrypt');
  for (const [name, most] of Object.entries(BUDGET)) {
    const ratio = rows.find((row) => row.name === name).brotli / reference.brotli;
    assert.ok(ratio <= most, `${name} is ${ratio.toFixed(3)} times as large as the pair; the budget is ${most}`);
    assert.ok(ratio > most - 0.1, `${name} is ${ratio.toFixed(3)} only: lower its budget of ${most}`);
  }
});
