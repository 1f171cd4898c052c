// What a page downloads, in bytes after brotli 11: it must not creep up unseen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizes } from '../../scripts/size.mjs';

/** Bytes at most. Lower one when its download has become smaller; what they are to come to stands in docs/decisions. */
const BUDGET = {
  cardseal: 99_000,
  'cardseal/greenpay': 59_500,
  'cardseal/gp-api': 32_850,
  'cardseal/ccbill': 36_250,
  'cardseal/worldline-acquiring': 36_450,
  'cardseal/online-payments': 50_400,
  'before the form': 8_000,
  'cardseal/card-form': 25_250,
  'card form, GreenPay': 84_300,
};

test('the downloads stay within their budget', async () => {
  const { rows } = await sizes();
  for (const [name, most] of Object.entries(BUDGET)) {
    const { brotli } = rows.find((row) => row.name === name);
    assert.ok(brotli <= most, `${name} has ${brotli} bytes; the budget is ${most}`);
  }
});

test('a form can be used sooner than with what does the same work in JavaScript', async () => {
  const { rows } = await sizes();
  const of = (name) => rows.find((row) => row.name === name).brotli;
  assert.ok(of('before the form') < of('same work') / 4);
});
