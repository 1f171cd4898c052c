// A saved card of one platform that is updated while another platform is chosen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { field, payWith, startAll, VISA } from './harness.mjs';

let all;
before(async () => {
  all = await startAll({
    platforms: ['greenpay', 'online_payments'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
  });
});
after(() => all?.stop());

test('an update that is given up brings back the platform that was chosen, with its own form', async () => {
  const { page, close } = await all.open();
  try {
    await page.check('#platform-greenpay');
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    await page.click('#result-next');
    await page.check('#platform-online_payments');
    await page.check('#way-frame');
    await page.waitForSelector('#frame[data-ready]');
    await page
      .locator('#saved > li')
      .first()
      .getByRole('button', { name: /^Update/ })
      .click();
    await page.locator(field('number')).waitFor();
    assert.equal(await page.locator('#frame iframe').count(), 0);
    await page.click('#stop-updating');
    await page.waitForSelector('#frame[data-ready]');
    assert.equal(await page.isChecked('#platform-online_payments'), true);
    assert.equal(await page.isVisible(field('number')), false);
  } finally {
    await close();
  }
});
