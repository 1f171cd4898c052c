// GreenPay's web form: the checkout leads to the platform's page, and reads its answer from the address of the return.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { becomes, failure, field, paidElsewhere, startAll } from './harness.mjs';

const VISA = { number: '4242424242424242', holder: 'Ana Mora', cvc: '739' };
const DECLINED = { ...VISA, number: '4094394314664828' };

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

/** A fresh page, what the browser sent, and the payments that the platform got since. */
const withPage = (body) => async () => {
  const opened = await all.open();
  const greenpay = all.sandbox.of('greenpay');
  const before = (await greenpay.state()).transactions.length;
  try {
    await body({ ...opened, grown: async () => (await greenpay.state()).transactions.slice(before) });
    assert.deepEqual(
      opened.problems.filter((text) => !/^Failed to load resource/.test(text)),
      [],
      'the console stays quiet',
    );
    assert.deepEqual(await opened.violations(), [], 'nothing breaks the policy');
  } finally {
    await all.sandbox.clearFaults();
    await opened.close();
  }
};

async function payThere(page, { number, holder, cvc }) {
  await page.check('#way-page');
  assert.equal(await page.isVisible(field('number')), false, 'no card is typed here');
  assert.equal(await page.locator('#pay').innerText(), 'Pay $24.50 at GreenPay');
  await page.click('#pay');
  await page.waitForURL('**/greenpay/forms/payment/**');
  await page.fill('[name=cardNumber]', number);
  await page.fill('[name=cardHolder]', holder);
  await page.fill('[name=expirationDate]', '12/30');
  await page.fill('[name=cvc]', cvc);
  await page.click('button');
  await page.waitForURL(`${all.url}/`);
  await page.waitForSelector('#pay-form[data-ready]', { state: 'attached' });
}

test(
  'a payment at the web form, and back',
  withPage(async (opened) => {
    await payThere(opened.page, VISA);
    await paidElsewhere(opened, all.url, VISA);
  }),
);

test(
  'a card that the bank declines at the web form',
  withPage(async ({ page, grown }) => {
    await payThere(page, DECLINED);
    assert.match(await failure(page), /money|funds/i);
    assert.deepEqual(
      (await grown()).map(({ state }) => state),
      ['declined'],
    );
  }),
);

test(
  'an answer that the platform did not sign pays nothing; its notification does',
  withPage(async ({ page, grown }) => {
    await all.sandbox.fault({ platform: 'greenpay', route: 'forms/payment', kind: 'wrong_key_signature' });
    await payThere(page, VISA);
    // The notification of the same payment is signed as it should be.
    await becomes(page, 'approved');
    assert.equal((await grown()).length, 1);
  }),
);
