// Pictures of every state of the demo page, wide and narrow, light and dark, into a folder:
//
//   node tests/browser/screenshots.mjs FOLDER
//
// Not a test: somebody has to look.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { AMEX, NO_MONEY, VISA, failure, payWith, startAll, typeCard, until } from './harness.mjs';

const folder = process.argv[2];
if (!folder) {
  process.stderr.write('usage: node tests/browser/screenshots.mjs FOLDER\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const settled = (page) => page.waitForTimeout(350);
const listed = (page) => until('the lists', () => page.locator('#payments > li').first().isVisible());

/** Name, and what to do with a page; the picture is of the whole page unless `only` names a part. */
const STATES = {
  start: async () => {},
  mistakes: async (page) => { await typeCard(page, { ...VISA, number: '4242', expiry: '0120', cvc: '1', holder: '' }); await page.click('#pay'); },
  'several-brands': async (page) => { await page.fill('#card-number', '6'); },
  paid: async (page) => { await payWith(page, VISA); await listed(page); },
  declined: async (page) => { await typeCard(page, NO_MONEY); await page.click('#pay'); await failure(page); await listed(page); },
  'saved-cards': async (page) => {
    await page.fill('#card-nickname', 'Travel card');
    await payWith(page, AMEX);
    await listed(page);
    await page.locator('#payments').getByRole('button', { name: /^Refund/ }).first().click();
    await page.locator('#ask-yes').click();
    await until('the refund', () => page.locator('[data-status="refunded"]').first().isVisible());
    await page.click('#result-next');
    await page.evaluate(() => document.activeElement.blur());
  },
  question: async (page) => { await payWith(page, VISA); await listed(page); await page.locator('#saved').getByRole('button', { name: /^Delete/ }).first().click(); },
  updating: async (page) => { await payWith(page, VISA); await listed(page); await page.locator('#saved').getByRole('button', { name: /^Update/ }).first().click(); },
  unknown: async (page, all) => {
    await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'gateway_timeout_after_commit', times: 1, webhook_after_ms: 4000 });
    await payWith(page, VISA);
    await listed(page);
  },
  direct: async (page) => { await page.check('#way-direct'); await payWith(page, VISA); await listed(page); },
  busy: async (page, all) => {
    await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'delay', times: 1, ms: 1500 });
    await typeCard(page, VISA);
    await page.click('#pay');
  },
  'platform-down': async (page, all) => {
    await all.sandbox.fault({ route: 'merchant/tokenize', kind: 'drop_before', times: 0 });
    await typeCard(page, VISA);
    await page.click('#pay');
    await failure(page);
    await all.sandbox.clearFaults();
  },
};

const all = await startAll();
try {
  for (const [width, height] of [[1280, 860], [360, 740]]) {
    for (const colorScheme of ['light', 'dark']) {
      for (const [name, prepare] of Object.entries(STATES)) {
        const { page, close } = await all.open({ viewport: { width, height }, colorScheme, deviceScaleFactor: 1 });
        await prepare(page, all);
        await settled(page);
        const file = path.join(folder, `${name}-${width}-${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: !['question', 'busy'].includes(name), animations: 'disabled' });
        process.stdout.write(`${file}\n`);
        await close();
      }
      const { page, close } = await all.open({ viewport: { width, height }, colorScheme, ready: false, javaScriptEnabled: false });
      await page.screenshot({ path: path.join(folder, `without-script-${width}-${colorScheme}.png`) });
      await close();
      const context = await all.browser.newContext({ viewport: { width, height }, colorScheme });
      const broken = await context.newPage();
      await broken.route('**/cardseal_bg.wasm', (route) => route.abort());
      await broken.goto(all.url);
      await broken.waitForSelector('#load-failure');
      await broken.screenshot({ path: path.join(folder, `load-failed-${width}-${colorScheme}.png`) });
      await context.close();
    }
  }
  const { page, close } = await all.open({ viewport: { width: 1280, height: 860 } });
  await all.server.stop();
  await typeCard(page, VISA);
  await page.click('#pay');
  await failure(page);
  await page.screenshot({ path: path.join(folder, 'server-down-1280-light.png'), fullPage: true });
  await close();
} finally {
  await all.stop();
}
