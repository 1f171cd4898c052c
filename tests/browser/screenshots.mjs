// Pictures of every state of the demo's two pages, wide and narrow, light and dark, into a folder:
//
//   node tests/browser/screenshots.mjs FOLDER            all of them
//   node tests/browser/screenshots.mjs --docs            the pictures in docs/ anew, and nothing else
//   node tests/browser/screenshots.mjs FOLDER gp-        those whose name begins so; op- for Online Payments,
//                                                        wa- for Worldline Acquiring, cc- for CCBill,
//                                                        desk- for the desk
//
// Not a test: somebody has to look.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import {
  AMEX,
  becomes,
  CC_VISA,
  deskOf,
  failure,
  field,
  followUp,
  GP_AMEX,
  GP_DECLINED,
  GP_VISA,
  NO_MONEY,
  payWith,
  root,
  startAll,
  typeCard,
  typeCustomer,
  until,
  VISA,
} from './harness.mjs';

const docs = process.argv[2] === '--docs';
const [folder, beginning = ''] = docs ? [path.join(root, 'docs/pictures')] : process.argv.slice(2);
if (!folder) {
  process.stderr.write('usage: node tests/browser/screenshots.mjs FOLDER [BEGINNING] | --docs\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

/** Of the gallery, by the file's name: what it shows, in which colours. */
const PICTURES = {
  'card-form-light': ['only=states&pieces=valid,invalid,failed', 'light'],
  'card-form-dark': ['only=states&pieces=valid,invalid,failed', 'dark'],
  'card-form-rtl': ['only=states&lang=ar&pieces=empty,valid,invalid', 'light'],
  'card-form-platforms': ['only=platforms&lang=de&pieces=greenpay,gp_api,ccbill', 'light'],
  'card-form-brands': ['only=choice&lang=fr', 'light'],
};

/** Makes the pictures that the documents show. */
async function drawDocs() {
  for (const [name, [query, colorScheme]] of Object.entries(PICTURES)) {
    const { page, close } = await all.open({ viewport: { width: 1290, height: 1000 }, colorScheme, ready: false });
    await page.goto(`${all.url}/gallery.html?${query}`);
    await page.locator('.piece').first().waitFor();
    await until('the states', () =>
      page.evaluate(() =>
        [...document.querySelectorAll('.piece')].every(({ dataset, firstElementChild: title }) => {
          const { state } = title.nextElementSibling.firstElementChild;
          const wanted = dataset.piece;
          return ['valid', 'invalid', 'busy', 'failed', 'done'].includes(wanted)
            ? state === wanted
            : state !== 'loading';
        }),
      ),
    );
    await settled(page);
    // Nothing of the page lies over it.
    await page.evaluate(() => document.getElementById('bar').remove());
    await page.locator('.shelf').screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled' });
    await close();
  }
  const { page, close } = await all.open({ viewport: { width: 1100, height: 900 }, colorScheme: 'light' });
  await payWith(page, VISA);
  await listed(page);
  await page.evaluate(() => {
    document.activeElement.blur();
    for (const details of document.querySelectorAll('#wire details')) details.open = details.dataset.step === '2';
  });
  await settled(page);
  const { y, height } = await page.locator('.sealed-parts').boundingBox();
  await page.screenshot({
    path: path.join(root, 'docs/demo.png'),
    fullPage: true,
    clip: { x: 0, y: 0, width: 1100, height: Math.ceil(y + height) + 24 },
    animations: 'disabled',
  });
  await close();
}

const settled = (page) => page.waitForTimeout(350);
const listed = (page) => until('the list', () => page.locator('#saved > li').first().isVisible());

/** Name, and what to do with a page; the picture is of the whole page unless `only` names a part. */
const STATES = {
  start: async () => {},
  mistakes: async (page) => {
    await typeCard(page, { ...VISA, number: '4242', expiry: '0120', cvc: '1', holder: '' });
    await page.click('#pay');
  },
  'several-brands': async (page) => {
    await page.fill(field('number'), '6');
  },
  paid: async (page) => {
    await payWith(page, VISA);
    await listed(page);
  },
  declined: async (page) => {
    await typeCard(page, NO_MONEY);
    await page.click('#pay');
    await failure(page);
  },
  'saved-cards': async (page) => {
    await page.fill(field('nickname'), 'Travel card');
    await payWith(page, AMEX);
    await listed(page);
    await page.click('#result-next');
    await page.evaluate(() => document.activeElement.blur());
  },
  question: async (page) => {
    await payWith(page, VISA);
    await listed(page);
    await page
      .locator('#saved')
      .getByRole('button', { name: /^Delete/ })
      .first()
      .click();
  },
  updating: async (page) => {
    await payWith(page, VISA);
    await listed(page);
    await page
      .locator('#saved')
      .getByRole('button', { name: /^Update/ })
      .first()
      .click();
  },
  unknown: async (page, all) => {
    await all.sandbox.fault({
      route: 'merchant/tokenPayment',
      kind: 'gateway_timeout_after_commit',
      times: 1,
      webhook_after_ms: 4000,
    });
    await payWith(page, VISA);
  },
  direct: async (page) => {
    await page.check('#way-direct');
    await payWith(page, VISA);
    await listed(page);
  },
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

const openPanel = (page) =>
  page.evaluate(() => {
    for (const details of document.querySelectorAll('#wire details')) details.open = true;
  });
/** The same with GP API chosen. */
const GP_STATES = {
  start: async () => {},
  mistakes: async (page) => {
    await typeCard(page, { ...GP_VISA, number: '5425233424241200', expiry: '0120', cvc: '1' });
    await page.click('#pay');
  },
  paid: async (page) => {
    await payWith(page, GP_AMEX);
    await listed(page);
    await openPanel(page);
  },
  authorized: async (page) => {
    await page.check('#capture-later');
    await payWith(page, GP_VISA);
  },
  'both-platforms': async (page) => {
    await payWith(page, GP_VISA);
    await page.click('#result-next');
    await page.check('#platform-greenpay');
    await payWith(page, VISA);
    await page.click('#result-next');
    await page.check('#platform-gp_api');
    await page.selectOption('#currency', 'EUR');
    await page.evaluate(() => document.activeElement.blur());
  },
  declined: async (page) => {
    await typeCard(page, GP_DECLINED);
    await page.click('#pay');
    await failure(page);
  },
  unsaved: async (page) => {
    await page.uncheck('#save-card');
    await typeCard(page, GP_VISA);
  },
};
for (const [name, prepare] of Object.entries(GP_STATES)) {
  STATES[`gp-${name}`] = async (page, all) => {
    await page.check('#platform-gp_api');
    await prepare(page, all);
  };
}

/** The same with Online Payments. */
const OP_VISA = { ...VISA, number: '4012000033330026' };
const OP_STATES = {
  start: async () => {},
  paid: async (page) => {
    await payWith(page, OP_VISA);
    await listed(page);
    await openPanel(page);
  },
  page: async (page) => {
    await page.check('#way-page');
  },
  frame: async (page) => {
    await page.check('#way-frame');
    await page.waitForSelector('#frame[data-ready]');
  },
  'turned-back': async (page, all) => {
    await page.check('#way-page');
    await page.click('#pay');
    await page.waitForURL('**/hostedcheckout/**');
    await page.goto(all.url);
    await page.waitForSelector('#notice.notice-info');
  },
  'bank-waits': async (page, all) => {
    await typeCard(page, { ...OP_VISA, number: '4000000000003220' });
    await page.click('#pay');
    await page.waitForURL('**/authentication/**');
    await page.goto(all.url);
    await page.waitForSelector('#result:not([hidden])');
  },
};
for (const [name, prepare] of Object.entries(OP_STATES)) {
  STATES[`op-${name}`] = async (page, all) => {
    await page.check('#platform-online_payments');
    await prepare(page, all);
  };
}

/** The same with Worldline Acquiring. */
const WA_VISA = { ...VISA, number: '4176669999000104' };
const WA_STATES = {
  start: async () => {},
  paid: async (page) => {
    await payWith(page, WA_VISA);
    await listed(page);
    await openPanel(page);
  },
  declined: async (page) => {
    await typeCard(page, { ...WA_VISA, number: '4176669999000203' });
    await page.click('#pay');
    await failure(page);
  },
};
for (const [name, prepare] of Object.entries(WA_STATES)) {
  STATES[`wa-${name}`] = async (page, all) => {
    await page.check('#platform-worldline_acquiring');
    await prepare(page, all);
  };
}

/** The same with CCBill. */
const payOnce = async (page) => {
  await page.uncheck('#save-card');
  await page.selectOption('#currency', 'EUR');
  await typeCard(page, CC_VISA);
  await page.click('#pay');
  await page.waitForSelector('#ask[open]');
};
const CC_STATES = {
  start: async (page) => {
    await page.evaluate(() => {
      document.querySelector('details.more').open = true;
    });
  },
  mistakes: async (page) => {
    await typeCustomer(page, { firstName: 'José', email: 'ana', postalCode: '' });
    await typeCard(page, { ...CC_VISA, holder: 'Ana 2' });
    await page.click('#pay');
  },
  paid: async (page) => {
    await payWith(page, CC_VISA);
    await listed(page);
    await openPanel(page);
  },
  question: async (page) => {
    await payOnce(page);
  },
  'paid-3ds': async (page) => {
    await payOnce(page);
    await page.click('#ask-yes');
    await page.waitForSelector('#result:not([hidden])');
    await openPanel(page);
  },
  declined: async (page) => {
    await page.fill('#amount', '24.31');
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    await failure(page);
  },
};
for (const [name, prepare] of Object.entries(CC_STATES)) {
  STATES[`cc-${name}`] = async (page, all) => {
    await page.check('#platform-ccbill');
    await typeCustomer(page);
    await prepare(page, all);
  };
}

/** The desk, after what a shopper did. */
const DESK_STATES = {
  empty: async (page) => {
    await page
      .context()
      .route('**/v1/{payments,tokens,events}?*', (route) => route.fulfill({ json: { data: [], next: null } }));
  },
  payments: async (page) => {
    await payWith(page, VISA);
    await page.click('#result-next');
    await page.check('#platform-gp_api');
    await page.check('#capture-later');
    await payWith(page, GP_VISA);
    await becomes(page, 'authorized');
    await page.click('#result-next');
    await page.uncheck('#capture-later');
    await payWith(page, GP_AMEX);
    await followUp(await becomes(page, 'approved'), 'Refund', '10.10');
    await becomes(page, 'partially_refunded');
    await page.click('#result-next');
    await typeCard(page, GP_DECLINED);
    await page.click('#pay');
    await failure(page);
    await openPanel(await deskOf(page));
  },
  question: async (page) => {
    await page.check('#platform-gp_api');
    await payWith(page, GP_VISA);
    const desk = await becomes(page, 'approved');
    await followUp(desk, 'Refund', '99');
  },
  unknown: async (page, all) => {
    const faults = { times: 1, webhook_after_ms: 60_000 };
    await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'gateway_timeout_after_commit', ...faults });
    await payWith(page, VISA);
    await page.click('#result-next');
    await page.check('#platform-online_payments');
    await typeCard(page, { ...OP_VISA, number: '4000000000003220' });
    await page.click('#pay');
    await page.waitForURL('**/authentication/**');
    await page.goto(all.url);
    await becomes(page, 'unknown');
  },
  settle: async (page) => {
    const desk = await deskOf(page);
    await desk
      .locator('#open')
      .getByRole('button', { name: /^Settle/ })
      .first()
      .click();
  },
};
for (const [name, prepare] of Object.entries(DESK_STATES)) {
  STATES[`desk-${name}`] = async (page, all) => {
    await prepare(page, all);
    return deskOf(page);
  };
}

/** Takes the events, as a shop's server does. */
const shop = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(204).end());
});
shop.listen(0, '127.0.0.1');
await once(shop, 'listening');

const all = await startAll({
  events: {
    url: `http://127.0.0.1:${shop.address().port}/events`,
    secret: `whsec_${randomBytes(32).toString('base64')}`,
  },
  platforms: docs ? ['greenpay'] : ['greenpay', 'gp_api', 'online_payments', 'worldline_acquiring', 'ccbill'],
  settings: ({ page }) => (docs ? {} : { online_payments: { return_url: page } }),
});
try {
  if (docs) await drawDocs();
  for (const [width, height] of docs
    ? []
    : [
        [1100, 860],
        [360, 740],
      ]) {
    for (const colorScheme of ['light', 'dark']) {
      for (const [name, prepare] of Object.entries(STATES).filter(([state]) => state.startsWith(beginning))) {
        const { page, close } = await all.open({
          viewport: { width, height },
          colorScheme,
          deviceScaleFactor: 1,
          save: !name.endsWith('start'),
        });
        const shown = (await prepare(page, all)) ?? page;
        await settled(shown);
        const file = path.join(folder, `${name}-${width}-${colorScheme}.png`);
        await shown.screenshot({
          path: file,
          fullPage: !['question', 'busy', 'cc-question', 'desk-question', 'desk-settle'].includes(name),
          animations: 'disabled',
        });
        process.stdout.write(`${file}\n`);
        await close();
      }
      if (beginning) continue;
      const { page, close } = await all.open({
        viewport: { width, height },
        colorScheme,
        ready: false,
        javaScriptEnabled: false,
      });
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
  if (!beginning && !docs) {
    const { page, close } = await all.open({ viewport: { width: 1100, height: 860 } });
    await all.server.stop();
    await typeCard(page, VISA);
    await page.click('#pay');
    await failure(page);
    await page.screenshot({ path: path.join(folder, 'server-down-1100-light.png'), fullPage: true });
    await close();
  }
} finally {
  await all.stop();
  shop.close();
}
